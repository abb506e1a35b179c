"""What an op's ``sample`` draws its calls from: shapes, axes, indices and arrays, chosen by hypothesis.

Shapes and attributes are hypothesis' own draws, so a failing call shrinks; an array is one drawn seed, expanded by NumPy.
The property under test narrows what is drawn by the `Draw` it makes; samples need not know of it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from .. import config
from ..dtype import as_dtype, float32

Shape = tuple[int, ...]


@dataclass
class Draw:
    """Hypothesis' ``data()``, in the words of array programming.

    dtype:    what arrays are of when the sample names no dtype.
    plain:    operands have one shape, without axes of extent 0 or 1: one kernel then serves all draws.
    distinct: no two elements are equal, nor nearly so, and none is a round number.
    edge:     "zero" or "scalar": shapes get an axis of extent 0, or have no axes, where the sample allows it.
    most:     no side of a shape is longer.
    """

    data: Any
    dtype: np.dtype = float32
    plain: bool = False
    distinct: bool = False
    edge: str = ""
    most: int = 3 if config.interpret else 64
    _arrays: int = 0

    def integer(self, low: int, high: int) -> int:
        """An int in [low, high]."""
        return self.data.draw(st.integers(low, high))

    def boolean(self) -> bool:
        """True or False."""
        return self.data.draw(st.booleans())

    def choice(self, options: Sequence) -> Any:
        """One of the options."""
        return self.data.draw(st.sampled_from(options))

    def shape(self, min_rank: int = 0, max_rank: int = 4, min_side: int = 0, max_side: int = 5) -> Shape:
        """A shape with so many axes, of such extents."""
        max_side = max(min(max_side, self.most), min_side)
        if self.plain:
            min_rank, min_side = max(min_rank, min(1, max_rank)), max(min_side, min(2, max_side))
        rank = (
            min_rank
            if self.edge == "scalar"
            else self.integer(max(min_rank, min(1, max_rank)) if self.edge == "zero" else min_rank, max_rank)
        )
        sides = [self.integer(min_side, max_side) for _ in range(rank)]
        if self.edge == "zero" and rank and min_side == 0:
            sides[self.integer(0, rank - 1)] = 0
        return tuple(sides)

    def axes(self, rank: int) -> tuple[int, ...]:
        """Some of the axes of an array with so many, in order; maybe none, maybe all."""
        return tuple(axis for axis in range(rank) if self.boolean())

    def permutation(self, n: int) -> tuple[int, ...]:
        """0 to n - 1 in some order."""
        return tuple(self.data.draw(st.permutations(range(n))))

    def random(self) -> np.random.Generator:
        """A source of random numbers with a drawn seed."""
        self._arrays += 1
        return np.random.default_rng([self.data.draw(st.integers(0, 2**32 - 1)), self._arrays if self.distinct else 0])

    def array(self, shape: Shape, dtype: Any = None, low: float = -4.0, high: float = 4.0) -> np.ndarray:
        """Numbers in [low, high], of ``self.dtype`` unless told otherwise.

        A third of the elements are drawn from smaller and smaller intervals around what is nearest to 0; now and then all are round, with many equal.
        """
        dtype = self.dtype if dtype is None else as_dtype(dtype)
        if dtype.kind == "c":
            return (self.array(shape, np.float32, low, high) + 1j * self.array(shape, np.float32, low, high)).astype(dtype)
        random = self.random()
        if dtype.kind == "b":
            return random.random(shape) < 0.5
        if dtype.kind in "iu":
            info = np.iinfo(dtype)
            least = max(math.ceil(low), info.min)
            return random.integers(least, max(least, min(math.floor(high), info.max)), shape, dtype, endpoint=True)
        if self.distinct:
            size = math.prod(shape)
            places = random.permutation(size).reshape(shape) + random.uniform(0.2, 0.8, shape)
            return (low + (high - low) * places / max(size, 1)).astype(dtype)
        values = random.uniform(low, high, shape)
        anchor = min(max(0.0, low), high)
        scale = np.where(random.random(shape) < 1 / 3, 10.0 ** -random.uniform(0, 4, shape), 1.0)
        values = anchor + (values - anchor) * scale
        if random.random() < 0.2:
            values = np.clip(np.rint(values), low, high)
        return np.clip(values.astype(dtype), dtype.type(low), dtype.type(high))

    def broadcastable(self, n: int) -> list[Shape]:
        """Shapes that broadcast together."""
        full = self.shape()
        if self.plain:
            return [full] * n
        return [self._smaller(full) if self.boolean() else full for _ in range(n)]

    def broadcast_pair(self) -> tuple[Shape, Shape]:
        """(small, large): a shape and one that it broadcasts to."""
        large = self.shape()
        return self._smaller(large), large

    def _smaller(self, shape: Shape) -> Shape:
        cut = self.integer(0, len(shape))
        return tuple(1 if self.boolean() else side for side in shape[cut:])

    def indices(self, shape: Shape, size: int) -> np.ndarray:
        """int32 values in [0, size)."""
        return self.random().integers(0, max(size, 1), shape, np.int32)

    def with_divisor(self) -> tuple[tuple[np.ndarray, np.ndarray], dict]:
        """A call ``f(x, y)`` with y away from 0; where ``distinct``, also with x / y away from the integers, at which quotients jump."""
        shape_x, shape_y = self.broadcastable(2)
        if self.dtype.kind in "iu":
            x, y = self.array(shape_x, low=-100, high=100), self.array(shape_y, low=-9, high=9)
            return (x, np.where(y == 0, y + 3, y)), {}
        random = self.random()
        sign = random.choice((-1.0, 1.0), shape_y)
        if self.distinct:  # an x that is not near a multiple of 1/2 is not near one of 1, 2 or 4 either
            x = (random.integers(-16, 16, shape_x) + random.uniform(0.2, 0.8, shape_x)) / 2
            y = sign * 2.0 ** random.integers(-1, 3, shape_y)
        else:
            x, y = random.uniform(-16, 16, shape_x), sign * random.uniform(0.5, 4, shape_y)
        return (x.astype(self.dtype), y.astype(self.dtype)), {}

    def base_and_exponent(self) -> tuple[tuple[np.ndarray, np.ndarray], dict]:
        """A call ``f(x, y)`` with x positive."""
        shape_x, shape_y = self.broadcastable(2)
        return (self.array(shape_x, low=0.1, high=3.0), self.array(shape_y, low=-3.0, high=3.0)), {}

    def with_shift(self) -> tuple[tuple[np.ndarray, np.ndarray], dict]:
        """A call ``f(x, y)`` on integers (int32 unless ``dtype`` is an integer one) with y less than the bits of x."""
        dtype = self.dtype if self.dtype.kind in "iu" else np.dtype("int32")
        shape_x, shape_y = self.broadcastable(2)
        return (self.array(shape_x, dtype, -100, 100), self.array(shape_y, dtype, 0, 8 * dtype.itemsize - 1)), {}
