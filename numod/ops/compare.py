"""Comparison, logic and selection: ops whose operands or result are bool."""

from __future__ import annotations

import numpy as np

from ..forms import elementwise


@elementwise(ref=np.equal, gives="bool", takes="all")
def equal(x, y):
    """``x == y``, element by element."""
    return x == y


@elementwise(ref=np.not_equal, gives="bool", takes="all")
def not_equal(x, y):
    """``x != y``, element by element; NaN differs from itself."""
    return x != y


@elementwise(ref=np.less, gives="bool", takes="any")
def less(x, y):
    """``x < y``, element by element."""
    return x < y


@elementwise(ref=np.less_equal, gives="bool", takes="any")
def less_equal(x, y):
    """``x <= y``, element by element."""
    return x <= y


@elementwise(ref=np.greater, gives="bool", takes="any")
def greater(x, y):
    """``x > y``, element by element."""
    return x > y


@elementwise(ref=np.greater_equal, gives="bool", takes="any")
def greater_equal(x, y):
    """``x >= y``, element by element."""
    return x >= y


@elementwise(ref=np.logical_and, takes="bool")
def logical_and(x, y):
    """``x and y``, element by element."""
    return x and y


@elementwise(ref=np.logical_or, takes="bool")
def logical_or(x, y):
    """``x or y``, element by element."""
    return x or y


@elementwise(ref=np.logical_xor, takes="bool")
def logical_xor(x, y):
    """Whether exactly one of the two holds."""
    return x != y


@elementwise(ref=np.logical_not, takes="bool")
def logical_not(x):
    """``not x``, element by element."""
    return not x


@elementwise(ref=np.isnan, gives="bool", takes="float")
def isnan(x):
    """Whether each element is NaN."""
    return x != x


@elementwise(ref=np.isinf, gives="bool", takes="float")
def isinf(x):
    """Whether each element is infinite."""
    return x == np.inf or x == -np.inf


@elementwise(
    ref=np.where,
    takes="all",
    masks=("mask",),
    vjp={"x": lambda g, mask: keep(mask, g), "y": lambda g, mask: drop(mask, g)},
)
def where(mask, x, y):
    """``x`` where ``mask`` is true, else ``y``."""
    return x if mask else y


@elementwise(
    ref=lambda mask, x: np.where(mask, x, np.zeros_like(x)), takes="all", masks=("mask",), vjp={"x": lambda g, mask: keep(mask, g)}
)
def keep(mask, x):
    """``x`` where ``mask`` is true, else 0."""
    return x if mask else 0.0


@elementwise(
    ref=lambda mask, x: np.where(mask, np.zeros_like(x), x), takes="all", masks=("mask",), vjp={"x": lambda g, mask: drop(mask, g)}
)
def drop(mask, x):
    """0 where ``mask`` is true, else ``x``."""
    return 0.0 if mask else x


@elementwise(ref=np.zeros_like, takes="all")
def zeros_like(x):
    """Zeros of the shape and dtype of ``x``."""
    return 0.0
