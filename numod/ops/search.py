"""Places in sorted values."""

from __future__ import annotations

import numpy as np

from ..dtype import boolean, int32, promote
from ..errors import DTypeError, check
from ..forms import casts, gather
from ..spec import Spec


def _infer(x: Spec, values: Spec, *, right: bool):
    if boolean in (x.dtype, values.dtype):
        raise DTypeError("searchsorted: takes numbers, got bool")
    check(x.ndim == 1, "searchsorted: the sorted values must have one axis, got shape {}", x.shape)
    dtype = promote(x.dtype, values.dtype)
    return casts((x, values), (dtype, dtype)) or values.like(dtype=int32)


def _see(specs, attrs, out):
    return [specs[0].shape, (out.size,)], (out.size,), [int(attrs["right"])]


def _sample(draw):
    x = np.sort(draw.array((draw.integer(0, 9),)))
    values = draw.array(draw.shape(max_rank=2))
    if x.size and values.size:  # some that are there
        values = np.where(draw.random().random(values.shape) < 0.5, x[draw.indices(values.shape, x.size)], values)
    return (x, values), {"right": draw.boolean()}


@gather(
    inputs=("x", "values"),
    attrs={"right": False},
    infer=_infer,
    see=_see,
    ref=lambda x, values, right: np.searchsorted(x, values, "right" if right else "left"),
    sample=_sample,
    errors=(
        (ValueError, lambda Tensor, op: op(Tensor([[1.0]]), Tensor([1.0]))),
        (DTypeError, lambda Tensor, op: op(Tensor([True]), Tensor([1.0]))),
    ),
)
def searchsorted(i, x, values, right):
    """Where each value belongs among the sorted ``x`` (int32): before what is equal, or behind it; NaN is the largest of all."""
    low, high = 0, x.shape[0]
    value = values[i]
    while low < high:
        middle = (low + high) // 2
        before = x[middle] < value or (right == 1 and x[middle] == value) or (value != value and (right == 1 or x[middle] == x[middle]))
        low = middle + 1 if before else low
        high = high if before else middle
    return low
