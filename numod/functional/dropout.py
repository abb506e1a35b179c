"""Dropout."""

from __future__ import annotations

from ..random import uniform
from ..tensor import Tensor
from .elemwise import greater_equal, mul, where


def dropout(inp: Tensor, drop_prob: float, training: bool = True) -> Tensor:
    """``inp`` with each element set to 0 with probability ``drop_prob`` and the others scaled so that the mean stays (Srivastava et al., 2014).

    >>> dropout(Tensor([1.0, 2.0]), 0.5, training=False).tolist()
    [1.0, 2.0]
    """
    if not 0 <= drop_prob < 1:
        raise ProbabilityError(f"dropout: drop_prob must be in [0, 1), got {drop_prob}")
    if not training or drop_prob == 0:
        return inp
    kept = greater_equal(uniform(size=inp.shape), drop_prob)
    return where(kept, mul(inp, 1 / (1 - drop_prob)), 0.0)


class ProbabilityError(ValueError, AssertionError):
    """A probability out of range. (MegEngine: AssertionError.)"""
