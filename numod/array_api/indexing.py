"""Elements by their index, and indices of elements."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from .. import functional as F
from ..dtype import boolean, int32
from ..errors import DTypeError, check
from ..forms import normalize_axis
from ..op import Op, apply
from ..ops import compare, index, reduce, search
from ..tensor import Tensor
from .arguments import Axis, Operand, axes_of, meet, require
from .dtypes import cast


def take(x: Tensor, indices: Tensor, /, *, axis: int | None = None) -> Tensor:
    """The elements at ``indices`` (integers) along an axis, which may be left out if there is one only.

    >>> take(Tensor([5, 6, 7]), Tensor([2, 0])).tolist()
    [7, 5]
    """
    if axis is None:
        check(x.ndim == 1, "take: the axis must be given unless the tensor has one, got shape {}", x.shape)
        axis = 0
    return apply(index.take, (x, indices), (normalize_axis("take", axis, x.ndim),))


def take_along_axis(x: Tensor, indices: Tensor, /, *, axis: int = -1) -> Tensor:
    """For each place in ``indices`` the element that it says along ``axis``; their other axes are broadcast.

    >>> take_along_axis(Tensor([[1, 2], [3, 4]]), Tensor([[1], [0]])).tolist()
    [[2], [3]]
    """
    check(
        x.ndim == indices.ndim,
        "take_along_axis: indices must have as many axes as the tensor, got shapes {} and {}",
        indices.shape,
        x.shape,
    )
    axis = normalize_axis("take_along_axis", axis, x.ndim)
    common = np.broadcast_shapes(*[(*shape[:axis], 1, *shape[axis + 1 :]) for shape in (x.shape, indices.shape)])
    wide = [F.broadcast_to(each, (*common[:axis], each.shape[axis], *common[axis + 1 :])) for each in (x, indices)]
    return F.gather(wide[0], axis, wide[1])


def _place_of(op: Op, doc: str) -> Any:
    def function(x: Tensor, /, *, axis: int | None = None, keepdims: bool = False) -> Tensor:
        require(op.name, x, "if")
        return apply(op, (x,), (axes_of(op.name, axis, x.ndim), bool(keepdims)))

    function.__name__ = function.__qualname__ = op.name
    function.__doc__ = doc
    return function


argmax = _place_of(
    reduce.argmax, "The index (int32) of the largest element along an axis, or of the flat tensor; NaN is larger than all numbers."
)
argmin = _place_of(
    reduce.argmin, "The index (int32) of the smallest element along an axis, or of the flat tensor; NaN is smaller than all numbers."
)


def count_nonzero(x: Tensor, /, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """How many elements (int32) are not 0.

    >>> count_nonzero(Tensor([0, 3, 4])).item()
    2
    """
    hits = cast(x if x.dtype == boolean else F.not_equal(x, 0), int32)
    return apply(reduce.sum, (hits,), (axes_of("count_nonzero", axis, x.ndim), bool(keepdims)))


def nonzero(x: Tensor, /) -> tuple[Tensor, ...]:
    """For each axis the indices (int32) of the elements that are not 0. Looks at the values, so the host waits for them.

    >>> [places.tolist() for places in nonzero(Tensor([[0, 1], [2, 0]]))]
    [[0, 1], [1, 0]]
    """
    check(x.ndim > 0, "nonzero: takes tensors with axes, got shape {}", x.shape)
    return tuple(Tensor(places, dtype=int32, device=x.device) for places in np.nonzero(x.numpy()))


def searchsorted(x1: Tensor, x2: Operand, /, *, side: Literal["left", "right"] = "left", sorter: Tensor | None = None) -> Tensor:
    """Where each of ``x2`` belongs in ``x1``, which is sorted (by ``sorter``, if given): before equal elements, or after them ("right").

    >>> searchsorted(Tensor([1, 2, 3]), Tensor([2, 9])).tolist()
    [1, 3]
    """
    if side not in ("left", "right"):
        raise ValueError(f"searchsorted: side must be 'left' or 'right', got {side!r}")
    known, values = meet("searchsorted", x1, x2)
    return apply(search.searchsorted, (known if sorter is None else take(known, sorter), values), (side == "right",))


def where(condition: Tensor, x1: Operand, x2: Operand, /) -> Tensor:
    """``x1`` where ``condition`` (bool) is true, else ``x2``.

    >>> where(Tensor([True, False]), Tensor([1, 2]), 0).tolist()
    [1, 0]
    """
    if condition.dtype != boolean:
        raise DTypeError(f"where: the condition must be bool, got {condition.dtype}")
    return apply(compare.where, (condition, *meet("where", x1, x2)))
