"""Sockets between processes that know the same key: how they meet, and messages of a text and bytes.

Nothing is read from a socket but numbers of bytes until the other side has shown that it knows the key. Bytes are not encrypted.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import multiprocessing
import os
import secrets
import socket
import struct
import sys
import time

from .. import config
from .errors import DistributedError

HEAD = struct.Struct("!BIQ")  # kind, bytes of the text, bytes of the content
LARGEST_TEXT = 1 << 20
_NONCE, _PROOF = 32, 32
_PATIENCE = 10.0  # seconds for the other side to show that it knows the key


def key() -> bytes:
    """What the processes of a group have in common: ``NUMOD_DISTRIBUTED_KEY``, or what a process shares with those that it starts."""
    text = os.environ.get("NUMOD_DISTRIBUTED_KEY")
    return hashlib.sha256(text.encode()).digest() if text else bytes(multiprocessing.current_process().authkey)


def is_local(host: str) -> bool:
    """Whether a host is this machine by a name that no other machine can reach."""
    return host == "localhost" or host.startswith("127.") or host == "::1"


def listen(host: str, port: int = 0) -> socket.socket:
    """A socket that waits for others at an address of this machine."""
    return socket.create_server((host, port), backlog=256)


def call(host: str, port: int, seconds: float) -> socket.socket:
    """A connection to a socket of another process, which may not be there yet. DistributedError after so many seconds."""
    until = time.monotonic() + seconds
    while True:
        try:
            return _prepared(socket.create_connection((host, port), timeout=max(until - time.monotonic(), 0.1)))
        except OSError as error:
            if time.monotonic() >= until:
                raise DistributedError(f"distributed: nobody answers at {host}:{port} within {seconds:.0f} seconds: {error}") from None
            time.sleep(0.05)


def meeting_place(host: str) -> tuple[socket.socket, list]:
    """A socket that waits for others, and its address for `reach`. On one machine with Linux it is a Unix socket without a file: these are faster."""
    if is_local(host) and sys.platform == "linux":
        server = socket.socket(socket.AF_UNIX)
        name = f"\0numod-{secrets.token_hex(16)}"  # in the abstract namespace: it ends with the process, however that ends
        server.bind(name)
        server.listen(256)
        return server, [name]
    server = listen("127.0.0.1" if is_local(host) else host)
    return server, list(server.getsockname()[:2])


def reach(address: list) -> socket.socket:
    """A connection to a `meeting_place`."""
    if len(address) == 2:
        return call(address[0], address[1], config.patience)
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(address[0])
    return _prepared(connection)


def accept(server: socket.socket) -> socket.socket:
    """The next connection of somebody else."""
    return _prepared(server.accept()[0])


def _prepared(connection: socket.socket) -> socket.socket:
    if connection.family != getattr(socket, "AF_UNIX", None):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    with contextlib.suppress(OSError):  # large ones move large arrays faster
        for size in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            connection.setsockopt(socket.SOL_SOCKET, size, 4 << 20)
    return connection


def introduce(connection: socket.socket, secret: bytes, calling: bool, rank: int = 0) -> int:
    """Show the other side that this one knows the key, and see that it does; returns the rank that it says. If not, close and raise DistributedError.

    Each side sends a random number, and then the HMAC-SHA256 of both numbers, of who called and of its rank.
    """
    before = connection.gettimeout()
    connection.settimeout(_PATIENCE)
    try:
        mine = os.urandom(_NONCE) + struct.pack("!I", rank)
        connection.sendall(mine)
        theirs = read(connection, len(mine))
        first, second = (mine, theirs) if calling else (theirs, mine)
        connection.sendall(_proof(secret, calling, first + second))
        if not hmac.compare_digest(read(connection, _PROOF), _proof(secret, not calling, first + second)):
            connection.close()
            raise DistributedError(
                "distributed: the other process has another key; processes that no launcher started together need the same NUMOD_DISTRIBUTED_KEY"
            )
    except (OSError, EOFError) as error:
        connection.close()
        raise DistributedError(f"distributed: the other process did not introduce itself: {error}") from None
    connection.settimeout(before)
    return struct.unpack("!I", theirs[_NONCE:])[0]


def _proof(secret: bytes, calling: bool, said: bytes) -> bytes:
    return hmac.digest(secret, (b"numod caller" if calling else b"numod called") + said, "sha256")


def read(connection: socket.socket, count: int) -> bytes:
    """So many bytes; EOFError if the other side has closed."""
    data = bytearray(count)
    view = memoryview(data)
    while len(view):
        got = connection.recv_into(view)
        if not got:
            raise EOFError("it closed the connection")
        view = view[got:]
    return bytes(data)


def send(connection: socket.socket, text: str, content: bytes = b"", kind: int = 0) -> None:
    """A message, on a socket that blocks."""
    said = text.encode()
    connection.sendall(HEAD.pack(kind, len(said), len(content)) + said + content)


def receive(connection: socket.socket) -> tuple[int, str, bytes]:
    """(kind, text, content) of the next message, on a socket that blocks."""
    kind, length, nbytes = HEAD.unpack(read(connection, HEAD.size))
    if length > LARGEST_TEXT:
        raise DistributedError(f"distributed: a message has a text of {length} bytes")
    return kind, read(connection, length).decode(), read(connection, nbytes)
