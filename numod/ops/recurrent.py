"""Ops of recurrent networks: a tensor cut into parts, whose gradient is put together once, and the gates of an LSTM."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import numpy as np

from ..errors import ShapeError, check
from ..forms import elementwise, shift
from ..op import Op, Plan, register
from ..spec import Spec
from .join import join_all, resized
from .math import logistic, mul, neg, sigmoid, tanh
from .reduce import scalar
from .view import broadcast_to

# -- parts ---------------------------------------------------------------------------------------------------------------


def _parts_infer(x: Spec, *, axis: int, sizes: tuple[int, ...]) -> tuple[Spec, ...]:
    check(0 <= axis < x.ndim, "parts: axis {} is out of range for shape {}", axis, x.shape)
    fits = sizes and min(sizes) >= 0 and sum(sizes) == x.shape[axis]
    check(fits, "parts: sizes {} do not make up axis {} of shape {}", sizes, axis, x.shape)
    return tuple(Spec.of(resized(x.shape, axis, size), x.dtype, x.device, x.strides) for size in sizes)


def _parts_plan(op: Op, specs: Sequence[Spec], attrs: dict, outs: tuple[Spec, ...]) -> Plan:
    """Each part is a view of the input's memory."""
    (spec,) = specs
    axis, sizes = attrs["axis"], attrs["sizes"]
    pitch = spec.strides[axis] * spec.dtype.itemsize
    starts = [sum(sizes[:position]) * pitch if spec.size else 0 for position in range(len(sizes))]
    if len(outs) == 1:
        return Plan(outs, lambda buffer: buffer)
    return Plan(outs, lambda buffer: tuple([shift(buffer, start, spec) for start in starts]))


def _parts_gradient(g, x_spec, axis, sizes):
    given = g if isinstance(g, tuple) else (g,)
    like = next(each for each in given if each is not None)
    pieces = [
        broadcast_to(scalar(0.0, like), shape=resized(x_spec.shape, axis, size)) if each is None else each
        for each, size in zip(given, sizes, strict=True)
    ]
    return join_all(pieces, axis)


def _parts_sample(draw):
    shape = draw.shape(min_rank=1)
    axis = draw.integer(0, len(shape) - 1)
    sizes = tuple(draw.integer(0, 3) for _ in range(draw.integer(1, 4)))
    return (draw.array(resized(shape, axis, sum(sizes))),), {"axis": axis, "sizes": sizes}


def _parts_ref(x, axis, sizes):
    return tuple(np.split(x, np.cumsum(sizes)[:-1], axis))


parts = register(
    Op(
        "parts",
        "The tensor cut along ``axis`` into parts of these ``sizes``, which make up all of it; parts share its memory.",
        ("x",),
        {"axis": 0, "sizes": ()},
        _parts_infer,
        _parts_plan,
        vjp={"x": _parts_gradient},
        ref=_parts_ref,
        sample=_parts_sample,
        errors=(
            (ShapeError, lambda Tensor, op: op(Tensor([1.0]), axis=1, sizes=(1,))),
            (ShapeError, lambda Tensor, op: op(Tensor([1.0]), axis=0, sizes=(1, 1))),
            (ShapeError, lambda Tensor, op: op(Tensor([1.0]), axis=0, sizes=())),
        ),
        form="view",
    )
)


def cut(x, axis: int, sizes: tuple[int, ...]) -> tuple:
    """`parts`, as a tuple also where there is one."""
    found = parts(x, axis=axis, sizes=sizes)
    return found if isinstance(found, tuple) else (found,)


# -- gates ---------------------------------------------------------------------------------------------------------------


def _logistic_ref(x):
    return 1 / (1 + np.exp(-x))


def _slope_vjp(g, grad, x, value):
    return neg(mul(gate_gradient(mul(g, grad), x, value), tanh(mul(x, scalar(0.5, x)))))


@elementwise(
    ref=lambda g, x, v: g * v * _logistic_ref(x) * (1 - _logistic_ref(x)),
    takes="float",
    vjp={
        "grad": lambda g, x, value: gate_gradient(g, x, value),
        "x": _slope_vjp,
        "value": lambda g, grad, x: gate_gradient(g, x, grad),
    },
)
def gate_gradient(grad, x, value):
    """``grad * value * s * (1 - s)`` with ``s = sigmoid(x)``: the gradient of ``sigmoid(x) * value`` for ``x``."""
    s = logistic(x)
    return grad * value * (s * (1.0 - s))


def _tanh_gradient(g, x, value):
    """The gradient of ``tanh(x) * value`` for ``x``: tanh is a sigmoid of twice the slope."""
    return gate_gradient(mul(g, scalar(4.0, g)), mul(x, scalar(2.0, x)), value)


@elementwise(
    ref=lambda i, f, a, c: _logistic_ref(f) * c + _logistic_ref(i) * np.tanh(a),
    takes="float",
    vjp={
        "into": lambda g, into, candidate: gate_gradient(g, into, tanh(candidate)),
        "keep": lambda g, keep, state: gate_gradient(g, keep, state),
        "candidate": lambda g, into, candidate: _tanh_gradient(g, candidate, sigmoid(into)),
        "state": lambda g, keep: mul(g, sigmoid(keep)),
    },
)
def lstm_state(into, keep, candidate, state):
    """The new state of an LSTM (Hochreiter & Schmidhuber, 1997): ``sigmoid(keep) * state + sigmoid(into) * tanh(candidate)``."""
    return logistic(keep) * state + logistic(into) * math.tanh(candidate)


@elementwise(
    ref=lambda o, c: _logistic_ref(o) * np.tanh(c),
    takes="float",
    vjp={
        "out_gate": lambda g, out_gate, state: gate_gradient(g, out_gate, tanh(state)),
        "state": lambda g, out_gate, state: _tanh_gradient(g, state, sigmoid(out_gate)),
    },
)
def lstm_output(out_gate, state):
    """What an LSTM puts out: ``sigmoid(out_gate) * tanh(state)``."""
    return logistic(out_gate) * math.tanh(state)


@functools.cache
def equal_sizes(count: int, size: int) -> tuple[int, ...]:
    """The sizes of so many equal parts."""
    return (size,) * count
