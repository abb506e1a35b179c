"""Piecewise activations, which bend at fixed inputs; the smooth ones and `relu` are in `math`."""

from __future__ import annotations

import numpy as np

from ..constants import scalar
from ..forms import elementwise
from .compare import keep, less
from .math import add, mul


@elementwise(
    ref=lambda x: np.where(x.real < 0, 0, np.where(x.real > 6, 6, x)),
    domain=(-4.0, 9.0),
    vjp={"x": lambda g, x: relu6_gradient(g, x)},
    kinks=(0.0, 6.0),
)
def relu6(x):
    """``min(max(x, 0), 6)``; NaN stays NaN. Its gradient at 0 and 6 is 0 (Krizhevsky, 2010)."""
    return 0.0 if x < 0 else 6.0 if x > 6 else x


@elementwise(
    ref=lambda dy, x: np.where((x.real > 0) & (x.real < 6), dy, 0),
    domain=(-4.0, 9.0),
    vjp={"dy": lambda g, x: relu6_gradient(g, x)},
    kinks=(0.0, 6.0),
)
def relu6_gradient(dy, x):
    """``dy`` where ``x`` is between 0 and 6, else 0."""
    return dy if x > 0 and x < 6 else 0.0


@elementwise(
    ref=lambda x: np.where(x.real < -3, 0, np.where(x.real > 3, 1, (x + 3) / 6)),
    takes="float",
    domain=(-5.0, 5.0),
    vjp={"x": lambda g, x: hsigmoid_gradient(g, x)},
    kinks=(-3.0, 3.0),
)
def hsigmoid(x):
    """``relu6(x + 3) / 6``, which is near `sigmoid` (Howard et al., "Searching for MobileNetV3", 2019)."""
    return 0.0 if x < -3 else 1.0 if x > 3 else (x + 3.0) / 6.0


@elementwise(
    ref=lambda dy, x: np.where(np.abs(x.real) < 3, dy / 6, 0),
    takes="float",
    domain=(-5.0, 5.0),
    vjp={"dy": lambda g, x: hsigmoid_gradient(g, x)},
    kinks=(-3.0, 3.0),
)
def hsigmoid_gradient(dy, x):
    """``dy / 6`` where ``x`` is between -3 and 3, else 0."""
    return dy / 6.0 if x > -3 and x < 3 else 0.0


@elementwise(
    ref=lambda x: np.where(x.real <= -3, -0.0, np.where(x.real >= 3, x, x * (x + 3) / 6)),
    takes="float",
    domain=(-5.0, 5.0),
    vjp={"x": lambda g, x: mul(g, hswish_slope(x))},
    kinks=(-3.0, 3.0),
)
def hswish(x):
    """``x * relu6(x + 3) / 6``, which is near `silu` (Howard et al., "Searching for MobileNetV3", 2019)."""
    return -0.0 if x <= -3 else x if x >= 3 else x * (x + 3.0) / 6.0


@elementwise(
    ref=lambda x: np.where(x.real < -3, 0, np.where(x.real > 3, 1, (2 * x + 3) / 6)),
    takes="float",
    domain=(-5.0, 5.0),
    vjp={"x": lambda g, x: hsigmoid_gradient(add(g, g), x)},
    kinks=(-3.0, 3.0),
)
def hswish_slope(x):
    """The derivative of `hswish`."""
    return 0.0 if x < -3 else 1.0 if x > 3 else (x + x + 3.0) / 6.0


@elementwise(
    ref=lambda x, y: np.where(x.real < 0, x * y, x),
    vjp={
        "x": lambda g, x, y: prelu_gradient(g, x, y),
        "y": lambda g, x: keep(less(x, scalar(0.0, x)), mul(g, x)),
    },
    kinks=(0.0,),
)
def prelu(x, y):
    """``x`` where it is not negative, else ``x * y`` (He et al., "Delving deep into rectifiers", 2015). The slope at 0 is 1."""
    return x * y if x < 0 else x


@elementwise(
    ref=lambda dy, x, y: np.where(x.real < 0, dy * y, dy),
    vjp={
        "dy": lambda g, x, y: prelu_gradient(g, x, y),
        "y": lambda g, dy, x: keep(less(x, scalar(0.0, x)), mul(g, dy)),
    },
    kinks=(0.0,),
)
def prelu_gradient(dy, x, y):
    """``dy`` where ``x`` is not negative, else ``dy * y``."""
    return dy * y if x < 0 else dy
