"""The ops of the guide "Declare an op of your own"."""

import math

import numpy as np

import numod.functional as F
from numod.forms import elementwise, rowwise


@elementwise(
    ref=lambda x: np.where(x.real > 0, x * x, 0),
    vjp={"x": lambda g, x: g * 2 * F.relu(x)},
    kinks=(0.0,),
)
def squared_relu(x):
    """``relu(x) ** 2`` (So et al., 2021)."""
    return x * x if x > 0 else 0.0


def rms_gradient(g, x, out, axis):
    scale = F.sqrt(F.mean(x * x, axis=axis, keepdims=True) + 1e-6)
    return (g - out * F.mean(g * out, axis=axis, keepdims=True)) / scale


@rowwise(
    ref=lambda x, axis: x / np.sqrt((x * x).mean(axis=axis, keepdims=True) + 1e-6),
    per="element",
    takes="float",
    vjp={"x": rms_gradient},
)
def rms_normalize(x):
    """Each row divided by its root mean square over ``axis``."""
    return x / math.sqrt(fold(add, x * x) / count + 1e-6)  # noqa: F821


@elementwise(ref=lambda x: x**3, vjp={"x": lambda g, x: g * x * x})
def wrong_cube(x):
    """``x ** 3``, with a gradient rule that forgets a factor."""
    return x * x * x
