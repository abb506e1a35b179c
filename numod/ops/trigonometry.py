"""Circular and hyperbolic functions and their inverses, one element at a time.

In float32 and float64 they are the C library's, which are right to about one unit in the last place (`tanh` is in `math`).
"""

from __future__ import annotations

import math

import numpy as np

from ..dtype import is_float
from ..forms import elementwise
from .math import add, div, mul, neg, ones_like, sqrt, square, sub


def _one_plus_square(x):
    return add(ones_like(x), square(x))


def _one_less_square(x):
    """``1 - x**2`` as a product, which is exact where ``x`` is near 1."""
    return mul(sub(ones_like(x), x), add(ones_like(x), x))


@elementwise(ref=np.sin, takes="float", vjp={"x": lambda g, x: mul(g, cos(x))})
def sin(x):
    """The sine of an angle in radians; NaN of infinity."""
    return math.sin(x)


@elementwise(ref=np.cos, takes="float", vjp={"x": lambda g, x: neg(mul(g, sin(x)))})
def cos(x):
    """The cosine of an angle in radians; NaN of infinity."""
    return math.cos(x)


@elementwise(ref=np.tan, takes="float", domain=(-1.4, 1.4), vjp={"x": lambda g, out: mul(g, _one_plus_square(out))})
def tan(x):
    """The tangent of an angle in radians; NaN of infinity."""
    return math.tan(x)


@elementwise(ref=np.arcsin, takes="float", domain=(-0.95, 0.95), vjp={"x": lambda g, x: div(g, sqrt(_one_less_square(x)))})
def asin(x):
    """The angle in [-pi/2, pi/2] whose sine is ``x``; NaN outside of [-1, 1]."""
    return math.asin(x)


@elementwise(ref=np.arccos, takes="float", domain=(-0.95, 0.95), vjp={"x": lambda g, x: neg(div(g, sqrt(_one_less_square(x))))})
def acos(x):
    """The angle in [0, pi] whose cosine is ``x``; NaN outside of [-1, 1]."""
    return math.acos(x)


@elementwise(ref=np.arctan, takes="float", vjp={"x": lambda g, x: div(g, _one_plus_square(x))})
def atan(x):
    """The angle in [-pi/2, pi/2] whose tangent is ``x``."""
    return math.atan(x)


def _away_from_the_origin(draw):
    """Two operands that are not both near 0, where angles jump, nor on the negative x axis."""
    shape_y, shape_x = draw.broadcastable(2)
    sign = np.where(draw.random().random(shape_x) < 0.5, -1, 1)
    x = sign * draw.array(shape_x, low=1.0, high=4.0)
    return (draw.array(shape_y, low=0.3, high=4.0), x.astype(x.dtype if is_float(x.dtype) else draw.dtype)), {}


@elementwise(
    ref=np.arctan2,
    takes="float",
    sample=_away_from_the_origin,
    vjp={
        "y": lambda g, y, x: mul(g, div(x, add(square(x), square(y)))),
        "x": lambda g, y, x: neg(mul(g, div(y, add(square(x), square(y))))),
    },
)
def atan2(y, x):
    """The angle in [-pi, pi] of the point (x, y), as C's atan2 has it for zeros and infinities."""
    return math.atan2(y, x)


@elementwise(ref=np.sinh, takes="float", vjp={"x": lambda g, x: mul(g, cosh(x))})
def sinh(x):
    """The hyperbolic sine, ``(exp(x) - exp(-x)) / 2``."""
    return math.sinh(x)


@elementwise(ref=np.cosh, takes="float", vjp={"x": lambda g, x: mul(g, sinh(x))})
def cosh(x):
    """The hyperbolic cosine, ``(exp(x) + exp(-x)) / 2``."""
    return math.cosh(x)


@elementwise(ref=np.arcsinh, takes="float", vjp={"x": lambda g, x: div(g, sqrt(_one_plus_square(x)))})
def asinh(x):
    """The number whose hyperbolic sine is ``x``."""
    return math.asinh(x)


@elementwise(ref=np.arccosh, takes="float", domain=(1.05, 9.0), vjp={"x": lambda g, x: div(g, sqrt(neg(_one_less_square(x))))})
def acosh(x):
    """The number of [0, inf] whose hyperbolic cosine is ``x``; NaN below 1."""
    return math.acosh(x)


@elementwise(ref=np.arctanh, takes="float", domain=(-0.95, 0.95), vjp={"x": lambda g, x: div(g, _one_less_square(x))})
def atanh(x):
    """The number whose hyperbolic tangent is ``x``; infinite at -1 and 1, NaN outside of them."""
    return math.atanh(x)
