"""Batches as Tensors, made ahead of time by a thread of the loader's own process.

The thread does all that asking for a batch means: it makes it or takes it from a worker process, and copies it to where tensors live, while the loop that
asked for the one before computes. This is the one file of this package that knows tensors.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import queue
import threading
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from ..tensor import Tensor
from .structure import replaced

AHEAD = 1  # batches that wait to be asked for, beside the one that is being made
_PATIENCE = 5.0  # seconds for a batch that is being made when nobody wants it any more
_END = object()


def preload(batches: Callable[[Connection], Iterator[Any]]) -> Iterator[Any]:
    """The batches with a Tensor for each array. batches: gets something that ends when no more of them are wanted."""
    ready: queue.Queue[tuple[Any, BaseException | None]] = queue.Queue(AHEAD)
    left, leave = multiprocessing.Pipe(duplex=False)
    thread = threading.Thread(target=_make, args=(batches, left, ready), daemon=True, name="numod-preload")
    thread.start()
    try:
        while True:
            batch, error = ready.get()
            if error is not None:
                raise error
            if batch is _END:
                return
            yield batch
    finally:
        leave.close()
        with contextlib.suppress(queue.Empty):
            ready.get_nowait()  # the thread may wait for room; and goes when it has it
        thread.join(_PATIENCE)


def _make(batches: Callable[[Connection], Iterator[Any]], left: Connection, ready: queue.Queue) -> None:
    """What the thread does. Nothing is ever sent to ``left``: it can be read when the other end is closed."""
    end: tuple[Any, BaseException | None] = (_END, None)
    with left:
        try:
            with contextlib.closing(batches(left)) as made:  # type: ignore[type-var]
                for batch in made:
                    tensors = replaced(batch, _as_tensor)
                    if left.poll():
                        return
                    ready.put((tensors, None))
        except BaseException as error:
            end = (None, error)
        if not left.poll():
            ready.put(end)


def _as_tensor(value: Any) -> Any:
    """A Tensor of an array of numbers; anything else, also arrays of text, as it is."""
    return Tensor(value) if isinstance(value, np.ndarray) and value.dtype.kind not in "OSUmM" else value
