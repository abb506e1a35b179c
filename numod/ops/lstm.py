"""An LSTM along a whole sequence (Hochreiter & Schmidhuber, 1997), and its gradient.

In parts they are what their functions say, step by step. On a CPU all steps are one launch (`numod.kernel.recurrent`).
"""

from __future__ import annotations

import numpy as np

from ..dtype import is_float, promote
from ..errors import DTypeError, check
from ..forms import casts, composite
from ..kernel import recurrent as kernels
from ..op import Plan
from ..spec import Spec
from .join import join_all
from .linalg import matmul
from .math import sigmoid, tanh
from .recurrent import cut, equal_sizes
from .reduce import scalar
from .view import broadcast_to, reshape


def _checked(name: str, steps: int, given: dict[str, tuple[Spec, tuple[int, ...]]]) -> Plan | None:
    """What both ops check: that there are steps, the shape that each input must have, and one float dtype."""
    check(steps > 0, "{}: the sequence has no steps", name)
    for each, (spec, shape) in given.items():
        check(spec.shape == shape, "{}: {} must have shape {}, got {}", name, each, shape, spec.shape)
    dtype = promote(*(spec.dtype for spec, _ in given.values()))
    if not is_float(dtype):
        raise DTypeError(f"{name}: takes floats, got {dtype}")
    return casts([spec for spec, _ in given.values()], [dtype] * len(given))


def _lstm_infer(sums: Spec, weight: Spec, h: Spec, c: Spec, *, reverse: bool):
    check(sums.ndim == 3 and h.ndim == 2, "lstm: sums must have three axes and h two, got shapes {} and {}", sums.shape, h.shape)
    (steps, count, _), size = sums.shape, h.shape[1]
    known = {
        "sums": (sums, (steps, count, 4 * size)),
        "weight": (weight, (4 * size, size)),
        "h": (h, (count, size)),
        "c": (c, (count, size)),
    }
    state = sums.like((steps, count, size))
    return _checked("lstm", steps, known) or (state, state, sums.like())


def _draw(draw):
    steps, count, size = draw.integer(1, 3), draw.integer(0, 3), draw.integer(1, 3)
    return (steps, count, size), (steps, count, 4 * size), (4 * size, size), (count, size), {"reverse": draw.boolean()}


def _lstm_sample(draw):
    _, *shapes, state, attrs = _draw(draw)
    return tuple(draw.array(shape) for shape in (*shapes, state, state)), attrs


def _order(steps: int, reverse: bool) -> range:
    return range(steps - 1, -1, -1) if reverse else range(steps)


def _logistic(x):
    return 1 / (1 + np.exp(-x))


def _lstm_ref(sums, weight, h, c, reverse):
    found = [None] * len(sums)
    for at in _order(len(sums), reverse):
        i, f, g, o = np.split(sums[at] + h @ weight.T, 4, 1)
        gates = (_logistic(i), _logistic(f), np.tanh(g), _logistic(o))
        c = gates[1] * c + gates[0] * gates[2]
        h = gates[3] * np.tanh(c)
        found[at] = h, c, np.concatenate(gates, 1)
    return tuple(np.stack(each) for each in zip(*found, strict=True))


def _unstacked(x) -> list:
    """The matrix of each step."""
    return [reshape(each, shape=x.shape[1:]) for each in cut(x, 0, equal_sizes(x.shape[0], 1))]


def _stacked(matrices):
    return join_all([reshape(each, shape=(1, *each.shape)) for each in matrices], 0)


def _gates(x) -> tuple:
    return cut(x, 1, equal_sizes(4, x.shape[1] // 4))


def _no_gradient(like):
    """Zeros of a state's shape at each step; one row of them in memory."""
    row = reshape(broadcast_to(scalar(0.0, like), shape=like.shape[2:]) * scalar(1.0, like), shape=like.shape[2:])
    return broadcast_to(row, shape=like.shape)


def _walked(memo, g, weight, c, out, reverse):
    """Gradients of sums, h and c, by name."""
    if not memo:
        dh, dc, dgates = g
        _, states, gates = out
        dh, dc = (_no_gradient(states) if each is None else each for each in (dh, dc))
        arguments = (dh, dc, gates, states, weight, c)
        walked = lstm_gradient(*arguments, reverse=reverse) if dgates is None else _walk_back(*arguments, reverse=reverse, dgates=dgates)
        memo.update(zip(("sums", "h", "c"), walked, strict=True))
    return memo


def _of_weight(memo, g, weight, h, c, out, reverse):
    """One product over all steps, of the sums' gradients and the hidden states that they were made from."""
    sums, states = _walked(memo, g, weight, c, out, reverse)["sums"], out[0]
    (steps, count, size), start = states.shape, reshape(h, shape=(1, *h.shape))
    first, last = cut(states, 0, (1, steps - 1) if reverse else (steps - 1, 1))
    before = join_all([last, start] if reverse else [start, first], 0)
    rows = steps * count
    return matmul(reshape(sums, shape=(rows, 4 * size)), reshape(before, shape=(rows, size)), transpose_a=True)


def _of(name: str):
    return lambda memo, g, weight, c, out, reverse: _walked(memo, g, weight, c, out, reverse)[name]


@composite(
    infer=_lstm_infer,
    ref=_lstm_ref,
    sample=_lstm_sample,
    inputs=("sums", "weight", "h", "c"),
    attrs={"reverse": False},
    vjp={"sums": _of("sums"), "weight": _of_weight, "h": _of("h"), "c": _of("c")},
)
def lstm(sums, weight, h, c, *, reverse=False):
    """The hidden states, the cell states (steps, N, size) and the gates (steps, N, 4 * size) of an LSTM at each step.

    sums (steps, N, 4 * size): what inputs and biases contribute to the gates; weight (4 * size, size): that of the hidden state; h, c (N, size): where
    it starts; ``reverse``: from the last step to the first. The gates are ``into, keep, candidate, out``: sigmoids, but for the candidate, a tanh.
    """
    found = [None] * sums.shape[0]
    steps = _unstacked(sums)
    for at in _order(len(steps), reverse):
        into, keep, candidate, out = _gates(steps[at] + matmul(h, weight, transpose_b=True))
        into, keep, candidate, out = sigmoid(into), sigmoid(keep), tanh(candidate), sigmoid(out)
        c = keep * c + into * candidate
        h = out * tanh(c)
        found[at] = h, c, join_all([into, keep, candidate, out], 1)
    return tuple(_stacked(each) for each in zip(*found, strict=True))


@lstm.fast("cpu")
def _lstm_launch(specs, attrs, outputs):
    return kernels.lstm(*specs[:2], outputs, **attrs)


# -- the gradient --------------------------------------------------------------------------------------------------------


def _gradient_infer(dh: Spec, dc: Spec, gates: Spec, states: Spec, weight: Spec, c: Spec, *, reverse: bool):
    check(states.ndim == 3, "lstm_gradient: states must have three axes, got shape {}", states.shape)
    steps, count, size = states.shape
    known = {
        **{name: (spec, states.shape) for name, spec in (("dh", dh), ("dc", dc))},
        "gates": (gates, (steps, count, 4 * size)),
        "states": (states, states.shape),
        "weight": (weight, (4 * size, size)),
        "c": (c, (count, size)),
    }
    return _checked("lstm_gradient", steps, known) or (gates.like(), c.like(), c.like())


def _gradient_sample(draw):
    states, gates, weight, state, attrs = _draw(draw)
    return tuple(draw.array(shape) for shape in (states, states, gates, states, weight, state)), attrs


def _gradient_ref(dh, dc, gates, states, weight, c, reverse):
    order = _order(len(dh), reverse)[::-1]
    found, back_h, back_c = [None] * len(dh), 0, 0
    for at, earlier in zip(order, [*order[1:], None], strict=True):
        into, keep, candidate, out = np.split(gates[at], 4, 1)
        before, t = c if earlier is None else states[earlier], np.tanh(states[at])
        back_h = dh[at] + back_h
        back_c = dc[at] + back_c + back_h * out * (1 - t * t)
        slopes = (
            back_c * candidate * into * (1 - into),
            back_c * before * keep * (1 - keep),
            back_c * into * (1 - candidate**2),
            back_h * t * out * (1 - out),
        )
        found[at] = np.concatenate(slopes, 1)
        back_h, back_c = found[at] @ weight, back_c * keep
    return np.stack(found), back_h, back_c


def _walk_back(dh, dc, gates, states, weight, c, *, reverse, dgates=None):
    """`lstm_gradient`; with ``dgates``, where gradients flow to the gates as well."""
    dh, dc, gates, states = (_unstacked(each) for each in (dh, dc, gates, states))
    order = _order(len(dh), reverse)[::-1]
    found, back_h, back_c = [None] * len(dh), None, None
    for at, earlier in zip(order, [*order[1:], None], strict=True):
        into, keep, candidate, out = _gates(gates[at])
        before, t = c if earlier is None else states[earlier], tanh(states[at])
        new_h = dh[at] if back_h is None else dh[at] + back_h
        new_c = dc[at] + new_h * out * (1.0 - t * t)
        new_c = new_c if back_c is None else new_c + back_c
        given = (new_c * candidate, new_c * before, new_c * into, new_h * t)
        if dgates is not None:
            given = [own + more for own, more in zip(given, _gates(_unstacked(dgates)[at]), strict=True)]
        slopes = (into * (1.0 - into), keep * (1.0 - keep), 1.0 - candidate * candidate, out * (1.0 - out))
        found[at] = join_all([own * slope for own, slope in zip(given, slopes, strict=True)], 1)
        back_h, back_c = matmul(found[at], weight), new_c * keep
    return _stacked(found), back_h, back_c


@composite(
    infer=_gradient_infer,
    ref=_gradient_ref,
    sample=_gradient_sample,
    inputs=("dh", "dc", "gates", "states", "weight", "c"),
    attrs={"reverse": False},
)
def lstm_gradient(dh, dc, gates, states, weight, c, *, reverse=False):
    """The gradients of `lstm` with respect to sums, h and c, from those of the hidden and cell states and from what it made."""
    return _walk_back(dh, dc, gates, states, weight, c, reverse=reverse)


@lstm_gradient.fast("cpu")
def _gradient_launch(specs, attrs, outputs):
    dh, dc, _, _, weight, _ = specs
    return kernels.lstm_gradient(dh, dc, weight, outputs, **attrs)
