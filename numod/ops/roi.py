"""Pooling of regions of images, which are cut into bins along whole pixels (Girshick, 2015).

``rois`` (R, 5) has integers: the number of the image, and the pixels x0, y0, x1, y1 that the region reaches from and to. Bins may share pixels;
of what lies outside the image nothing is taken.
"""

from __future__ import annotations

import numpy as np

from ..dtype import float32, is_float, is_integer
from ..errors import DTypeError, check
from ..forms import casts, gather
from ..op import KernelIndexError
from ..spec import Spec
from .index import index_dtype

ATTRS = {"rows": 1, "columns": 1}


def _begin(k, bins, low, high, size):
    """The first pixel of bin ``k``."""
    return min(max(k * max(high - low + 1, 1) // bins + low, 0), size)


def _end(k, bins, low, high, size):
    """The pixel after the last of bin ``k``."""
    return min(max(((k + 1) * max(high - low + 1, 1) + bins - 1) // bins + low, 0), size)


def _bins_ref(size, rois, rows, columns):
    """(region, bin's row, bin's column, image, pixels' rows, pixels' columns) for each bin that is not empty."""
    for r, (image, x0, y0, x1, y1) in enumerate(rois.astype(int)):
        edges = []
        for low, high, bins, side in ((y0, y1, rows, size[0]), (x0, x1, columns, size[1])):
            extent = max(high - low + 1, 1)
            edges.append([np.clip((low + k * extent // bins, low - (-(k + 1) * extent // bins)), 0, side) for k in range(bins)])
        for i, j in np.ndindex(rows, columns):
            (a, b), (c, d) = edges[0][i], edges[1][j]
            if a < b and c < d:
                yield r, i, j, image, slice(a, b), slice(c, d)


def _check(name: str, rois: Spec, rows: int, columns: int) -> None:
    if not is_integer(rois.dtype):
        raise DTypeError(f"{name}: rois must be integers, got {rois.dtype}")
    check(rois.ndim == 2 and rois.shape[1] == 5, "{}: rois must have shape (R, 5), got {}", name, rois.shape)
    check(min(rows, columns) >= 1, "{}: takes at least 1 row and column, got {} and {}", name, rows, columns)


def _draw(draw):
    """(shape of images, regions, attributes)."""
    shape = (draw.integer(1, 2), draw.integer(1, 2), draw.integer(1, 5), draw.integer(1, 5))
    random, count = draw.random(), draw.integer(0, 3)
    rois = np.hstack([random.integers(0, shape[0], (count, 1)), random.integers(-3, 8, (count, 4))]).astype(np.int32)
    return shape, rois, {"rows": draw.integer(1, 3), "columns": draw.integer(1, 3)}


def _sample(draw):
    shape, rois, attrs = _draw(draw)
    return (draw.array(shape), rois), attrs


def _see(specs, attrs, out):
    return None, None, [attrs["rows"], attrs["columns"]]


def _as_float(x: Spec, rois: Spec):
    return casts([x, rois], [x.dtype if is_float(x.dtype) else float32, rois.dtype])


def _infer(name: str, x: Spec, rois: Spec, rows: int, columns: int) -> tuple[int, ...]:
    _check(name, rois, rows, columns)
    check(x.ndim == 4, "{}: input must be (N, C, H, W), got shape {}", name, x.shape)
    return (rois.shape[0], x.shape[1], rows, columns)


def _refused(Tensor, op):
    return op(Tensor(np.ones((1, 1, 2, 2))), Tensor(np.ones((1, 4), np.int32)))


def _missing(Tensor, op):
    return op(Tensor(np.ones((1, 1, 2, 2))), Tensor([[1, 0, 0, 1, 1]]))


def _peak_ref(x, rois, rows, columns):
    out = np.full((len(rois), x.shape[1], rows, columns), -1)
    places = np.arange(x.size).reshape(x.shape)
    for r, i, j, image, a, b in _bins_ref(x.shape[2:], rois, rows, columns):
        best = x[image, :, a, b].reshape(x.shape[1], -1).argmax(1)
        out[r, :, i, j] = np.take_along_axis(places[image, :, a, b].reshape(x.shape[1], -1), best[:, None], 1)[:, 0]
    return out


@gather(
    infer=lambda x, rois, rows, columns: x.like(_infer("roi_peak", x, rois, rows, columns), index_dtype(x.size)),
    see=_see,
    ref=_peak_ref,
    sample=_sample,
    inputs=("x", "rois"),
    attrs=ATTRS,
    errors=((ValueError, _refused), (KernelIndexError, _missing)),
)
def roi_peak(r, c, i, j, x, rois, rows, columns):
    """The flat index of the first largest value in each bin of each region; -1 where a bin is empty."""
    image = checked(rois[r, 0], x.shape[0])
    first = _begin(j, columns, rois[r, 1], rois[r, 3], x.shape[3])
    last = _end(j, columns, rois[r, 1], rois[r, 3], x.shape[3])
    best_a, best_b, found = 0, 0, -1
    for a in range(_begin(i, rows, rois[r, 2], rois[r, 4], x.shape[2]), _end(i, rows, rois[r, 2], rois[r, 4], x.shape[2])):
        for b in range(first, last):
            if found < 0 or x[image, c, a, b] > x[image, c, best_a, best_b]:
                best_a, best_b = a, b
                found = ((image * x.shape[1] + c) * x.shape[2] + a) * x.shape[3] + b
    return found


def _mean_ref(x, rois, rows, columns):
    out = np.zeros((len(rois), x.shape[1], rows, columns), x.dtype)
    for r, i, j, image, a, b in _bins_ref(x.shape[2:], rois, rows, columns):
        out[r, :, i, j] = x[image, :, a, b].mean((1, 2))
    return out


def _mean_infer(x: Spec, rois: Spec, *, rows, columns):
    shape = _infer("roi_mean", x, rois, rows, columns)
    return _as_float(x, rois) or x.like(shape)


@gather(
    infer=_mean_infer,
    see=_see,
    ref=_mean_ref,
    sample=_sample,
    inputs=("x", "rois"),
    attrs=ATTRS,
    vjp={"x": lambda g, x_spec, rois: roi_mean_transpose(g, rois, size=(x_spec.shape[0], *x_spec.shape[2:]))},
    errors=((ValueError, _refused), (KernelIndexError, _missing)),
)
def roi_mean(r, c, i, j, x, rois, rows, columns):
    """The mean of each bin of each region; 0 where a bin is empty."""
    image = checked(rois[r, 0], x.shape[0])
    top, bottom = _begin(i, rows, rois[r, 2], rois[r, 4], x.shape[2]), _end(i, rows, rois[r, 2], rois[r, 4], x.shape[2])
    left, right = _begin(j, columns, rois[r, 1], rois[r, 3], x.shape[3]), _end(j, columns, rois[r, 1], rois[r, 3], x.shape[3])
    total = 0.0
    for a in range(top, bottom):
        for b in range(left, right):
            total += x[image, c, a, b]
    return total / max((bottom - top) * (right - left), 1)


def _transpose_ref(dy, rois, size):
    out = np.zeros((size[0], dy.shape[1], *size[1:]), dy.dtype)
    for r, i, j, image, a, b in _bins_ref(size[1:], rois, *dy.shape[2:]):
        out[image, :, a, b] += dy[r, :, i, j][:, None, None] / ((a.stop - a.start) * (b.stop - b.start))
    return out


def _transpose_infer(dy: Spec, rois: Spec, *, size):
    check(dy.ndim == 4, "roi_mean_transpose: gradient must have 4 axes, got shape {}", dy.shape)
    _check("roi_mean_transpose", rois, *dy.shape[2:])
    check(dy.shape[0] == rois.shape[0], "roi_mean_transpose: gradient of {} regions for {}", dy.shape[0], rois.shape[0])
    return _as_float(dy, rois) or dy.like((size[0], dy.shape[1], *size[1:]))


def _transpose_sample(draw):
    shape, rois, attrs = _draw(draw)
    return (draw.array((len(rois), shape[1], attrs["rows"], attrs["columns"])), rois), {"size": (shape[0], *shape[2:])}


@gather(
    infer=_transpose_infer,
    see=lambda specs, attrs, out: (None, None, [*attrs["size"][1:]]),
    ref=_transpose_ref,
    sample=_transpose_sample,
    inputs=("dy", "rois"),
    attrs={"size": ()},
    vjp={"dy": lambda g, dy_spec, rois: roi_mean(g, rois, rows=dy_spec.shape[2], columns=dy_spec.shape[3])},
)
def roi_mean_transpose(n, c, a, b, dy, rois, height, width):
    """The gradient of `roi_mean` for images of ``size`` (N, H, W)."""
    rows, columns = dy.shape[2], dy.shape[3]
    total = 0.0
    for r in range(rois.shape[0]):
        x0, y0, x1, y1 = rois[r, 1], rois[r, 2], rois[r, 3], rois[r, 4]
        if rois[r, 0] == n and x0 <= b <= max(x1, x0) and y0 <= a <= max(y1, y0):
            for i in range(rows):
                top, bottom = _begin(i, rows, y0, y1, height), _end(i, rows, y0, y1, height)
                if top <= a < bottom:
                    for j in range(columns):
                        left, right = _begin(j, columns, x0, x1, width), _end(j, columns, x0, x1, width)
                        if left <= b < right:
                            total += dy[r, c, i, j] / ((bottom - top) * (right - left))
    return total
