"""NumPy functions that NumPy lacks, for use as ``ref`` in the table: exact, slow, and valid for complex arguments."""

from __future__ import annotations

import numpy as np


def erf(x):
    """The error function, by its Taylor series (|x| < 2) or the continued fraction of its complement."""
    z = np.asarray(x)
    wide = z.astype(np.complex128) if np.iscomplexobj(z) else z.astype(np.float64)
    series = np.zeros_like(wide)
    term = wide.copy()
    small = np.where(np.abs(wide) < 2, wide, 0)
    term = small.copy()
    for k in range(80):
        series = series + term / (2 * k + 1)
        term = -term * small * small / (k + 1)
    series = series * 2 / np.sqrt(np.pi)
    large = np.where(np.abs(wide) < 2, 2, np.where(wide.real < 0, -wide, wide))
    with np.errstate(all="ignore"):
        fraction = large
        for k in range(60, 0, -1):
            fraction = large + (k / 2) / fraction
        tail = 1 - np.exp(-large * large) / (np.sqrt(np.pi) * fraction)
    tail = np.where(np.isinf(large.real), 1.0, tail)
    series = np.where(wide == 0, wide, series)  # the sign of -0
    return np.where(np.isnan(wide), np.nan, np.where(np.abs(wide) < 2, series, np.where(wide.real < 0, -tail, tail)))


def from_top(x, axis):
    """``x`` less its largest value over ``axis``, so that nothing overflows in ``exp``."""
    return x - np.max(np.real(x), axis=axis, keepdims=True, initial=-np.inf)


def logsumexp(x, axis, keepdims=False):
    """``log(sum(exp(x)))`` over ``axis``."""
    top = np.max(np.real(x), axis=axis, keepdims=True, initial=-np.inf)
    base = np.where(np.isfinite(top), top, 0)
    result = base + np.log(np.sum(np.exp(x - base), axis=axis, keepdims=True))
    return result if keepdims else result.squeeze(axis)
