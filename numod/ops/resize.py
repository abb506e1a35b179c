"""Resizing along one axis, and its transpose. Images are resized an axis at a time, which nearest, linear and cubic interpolation allow.

An output place lies between places of the input at a fraction of integers, so that which places it takes from is exact. ``taps`` is how many: 1 for
nearest, 2 for linear, 4 for cubic interpolation (Keys, 1981, with a = -3/4). Places outside stand for the nearest one inside.
"""

from __future__ import annotations

import numpy as np

from ..dtype import float32, is_float
from ..errors import check
from ..forms import casts, gather
from ..spec import Spec
from .join import around, resized

ATTRS = {"taps": 1, "corners": False}


def _numerator(i, n, size, taps, corners):
    """Where output place ``i`` lies, as a fraction: with ``corners`` the first and last places of both meet, else their edges do."""
    if taps == 1:
        return i * n
    return i * (n - 1) if corners else (2 * i + 1) * n - size


def _denominator(size, taps, corners):
    if taps == 1:
        return size
    return max(size - 1, 1) if corners else 2 * size


def _weight(k, t, taps):
    """What tap ``k`` counts for, ``t`` behind the middle taps' first."""
    if taps == 1:
        return 1.0
    if taps == 2:
        return t if k == 1 else 1.0 - t
    d = abs(t - (k - 1))
    if d <= 1.0:
        return (1.25 * d - 2.25) * d * d + 1.0
    return ((-0.75 * d + 3.75) * d - 6.0) * d + 3.0


def _clamped(i, n):
    return min(max(i, 0), n - 1)


def _matrix(n: int, size: int, taps: int, corners: bool) -> np.ndarray:
    """The weights of the inputs (columns) in the outputs (rows)."""
    matrix = np.zeros((size, n))
    i = np.arange(size)
    place = (i * n, size) if taps == 1 else (i * (n - 1), max(size - 1, 1)) if corners else ((2 * i + 1) * n - size, 2 * size)
    low, rest = np.divmod(*place)
    for k in range(taps):
        shift = k - (taps - 1) // 2
        distance = np.abs(rest / place[1] - shift)
        weight = {
            1: np.ones(size),
            2: 1 - distance,
            4: np.where(distance <= 1, 1.25 * distance**3 - 2.25 * distance**2 + 1, -0.75 * (distance - 1) * (distance - 2) ** 2),
        }[taps]
        np.add.at(matrix, (i, np.clip(low + shift, 0, n - 1)), weight)
    return matrix


def _along(matrix, x, axis):
    return np.moveaxis(np.tensordot(matrix, x, (1, axis)), 0, axis)


def _check(name: str, x: Spec, axis: int, *sizes: int) -> None:
    check(0 <= axis < x.ndim, "{}: axis {} is out of range for shape {}", name, axis, x.shape)
    check(min(x.shape[axis], *sizes) >= 1, "{}: takes sizes of at least 1, got shape {} and {}", name, x.shape, sizes)


def _as_float(x: Spec):
    return casts([x], [x.dtype if is_float(x.dtype) else float32])


def _see(specs, attrs, out):
    axis = attrs["axis"]
    return [around(specs[0].shape, axis)], around(out.shape, axis), [out.shape[axis], attrs["taps"], int(attrs["corners"])]


def _infer(x: Spec, *, axis, size, taps, corners):
    _check("resize", x, axis, size, size)
    return _as_float(x) or x.like(resized(x.shape, axis, size))


def _draw(draw):
    """(shape, its axis, another size for that, attributes)."""
    shape = draw.shape(min_rank=1, max_rank=3)
    axis = draw.integer(0, len(shape) - 1)
    shape = (*shape[:axis], max(shape[axis], 1), *shape[axis + 1 :])
    return shape, axis, draw.integer(1, 9), {"taps": draw.choice([1, 2, 4]), "corners": draw.boolean()}


def _sample(draw):
    shape, axis, size, attrs = _draw(draw)
    return (draw.array(shape),), {"axis": axis, "size": size, **attrs}


@gather(
    infer=_infer,
    see=_see,
    ref=lambda x, axis, size, **attrs: _along(_matrix(x.shape[axis], size, **attrs), x, axis),
    sample=_sample,
    inputs=("x",),
    attrs={"axis": 0, "size": 1, **ATTRS},
    vjp={
        "x": lambda g, x_spec, axis, taps, corners: resize_transpose(g, axis=axis, size=x_spec.shape[axis], taps=taps, corners=corners),
    },
    errors=((ValueError, lambda Tensor, op: op(Tensor([1.0]), axis=0, size=0)),),
)
def resize(a, i, b, x, size, taps, corners):
    """A tensor with ``size`` places along an axis, interpolated between those it has."""
    n = x.shape[1]
    numerator, denominator = _numerator(i, n, size, taps, corners), _denominator(size, taps, corners)
    low = numerator // denominator
    t = (numerator - low * denominator) / denominator
    if taps == 1:
        return x[a, low, b]
    if taps == 2:
        return (1.0 - t) * x[a, _clamped(low, n), b] + t * x[a, _clamped(low + 1, n), b]
    total = 0.0
    for k in range(4):
        total += _weight(k, t, 4) * x[a, _clamped(low + k - 1, n), b]
    return total


def _transpose_infer(dy: Spec, *, axis, size, taps, corners):
    _check("resize_transpose", dy, axis, size, size)
    return _as_float(dy) or dy.like(resized(dy.shape, axis, size))


def _transpose_sample(draw):
    shape, axis, size, attrs = _draw(draw)
    return (draw.array(resized(shape, axis, size)),), {"axis": axis, "size": shape[axis], **attrs}


@gather(
    infer=_transpose_infer,
    see=_see,
    ref=lambda dy, axis, size, **attrs: _along(_matrix(size, dy.shape[axis], **attrs).T, dy, axis),
    sample=_transpose_sample,
    inputs=("dy",),
    attrs={"axis": 0, "size": 1, **ATTRS},
    vjp={"dy": lambda g, dy_spec, axis, taps, corners: resize(g, axis=axis, size=dy_spec.shape[axis], taps=taps, corners=corners)},
    errors=((ValueError, lambda Tensor, op: op(Tensor([1.0]), axis=0, size=0)),),
)
def resize_transpose(a, p, b, dy, n, taps, corners):
    """The gradient of `resize`: for each place, the sum of what outputs took from it."""
    size = dy.shape[1]
    denominator = _denominator(size, taps, corners)
    start = _numerator(0, n, size, taps, corners)
    step = _numerator(1, n, size, taps, corners) - start
    reach = (taps + 1) // 2  # an output takes from places less than so far away, and those at the ends stand for all beyond them
    begin, end = 0, size
    if step > 0 and p > 0:
        begin = max(((p - reach) * denominator - start) // step, 0)
    if step > 0 and p < n - 1:
        end = min(((p + reach) * denominator - start) // step + 1, size)
    total = 0.0
    for i in range(begin, end):
        numerator = start + i * step
        low = numerator // denominator
        t = (numerator - low * denominator) / denominator
        for k in range(taps):
            if _clamped(low + k - (taps - 1) // 2, n) == p:
                total += _weight(k, t, taps) * dy[a, i, b]
    return total
