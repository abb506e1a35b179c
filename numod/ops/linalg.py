"""Matrix products."""

from __future__ import annotations

import math

import numpy as np

from ..dtype import boolean, int32, is_float, is_integer, promote
from ..errors import DTypeError, check
from ..forms import broadcast, casts, gather
from ..kernel import gemm
from ..op import Plan
from ..spec import Spec
from .reduce import sum
from .view import broadcast_to


def _last_two_swapped(x, flag: bool):
    return np.swapaxes(x, -1, -2) if flag else x


def _matmul_ref(x, y, transpose_a, transpose_b):
    return _last_two_swapped(x, transpose_a) @ _last_two_swapped(y, transpose_b)


def _matmul_sample(draw):
    batch = draw.shape(max_rank=1, max_side=3)
    m, n, k = (draw.integer(0, 5) for _ in range(3))
    x, y = (batch if draw.boolean() else () for _ in range(2))
    flags = {"transpose_a": draw.boolean(), "transpose_b": draw.boolean()}
    x += (k, m) if flags["transpose_a"] else (m, k)
    y += (n, k) if flags["transpose_b"] else (k, n)
    return (draw.array(x), draw.array(y)), flags


def _sizes(x: Spec, y: Spec, transpose_a: bool, transpose_b: bool) -> tuple[int, int, int]:
    """m, n and k of the product of (m, k) and (k, n) matrices."""
    m, k = x.shape[-2:][::-1] if transpose_a else x.shape[-2:]
    other, n = y.shape[-2:][::-1] if transpose_b else y.shape[-2:]
    check(k == other, "matmul: the first operand has rows of {}, the second takes {} (shapes {} and {})", k, other, x.shape, y.shape)
    return m, n, k


def _matmul_infer(x: Spec, y: Spec, *, transpose_a: bool, transpose_b: bool):
    check(x.ndim >= 2 and y.ndim >= 2, "matmul: operands must have at least two axes, got shapes {} and {}", x.shape, y.shape)
    dtype = promote(x.dtype, y.dtype)
    if dtype == boolean:
        raise DTypeError("matmul: takes numbers, got bool")
    plan = casts((x, y), [int32 if is_integer(dtype) and dtype.itemsize < 4 else dtype] * 2)  # sums of bytes do not fit in a byte
    if plan is not None:
        return plan
    m, n, _ = _sizes(x, y, transpose_a, transpose_b)
    batch = broadcast("matmul", [x.shape[:-2], y.shape[:-2]])
    sizes = {math.prod(spec.shape[:-2]) for spec in (x, y)}
    if not sizes <= {1, math.prod(batch)}:  # some of the matrices of both meet several of the other
        return Plan(convert=lambda inputs: [broadcast_to(t, shape=batch + t.shape[-2:]) for t in inputs])
    return x.like((*batch, m, n))


def _matmul_see(specs, attrs, out):
    shapes = [(math.prod(spec.shape[:-2]), *spec.shape[-2:]) for spec in specs]
    batch = math.prod(out.shape[:-2])
    return shapes, (batch, *out.shape[-2:]), [_sizes(*specs, **attrs)[2], attrs["transpose_a"], attrs["transpose_b"]]


def _matmul_x(g, y, transpose_a, transpose_b):
    if transpose_a:
        return matmul(y, g, transpose_a=transpose_b, transpose_b=True)
    return matmul(g, y, transpose_b=not transpose_b)


def _matmul_y(g, x, transpose_a, transpose_b):
    if transpose_b:
        return matmul(g, x, transpose_a=True, transpose_b=transpose_a)
    return matmul(x, g, transpose_a=not transpose_a)


@gather(
    infer=_matmul_infer,
    see=_matmul_see,
    ref=_matmul_ref,
    sample=_matmul_sample,
    inputs=("x", "y"),
    attrs={"transpose_a": False, "transpose_b": False},
    vjp={"x": _matmul_x, "y": _matmul_y},
    errors=(
        (ValueError, lambda Tensor, op: op(Tensor([[1.0, 2.0]]), Tensor([[1.0, 2.0]]))),
        (TypeError, lambda Tensor, op: op(*[Tensor([[True]])] * 2)),
    ),
)
def matmul(b, i, j, x, y, depth, transpose_a, transpose_b):
    """Products of the matrices in the last two axes, each transposed first if its flag says so; the axes before them are broadcast."""
    b_x = b if x.shape[0] > 1 else 0
    b_y = b if y.shape[0] > 1 else 0
    total = 0.0
    for k in range(depth):
        left = x[b_x, k, i] if transpose_a else x[b_x, i, k]
        right = y[b_y, j, k] if transpose_b else y[b_y, k, j]
        total += left * right
    return total


@matmul.fast("cpu")
def _matmul_gemm(specs, attrs, outputs):
    return gemm.matmul(*specs, *outputs, **attrs)


def _linear_infer(x: Spec, weight: Spec, bias: Spec):
    dtype = promote(x.dtype, weight.dtype, bias.dtype)
    if not is_float(dtype):
        raise DTypeError(f"linear: takes floats, got {x.dtype}, {weight.dtype} and {bias.dtype}")
    plan = casts((x, weight, bias), [dtype] * 3)
    if plan is not None:
        return plan
    check(x.ndim == weight.ndim == 2, "linear: input and weight must be matrices, got shapes {} and {}", x.shape, weight.shape)
    check(x.shape[1] == weight.shape[1], "linear: input has {} features, weight takes {}", x.shape[1], weight.shape[1])
    check(bias.shape == weight.shape[:1], "linear: bias must have shape {}, got {}", weight.shape[:1], bias.shape)
    return x.like((x.shape[0], weight.shape[0]))


def _linear_sample(draw):
    n, features, outputs = (draw.integer(0, 5) for _ in range(3))
    return (draw.array((n, features)), draw.array((outputs, features)), draw.array((outputs,))), {}


@gather(
    infer=_linear_infer,
    ref=lambda x, weight, bias: x @ weight.T + bias,
    sample=_linear_sample,
    inputs=("x", "weight", "bias"),
    vjp={
        "x": lambda g, weight: matmul(g, weight),
        "weight": lambda g, x: matmul(g, x, transpose_a=True),
        "bias": lambda g: sum(g, axis=(0,)),
    },
    errors=((ValueError, lambda Tensor, op: op(Tensor([[1.0, 2.0]]), Tensor([[1.0]]), Tensor([1.0]))),),
)
def linear(i, j, x, weight, bias):
    """``x @ weight.T + bias`` of matrices: x (n, features), weight (outputs, features), bias (outputs,)."""
    total = bias[j]
    for k in range(x.shape[1]):
        total += x[i, k] * weight[j, k]
    return total


@linear.fast("cpu")
def _linear_gemm(specs, attrs, outputs):
    return gemm.matmul(*specs[:2], *outputs, transpose_b=True, bias=True)
