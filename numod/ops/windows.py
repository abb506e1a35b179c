"""The windows of an image side by side, and their transpose, which adds them up again.

They turn a convolution with weights that differ from place to place into products of matrices. ``kernel``, ``stride``, ``padding`` and
``dilation`` have an entry for both image axes.
"""

from __future__ import annotations

import numpy as np

from ..dtype import boolean
from ..errors import DTypeError, check
from ..forms import gather
from ..spec import Spec

ATTRS = {"kernel": (), "padding": (), "stride": (), "dilation": ()}


def out_sides(name: str, size, kernel, padding, stride, dilation) -> tuple[int, ...]:
    """How many windows there are along the image axes; raises if there is none."""
    check(
        min(*kernel, *stride, *dilation) >= 1 and min(padding) >= 0,
        "{}: got kernel {}, padding {}, stride {}, dilation {}",
        name,
        kernel,
        padding,
        stride,
        dilation,
    )
    out = tuple((n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, p, s, d in zip(size, kernel, padding, stride, dilation, strict=True))
    check(
        min(out) >= 1,
        "{}: kernel {} with dilation {} does not fit an image of {} with padding {}",
        name,
        kernel,
        dilation,
        tuple(size),
        padding,
    )
    return out


def _planes(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (shape[0] * shape[1], *shape[2:])


def _see(specs, attrs, out):
    """Images as one axis of planes."""
    return [_planes(specs[0].shape)], _planes(out.shape), [*attrs["padding"], *attrs["stride"], *attrs["dilation"]]


def _draw(draw):
    """(x shape, windows' shape, attributes)."""
    kernel, stride, dilation = (tuple(draw.integer(1, 3) for _ in range(2)) for _ in range(3))
    padding = tuple(draw.integer(0, 2) for _ in range(2))
    size = tuple(max(1, d * (k - 1) + 1 - 2 * p) + draw.integer(0, 4) for k, p, d in zip(kernel, padding, dilation, strict=True))
    planes = (draw.integer(0, 2), draw.integer(1, 3))
    attrs = {"kernel": kernel, "padding": padding, "stride": stride, "dilation": dilation}
    return (*planes, *size), (*planes, *out_sides("sliding_window", size, **attrs), *kernel), attrs


def _taps(size, kernel, padding, stride, dilation):
    """For each tap of a window: its place in the kernel, and the slices of the padded image that all windows have there."""
    out = out_sides("sliding_window", size, kernel, padding, stride, dilation)
    for tap in np.ndindex(*kernel):
        yield tap, tuple(slice(t * d, t * d + (n - 1) * s + 1, s) for t, d, n, s in zip(tap, dilation, out, stride, strict=True))


def _ref(x, **attrs):
    padded = np.pad(x, [(0, 0), (0, 0), *((p, p) for p in attrs["padding"])])
    out = np.zeros((*x.shape[:2], *out_sides("sliding_window", x.shape[2:], **attrs), *attrs["kernel"]), x.dtype)
    for (a, b), (rows, columns) in _taps(x.shape[2:], **attrs):
        out[..., a, b] = padded[:, :, rows, columns]
    return out


def _transpose_ref(windows, size, **attrs):
    sides = tuple(n + 2 * p for n, p in zip(size, attrs["padding"], strict=True))
    padded = np.zeros((*windows.shape[:2], *sides), windows.dtype)
    for (a, b), (rows, columns) in _taps(size, **attrs):
        padded[:, :, rows, columns] += windows[..., a, b]
    return padded[(..., *(slice(p, p + n) for p, n in zip(attrs["padding"], size, strict=True)))]


def _infer(x: Spec, **attrs):
    check(x.ndim == 4, "sliding_window: input must be (N, C, H, W), got shape {}", x.shape)
    return x.like((*x.shape[:2], *out_sides("sliding_window", x.shape[2:], **attrs), *attrs["kernel"]))


def _sample(draw):
    x, _, attrs = _draw(draw)
    return (draw.array(x),), attrs


def _refused(Tensor, op):
    return op(Tensor(np.ones((1, 1, 3, 3))), kernel=(4, 4), padding=(0, 0), stride=(1, 1), dilation=(1, 1))


@gather(
    infer=_infer,
    see=_see,
    ref=_ref,
    sample=_sample,
    inputs=("x",),
    attrs=ATTRS,
    vjp={
        "x": lambda g, x_spec, kernel, padding, stride, dilation: sliding_window_transpose(
            g, size=x_spec.shape[2:], kernel=kernel, padding=padding, stride=stride, dilation=dilation
        )
    },
    errors=((ValueError, _refused),),
)
def sliding_window(p, i, j, a, b, x, pi, pj, si, sj, di, dj):
    """The windows of images, with zeros around them: (N, C, H, W) -> (N, C, rows, columns, *kernel)."""
    row, column = i * si + a * di - pi, j * sj + b * dj - pj
    return x[p, row, column] if 0 <= row < x.shape[1] and 0 <= column < x.shape[2] else 0.0


def _transpose_infer(windows: Spec, *, size, **attrs):
    name = "sliding_window_transpose"
    if windows.dtype == boolean:
        raise DTypeError(f"{name}: takes numbers, got bool")
    check(windows.ndim == 6, "{}: windows must be (N, C, rows, columns, *kernel), got shape {}", name, windows.shape)
    wanted = (*out_sides(name, size, **attrs), *attrs["kernel"])
    check(windows.shape[2:] == wanted, "{}: an image of {} has windows of shape {}, got {}", name, size, wanted, windows.shape[2:])
    return windows.like((*windows.shape[:2], *size))


def _transpose_sample(draw):
    x, windows, attrs = _draw(draw)
    return (draw.array(windows),), {"size": x[2:], **attrs}


@gather(
    infer=_transpose_infer,
    see=_see,
    ref=_transpose_ref,
    sample=_transpose_sample,
    inputs=("windows",),
    attrs={"size": (), **ATTRS},
    vjp={
        "windows": lambda g, kernel, padding, stride, dilation: sliding_window(
            g, kernel=kernel, padding=padding, stride=stride, dilation=dilation
        )
    },
    errors=((DTypeError, lambda Tensor, op: op(Tensor(True))),),
)
def sliding_window_transpose(p, row, column, windows, pi, pj, si, sj, di, dj):
    """The sum, for each place of an image of ``size``, of what its windows hold there: the transpose of `sliding_window`."""
    total = 0.0
    for a in range(windows.shape[3]):
        i = row + pi - a * di
        if 0 <= i < windows.shape[1] * si and i % si == 0:
            for b in range(windows.shape[4]):
                j = column + pj - b * dj
                if 0 <= j < windows.shape[2] * sj and j % sj == 0:
                    total += windows[p, i // si, j // sj, a, b]
    return total
