"""Reductions over axes, and what is normalised along them."""

from __future__ import annotations

import math

import numpy as np

from ..constants import beside, scalar
from ..dtype import boolean, complex64
from ..errors import DTypeError, check
from ..forms import composite, rowwise
from ..kernel.rowwise import layout
from ..spec import Spec
from .compare import equal, keep, not_equal
from .complex import as_complex, as_real
from .math import add, div, exp, mul, neg, sub
from .reference import from_top, logsumexp as logsumexp_ref
from .scan import prod_others, with_zeros
from .view import astype, broadcast_to, reshape, transpose


def spread(g, spec: Spec, axis: tuple[int, ...]):
    """A reduced tensor (with or without its reduced axes) broadcast back to ``spec``'s shape."""
    if g.ndim:  # else there is nothing to keep apart
        g = reshape(g, shape=tuple([1 if i in axis else extent for i, extent in enumerate(spec.shape)]))
    return broadcast_to(g, shape=spec.shape)


def _ref(function, **fixed):
    return lambda *xs, axis, keepdims=False: function(*xs, axis=axis, keepdims=keepdims, **fixed)


def _whole_rows(draw):
    """A reduction of rows that are not empty: the gradient of NaN is nothing to compare with."""
    shape = draw.shape(min_rank=1, min_side=1)
    return (draw.array(shape),), {"axis": draw.axes(len(shape)), "keepdims": draw.boolean()}


@rowwise(ref=_ref(np.sum), per="row", bool_as="int32", vjp={"x": lambda g, x_spec, axis: spread(g, x_spec, axis)})
def sum(x):
    """The sum over ``axis``; accumulated in float64 (int64)."""
    return fold(add, x)


@rowwise(
    ref=_ref(np.mean),
    sample=_whole_rows,
    per="row",
    takes="float",
    bool_as="float32",
    vjp={"x": lambda g, x_spec, axis: spread(_scaled(g, x_spec, axis), x_spec, axis)},
)
def mean(x):
    """The mean over ``axis``; NaN of an empty row."""
    return fold(add, x) / count


def _scaled(g, spec: Spec, axis: tuple[int, ...]):
    """``g`` divided by the number of elements in a row."""
    size = math.prod([spec.shape[i] for i in axis])
    return g if size == 0 else mul(g, beside(1 / size, g._spec))


@rowwise(
    ref=_ref(np.var),
    sample=_whole_rows,
    per="row",
    bool_as="float32",
    takes="float",
    vjp={"x": lambda g, x, x_spec, axis: mul(spread(_scaled(add(g, g), x_spec, axis), x_spec, axis), _deviation(x, axis))},
)
def var(x):
    """The mean squared deviation from the mean over ``axis`` (divided by the count, not the count less 1)."""
    mean = fold(add, x) / count
    return fold(add, (x - mean) * (x - mean)) / count


@rowwise(
    ref=lambda x, axis: x - x.mean(axis=axis, keepdims=True),
    per="element",
    takes="float",
    vjp={"x": lambda g, axis: sub(g, mean(g, axis=axis, keepdims=True))},
)
def centered(x):
    """The deviation of each element from the mean over ``axis``."""
    mean = fold(add, x) / count
    return x - mean


def _deviation(x, axis):
    """`centered` along any axes: ones that are not neighbours are brought together first."""
    if layout(x.shape, axis) is not None:
        return centered(x, axis=axis)
    order = (*(i for i in range(x.ndim) if i not in axis), *axis)
    last = tuple(range(x.ndim - len(axis), x.ndim))
    return transpose(centered(transpose(x, axes=order), axis=last), axes=tuple(int(i) for i in np.argsort(order)))


def share(g, x, out, x_spec, axis):
    """The gradient of a maximum or minimum: shared evenly among the tied elements."""
    hit = astype(equal(x, spread(out, x_spec, axis)), dtype=x_spec.dtype)
    return mul(hit, spread(div(g, reshape(sum(hit, axis=axis), shape=g.shape)), x_spec, axis))


@rowwise(
    ref=lambda x, axis, keepdims=False: np.sqrt(np.sum(x * x, axis=axis, keepdims=keepdims)),
    per="row",
    takes="float",
    sample=_whole_rows,
    vjp={"x": lambda g, x, out, x_spec, axis: mul(x, spread(keep(not_equal(out, scalar(0.0, out)), div(g, out)), x_spec, axis))},
)
def norm(x):
    """The square root of the sum of squares over ``axis``; its gradient at 0 is 0."""
    return math.sqrt(fold(add, x * x))


@rowwise(ref=_ref(np.max), per="row", takes="any", empty=False, vjp={"x": share})
def max(x):
    """The largest value over ``axis``; NaN if there is one. Tied elements share the gradient."""
    return fold(max, x)


@rowwise(ref=_ref(np.min), per="row", takes="any", empty=False, vjp={"x": share})
def min(x):
    """The smallest value over ``axis``; NaN if there is one. Tied elements share the gradient."""
    return fold(min, x)


@rowwise(ref=lambda x, axis, keepdims=False: _arg(np.argmax, x, axis, keepdims), per="row", takes="any", empty=False, gives="int32")
def argmax(x):
    """The (flat) index over ``axis`` of the first largest value; NaN counts as largest."""
    top = fold(max, x)
    return first(x == top or x != x)


@rowwise(ref=lambda x, axis, keepdims=False: _arg(np.argmin, x, axis, keepdims), per="row", takes="any", empty=False, gives="int32")
def argmin(x):
    """The (flat) index over ``axis`` of the first smallest value; NaN counts as smallest."""
    low = fold(min, x)
    return first(x == low or x != x)


def _arg(function, x, axis, keepdims):
    kept = [i for i in range(x.ndim) if i not in axis]
    rows = x.transpose(kept + list(axis)).reshape([x.shape[i] for i in kept] + [-1])
    found = function(rows.real if np.iscomplexobj(rows) else rows, axis=-1)
    return found.reshape([1 if i in axis else n for i, n in enumerate(x.shape)]) if keepdims else found


def _some_zeros(draw):
    shape = draw.shape(min_rank=1)
    return (with_zeros(draw, shape),), {"axis": draw.axes(len(shape)), "keepdims": draw.boolean()}


@rowwise(
    ref=_ref(np.prod),
    sample=_some_zeros,
    per="row",
    bool_as="int32",
    vjp={"x": lambda g, x, x_spec, axis: mul(spread(g, x_spec, axis), prod_others(x, axis=axis))},
)
def prod(x):
    """The product over ``axis``."""
    return fold(mul, x)


@rowwise(
    ref=lambda x, axis: np.exp(from_top(x, axis)) / np.exp(from_top(x, axis)).sum(axis=axis, keepdims=True),
    per="element",
    takes="float",
    vjp={"x": lambda g, out, axis: softmax_gradient(out, g, axis=axis)},
)
def softmax(x):
    """``exp(x) / sum(exp(x))`` over ``axis``, computed from the largest value down so that nothing overflows."""
    top = fold(max, x)
    scale = 1.0 / fold(add, math.exp(x - top))  # a product costs a fifth of a quotient
    return math.exp(x - top) * scale


@rowwise(
    ref=lambda y, dy, axis: y * (dy - (y * dy).sum(axis=axis, keepdims=True)),
    per="element",
    takes="float",
    vjp={
        "y": lambda g, y, dy, axis: sub(mul(g, sub(dy, _total(y, dy, axis))), mul(dy, _total(g, y, axis))),
        "dy": lambda g, y, axis: softmax_gradient(y, g, axis=axis),
    },
)
def softmax_gradient(y, dy):
    """The gradient of `softmax`, from its result and that of its result."""
    along = fold(add, y * dy)
    return y * (dy - along)


def _total(x, y, axis):
    return sum(mul(x, y), axis=axis, keepdims=True)


@rowwise(
    ref=lambda x, axis: from_top(x, axis) - np.log(np.exp(from_top(x, axis)).sum(axis=axis, keepdims=True)),
    per="element",
    takes="float",
    vjp={"x": lambda g, out, axis: logsoftmax_gradient(out, g, axis=axis)},
)
def logsoftmax(x):
    """The logarithm of `softmax`."""
    top = fold(max, x)
    total = math.log(fold(add, math.exp(x - top)))
    return x - top - total


@rowwise(
    ref=lambda y, dy, axis: dy - np.exp(y) * dy.sum(axis=axis, keepdims=True),
    per="element",
    takes="float",
    vjp={
        "y": lambda g, y, dy, axis: neg(mul(mul(g, exp(y)), sum(dy, axis=axis, keepdims=True))),
        "dy": lambda g, y, axis: sub(g, sum(mul(g, exp(y)), axis=axis, keepdims=True)),
    },
)
def logsoftmax_gradient(y, dy):
    """The gradient of `logsoftmax`, from its result and that of its result."""
    total = fold(add, dy)
    return dy - math.exp(y) * total


@rowwise(
    ref=logsumexp_ref,
    per="row",
    takes="float",
    empty=False,
    vjp={"x": lambda g, x, out, x_spec, axis: mul(spread(g, x_spec, axis), exp(sub(x, spread(out, x_spec, axis))))},
)
def logsumexp(x):
    """``log(sum(exp(x)))`` over ``axis``."""
    top = fold(max, x)
    base = top if top - top == 0 else 0.0  # infinite values must not become NaN
    return base + math.log(fold(add, math.exp(x - base)))


def _sum_to_ref(x, shape):
    missing = x.ndim - len(shape)
    axes = (*range(missing), *(i + missing for i, n in enumerate(shape) if n == 1 and x.shape[i + missing] != 1))
    return x.sum(axis=axes).reshape(shape)


def _sum_to_sample(draw):
    small, large = draw.broadcast_pair()
    return (draw.array(large),), {"shape": small}


@composite(ref=_sum_to_ref, sample=_sum_to_sample, inputs=("x",), attrs={"shape": None})
def sum_to(x, *, shape):
    """The sum over the axes along which ``shape`` was broadcast to the shape of ``x``: the transpose of `broadcast_to`."""
    if x.dtype == boolean:
        raise DTypeError("sum_to: takes numbers, got bool")
    if x.dtype == complex64:
        return as_complex(sum_to(as_real(x), shape=(*shape, 2)))
    missing = x.ndim - len(shape)
    check(missing >= 0, "sum_to: cannot sum shape {} to {}", x.shape, shape)
    axes = (*range(missing), *(i + missing for i, n in enumerate(shape) if n == 1 and x.shape[i + missing] != 1))
    return reshape(sum(x, axis=axes), shape=shape) if axes else x
