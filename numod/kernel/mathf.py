"""float32 versions of the functions of ``math``, as straight-line code that LLVM vectorises (a call to libm would stop it).

Polynomials and range reductions are those of the Cephes library (S. L. Moshier, netlib.org/cephes, single precision) unless said otherwise. Each says its
error bound in units in the last place (ulp), which the tests check over the whole range. Each begins by narrowing its argument: to numba,
``x * 2`` is a float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from numpy import float32

from .intrinsics import copysign, fma, mantissa_and_exponent, power_of_two, raised, reciprocal_root, times_power_of_two

LOG2E, LN2, LN2_HIGH, LN2_LOW = float32(1.44269504088896341), float32(0.69314718055994531), float32(0.693359375), float32(-2.12194440e-4)
SHIFT = float32(12582912.0)  # 1.5 * 2**23: added, it rounds to the nearest integer, which stands in the low bits
INF, NAN = float32(math.inf), float32(math.nan)


def _exp_tail(r):
    """``(e**r - 1 - r) / r**2`` for r in [-0.35, 0.35]: a minimax polynomial, as exact as float32."""
    p = fma(float32(1.3814558042e-3), r, float32(8.3687361330e-3))
    p = fma(p, r, float32(4.1668388993e-2))
    p = fma(p, r, float32(1.6666521132e-1))
    return fma(p, r, float32(4.9999994040e-1))


def _exp_parts(x):
    """(m, n + SHIFT) with ``e**x = m * 2**n`` and m in [0.7, 1.5]; what it rounds is part of the bound of `exp`."""
    shifted = fma(x, LOG2E, SHIFT)
    n = shifted - SHIFT
    r = fma(n, -LN2_LOW, fma(n, -LN2_HIGH, x))
    return fma(fma(_exp_tail(r), r, float32(1.0)), r, float32(1.0)), shifted


def exp(x):
    """e**x, within 1 ulp; 0 below -104, inf above 88.73."""
    x = float32(x)
    z = float32(-104.0) if x < float32(-104.0) else x  # NaN stays, here and below
    z = float32(89.0) if z > float32(89.0) else z
    m, shifted = _exp_parts(z)
    return times_power_of_two(m, shifted)


def _log_parts(x):
    """(m, e) with ``x = (1 + m) * 2**e`` and 1 + m in [0.7, 1.42), for a normal x."""
    m, e = mantissa_and_exponent(x)
    return m - float32(1.0), e


def _log_of_parts(m, e):
    """``log((1 + m) * 2**e)``; the polynomial, a minimax, is ``(log(1 + m) - m + m**2 / 2) / m**3``."""
    p = fma(float32(-7.6356515288e-2), m, float32(1.2763325870e-1))
    p = fma(p, m, float32(-1.3160583377e-1))
    p = fma(p, m, float32(1.4201553166e-1))
    p = fma(p, m, float32(-1.6623298824e-1))
    p = fma(p, m, float32(2.0001234114e-1))
    p = fma(p, m, float32(-2.5000822544e-1))
    p = fma(p, m, float32(3.3333331347e-1))
    return fma(e, LN2_HIGH, fma(fma(p, m, float32(-0.5)), m * m, fma(e, LN2_LOW, m)))


def log(x):
    """The natural logarithm, within 1 ulp; log(0) is -inf, of a negative number NaN."""
    x = float32(x)
    tiny = x < float32(1.17549435e-38)
    m, e = _log_parts(x * float32(8388608.0) if tiny else x)
    y = _log_of_parts(m, e - float32(23.0) if tiny else e)
    y = -INF if x == float32(0.0) else y
    y = INF if x == INF else y
    return NAN if x < float32(0.0) or x != x else y


def tanh(x):
    """The hyperbolic tangent, within 3 ulp: ``m / (m + 2)`` for ``m = e**(2 |x|) - 1``, which is made from ``e**r - 1`` and so exact near 0 as well."""
    x = float32(x)
    z = abs(x) + abs(x)
    z = float32(20.0) if z > float32(20.0) else z  # from 18.04 on, it is 1
    shifted = fma(z, LOG2E, SHIFT)
    r = fma(shifted - SHIFT, -LN2, z)  # what LN2 rounds is lost in m + 2
    scale = power_of_two(shifted)
    m = fma(scale, fma(_exp_tail(r), r * r, r), scale - float32(1.0))
    return copysign(m / (m + float32(2.0)), x)


def _exp_of_negative(x):
    """e**x of x in [-17, -1] or near it, as exact as ``1 - e**x`` asks for; the polynomial, a minimax, is ``(e**r - 1 - r) / r**2``."""
    shifted = fma(x, LOG2E, SHIFT)
    r = fma(shifted - SHIFT, -LN2, x)
    p = fma(float32(8.3125093952e-3), r, float32(4.1890274733e-2))
    p = fma(p, r, float32(1.6667115688e-1))
    p = fma(p, r, float32(4.9999231100e-1))
    return raised(fma(fma(p, r, float32(1.0)), r, float32(1.0)), shifted)


def erf(x):
    """The error function, within 2 ulp (minimax polynomials on both sides of 0.93; N. Juffa, public domain)."""
    x = float32(x)
    t = abs(x)
    t = float32(4.0) if t > float32(4.0) else t  # from 3.92 on, it is 1
    s = t * t
    u = fma(float32(-1.72853470e-5), t, float32(3.83197126e-4))
    v = fma(float32(-3.88396438e-3), t, float32(2.42546219e-2))
    r = fma(u, s, v)
    r = fma(r, t, float32(-1.06777877e-1))
    r = fma(r, t, float32(-6.34846687e-1))
    r = fma(r, t, float32(-1.28717512e-1))
    far = copysign(float32(1.0) - _exp_of_negative(fma(r, t, -t)), x)
    p = fma(float32(-5.96761703e-4), s, float32(4.99119423e-3))
    p = fma(p, s, float32(-2.67681349e-2))
    p = fma(p, s, float32(1.12819925e-1))
    p = fma(p, s, float32(-3.76125336e-1))
    p = fma(p, s, float32(1.28379166e-1))
    return far if t > float32(0.927734375) else fma(p, x, x)


class Plain(NamedTuple):
    """What gives the same values as a function, bit for bit, with less work, where ``(bits(x) & mask) - lowest < size`` in uint32."""

    function: Callable
    mask: int
    lowest: int
    size: int


def plain_exp(x):
    """`exp` of x in (-87, 87), where no result is subnormal."""
    m, shifted = _exp_parts(float32(x))
    return raised(m, shifted)


def plain_log(x):
    """`log` of normal numbers."""
    m, e = _log_parts(float32(x))
    return _log_of_parts(m, e)


def plain_sqrt(x):
    """The square root of numbers from 2**-75 on, where what the root's square lacks is a normal number.

    It is rounded to the nearest: what the last step of Newton's adds is rounded far too little to change that.
    """
    x = float32(x)
    r = reciprocal_root(x)
    root = x * r
    return fma(fma(-root, root, x), float32(0.5) * r, root)


PLAIN = {
    "exp": Plain(plain_exp, 0x7FFFFFFF, 0, 0x42AE0000),
    "log": Plain(plain_log, 0xFFFFFFFF, 0x00800000, 0x7F000000),
    "sqrt": Plain(plain_sqrt, 0xFFFFFFFF, 0x1A000000, 0x65800000),
}
