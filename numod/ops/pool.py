"""Pooling of images (N, C, H, W) and its gradients. ``kernel``, ``stride`` and ``padding`` have an entry for both image axes.

Padding takes no part in a maximum. The gradient of a maximum goes to the first largest value of its window (as cuDNN does), so the ops that
follow maxima are linear in one operand, and each is the other's gradient rule.
"""

from __future__ import annotations

import numpy as np

from ..dtype import float32, is_float
from ..errors import check
from ..forms import casts, gather
from ..kernel import pool as pool_kernel
from ..spec import Spec

ATTRS = {"kernel": (), "stride": (), "padding": ()}


def out_sides(name: str, size, kernel, stride, padding) -> tuple[int, ...]:
    """The extents of the result along the image axes; raises if a window would see nothing."""
    check(
        min(kernel) >= 1 and min(stride) >= 1 and min(padding) >= 0,
        "{}: got kernel {}, stride {}, padding {}",
        name,
        kernel,
        stride,
        padding,
    )
    check(all(p < k for p, k in zip(padding, kernel, strict=True)), "{}: padding {} must be smaller than kernel {}", name, padding, kernel)
    out = tuple((n + 2 * p - k) // s + 1 for n, k, s, p in zip(size, kernel, stride, padding, strict=True))
    check(min(size) >= 1 and min(out) >= 1, "{}: kernel {} does not fit an image of {} with padding {}", name, kernel, tuple(size), padding)
    return out


def _pooled(name: str, x: Spec, kernel, stride, padding) -> Spec:
    check(x.ndim == 4, "{}: input must be (N, C, H, W), got shape {}", name, x.shape)
    return x.like((*x.shape[:2], *out_sides(name, x.shape[2:], kernel, stride, padding)))


def _see(specs, attrs, out):
    """Images as one axis of planes."""
    planes = [(spec.shape[0] * spec.shape[1], *spec.shape[2:]) for spec in (*specs, out)]
    return planes[:-1], planes[-1], [*attrs["kernel"], *attrs["stride"], *attrs["padding"]]


def _draw(draw):
    """(x shape, result shape, attributes)."""
    kernel, stride = (tuple(draw.integer(1, 3) for _ in range(2)) for _ in range(2))
    padding = tuple(draw.integer(0, k - 1) for k in kernel)
    size = tuple(max(1, k - 2 * p) + draw.integer(0, 5) for k, p in zip(kernel, padding, strict=True))
    planes = (draw.integer(0, 2), draw.integer(1, 3))
    attrs = {"kernel": kernel, "stride": stride, "padding": padding}
    return (*planes, *size), (*planes, *out_sides("pool", size, **attrs)), attrs


def _windows(x, kernel, stride, padding, fill):
    """x (N, C, H, W) -> (N, C, out H, out W, kernel H * kernel W)."""
    padded = np.pad(x, [(0, 0), (0, 0), *((p, p) for p in padding)], constant_values=fill)
    views = np.lib.stride_tricks.sliding_window_view(padded, kernel, (2, 3))[:, :, :: stride[0], :: stride[1]]
    return views.reshape(*views.shape[:4], kernel[0] * kernel[1])


def _places(shape, kernel, stride, padding):
    """For each element of each window its flat place in a plane of the input; -1 in padding."""
    plane = np.arange(shape[2] * shape[3]).reshape(1, 1, *shape[2:])
    return _windows(plane, kernel, stride, padding, -1)[0, 0]


def _flat(x):
    """(N, C, H, W) -> (N, C, H * W)."""
    return x.reshape(*x.shape[:2], x.shape[2] * x.shape[3])


def _top(x, kernel, stride, padding):
    """The flat place in its plane of each window's first largest value."""
    places = _places(x.shape, kernel, stride, padding)
    values = _flat(x.real)[..., places]
    values = np.where(places < 0, -np.inf, values)
    values = np.where((places >= 0) & (values == -np.inf), np.finfo(np.float64).min, values)
    return np.take_along_axis(np.broadcast_to(places, values.shape), values.argmax(-1)[..., None], -1)[..., 0]


def _pick_ref(v, x, **attrs):
    top = _top(x, **attrs)
    return np.take_along_axis(_flat(v), _flat(top), -1).reshape(top.shape)


def _max_gradient_ref(dy, x, **attrs):
    top, result = _top(x, **attrs), np.zeros(x.shape, dy.dtype)
    for n, c in np.ndindex(*x.shape[:2]):
        np.add.at(result[n, c].reshape(-1), top[n, c], dy[n, c])
    return result


def _max_infer(x: Spec, *, kernel, stride, padding):
    return _pooled("max_pool2d", x, kernel, stride, padding)


def _max_sample(draw):
    x, _, attrs = _draw(draw)
    return (draw.array(x),), attrs


def _refused(Tensor, op):
    return op(Tensor(np.ones((1, 1, 3, 3))), kernel=(4, 4), stride=(1, 1), padding=(0, 0))


def _first_largest(p, i, j, x, kh, kw, sh, sw, ph, pw):
    """Where the window (i, j) of plane p has its first largest value."""
    top_a, top_b = -1, -1
    for a in range(max(i * sh - ph, 0), min(i * sh - ph + kh, x.shape[1])):
        for b in range(max(j * sw - pw, 0), min(j * sw - pw + kw, x.shape[2])):
            if top_a < 0:
                top_a, top_b = a, b
            value, top = x[p, a, b], x[p, top_a, top_b]
            if value > top or (value != value and top == top):
                top_a, top_b = a, b
    return top_a, top_b


@gather(
    infer=_max_infer,
    see=_see,
    ref=lambda x, **attrs: _pick_ref(x, x, **attrs),
    sample=_max_sample,
    inputs=("x",),
    attrs=ATTRS,
    vjp={"x": lambda g, x, kernel, stride, padding: max_pool2d_gradient(g, x, kernel=kernel, stride=stride, padding=padding)},
    errors=((ValueError, _refused),),
)
def max_pool2d(p, i, j, x, kh, kw, sh, sw, ph, pw):
    """The largest value of each window; NaN if it has one."""
    a, b = _first_largest(p, i, j, x, kh, kw, sh, sw, ph, pw)
    return x[p, a, b]


def _pick_infer(v: Spec, x: Spec, *, kernel, stride, padding):
    check(v.shape == x.shape, "max_pool2d_pick: operands must have one shape, got {} and {}", v.shape, x.shape)
    return v.like(_pooled("max_pool2d_pick", x, kernel, stride, padding).shape)


def _pick_sample(draw):
    x, _, attrs = _draw(draw)
    return (draw.array(x), draw.array(x)), attrs


@gather(
    infer=_pick_infer,
    see=_see,
    ref=_pick_ref,
    sample=_pick_sample,
    inputs=("v", "x"),
    attrs=ATTRS,
    vjp={"v": lambda g, x, kernel, stride, padding: max_pool2d_gradient(g, x, kernel=kernel, stride=stride, padding=padding)},
)
def max_pool2d_pick(p, i, j, v, x, kh, kw, sh, sw, ph, pw):
    """The value of ``v`` where ``x`` has the largest value of each window."""
    a, b = _first_largest(p, i, j, x, kh, kw, sh, sw, ph, pw)
    return v[p, a, b]


def _max_gradient_infer(dy: Spec, x: Spec, *, kernel, stride, padding):
    out = _pooled("max_pool2d_gradient", x, kernel, stride, padding).shape
    check(dy.shape == out, "max_pool2d_gradient: the result's gradient must have shape {}, got {}", out, dy.shape)
    return dy.like(x.shape)


def _max_gradient_sample(draw):
    x, out, attrs = _draw(draw)
    return (draw.array(out), draw.array(x)), attrs


@gather(
    infer=_max_gradient_infer,
    see=_see,
    ref=_max_gradient_ref,
    sample=_max_gradient_sample,
    inputs=("dy", "x"),
    attrs=ATTRS,
    vjp={"dy": lambda g, x, kernel, stride, padding: max_pool2d_pick(g, x, kernel=kernel, stride=stride, padding=padding)},
)
def max_pool2d_gradient(p, a, b, dy, x, kh, kw, sh, sw, ph, pw):
    """The gradient of `max_pool2d`: each of ``dy`` goes to the first largest value of its window of ``x``."""
    total = 0.0
    for i in range(max((a + ph - kh + sh) // sh, 0), min((a + ph) // sh + 1, dy.shape[1])):
        for j in range(max((b + pw - kw + sw) // sw, 0), min((b + pw) // sw + 1, dy.shape[2])):
            top_a, top_b = _first_largest(p, i, j, x, kh, kw, sh, sw, ph, pw)
            if a == top_a and b == top_b:
                total += dy[p, i, j]
    return total


def _counts(shape, kernel, stride, padding, count_padding: bool):
    """How many values each window's mean is over."""
    return kernel[0] * kernel[1] if count_padding else (_places(shape, kernel, stride, padding) >= 0).sum(-1)


def _average_ref(x, kernel, stride, padding, count_padding):
    return _windows(x, kernel, stride, padding, 0).sum(-1) / _counts(x.shape, kernel, stride, padding, count_padding)


def _average_gradient_ref(dy, size, kernel, stride, padding, count_padding):
    result = np.zeros((*dy.shape[:2], size[0] * size[1] + 1), dy.dtype)
    places = _places((1, 1, *size), kernel, stride, padding)  # padding is place -1, the spare one
    share = dy / _counts((1, 1, *size), kernel, stride, padding, count_padding)
    for n, c in np.ndindex(*dy.shape[:2]):
        np.add.at(result[n, c], places, share[n, c][..., None])
    return result[..., :-1].reshape(*dy.shape[:2], *size)


def _average_see(specs, attrs, out):
    shapes, space, integers = _see(specs, attrs, out)
    return shapes, space, [*integers, attrs["count_padding"], *attrs.get("size", ())]


def _as_float(x: Spec):
    return casts([x], [x.dtype if is_float(x.dtype) else float32])


def _average_infer(x: Spec, *, kernel, stride, padding, count_padding):
    return _as_float(x) or _pooled("avg_pool2d", x, kernel, stride, padding)


def _average_sample(draw):
    x, _, attrs = _draw(draw)
    return (draw.array(x),), {**attrs, "count_padding": draw.boolean()}


@gather(
    infer=_average_infer,
    see=_average_see,
    ref=_average_ref,
    sample=_average_sample,
    inputs=("x",),
    attrs={**ATTRS, "count_padding": False},
    vjp={
        "x": lambda g, x_spec, kernel, stride, padding, count_padding: avg_pool2d_gradient(
            g, size=x_spec.shape[2:], kernel=kernel, stride=stride, padding=padding, count_padding=count_padding
        )
    },
    errors=((ValueError, _refused),),
)
def avg_pool2d(p, i, j, x, kh, kw, sh, sw, ph, pw, count_padding):
    """The mean of each window, of the values that are in the image or, with ``count_padding``, with the padding's zeros."""
    first_a, last_a = max(i * sh - ph, 0), min(i * sh - ph + kh, x.shape[1])
    first_b, last_b = max(j * sw - pw, 0), min(j * sw - pw + kw, x.shape[2])
    total = 0.0
    for a in range(first_a, last_a):
        for b in range(first_b, last_b):
            total += x[p, a, b]
    return total / (kh * kw if count_padding else (last_a - first_a) * (last_b - first_b))


def _average_gradient_infer(dy: Spec, *, size, kernel, stride, padding, count_padding):
    check(dy.ndim == 4, "avg_pool2d_gradient: the result's gradient must be (N, C, H, W), got shape {}", dy.shape)
    out = out_sides("avg_pool2d_gradient", size, kernel, stride, padding)
    check(dy.shape[2:] == out, "avg_pool2d_gradient: the result's gradient must have sides {}, got {}", out, dy.shape[2:])
    return _as_float(dy) or dy.like((*dy.shape[:2], *size))


def _average_gradient_sample(draw):
    x, out, attrs = _draw(draw)
    return (draw.array(out),), {"size": x[2:], **attrs, "count_padding": draw.boolean()}


@gather(
    infer=_average_gradient_infer,
    see=_average_see,
    ref=_average_gradient_ref,
    sample=_average_gradient_sample,
    inputs=("dy",),
    attrs={"size": (), **ATTRS, "count_padding": False},
    vjp={
        "dy": lambda g, kernel, stride, padding, count_padding: avg_pool2d(
            g, kernel=kernel, stride=stride, padding=padding, count_padding=count_padding
        )
    },
)
def avg_pool2d_gradient(p, a, b, dy, kh, kw, sh, sw, ph, pw, count_padding, height, width):
    """The gradient of `avg_pool2d` for images of ``size``."""
    total = 0.0
    for i in range(max((a + ph - kh + sh) // sh, 0), min((a + ph) // sh + 1, dy.shape[1])):
        for j in range(max((b + pw - kw + sw) // sw, 0), min((b + pw) // sw + 1, dy.shape[2])):
            rows = min(i * sh - ph + kh, height) - max(i * sh - ph, 0)
            columns = min(j * sw - pw + kw, width) - max(j * sw - pw, 0)
            total += dy[p, i, j] / (kh * kw if count_padding else rows * columns)
    return total


for _op, _kernel in (
    (max_pool2d, "maximum"),
    (max_pool2d_gradient, "maximum_gradient"),
    (avg_pool2d, "average"),
    (avg_pool2d_gradient, "average_gradient"),
):
    _op.fast("cpu")(lambda specs, attrs, outputs, kernel=_kernel: pool_kernel.program(kernel, specs, outputs[0], attrs))
