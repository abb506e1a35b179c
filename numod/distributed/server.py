"""Server and Client: values under names, and barriers, that all processes of a group can reach. The ranks find each other through it.

The server keeps bytes and looks into none of them. Clients pickle what they put there, and unpickle what others that know the key have put there.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import socket
import threading
from collections.abc import Callable
from typing import Any

from .. import config
from . import wire
from .errors import DistributedError


class Server:
    """Where processes find each other; it runs in a thread of the process of the master, and ends with it or by `close`.

    port: where it listens; any free port if 0. ``py_server_port`` says which. It can be reached from this machine alone, unless
    ``NUMOD_DISTRIBUTED_KEY`` is set: then from others as well.

    >>> server = Server()
    >>> client = Client("localhost", server.py_server_port)
    >>> client.user_set("answer", 42)
    >>> client.user_get("answer")
    42
    >>> client.close(); server.close()
    """

    def __init__(self, port: int = 0):
        self._listen(port)
        self._start()

    @classmethod
    def waiting(cls, port: int = 0) -> Server:
        """A server that has its port, and serves nobody before `_start`: a process can be forked meanwhile."""
        server = cls.__new__(cls)
        server._listen(port)
        return server

    def _listen(self, port: int) -> None:
        self._socket = wire.listen("" if os.environ.get("NUMOD_DISTRIBUTED_KEY") else "127.0.0.1", port)
        self.py_server_port: int = self._socket.getsockname()[1]
        self.mm_server_port = self.py_server_port
        self._secret = wire.key()
        self._values: dict[str, bytes] = {}
        self._arrived: dict[str, int] = {}
        self._changed = threading.Condition()
        self._closed = False

    def _start(self) -> None:
        threading.Thread(target=self._serve, daemon=True, name="numod-server").start()

    def close(self) -> None:
        """Listen no longer, and let go of the clients that wait for something."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        self._socket.close()

    def _serve(self) -> None:
        while True:
            try:
                connection = wire.accept(self._socket)
            except OSError:
                return
            threading.Thread(target=self._attend, args=(connection,), daemon=True).start()

    def _attend(self, connection: socket.socket) -> None:
        """Do what a client asks for until it goes."""
        with connection, contextlib.suppress(OSError, EOFError, DistributedError, ValueError):
            wire.introduce(connection, self._secret, calling=False)
            while True:
                _, text, content = wire.receive(connection)
                request = json.loads(text)
                wire.send(connection, "", self._do(request["do"], request["key"], request["size"], content))

    def _do(self, what: str, key: str, size: int, content: bytes) -> bytes:
        with self._changed:
            if what == "set":
                self._values[key] = content
                self._changed.notify_all()
                return b""
            if what == "barrier":
                return self._barrier(key, size)
            self._wait(lambda: key in self._values)
            return self._values[key] if what == "get" else self._values.pop(key)

    def _barrier(self, key: str, size: int) -> bytes:
        arrived = self._arrived[key] = self._arrived.get(key, 0) + 1
        self._changed.notify_all()
        round_ends = -(-arrived // size) * size
        self._wait(lambda: self._arrived[key] >= round_ends)
        return b""

    def _wait(self, done: Callable[[], bool]) -> None:
        self._changed.wait_for(lambda: done() or self._closed)
        if not done():
            raise EOFError("the server was closed")


class Client:
    """A connection to the `Server` at the master. DistributedError if it is not there, knows another key, or does not answer in time.

    master_ip: a name or address of its machine. port: its ``py_server_port``. A client that has raised such an error is closed; `connect` connects it anew.
    """

    def __init__(self, master_ip: str, port: int):
        self.master_ip, self.port = master_ip, port
        self._lock = threading.Lock()
        self._turns: dict[str, int] = {}
        self._connection: socket.socket | None = None
        self.connect()

    def connect(self) -> None:
        """Connect, anew if it has been connected before."""
        self.close()
        connection = wire.call(self.master_ip, self.port, config.patience)
        wire.introduce(connection, wire.key(), calling=True)
        connection.settimeout(config.patience)
        self._connection = connection

    def close(self) -> None:
        """Let go of the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def host(self) -> str:
        """The address of this machine on the way to the master."""
        return self._connected().getsockname()[0]

    def _connected(self) -> socket.socket:
        if self._connection is None:
            raise DistributedError("Client: it has been closed; connect() connects it anew")
        return self._connection

    def _ask(self, what: str, key: str, size: int = 0, content: bytes = b"") -> bytes:
        if not isinstance(key, str):
            raise TypeError(f"Client: a key must be a str, got {key!r}")
        with self._lock:
            connection = self._connected()
            try:
                wire.send(connection, json.dumps({"do": what, "key": key, "size": size}), content)
                return wire.receive(connection)[2]
            except BaseException as error:
                self.close()  # what comes late would be taken for the answer to the next question
                if isinstance(error, TimeoutError):
                    raise DistributedError(f"Client: nothing has come to {what} {key!r} for {config.patience} seconds") from None
                if isinstance(error, (OSError, EOFError)):
                    raise DistributedError(f"Client: the server at {self.master_ip}:{self.port} has gone: {error}") from None
                raise

    def user_set(self, key: str, val: Any) -> None:
        """Keep a value, which is pickled, under a name."""
        self._ask("set", f"user {key}", content=pickle.dumps(val))

    def user_get(self, key: str) -> Any:
        """The value under a name; waits until there is one."""
        return pickle.loads(self._ask("get", f"user {key}"))

    def user_pop(self, key: str) -> Any:
        """The value under a name, which is free again then; waits until there is one."""
        return pickle.loads(self._ask("pop", f"user {key}"))

    def bcast_val(self, val: Any, key: str, size: int) -> Any:
        """The value of the one of ``size`` processes whose ``val`` is not None; all of them call this."""
        turn = self._turns[key] = self._turns.get(key, 0) + 1
        name = f"bcast {turn} {key}"
        if val is not None:
            self._ask("set", name, content=pickle.dumps(val))
        found = pickle.loads(self._ask("get", name))
        self.group_barrier(name, size)
        if val is not None:
            self._ask("pop", name)
        return found

    def group_barrier(self, key: str, size: int) -> None:
        """Wait until ``size`` processes have come to the barrier with this name."""
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            raise ValueError(f"Client.group_barrier: size must be a positive int, got {size!r}")
        self._ask("barrier", f"barrier {key}", size)

    def get_mm_server_port(self) -> int:
        """The port of the server for tensors: there is none of its own, so it is that of the server."""
        return self.port
