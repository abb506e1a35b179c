"""Whether all or any elements hold, and differences of neighbours."""

from __future__ import annotations

import builtins

from ..dtype import boolean
from ..errors import check
from ..forms import normalize_axis
from ..op import apply
from ..ops import compare, math
from ..tensor import Tensor
from .arguments import Axis
from .indexing import count_nonzero
from .manipulation import concat


def any(x: Tensor, /, *, axis: Axis = None, keepdims: builtins.bool = False) -> Tensor:
    """Whether any element over axes, by default all, is not 0; False of none.

    >>> any(Tensor([False, True])).item()
    True
    """
    return count_nonzero(x, axis=axis, keepdims=keepdims) > 0


def all(x: Tensor, /, *, axis: Axis = None, keepdims: builtins.bool = False) -> Tensor:
    """Whether no element over axes, by default all, is 0; True of none.

    >>> all(Tensor([False, True])).item()
    False
    """
    return apply(compare.logical_not, (any(_is_zero(x), axis=axis, keepdims=keepdims),))


def _is_zero(x: Tensor) -> Tensor:
    return apply(compare.logical_not, (x,)) if x.dtype == boolean else x == 0


def diff(x: Tensor, /, *, axis: int = -1, n: int = 1, prepend: Tensor | None = None, append: Tensor | None = None) -> Tensor:
    """The differences of neighbours along an axis, taken ``n`` times; ``prepend`` and ``append`` are put at the ends first.

    >>> diff(Tensor([1, 4, 9])).tolist()
    [3, 5]
    """
    check(n >= 0, "diff: n must not be negative, got {}", n)
    axis = normalize_axis("diff", axis, x.ndim)
    parts = [part for part in (prepend, x, append) if part is not None]
    out = concat(parts, axis=axis) if len(parts) > 1 else x
    before = (slice(None),) * axis
    for _ in range(n):
        later, earlier = out[(*before, slice(1, None))], out[(*before, slice(None, -1))]
        out = apply(compare.logical_xor if out.dtype == boolean else math.sub, (later, earlier))
    return out
