"""Order along the last axis."""

from __future__ import annotations

import math

import numpy as np

from ..dtype import boolean, is_float
from ..errors import DTypeError, check
from ..forms import scatter
from ..kernel import sort
from ..spec import Spec
from .index import index_dtype


def _infer(x: Spec, *, count: int, descending: bool) -> Spec:
    if x.dtype == boolean:
        raise DTypeError("argsort: takes numbers, got bool")
    check(x.ndim >= 1, "argsort: takes tensors with axes, got shape {}", x.shape)
    check(min(1, x.shape[-1]) <= count <= x.shape[-1], "argsort: count must be in [1, {}], got {}", x.shape[-1], count)
    return x.like((*x.shape[:-1], count), index_dtype(x.shape[-1]))


def _see(specs, attrs, out):
    (x,) = specs
    seen = (math.prod(x.shape[:-1]), x.shape[-1])
    return [seen], seen, [attrs["count"], int(attrs["descending"])]


def _ref(x, count, descending):
    order = np.argsort(x[..., ::-1] if descending else x, axis=-1, kind="stable")
    return (x.shape[-1] - 1 - order[..., ::-1] if descending else order)[..., :count]


def _sample(draw):
    rows, n = draw.shape(max_rank=2), draw.integer(1, draw.most)
    x = draw.array((*rows, n))
    if is_float(x.dtype):
        special = draw.random().choice(np.array([np.nan, np.inf, -np.inf, 0.0, -0.0], x.dtype), x.shape)
        x = np.where(draw.random().random(x.shape) < draw.choice([0.0, 0.3]), special, x)
    return (x,), {"count": draw.integer(1, n), "descending": draw.boolean()}


@scatter(
    inputs=("x",),
    attrs={"count": 0, "descending": False},
    infer=_infer,
    see=_see,
    mode="add",
    apart=1,
    ref=_ref,
    sample=_sample,
    errors=(
        (ValueError, lambda Tensor, op: op(Tensor([1.0]), count=2)),
        (ValueError, lambda Tensor, op: op(Tensor([1.0]), count=0)),
        (ValueError, lambda Tensor, op: op(Tensor(1.0), count=1)),
        (TypeError, lambda Tensor, op: op(Tensor([True]), count=1)),
    ),
)
def argsort(a, k, x, count, descending):
    """The indices of the ``count`` smallest (``descending``: largest) elements along the last axis, in order.

    Equal elements stay in their order. NaN counts as larger than all numbers, -0.0 as equal to 0.0.
    """
    value = x[a, k]
    rank = 0
    for i in range(x.shape[1]):
        other = x[a, i]
        equal = other == value or (other != other and value != value)
        more = other > value or (other != other and value == value)
        less = not equal and not more
        ahead = (equal and i < k) or (more if descending else less)
        rank += 1 if ahead else 0
    wanted = rank < count
    return a * count + (rank if wanted else 0), k if wanted else 0


@argsort.fast("cpu")
def _argsort_twin(specs, attrs, outputs):
    return sort.program(specs[0], outputs[0], attrs["count"], attrs["descending"])
