"""The on-disk cache of machine code: one file for each kernel, named by the hash of all that it is made of.

A file is a magic number, the SHA-256 of the rest, and an object file as LLVM emits it. Writing is atomic, reading checks the hash,
and the folder must belong to the user alone. Whatever goes wrong here costs a compile, never an error: the cache
warns once and the process goes on without it.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.util
import os
import pathlib
import platform
import sys
import tempfile
import warnings
from collections.abc import Iterator

try:
    import fcntl
except ImportError:  # Windows has no flock; two processes may then compile the same kernel, and both results are good
    fcntl = None  # type: ignore[assignment]

from . import host

MAGIC = b"numod\x00\x00\x01"


@functools.cache
def folder() -> pathlib.Path:
    """Where kernels are kept: ``NUMOD_CACHE_DIR`` or the user's cache folder."""
    chosen = os.environ.get("NUMOD_CACHE_DIR")
    if chosen:
        return pathlib.Path(chosen)
    import platformdirs  # costs 10 ms that a process with NUMOD_CACHE_DIR set does not need

    return pathlib.Path(platformdirs.user_cache_dir("numod")) / "kernels"


def _version(package: str) -> str:
    """What a package's version file says; importing numba would take half a second, `importlib.metadata` 15 ms."""
    spec = importlib.util.find_spec(package)
    return pathlib.Path(spec.origin).with_name("_version.py").read_text() if spec and spec.origin else "missing"


@functools.cache
def toolchain() -> bytes:
    """Digest of everything that turns a kernel's key into machine code, but for the key itself."""
    digest = hashlib.sha256()
    for file in sorted(pathlib.Path(__file__).parent.glob("*.py")):
        digest.update(file.name.encode() + file.read_bytes())
    facts = (
        _version("numba"),
        _version("llvmlite"),
        sys.version_info[:2],
        platform.machine(),
        sys.platform,
        host.cpu(),
    )
    digest.update(repr(facts).encode())
    return digest.digest()


def digest(key: tuple) -> str:
    """The name of the kernel with this key, 40 hexadecimal digits."""
    return hashlib.sha256(toolchain() + repr(key).encode()).hexdigest()[:40]


@functools.cache
def _trusted() -> bool:
    """Make the folder; say whether objects in it may be run: it must be ours and writable by nobody else."""
    path = folder()
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = path.stat()
    except OSError as error:
        _warn(f"cannot use {path}: {error}")
        return False
    if hasattr(os, "getuid") and (status.st_uid != os.getuid() or status.st_mode & 0o022):
        _warn(f"{path} belongs to or is writable by another user")
        return False
    return True


@functools.cache
def _warn(reason: str) -> None:
    warnings.warn(f"numod: the kernel cache is off, kernels are compiled anew in each process: {reason}", stacklevel=3)


def _sealed(name: str, body: bytes) -> bytes:
    """The content of the file ``name``; the name counts, so that files cannot be exchanged."""
    return MAGIC + hashlib.sha256(name.encode() + body).digest() + body


def read(name: str) -> bytes | None:
    """The object file stored under ``name``, or None if there is none that is whole."""
    if not _trusted():
        return None
    try:
        data = (folder() / name).read_bytes()
    except OSError:
        return None
    body = data[len(MAGIC) + 32 :]
    return body if data == _sealed(name, body) else None


def write(name: str, body: bytes) -> None:
    """Store an object file; readers see all of it or nothing."""
    if not _trusted():
        return
    try:
        handle, temporary = tempfile.mkstemp(dir=folder(), prefix=".")
        with os.fdopen(handle, "wb") as file:
            file.write(_sealed(name, body))
        os.replace(temporary, folder() / name)
    except OSError as error:
        _warn(f"cannot write to {folder()}: {error}")


@contextlib.contextmanager
def lock(name: str) -> Iterator[None]:
    """Held by one process at a time, so that a kernel wanted by many is compiled once. Freed by the system if the holder dies."""
    if fcntl is None or not _trusted():
        yield
        return
    try:
        handle = os.open(folder() / f".lock-{name[:2]}", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError:
        yield
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def kernels() -> list[pathlib.Path]:
    """The kernel files in the cache (the folder may not exist)."""
    path = folder()
    return [file for file in path.iterdir() if not file.name.startswith(".")] if path.is_dir() else []
