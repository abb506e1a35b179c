"""Colours of images of uint8, (N, H, W, channels), in fixed-point arithmetic: the same bits everywhere.

YUV is luma, and blue and red less it, around 128. The first channel of "RGB" counts as blue there, as MegEngine has it.
"""

from __future__ import annotations

import numpy as np

from ..dtype import uint8
from ..errors import DTypeError, check
from ..forms import gather
from ..spec import Spec

LAYOUTS = ("NV12", "NV21", "YU12", "YV12")
_HALF = 1 << 13  # of a unit of 14 bits
_GRAY = np.array([4899, 9617, 1868])  # 0.299, 0.587 and 0.114


def _check_bytes(name: str, x: Spec) -> None:
    if x.dtype != uint8:
        raise DTypeError(f"{name}: takes uint8, got {x.dtype}")


def _check_image(name: str, x: Spec, least: int) -> None:
    _check_bytes(name, x)
    check(x.ndim == 4 and x.shape[3] >= least, "{}: image must be (N, H, W, {}), got shape {}", name, least, x.shape)


def _pixels(specs, attrs, out):
    """Images as one axis of pixels."""
    *sides, channels = out.shape
    return [(specs[0].size // max(specs[0].shape[3], 1), specs[0].shape[3])], (int(np.prod(sides)), channels), [*attrs.values()]


def _draw(draw, channels=3):
    shape = (draw.integer(0, 2), draw.integer(1, 4), draw.integer(1, 4), channels)
    return draw.array(shape, np.uint8, 0, 255)


def _bytes(values):
    return np.clip(values, 0, 255).astype(np.uint8)


def _whole(x):
    return np.asarray(x, np.int64)


def _gray(red, green, blue):
    return (red * 4899 + green * 9617 + blue * 1868 + _HALF) >> 14


def _byte(value):
    return min(max(value, 0), 255)


def _gray_infer(x: Spec, *, reverse: bool) -> Spec:
    _check_image("bytes_to_gray", x, 3)
    return x.like((*x.shape[:3], 1))


_FLOATS = ((DTypeError, lambda Tensor, op: op(Tensor(np.ones((1, 1, 1, 3))))),)


@gather(
    infer=_gray_infer,
    see=_pixels,
    ref=lambda x, reverse: ((_whole(x)[..., 2::-1] if reverse else _whole(x)[..., :3]) @ _GRAY[:, None] + _HALF >> 14).astype(np.uint8),
    sample=lambda draw: ((_draw(draw, draw.integer(3, 4)),), {"reverse": draw.boolean()}),
    inputs=("x",),
    attrs={"reverse": False},
    errors=_FLOATS,
)
def bytes_to_gray(p, c, x, reverse):
    """The luma of red, green and blue, or with ``reverse`` of blue, green and red."""
    return _gray(np.int64(x[p, 2 * reverse]), np.int64(x[p, 1]), np.int64(x[p, 2 - 2 * reverse]))


def _three_infer(x: Spec) -> Spec:
    _check_image("YUV of bytes", x, 3)
    check(x.shape[3] == 3, "YUV of bytes: image must have 3 channels, got shape {}", x.shape)
    return x.like()


def _to_yuv_ref(x):
    blue, green, red = np.moveaxis(_whole(x), -1, 0)
    y = (1868 * blue + 9617 * green + 4899 * red + _HALF) >> 14
    parts = [y, ((blue - y) * 8061 + (128 << 14) + _HALF) >> 14, ((red - y) * 14369 + (128 << 14) + _HALF) >> 14]
    return _bytes(np.stack(parts, -1))


@gather(infer=_three_infer, see=_pixels, ref=_to_yuv_ref, sample=lambda draw: ((_draw(draw),), {}), inputs=("x",), errors=_FLOATS)
def bytes_to_yuv(p, c, x):
    """Luma, ``0.492 (blue - luma) + 128`` and ``0.877 (red - luma) + 128``."""
    blue, red = np.int64(x[p, 0]), np.int64(x[p, 2])
    y = _gray(red, np.int64(x[p, 1]), blue)
    if c == 0:
        return y
    value = (blue - y) * 8061 if c == 1 else (red - y) * 14369
    return _byte((value + (128 << 14) + _HALF) >> 14)


def _from_yuv_ref(x):
    y, u, v = np.moveaxis(_whole(x), -1, 0)
    u, v = u - 128, v - 128
    parts = [y + (33292 * u + _HALF >> 14), y + (-6472 * u - 9519 * v + _HALF >> 14), y + (18678 * v + _HALF >> 14)]
    return _bytes(np.stack(parts, -1))


@gather(infer=_three_infer, see=_pixels, ref=_from_yuv_ref, sample=lambda draw: ((_draw(draw),), {}), inputs=("x",), errors=_FLOATS)
def bytes_from_yuv(p, c, x):
    """Blue, green and red from `bytes_to_yuv`'s channels."""
    u, v = np.int64(x[p, 1]) - 128, np.int64(x[p, 2]) - 128
    more = 33292 * u if c == 0 else (-6472 * u - 9519 * v if c == 1 else 18678 * v)
    return _byte(np.int64(x[p, 0]) + ((more + _HALF) >> 14))


def _planar_infer(x: Spec, *, layout: str, reverse: bool, studio: bool) -> Spec:
    name = "planar_yuv_to_rgb"
    _check_bytes(name, x)
    check(layout in LAYOUTS, "{}: layout must be one of {}, got {!r}", name, ", ".join(LAYOUTS), layout)
    rows = 3 if layout.startswith("NV") else 6
    fits = x.ndim == 4 and x.shape[3] == 1 and x.shape[1] % rows == 0 and x.shape[2] % 2 == 0
    check(fits, "{}: {} must be (N, a multiple of {}, a multiple of 2, 1), got shape {}", name, layout, rows, x.shape)
    return x.like((x.shape[0], x.shape[1] // 3 * 2, x.shape[2], 3))


def _planar_see(specs, attrs, out):
    return [specs[0].shape[:3]], None, [LAYOUTS.index(attrs["layout"]), attrs["reverse"], attrs["studio"]]


def _planar_sample(draw):
    layout = draw.choice(LAYOUTS)
    rows = 3 if layout.startswith("NV") else 6
    shape = (draw.integer(0, 2), rows * draw.integer(1, 2), 2 * draw.integer(1, 3), 1)
    return (draw.array(shape, np.uint8, 0, 255),), {"layout": layout, "reverse": draw.boolean(), "studio": draw.boolean()}


def _planar_ref(x, layout, reverse, studio):
    n, rows, columns, _ = x.shape
    height = rows // 3 * 2
    y, rest = _whole(x)[:, :height, :, 0], _whole(x)[:, height:].reshape(n, height * columns // 2)
    quarter = height * columns // 4
    u, v = (rest[:, ::2], rest[:, 1::2]) if layout.startswith("NV") else (rest[:, :quarter], rest[:, quarter:])
    if layout in ("NV21", "YV12"):
        u, v = v, u
    u, v = (each.reshape(n, height // 2, columns // 2).repeat(2, 1).repeat(2, 2) - 128 for each in (u, v))
    if studio:
        luma = (y * 257 * 18997 >> 16) - 1160
        parts = [luma + 102 * v >> 6, luma - 25 * u - 52 * v >> 6, luma + 128 * u >> 6]
    else:
        parts = [y + (359 * v >> 8), y - (88 * u + 183 * v >> 8), y + (454 * u >> 8)]
    return _bytes(np.stack(parts[::-1] if reverse else parts, -1))


@gather(
    infer=_planar_infer,
    see=_planar_see,
    ref=_planar_ref,
    sample=_planar_sample,
    inputs=("x",),
    attrs={"layout": "NV12", "reverse": False, "studio": False},
    errors=(
        (DTypeError, lambda Tensor, op: op(Tensor(np.ones((1, 3, 2, 1))))),
        (ValueError, lambda Tensor, op: op(Tensor(np.ones((1, 3, 2, 1), np.uint8)), layout="YV12")),
    ),
)
def planar_yuv_to_rgb(n, i, j, c, x, layout, reverse, studio):
    """RGB, or with ``reverse`` BGR, of YUV 4:2:0: a plane of luma, below it the other two, each with a value for four pixels.

    layout: "NV12" has the two interleaved, U first, "NV21" V first; "YU12" has one behind the other, U first, "YV12" V first.
    studio: luma is from 16 to 235 (BT.601), in steps of 1/64; otherwise from 0 to 255 (JPEG), in steps of 1/256.
    """
    height, columns = x.shape[1] // 3 * 2, x.shape[2]
    if layout < 2:  # interleaved
        u_at = (i // 2) * columns + j // 2 * 2 + layout
        v_at = u_at + 1 - 2 * layout
    else:
        quarter = height * columns // 4
        u_at = (i // 2) * (columns // 2) + j // 2 + quarter * (layout - 2)
        v_at = u_at + quarter - 2 * quarter * (layout - 2)
    y = np.int64(x[n, i, j])
    u = np.int64(x[n, height + u_at // columns, u_at % columns]) - 128
    v = np.int64(x[n, height + v_at // columns, v_at % columns]) - 128
    channel = 2 - c if reverse else c
    if studio:
        luma = (y * 257 * 18997 >> 16) - 1160
        return _byte((luma + 102 * v if channel == 0 else (luma - 25 * u - 52 * v if channel == 1 else luma + 128 * u)) >> 6)
    if channel == 1:
        return _byte(y - ((88 * u + 183 * v) >> 8))
    return _byte(y + ((359 * v if channel == 0 else 454 * u) >> 8))
