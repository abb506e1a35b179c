"""Convolution over one, two or three spatial axes, and its two gradients.

A convolution is bilinear in input and weight, so the three ops are each other's gradient rules, to any order. Shapes: x (N, C, *size),
weight (O, C / groups, *kernel), result and its gradient (N, O, *out). ``stride``, ``padding`` and ``dilation`` have an entry for each spatial axis.
"""

from __future__ import annotations

import numpy as np

from ..dtype import float32, is_float, promote
from ..errors import check
from ..forms import casts, gather
from ..kernel import conv as conv_kernel, conv_data, conv_weight
from ..spec import Spec
from .reduce import sum

ATTRS = {"stride": (), "padding": (), "dilation": (), "groups": 1}


def out_sides(size, kernel, stride, padding, dilation) -> tuple[int, ...]:
    """The extents of the result along the spatial axes."""
    return tuple((n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in zip(size, kernel, stride, padding, dilation, strict=True))


def _check_shapes(x_shape, w_shape, stride, padding, dilation, groups) -> tuple[int, ...]:
    """The shape of the result; raises if the shapes do not fit."""
    axes = len(stride)
    name = f"conv{axes}d"
    sides = ("L", "H, W", "D, H, W")[axes - 1]
    check(len(x_shape) == axes + 2, "{}: input must have axes (N, C, {}), got shape {}", name, sides, x_shape)
    check(len(w_shape) == axes + 2, "{}: weight must have {} axes, got shape {}", name, axes + 2, w_shape)
    check(
        min(stride) >= 1 and min(dilation) >= 1 and min(padding) >= 0,
        "{}: got stride {}, dilation {}, padding {}",
        name,
        stride,
        dilation,
        padding,
    )
    check(min(x_shape) >= 0, "{}: the shape {} of the input is negative", name, x_shape)
    check(x_shape[1] == w_shape[1] * groups, "{}: input has {} channels, weight takes {}", name, x_shape[1], w_shape[1] * groups)
    check(w_shape[0] % groups == 0, "{}: {} output channels do not make {} groups", name, w_shape[0], groups)
    out = out_sides(x_shape[2:], w_shape[2:], stride, padding, dilation)
    check(
        min(out) >= 1,
        "{}: kernel {} with dilation {} does not fit input {} with padding {}",
        name,
        w_shape[2:],
        dilation,
        x_shape[2:],
        padding,
    )
    return (x_shape[0], w_shape[0], *out)


def _float_casts(*specs: Spec):
    dtype = promote(*(spec.dtype for spec in specs))
    return casts(specs, [dtype if is_float(dtype) else float32] * len(specs))


def _geometry(attrs) -> list[int]:
    """stride, padding and dilation of three axes; missing ones come first and have one place."""
    missing = 3 - len(attrs["stride"])
    return [v for name, fill in (("stride", 1), ("padding", 0), ("dilation", 1)) for v in (fill,) * missing + attrs[name]] + [
        attrs["groups"]
    ]


def _volume(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (*shape[:2], *(1,) * (5 - len(shape)), *shape[2:])


def _see(specs, attrs, out):
    return [_volume(spec.shape) for spec in specs], _volume(out.shape), _geometry(attrs)


def _draw(draw):
    """(x shape, weight shape, attributes) of a convolution."""
    axes, groups, most = draw.integer(1, 3), draw.integer(1, 2), draw.integer(1, 4)
    kernel, stride, dilation = (tuple(draw.integer(1, high) for _ in range(axes)) for high in (3, 3, 2))
    padding = tuple(draw.integer(0, 2) for _ in range(axes))
    size = tuple(max(1, d * (k - 1) + 1 - 2 * p) + draw.integer(0, most) for k, p, d in zip(kernel, padding, dilation, strict=True))
    channels, outputs = draw.integer(1, 3), groups * draw.integer(1, 3)
    attrs = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    return (draw.integer(0, 3), groups * channels, *size), (outputs, channels, *kernel), attrs


def _windows(x, kernel, stride, padding, dilation):
    """x (N, C, *size) -> (N, C, *out, *kernel)."""
    padded = np.pad(x, [(0, 0), (0, 0), *((p, p) for p in padding)])
    reach = tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True))
    views = np.lib.stride_tricks.sliding_window_view(padded, reach, tuple(range(2, x.ndim)))
    return views[(slice(None), slice(None), *(slice(None, None, s) for s in stride), *(slice(None, None, d) for d in dilation))]


def _grouped(x, axis: int, groups: int):
    return np.split(x, groups, axis)


def _conv_ref(x, weight, stride, padding, dilation, groups):
    parts = []
    for a, w in zip(_grouped(x, 1, groups), _grouped(weight, 0, groups), strict=True):
        views, axes = _windows(a, w.shape[2:], stride, padding, dilation), range(-len(stride), 0)
        parts.append(np.moveaxis(np.tensordot(views, w, ((1, *axes), (1, *axes))), -1, 1))
    return np.concatenate(parts, 1)


def _data_ref(g, weight, shape, stride, padding, dilation, groups):
    sides = tuple(n + 2 * p for n, p in zip(shape[2:], padding, strict=True))
    padded = np.zeros((*shape[:2], *sides), np.result_type(g, weight))
    per_group = shape[1] // groups
    for group, (part, w) in enumerate(zip(_grouped(g, 1, groups), _grouped(weight, 0, groups), strict=True)):
        for tap in np.ndindex(*w.shape[2:]):
            places = [slice(t * d, t * d + (n - 1) * s + 1, s) for t, d, n, s in zip(tap, dilation, g.shape[2:], stride, strict=True)]
            value = np.moveaxis(np.tensordot(part, w[(slice(None), slice(None), *tap)], (1, 0)), -1, 1)
            padded[(slice(None), slice(group * per_group, (group + 1) * per_group), *places)] += value
    return padded[(slice(None), slice(None), *(slice(p, p + n) for p, n in zip(padding, shape[2:], strict=True)))]


def _weight_ref(g, x, shape, stride, padding, dilation, groups):
    parts = []
    for part, a in zip(_grouped(g, 1, groups), _grouped(x, 1, groups), strict=True):
        views, axes = _windows(a, shape[2:], stride, padding, dilation), tuple(range(2, g.ndim))
        parts.append(np.tensordot(part, views, ((0, *axes), (0, *axes))))
    return np.concatenate(parts, 0)


def _conv_infer(x: Spec, weight: Spec, **attrs):
    return _float_casts(x, weight) or x.like(_check_shapes(x.shape, weight.shape, **attrs))


def _conv_sample(draw):
    x, weight, attrs = _draw(draw)
    return (draw.array(x), draw.array(weight)), attrs


def _refused(Tensor, op):
    return op(Tensor(np.ones((1, 3, 4, 4))), Tensor(np.ones((2, 4, 1, 1))), stride=(1, 1), padding=(0, 0), dilation=(1, 1))


_CONV_RULES = {
    "x": lambda g, weight, x_spec, stride, padding, dilation, groups: conv_data_gradient(
        g, weight, shape=x_spec.shape, stride=stride, padding=padding, dilation=dilation, groups=groups
    ),
    "weight": lambda g, x, weight_spec, stride, padding, dilation, groups: conv_weight_gradient(
        g, x, shape=weight_spec.shape, stride=stride, padding=padding, dilation=dilation, groups=groups
    ),
}


@gather(
    infer=_conv_infer,
    see=_see,
    ref=_conv_ref,
    sample=_conv_sample,
    inputs=("x", "weight"),
    attrs=ATTRS,
    vjp=_CONV_RULES,
    errors=((ValueError, _refused),),
)
def conv(n, o, d, i, j, x, weight, sd, si, sj, pd, pi, pj, dd, di, dj, groups):
    """Cross-correlation of ``x`` with ``weight``, with zeros around ``x``."""
    channels = weight.shape[1]
    first = o // (weight.shape[0] // groups) * channels
    total = 0.0
    for c in range(channels):
        for td in range(weight.shape[2]):
            for ti in range(weight.shape[3]):
                for tj in range(weight.shape[4]):
                    a, b, e = d * sd + td * dd - pd, i * si + ti * di - pi, j * sj + tj * dj - pj
                    if 0 <= a < x.shape[2] and 0 <= b < x.shape[3] and 0 <= e < x.shape[4]:
                        total += x[n, first + c, a, b, e] * weight[o, c, td, ti, tj]
    return total


def _bias_infer(x: Spec, weight: Spec, bias: Spec, **attrs):
    plan = _float_casts(x, weight, bias)
    if plan is not None:
        return plan
    out = _check_shapes(x.shape, weight.shape, **attrs)
    wanted = (1, out[1], *(1,) * len(out[2:]))
    check(bias.shape == wanted, "conv{}d: bias must have shape {}, got {}", len(out) - 2, wanted, bias.shape)
    return x.like(out)


def _bias_sample(draw):
    x, weight, attrs = _draw(draw)
    return (draw.array(x), draw.array(weight), draw.array((1, weight[0], *(1,) * (len(x) - 2)))), attrs


_place = conv.code


@gather(
    infer=_bias_infer,
    see=_see,
    ref=lambda x, weight, bias, **attrs: _conv_ref(x, weight, **attrs) + bias,
    sample=_bias_sample,
    inputs=("x", "weight", "bias"),
    attrs=ATTRS,
    vjp={**_CONV_RULES, "bias": lambda g: sum(g, axis=(0, *range(2, g.ndim)), keepdims=True)},
)
def conv_bias(n, o, d, i, j, x, weight, bias, sd, si, sj, pd, pi, pj, dd, di, dj, groups):
    """`conv` plus a bias of shape (1, O, 1, ...)."""
    return bias[0, o, 0, 0, 0] + _place(n, o, d, i, j, x, weight, sd, si, sj, pd, pi, pj, dd, di, dj, groups)


def _data_infer(dy: Spec, weight: Spec, *, shape: tuple[int, ...], **attrs):
    plan = _float_casts(dy, weight)
    if plan is None:
        out = _check_shapes(shape, weight.shape, **attrs)
        check(dy.shape == out, "conv_data_gradient: the result's gradient must have shape {}, got {}", out, dy.shape)
    return plan or dy.like(shape)


def _data_sample(draw):
    x, weight, attrs = _draw(draw)
    out = out_sides(x[2:], weight[2:], attrs["stride"], attrs["padding"], attrs["dilation"])
    return (draw.array((x[0], weight[0], *out)), draw.array(weight)), {"shape": x, **attrs}


@gather(
    infer=_data_infer,
    see=_see,
    ref=_data_ref,
    sample=_data_sample,
    inputs=("dy", "weight"),
    attrs={"shape": (), **ATTRS},
    vjp={
        "dy": lambda g, weight, stride, padding, dilation, groups: conv(
            g, weight, stride=stride, padding=padding, dilation=dilation, groups=groups
        ),
        "weight": lambda g, dy, weight_spec, stride, padding, dilation, groups: conv_weight_gradient(
            dy, g, shape=weight_spec.shape, stride=stride, padding=padding, dilation=dilation, groups=groups
        ),
    },
)
def conv_data_gradient(n, c, d, i, j, dy, weight, sd, si, sj, pd, pi, pj, dd, di, dj, groups):
    """The gradient of `conv` with respect to an input of ``shape``; also the transposed convolution."""
    outputs, channels = weight.shape[0] // groups, weight.shape[1]
    first, c_group = c // channels * outputs, c % channels
    total = 0.0
    for o in range(outputs):
        for td in range(weight.shape[2]):
            for ti in range(weight.shape[3]):
                for tj in range(weight.shape[4]):
                    a, b, e = d + pd - td * dd, i + pi - ti * di, j + pj - tj * dj
                    if a >= 0 and b >= 0 and e >= 0 and a % sd == 0 and b % si == 0 and e % sj == 0:
                        a, b, e = a // sd, b // si, e // sj
                        if a < dy.shape[2] and b < dy.shape[3] and e < dy.shape[4]:
                            total += dy[n, first + o, a, b, e] * weight[first + o, c_group, td, ti, tj]
    return total


def _weight_infer(dy: Spec, x: Spec, *, shape: tuple[int, ...], **attrs):
    plan = _float_casts(dy, x)
    if plan is None:
        out = _check_shapes(x.shape, shape, **attrs)
        check(dy.shape == out, "conv_weight_gradient: the result's gradient must have shape {}, got {}", out, dy.shape)
    return plan or x.like(shape)


def _weight_sample(draw):
    x, weight, attrs = _draw(draw)
    out = out_sides(x[2:], weight[2:], attrs["stride"], attrs["padding"], attrs["dilation"])
    return (draw.array((x[0], weight[0], *out)), draw.array(x)), {"shape": weight, **attrs}


@gather(
    infer=_weight_infer,
    see=_see,
    ref=_weight_ref,
    sample=_weight_sample,
    inputs=("dy", "x"),
    attrs={"shape": (), **ATTRS},
    vjp={
        "dy": lambda g, x, stride, padding, dilation, groups: conv(x, g, stride=stride, padding=padding, dilation=dilation, groups=groups),
        "x": lambda g, dy, x_spec, stride, padding, dilation, groups: conv_data_gradient(
            dy, g, shape=x_spec.shape, stride=stride, padding=padding, dilation=dilation, groups=groups
        ),
    },
)
def conv_weight_gradient(o, c, td, ti, tj, dy, x, sd, si, sj, pd, pi, pj, dd, di, dj, groups):
    """The gradient of `conv` with respect to a weight of ``shape``."""
    channel = o // (dy.shape[1] // groups) * (x.shape[1] // groups) + c
    total = 0.0
    for n in range(x.shape[0]):
        for d in range(dy.shape[2]):
            for i in range(dy.shape[3]):
                for j in range(dy.shape[4]):
                    a, b, e = d * sd + td * dd - pd, i * si + ti * di - pi, j * sj + tj * dj - pj
                    if 0 <= a < x.shape[2] and 0 <= b < x.shape[3] and 0 <= e < x.shape[4]:
                        total += dy[n, o, d, i, j] * x[n, channel, a, b, e]
    return total


@conv.fast("cpu")
@conv_bias.fast("cpu")
def _conv_direct(specs, attrs, outputs):
    if specs[0].dtype != float32:
        return None
    return conv_kernel.forward(specs[0].shape, specs[1].shape, len(specs) == 3, **attrs)


@conv_data_gradient.fast("cpu")
def _data_direct(specs, attrs, outputs):
    if specs[0].dtype != float32:
        return None
    geometry = {name: attrs[name] for name in ATTRS}
    return conv_data.data_gradient(attrs["shape"], specs[1].shape, **geometry)


@conv_weight_gradient.fast("cpu")
def _weight_direct(specs, attrs, outputs):
    if specs[0].dtype != float32:
        return None
    geometry = {name: attrs[name] for name in ATTRS}
    return conv_weight.weight_gradient(specs[1].shape, attrs["shape"], **geometry)
