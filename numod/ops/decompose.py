"""Inverses and decompositions of matrices, by LAPACK."""

from __future__ import annotations

import numpy as np

from ..errors import DTypeError, check
from ..forms import host
from ..spec import Spec
from ..tensor import Tensor
from .join import along
from .linalg import matmul
from .math import add, div, mul, neg, square, sub
from .view import reshape, transpose


class LinearAlgebraError(ValueError, RuntimeError):
    """A matrix without the inverse or the decomposition that was asked for. (MegEngine: RuntimeError.)"""


def _check_matrix(name: str, x: Spec) -> None:
    if not x.is_float:
        raise DTypeError(f"{name}: takes floats, got {x.dtype}")
    check(x.ndim >= 2, "{}: takes matrices, got shape {}", name, x.shape)


def _inverse_infer(x: Spec) -> Spec:
    _check_matrix("matinv", x)
    check(x.shape[-1] == x.shape[-2], "matinv: matrices must be square, got shape {}", x.shape)
    return x.like()


def _inverse_sample(draw):
    batch, n = draw.shape(max_rank=2, max_side=3), draw.integer(0, 4)
    x = draw.random().uniform(-1, 1, (*batch, n, n)) + 3 * np.eye(n) * draw.choice([-1, 1])
    return (x.astype(draw.dtype),), {}


@host(
    inputs=("x",),
    infer=_inverse_infer,
    ref=np.linalg.inv,
    sample=_inverse_sample,
    vjp={"x": lambda g, out: neg(matmul(matmul(out, g, transpose_a=True), out, transpose_b=True))},
    errors=(
        (ValueError, lambda Tensor, op: op(Tensor([[1.0, 2.0]]))),
        (ValueError, lambda Tensor, op: op(Tensor([1.0]))),
        (ValueError, lambda Tensor, op: op(Tensor([[1.0, 2.0], [2.0, 4.0]]))),
        (TypeError, lambda Tensor, op: op(Tensor([[1]]))),
    ),
)
def matinv(x):
    """The inverses of the matrices in the last two axes; LinearAlgebraError (a ValueError) if one is singular."""
    try:
        return np.linalg.inv(x)
    except np.linalg.LinAlgError:
        raise LinearAlgebraError(f"matinv: a matrix is singular; the input has shape {x.shape}") from None


def _svd_infer(x: Spec, *, full: bool) -> tuple[Spec, ...]:
    _check_matrix("svd", x)
    *batch, m, n = x.shape
    k = min(m, n)
    return x.like((*batch, m, m if full else k)), x.like((*batch, k)), x.like((*batch, n if full else k, n))


def _svd_sample(draw):
    """Matrices with singular values that are far from each other and from 0: only those have one decomposition."""
    batch, m, n = draw.shape(max_rank=1, max_side=2), draw.integer(0, 4), draw.integer(0, 4)
    random, k = draw.random(), min(m, n)
    left, right = (np.linalg.qr(random.normal(size=(*batch, side, side)))[0][..., :k] for side in (m, n))
    sizes = np.arange(k) + random.uniform(0.8, 1.2, (*batch, k))
    return ((left * sizes[..., None, :] @ np.swapaxes(right, -1, -2)).astype(draw.dtype),), {"full": m == n}


def _svd(x, full):
    u, s, vh = np.linalg.svd(x, full_matrices=full)
    k = s.shape[-1]
    if k:  # a pair of singular vectors may have either sign
        pivots = np.argmax(np.abs(u[..., :k]), axis=-2)[..., None, :]
        signs = np.where(np.take_along_axis(u[..., :k].real, pivots, -2) < 0, -1, 1).astype(u.real.dtype)
        u[..., :k] *= signs
        vh[..., :k, :] *= np.swapaxes(signs, -1, -2)
    return u, s, vh


def _turned(x):
    """The matrices transposed."""
    return transpose(x, axes=(*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


def _column(x):
    return reshape(x, shape=(*x.shape, 1))


def _row(x):
    return reshape(x, shape=(*x.shape[:-1], 1, x.shape[-1]))


def _svd_gradient(g, out, full):
    """The gradient of a thin decomposition (J. Townsend, "Differentiating the singular value decomposition", 2016)."""
    (du, ds, dvh), (u, s, vh) = g, out
    m, n, k = u.shape[-2], vh.shape[-1], s.shape[-1]
    if full and m != n:
        if du is not None or dvh is not None:
            raise LinearAlgebraError("svd: no gradient flows through the full matrices of an input that is not square")
        u, vh = along(u, u.ndim - 1, 0, k), along(vh, vh.ndim - 2, 0, k)
    v = _turned(vh)
    identity = np.eye(k, dtype=s.dtype)
    one, off = (Tensor(x, dtype=s.dtype, device=s.device) for x in (identity, 1 - identity))
    gaps = div(off, add(sub(square(_row(s)), square(_column(s))), one))  # 1 / (s_j**2 - s_i**2), 0 on the diagonal
    terms = []
    if ds is not None:
        terms.append(matmul(mul(u, _row(ds)), vh))
    if du is not None:
        w = matmul(u, du, transpose_a=True)
        terms.append(matmul(mul(matmul(u, mul(gaps, sub(w, _turned(w)))), _row(s)), vh))
        if m > k:
            terms.append(matmul(div(sub(du, matmul(u, w)), _row(s)), vh))
    if dvh is not None:
        dv = _turned(dvh)
        w = matmul(v, dv, transpose_a=True)
        terms.append(matmul(mul(u, _row(s)), matmul(mul(gaps, sub(w, _turned(w))), vh)))
        if n > k:
            terms.append(matmul(div(u, _row(s)), _turned(sub(dv, matmul(v, w)))))
    total = terms[0]
    for term in terms[1:]:
        total = add(total, term)
    return total


@host(
    inputs=("x",),
    attrs={"full": False},
    infer=_svd_infer,
    ref=_svd,
    sample=_svd_sample,
    vjp={"x": _svd_gradient},
    errors=((ValueError, lambda Tensor, op: op(Tensor([1.0]))), (TypeError, lambda Tensor, op: op(Tensor([[1]])))),
)
def svd(x, full):
    """(U, s, V transposed) with ``x = U @ diag(s) @ V transposed`` and s descending, for the matrices in the last two axes.

    Of each column of U the largest element is positive. Gradients exist where no two singular values are equal.
    """
    try:
        return _svd(x, full)
    except np.linalg.LinAlgError as error:
        raise LinearAlgebraError(f"svd: {error}; the input has shape {x.shape}") from None
