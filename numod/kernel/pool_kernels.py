"""Builders of the pooling kernels. The range counts planes (image, channel).

Each kernel walks over rows of windows. Where a window lies in its image wholly it is unrolled, in a loop without branches that LLVM turns into
vectors; the windows at the border go through the ``_edge`` functions.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numba import types

from .intrinsics import fold_max, inner, load, pointer


def build(name: str, kh: int, kw: int, sh: int, sw: int, dtype: str) -> Callable:
    """The kernel ``name`` for windows of (kh, kw), (sh, sw) apart."""
    return {"maximum": _maximum, "maximum_gradient": _maximum_gradient, "average": _average, "average_gradient": _average_gradient}[name](
        kh, kw, sh, sw, np.dtype(dtype).type
    )


@inner
def _inside(size, out, kernel, stride, padding):
    """The first window that does not begin before its image, and the first after it that ends behind it."""
    low = min((padding + stride - 1) // stride, out)
    high = min((size + padding - kernel) // stride + 1, out)
    return low, max(high, low)


@inner
def _maximum_edge(x, height, width, a0, b0, kh, kw):
    first = pointer_at(x, max(a0, 0) * width + max(b0, 0))
    return first


def _maximum(kh, kw, sh, sw, real):
    pass
