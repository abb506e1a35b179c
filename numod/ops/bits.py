"""Integers as rows of bits. (Shifts are in `math`, and of bools these are the ops of `compare`.)"""

from __future__ import annotations

import numpy as np

from ..forms import elementwise


def _two(draw):
    x, y = draw.with_shift()[0]
    return (x, y), {}


@elementwise(ref=np.bitwise_and, takes="integer", sample=_two)
def bitwise_and(x, y):
    """The bits that are set in both."""
    return x & y


@elementwise(ref=np.bitwise_or, takes="integer", sample=_two)
def bitwise_or(x, y):
    """The bits that are set in one or in both."""
    return x | y


@elementwise(ref=np.bitwise_xor, takes="integer", sample=_two)
def bitwise_xor(x, y):
    """The bits that are set in exactly one."""
    return x ^ y


@elementwise(ref=np.bitwise_not, takes="integer", sample=lambda draw: (_two(draw)[0][:1], {}))
def bitwise_invert(x):
    """The bits that are not set."""
    return ~x
