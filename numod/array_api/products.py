"""Products of vectors and matrices."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .. import functional as F
from ..errors import check
from ..forms import normalize_axis
from ..op import apply
from ..ops import reduce, view
from ..tensor import Tensor
from .arguments import meet, require
from .dtypes import astype
from .elementwise import conj
from .manipulation import moveaxis


def matmul(x1: Tensor, x2: Tensor, /) -> Tensor:
    """The products of the matrices in the last two axes; the axes before them are broadcast, and vectors are rows or columns.

    >>> matmul(Tensor([[1, 2]]), Tensor([3, 4])).tolist()
    [11]
    """
    x, y = meet("matmul", x1, x2)
    require("matmul", x, "if")
    return _product(x, y)


def _product(x: Tensor, y: Tensor) -> Tensor:
    """The product of matrices in the dtype they have; the sums of small integers wrap."""
    out = F.matmul(x, y)
    return out if out.dtype == x.dtype else astype(out, x.dtype)


def matrix_transpose(x: Tensor, /) -> Tensor:
    """The last two axes exchanged.

    >>> matrix_transpose(Tensor([[1, 2]])).tolist()
    [[1], [2]]
    """
    check(x.ndim >= 2, "matrix_transpose: takes tensors with at least two axes, got shape {}", x.shape)
    return F.swapaxes(x, -1, -2)


def tensordot(x1: Tensor, x2: Tensor, /, *, axes: int | tuple[Sequence[int], Sequence[int]] = 2) -> Tensor:
    """The sum of products over pairs of axes: the last of ``x1`` with the first of ``x2`` if ``axes`` says how many, else those it names.

    >>> tensordot(Tensor([1, 2]), Tensor([3, 4]), axes=1).item()
    11
    """
    x, y = meet("tensordot", x1, x2)
    require("tensordot", x, "if")
    if isinstance(axes, int):
        left, right = list(range(x.ndim - axes, x.ndim)), list(range(axes))
    else:
        left, right = ([normalize_axis("tensordot", axis, z.ndim) for axis in named] for z, named in zip((x, y), axes, strict=True))
    check(
        [x.shape[i] for i in left] == [y.shape[i] for i in right],
        "tensordot: axes {} of shape {} do not fit axes {} of shape {}",
        left,
        x.shape,
        right,
        y.shape,
    )
    rows = [i for i in range(x.ndim) if i not in left]
    columns = [i for i in range(y.ndim) if i not in right]
    shape = (*[x.shape[i] for i in rows], *[y.shape[i] for i in columns])
    depth = math.prod(x.shape[i] for i in left)
    x = F.reshape(apply(view.transpose, (x,), ((*rows, *left),)), (math.prod(x.shape[i] for i in rows), depth))
    y = F.reshape(apply(view.transpose, (y,), ((*right, *columns),)), (depth, math.prod(y.shape[i] for i in columns)))
    return F.reshape(_product(x, y), shape)


def vecdot(x1: Tensor, x2: Tensor, /, *, axis: int = -1) -> Tensor:
    """The inner products of vectors along an axis, which counts from the end; the other axes are broadcast.

    >>> vecdot(Tensor([[1, 2], [3, 4]]), Tensor([1, 1])).tolist()
    [3, 7]
    """
    x, y = meet("vecdot", x1, x2)
    require("vecdot", x, "ifc")
    if axis >= 0:
        raise ValueError(f"vecdot: the axis must be negative, got {axis}")
    x, y = (moveaxis(z, axis, -1) for z in (x, y))
    check(x.shape[-1] == y.shape[-1], "vecdot: vectors of {} and {} elements", x.shape[-1], y.shape[-1])
    product = conj(x) * y
    return apply(reduce.sum, (product,), ((product.ndim - 1,), False))
