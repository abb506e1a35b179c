"""Functions of numbers that the Python array API standard has beside those of `math`."""

from __future__ import annotations

import math

import numpy as np

from ..constants import scalar
from ..dtype import is_float, is_half, promote
from ..errors import DTypeError
from ..forms import broadcast, casts, elementwise
from ..forms.host import host
from ..spec import Spec
from .compare import zeros_like
from .math import div, floor, mul, neg, sign


@elementwise(ref=np.log2, takes="float", domain=(0.01, 9.0), vjp={"x": lambda g, x: div(g, mul(x, scalar(0.6931471805599453, x)))})
def log2(x):
    """The logarithm to base 2; -inf at 0, NaN below."""
    return math.log(x) / 0.6931471805599453


@elementwise(ref=np.log10, takes="float", domain=(0.01, 9.0), vjp={"x": lambda g, x: div(g, mul(x, scalar(2.302585092994046, x)))})
def log10(x):
    """The logarithm to base 10; -inf at 0, NaN below."""
    return math.log(x) / 2.302585092994046


@elementwise(ref=np.isfinite, gives="bool", takes="float")
def isfinite(x):
    """Whether each element is neither infinite nor NaN."""
    return x - x == 0.0


@elementwise(ref=np.signbit, gives="bool", takes="float")
def signbit(x):
    """Whether the sign is set: of what is below 0, of -0, and of a NaN with a sign."""
    return math.copysign(1.0, x) < 0.0


@elementwise(
    ref=np.copysign,
    takes="float",
    vjp={"x": lambda g, x, out: mul(g, mul(sign(x), sign(out))), "y": lambda g: zeros_like(g)},
    kinks=(0.0,),
)
def copysign(x, y):
    """The magnitude of ``x`` with the sign of ``y``."""
    return math.copysign(x, y)


@elementwise(
    ref=np.hypot,
    takes="float",
    vjp={"x": lambda g, x, out: div(mul(g, x), out), "y": lambda g, y, out: div(mul(g, y), out)},
    kinks=(0.0,),
)
def hypot(x, y):
    """``sqrt(x * x + y * y)``, without overflow; infinite if either is, NaN or not."""
    a, b = math.fabs(x), math.fabs(y)
    large, small = (a, b) if a > b else (b, a)
    share = small / large
    return math.inf if a == math.inf or b == math.inf else 0.0 if a + b == 0.0 else large * math.sqrt(1.0 + share * share)


@elementwise(
    ref=lambda x: x if x.dtype.kind in "iu" else np.rint(x), vjp={"x": lambda g: zeros_like(g)}, kinks=tuple(k / 2 for k in range(-10, 11))
)
def rint(x):
    """The nearest integer; halves go to the even one."""
    return x if INTEGER else _nearest(x)


def _nearest(x):
    low = math.floor(x)
    over = x - low
    odd = low - 2.0 * math.floor(low * 0.5) != 0.0
    nearest = low + 1.0 if over > 0.5 or (over == 0.5 and odd) else low
    return x if x == low or x != x else math.copysign(nearest, x)


@elementwise(
    ref=np.mod,
    takes="float",
    vjp={"x": lambda g: g, "y": lambda g, x, y: neg(mul(g, floor(div(x, y))))},
    sample=lambda draw: draw.with_divisor(),
)
def remainder(x, y):
    """The remainder of ``x / y`` with the sign of ``y``."""
    rest = math.fmod(x, y)
    return rest + y if rest != 0.0 and (rest < 0.0) != (y < 0.0) else rest if rest != 0.0 else math.copysign(0.0, y)


def _base_and_exponent(draw):
    dtype = draw.dtype if draw.dtype.kind in "iu" else np.dtype("int32")
    shape_x, shape_y = draw.broadcastable(2)
    return (draw.array(shape_x, dtype, -5, 5), draw.array(shape_y, dtype, 0, 6)), {}


@elementwise(ref=np.power, takes="integer", sample=_base_and_exponent)
def integer_power(x, y):
    """``x ** y``, of integers, wrapping around; 1 where ``y`` is negative."""
    power, base, left = x * 0 + 1, x, y
    while left > 0:
        power = power * base if left & 1 else power
        base = base * base
        left = left >> 1
    return power


def _next_infer(x: Spec, y: Spec):
    dtype = promote(x.dtype, y.dtype)
    if not is_float(dtype) or is_half(dtype):
        raise DTypeError(f"nextafter: takes float32 and float64, got {dtype}")
    return casts((x, y), (dtype, dtype)) or x.like(broadcast("nextafter", [x.shape, y.shape]))


def _next_sample(draw):
    return tuple(draw.array(shape) for shape in draw.broadcastable(2)), {}


@host(inputs=("x", "y"), infer=_next_infer, ref=lambda x, y: np.where(x == y, y, x), sample=_next_sample)
def nextafter(x, y):
    """The number next to ``x`` in the direction of ``y``."""
    return np.nextafter(x, y)
