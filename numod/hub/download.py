"""Files from URLs: where they are kept, and whether they are what they should be."""

from __future__ import annotations

import hashlib
import http.client
import os
import pathlib
import re
import urllib.request
from urllib.parse import unquote, urlsplit

import platformdirs
from tqdm import tqdm

from .. import files
from ..logger import get_logger
from .exceptions import DownloadError, FetcherError, HashMismatch

SCHEMES = ("http", "https", "file")
TIMEOUT = 120  # seconds without a byte
_CHUNK = 1 << 20
_logger = get_logger(__name__)


def cache(kind: str) -> pathlib.Path:
    """The folder for fetched things of a kind. It is made, and must be writable by this user alone: code is run from there."""
    base = os.environ.get("NUMOD_HUB_DIR")
    folder = (pathlib.Path(base) if base else pathlib.Path(platformdirs.user_cache_dir("numod")) / "hub") / kind
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = folder.stat()
    if hasattr(os, "getuid") and (status.st_uid != os.getuid() or status.st_mode & 0o022):
        raise FetcherError(f"numod.hub: {folder} belongs to or is writable by another user; choose another folder with NUMOD_HUB_DIR")
    return folder


def stored(url: str, folder: pathlib.Path, use_cache: bool = True) -> pathlib.Path:
    """The file behind a URL, downloaded into ``folder`` unless it is there. One that its hash does not fit is not kept."""
    name = re.sub(r"[^\w.+-]", "_", file_name(url))[-100:]
    path = folder / f"{hashlib.sha256(url.encode()).hexdigest()[:6]}_{name}"
    if use_cache and path.is_file():
        try:
            check(path, url)
        except HashMismatch:
            _logger.warning("numod.hub: %s is damaged and is fetched again", path)
        else:
            return path
    _download(url, path, f"; a copy of the file at {path} will be used" if use_cache else "")
    return path


def check(path: pathlib.Path, url: str) -> None:
    """HashMismatch, with the file deleted, if it is not what its URL says."""
    wanted = wanted_hash(url)
    with open(path, "rb") as file:
        digests = _Digests(wanted)
        while chunk := file.read(_CHUNK):
            digests.update(chunk)
    try:
        digests.check(url)
    except HashMismatch:
        path.unlink()
        raise


def file_name(url: str) -> str:
    """The last part of a URL's path."""
    return unquote(urlsplit(url).path.rstrip("/").rpartition("/")[2])


def wanted_hash(url: str) -> tuple[tuple[str, ...], str]:
    """What the hash of a file should begin with, and which kinds of hash that may be; "" if the URL does not say.

    A URL says it with ``#sha256=`` and 64 digits, or at the end of the file's name: 8 or more hexadecimal digits after ``_`` or ``-``,
    letters and numbers among them (a date has no letters).
    """
    fragment = urlsplit(url).fragment
    if fragment:
        found = re.fullmatch(r"sha256=([0-9a-fA-F]{64})", fragment)
        if found is None:
            raise ValueError(f"numod.hub: {url}: expected nothing behind '#', or sha256= and 64 hexadecimal digits")
        return ("sha256",), found[1].lower()
    stem = file_name(url).partition(".")[0]
    found = re.search(r"[_-]((?=[0-9]*[a-f])(?=[a-f]*[0-9])[0-9a-f]{8,64})\Z", stem)
    return (("sha256", "sha1", "md5"), found[1]) if found else ((), "")


class _Digests:
    """The hashes of bytes that come in pieces, as far as one of them is wanted."""

    def __init__(self, wanted: tuple[tuple[str, ...], str]):
        kinds, self.beginning = wanted
        self.digests = [hashlib.new(kind, usedforsecurity=False) for kind in kinds]

    def update(self, chunk: bytes) -> None:
        """Some more bytes."""
        for digest in self.digests:
            digest.update(chunk)

    def check(self, url: str) -> None:
        """HashMismatch if no hash begins as it should."""
        found = [digest.hexdigest() for digest in self.digests]
        if found and not any(each.startswith(self.beginning) for each in found):
            raise HashMismatch(
                f"numod.hub: {url} is damaged, or is not the file it was: its hash should begin with {self.beginning}, {self.digests[0].name} is {found[0]}"
            )


def _download(url: str, path: pathlib.Path, hint: str) -> None:
    scheme = urlsplit(url).scheme
    if scheme not in SCHEMES:
        raise ValueError(f"numod.hub: cannot download {url}: accepted are URLs that begin with {', '.join(SCHEMES)}")
    digests = _Digests(wanted_hash(url))
    _logger.info("numod.hub: downloading %s to %s", url, path)
    try:
        request = urllib.request.Request(url.partition("#")[0], headers={"User-Agent": "numod"})
        with urllib.request.urlopen(request, timeout=TIMEOUT) as response, files.replacing(path) as file:
            length = response.headers.get("Content-Length")
            total, count = int(length) if length else None, 0
            with tqdm(total=total, unit="iB", unit_scale=True, disable=None, leave=False) as bar:  # None: if this is no terminal
                while chunk := response.read(_CHUNK):
                    file.write(chunk)
                    digests.update(chunk)
                    count += len(chunk)
                    bar.update(len(chunk))
            if total not in (None, count):
                raise DownloadError(f"numod.hub: cannot download {url}: it ended after {count} of {total} bytes")
            digests.check(url)
    except (OSError, http.client.HTTPException) as error:  # urllib's own errors are OSErrors
        reason = getattr(error, "reason", None) or error
        code = f"{error.code} " if hasattr(error, "code") else ""
        raise DownloadError(f"numod.hub: cannot download {url}: {code}{reason}{hint}") from error
