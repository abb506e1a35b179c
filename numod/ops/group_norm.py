"""Group normalization (Wu & He, 2018): groups of channels moved and scaled to mean 0 and variance 1, then each channel scaled and moved.

Tensors are seen as (images, groups, channels of a group, places). In parts the ops are what their functions say; on a CPU each is one launch.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..constants import scalar
from ..dtype import promote
from ..errors import check
from ..forms import casts, composite, working_dtype
from ..kernel import grouped
from ..spec import Spec
from .math import mul
from .norm import mul_add, normalize, normalize_gradient, of_statistics, sum_of_products
from .reduce import spread, sum
from .view import astype, broadcast_to, reshape

_AXIS = (2, 3)  # of a group


def _checked(name: str, given: dict[str, Spec], axes: Mapping[str, tuple[int, ...]]):
    """What both ops check: four axes, what the other inputs have of them, and one float dtype; the Plan that casts, if one is needed."""
    x = given["x"]
    check(x.ndim == 4, "{}: x must be (images, groups, channels, places), got shape {}", name, x.shape)
    for each, wanted in axes.items():
        shape = tuple(x.shape[axis] for axis in wanted)
        check(given[each].shape == shape, "{}: {} must have shape {}, got {}", name, each, shape, given[each].shape)
    dtype = working_dtype(name, "float", promote(*(spec.dtype for spec in given.values())))
    return casts(list(given.values()), [dtype] * len(given))


def _draw(draw):
    shape = tuple(draw.integer(1, 3) for _ in range(4))
    return shape, {"eps": draw.choice([0.5, 1e-2])}


def _column(x):
    """A value of each channel beside the places."""
    return x[..., None]


def _row(x):
    """A value of each group beside channels and places."""
    return x[..., None, None]


def _ref(x, weight, bias, eps):
    mean, var = x.mean(_AXIS), x.var(_AXIS) if x.dtype.kind == "f" else (x * x).mean(_AXIS) - x.mean(_AXIS) ** 2
    return (x - _row(mean)) / np.sqrt(_row(var) + eps) * _column(weight) + _column(bias), mean, var


def _sample(draw):
    shape, attrs = _draw(draw)
    return (draw.array(shape), *(draw.array(shape[1:3]) for _ in range(2))), attrs


def _infer(x: Spec, weight: Spec, bias: Spec, *, eps: float):
    given, axes = {"x": x, "weight": weight, "bias": bias}, {"weight": (1, 2), "bias": (1, 2)}
    return _checked("group_normalize", given, axes) or (x.like(), x.like(x.shape[:2]), x.like(x.shape[:2]))


def _walked(memo, g, x, weight, out, eps):
    """Gradients of all inputs by the first result."""
    if not memo:
        memo["gradients"] = group_normalize_gradient(x, g[0], out[1], out[2], weight, eps=eps)
    return memo["gradients"]


def _of_x(memo, g, x, weight, out, x_spec, eps):
    direct = None if g[0] is None else _walked(memo, g, x, weight, out, eps)[0]
    return of_statistics(direct, g, x, out, x_spec, _AXIS)


def _of_channels(which: int):
    return lambda memo, g, x, weight, out, eps: None if g[0] is None else sum(_walked(memo, g, x, weight, out, eps)[which], axis=(0,))


def _beside(x):
    """A value of each channel as seen beside the places."""
    return reshape(x, shape=(*x.shape, 1))


@composite(
    infer=_infer,
    ref=_ref,
    sample=_sample,
    inputs=("x", "weight", "bias"),
    attrs={"eps": 1e-5},
    vjp={"x": _of_x, "weight": _of_channels(1), "bias": _of_channels(2)},
)
def group_normalize(x, weight, bias, *, eps=1e-5):
    """Each group of each image moved and scaled to mean 0 and variance 1, then times ``weight`` plus ``bias``, which have a value for each channel
    of each group; and the groups' means and variances.

    ``eps`` is added to the variance. The variance is divided by the count, not the count less 1.
    """
    one, zero = (broadcast_to(scalar(value, x), shape=x.shape[:2]) for value in (1.0, 0.0))
    y, *statistics = normalize(x, one, zero, axis=_AXIS, eps=eps)
    return mul_add(y, _beside(weight), _beside(bias)), *(astype(each, dtype=x.dtype) for each in statistics)


@group_normalize.fast("cpu")
def _launch(specs, attrs, outputs):
    return grouped.program("forward", specs, outputs, **attrs)


def _gradient_ref(x, dy, mean, var, weight, eps):
    scale, centered = 1 / np.sqrt(_row(var) + eps), x - _row(mean)
    slope = dy * _column(weight)
    along = (slope * centered).mean(_AXIS, keepdims=True) * scale * scale
    dx = scale * (slope - slope.mean(_AXIS, keepdims=True) - centered * along)
    return dx, (dy * centered * scale).sum(3), dy.sum(3)


def _gradient_sample(draw):
    shape, attrs = _draw(draw)
    rows = (draw.array(shape[:2]), draw.array(shape[:2], None, 0.1, 4.0))
    return (draw.array(shape), draw.array(shape), *rows, draw.array(shape[1:3])), attrs


def _gradient_infer(x: Spec, dy: Spec, mean: Spec, var: Spec, weight: Spec, *, eps: float):
    given = {"x": x, "dy": dy, "mean": mean, "var": var, "weight": weight}
    axes = {"dy": (0, 1, 2, 3), "mean": (0, 1), "var": (0, 1), "weight": (1, 2)}
    plan = _checked("group_normalize_gradient", given, axes)
    return plan or (x.like(), x.like(x.shape[:3]), x.like(x.shape[:3]))


@composite(
    infer=_gradient_infer,
    ref=_gradient_ref,
    sample=_gradient_sample,
    inputs=("x", "dy", "mean", "var", "weight"),
    attrs={"eps": 1e-5},
)
def group_normalize_gradient(x, dy, mean, var, weight, *, eps=1e-5):
    """The gradients of `group_normalize` with respect to x, and to weight and bias by each image, from that of its first result."""
    one = broadcast_to(scalar(1.0, mean), shape=mean.shape)
    dx, _, _ = normalize_gradient(x, mul(dy, _beside(weight)), mean, var, one, axis=_AXIS, eps=eps)
    scale = (var + eps) ** -0.5
    along = sum_of_products(dy, (x - spread(mean, x._spec, _AXIS)) * spread(scale, x._spec, _AXIS), axis=(3,))
    return dx, along, sum(dy, axis=(3,))


@group_normalize_gradient.fast("cpu")
def _gradient_launch(specs, attrs, outputs):
    return grouped.program("back", specs, outputs, **attrs)
