"""Groups of processes: which rank this one has, who belongs to a group, and how a process comes into the world of all of them.

A process that no launcher started, and that has not called `init_process_group`, is a world of its own: rank 0 of 1.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .. import config
from ..device import get_default_device, set_default_device
from ..random import seed
from .errors import NotInitialized

if TYPE_CHECKING:
    from .mesh import Mesh
    from .server import Client

BACKENDS = ("auto", "nccl", "rccl", "shm", "ucx")
DEVICE_TYPES = ("xpu", "cpu", "gpu", "cuda")


@dataclass
class Session:
    """What `init_process_group` has made: the ways to the other processes."""

    client: Client
    mesh: Mesh
    backend: str


_session: Session | None = None


def session(function: str) -> Session:
    """The session; NotInitialized without one."""
    if _session is None:
        raise NotInitialized(f"{function}: there is no process group; call init_process_group first, or run it in a launcher")
    return _session


class Group:
    """Processes that do something together; `new_group` makes one.

    proc_ranks: their ranks, each once; the first is the root. All processes must make the same groups and use them in the same order.

    >>> Group([0]).size
    1
    """

    def __init__(self, proc_ranks: Sequence[int]):
        self.reset(proc_ranks)

    def reset(self, proc_ranks: Sequence[int]) -> None:
        """Let it have other ranks."""
        self.check(proc_ranks)
        self.proc_ranks: list[int] = list(proc_ranks)

    def check(self, proc_ranks: Sequence[int]) -> None:
        """ValueError unless these are different ranks of the world, this process's among them."""
        ranks = list(proc_ranks) if isinstance(proc_ranks, (list, tuple, range)) else None
        known = range(config.world_size)
        if not ranks or any(isinstance(rank, bool) or rank not in known for rank in ranks) or len({*ranks}) < len(ranks):
            raise ValueError(f"Group: proc_ranks must be different ranks below {config.world_size}, got {proc_ranks!r}")
        if config.rank not in ranks:
            raise ValueError(f"Group: proc_ranks must include this process, whose rank is {config.rank}, got {proc_ranks!r}")

    @property
    def size(self) -> int:
        """How many processes belong to it."""
        return len(self.proc_ranks)

    @property
    def rank(self) -> int:
        """The place of this process among them."""
        return self.proc_ranks.index(config.rank)

    @property
    def key(self) -> str:
        """The ranks as a text."""
        return ",".join(map(str, self.proc_ranks))

    @property
    def comp_node(self) -> str:
        """The device of this process."""
        return get_default_device()

    @property
    def is_single_machine(self) -> bool:
        """Whether all processes are on the machine of the master."""
        from .wire import is_local

        return _session is None or is_local(_session.client.master_ip)

    def __repr__(self) -> str:
        return "WORLD" if self is WORLD else f"Group({self.proc_ranks})"

    def __reduce__(self) -> Any:
        return "WORLD" if self is WORLD else (Group, (self.proc_ranks,))


WORLD = Group([0])


def as_group(group: Group | Sequence[int] | None) -> Group:
    """A group; WORLD for None, a new one for ranks."""
    if group is None or getattr(group, "proc_ranks", ()) is None:  # as in the WORLD of layers that MegEngine pickled
        return WORLD
    return group if isinstance(group, Group) else Group(group)


def new_group(proc_ranks: list[int]) -> Group:
    """The group of these ranks; the first of them is its root.

    >>> new_group([0]).proc_ranks
    [0]
    """
    return Group(proc_ranks)


def init_process_group(
    master_ip: str,
    port: int,
    world_size: int,
    rank: int,
    device: int,
    backend: str | None = "auto",
    device_type: str = "xpu",
) -> None:
    """Make this process one of a group, once, and wait for the others. What `launcher` does in each process that it starts.

    master_ip, port: where a `Server` runs. world_size: how many processes there are. rank: which of them this one is.
    device: of GPUs, which one it uses; of CPUs there is one for all. device_type: "gpu", or "xpu" and "cpu" for the CPU.
    backend: one of "auto", "nccl", "rccl", "shm" and "ucx", which scripts name; `get_backend` gives it, and all of them are the same here.

    Random numbers are seeded anew, differently in each process. RuntimeError if the process is in a group, DistributedError if the others cannot be reached.
    """
    global _session
    where = "init_process_group"
    for name, value, kind in (
        ("master_ip", master_ip, str),
        ("port", port, int),
        ("world_size", world_size, int),
        ("rank", rank, int),
        ("device", device, int),
    ):
        if not isinstance(value, kind) or isinstance(value, bool):
            raise TypeError(f"{where}: {name} must be {'an' if kind is int else 'a'} {kind.__name__}, got {value!r}")
    backend = checked_backend(where, backend or "auto")
    if device_type not in DEVICE_TYPES:
        raise ValueError(f"{where}: device_type must be one of {', '.join(DEVICE_TYPES)}, got {device_type!r}")
    if world_size < 1 or not 0 <= rank < world_size:
        raise ValueError(f"{where}: rank must be from 0 to world_size - 1 = {world_size - 1}, got {rank}")
    if _session is not None:
        raise RuntimeError(f"{where}: this process has rank {config.rank} in a group of {config.world_size} already")
    from .mesh import connect  # sockets and selectors, which `import numod` does without
    from .server import Client

    client = Client(master_ip, port)
    try:
        mesh = connect(client, rank, world_size)
    except BaseException:
        client.close()
        raise
    _session = Session(client, mesh, backend)
    config.rank, config.world_size = rank, world_size
    WORLD.reset(range(world_size))
    if device_type in ("gpu", "cuda"):
        set_default_device(f"gpu{device}")
    seed(int.from_bytes(os.urandom(7), "little"))
    if rank == 0:
        client.user_set("numod seed", int.from_bytes(os.urandom(4), "little"))
    config.shared_seed = client.user_get("numod seed")


def leave(why: str = "") -> None:
    """Close the connections of this process. why: tells the others that it has failed, and how."""
    global _session
    if _session is not None:
        if why:
            _session.mesh.fail(why)
        _session.mesh.close()
        _session.client.close()
    _session = None
    config.rank, config.world_size, config.shared_seed = 0, 1, None
    WORLD.reset([0])


def is_distributed() -> bool:
    """Whether this process is in a group that a launcher or `init_process_group` made."""
    return _session is not None


def get_rank() -> int:
    """The rank of this process; 0 without a group."""
    return config.rank


def get_world_size() -> int:
    """How many processes there are; 1 without a group."""
    return config.world_size


def get_backend() -> str:
    """The name that `init_process_group` or `override_backend` was given. NotInitialized without a group."""
    return session("get_backend").backend


def checked_backend(where: str, name: str) -> str:
    """A name of a backend; ValueError for others."""
    if name not in BACKENDS:
        raise ValueError(f"{where}: backend must be one of {', '.join(BACKENDS)}, got {name!r}")
    return name


@contextlib.contextmanager
def override_backend(new_backend: str) -> Iterator[None]:
    """In this block `get_backend` gives another name. All names mean the same connections."""
    checked_backend("override_backend", new_backend)
    if _session is None:
        yield
        return
    before, _session.backend = _session.backend, new_backend
    try:
        yield
    finally:
        if _session is not None:
            _session.backend = before


def get_client() -> Client:
    """The connection to the server at the master. NotInitialized without a group."""
    return session("get_client").client


def get_py_server_addr() -> tuple[str, int]:
    """(address, port) of the server at the master. NotInitialized without a group."""
    client = session("get_py_server_addr").client
    return client.master_ip, client.port


def get_mm_server_addr() -> tuple[str, int]:
    """(address, port) of the server for tensors, which is the same as `get_py_server_addr`. NotInitialized without a group."""
    client = session("get_mm_server_addr").client
    return client.master_ip, client.get_mm_server_port()


def group_start() -> None:
    """Begins several `remote_send` and `remote_recv` that belong together. Nothing has to be done: none of them ever waits for another one."""


def group_end() -> None:
    """Ends what `group_start` has begun."""
