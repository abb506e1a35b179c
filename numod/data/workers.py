"""Worker processes of a DataLoader, from the side of the loader and from their own.

Workers are spawned, never forked. Batch number n is made by worker n modulo their number; each works ahead by as many batches as it has slots.
A worker lives on its pipe: when the loader closes it, or dies, the worker ends.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import random
import signal
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from multiprocessing import connection, resource_tracker
from typing import Any

import numpy as np

from .. import config
from .sharing import Slot

AHEAD = 2  # batches that each worker may have ready
_PATIENCE = 5.0  # seconds for a worker to end by itself


class Exhausted(Exception):
    """Raised by what makes batches when there are no more."""


class Left(Exception):
    """Raised where a batch is waited for that nobody wants any more."""


class WorkerError(RuntimeError):
    """An exception in a worker process, or its death. The message has the traceback; ``__cause__`` is the exception, if it can be sent."""


class WorkerTimeout(RuntimeError, TimeoutError):
    """A worker process took longer for a batch than ``timeout`` seconds."""


class Worker:
    """A process, the pipe to it, and the memory that its batches come in."""

    def __init__(self, number: int, make: Callable[..., Any], seed: int):
        context = multiprocessing.get_context("spawn")
        self.number = number
        self.slots = [Slot() for _ in range(AHEAD)]
        self.connection, theirs = context.Pipe()
        place = config.rank, config.world_size
        self.process = context.Process(target=_work, args=(theirs, self.slots, make, seed, place), daemon=True, name=f"numod-data-{number}")
        try:
            with _uninterrupted():
                self.process.start()
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            self.close()
            raise TypeError(
                f"DataLoader: num_workers above 0 needs a dataset, transform and collator that can be pickled: {error}"
            ) from error
        finally:
            theirs.close()
        self.sent = self.received = 0

    def send(self, task: Any) -> None:
        """Ask for a batch. What a dead worker was asked is found when its answer is awaited."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.connection.send((self.sent % AHEAD, task))
        self.sent += 1

    def receive(self, timeout: float, left: connection.Connection | None = None) -> tuple[bool, Any]:
        """(True, the next batch), or (False, None) if there are no more. left: becomes readable, or ends, when nobody waits for the batch any more."""
        ready = connection.wait([self.connection, self.process.sentinel, *([left] if left else [])], timeout or None)
        if not ready:
            raise WorkerTimeout(f"DataLoader: worker {self.number} has made no batch for {timeout} seconds")
        if left in ready:
            raise Left
        try:
            if not self.connection.poll():
                raise EOFError
            kind, *content = self.connection.recv()
        except (EOFError, OSError):
            self.process.join(_PATIENCE)
            raise WorkerError(
                f"DataLoader: worker {self.number} (process {self.process.pid}) died with exit code {self.process.exitcode}; a script that "
                'uses workers must do so under `if __name__ == "__main__":`'
            ) from None
        if kind == "error":
            text, pickled = content
            raise WorkerError(f"DataLoader: worker {self.number} raised\n{text}") from _unpickled(pickled)
        if kind == "end":
            return False, None
        slot = self.slots[self.received % AHEAD]
        self.received += 1
        return True, slot.read(*content)

    def close(self) -> None:
        """End the process, by force if it does not, and give the memory back."""
        self.connection.close()
        for slot in self.slots:
            slot.close()

    def end(self, until: float) -> None:
        """Wait for the process, then insist."""
        for insist in (None, self.process.terminate, self.process.kill):
            if insist is not None:
                insist()
            self.process.join(max(until - time.monotonic(), 0.1) if insist is None else 1.0)
            if self.process.exitcode is not None:
                break
        if threading.main_thread().is_alive():  # else the interpreter is ending and waits for the same processes: it fails over closed ones
            self.process.close()


def run(
    make: Callable[..., Any], tasks: Iterable[Any], count: int, timeout: float, left: connection.Connection | None = None
) -> Iterator[Any]:
    """The batches ``make(task)`` of all tasks, in order, made by ``count`` workers. left: as of `Worker.receive`."""
    workers: list[Worker] = []
    try:
        for number in range(count):
            workers.append(Worker(number, make, int(np.random.randint(2**31))))
        pending: deque[Worker] = deque()
        remaining = enumerate(tasks)
        for position, task in remaining:
            worker = workers[position % count]
            worker.send(task)
            pending.append(worker)
            if len(pending) == count * AHEAD:
                break
        while pending:
            worker = pending.popleft()
            batch = worker.receive(timeout, left)[1]
            for _, task in remaining:  # the worker whose turn it is has a slot free now
                worker.send(task)
                pending.append(worker)
                break
            yield batch
    finally:
        _end(workers)


def run_streams(make: Callable[..., Any], count: int, timeout: float, left: connection.Connection | None = None) -> Iterator[Any]:
    """The batches of ``count`` workers that each have a stream of their own, one of each in turn until all have ended. left: as of `Worker.receive`."""
    workers: list[Worker] = []
    try:
        for number in range(count):
            workers.append(Worker(number, make, int(np.random.randint(2**31))))
            for _ in range(AHEAD):
                workers[-1].send(None)
        going = deque(workers)
        while going:
            worker = going.popleft()
            more, batch = worker.receive(timeout, left)
            if more:
                worker.send(None)
                going.append(worker)
                yield batch
    finally:
        _end(workers)


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Processes that are started here never get SIGINT: it goes to the loader's process as well, which then ends its workers."""
    resource_tracker.ensure_running()  # which would let SIGINT through again if it were started below
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end(workers: list[Worker]) -> None:
    for worker in workers:
        worker.close()
    until = time.monotonic() + 0.5  # one that is at work does not look at its pipe, and need not finish
    for worker in workers:
        worker.end(until)


def _unpickled(pickled: bytes | None) -> BaseException | None:
    if pickled is None:
        return None
    try:
        return pickle.loads(pickled)
    except Exception:  # an exception class may pickle and yet not unpickle; its text is in the message
        return None


def _work(pipe: connection.Connection, slots: list[Slot], make: Callable[..., Any], seed: int, place: tuple[int, int]) -> None:
    """What a worker process does until its pipe is closed. place: the rank of the loader's process, and of how many it is one."""
    config.rank, config.world_size = place
    threading.Thread(target=_die_with_parent, daemon=True).start()
    random.seed(seed)
    np.random.seed(seed)
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            number, task = pipe.recv()
            try:
                batch = make(task)
            except Exhausted:
                pipe.send(("end",))
                continue
            except Exception as error:
                pipe.send(("error", traceback.format_exc(), _pickled(error)))
                continue
            slot = slots[number]
            try:
                described = slot.write(batch)
                pipe.send(("batch", described, slot.used))
            except (BrokenPipeError, ConnectionResetError):
                raise
            except Exception as error:  # the batch has something that cannot be pickled
                pipe.send(("error", traceback.format_exc(), _pickled(error)))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # threads of libraries must not hold it up


def _die_with_parent() -> None:
    """End this process when the loader's has ended, also in the middle of a batch that takes forever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def _pickled(error: BaseException) -> bytes | None:
    try:
        return pickle.dumps(error)
    except Exception:
        return None
