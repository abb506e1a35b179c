"""Products, inverses and decompositions of matrices, and norms."""

from __future__ import annotations

import math

from ..dtype import float32
from ..op import apply
from ..ops import decompose, linalg, reduce, view
from ..precision import as_given
from ..tensor import Tensor
from .elemwise import abs, as_tensor, div, maximum, not_equal, pow
from .reduction import Axis, AxisError, axes_of, max, min, sum


def _reshape(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    return apply(view.reshape, (x,), (shape,))


def matmul(inp1: Tensor, inp2: Tensor, transpose_a: bool = False, transpose_b: bool = False, compute_mode: str = "default") -> Tensor:
    """The product of matrices in the last two axes; the axes before them are broadcast.

    A vector counts as a row on the left and as a column on the right, and that axis is not in the result; it is not transposed.
    transpose_a, transpose_b: use the transposed matrices of that operand. compute_mode: accepted for MegEngine's sake.

    >>> matmul(Tensor([[1.0, 2.0]]), Tensor([[3.0], [4.0]])).tolist()
    [[11.0]]
    >>> matmul(Tensor([1.0, 2.0]), Tensor([3.0, 4.0])).item()
    11.0
    """
    x, y = as_tensor(inp1), as_tensor(inp2)
    if x._spec.ndim == y._spec.ndim == 2:
        return apply(linalg.matmul, (x, y), (bool(transpose_a), bool(transpose_b)))
    if x.ndim == 0 or y.ndim == 0:
        raise RankError(f"matmul: operands must have axes, got shapes {x.shape} and {y.shape}")
    row, column = x.ndim == 1, y.ndim == 1
    if row and column:
        return dot(x, y)
    if row:
        x, transpose_a = _reshape(x, (1, x.size)), False
    if column:
        y, transpose_b = _reshape(y, (y.size, 1)), False
    leading = x.shape[:-1]
    if len(leading) > 1 and y.ndim == 2 and not transpose_a:  # all rows of the batch meet one matrix: one product
        x = _reshape(x, (math.prod(leading), x.shape[-1]))
    out = apply(linalg.matmul, (x, y), (bool(transpose_a), bool(transpose_b)))
    shape = list(out.shape if x.ndim > 2 or len(leading) == 1 or transpose_a else (*leading, out.shape[-1]))
    if row:
        del shape[-2]
    if column:
        del shape[-1]
    return _reshape(out, tuple(shape))


class RankError(ValueError, AssertionError):
    """An operand without the axes that a product needs. (MegEngine: AssertionError.)"""


@as_given
def dot(inp1: Tensor, inp2: Tensor) -> Tensor:
    """The inner product of two vectors.

    >>> dot(Tensor([1.0, 2.0]), Tensor([3.0, 4.0])).item()
    11.0
    """
    if inp1.ndim > 1 or inp2.ndim > 1:
        raise RankError(f"dot: takes vectors, got shapes {inp1.shape} and {inp2.shape}")
    return _reshape(apply(linalg.matmul, (_reshape(inp1, (1, inp1.size)), _reshape(inp2, (inp2.size, 1))), (False, False)), ())


def matinv(inp: Tensor) -> Tensor:
    """The inverses of the matrices in the last two axes, of a float dtype. LinearAlgebraError (a ValueError) if one is singular.

    >>> matinv(Tensor([[2.0, 0.0], [0.0, 4.0]])).tolist()
    [[0.5, 0.0], [0.0, 0.25]]
    """
    return apply(decompose.matinv, (inp,))


def svd(inp: Tensor, full_matrices: bool = False, compute_uv: bool = True) -> tuple[Tensor, Tensor, Tensor] | Tensor:
    """(U, s, V transposed), the singular value decomposition ``U @ diag(s) @ V transposed`` of the matrices in the last two axes.

    Of (..., m, n) matrices U is (..., m, k), s (..., k) descending, V transposed (..., k, n) with k the smaller of m and n. The largest element of each column
    of U is positive.

    full_matrices: U and V are square. compute_uv: False for s alone. Gradients exist where no two singular values are equal.

    >>> u, s, vh = svd(Tensor([[0.0, 2.0], [1.0, 0.0]]))
    >>> s.tolist()
    [2.0, 1.0]
    """
    u, s, vh = apply(decompose.svd, (inp,), (bool(full_matrices),))
    return (u, s, vh) if compute_uv else s


def norm(inp: Tensor, ord: float | None = None, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """``sum(abs(x) ** ord) ** (1 / ord)`` over ``axis``, which must be given unless the input is a vector; integers as float32.

    ord: 2 by default; inf and -inf for the largest and the smallest magnitude; 0 for the number (int32) of elements that are not 0. The gradient
    of the 2-norm at 0 is 0.

    >>> norm(Tensor([3.0, 4.0])).item()
    5.0
    """
    if axis is None and inp.ndim != 1:
        raise TypeError(f"norm: the axis must be given unless the input is a vector, got shape {inp.shape}")
    if axis is None and keepdims:
        raise AxisError("norm: cannot keep dimensions without an axis; name the axes")
    axes = axes_of("norm", inp, axis)
    order = 2.0 if ord is None else float(ord)
    if order == 2:
        return apply(reduce.norm, (inp,), (axes, keepdims))
    if order == 0:
        return sum(not_equal(inp, 0), axes, keepdims)
    magnitude = abs(inp if inp._spec.is_float else apply(view.astype, (inp,), (float32,)) if inp.dtype.kind != "b" else inp)
    if math.isinf(order):
        return (max if order > 0 else min)(magnitude, axes, keepdims)
    return sum(magnitude, axes, keepdims) if order == 1 else pow(sum(pow(magnitude, order), axes, keepdims), 1 / order)


def normalize(inp: Tensor, ord: float | None = None, axis: Axis = None, eps: float = 1e-12) -> Tensor:
    """The input divided by its `norm`, or by ``eps`` where that is larger.

    >>> normalize(Tensor([3.0, 4.0])).tolist()
    [0.6000000238418579, 0.800000011920929]
    """
    return div(inp, maximum(norm(inp, ord, axis, keepdims=axis is not None), eps))
