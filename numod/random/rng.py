"""RNG, a stream of random numbers, and the functions that draw from the default one."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable

import numpy as np

from ..constants import constant
from ..op import apply
from ..ops import random as ops
from ..ops.math import add, mul
from ..tensor import Tensor

_FLOAT = np.dtype("float32")


def _mix(value: int) -> int:
    """SplitMix64: near seeds become far apart (Steele, Lea & Flood, 2014)."""
    value = (value + 0x9E3779B97F4A7C15) & (2**64 - 1)
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & (2**64 - 1)
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & (2**64 - 1)
    return value ^ (value >> 31)


def _affine(x: Tensor, scale: float, offset: float) -> Tensor:
    """``x * scale + offset``."""
    return add(mul(x, constant(scale, x.dtype, x.device)), constant(offset, x.dtype, x.device))


class RNG:
    """A stream of random numbers of its own.

    seed: a non-negative int; drawn from the operating system if None. device: where the tensors are made.

    >>> RNG(seed=1).uniform(size=(2,)).tolist() == RNG(seed=1).uniform(size=(2,)).tolist()
    True
    """

    def __init__(self, seed: int | None = None, device: str | None = None):
        self._device = device
        self._lock = threading.Lock()
        self.seed(int.from_bytes(os.urandom(8), "little") if seed is None else seed)

    def seed(self, seed: int) -> None:
        """Start the stream anew."""
        if not isinstance(seed, (int, np.integer)) or isinstance(seed, bool):
            raise TypeError(f"random: seed must be an int, got {seed!r}")
        if seed < 0:
            raise ValueError(f"random: seed must not be negative, got {seed}")
        mixed = _mix(int(seed))
        self._key, self._salt, self._position = mixed & 0xFFFFFFFF, mixed >> 32, 0

    def _take(self, count: int) -> Tensor:
        """The state from which ``count`` numbers are drawn; the stream moves past them."""
        with self._lock:
            start = self._position
            self._position += count
        return Tensor(np.array([self._key, self._salt, start], np.int64), dtype="int64", device=self._device)

    def _draw(self, op, size: Iterable[int] | int | None) -> Tensor:
        shape = (1,) if size is None else (int(size),) if isinstance(size, (int, np.integer)) else tuple(int(n) for n in size)
        if any(extent < 0 for extent in shape):
            raise ValueError(f"random: size must not be negative, got {shape}")
        count = int(np.prod(shape, dtype=np.int64))
        return apply(op, (self._take(count),), (shape, _FLOAT))

    def uniform(self, low: float = 0, high: float = 1, size: Iterable[int] | None = None) -> Tensor:
        """float32 values uniform in [low, high), of shape ``size`` ((1,) for None).

        >>> 2 <= RNG(0).uniform(2, 3).item() < 3
        True
        """
        if not low < high:
            raise ValueError(f"uniform: low must be below high, got low={low}, high={high}")
        drawn = self._draw(ops.uniform, size)
        return drawn if (low, high) == (0, 1) else _affine(drawn, high - low, low)

    def normal(self, mean: float = 0, std: float = 1, size: Iterable[int] | None = None) -> Tensor:
        """float32 values from a normal distribution, of shape ``size``.

        >>> RNG(0).normal(size=(2, 3)).shape
        (2, 3)
        """
        drawn = self._draw(ops.normal, size)
        return drawn if (mean, std) == (0, 1) else _affine(drawn, std, mean)

    def _numpy(self) -> np.random.Generator:
        with self._lock:
            start = self._position
            self._position += 1
        return np.random.Generator(np.random.Philox(key=np.array([self._key << 32 | self._salt, start], np.uint64)))

    def permutation(self, n: int | Tensor, *, dtype: str = "int32") -> Tensor:
        """The numbers below ``n`` in random order, or a tensor with its rows in random order.

        >>> sorted(RNG(0).permutation(4).tolist())
        [0, 1, 2, 3]
        """
        if isinstance(n, Tensor):
            return Tensor(self._numpy().permutation(n.numpy()), dtype=n.dtype, device=n.device)
        if n < 0:
            raise ValueError(f"permutation: n must not be negative, got {n}")
        return Tensor(self._numpy().permutation(n), dtype=dtype, device=self._device)

    def shuffle(self, inp: Tensor) -> None:
        """Put the rows of a tensor in random order, in place."""
        if inp.size:
            inp._reset(self.permutation(inp))


_default = RNG()


def default() -> RNG:
    """The stream behind the functions of `numod.random`."""
    return _default


def seed(seed: int) -> None:
    """Start the default stream anew: everything drawn after this call is the same in every run.

    >>> seed(7); first = uniform(size=(3,)).tolist(); seed(7); first == uniform(size=(3,)).tolist()
    True
    """
    _default.seed(seed)


def uniform(low: float = 0, high: float = 1, size: Iterable[int] | None = None) -> Tensor:
    """See `RNG.uniform`."""
    return _default.uniform(low, high, size)


def normal(mean: float = 0, std: float = 1, size: Iterable[int] | None = None) -> Tensor:
    """See `RNG.normal`."""
    return _default.normal(mean, std, size)


def permutation(n: int | Tensor, *, dtype: str = "int32") -> Tensor:
    """See `RNG.permutation`."""
    return _default.permutation(n, dtype=dtype)


def shuffle(inp: Tensor) -> None:
    """See `RNG.shuffle`."""
    _default.shuffle(inp)
