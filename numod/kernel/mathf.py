"""float32 versions of the functions of ``math``, as straight-line code that LLVM vectorises (a call to libm would stop it).

Polynomials and range reductions are those of the Cephes library (S. L. Moshier, netlib.org/cephes, single precision) unless said otherwise. Each says its
error bound in units in the last place (ulp), which the tests check over the whole range. Each begins by narrowing its argument: to numba,
``x * 2`` is a float64.
"""

from __future__ import annotations

import math

from numpy import float32

from .intrinsics import exponent, fma, mantissa, times_power_of_two

LOG2E, LN2_HIGH, LN2_LOW = float32(1.44269504088896341), float32(0.693359375), float32(-2.12194440e-4)
SHIFT = float32(12582912.0)  # 1.5 * 2**23: added, it rounds to the nearest integer, which stands in the low bits
INF, NAN = float32(math.inf), float32(math.nan)


def exp(x):
    """e**x, within 2 ulp; 0 below -104, inf above 88.73."""
    x = float32(x)
    z = float32(-104.0) if x < float32(-104.0) else x  # NaN stays, here and below
    z = float32(89.0) if z > float32(89.0) else z
    shifted = fma(z, LOG2E, SHIFT)
    n = shifted - SHIFT
    r = fma(n, -LN2_LOW, fma(n, -LN2_HIGH, z))
    p = fma(float32(1.9875691500e-4), r, float32(1.3981999507e-3))
    p = fma(p, r, float32(8.3334519073e-3))
    p = fma(p, r, float32(4.1665795894e-2))
    p = fma(p, r, float32(1.6666665459e-1))
    p = fma(p, r, float32(5.0000001201e-1))
    return times_power_of_two(fma(p, r * r, r) + float32(1.0), shifted)


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
    """The hyperbolic tangent, within 3 ulp."""
    x = float32(x)
    a = abs(x)
    z = x * x
    p = fma(float32(-5.70498872745e-3), z, float32(2.06390887954e-2))
    p = fma(p, z, float32(-5.37397155531e-2))
    p = fma(p, z, float32(1.33314422036e-1))
    p = fma(p, z, float32(-3.33332819422e-1))
    far = float32(1.0) - float32(2.0) / (exp(a + a) + float32(1.0))
    far = -far if x < float32(0.0) else far
    y = fma(p * z, x, x) if a < float32(0.625) else far
    return x if x == float32(0.0) else y  # -0.0 stays


def erf(x):
    """The error function, within 2 ulp (minimax polynomials on both sides of 0.93; N. Juffa, public domain)."""
    x = float32(x)
    t = abs(x)
    s = x * x
    u = fma(float32(-1.72853470e-5), t, float32(3.83197126e-4))
    v = fma(float32(-3.88396438e-3), t, float32(2.42546219e-2))
    r = fma(u, s, v)
    r = fma(r, t, float32(-1.06777877e-1))
    r = fma(r, t, float32(-6.34846687e-1))
    r = fma(r, t, float32(-1.28717512e-1))
    far = float32(1.0) - exp(fma(r, t, -t))
    far = float32(1.0) if t > float32(4.0) else far
    far = -far if x < float32(0.0) else far
    p = fma(float32(-5.96761703e-4), s, float32(4.99119423e-3))
    p = fma(p, s, float32(-2.67681349e-2))
    p = fma(p, s, float32(1.12819925e-1))
    p = fma(p, s, float32(-3.76125336e-1))
    p = fma(p, s, float32(1.28379166e-1))
    return far if t > float32(0.927734375) else fma(p, x, x)
