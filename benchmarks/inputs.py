"""The same numbers for every library."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np


def array(name: str, *shape: int) -> np.ndarray:
    """Normal float32 numbers that depend on the name and the shape alone."""
    seed = zlib.crc32(f"{name}{shape}".encode())
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


def positive(name: str, *shape: int) -> np.ndarray:
    """Numbers in (0.1, 4.1)."""
    seed = zlib.crc32(f"{name}{shape}".encode())
    return (np.random.default_rng(seed).random(shape, np.float32) * 4 + np.float32(0.1)).astype(np.float32)


def integers(name: str, high: int, *shape: int) -> np.ndarray:
    """int32 numbers in [0, high)."""
    seed = zlib.crc32(f"{name}{shape}".encode())
    return np.random.default_rng(seed).integers(0, high, shape, np.int32)


PARAMETERS: Sequence[tuple[int, ...]] = (
    (784, 1024),
    (1024,),
    (1024, 256),
    (256,),
    (256, 10),
    (10,),
    (64, 64, 3, 3),
    (64,),
) * 1  # of the optimizers
