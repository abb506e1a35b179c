"""Normalization along rows, as batch, layer and group norm share it."""

from __future__ import annotations

import functools
import math

import numpy as np

from ..forms import elementwise, rowwise
from .compare import zeros_like
from .math import add, mul
from .reduce import mean, spread
from .view import astype, reshape


def _dot_sample(draw):
    shape = draw.shape()
    return (draw.array(shape), draw.array(shape)), {"axis": draw.axes(len(shape)), "keepdims": draw.boolean()}


@rowwise(
    ref=lambda x, y, axis, keepdims=False: (x * y).sum(axis, keepdims=keepdims),
    sample=_dot_sample,
    per="row",
    vjp={
        "x": lambda g, y, x_spec, axis: mul(spread(g, x_spec, axis), y),
        "y": lambda g, x, x_spec, axis: mul(spread(g, x_spec, axis), x),
    },
)
def sum_of_products(x, y):
    """``sum(x * y)`` over ``axis``, without the product in memory; accumulated in float64 (int64)."""
    return fold(add, x * y)


def _product_to(g, x, spec):
    """``g * x`` summed over the axes along which ``spec`` was broadcast to their shape."""
    missing = g.ndim - spec.ndim
    axes = (*range(missing), *(missing + i for i, extent in enumerate(spec.shape) if extent == 1 != g.shape[missing + i]))
    if not axes or g.shape != x.shape:
        return mul(g, x)
    return reshape(sum_of_products(g, x, axis=axes), shape=spec.shape)


@elementwise(
    ref=lambda x, y, z: x * y + z,
    vjp={"x": lambda g, y, x_spec: _product_to(g, y, x_spec), "y": lambda g, x, y_spec: _product_to(g, x, y_spec), "z": lambda g: g},
)
def mul_add(x, y, z):
    """``x * y + z``."""
    return x * y + z


def _rows(x, axis):
    """A value of each row as seen from its elements."""
    return np.expand_dims(x, axis)


def _normalize_ref(x, weight, bias, axis, eps):
    mean, var = x.mean(axis, keepdims=True), (x * x).mean(axis, keepdims=True) - x.mean(axis, keepdims=True) ** 2
    y = (x - mean) / np.sqrt(var + eps) * _rows(weight, axis) + _rows(bias, axis)
    return y, mean.squeeze(axis), var.squeeze(axis)


def _draw(draw):
    """(full shape, shape of the rows' values, attributes). Rows run along a block of neighbouring axes, or along all but such a block."""
    shape = draw.shape(min_rank=1, max_rank=4, min_side=1)
    first = draw.integer(0, len(shape))
    block, outside = range(first, draw.integer(first, len(shape))), draw.boolean()
    axis = tuple(i for i in range(len(shape)) if (i in block) != outside)
    return shape, tuple(n for i, n in enumerate(shape) if i not in axis), {"axis": axis, "eps": draw.choice([0.5, 1e-2])}


def _normalize_sample(draw):
    shape, rows, attrs = _draw(draw)
    return (draw.array(shape), draw.array(rows), draw.array(rows)), attrs


def _backward(memo, g, x, weight, out, axis, eps):
    """Gradients of all inputs of `normalize` by its first result."""
    if not memo:
        memo["gradients"] = normalize_gradient(x, g[0], out[1], out[2], weight, axis=axis, eps=eps)
    return memo["gradients"]


def of_statistics(direct, g, x, out, x_spec, axis):
    """The gradient of the elements: ``direct`` (None: none), by way of the first result, and those by way of the rows' means and variances."""
    parts = [] if direct is None else [direct]
    _, mean, var = g
    count = math.prod(x_spec.shape[i] for i in axis)
    if mean is not None:
        parts.append(spread(mean / count, x_spec, axis))
    if var is not None:
        parts.append(spread(var * (2 / count), x_spec, axis) * (x - spread(out[1], x_spec, axis)))
    return functools.reduce(add, parts)


def _normalize_x(memo, g, x, weight, out, x_spec, axis, eps):
    direct = None if g[0] is None else _backward(memo, g, x, weight, out, axis, eps)[0]
    return _like(of_statistics(direct, g, x, out, x_spec, axis), x_spec)


def _like(gradient, spec):
    """A gradient in the dtype of what it is for: statistics are float32 beside floats of 16 bits, and weights may be."""
    return gradient if gradient.dtype == spec.dtype else astype(gradient, dtype=spec.dtype)


def _row_sums(which: int, spec, memo, g, *given):
    """The gradient of weight (1) or bias (2)."""
    return None if g[0] is None else _like(_backward(memo, g, *given)[which], spec)


@rowwise(
    ref=_normalize_ref,
    sample=_normalize_sample,
    per=("element", "row", "row"),
    gives=("same", "computed", "computed"),
    rows=("weight", "bias"),
    numbers={"eps": 1e-5},
    takes="float",
    vjp={
        "x": _normalize_x,
        "weight": lambda memo, g, x, weight, out, weight_spec, axis, eps: _row_sums(1, weight_spec, memo, g, x, weight, out, axis, eps),
        "bias": lambda memo, g, x, weight, out, bias_spec, axis, eps: _row_sums(2, bias_spec, memo, g, x, weight, out, axis, eps),
    },
)
def normalize(x, weight, bias, eps):
    """Each row along ``axis`` moved and scaled to mean 0 and variance 1, then times ``weight`` plus ``bias``; and the rows' means and variances.

    ``eps`` is added to the variance. The variance is divided by the count, not the count less 1.
    """
    mean = fold(add, x) / count
    var = fold(add, (x - mean) * (x - mean)) / count
    scale = weight / math.sqrt(var + eps)
    return (x - mean) * scale + bias, mean, var


def _gradient_ref(x, dy, mean, var, weight, axis, eps):
    count = math.prod(x.shape[i] for i in axis)
    scale, centered = 1 / np.sqrt(_rows(var, axis) + eps), x - _rows(mean, axis)
    total, along = dy.sum(axis, keepdims=True), (dy * centered).sum(axis, keepdims=True) * scale
    dx = _rows(weight, axis) * scale * (dy - total / count - centered * scale * along / count)
    return dx, along.squeeze(axis), total.squeeze(axis)


def _gradient_sample(draw):
    shape, rows, attrs = _draw(draw)
    return (draw.array(shape), draw.array(shape), draw.array(rows), draw.array(rows, None, 0.1, 4.0), draw.array(rows)), attrs


def _spread(value, spec, axis):
    """A value of each row with the reduced axes as extents of 1."""
    return reshape(value, shape=tuple(1 if i in axis else extent for i, extent in enumerate(spec.shape)))


def second_order(memo, g, x, dy, mean_, var, weight, x_spec, axis, eps):
    """Gradients of all inputs of `normalize_gradient`, by name. ``a`` and ``b`` below are means of products with the deviations."""
    if memo:
        return memo
    u = zeros_like(dy) if g[0] is None else g[0]
    of_weight, of_bias = (0.0 if each is None else _spread(each, x_spec, axis) for each in g[1:])
    count = math.prod(x_spec.shape[i] for i in axis)
    mean_, var, weight = (_spread(each, x_spec, axis) for each in (mean_, var, weight))
    r, centered = (var + eps) ** -0.5, x - mean_
    mean_u, mean_dy, a, b, both = (mean(each, axis=axis, keepdims=True) for each in (u, dy, u * centered, dy * centered, u * dy))
    cube = r**3 * weight
    products = both - mean_u * mean_dy  # count times this is sum(u * (dy - mean(dy)))
    rows = {
        "mean": count * (cube * (mean_u * b + a * mean_dy) - of_weight * r * mean_dy),
        "var": count * (1.5 * cube * r**2 * a * b - 0.5 * cube * products - 0.5 * of_weight * r**3 * b),
        "weight": count * (r * products - r**3 * a * b),
    }
    short = tuple(extent for i, extent in enumerate(x_spec.shape) if i not in axis)
    memo.update({name: reshape(value, shape=short) for name, value in rows.items()})
    memo["dy"] = weight * r * (u - mean_u) - cube * centered * a + of_weight * r * centered + of_bias
    memo["x"] = of_weight * r * dy - cube * (u * b + dy * a)
    return memo


def _second(name: str):
    def rule(memo, g, x, dy, mean, var, weight, x_spec, dy_spec, mean_spec, var_spec, weight_spec, axis, eps):
        found = second_order(memo, g, x, dy, mean, var, weight, x_spec, axis, eps)[name]
        return _like(found, {"x": x_spec, "dy": dy_spec, "mean": mean_spec, "var": var_spec, "weight": weight_spec}[name])

    return rule


@rowwise(
    ref=_gradient_ref,
    sample=_gradient_sample,
    per=("element", "row", "row"),
    gives=("same", "computed", "computed"),
    rows=("mean", "var", "weight"),
    numbers={"eps": 1e-5},
    takes="float",
    vjp={name: _second(name) for name in ("x", "dy", "mean", "var", "weight")},
)
def normalize_gradient(x, dy, mean, var, weight, eps):
    """The gradients of `normalize` with respect to x, weight and bias, from that of its first result and the rows' means and variances."""
    total = fold(add, dy)
    scale = 1.0 / math.sqrt(var + eps)
    along = fold(add, dy * (x - mean)) * scale
    shift = total / count
    slope = along * scale / count
    return weight * scale * (dy - shift - (x - mean) * slope), along, total
