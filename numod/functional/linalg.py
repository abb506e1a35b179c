"""Products of vectors and matrices."""

from __future__ import annotations

import math

from ..op import apply
from ..ops import linalg, view
from ..tensor import Tensor
from .elemwise import as_tensor


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


def dot(inp1: Tensor, inp2: Tensor) -> Tensor:
    """The inner product of two vectors.

    >>> dot(Tensor([1.0, 2.0]), Tensor([3.0, 4.0])).item()
    11.0
    """
    if inp1.ndim > 1 or inp2.ndim > 1:
        raise RankError(f"dot: takes vectors, got shapes {inp1.shape} and {inp2.shape}")
    return matmul(inp1, inp2)
