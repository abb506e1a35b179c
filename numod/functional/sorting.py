"""Sorting along the last axis, and the largest elements."""

from __future__ import annotations

from ..errors import check
from ..op import apply
from ..ops import sort as ops
from ..tensor import Tensor
from .gathering import gather
from .tensor import reshape


def _order(inp: Tensor, count: int, descending: bool) -> Tensor:
    return apply(ops.argsort, (inp,), (count, bool(descending)))


def _extent(name: str, inp: Tensor) -> int:
    check(inp.ndim >= 1, "{}: takes tensors with axes, got shape {}", name, inp.shape)
    return inp.shape[-1]


def argsort(inp: Tensor, descending: bool = False) -> Tensor:
    """The indices (int32) that put each row, along the last axis, in order.

    Equal elements stay in their order. NaN counts as larger than all numbers.

    >>> argsort(Tensor([2.0, 1.0, 3.0])).tolist()
    [1, 0, 2]
    """
    return _order(inp, _extent("argsort", inp), descending)


def sort(inp: Tensor, descending: bool = False) -> tuple[Tensor, Tensor]:
    """(the elements of each row, along the last axis, in order; their indices, int32), as `argsort` orders them.

    >>> [out.tolist() for out in sort(Tensor([2.0, 1.0, 3.0]), descending=True)]
    [[3.0, 2.0, 1.0], [2, 0, 1]]
    """
    order = _order(inp, _extent("sort", inp), descending)
    return gather(inp, -1, order), order


def topk(inp: Tensor, k: int, descending: bool = True, kth_only: bool = False, no_sort: bool = False) -> tuple[Tensor, Tensor]:
    """(the ``k`` largest elements of each row, along the last axis; their indices, int32); all of them if there are fewer.

    k: at least 1; a negative one asks for as many from the other end. descending: False for the smallest. kth_only: only the last of the k, without the
    axis. no_sort: any order will do; they come in order all the same.

    >>> [out.tolist() for out in topk(Tensor([2.0, 1.0, 3.0]), 2)]
    [[3.0, 2.0], [2, 0]]
    """
    extent, count = _extent("topk", inp), int(k)
    if count < 0:
        descending, count = not descending, -count
    check(count != 0 and extent != 0, "topk: takes k other than 0 and rows that are not empty, got k={} and shape {}", k, inp.shape)
    order = _order(inp, min(count, extent), descending)
    if kth_only:
        order = order[..., -1:]
    values = gather(inp, -1, order)
    if kth_only:
        return reshape(values, inp.shape[:-1]), reshape(order, inp.shape[:-1])
    return values, order
