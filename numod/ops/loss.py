"""Losses that are more than arithmetic: the cross entropy of a softmax, and its gradient."""

from __future__ import annotations

import math

import numpy as np

from ..forms import elementwise, rowwise
from .math import add, mul, neg, ones_like, sigmoid, sub
from .reduce import softmax, spread, sum
from .view import reshape


def _targets(x, label, axis, label_smooth):
    """The distribution that is wanted: 1 at the label, moved by ``label_smooth`` toward the uniform one."""
    classes = np.moveaxis(np.eye(x.shape[axis[0]])[label], -1, axis[0])
    return (1 - label_smooth) * classes + label_smooth / x.shape[axis[0]]


def _log_softmax(x, axis):
    shifted = x - x.real.max(axis, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis, keepdims=True))


def _draw(draw):
    """(shape, shape of the labels, labels, attributes)."""
    shape = draw.shape(min_rank=1, max_rank=3, min_side=1)
    axis = draw.integer(0, len(shape) - 1)
    rows = shape[:axis] + shape[axis + 1 :]
    return shape, rows, draw.indices(rows, shape[axis]), {"axis": (axis,), "label_smooth": draw.choice([0.0, 0.1])}


def _entropy_sample(draw):
    shape, _, label, attrs = _draw(draw)
    return (draw.array(shape), label), attrs


def _entropy_ref(x, label, axis, label_smooth, keepdims=False):
    targets = _targets(x, label, axis, label_smooth)
    return -np.where(targets == 0, 0, targets * _log_softmax(x, axis)).sum(axis, keepdims=keepdims)


@rowwise(
    ref=_entropy_ref,
    sample=_entropy_sample,
    per="row",
    rows=("label",),
    numbers={"label_smooth": 0.0},
    takes="float",
    empty=False,
    vjp={
        "x": lambda g, x, label, x_spec, axis, label_smooth: cross_entropy_gradient(
            x, _of_rows(g, x_spec, axis), label, axis=axis, label_smooth=label_smooth
        )
    },
    errors=((IndexError, lambda Tensor, op: op(Tensor([[1.0, 2.0]]), Tensor([2]), axis=(1,))),),
)
def cross_entropy(x, label, label_smooth):
    """``-log(softmax(x))`` at the label of each row, with ``label_smooth`` of the weight spread evenly over all classes."""
    chosen = checked(label)
    top = fold(max, x)
    total = fold(add, math.exp(x - top))
    target = fold(add, x if index == chosen else 0.0)
    mean = fold(add, x) / count
    return math.log(total) + (1.0 - label_smooth) * (top - target) + (label_smooth * (top - mean) if label_smooth > 0.0 else 0.0)


def _of_rows(g, spec, axis):
    """A gradient, kept axes or not, in the shape without the reduced axes."""
    return g if g.ndim == spec.ndim - len(axis) else reshape(g, shape=tuple(extent for i, extent in enumerate(spec.shape) if i not in axis))


def _gradient_ref(x, dy, label, axis, label_smooth):
    return np.expand_dims(dy, axis) * (np.exp(_log_softmax(x, axis)) - _targets(x, label, axis, label_smooth))


def _gradient_sample(draw):
    shape, rows, label, attrs = _draw(draw)
    return (draw.array(shape), draw.array(rows), label), attrs


def _gradient_x(g, x, dy, x_spec, axis):
    probability = softmax(x, axis=axis)
    return mul(spread(dy, x_spec, axis), mul(probability, sub(g, sum(mul(g, probability), axis=axis, keepdims=True))))


@rowwise(
    ref=_gradient_ref,
    sample=_gradient_sample,
    per="element",
    rows=("dy", "label"),
    numbers={"label_smooth": 0.0},
    takes="float",
    empty=False,
    vjp={
        "x": _gradient_x,
        "dy": lambda g, x, dy, label, axis, label_smooth: sum(
            mul(g, cross_entropy_gradient(x, ones_like(dy), label, axis=axis, label_smooth=label_smooth)), axis=axis
        ),
    },
)
def cross_entropy_gradient(x, dy, label, label_smooth):
    """The gradient of `cross_entropy`, from that of its result."""
    top = fold(max, x)
    total = fold(add, math.exp(x - top))
    return dy * (
        math.exp(x - top) / total - (1.0 if index == label else 0.0) + label_smooth * ((1.0 if index == label else 0.0) - 1.0 / count)
    )


@elementwise(
    ref=lambda x, y: np.where(x.real > 0, x, 0) - x * y + np.log1p(np.exp(np.where(x.real < 0, x, -x))),
    takes="float",
    vjp={"x": lambda g, x, y: mul(g, sub(sigmoid(x), y)), "y": lambda g, x: neg(mul(g, x))},
)
def binary_cross_entropy(x, y):
    """``-y * log(p) - (1 - y) * log(1 - p)`` with ``p = sigmoid(x)``, without overflow."""
    return (x if x > 0 else 0.0) - x * y + math.log(1.0 + math.exp(-x if x > 0 else x))
