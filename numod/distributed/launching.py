"""launcher: runs a function in several processes of this machine that are ranks of one group.

Where the system forks well (Linux), ranks are forked: any function will do, from a notebook as well. Elsewhere they are spawned, and find the function
by the name of its module.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import multiprocessing
import os
import pickle
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable
from multiprocessing import connection
from typing import Any

from .. import config
from ..threads import set_num_threads
from .errors import PeerLost, WorkerError
from .group import DEVICE_TYPES, checked_backend, init_process_group, leave
from .helper import get_device_count_by_fork
from .server import Server
from .wire import is_local

METHOD = "fork" if sys.platform == "linux" else "spawn"
_PATIENCE = 5.0  # seconds for the others to end, or to say what was wrong first, when one has failed


class launcher:
    """Decorator: a call of the function runs it in ``n_gpus`` processes, and gives the list of what they return, in the order of their ranks.

    n_gpus: how many processes there are on this machine; ``world_size`` of them if that is given, or else one for each device of ``device_type``:
        for each core, if devices are CPUs. The threads of this process are divided among them.
    world_size: how many there are on all machines; ``n_gpus`` by default. rank_start: the rank of the first process on this machine.
    master_ip, port: where the machine of rank 0 is reached, and at which port; with one machine, any port that is free. Several machines also need the same
        secret text in ``NUMOD_DISTRIBUTED_KEY`` on each.
    device_type: "xpu" and "cpu" are the CPU, with "gpu" each process has a GPU. backend: see `init_process_group`.

    If a process raises, or dies, the others are ended and `WorkerError` tells the rank and its traceback.

    ::

        @dist.launcher(n_gpus=2)
        def train(epochs):
            return dist.get_rank()

        train(10)  # [0, 1]
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """Without a function, a decorator with these settings."""
        return super().__new__(cls) if args or "func" in kwargs else functools.partial(cls, **kwargs)

    def __init__(
        self,
        func: Callable,
        n_gpus: int | None = None,
        world_size: int | None = None,
        rank_start: int = 0,
        master_ip: str = "localhost",
        port: int = 0,
        device_type: str = "xpu",
        backend: str = "nccl",
    ):
        if not callable(func):
            raise TypeError(f"launcher: expected a function, got {func!r}")
        checked_backend("launcher", backend)
        if device_type not in DEVICE_TYPES:
            raise ValueError(f"launcher: device_type must be one of {', '.join(DEVICE_TYPES)}, got {device_type!r}")
        if n_gpus is None:
            n_gpus = world_size - rank_start if world_size is not None else get_device_count_by_fork(device_type.replace("cuda", "gpu"))
        self.func, self.n_gpus = func, n_gpus
        self.world_size = n_gpus if world_size is None else world_size
        self.rank_start, self.master_ip, self.port = rank_start, master_ip, port
        self.device_type, self.backend = device_type, backend
        if not (0 < n_gpus <= self.world_size - rank_start and rank_start >= 0):
            raise ValueError(
                f"launcher: n_gpus ranks from rank_start on must be in a world_size of {self.world_size}, got {n_gpus} from {rank_start} on"
            )
        if n_gpus < self.world_size and ((is_local(master_ip) and not port) or not os.environ.get("NUMOD_DISTRIBUTED_KEY")):
            raise ValueError(
                f"launcher: {n_gpus} of {self.world_size} processes are here; for others, give master_ip and port, and set NUMOD_DISTRIBUTED_KEY"
            )
        functools.update_wrapper(self, func)

    def __call__(self, *args: Any, **kwargs: Any) -> list:
        """Run the function with these arguments in all processes."""
        context: Any = multiprocessing.get_context(METHOD)
        server = Server.waiting(self.port) if self.rank_start == 0 else None
        pipes: list[connection.Connection] = []
        processes: list[Any] = []
        try:
            for place in range(self.n_gpus):
                ours, theirs = context.Pipe(duplex=False)
                settings = {
                    "master_ip": self.master_ip,
                    "port": server.py_server_port if server else self.port,
                    "world_size": self.world_size,
                    "rank": self.rank_start + place,
                    "device": place,
                    "backend": self.backend,
                    "device_type": self.device_type,
                }
                work = self.func if METHOD == "fork" else _Named(self.func)
                threads = max(config.num_threads // self.n_gpus, 1)
                process = context.Process(
                    target=_work, args=(theirs, work, threads, settings, args, kwargs), name=f"numod-rank-{settings['rank']}"
                )
                pipes.append(ours)
                processes.append(process)
                with warnings.catch_warnings():
                    # Forks beside threads: those of numod's pool are none of the child's.
                    warnings.filterwarnings("ignore", message=".*use of fork", category=DeprecationWarning)
                    process.start()
                theirs.close()
            if server:
                server._start()  # no process has been forked in the middle of what its threads do
            return self._results(pipes, processes)
        finally:
            for process in processes:
                _end(process)
            for pipe in pipes:
                pipe.close()
            if server:
                server.close()

    def _results(self, pipes: list[connection.Connection], processes: list[Any]) -> list:
        """What the processes return. When one fails, the others have a moment to say whether it was the first."""
        results: list[Any] = [None] * len(pipes)
        failures: list[tuple[bool, int, str, bytes | None]] = []  # (because of another one, rank, text, exception)
        waiting = {pipe: place for place, pipe in enumerate(pipes)}
        until: float | None = None
        while waiting:
            ready: list[Any] = connection.wait([*waiting], None if until is None else max(until - time.monotonic(), 0))
            if not ready:
                break
            for pipe in ready:
                place = waiting.pop(pipe)
                try:
                    failed, content = pipe.recv()
                except (EOFError, OSError):
                    processes[place].join(_PATIENCE)
                    failures.append((False, place, f"died with exit code {processes[place].exitcode}", None))
                    continue
                if failed:
                    second, text, error = content
                    failures.append((second, place, f"raised\n{text}", error))
                else:
                    results[place] = pickle.loads(content)
            if failures and (until is None or not all(second for second, *_ in failures)):
                until = time.monotonic() + (_PATIENCE if all(second for second, *_ in failures) else 0)
        if failures:
            _, place, text, error = min(failures, key=lambda failure: failure[0])
            raise WorkerError(f"launcher: rank {self.rank_start + place} (process {processes[place].pid}) {text}") from _unpickled(error)
        return results


class _Named:
    """A function by its module and name, for a process that is spawned: a decorated one is found inside of the launcher that has its name."""

    def __init__(self, func: Callable):
        self.module, self.name = func.__module__, func.__qualname__
        if "<locals>" in self.name or "<lambda>" in self.name:
            raise TypeError(f"launcher: processes are spawned on this system, and find functions of modules only, not {self.name}")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        found: Any = importlib.import_module(self.module)
        for part in self.name.split("."):
            found = getattr(found, part)
        return (found.func if isinstance(found, launcher) else found)(*args, **kwargs)


def _work(pipe: connection.Connection, func: Callable, threads: int, settings: dict, args: tuple, kwargs: dict) -> None:
    """What a process of the launcher does."""
    threading.Thread(target=_die_with_parent, daemon=True).start()
    set_num_threads(threads)
    try:
        init_process_group(**settings)
        answer: tuple[bool, Any] = False, pickle.dumps(_returned(func, args, kwargs))
        why = ""
    except BaseException as error:
        why = f"{type(error).__name__}: {error}".partition("\n")[0]
        answer = True, (isinstance(error, PeerLost), traceback.format_exc(), _pickled(error))
    leave(why)
    with contextlib.suppress(BrokenPipeError):
        pipe.send(answer)
    pipe.close()
    if why:
        sys.exit(1)


def _returned(func: Callable, args: tuple, kwargs: dict) -> Any:
    """What a function returns; None if it ends the process with success."""
    try:
        return func(*args, **kwargs)
    except SystemExit as exit:
        if exit.code:
            raise
        return None


def _die_with_parent() -> None:
    """End this process when the launcher's has ended."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def _end(process: Any) -> None:
    """See to it that a process ends: one that has given its result does by itself, or else has a moment."""
    if process.pid is None:
        return
    for insist in (None, process.terminate, process.kill):
        if insist is not None:
            insist()
        process.join(_PATIENCE if sys.exc_info()[0] is None or insist else 1.0)
        if process.exitcode is not None:
            break
    process.close()


def _pickled(error: BaseException) -> bytes | None:
    try:
        return pickle.dumps(error)
    except Exception:
        return None


def _unpickled(pickled: bytes | None) -> BaseException | None:
    try:
        return pickle.loads(pickled) if pickled else None
    except Exception:  # an exception class may pickle and yet not unpickle; its text is in the message
        return None
