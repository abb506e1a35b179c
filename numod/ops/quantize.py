"""Rounding to the steps of a quantized dtype, with the gradients that training through it needs.

Rounding has slope 0 nearly everywhere, so these ops have the straight-through gradient: that of the same formula with rounding left out
(Bengio et al., "Estimating or Propagating Gradients Through Stochastic Neurons", 2013). In the references a complex number is rounded in its
real part and keeps its imaginary one, which says just that.
"""

from __future__ import annotations

import math

import numpy as np

from ..dtype import kind_of
from ..forms import elementwise
from .math import div, mul, neg


def _nearest(u):
    """The nearest integer, halves away from zero; exact for floats of any size."""
    whole = math.trunc(u)
    rest = u - whole
    return whole + 1.0 if rest >= 0.5 else whole - 1.0 if rest <= -0.5 else whole


def _straight(u):
    """What `_nearest` does, for references: in the real part."""
    real = np.real(u)
    nearest = np.trunc(real) + np.where(np.abs(real - np.trunc(real)) >= 0.5, np.sign(real), 0.0)
    return nearest + 1j * u.imag if np.iscomplexobj(u) else nearest


def _between(value, low, high, below, above):
    return np.where(value.real < low.real, below, np.where(value.real > high.real, above, value))


def _steps_ref(x, scale, zero_point, low, high):
    return _between(_straight(x / scale) + zero_point, low, high, low, high)


def _slope_ref(x, scale, zero_point, low, high):
    nearest = _straight(np.real(x / scale))
    inside = nearest - x / scale
    level = nearest + zero_point
    return np.where(level.real < low.real, low - zero_point, np.where(level.real > high.real, high - zero_point, inside))


def _draw_call(draw):
    """Inputs whose quotients are far from where rounding jumps, scales that divide exactly, and limits that some of them exceed."""
    shape = draw.shape()
    random, kind = draw.random(), kind_of(draw.dtype)
    channels = shape[-1:] if draw.boolean() else ()
    scale = np.ones(channels)
    steps = random.integers(0 if kind == "u" else -12, 13, shape).astype(np.float64)
    if kind == "f":
        scale = np.ldexp(scale, random.integers(-2, 3, channels))
        steps = steps + random.uniform(-0.4, 0.4, shape)
    low, zero_point, high = (0, 2, 9) if kind == "u" else (-7, draw.integer(-2, 2), 8)
    arrays = (steps * scale, scale, np.asarray(zero_point), np.asarray(low), np.asarray(high))
    return tuple(np.asarray(array).astype(draw.dtype) for array in arrays), {}


@elementwise(
    ref=lambda x, scale, zero_point, low, high: (_steps_ref(x, scale, zero_point, low, high) - zero_point) * scale,
    takes="float",
    sample=_draw_call,
    straight_through=True,
    vjp={
        "x": lambda g, x, scale, zero_point, low, high: fake_quantize_gradient(g, x, scale, zero_point, low, high),
        "scale": lambda g, x, scale, zero_point, low, high: mul(g, fake_quantize_slope(x, scale, zero_point, low, high)),
    },
)
def fake_quantize(x, scale, zero_point, low, high):
    """``(q - zero_point) * scale`` with ``q = round(x / scale) + zero_point`` kept between ``low`` and ``high``.

    The gradient for ``x`` passes where ``q`` is in these limits; that for ``scale`` is the one of TQT (Jain et al., "Trained Quantization
    Thresholds", 2020) and LSQ (Esser et al., "Learned Step Size Quantization", 2020).
    """
    level = _nearest(x / scale) + zero_point
    return ((low if level < low else high if level > high else level) - zero_point) * scale


@elementwise(
    ref=lambda dy, x, scale, zero_point, low, high: np.where(
        (np.real(_straight(x / scale) + zero_point) >= low.real) & (np.real(_straight(x / scale) + zero_point) <= high.real), dy, 0
    ),
    takes="float",
    sample=lambda draw: _with_cotangent(draw),
    vjp={"dy": lambda g, x, scale, zero_point, low, high: fake_quantize_gradient(g, x, scale, zero_point, low, high)},
)
def fake_quantize_gradient(dy, x, scale, zero_point, low, high):
    """``dy`` where ``round(x / scale) + zero_point`` is between ``low`` and ``high``, else 0."""
    level = _nearest(x / scale) + zero_point
    return dy if level >= low and level <= high else 0.0


@elementwise(
    ref=_slope_ref,
    takes="float",
    sample=_draw_call,
    vjp={
        "x": lambda g, x, scale, zero_point, low, high: neg(fake_quantize_gradient(div(g, scale), x, scale, zero_point, low, high)),
        "scale": lambda g, x, scale, zero_point, low, high: fake_quantize_gradient(
            div(div(mul(g, x), scale), scale), x, scale, zero_point, low, high
        ),
    },
)
def fake_quantize_slope(x, scale, zero_point, low, high):
    """The derivative of `fake_quantize` by ``scale``: what rounding added, in steps, or the limit beyond the limits."""
    quotient = x / scale
    nearest = _nearest(quotient)
    level = nearest + zero_point
    return low - zero_point if level < low else high - zero_point if level > high else nearest - quotient


@elementwise(ref=_steps_ref, takes="float", sample=_draw_call)
def quantize_steps(x, scale, zero_point, low, high):
    """``round(x / scale) + zero_point`` kept between ``low`` and ``high``: the number of steps, as a float."""
    level = _nearest(x / scale) + zero_point
    return low if level < low else high if level > high else level


@elementwise(ref=_straight, takes="float", straight_through=True, vjp={"x": lambda g: g})
def round_through(x):
    """The nearest integer, halves away from zero, with the gradient of ``x`` itself."""
    return _nearest(x)


def _with_cotangent(draw):
    inputs, attrs = _draw_call(draw)
    return (draw.random().uniform(-2, 2, inputs[0].shape).astype(draw.dtype), *inputs), attrs
