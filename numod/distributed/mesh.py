"""Mesh: connections of a process to all others of its group, on which arrays are exchanged as they are in memory.

A message is a label, which says what it is for, and bytes. Whoever waits for one message reads those of all others as well and keeps them,
so that two processes which send to each other never wait for one another. A message whose label is not the expected one is an error, and so is
a connection that ends: the other process has gone, or has said before why it fails.
"""

from __future__ import annotations

import contextlib
import json
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from .. import config
from . import wire
from .errors import DistributedError, PeerLost
from .server import Client

_DATA, _FAILURE = 0, 1
_PIECE = 1 << 20  # bytes of one call of the system: between two of them, what comes is read


class _Peer:
    """Another process: what is being read from it, what has been read, and what is to be sent to it."""

    def __init__(self, rank: int, connection: socket.socket):
        self.rank, self.connection = rank, connection
        self.came: deque[tuple[str, memoryview]] = deque()
        self.going: deque[memoryview] = deque()
        self.lost = ""  # why nothing more will come
        self.expected: tuple[str, memoryview] | None = None  # a label, and where its bytes shall go
        self._begin()

    def _begin(self) -> None:
        self.kind, self.text = -1, ""
        self.content = memoryview(b"")
        self.missing = self.part = memoryview(bytearray(wire.HEAD.size))
        self.stage = 0  # of a message: head, text, content

    def read(self) -> None:
        """Read all that is there; messages that are complete go to ``came``."""
        try:
            while not self.lost:
                if len(self.missing):
                    got = self.connection.recv_into(self.missing)
                    if not got:
                        raise EOFError("it has ended")
                    self.missing = self.missing[got:]
                if not len(self.missing):
                    self._next()
        except BlockingIOError:
            pass
        except (OSError, EOFError, ValueError) as error:
            self.lost = self.lost or f"has gone: {error}"

    def _next(self) -> None:
        """A part of a message is complete: prepare the next one."""
        if self.stage == 0:
            self.kind, length, self.nbytes = wire.HEAD.unpack(self.part)
            if length > wire.LARGEST_TEXT:
                raise ValueError(f"it sent a label of {length} bytes")
            self.part = memoryview(bytearray(length))
        elif self.stage == 1:
            self.text = bytes(self.part).decode()
            place = self.expected[1] if self.expected and self.expected[0] == self.text and not self.came else None
            fits = place is not None and len(place) == self.nbytes
            self.part = place if fits and place is not None else np.empty(self.nbytes, np.uint8).data
            self.content = self.part
        else:
            if self.kind == _FAILURE:
                self.lost = self.text
            else:
                self.came.append((self.text, self.content))
            self._begin()
            return
        self.missing = self.part
        self.stage += 1

    def write(self) -> None:
        """Send what the connection takes."""
        try:
            while self.going:
                sent = self.connection.send(self.going[0][:_PIECE])
                if sent == len(self.going[0]):
                    self.going.popleft()
                else:
                    self.going[0] = self.going[0][sent:]
                    return
        except BlockingIOError:
            pass
        except OSError as error:
            self.read()  # it may have said why
            self.lost = self.lost or f"has gone: {error}"


class Mesh:
    """The connections; made by `connect`."""

    def __init__(self, rank: int, connections: Mapping[int, socket.socket]):
        self.rank = rank
        self.peers = {other: _Peer(other, connection) for other, connection in sorted(connections.items())}
        self._selector = selectors.DefaultSelector()
        self._lock = threading.Lock()
        # An exchange that was given up, and what to raise in the next ones: what comes late would be taken for a part of them.
        self._failed: tuple[str, type[DistributedError]] | None = None
        for peer in self.peers.values():
            peer.connection.setblocking(False)
            self._selector.register(peer.connection, selectors.EVENT_READ, peer)

    def exchange(self, label: str, sent: Mapping[int, Any], places: Mapping[int, np.ndarray]) -> None:
        """Send arrays to ranks, and fill other arrays with what comes from ranks under the same label. All of them are C-contiguous."""
        with self._whole(label):
            for rank, place in places.items():
                self.peers[rank].expected = label, place.reshape(-1).view(np.uint8).data
            try:
                for rank, array in sent.items():
                    self._post(rank, label, array)
                self._progress(label, lambda peer: not peer.going, sent)
                self._progress(label, lambda peer: bool(peer.came), places)
                for rank, place in places.items():
                    self._take(label, rank, place)
            except BaseException as error:
                self._failed = label, PeerLost if isinstance(error, PeerLost) else DistributedError
                raise
            finally:
                for rank in places:
                    self.peers[rank].expected = None

    def peek(self, what: str, rank: int) -> str:
        """The label of the next message of a rank, which stays there."""
        with self._whole(what):
            self._progress(what, lambda peer: bool(peer.came), [rank])
            return self.peers[rank].came[0][0]

    @contextlib.contextmanager
    def _whole(self, what: str) -> Iterator[None]:
        """The lock, if no exchange has failed; DistributedError if one has."""
        with self._lock:
            if self._failed:
                label, error = self._failed
                raise error(f"rank {self.rank} in {what}: {label} has failed before, and ranks may be in different calls since then")
            yield

    def _post(self, rank: int, label: str, array: Any) -> None:
        peer = self.peers[rank]
        content = np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
        text = label.encode()
        peer.going.append(memoryview(wire.HEAD.pack(_DATA, len(text), len(content)) + text))
        if len(content):
            peer.going.append(content)
        peer.write()

    def _take(self, label: str, rank: int, place: np.ndarray) -> None:
        came, content = self.peers[rank].came.popleft()
        if came != label:
            raise DistributedError(f"rank {self.rank} is in {label}, and rank {rank} in {came}")
        if len(content) != place.nbytes:
            raise DistributedError(f"{label}: rank {rank} sent {len(content)} bytes instead of {place.nbytes}")
        ours = self.peers[rank].expected
        if ours is None or content is not ours[1]:
            place.reshape(-1).view(np.uint8)[...] = content

    def _progress(self, what: str, done: Callable[[_Peer], bool], ranks: Iterable[int]) -> None:
        """Read and write until it is ``done`` for these ranks."""
        waiting = [self.peers[rank] for rank in ranks]
        until = time.monotonic() + config.patience
        while waiting := [peer for peer in waiting if not done(peer)]:
            for peer in waiting:
                if peer.lost:
                    raise PeerLost(f"rank {self.rank} in {what}: rank {peer.rank} {peer.lost}")
            for peer in self.peers.values():
                self._watch(peer)
            ready = self._selector.select(until - time.monotonic())
            if not ready and time.monotonic() >= until:
                raise DistributedError(
                    f"rank {self.rank} in {what}: rank {waiting[0].rank} has not answered for {config.patience} seconds; "
                    "NUMOD_DISTRIBUTED_TIMEOUT is how long to wait"
                )
            for key, events in ready:
                if events & selectors.EVENT_READ:
                    key.data.read()
                if events & selectors.EVENT_WRITE:
                    key.data.write()

    def _watch(self, peer: _Peer) -> None:
        """Wait for what can happen with a peer."""
        wanted = 0 if peer.lost else selectors.EVENT_READ | (selectors.EVENT_WRITE if peer.going else 0)
        known = self._selector.get_map().get(peer.connection)
        if known is None or known.events == wanted:
            return
        if wanted:
            self._selector.modify(peer.connection, wanted, peer)
        else:
            self._selector.unregister(peer.connection)

    def fail(self, why: str) -> None:
        """Tell all others why this process goes, as far as they listen."""
        text = f"failed: {why}".encode(errors="backslashreplace")[: wire.LARGEST_TEXT]
        for peer in self.peers.values():
            if not peer.going:  # in the middle of a message nothing else can be said
                with contextlib.suppress(OSError):
                    peer.connection.send(wire.HEAD.pack(_FAILURE, len(text), 0) + text)

    def close(self) -> None:
        """Let go of the connections."""
        self._selector.close()
        for peer in self.peers.values():
            peer.connection.close()


def connect(client: Client, rank: int, world_size: int) -> Mesh:
    """Meet all other ranks: each calls those below it, and is called by those above it."""
    connections: dict[int, socket.socket] = {}
    secret = wire.key()
    host = client.master_ip if wire.is_local(client.master_ip) else client.host()
    try:
        server, address = wire.meeting_place(host)
        with server:
            client._ask("set", f"mesh {rank}", content=json.dumps(address).encode())
            for other in range(rank):
                connection = wire.reach(json.loads(client._ask("get", f"mesh {other}")))
                connections[other] = connection
                wire.introduce(connection, secret, calling=True, rank=rank)
            server.settimeout(config.patience)
            while len(connections) < world_size - 1:
                connection = wire.accept(server)
                connection.setblocking(True)
                try:
                    caller = wire.introduce(connection, secret, calling=False, rank=rank)
                except DistributedError:  # a stranger
                    continue
                if caller in connections or not rank < caller < world_size:
                    connection.close()
                    raise DistributedError(
                        f"init_process_group: rank {rank} of {world_size} was called by rank {caller}, which is none that it waits for; "
                        "each process must have a rank of its own, and all the same world_size"
                    )
                connections[caller] = connection
    except Exception as error:
        for connection in connections.values():
            connection.close()
        if not isinstance(error, TimeoutError):
            raise
        missing = sorted({*range(world_size)} - {*connections, rank})
        raise DistributedError(f"init_process_group: rank {rank} has not met ranks {missing} for {config.patience} seconds") from None
    return Mesh(rank, connections)
