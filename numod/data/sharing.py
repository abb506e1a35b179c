"""Batches through memory that two processes share: arrays are written into it as they are, only what describes them is pickled.

The memory is a file without a name (in memory itself where the system has such), so nothing is left behind however a process ends.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Mapping
from multiprocessing import reduction
from typing import Any, NamedTuple

import numpy as np

_ALIGNMENT = 64


class Placed(NamedTuple):
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
        arrays: list[np.ndarray] = []
        described = _describe(batch, arrays, 0)[0]
        size = sum(_rounded(array.nbytes) for array in arrays)
        if size:
            memory = self._mapped(size)
            offset = 0
            for array in arrays:
                np.ndarray(array.shape, array.dtype, memory, offset)[...] = array
                offset += _rounded(array.nbytes)
        return described

    def read(self, described: Any, size: int) -> Any:
        """The batch that `write` described, its arrays copied out of the memory. size: what `used` gave in the other process."""
        return _restore(described, self._mapped(size) if size else None)

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


def _describe(value: Any, arrays: list[np.ndarray], offset: int) -> tuple[Any, int]:
    """The value with its arrays (but those of objects) replaced and listed, and the offset for the next one."""
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        arrays.append(value)
        return Placed(offset, value.dtype, value.shape), offset + _rounded(value.nbytes)
    if isinstance(value, Mapping):
        items = {}
        for key, item in value.items():
            items[key], offset = _describe(item, arrays, offset)
        return items, offset
    if isinstance(value, (tuple, list)):
        parts = []
        for item in value:
            part, offset = _describe(item, arrays, offset)
            parts.append(part)
        return (type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)), offset
    return value, offset


def _restore(described: Any, memory: mmap.mmap | None) -> Any:
    if isinstance(described, Placed):
        if memory is None:
            return np.empty(described.shape, described.dtype)
        return np.ndarray(described.shape, described.dtype, memory, described.offset).copy()
    if isinstance(described, dict):
        return {key: _restore(item, memory) for key, item in described.items()}
    if isinstance(described, (tuple, list)):
        parts = [_restore(item, memory) for item in described]
        return type(described)(*parts) if hasattr(described, "_fields") else type(described)(parts)
    return described
