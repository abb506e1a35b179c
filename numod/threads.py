"""How many threads kernels use."""

from __future__ import annotations

from . import config
from .kernel import runtime


def get_num_threads() -> int:
    """The number of threads that a large op uses; ``NUMOD_NUM_THREADS`` or the number of cores at first."""
    return config.num_threads


def set_num_threads(count: int) -> None:
    """Let kernels use this many threads from now on. Results do not depend on it.

    Products, convolutions and sums of columns are cut into pieces for the number of threads when their shapes are first met, and keep them: set it before.

    >>> set_num_threads(get_num_threads())
    """
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= runtime.MAX_WORKERS + 1:
        raise ValueError(f"set_num_threads: expected an int from 1 to {runtime.MAX_WORKERS + 1}, got {count!r}")
    config.num_threads = count
    runtime.start_threads()
