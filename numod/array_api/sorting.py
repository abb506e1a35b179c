"""Elements in order."""

from __future__ import annotations

from .. import functional as F
from ..dtype import int32
from ..errors import check
from ..forms import normalize_axis
from ..tensor import Tensor
from .arguments import fresh, require
from .creation import zeros
from .manipulation import moveaxis


def argsort(x: Tensor, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Tensor:
    """The indices (int32) that put the elements along an axis in order. Equal elements always stay in theirs; NaN is larger than all numbers.

    >>> argsort(Tensor([2.0, 1.0])).tolist()
    [1, 0]
    """
    require("argsort", x, "if")
    check(x.ndim > 0, "argsort: takes tensors with axes, got shape {}", x.shape)
    axis = normalize_axis("argsort", axis, x.ndim)
    if not x.size:
        return zeros(x.shape, dtype=int32, device=x.device)
    return moveaxis(F.argsort(moveaxis(x, axis, -1), descending), -1, axis)


def sort(x: Tensor, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Tensor:
    """The elements along an axis in order; NaN is larger than all numbers.

    >>> sort(Tensor([2.0, 1.0])).tolist()
    [1.0, 2.0]
    """
    order = argsort(x, axis=axis, descending=descending)
    return F.gather(x, axis, order) if x.size else fresh(x)
