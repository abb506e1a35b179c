"""Images read at places between their pixels, and the transpose of that.

``places`` (P, rows, columns, 2) has for each output pixel the (column, row) it is read at, and ``images`` (P,) the number of the image. Values
between pixels are interpolated linearly, or taken from the nearest (``taps`` 2 or 1); ``border`` says what lies outside: zeros for "constant".

Derivatives by places are made of the same ops: ``orders`` has how often the weights of rows and of columns are differentiated, so the two ops are
closed under differentiation.
"""

from __future__ import annotations

import math

import numpy as np

from ..constants import scalar
from ..dtype import float32, is_float, is_integer, promote
from ..errors import DTypeError, check
from ..forms import casts, gather, scatter
from ..op import KernelIndexError
from ..spec import Spec
from .join import concat
from .math import mul
from .reduce import sum as total
from .view import broadcast_to, reshape

BORDERS = ("constant", "replicate", "reflect", "reflect_101", "wrap")
ATTRS = {"border": "constant", "taps": 2, "orders": (0, 0)}


def _within(v):
    """A coordinate that fits an integer; NaN stays."""
    return 1e9 if v > 1e9 else (-1e9 if v < -1e9 else v)


def _first(v, taps):
    """The first of the pixels that ``v`` lies between, or the nearest (of two as near the even one)."""
    if v != v:
        return 0
    low = np.int64(math.floor(v))
    if taps == 2:
        return low
    behind = v - math.floor(v)
    return low + 1 if behind > 0.5 or (behind == 0.5 and low % 2 != 0) else low


def _weight(k, t, taps, order):
    """What tap ``k`` counts for at ``t`` behind the first, differentiated so often."""
    if taps == 1:
        return 1.0 if order == 0 else 0.0
    if order == 0:
        return t if k == 1 else 1.0 - t
    if order == 1:
        return 1.0 if k == 1 else -1.0
    return 0.0


def _pixel(i, n, border):
    """The pixel that stands for pixel ``i`` of an axis with ``n``; -1 for none."""
    if 0 <= i < n:
        return i
    if border == 0:
        return -1
    if border == 1:
        return 0 if i < 0 else n - 1
    if border == 2:
        i = i % (2 * n)
        return min(i, 2 * n - 1 - i)
    if border == 3:
        i = i % max(2 * n - 2, 1)
        return min(i, 2 * n - 2 - i)
    return i % n


def _pixels_ref(v, n, border, taps):
    """(pixel that stands for it, or -1; weights of order 0, 1, 2...) for each tap, by NumPy's padding of a line of pixel numbers."""
    real = np.real(v)
    low = np.floor(real).astype(int) if taps == 2 else np.rint(real).astype(int)
    margin = max(0, -low.min(initial=0), low.max(initial=0) + taps - n) + 1
    modes = {"replicate": "edge", "reflect": "symmetric", "reflect_101": "reflect", "wrap": "wrap"}
    line = np.pad(np.arange(n), margin, modes[border]) if border != "constant" else np.pad(np.arange(n), margin, constant_values=-1)
    t = v - low
    weights = [[(1 - t), t], [0 * t - 1, 0 * t + 1]] if taps == 2 else [[0 * t + 1]]
    zero = [0 * t] * taps
    return [(line[low + k + margin], lambda order, k=k: (weights[order] if order < len(weights) else zero)[k]) for k in range(taps)]


def _taps_ref(places, images, height, width, border, taps, orders):
    """For each pair of taps: (whether it is inside, index of image, row, column, weight), all of the shape of an output channel."""
    for row, row_weight in _pixels_ref(places[..., 1], height, border, taps):
        for column, column_weight in _pixels_ref(places[..., 0], width, border, taps):
            inside = (row >= 0) & (column >= 0)
            yield inside, images[:, None, None], row * inside, column * inside, row_weight(orders[0]) * column_weight(orders[1]) * inside


def _ref(x, places, images, **attrs):
    if not x.shape[0] * places.size:
        return np.zeros((places.shape[0], x.shape[1], *places.shape[1:3]), np.result_type(x, places))
    taps = _taps_ref(places, images, *x.shape[2:], **attrs)
    return sum(np.moveaxis(x[image, :, row, column] * weight[..., None], -1, 1) for _, image, row, column, weight in taps)


def _transpose_ref(dy, places, images, size, **attrs):
    out = np.zeros((size[0], dy.shape[1], *size[1:]), np.result_type(dy, places))
    if dy.size:
        for _, image, row, column, weight in _taps_ref(places, images, *size[1:], **attrs):
            image = np.broadcast_to(image, row.shape)
            np.add.at(out, (image, slice(None), row, column), np.moveaxis(dy, 1, -1) * weight[..., None])
    return out


def _check(name: str, places: Spec, images: Spec, border: str, taps: int) -> None:
    if not is_integer(images.dtype):
        raise DTypeError(f"{name}: images must be integers, got {images.dtype}")
    check(places.ndim == 4 and places.shape[3] == 2, "{}: places must be (P, rows, columns, 2), got shape {}", name, places.shape)
    check(images.shape == places.shape[:1], "{}: images must have shape {}, got {}", name, places.shape[:1], images.shape)
    check(border in BORDERS, "{}: border must be one of {}, got {!r}", name, ", ".join(BORDERS), border)
    check(taps in (1, 2), "{}: taps must be 1 or 2, got {}", name, taps)


def _casts(x: Spec, places: Spec, images: Spec):
    dtype = promote(x.dtype, places.dtype)
    dtype = dtype if is_float(dtype) else float32
    return casts([x, places, images], [dtype, dtype, images.dtype])


def _integers(attrs) -> list[int]:
    return [BORDERS.index(attrs["border"]), attrs["taps"], *attrs["orders"]]


def _draw(draw):
    """(shape of images, places, numbers of images, attributes)."""
    x = (draw.integer(1, 2), draw.integer(1, 2), draw.integer(1, 4), draw.integer(1, 4))
    out = (draw.integer(0, 2), draw.integer(1, 3), draw.integer(1, 3))
    dtype = draw.dtype if is_float(draw.dtype) else np.dtype("float32")
    taps = draw.choice([1, 2])
    random = draw.random()
    places = random.integers(-6, 8, (*out, 2)) + random.uniform(0.1, 0.4, (*out, 2)) + 0.5 * random.integers(0, 2, (*out, 2))
    attrs = {"border": draw.choice(BORDERS), "taps": taps, "orders": (draw.integer(0, 2), draw.integer(0, 1))}
    return x, places.astype(dtype), draw.indices(out[:1], x[0]), attrs


def _sample(draw):
    x, places, images, attrs = _draw(draw)
    return (draw.array(x), places, images), attrs


def _by_places(g, x, places, images, border, taps, orders):
    """The gradient of places, from that of the output."""
    if taps == 1:
        return broadcast_to(scalar(0.0, g), shape=places.shape)
    parts = []
    for more in ((0, 1), (1, 0)):  # columns come first
        slope = sample_images(x, places, images, border=border, taps=taps, orders=(orders[0] + more[0], orders[1] + more[1]))
        parts.append(reshape(total(mul(g, slope), axis=(1,)), shape=(*places.shape[:3], 1)))
    return concat(*parts, axis=3)


def _missing_image(Tensor, op):
    return op(Tensor(np.ones((1, 1, 2, 2))), Tensor(np.ones((1, 1, 1, 2))), Tensor([1]))


def _wrong_places(Tensor, op):
    return op(Tensor(np.ones((1, 1, 2, 2))), Tensor(np.ones((1, 1, 1, 3))), Tensor([0]))


def _infer(x: Spec, places: Spec, images: Spec, *, border, taps, orders):
    _check("sample_images", places, images, border, taps)
    check(x.ndim == 4 and min(x.shape[2:]) >= 1, "sample_images: input must be (N, C, H, W), got shape {}", x.shape)
    return _casts(x, places, images) or x.like((places.shape[0], x.shape[1], *places.shape[1:3]))


@gather(
    infer=_infer,
    see=lambda specs, attrs, out: (None, None, _integers(attrs)),
    ref=_ref,
    sample=_sample,
    inputs=("x", "places", "images"),
    attrs=ATTRS,
    vjp={
        "x": lambda g, x_spec, places, images, border, taps, orders: sample_images_transpose(
            g, places, images, size=(x_spec.shape[0], *x_spec.shape[2:]), border=border, taps=taps, orders=orders
        ),
        "places": _by_places,
    },
    errors=((ValueError, _wrong_places), (KernelIndexError, _missing_image)),
)
def sample_images(p, c, i, j, x, places, images, border, taps, row_order, column_order):
    """Images (N, C, H, W) read at places between their pixels: (P, C, rows, columns)."""
    image = checked(images[p], x.shape[0])
    column, row = _within(places[p, i, j, 0]), _within(places[p, i, j, 1])
    left, top = _first(column, taps), _first(row, taps)
    result = 0.0
    for k in range(taps):
        a = _pixel(top + k, x.shape[2], border)
        for m in range(taps):
            b = _pixel(left + m, x.shape[3], border)
            if a >= 0 and b >= 0:
                weight = _weight(k, row - top, taps, row_order) * _weight(m, column - left, taps, column_order)
                result += weight * x[image, c, a, b]
    return result


def _transpose_infer(dy: Spec, places: Spec, images: Spec, *, size, border, taps, orders):
    _check("sample_images_transpose", places, images, border, taps)
    wanted = (places.shape[0], *places.shape[1:3])
    fits = dy.ndim == 4 and (dy.shape[0], *dy.shape[2:]) == wanted
    check(fits, "sample_images_transpose: gradient must have an image for each of the places {}, got shape {}", places.shape, dy.shape)
    return _casts(dy, places, images) or dy.like((size[0], dy.shape[1], *size[1:]))


def _transpose_sample(draw):
    x, places, images, attrs = _draw(draw)
    return (draw.array((places.shape[0], x[1], *places.shape[1:3])), places, images), {"size": (x[0], *x[2:]), **attrs}


def _transpose_see(specs, attrs, out):
    taps = attrs["taps"]
    return None, (*specs[0].shape, taps, taps), [*attrs["size"], *_integers(attrs)]


@scatter(
    infer=_transpose_infer,
    see=_transpose_see,
    mode="add",
    ref=_transpose_ref,
    sample=_transpose_sample,
    inputs=("dy", "places", "images"),
    attrs={"size": (), **ATTRS},
    vjp={
        "dy": lambda g, places, images, border, taps, orders: sample_images(g, places, images, border=border, taps=taps, orders=orders),
        "places": lambda g, dy, places, images, border, taps, orders: _by_places(dy, g, places, images, border, taps, orders),
    },
)
def sample_images_transpose(p, c, i, j, k, m, dy, places, images, n, height, width, border, taps, row_order, column_order):
    """The gradient of `sample_images` for images of ``size`` (N, H, W): every value is shared out among the pixels it was read from."""
    image = checked(images[p], n)
    column, row = _within(places[p, i, j, 0]), _within(places[p, i, j, 1])
    left, top = _first(column, taps), _first(row, taps)
    a, b = _pixel(top + k, height, border), _pixel(left + m, width, border)
    weight = _weight(k, row - top, taps, row_order) * _weight(m, column - left, taps, column_order)
    inside = a >= 0 and b >= 0
    place = ((image * dy.shape[1] + c) * height + a) * width + b
    return place if inside else 0, weight * dy[p, c, i, j] if inside else 0.0
