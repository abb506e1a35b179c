"""Repositories: from what a user calls them to a folder with a ``hubconf.py``."""

from __future__ import annotations

import hashlib
import lzma
import os
import pathlib
import re
import shutil
import subprocess
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from urllib.parse import urlsplit

from . import download
from .exceptions import FetcherError, GitCheckoutError, GitPullError, InvalidGitHost, InvalidProtocol, InvalidRepo

HUBCONF = "hubconf.py"
PROTOCOLS = ("HTTPS", "SSH")
_ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
_OWNED = re.compile(r"(?P<repo>[\w.-]+/[\w.-]+)(?::(?P<ref>\w[\w.+/-]*))?\Z", re.ASCII)
_PLACE = re.compile(r"(?P<place>.*?[^/\\]+?)(?::(?P<ref>\w[^/\\:]*))?\Z", re.DOTALL)  # a path or URL; a ref after its last part
_HOST = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\Z", re.ASCII | re.IGNORECASE)
_UNREADABLE = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError)
_COMMIT = re.compile(r"[0-9a-fA-F]{4,64}\Z")


def folder(repo_info: str | os.PathLike, git_host: str, use_cache: bool, commit: str | None, protocol: str) -> pathlib.Path:
    """The folder in which the repository's ``hubconf.py`` is, fetched if need be. The arguments are those of `hub.load`."""
    if protocol not in PROTOCOLS:
        raise InvalidProtocol(f"numod.hub: protocol must be HTTPS or SSH, got {protocol!r}")
    if commit is not None and not _COMMIT.match(commit):
        raise GitCheckoutError(f"numod.hub: commit must be hexadecimal digits, got {commit!r}")
    text = os.fspath(repo_info)
    if _is_path(text) or not isinstance(repo_info, str):
        return _local(os.path.expanduser(text), use_cache, commit)
    if "://" in text:
        if urlsplit(text).path.endswith(_ARCHIVES):
            return _archive(text, use_cache, commit)
        place, ref = _parted(text)
        if urlsplit(place).scheme not in ("http", "https", "ssh", "file"):
            raise InvalidRepo(f"numod.hub: cannot fetch {text!r}: accepted are URLs that begin with http, https, ssh or file")
        return _clone(place, ref, use_cache, commit)
    match = _OWNED.match(text)
    if match is None:
        raise InvalidRepo(
            f"numod.hub: {text!r} names no repository; accepted are 'owner/name', 'owner/name:branch', a URL, "
            "or a path that is absolute or begins with '.' or '~'"
        )
    if not _HOST.match(git_host):
        raise InvalidGitHost(f"numod.hub: git_host {git_host!r} is no name of a host")
    repo, ref = match["repo"], match["ref"] or "master"
    if protocol == "HTTPS" and git_host == "github.com":
        return _archive(f"https://{git_host}/{repo}/archive/{commit or ref}.zip", use_cache, None)
    url = f"git@{git_host}:{repo}.git" if protocol == "SSH" else f"https://{git_host}/{repo}.git"
    return _clone(url, ref, use_cache, commit)


def _is_path(text: str) -> bool:
    return os.path.isabs(text) or text.startswith((".", "~"))


def _parted(text: str) -> tuple[str, str | None]:
    """``place:ref`` in its parts."""
    match = _PLACE.match(text)
    return (match["place"], match["ref"]) if match else (text, None)


def _local(text: str, use_cache: bool, commit: str | None) -> pathlib.Path:
    """A folder is used where it is, unless a branch, tag or commit of its repository is asked for."""
    place, ref = (text, None) if os.path.exists(text) else _parted(text)
    path = pathlib.Path(place).resolve()
    if path.is_file() and path.name.endswith(_ARCHIVES) and ref is None:
        return _archive(path.as_uri(), use_cache, commit)
    if not path.is_dir():
        raise InvalidRepo(f"numod.hub: there is no folder {text!r}")
    if ref is None and commit is None and not _is_bare(path):
        return _root(path, text)
    if not _is_bare(path) and not (path / ".git").exists():
        raise InvalidRepo(f"numod.hub: {text!r} is no git repository, so it has no branches and commits")
    return _clone(path.as_uri(), ref, use_cache, commit)


def _is_bare(path: pathlib.Path) -> bool:
    """Whether a folder is a git repository without files beside it."""
    return (path / "HEAD").is_file() and (path / "objects").is_dir()


def _root(path: pathlib.Path, text: str) -> pathlib.Path:
    """Where ``hubconf.py`` is: in the folder, or in the only folder in it, as archives have it."""
    inside = [each for each in path.iterdir() if each.name != ".git"]
    for candidate in (path, *(inside if len(inside) == 1 else ())):
        if (candidate / HUBCONF).is_file():
            return candidate
    raise InvalidRepo(f"numod.hub: {text!r} has no {HUBCONF}")


def _archive(url: str, use_cache: bool, commit: str | None) -> pathlib.Path:
    if commit is not None:
        raise InvalidRepo(f"numod.hub: {url!r} is an archive, so it has no commits; got commit={commit!r}")

    def fill(place: pathlib.Path) -> None:
        packed = download.stored(url, place.parent, use_cache=False)
        try:
            _unpack(packed, place)
        except (*_UNREADABLE, RuntimeError) as error:  # zipfile raises RuntimeError for encrypted files
            raise FetcherError(f"numod.hub: {url} cannot be unpacked: {error}") from error

    return _installed(url, (url,), fill, use_cache)


def _unpack(packed: pathlib.Path, place: pathlib.Path) -> None:
    """All files of an archive, none of them outside of ``place``."""
    if packed.name.endswith(".zip"):
        with zipfile.ZipFile(packed) as zipped:
            zipped.extractall(place)  # leaves out '..' and leading '/'
        return
    if not hasattr(tarfile, "data_filter"):
        raise FetcherError("Python 3.11.4 is the first that unpacks tar files safely; use it or a zip file")
    with tarfile.open(packed) as tarred:
        tarred.extractall(place, filter="data")


def _clone(url: str, ref: str | None, use_cache: bool, commit: str | None) -> pathlib.Path:
    """A clone; without a branch, tag or commit what the repository itself has checked out."""

    def fill(place: pathlib.Path) -> None:
        _git(GitPullError, f"cannot clone {url}", "clone", "--quiet", "--no-checkout", "--", url, str(place))
        wanted = commit or ref
        if wanted is None:
            found = "HEAD"
        else:
            for candidate in (wanted,) if commit else (f"refs/remotes/origin/{wanted}", f"refs/tags/{wanted}"):
                if _runs("-C", str(place), "rev-parse", "--verify", "--quiet", f"{candidate}^{{commit}}").returncode == 0:
                    found = candidate
                    break
            else:
                raise GitCheckoutError(f"numod.hub: {url} has no {'commit' if commit else 'branch or tag'} {wanted!r}")
        _git(GitCheckoutError, f"cannot check out {wanted or found} of {url}", "-C", str(place), "checkout", "--quiet", "--detach", found)

    return _installed(url, (url, ref, commit), fill, use_cache)


def _git(kind: type[FetcherError], what: str, *arguments: str) -> None:
    done = _runs(*arguments)
    if done.returncode:
        raise kind(f"numod.hub: {what}: {done.stderr.strip()}")


def _runs(*arguments: str) -> subprocess.CompletedProcess[str]:
    """git, which must not wait for a password."""
    try:
        environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0"}
        return subprocess.run(["git", *arguments], capture_output=True, text=True, env=environment, stdin=subprocess.DEVNULL, check=False)
    except FileNotFoundError:
        raise FetcherError("numod.hub: this needs the program git, which is not installed") from None


def _installed(url: str, key: tuple, fill: Callable[[pathlib.Path], None], use_cache: bool) -> pathlib.Path:
    """The folder for a key in the cache, filled if it is not there; a folder is there as a whole or not at all."""
    name = re.sub(r"\W+", "_", download.file_name(url.replace(":", "/")))[-40:]
    place = download.cache("repositories") / f"{name}_{hashlib.sha256(repr(key).encode()).hexdigest()[:16]}"
    if use_cache and place.is_dir():
        return _root(place, url)
    scratch = pathlib.Path(tempfile.mkdtemp(dir=place.parent, prefix="."))
    try:
        fresh = scratch / "fresh"
        fill(fresh)
        _root(fresh, url)
        if place.is_dir():
            place.rename(scratch / "old")
        try:
            fresh.rename(place)
        except OSError:
            if not place.is_dir():  # else another process was first
                raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return _root(place, url)
