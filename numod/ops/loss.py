"""Losses that are more than arithmetic: the cross entropy of a softmax, and its gradient."""

from __future__ import annotations

import functools
import math

import numpy as np

from ..forms import elementwise, rowwise
from .math import add, div, exp, mul, neg, ones_like, sigmoid, sub
from .reduce import share, spread, sum
from .view import astype


def _targets(x, label, axis, label_smooth):
    """The distribution that is wanted: 1 at the label, moved by ``label_smooth`` toward the uniform one."""
    classes = np.moveaxis(np.eye(x.shape[axis[0]])[label], -1, axis[0])
    return (1 - label_smooth) * classes + label_smooth / x.shape[axis[0]]


def _draw(draw):
    """(shape, shape of the labels, labels, attributes)."""
    shape = draw.shape(min_rank=1, max_rank=3, min_side=1)
    axis = draw.integer(0, len(shape) - 1)
    rows = shape[:axis] + shape[axis + 1 :]
    return shape, rows, draw.indices(rows, shape[axis]), {"axis": (axis,), "label_smooth": draw.choice([0.0, 0.1])}


def _entropy_sample(draw):
    shape, _, label, attrs = _draw(draw)
    return (draw.array(shape), label), attrs


def _entropy_ref(x, label, axis, label_smooth):
    targets = _targets(x, label, axis, label_smooth)
    top = np.take_along_axis(x, x.real.argmax(axis[0], keepdims=True), axis[0])
    total = np.exp(x - top).sum(axis, keepdims=True)
    losses = np.where(targets == 0, 0, targets * (np.log(total) - (x - top))).sum(axis)
    return losses, top.squeeze(axis), total.squeeze(axis)


def _rounded(gradient, spec):
    """A gradient with the dtype of what it belongs to."""
    return gradient if gradient.dtype == spec.dtype else astype(gradient, dtype=spec.dtype)


def _of_logits(g, x, label, out, x_spec, axis, label_smooth):
    loss, top, total = g
    parts = [] if loss is None else [cross_entropy_gradient(x, loss, out[1], out[2], label, axis=axis, label_smooth=label_smooth)]
    if total is not None:
        parts.append(mul(exp(sub(x, spread(out[1], x_spec, axis))), spread(total, x_spec, axis)))
        moved = neg(mul(total, out[2]))
        top = moved if top is None else add(top, moved)
    if top is not None:
        parts.append(share(top, x, out[1], x_spec, axis))
    return _rounded(functools.reduce(add, parts), x_spec)


@rowwise(
    ref=_entropy_ref,
    sample=_entropy_sample,
    per=("row", "row", "row"),
    gives=("same", "computed", "computed"),
    rows=("label",),
    numbers={"label_smooth": 0.0},
    takes="float",
    empty=False,
    vjp={"x": _of_logits},
    errors=((IndexError, lambda Tensor, op: op(Tensor([[1.0, 2.0]]), Tensor([2]), axis=(1,))),),
)
def cross_entropy(x, label, label_smooth):
    """``-log(softmax(x))`` at the label of each row, with ``label_smooth`` of the weight spread evenly over all classes; and what the softmax is
    made of, ``exp(x - top) / total``: the largest value of each row, and the sum."""
    chosen = checked(label)
    top = fold(max, x)
    total = fold(add, math.exp(x - top))
    target = fold(add, x if index == chosen else 0.0)
    mean = fold(add, x) / count
    loss = math.log(total) + (1.0 - label_smooth) * (top - target) + (label_smooth * (top - mean) if label_smooth > 0.0 else 0.0)
    return loss, top, total


def _gradient_ref(x, dy, top, total, label, axis, label_smooth):
    dy, top, total = (np.expand_dims(each, axis) for each in (dy, top, total))
    return dy * (np.exp(x - top) / total - _targets(x, label, axis, label_smooth))


def _gradient_sample(draw):
    shape, rows, label, attrs = _draw(draw)
    return (draw.array(shape), draw.array(rows), draw.array(rows), draw.array(rows, None, 0.5, 4.0), label), attrs


def _second_order(memo, g, x, dy, top, total, label, x_spec, dy_spec, axis, label_smooth):
    """Gradients of all inputs of `cross_entropy_gradient`, by name."""
    if not memo:
        along = mul(mul(g, exp(sub(x, spread(top, x_spec, axis)))), spread(div(dy, total), x_spec, axis))
        direct = cross_entropy_gradient(x, ones_like(dy), top, total, label, axis=axis, label_smooth=label_smooth)
        memo["x"] = _rounded(along, x_spec)
        memo["dy"] = _rounded(sum(mul(g, direct), axis=axis), dy_spec)
        memo["top"] = neg(sum(along, axis=axis))
        memo["total"] = div(memo["top"], total)
    return memo


def _second(name):
    return lambda memo, g, x, dy, top, total, label, x_spec, dy_spec, axis, label_smooth: _second_order(
        memo, g, x, dy, top, total, label, x_spec, dy_spec, axis, label_smooth
    )[name]


@rowwise(
    ref=_gradient_ref,
    sample=_gradient_sample,
    per="element",
    rows=("dy", "top", "total", "label"),
    numbers={"label_smooth": 0.0},
    takes="float",
    empty=False,
    vjp={name: _second(name) for name in ("x", "dy", "top", "total")},
)
def cross_entropy_gradient(x, dy, top, total, label, label_smooth):
    """The gradient of `cross_entropy` with respect to x, from that of its first result and the other two."""
    share = dy / total
    wanted = dy * (1.0 - label_smooth)
    others = dy * label_smooth / count
    return math.exp(x - top) * share - (wanted if index == label else 0.0) - others


@elementwise(
    ref=lambda x, y: np.where(x.real > 0, x, 0) - x * y + np.log1p(np.exp(np.where(x.real < 0, x, -x))),
    takes="float",
    vjp={"x": lambda g, x, y: mul(g, sub(sigmoid(x), y)), "y": lambda g, x: neg(mul(g, x))},
)
def binary_cross_entropy(x, y):
    """``-y * log(p) - (1 - y) * log(1 - p)`` with ``p = sigmoid(x)``, without overflow."""
    return (x if x > 0 else 0.0) - x * y + math.log(1.0 + math.exp(-x if x > 0 else x))
