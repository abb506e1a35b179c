"""Mixing the places of an axis by tables: what resizing images takes. They are resized an axis at a time, which nearest, linear and cubic interpolation allow.

A table says for each new place which old ones it is made of, and what each of them counts for: ``places`` (int32) and ``weights``, both (taps, size).
What counts for 0 is not looked at, which fills up the taps where there are fewer. The gradient goes by the table that leads back.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..dtype import float32, is_float, is_half, is_integer
from ..errors import DTypeError, check
from ..forms import casts, gather
from ..kernel.gather import gather_program
from ..spec import Spec
from .join import around, resized


def tables(n: int, size: int, taps: int, corners: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(places, weights, back_places, back_weights): the tables from ``n`` places to ``size`` and back, with weights of float64.

    taps: 1 for nearest, 2 for linear, 4 for cubic interpolation (Keys, 1981, with a = -3/4). Places outside stand for the nearest one inside.
    corners: whether the centres of the first and last places of both meet, or else their edges.
    """
    new = np.arange(size)
    if taps == 1:
        place, unit = new * n, size
    elif corners:
        place, unit = new * (n - 1), max(size - 1, 1)
    else:
        place, unit = (2 * new + 1) * n - size, 2 * size
    low, rest = np.divmod(place, unit)  # a place lies at a fraction of integers, so that which ones it is between is exact
    shifts = np.arange(taps) - (taps - 1) // 2
    old = np.clip(low[:, None] + shifts, 0, n - 1)
    distance = np.abs((rest / unit)[:, None] - shifts)
    weights = {
        1: np.ones_like(distance),
        2: 1 - distance,
        4: np.where(distance <= 1, (1.25 * distance - 2.25) * distance**2 + 1, -0.75 * (distance - 1) * (distance - 2) ** 2),
    }[taps]
    pairs, entry = np.unique(new[:, None] * n + old, return_inverse=True)  # at the ends several taps are one place
    sums = np.bincount(entry.ravel(), weights.ravel())
    new, old = np.divmod(pairs[sums != 0], n)
    sums = sums[sums != 0]
    back = np.lexsort((new, old))
    return (*_table(new, old, sums, size), *_table(old[back], new[back], sums[back], n))


def _table(to: np.ndarray, of: np.ndarray, weights: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """(places, weights) of a sum of ``weights`` times places ``of``, for the places ``to``, which are in order."""
    tap = np.arange(len(to)) - np.searchsorted(to, to)
    taps = int(tap.max(initial=0)) + 1
    taps = next((count for count in _UNROLLED if count >= taps), taps)  # filled up to what is quicker
    places, filled = np.zeros((taps, size), np.int32), np.zeros((taps, size))
    places[tap, to], filled[tap, to] = of, weights
    return places, filled


def _infer(x: Spec, places: Spec, weights: Spec, back_places: Spec, back_weights: Spec, *, axis: int):
    check(0 <= axis < x.ndim, "mix_along: axis {} is out of range for shape {}", axis, x.shape)
    for at, by in ((places, weights), (back_places, back_weights)):
        if not is_integer(at.dtype):
            raise DTypeError(f"mix_along: places must be integers, got {at.dtype}")
        check(
            at.ndim == 2 and at.shape == by.shape, "mix_along: places and weights must be (taps, size), got {} and {}", at.shape, by.shape
        )
    back = back_places.shape[1]
    check(back == x.shape[axis], "mix_along: the table back is for {} places, axis {} of shape {} has others", back, axis, x.shape)
    dtype = x.dtype if is_float(x.dtype) else float32
    exact = float32 if is_half(dtype) else dtype
    cast = casts([x, places, weights, back_places, back_weights], [dtype, places.dtype, exact, back_places.dtype, exact])
    return cast or x.like(resized(x.shape, axis, places.shape[1]))


def _see(specs, attrs, out):
    axis = attrs["axis"]
    return [around(specs[0].shape, axis), *(spec.shape for spec in specs[1:])], around(out.shape, axis), ()


def _ref(x, places, weights, back_places, back_weights, axis):
    matrix = np.zeros((places.shape[1], x.shape[axis]))
    np.add.at(matrix, (np.arange(places.shape[1]), places), weights)
    return np.moveaxis(np.tensordot(matrix, x, (1, axis)), 0, axis)


def _sample(draw):
    shape = draw.shape(min_rank=1, max_rank=3)
    axis = draw.integer(0, len(shape) - 1)
    shape = resized(shape, axis, max(shape[axis], 1))
    there_and_back = list(tables(shape[axis], draw.integer(1, 9), draw.choice([1, 2, 4]), draw.boolean()))
    there_and_back[1::2] = [weights.astype(draw.dtype if is_float(draw.dtype) else float32) for weights in there_and_back[1::2]]
    if draw.boolean():
        there_and_back = there_and_back[2:] + there_and_back[:2]
    return (draw.array(resized(shape, axis, there_and_back[2].shape[1])), *there_and_back), {"axis": axis}


def _refused(x, places, back_places, axis):
    """A declared error: weights of 1 for these places."""
    return lambda Tensor, op: op(
        Tensor(x), Tensor(places), Tensor(np.ones(np.shape(places))), Tensor(back_places), Tensor(np.ones(np.shape(back_places))), axis=axis
    )


@gather(
    infer=_infer,
    see=_see,
    ref=_ref,
    sample=_sample,
    inputs=("x", "places", "weights", "back_places", "back_weights"),
    attrs={"axis": 0},
    vjp={
        "x": lambda g, places, weights, back_places, back_weights, axis: mix_along(
            g, back_places, back_weights, places, weights, axis=axis
        ),
    },
    errors=(
        (ValueError, _refused([1.0], [[0]], [[0]], axis=1)),
        (ValueError, _refused([1.0], [0], [[0]], axis=0)),
        (ValueError, _refused([1.0, 2.0], [[0]], [[0]], axis=0)),
        (DTypeError, _refused([1.0], [[0.0]], [[0]], axis=0)),
    ),
)
def mix_along(a, i, b, x, places, weights, back_places, back_weights):
    """At each new place of an axis the weighted sum of old ones, by a table. Its places are not checked: it must come from `tables`."""
    total = 0.0
    for k in range(places.shape[0]):
        total += _weighted(weights[k, i], x[a, places[k, i], b])
    return total


def _weighted(weight, value):
    """What does not count must not make a sum NaN or infinite."""
    return weight * value if weight != 0.0 else 0.0


@mix_along.fast("cpu")
def _unrolled(specs, attrs, outputs):
    """The same with the taps written out, so that the loop around them is vectorised: a tenth of the time where the axis is not the last."""
    code = _UNROLLED.get(specs[1].shape[0])
    if code is None:
        return None
    shapes, space, integers = _see(specs, attrs, outputs[0])
    program = gather_program(code, [spec.like() for spec in specs[:3]], outputs[0], outputs[0].dtype, integers, shapes[:3], space)
    return replace(program, n_in=len(specs))


def _mix_1(a, i, b, x, places, weights):
    p0 = places[0, i]
    w0 = weights[0, i]
    return _weighted(w0, x[a, p0, b])


def _mix_2(a, i, b, x, places, weights):
    p0 = places[0, i]
    w0 = weights[0, i]
    p1 = places[1, i]
    w1 = weights[1, i]
    return _weighted(w0, x[a, p0, b]) + _weighted(w1, x[a, p1, b])


def _mix_4(a, i, b, x, places, weights):
    p0 = places[0, i]
    w0 = weights[0, i]
    p1 = places[1, i]
    w1 = weights[1, i]
    p2 = places[2, i]
    w2 = weights[2, i]
    p3 = places[3, i]
    w3 = weights[3, i]
    return _weighted(w0, x[a, p0, b]) + _weighted(w1, x[a, p1, b]) + _weighted(w2, x[a, p2, b]) + _weighted(w3, x[a, p3, b])


_UNROLLED = {1: _mix_1, 2: _mix_2, 4: _mix_4}
