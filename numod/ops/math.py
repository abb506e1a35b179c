"""Arithmetic and elementary functions, one element at a time."""

from __future__ import annotations

import math

import numpy as np

from ..forms import elementwise
from .compare import drop, greater, greater_equal, keep, less_equal, where, zeros_like
from .complex import conjugated
from .reference import erf as erf_ref


@elementwise(ref=np.add, takes="complex", vjp={"x": lambda g: g, "y": lambda g: g})
def add(x, y):
    """``x + y``."""
    return x + y


@elementwise(ref=np.subtract, takes="complex", vjp={"x": lambda g: g, "y": lambda g: neg(g)})
def sub(x, y):
    """``x - y``."""
    return x - y


@elementwise(ref=np.multiply, takes="complex", vjp={"x": lambda g, y: mul(g, conjugated(y)), "y": lambda g, x: mul(g, conjugated(x))})
def mul(x, y):
    """``x * y``."""
    return x * y


@elementwise(
    ref=np.true_divide,
    takes="float",
    vjp={"x": lambda g, y: div(g, y), "y": lambda g, y, out: neg(div(mul(g, out), y))},
    kinks=(0.0,),
)
def div(x, y):
    """``x / y``; integers are divided as float32."""
    return x / y


@elementwise(
    ref=lambda x, y: np.floor(x / y) if np.asarray(x).dtype.kind == "f" else np.floor_divide(x, y),
    kinks=(0.0,),
    sample=lambda draw: draw.with_divisor(),
)
def floor_div(x, y):
    """``x // y``, rounded toward minus infinity."""
    return x // y if INTEGER else math.floor(x / y)


@elementwise(
    ref=lambda x, y: np.fmod(x, y) if np.asarray(x).dtype.kind == "f" else np.mod(x, y),
    vjp={"x": lambda g: g, "y": lambda g, x, y: neg(mul(g, trunc(div(x, y))))},
    sample=lambda draw: draw.with_divisor(),
)
def mod(x, y):
    """The remainder of ``x / y``: of floats with the sign of ``x``, of integers with the sign of ``y``."""
    return x % y if INTEGER else math.fmod(x, y)


def _power_slope(x, power):
    """The derivative of ``power = x ** y`` by y, 0 where x is not positive."""
    positive = greater(x, zeros_like(x))
    return keep(positive, mul(power, log(where(positive, x, ones_like(x)))))


@elementwise(
    ref=np.power,
    takes="float",
    vjp={
        "x": lambda g, x, y: mul(g, mul(y, pow(x, sub(y, ones_like(y))))),
        "y": lambda g, x, out: mul(g, _power_slope(x, out)),
    },
    sample=lambda draw: draw.base_and_exponent(),
    kinks=(0.0,),
)
def pow(x, y):
    """``x ** y``; integers as float32."""
    return x**y


@elementwise(ref=np.left_shift, takes="integer", sample=lambda draw: draw.with_shift())
def left_shift(x, y):
    """``x << y``, of integers."""
    return x << y


@elementwise(ref=np.right_shift, takes="integer", sample=lambda draw: draw.with_shift())
def right_shift(x, y):
    """``x >> y``, of integers, keeping the sign."""
    return x >> y


@elementwise(ref=np.negative, takes="complex", vjp={"x": lambda g: neg(g)})
def neg(x):
    """``-x``."""
    return -x


@elementwise(ref=np.abs, vjp={"x": lambda g, x: mul(g, sign(x))}, kinks=(0.0,))
def abs(x):
    """The absolute value; its gradient at 0 is 0."""
    return -x if x < 0 else x + 0 if x == 0 else x


@elementwise(ref=np.sign, vjp={"x": lambda g: zeros_like(g)}, kinks=(0.0,))
def sign(x):
    """-1, 0 or 1 by the sign; NaN stays NaN."""
    return 1.0 if x > 0 else -1.0 if x < 0 else x + 0  # of -0 it is 0


@elementwise(ref=np.ones_like, takes="all")
def ones_like(x):
    """Ones of the shape and dtype of ``x``."""
    return 1.0


@elementwise(ref=np.maximum, vjp={"x": lambda g, x, y: keep(greater_equal(x, y), g), "y": lambda g, x, y: drop(greater_equal(x, y), g)})
def maximum(x, y):
    """The larger of two; NaN if either is NaN. The gradient of a tie goes to ``x``."""
    return x if x > y or x == y or x != x else y


@elementwise(ref=np.minimum, vjp={"x": lambda g, x, y: keep(less_equal(x, y), g), "y": lambda g, x, y: drop(less_equal(x, y), g)})
def minimum(x, y):
    """The smaller of two; NaN if either is NaN. The gradient of a tie goes to ``x``."""
    return x if x < y or x == y or x != x else y


@elementwise(ref=np.floor, vjp={"x": lambda g: zeros_like(g)}, kinks=tuple(range(-5, 6)))
def floor(x):
    """The largest integer not above ``x``."""
    return math.floor(x)


@elementwise(ref=np.ceil, vjp={"x": lambda g: zeros_like(g)}, kinks=tuple(range(-5, 6)))
def ceil(x):
    """The smallest integer not below ``x``."""
    return math.ceil(x)


@elementwise(ref=np.trunc, vjp={"x": lambda g: zeros_like(g)}, kinks=tuple(range(-5, 6)))
def trunc(x):
    """``x`` without its fraction."""
    return math.trunc(x)


@elementwise(
    ref=lambda x: x if x.dtype.kind in "iu" else np.copysign(np.floor(np.abs(x) + 0.5), x),
    vjp={"x": lambda g: zeros_like(g)},
    kinks=tuple(k / 2 for k in range(-10, 11)),
)
def round(x):
    """The nearest integer; halves go away from zero."""
    return -math.floor(0.5 - x) if x < 0 else x if x == 0 else math.floor(x + 0.5)


@elementwise(ref=np.square, vjp={"x": lambda g, x: mul(g, add(x, x))})
def square(x):
    """``x * x``."""
    return x * x


@elementwise(ref=np.exp, takes="float", vjp={"x": lambda g, out: mul(g, out)})
def exp(x):
    """e to the power of ``x``."""
    return math.exp(x)


@elementwise(ref=np.log, takes="float", domain=(0.01, 9.0), vjp={"x": lambda g, x: div(g, x)})
def log(x):
    """The natural logarithm; -inf at 0, NaN below."""
    return math.log(x)


@elementwise(ref=np.expm1, takes="float", vjp={"x": lambda g, out: mul(g, add(out, ones_like(out)))})
def expm1(x):
    """``exp(x) - 1``, exact where ``x`` is small."""
    return math.expm1(x)


@elementwise(ref=np.log1p, takes="float", domain=(-0.9, 9.0), vjp={"x": lambda g, x: div(g, add(ones_like(x), x))})
def log1p(x):
    """``log(1 + x)``, exact where ``x`` is small; -inf at -1, NaN below."""
    return math.log1p(x)


@elementwise(
    ref=np.logaddexp,
    takes="float",
    vjp={"x": lambda g, x, y: mul(g, sigmoid(sub(x, y))), "y": lambda g, x, y: mul(g, sigmoid(sub(y, x)))},
)
def logaddexp(x, y):
    """``log(exp(x) + exp(y))``, without overflow."""
    top = x if x > y else y
    gap = -math.fabs(x - y)
    return x + 0.6931471805599453 if x == y else top + math.log1p(math.exp(gap)) if gap == gap else gap


@elementwise(ref=np.sqrt, takes="float", domain=(0.01, 9.0), vjp={"x": lambda g, out: div(g, add(out, out))})
def sqrt(x):
    """The square root; NaN below 0."""
    return math.sqrt(x)


@elementwise(ref=np.tanh, takes="float", vjp={"x": lambda g, out: tanh_gradient(g, out)})
def tanh(x):
    """The hyperbolic tangent."""
    return math.tanh(x)


@elementwise(
    ref=lambda dy, y: dy * (1 - y * y),
    takes="float",
    vjp={"dy": lambda g, y: tanh_gradient(g, y), "y": lambda g, dy, y: neg(mul(mul(g, dy), add(y, y)))},
)
def tanh_gradient(dy, y):
    """The gradient of `tanh` by that of its result ``y``."""
    return dy * (1.0 - y * y)


@elementwise(ref=erf_ref, takes="float", vjp={"x": lambda g, x: mul(g, gauss(x))})
def erf(x):
    """The error function, ``2 / sqrt(pi)`` times the integral of ``exp(-t**2)`` from 0 to ``x``."""
    return math.erf(x)


@elementwise(
    ref=lambda x: 2 / np.sqrt(np.pi) * np.exp(-x * x), takes="float", vjp={"x": lambda g, x, out: neg(mul(g, mul(add(x, x), out)))}
)
def gauss(x):
    """``2 / sqrt(pi) * exp(-x**2)``, the derivative of `erf`."""
    return 1.1283791670955126 * math.exp(-x * x)


def logistic(x):
    """``1 / (1 + exp(-x))``."""
    return 1.0 / (1.0 + math.exp(-x))


@elementwise(ref=lambda x: 1 / (1 + np.exp(-x)), takes="float", vjp={"x": lambda g, out: sigmoid_gradient(g, out)})
def sigmoid(x):
    """``1 / (1 + exp(-x))``."""
    return logistic(x)


@elementwise(
    ref=lambda dy, y: dy * y * (1 - y),
    takes="float",
    vjp={"dy": lambda g, y: sigmoid_gradient(g, y), "y": lambda g, dy, y: mul(mul(g, dy), sub(ones_like(y), add(y, y)))},
)
def sigmoid_gradient(dy, y):
    """The gradient of `sigmoid` by that of its result ``y``."""
    return dy * (y * (1.0 - y))


@elementwise(ref=lambda x: np.where(x.real < 0, 0, x), vjp={"x": lambda g, out: relu_gradient(g, out)}, kinks=(0.0,))
def relu(x):
    """``max(x, 0)``; NaN stays NaN. Its gradient at 0 is 0."""
    return 0.0 if x < 0 else x


@elementwise(ref=lambda dy, y: np.where(y.real > 0, dy, 0), vjp={"dy": lambda g, y: relu_gradient(g, y)}, kinks=(0.0,))
def relu_gradient(dy, y):
    """``g`` where ``out`` is positive, else 0."""
    return dy if y > 0 else 0.0


@elementwise(
    ref=lambda x: x / 2 * (1 + erf_ref(x / np.sqrt(2))),
    takes="float",
    vjp={"x": lambda g, x: gelu_gradient(g, x)},
)
def gelu(x):
    """``x * P(X <= x)`` for a standard normal X: ``x / 2 * (1 + erf(x / sqrt(2)))`` (Hendrycks & Gimpel, 2016)."""
    return 0.5 * x * (1.0 + math.erf(x * 0.7071067811865476))


@elementwise(
    ref=lambda dy, x: dy * (0.5 * (1 + erf_ref(x / np.sqrt(2))) + x * np.exp(-x * x / 2) / np.sqrt(2 * np.pi)),
    takes="float",
    vjp={
        "dy": lambda g, x: gelu_gradient(g, x),
        "x": lambda g, dy, x: mul(mul(g, dy), mul(normal_density(x), sub(add(ones_like(x), ones_like(x)), mul(x, x)))),
    },
)
def gelu_gradient(dy, x):
    """The gradient of `gelu` by that of its result."""
    return dy * (0.5 * (1.0 + math.erf(x * 0.7071067811865476)) + x * 0.3989422804014327 * math.exp(-0.5 * x * x))


@elementwise(ref=lambda x: np.exp(-x * x / 2) / np.sqrt(2 * np.pi), takes="float", vjp={"x": lambda g, x, out: neg(mul(g, mul(x, out)))})
def normal_density(x):
    """``exp(-x**2 / 2) / sqrt(2 * pi)``, the density of the standard normal distribution."""
    return 0.3989422804014327 * math.exp(-0.5 * x * x)


@elementwise(ref=lambda x: x / (1 + np.exp(-x)), takes="float", vjp={"x": lambda g, x: silu_gradient(g, x)})
def silu(x):
    """``x * sigmoid(x)`` (Elfwing et al., 2017)."""
    return x / (1.0 + math.exp(-x))


def _silu_curve(x):
    """The second derivative of `silu`: ``s * (1 - s) * (2 + x * (1 - 2 * s))`` with ``s = sigmoid(x)``."""
    s, one = sigmoid(x), ones_like(x)
    return mul(mul(s, sigmoid(neg(x))), add(add(one, one), mul(x, sub(one, add(s, s)))))


@elementwise(
    ref=lambda dy, x: dy / (1 + np.exp(-x)) * (1 + x / (1 + np.exp(x))),
    takes="float",
    vjp={"dy": lambda g, x: silu_gradient(g, x), "x": lambda g, dy, x: mul(mul(g, dy), _silu_curve(x))},
)
def silu_gradient(dy, x):
    """The gradient of `silu` by that of its result."""
    s = logistic(x)
    return dy * (s * (1.0 + x * (1.0 - s)))


@elementwise(ref=lambda x: np.log1p(np.exp(-np.abs(x))) + np.maximum(x, 0), takes="float", vjp={"x": lambda g, x: mul(g, sigmoid(x))})
def softplus(x):
    """``log(1 + exp(x))``, without overflow."""
    return (x if x > 0 else 0.0) + math.log(1.0 + math.exp(-x if x > 0 else x))
