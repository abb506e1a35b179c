"""Convolution of images restricted to regions, and its two gradients.

A place of the result takes from those places of its window that are of its own region: ``rin`` (N, H, W) has the numbers of the input's regions, ``rout``
(N, *sides) those of the result's. The rest is as in `conv`: the op is bilinear in input and weight, and the three ops are each other's gradient rules.
"""

from __future__ import annotations

import numpy as np

from ..dtype import float32, is_float, is_integer, promote
from ..errors import DTypeError, check
from ..forms import casts, gather
from ..spec import Spec
from . import conv as plain

ATTRS = plain.ATTRS
_GIVEN = ("stride", "padding", "dilation", "groups")


def _check_regions(x_shape, out_shape, rin: Spec, rout: Spec) -> None:
    if not (is_integer(rin.dtype) and rin.dtype == rout.dtype):
        raise DTypeError(f"region_conv: regions must be integers of one dtype, got {rin.dtype} and {rout.dtype}")
    for name, spec, shape in (("rin", rin, x_shape), ("rout", rout, out_shape)):
        wanted = (shape[0], *shape[2:])
        check(spec.shape == wanted, "region_conv: {} must have shape {}, got {}", name, wanted, spec.shape)


def _casts(x: Spec, weight: Spec, rin: Spec, rout: Spec):
    dtype = promote(x.dtype, weight.dtype)
    dtype = dtype if is_float(dtype) else float32
    return casts([x, weight, rin, rout], [dtype, dtype, rin.dtype, rout.dtype])


def _out_shape(x_shape, w_shape, attrs):
    check(len(attrs["stride"]) == 2, "region_conv: takes images, got stride {}", attrs["stride"])
    return plain._check_shapes(x_shape, w_shape, *(attrs[name] for name in _GIVEN))


def _integers(specs, attrs, out):
    return None, None, [*attrs["stride"], *attrs["padding"], *attrs["dilation"], attrs["groups"]]


def _draw(draw):
    """(x shape, weight shape, result shape, attributes)."""
    groups = draw.integer(1, 2)
    kernel, stride, dilation = (tuple(draw.integer(1, high) for _ in range(2)) for high in (3, 2, 2))
    padding = tuple(draw.integer(0, 2) for _ in range(2))
    size = tuple(max(1, d * (k - 1) + 1 - 2 * p) + draw.integer(0, 3) for k, p, d in zip(kernel, padding, dilation, strict=True))
    channels, outputs = draw.integer(1, 2), groups * draw.integer(1, 2)
    attrs = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    n = draw.integer(0, 2)
    out = (n, outputs, *plain.out_sides(size, kernel, stride, padding, dilation))
    return (n, groups * channels, *size), (outputs, channels, *kernel), out, attrs


def _regions(draw, x, out):
    return draw.indices((x[0], *x[2:]), 2), draw.indices((out[0], *out[2:]), 2)


def _of_each(rin, rout):
    """For each region: where it is, as 0 and 1 with an axis for channels."""
    return [((rin == r)[:, None] * 1.0, (rout == r)[:, None] * 1.0) for r in np.union1d(rin, rout)]


def _ref(x, weight, rin, rout, **attrs):
    empty = np.zeros((rout.shape[0], weight.shape[0], *rout.shape[1:]), np.result_type(x, weight))
    return sum((plain._conv_ref(x * a, weight, **attrs) * b for a, b in _of_each(rin, rout)), empty)


def _data_ref(dy, weight, rin, rout, shape, **attrs):
    empty = np.zeros(shape, np.result_type(dy, weight))
    return sum((plain._data_ref(dy * b, weight, shape, **attrs) * a for a, b in _of_each(rin, rout)), empty)


def _weight_ref(dy, x, rin, rout, shape, **attrs):
    empty = np.zeros(shape, np.result_type(dy, x))
    return sum((plain._weight_ref(dy * b, x * a, shape, **attrs) for a, b in _of_each(rin, rout)), empty)


def _infer(x: Spec, weight: Spec, rin: Spec, rout: Spec, **attrs):
    out = _out_shape(x.shape, weight.shape, attrs)
    _check_regions(x.shape, out, rin, rout)
    return _casts(x, weight, rin, rout) or x.like(out)


def _sample(draw):
    x, weight, out, attrs = _draw(draw)
    return (draw.array(x), draw.array(weight), *_regions(draw, x, out)), attrs


def _refused(Tensor, op):
    regions = Tensor(np.zeros((1, 3, 3), np.int32))
    return op(
        Tensor(np.ones((1, 1, 3, 3))), Tensor(np.ones((1, 1, 1, 2))), regions, regions, stride=(1, 1), padding=(0, 0), dilation=(1, 1)
    )


def _float_regions(Tensor, op):
    x = Tensor(np.ones((1, 1, 3, 3)))
    return op(x, x[:, :, :1, :1], x[0], x[0], stride=(1, 1), padding=(0, 0), dilation=(1, 1))


@gather(
    infer=_infer,
    see=_integers,
    ref=_ref,
    sample=_sample,
    inputs=("x", "weight", "rin", "rout"),
    attrs=ATTRS,
    vjp={
        "x": lambda g, weight, rin, rout, x_spec, stride, padding, dilation, groups: region_conv_data_gradient(
            g, weight, rin, rout, shape=x_spec.shape, stride=stride, padding=padding, dilation=dilation, groups=groups
        ),
        "weight": lambda g, x, rin, rout, weight_spec, stride, padding, dilation, groups: region_conv_weight_gradient(
            g, x, rin, rout, shape=weight_spec.shape, stride=stride, padding=padding, dilation=dilation, groups=groups
        ),
    },
    errors=((ValueError, _refused), (DTypeError, _float_regions)),
)
def region_conv(n, o, i, j, x, weight, rin, rout, si, sj, pi, pj, di, dj, groups):
    """Cross-correlation of images in which a place of the result takes from its own region only."""
    channels = weight.shape[1]
    first = o // (weight.shape[0] // groups) * channels
    region = rout[n, i, j]
    total = 0.0
    for ti in range(weight.shape[2]):
        for tj in range(weight.shape[3]):
            a, b = i * si + ti * di - pi, j * sj + tj * dj - pj
            if 0 <= a < x.shape[2] and 0 <= b < x.shape[3] and rin[n, a, b] == region:
                for c in range(channels):
                    total += x[n, first + c, a, b] * weight[o, c, ti, tj]
    return total


def _data_infer(dy: Spec, weight: Spec, rin: Spec, rout: Spec, *, shape, **attrs):
    out = _out_shape(shape, weight.shape, attrs)
    check(dy.shape == out, "region_conv_data_gradient: the result's gradient must have shape {}, got {}", out, dy.shape)
    _check_regions(shape, out, rin, rout)
    return _casts(dy, weight, rin, rout) or dy.like(shape)


def _data_sample(draw):
    x, weight, out, attrs = _draw(draw)
    return (draw.array(out), draw.array(weight), *_regions(draw, x, out)), {"shape": x, **attrs}


@gather(
    infer=_data_infer,
    see=_integers,
    ref=_data_ref,
    sample=_data_sample,
    inputs=("dy", "weight", "rin", "rout"),
    attrs={"shape": (), **ATTRS},
    vjp={
        "dy": lambda g, weight, rin, rout, stride, padding, dilation, groups: region_conv(
            g, weight, rin, rout, stride=stride, padding=padding, dilation=dilation, groups=groups
        ),
        "weight": lambda g, dy, rin, rout, weight_spec, stride, padding, dilation, groups: region_conv_weight_gradient(
            dy, g, rin, rout, shape=weight_spec.shape, stride=stride, padding=padding, dilation=dilation, groups=groups
        ),
    },
)
def region_conv_data_gradient(n, c, i, j, dy, weight, rin, rout, si, sj, pi, pj, di, dj, groups):
    """The gradient of `region_conv` with respect to an input of ``shape``."""
    outputs, channels = weight.shape[0] // groups, weight.shape[1]
    first, c_group = c // channels * outputs, c % channels
    region = rin[n, i, j]
    total = 0.0
    for ti in range(weight.shape[2]):
        for tj in range(weight.shape[3]):
            a, b = i + pi - ti * di, j + pj - tj * dj
            if a >= 0 and b >= 0 and a % si == 0 and b % sj == 0:
                a, b = a // si, b // sj
                if a < dy.shape[2] and b < dy.shape[3] and rout[n, a, b] == region:
                    for o in range(outputs):
                        total += dy[n, first + o, a, b] * weight[first + o, c_group, ti, tj]
    return total


def _weight_infer(dy: Spec, x: Spec, rin: Spec, rout: Spec, *, shape, **attrs):
    out = _out_shape(x.shape, shape, attrs)
    check(dy.shape == out, "region_conv_weight_gradient: the result's gradient must have shape {}, got {}", out, dy.shape)
    _check_regions(x.shape, out, rin, rout)
    return _casts(dy, x, rin, rout) or x.like(shape)


def _weight_sample(draw):
    x, weight, out, attrs = _draw(draw)
    return (draw.array(out), draw.array(x), *_regions(draw, x, out)), {"shape": weight, **attrs}


@gather(
    infer=_weight_infer,
    see=_integers,
    ref=_weight_ref,
    sample=_weight_sample,
    inputs=("dy", "x", "rin", "rout"),
    attrs={"shape": (), **ATTRS},
    vjp={
        "dy": lambda g, x, rin, rout, stride, padding, dilation, groups: region_conv(
            x, g, rin, rout, stride=stride, padding=padding, dilation=dilation, groups=groups
        ),
        "x": lambda g, dy, rin, rout, x_spec, stride, padding, dilation, groups: region_conv_data_gradient(
            dy, g, rin, rout, shape=x_spec.shape, stride=stride, padding=padding, dilation=dilation, groups=groups
        ),
    },
)
def region_conv_weight_gradient(o, c, ti, tj, dy, x, rin, rout, si, sj, pi, pj, di, dj, groups):
    """The gradient of `region_conv` with respect to a weight of ``shape``."""
    channel = o // (dy.shape[1] // groups) * (x.shape[1] // groups) + c
    total = 0.0
    for n in range(x.shape[0]):
        for i in range(dy.shape[2]):
            for j in range(dy.shape[3]):
                a, b = i * si + ti * di - pi, j * sj + tj * dj - pj
                if 0 <= a < x.shape[2] and 0 <= b < x.shape[3] and rin[n, a, b] == rout[n, i, j]:
                    total += dy[n, o, i, j] * x[n, channel, a, b]
    return total
