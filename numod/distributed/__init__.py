"""Several processes that train together, under MegEngine's names: a rank is a process, on this machine or on others.

Without a group, all of this works in one process: rank 0 of 1.
"""

from typing import TYPE_CHECKING, Any

from . import functional
from .errors import DistributedError, NotInitialized, WorkerError
from .group import (
    WORLD,
    Group,
    get_backend,
    get_client,
    get_mm_server_addr,
    get_py_server_addr,
    get_rank,
    get_world_size,
    group_end,
    group_start,
    init_process_group,
    is_distributed,
    new_group,
    override_backend,
)
from .helper import bcast_list_, group_barrier, make_allreduce_cb, synchronized

if TYPE_CHECKING:
    from .launching import launcher
    from .server import Client, Server

__all__ = [
    "WORLD",
    "Client",
    "DistributedError",
    "Group",
    "NotInitialized",
    "Server",
    "WorkerError",
    "bcast_list_",
    "functional",
    "get_backend",
    "get_client",
    "get_mm_server_addr",
    "get_py_server_addr",
    "get_rank",
    "get_world_size",
    "group_barrier",
    "group_end",
    "group_start",
    "init_process_group",
    "is_distributed",
    "launcher",
    "make_allreduce_cb",
    "new_group",
    "override_backend",
    "synchronized",
]

# What these import (sockets, processes) `import numod` does without.
_ON_FIRST_USE = {"Client": "server", "Server": "server", "launcher": "launching"}


def __getattr__(name: str) -> Any:
    if name == "backend":
        return get_backend()
    if name not in _ON_FIRST_USE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    found = globals()[name] = getattr(import_module(f".{_ON_FIRST_USE[name]}", __name__), name)
    return found
