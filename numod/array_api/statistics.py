"""Sums, products, extremes, means and spreads, over axes and running along one."""

from __future__ import annotations

import builtins
import math
from typing import Any

import numpy as np

from .. import functional as F
from ..dtype import as_dtype, int32
from ..errors import check
from ..forms import normalize_axis
from ..op import Op, apply
from ..ops import math as ops, reduce, scan
from ..tensor import Tensor
from .arguments import Axis, axes_of, require
from .creation import ones, zeros
from .dtypes import cast


def _summed(x: Tensor, dtype: np.dtype | None) -> Tensor:
    """In the dtype that a sum is made in: narrow integers and bools as int32 unless one is named."""
    if dtype is not None:
        return cast(x, as_dtype(dtype))
    return cast(x, int32) if x.dtype.kind in "biu" and x.dtype.itemsize < 4 else x


def _total(op: Op, doc: str, kinds: str) -> Any:
    def function(x: Tensor, /, *, axis: Axis = None, dtype: np.dtype | None = None, keepdims: bool = False) -> Tensor:
        require(op.name, x, kinds)
        return apply(op, (_summed(x, dtype),), (axes_of(op.name, axis, x.ndim), bool(keepdims)))

    return _named(function, op.name, doc)


def _extreme(op: Op, doc: str) -> Any:
    def function(x: Tensor, /, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
        require(op.name, x, "if")
        return apply(op, (x,), (axes_of(op.name, axis, x.ndim), bool(keepdims)))

    return _named(function, op.name, doc)


def _named(function: Any, name: str, doc: str) -> Any:
    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return function


sum = _total(
    reduce.sum, "The sum over axes, by default all; integers of less than 32 bits give int32 unless ``dtype`` says otherwise.", "bifc"
)
prod = _total(
    reduce.prod, "The product over axes, by default all; integers of less than 32 bits give int32 unless ``dtype`` says otherwise.", "bif"
)
max = _extreme(reduce.max, "The largest element over axes, by default all; NaN if one is NaN.")
min = _extreme(reduce.min, "The smallest element over axes, by default all; NaN if one is NaN.")


def mean(x: Tensor, /, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The mean over axes, by default all, of floats.

    >>> mean(Tensor([1.0, 2.0])).item()
    1.5
    """
    require("mean", x, "f")
    return apply(reduce.mean, (x,), (axes_of("mean", axis, x.ndim), bool(keepdims)))


def var(x: Tensor, /, *, axis: Axis = None, correction: float = 0.0, keepdims: bool = False) -> Tensor:
    """The variance over axes, by default all, of floats: the squares' sum divided by their number less ``correction``.

    >>> var(Tensor([1.0, 3.0]), correction=1).item()
    2.0
    """
    require("var", x, "f")
    axes = axes_of("var", axis, x.ndim)
    out = apply(reduce.var, (x,), (axes, bool(keepdims)))
    if correction == 0:
        return out
    count = math.prod(x.shape[i] for i in axes)
    return out * (count / (count - correction) if count > correction else math.nan)


def std(x: Tensor, /, *, axis: Axis = None, correction: float = 0.0, keepdims: bool = False) -> Tensor:
    """The square root of `var`.

    >>> std(Tensor([1.0, 3.0])).item()
    1.0
    """
    return apply(ops.sqrt, (var(x, axis=axis, correction=correction, keepdims=keepdims),))


def _running_axis(name: str, x: Tensor, axis: int | None) -> int:
    check(x.ndim > 0, "{}: takes tensors with axes, got shape {}", name, x.shape)
    check(axis is not None or x.ndim == 1, "{}: the axis must be given unless the tensor has one, got shape {}", name, x.shape)
    return normalize_axis(name, axis or 0, x.ndim)


def cumulative_sum(
    x: Tensor, /, *, axis: int | None = None, dtype: np.dtype | None = None, include_initial: builtins.bool = False
) -> Tensor:
    """The sum of each element and those before it along an axis; ``include_initial`` puts a 0 in front.

    >>> cumulative_sum(Tensor([1, 2, 3]), include_initial=True).tolist()
    [0, 1, 3, 6]
    """
    require("cumulative_sum", x, "bif")
    axis = _running_axis("cumulative_sum", x, axis)
    out = apply(scan.cumsum, (_summed(x, dtype),), (axis, False))
    return F.concat([_slab(zeros, out, axis), out], axis) if include_initial else out


def cumulative_prod(
    x: Tensor, /, *, axis: int | None = None, dtype: np.dtype | None = None, include_initial: builtins.bool = False
) -> Tensor:
    """The product of each element and those before it along an axis; ``include_initial`` puts a 1 in front.

    >>> cumulative_prod(Tensor([1, 2, 3])).tolist()
    [1, 2, 6]
    """
    require("cumulative_prod", x, "bif")
    axis = _running_axis("cumulative_prod", x, axis)
    factors = _summed(x, dtype)
    if include_initial:  # the product before one more element is that of all
        factors = F.concat([factors, _slab(ones, factors, axis)], axis)
        return apply(scan.products_before, (factors,), (axis, False))
    return apply(scan.products_before, (factors,), (axis, False)) * factors


def _slab(make: Any, like: Tensor, axis: int) -> Tensor:
    """A tensor of extent 1 along ``axis``, otherwise like another."""
    shape = (*like.shape[:axis], 1, *like.shape[axis + 1 :])
    return make(shape, dtype=like.dtype, device=like.device)
