"""Layer normalization: rows moved and scaled to mean 0 and variance 1, then scaled and moved place by place."""

from __future__ import annotations

import math

import numpy as np

from ..forms import rowwise
from .compare import zeros_like
from .math import add, mul, ones_like
from .norm import of_statistics, second_order
from .reduce import spread, sum
from .view import broadcast_to, reshape


def _draw(draw):
    """(full shape, its reduced axes, shape of the rows' values, shape of a row)"""
    shape = draw.shape(min_rank=1, max_rank=4, min_side=1)
    first = draw.integer(0, len(shape) - 1)
    axis = tuple(range(first, draw.integer(first + 1, len(shape))))
    return shape, axis, tuple(n for i, n in enumerate(shape) if i not in axis), tuple(shape[i] for i in axis)


def _at_rows(x, axis):
    return np.expand_dims(x, axis)


def _at_places(x, rank, axis):
    return x.reshape([x.shape[axis.index(i)] if i in axis else 1 for i in range(rank)])


def _ref(x, weight, bias, axis, eps):
    mean, var = x.mean(axis, keepdims=True), x.var(axis, keepdims=True)
    y = (x - mean) / np.sqrt(var + eps) * _at_places(weight, x.ndim, axis) + _at_places(bias, x.ndim, axis)
    return y, mean.squeeze(axis), var.squeeze(axis)


def _sample(draw):
    shape, axis, _, row = _draw(draw)
    return (draw.array(shape), draw.array(row), draw.array(row)), {"axis": axis, "eps": draw.choice([0.5, 1e-2])}


def _sums(memo, g, x, out, x_spec, axis, eps):
    """Gradients of weight and bias by the first result: sums over the rows, in which mean and variance are values of a place."""
    if not memo:
        others = tuple(i for i in range(x_spec.ndim) if i not in axis)
        memo["sums"] = layer_normalize_sums(x, g[0], out[1], out[2], axis=others, eps=eps)
    return memo["sums"]


def _of_x(g, x, weight, out, x_spec, axis, eps):
    direct = None if g[0] is None else layer_normalize_gradient(x, g[0], out[1], out[2], weight, axis=axis, eps=eps)
    return of_statistics(direct, g, x, out, x_spec, axis)


@rowwise(
    ref=_ref,
    sample=_sample,
    per=("element", "row", "row"),
    places=("weight", "bias"),
    numbers={"eps": 1e-5},
    takes="float",
    vjp={
        "x": _of_x,
        "weight": lambda memo, g, x, out, x_spec, axis, eps: None if g[0] is None else _sums(memo, g, x, out, x_spec, axis, eps)[0],
        "bias": lambda memo, g, x, out, x_spec, axis, eps: None if g[0] is None else _sums(memo, g, x, out, x_spec, axis, eps)[1],
    },
)
def layer_normalize(x, weight, bias, eps):
    """Each row along ``axis`` moved and scaled to mean 0 and variance 1, then times ``weight`` plus ``bias``, which have a value for each place
    of a row; and the rows' means and variances. (Ba et al., 2016)

    ``eps`` is added to the variance. The variance is divided by the count, not the count less 1.
    """
    mean = fold(add, x) / count
    var = fold(add, (x - mean) * (x - mean)) / count
    scale = 1.0 / math.sqrt(var + eps)
    return (x - mean) * scale * weight + bias, mean, var


def _gradient_ref(x, dy, mean, var, weight, axis, eps):
    scale, centered = 1 / np.sqrt(_at_rows(var, axis) + eps), x - _at_rows(mean, axis)
    dy = dy * _at_places(weight, x.ndim, axis)
    slope = (dy * centered).mean(axis, keepdims=True) * scale * scale
    return scale * (dy - dy.mean(axis, keepdims=True) - centered * slope)


def _gradient_sample(draw):
    shape, axis, rows, row = _draw(draw)
    arrays = (draw.array(shape), draw.array(shape), draw.array(rows), draw.array(rows, None, 0.1, 4.0), draw.array(row))
    return arrays, {"axis": axis, "eps": draw.choice([0.5, 1e-2])}


def _places(x, spec, axis):
    """A value for each place, seen with the full shape."""
    return broadcast_to(reshape(x, shape=tuple(n if i in axis else 1 for i, n in enumerate(spec.shape))), shape=spec.shape)


def _second_order(memo, g, x, dy, mean, var, weight, x_spec, axis, eps):
    """Gradients of all inputs of `layer_normalize_gradient`, by name: it is `normalize_gradient` of dy * weight for rows of weight 1."""
    if not memo:
        spread_weight = _places(weight, x_spec, axis)
        second_order(memo, (g, None, None), x, mul(dy, spread_weight), mean, var, ones_like(mean), x_spec, axis, eps)
        others = tuple(i for i in range(x_spec.ndim) if i not in axis)
        memo["weight"] = sum(mul(memo["dy"], dy), axis=others)
        memo["dy"] = mul(memo["dy"], spread_weight)
    return memo


def _second(name):
    return lambda memo, g, x, dy, mean, var, weight, x_spec, axis, eps: _second_order(memo, g, x, dy, mean, var, weight, x_spec, axis, eps)[
        name
    ]


@rowwise(
    ref=_gradient_ref,
    sample=_gradient_sample,
    per="element",
    rows=("mean", "var"),
    places=("weight",),
    numbers={"eps": 1e-5},
    takes="float",
    vjp={name: _second(name) for name in ("x", "dy", "mean", "var", "weight")},
)
def layer_normalize_gradient(x, dy, mean, var, weight, eps):
    """The gradient of `layer_normalize` with respect to x, from that of its first result and the rows' means and variances."""
    scale = 1.0 / math.sqrt(var + eps)
    shift = fold(add, dy * weight) / count
    slope = fold(add, dy * weight * (x - mean)) * scale * scale / count
    return scale * (dy * weight - shift - (x - mean) * slope)


def _sums_ref(x, dy, mean, var, axis, eps):
    mean, var = (_at_places(each, x.ndim, axis) for each in (mean, var))
    return (dy * (x - mean) / np.sqrt(var + eps)).sum(axis), dy.sum(axis)


def _sums_sample(draw):
    shape, axis, _, row = _draw(draw)
    arrays = (draw.array(shape), draw.array(shape), draw.array(row), draw.array(row, None, 0.1, 4.0))
    return arrays, {"axis": axis, "eps": draw.choice([0.5, 1e-2])}


def _sums_gradient(memo, g, x, dy, mean, var, x_spec, axis, eps):
    """Gradients of all inputs of `layer_normalize_sums`, by name."""
    if not memo:
        centered, scale = x - _places(mean, x_spec, axis), _places((var + eps) ** -0.5, x_spec, axis)
        along, total = (0.0 if each is None else spread(each, x_spec, axis) for each in g)
        others = tuple(i for i in range(x_spec.ndim) if i not in axis)
        memo["dy"] = along * (centered * scale) + total
        memo["x"] = along * (dy * scale)
        if g[0] is None:
            memo.update(x=zeros_like(x), mean=zeros_like(mean), var=zeros_like(var))
        else:
            memo["mean"] = -sum(memo["x"], axis=others)
            memo["var"] = -0.5 * sum(memo["x"] * centered, axis=others) / (var + eps)
    return memo


def _of_sums(name):
    return lambda memo, g, x, dy, mean, var, x_spec, axis, eps: _sums_gradient(memo, g, x, dy, mean, var, x_spec, axis, eps)[name]


@rowwise(
    ref=_sums_ref,
    sample=_sums_sample,
    per=("row", "row"),
    places=("mean", "var"),
    numbers={"eps": 1e-5},
    takes="float",
    vjp={name: _of_sums(name) for name in ("x", "dy", "mean", "var")},
)
def layer_normalize_sums(x, dy, mean, var, eps):
    """The gradients of `layer_normalize` with respect to weight and bias: sums along the axes that its rows do not run along."""
    along = fold(add, dy * ((x - mean) * (1.0 / math.sqrt(var + eps))))
    return along, fold(add, dy)
