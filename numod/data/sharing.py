"""Batches through memory that two processes share: arrays are written into it as they are, only what describes them is pickled.

The memory is a file without a name (in memory itself where the system has such), so nothing is left behind however a process ends.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from dataclasses import dataclass
from multiprocessing import reduction
from typing import Any

import numpy as np

from .structure import replaced

_ALIGNMENT = 64


@dataclass(frozen=True, slots=True)
class Placed:
    """Stands for an array: where it is in the memory, and what it is."""

    offset: int
    dtype: np.dtype
    shape: tuple[int, ...]


class Slot:
    """Memory for one batch at a time. It grows with what is written to it; pickled for a process that is being started, it is shared."""

    def __init__(self):
        if hasattr(os, "memfd_create"):
            self._fd = os.memfd_create("numod-batch", getattr(os, "MFD_CLOEXEC", 0))
        else:
            with tempfile.TemporaryFile() as file:
                self._fd = os.dup(file.fileno())
        self._map: mmap.mmap | None = None

    def __getstate__(self):
        return reduction.DupFd(self._fd)

    def __setstate__(self, handle) -> None:
        self._fd, self._map = handle.detach(), None

    def write(self, batch: Any) -> Any:
        """Put the arrays of a batch into the memory; returns the batch with a `Placed` for each of them."""
        found: list[tuple[np.ndarray, Placed]] = []
        size = 0

        def place(value: Any) -> Any:
            nonlocal size
            if not isinstance(value, np.ndarray) or value.dtype.hasobject:
                return value
            found.append((value, Placed(size, value.dtype, value.shape)))
            size += _rounded(value.nbytes)
            return found[-1][1]

        described = replaced(batch, place)
        if size:
            memory = self._mapped(size)
            for array, placed in found:
                np.ndarray(placed.shape, placed.dtype, memory, placed.offset)[...] = array
        return described

    def read(self, described: Any, size: int) -> Any:
        """The batch that `write` described, its arrays copied out of the memory. size: what `used` gave in the other process."""
        memory = self._mapped(size) if size else b""  # all of them may be empty

        def restore(value: Any) -> Any:
            return np.ndarray(value.shape, value.dtype, memory, value.offset).copy() if isinstance(value, Placed) else value

        return replaced(described, restore)

    @property
    def used(self) -> int:
        """How large the memory is."""
        return os.fstat(self._fd).st_size

    def _mapped(self, size: int) -> mmap.mmap:
        """A map of at least ``size`` bytes of the memory."""
        if self.used < size:
            os.ftruncate(self._fd, size)
        if self._map is None or len(self._map) < size:
            self._map = mmap.mmap(self._fd, self.used)
        return self._map

    def close(self) -> None:
        """Give the memory back, once nobody else has it."""
        if self._fd >= 0:
            self._map = None
            os.close(self._fd)
            self._fd = -1


def _rounded(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT
