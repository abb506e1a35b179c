"""float32 versions of the functions of ``math``, as straight-line code that LLVM vectorises (a call to libm would stop it).

Polynomials and range reductions are those of the Cephes library (S. L. Moshier, netlib.org/cephes, single precision) unless said otherwise. Each says its
error bound in units in the last place (ulp), which the tests check over the whole range. Each begins by narrowing its argument: to numba,
``x * 2`` is a float64.
"""

from __future__ import annotations

import math

from numpy import float32

from .intrinsics import copysign, exponent, fma, mantissa, power_of_two, times_power_of_two

LOG2E, LN2_HIGH, LN2_LOW = float32(1.44269504088896341), float32(0.693359375), float32(-2.12194440e-4)
SHIFT = float32(12582912.0)  # 1.5 * 2**23: added, it rounds to the nearest integer, which stands in the low bits
INF, NAN = float32(math.inf), float32(math.nan)


def _exp_parts(x):
    """(m, n + SHIFT) with ``e**x = m * 2**n`` and m in [0.7, 1.5]; what it rounds is part of the bound of `exp`."""
    shifted = fma(x, LOG2E, SHIFT)
    n = shifted - SHIFT
    r = fma(n, -LN2_LOW, fma(n, -LN2_HIGH, x))
    p = fma(float32(1.9875691500e-4), r, float32(1.3981999507e-3))
    p = fma(p, r, float32(8.3334519073e-3))
    p = fma(p, r, float32(4.1665795894e-2))
    p = fma(p, r, float32(1.6666665459e-1))
    p = fma(p, r, float32(5.0000001201e-1))
    return fma(p, r * r, r) + float32(1.0), shifted


def exp(x):
    """e**x, within 2 ulp; 0 below -104, inf above 88.73."""
    x = float32(x)
    z = float32(-104.0) if x < float32(-104.0) else x  # NaN stays, here and below
    z = float32(89.0) if z > float32(89.0) else z
    m, shifted = _exp_parts(z)
    return times_power_of_two(m, shifted)


def _normal_exp(x):
    """`exp`, as exact, of x in [-87, 88], where no result is subnormal."""
    m, shifted = _exp_parts(x)
    return m * power_of_two(shifted)


def log(x):
    """The natural logarithm, within 2 ulp; log(0) is -inf, of a negative number NaN."""
    x = float32(x)
    tiny = x < float32(1.17549435e-38)
    scaled = x * float32(8388608.0) if tiny else x
    half = mantissa(scaled)
    small = half < float32(0.707106781186547524)
    m = half + half - float32(1.0) if small else half - float32(1.0)
    e = exponent(scaled) - (float32(1.0) if small else float32(0.0)) - (float32(23.0) if tiny else float32(0.0))
    z = m * m
    p = fma(float32(7.0376836292e-2), m, float32(-1.1514610310e-1))
    p = fma(p, m, float32(1.1676998740e-1))
    p = fma(p, m, float32(-1.2420140846e-1))
    p = fma(p, m, float32(1.4249322787e-1))
    p = fma(p, m, float32(-1.6668057665e-1))
    p = fma(p, m, float32(2.0000714765e-1))
    p = fma(p, m, float32(-2.4999993993e-1))
    p = fma(p, m, float32(3.3333331174e-1))
    y = fma(p * m, z, fma(e, LN2_LOW, float32(-0.5) * z)) + m
    y = fma(e, LN2_HIGH, y)
    y = -INF if x == float32(0.0) else y
    y = INF if x == INF else y
    return NAN if x < float32(0.0) or x != x else y


def tanh(x):
    """The hyperbolic tangent, within 3 ulp: ``m / (m + 2)`` for ``m = e**(2 |x|) - 1``, which is made from ``e**r - 1`` and so exact near 0 as well."""
    x = float32(x)
    a = abs(x)
    z = float32(20.0) if a > float32(10.0) else a + a  # from 9.02 on, it is 1
    shifted = fma(z, LOG2E, SHIFT)
    n = shifted - SHIFT
    r = fma(n, -LN2_LOW, fma(n, -LN2_HIGH, z))
    p = fma(float32(1.9875691500e-4), r, float32(1.3981999507e-3))
    p = fma(p, r, float32(8.3334519073e-3))
    p = fma(p, r, float32(4.1665795894e-2))
    p = fma(p, r, float32(1.6666665459e-1))
    p = fma(p, r, float32(5.0000001201e-1))
    scale = power_of_two(shifted)
    m = fma(scale, fma(p, r * r, r), scale - float32(1.0))
    return copysign(m / (m + float32(2.0)), x)


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
    far = copysign(float32(1.0) - _normal_exp(fma(r, t, -t)), x)
    p = fma(float32(-5.96761703e-4), s, float32(4.99119423e-3))
    p = fma(p, s, float32(-2.67681349e-2))
    p = fma(p, s, float32(1.12819925e-1))
    p = fma(p, s, float32(-3.76125336e-1))
    p = fma(p, s, float32(1.28379166e-1))
    return far if t > float32(0.927734375) else fma(p, x, x)
