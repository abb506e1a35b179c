"""Normalization of batches, layers, groups and channels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import precision
from ..constants import constant
from ..distributed.functional import all_reduce_sum
from ..distributed.group import WORLD, Group, as_group
from ..dtype import float32, float64, is_half
from ..errors import check
from ..op import apply
from ..ops import layer_norm as layer_norm_ops, norm as norm_ops, pool as pool_ops, view
from ..ops.group_norm import group_normalize
from ..tensor import Tensor
from .elemwise import add, maximum, mul, square
from .reduction import mean, sum
from .sides import Sides, reshaped
from .tensor import concat, transpose


def _standardize(inp: Tensor, axis: tuple[int, ...], eps: float) -> Tensor:
    """``inp`` with mean 0 and variance 1 along ``axis``."""
    rows = tuple(extent for i, extent in enumerate(inp.shape) if i not in axis)
    one, zero = (apply(view.broadcast_to, (constant(value, inp.dtype, inp.device),), (rows,)) for value in (1.0, 0.0))
    return apply(norm_ops.normalize, (inp, one, zero), (axis, float(eps)))[0]


def _standardize_last(inp: Tensor, count: int, weight: Tensor | None, bias: Tensor | None, eps: float) -> Tensor:
    """``inp`` with mean 0 and variance 1 along the last ``count`` axes, then scaled and moved."""
    axis = tuple(range(inp.ndim - count, inp.ndim))
    if weight is not None and bias is not None:
        return apply(layer_norm_ops.layer_normalize, (inp, weight, bias), (axis, float(eps)))[0]
    return _affine(_standardize(inp, axis, eps), weight, bias)


def _affine(inp: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    """``inp * weight + bias``, where there are such."""
    if weight is not None and bias is not None:
        return apply(norm_ops.mul_add, (inp, weight, bias))
    if weight is not None:
        inp = mul(inp, weight)
    return inp if bias is None else add(inp, bias)


def batch_norm(
    inp: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    *,
    training: bool = False,
    momentum: float = 0.9,
    eps: float = 1e-5,
    inplace: bool = True,
) -> Any:
    """Each channel of images normalized to mean 0 and variance 1, then times ``weight`` plus ``bias`` (Ioffe & Szegedy, 2015).

    With ``training`` the statistics are those of the batch, and the running ones become ``momentum * running + (1 - momentum) * batch`` (the
    variance unbiased): in place, or with ``inplace=False`` as second and third result. Otherwise the running ones are used.

    Shape: inp (N, C, H, W); all others (1, C, 1, 1).

    >>> batch_norm(Tensor([[[[1.0]]], [[[3.0]]]]), training=True, eps=0.0).tolist()
    [[[[-1.0]]], [[[1.0]]]]
    """
    check(inp.ndim == 4, "batch_norm: input must be (N, C, H, W), got shape {}", inp.shape)
    inp, channels = precision.low(inp), inp.shape[1]
    for name, each in (("running_mean", running_mean), ("running_var", running_var), ("weight", weight), ("bias", bias)):
        check(
            each is None or each.size == channels,
            "batch_norm: {} must have {} elements, got shape {}",
            name,
            channels,
            getattr(each, "shape", None),
        )
    if not training:
        if running_mean is None or running_var is None:
            raise ValueError("batch_norm: running_mean and running_var are needed unless training")
        scale = (_column(running_var.detach()) + eps) ** -0.5
        if weight is not None:
            scale = mul(scale, _column(weight))
        shift = -_column(running_mean.detach()) * scale
        out = _affine(inp, scale, shift if bias is None else add(shift, _column(bias)))
        return out.astype(inp.dtype) if is_half(inp.dtype) else out  # its statistics may be float32
    one, zero = (apply(view.broadcast_to, (constant(value, inp.dtype, inp.device),), ((channels,),)) for value in (1.0, 0.0))
    row = (channels,)
    scale, shift = (reshaped(each, row) if each is not None else fill for each, fill in ((weight, one), (bias, zero)))
    out, mean, var = apply(norm_ops.normalize, (inp, scale, shift), ((0, 2, 3), float(eps)))
    count = inp.size // max(channels, 1)
    moved = _moved(running_mean, running_var, mean, var, count / max(count - 1, 1), momentum)
    if not inplace:
        return (out, *moved)
    _move(running_mean, running_var, moved)
    return out


def _moved(
    running_mean: Tensor | None, running_var: Tensor | None, mean: Tensor, var: Tensor, unbiased: float | Tensor, momentum: float
) -> list[Tensor]:
    """The running statistics that there are, after a batch. unbiased: what makes the variance an unbiased one."""
    moved = []
    for running, batch, factor in ((running_mean, mean, 1.0), (running_var, var, unbiased)):
        if running is not None:
            batch = reshaped(batch.detach(), running.shape)
            moved.append((running.detach() * momentum + batch * (factor * (1 - momentum))).astype(running.dtype))
    return moved


def _move(running_mean: Tensor | None, running_var: Tensor | None, moved: Sequence[Tensor]) -> None:
    """Give the running statistics that there are the values of `_moved`."""
    for running, value in zip([each for each in (running_mean, running_var) if each is not None], moved, strict=True):
        running._reset(value)


def _column(x: Tensor) -> Tensor:
    """A value for each channel as (1, C, 1, 1)."""
    return reshaped(x, (1, x.size, 1, 1))


def layer_norm(
    inp: Tensor, normalized_shape: Sides, affine: bool, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """The trailing axes, which ``normalized_shape`` names, normalized to mean 0 and variance 1, then times ``weight`` plus ``bias`` (Ba et al., 2016).

    Shape: weight and bias (*normalized_shape); they are used if ``affine``.

    >>> layer_norm(Tensor([[1.0, 3.0]]), (2,), False, eps=0.0).tolist()
    [[-1.0, 1.0]]
    """
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    check(inp.shape[inp.ndim - len(shape) :] == shape, "layer_norm: input of shape {} does not end in {}", inp.shape, shape)
    return _standardize_last(precision.high(inp), len(shape), *((weight, bias) if affine else (None, None)), eps)


def group_norm(
    inp: Tensor, num_groups: int, affine: bool, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """Groups of channels normalized to mean 0 and variance 1, then each channel times ``weight`` plus ``bias`` (Wu & He, 2018).

    Shape: inp (N, C, ...), weight and bias (C,); they are used if ``affine``.

    >>> group_norm(Tensor([[[[1.0]], [[3.0]]]]), 1, False, eps=0.0).tolist()
    [[[[-1.0]], [[1.0]]]]
    """
    check(inp.ndim >= 2, "group_norm: input must be (N, C, ...), got shape {}", inp.shape)
    channels = inp.shape[1]
    check(num_groups >= 1 and channels % num_groups == 0, "group_norm: {} channels do not make {} groups", channels, num_groups)
    return _normalized_groups(precision.high(inp), num_groups, *((weight, bias) if affine else (None, None)), eps)


def _normalized_groups(inp: Tensor, num_groups: int, weight: Tensor | None, bias: Tensor | None, eps: float) -> Tensor:
    n, channels = inp.shape[:2]
    each_group = (num_groups, channels // num_groups)
    one, zero = (apply(view.broadcast_to, (constant(value, inp.dtype, inp.device),), (each_group,)) for value in (1.0, 0.0))
    scale, shift = (reshaped(given, each_group) if given is not None else fill for given, fill in ((weight, one), (bias, zero)))
    seen = reshaped(inp, (n, *each_group, math.prod(inp.shape[2:])))
    return reshaped(apply(group_normalize, (seen, scale, shift), (float(eps),))[0], inp.shape)


def instance_norm(inp: Tensor, affine: bool, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5) -> Tensor:
    """Each channel of each image normalized to mean 0 and variance 1: `group_norm` with a group for each channel.

    >>> instance_norm(Tensor([[[[1.0, 3.0]]]]), False, eps=0.0).tolist()
    [[[[-1.0, 1.0]]]]
    """
    check(inp.ndim >= 2, "instance_norm: input must be (N, C, ...), got shape {}", inp.shape)
    return _normalized_groups(inp, inp.shape[1], *((weight, bias) if affine else (None, None)), eps)


def general_norm(
    inp: Tensor,
    normalized_axis: Sequence[int] | int,
    affine: bool = True,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Normalized to mean 0 and variance 1 over any axes, then times ``weight`` plus ``bias``.

    normalized_axis: an axis or several, in order. weight, bias: of the shape of these axes; used if ``affine``, and needed then.

    >>> general_norm(Tensor([[1.0, 0.0], [3.0, 0.0]]), (0,), affine=False, eps=0.0)[:, 0].tolist()
    [-1.0, 1.0]
    """
    name = "general_norm"
    axes = (normalized_axis,) if isinstance(normalized_axis, int) else tuple(normalized_axis)
    if not axes or not all(-inp.ndim <= axis < inp.ndim for axis in axes):
        raise AxesError(f"{name}: normalized_axis must name axes of the input, whose shape is {inp.shape}, got {normalized_axis}")
    axes = tuple(axis % inp.ndim for axis in axes)
    if list(axes) != sorted(set(axes)):
        raise AxesError(f"{name}: normalized_axis must be in order and without repetitions, got {normalized_axis}")
    if affine:
        shape = tuple(inp.shape[axis] for axis in axes)
        for what, each in (("weight", weight), ("bias", bias)):
            if each is None:
                raise AxesError(f"{name}: {what} is needed if affine")
            check(each.shape == shape, "{}: {} must have shape {}, got {}", name, what, shape, each.shape)
    order = (*(axis for axis in range(inp.ndim) if axis not in axes), *axes)
    rows = inp if order == tuple(range(inp.ndim)) else transpose(inp, order)
    out = _standardize_last(rows, len(axes), *((weight, bias) if affine else (None, None)), eps)
    if rows is inp:
        return out
    return transpose(out, tuple(order.index(axis) for axis in range(inp.ndim)))


class AxesError(ValueError, AssertionError):
    """Axes that cannot be normalized over. (MegEngine: AssertionError.)"""


def local_response_norm(inp: Tensor, kernel_size: int = 5, k: float = 2.0, alpha: float = 1e-4, beta: float = 0.75) -> Tensor:
    """Each value divided by ``(k + alpha * s) ** beta``, with s the sum of squares over neighbouring channels (Krizhevsky et al., 2012).

    Shape: inp (N, C, H, W). kernel_size: how many channels, an odd number; at the ends there are fewer.

    >>> local_response_norm(Tensor([3.0, 4.0]).reshape(1, 2, 1, 1), 3, k=0.0, alpha=1.0, beta=0.5).flatten().tolist()
    [0.6000000238418579, 0.800000011920929]
    """
    name = "local_response_norm"
    check(inp.ndim == 4, "{}: input must be (N, C, H, W), got shape {}", name, inp.shape)
    check(
        isinstance(kernel_size, int) and kernel_size % 2 == 1 and kernel_size > 0, "{}: kernel_size must be odd, got {}", name, kernel_size
    )
    n, channels, height, width = inp.shape
    squares = reshaped(square(inp), (n, 1, channels, height * width))
    means = apply(pool_ops.avg_pool2d, (squares,), ((kernel_size, 1), (1, 1), (kernel_size // 2, 0), True))
    return mul(inp, (reshaped(means, inp.shape) * (alpha * kernel_size) + k) ** -beta)


def sync_batch_norm(
    inp: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float | Tensor = 0.9,
    eps: float = 1e-5,
    eps_mode: str = "additive",
    group: Group | Sequence[int] | None = WORLD,
) -> Tensor:
    """`batch_norm` with the statistics of the batches of all processes of ``group`` together, in training. Batches may differ in size.

    eps_mode: "additive" divides by ``sqrt(var + eps)``, "max" by ``sqrt(max(var, eps))``.
    Shape: inp (N, C, ...) with any further axes; all others have C elements.

    >>> sync_batch_norm(Tensor([[[[1.0]]], [[[3.0]]]]), None, None, training=True, eps=0.0).flatten().tolist()
    [-1.0, 1.0]
    """
    name = "sync_batch_norm"
    if eps_mode.lower() not in ("additive", "max"):
        raise AxesError(f"{name}: eps_mode must be 'additive' or 'max', got {eps_mode!r}")
    check(inp.ndim >= 2, "{}: input must be (N, C, ...), got shape {}", name, inp.shape)
    if not training and (running_mean is None or running_var is None):
        raise AxesError(f"{name}: running_mean and running_var are needed unless training")
    shape, channels = inp.shape, inp.shape[1]
    image = reshaped(inp, (shape[0], channels, 1, inp.size // max(shape[0] * channels, 1)))
    momentum = float(momentum)
    alone = not training or as_group(group).size == 1
    if alone and eps_mode.lower() == "additive":
        out = batch_norm(image, running_mean, running_var, weight, bias, training=training, momentum=momentum, eps=eps)
        return reshaped(out, shape)
    given = precision.low(image)
    image = given.astype(float32) if is_half(given.dtype) else given  # 16 bits do not hold sums of many
    if not alone:
        center, var, unbiased = _of_all_ranks(image, group)
        moved = _moved(running_mean, running_var, center, var, unbiased, momentum)
        _move(running_mean, running_var, moved)
    elif training:
        center = mean(image, (0, 2, 3), keepdims=True)
        var = mean(square(image - center), (0, 2, 3), keepdims=True)
        batch_norm(image.detach(), running_mean, running_var, training=True, momentum=momentum)  # moves the running statistics
    else:
        assert running_mean is not None and running_var is not None  # checked above
        center, var = _column(running_mean.detach()), _column(running_var.detach())
    out = (image - center) * (maximum(var, eps) if eps_mode.lower() == "max" else var + eps) ** -0.5
    out = _affine(out, *(None if each is None else _column(each) for each in (weight, bias)))
    return reshaped(out.astype(given.dtype) if is_half(given.dtype) else out, shape)


def _of_all_ranks(image: Tensor, group: Group | Sequence[int] | None) -> tuple[Tensor, Tensor, Tensor]:
    """The mean and variance of each channel over the images of all ranks, and what makes the variance unbiased.

    Sums and numbers of values go together, in float64: a float32 does not count above 2 ** 24.
    """
    each, dtype = (0, 2, 3), image.dtype
    count = Tensor(np.full((1, 1, 1, 1), image.size // max(image.shape[1], 1)), dtype="float64", device=image.device)
    sums = all_reduce_sum(concat([sum(image, each, keepdims=True).astype(float64), count], axis=1), group)
    total = sums[:, -1:].detach()
    center = (sums[:, :-1] / total).astype(dtype)
    squares = sum(square(image - center), each, keepdims=True).astype(float64)
    var = (all_reduce_sum(squares, group) / total).astype(dtype)
    return center, var, (total / maximum(total - 1, 1)).astype(dtype)
