"""Functions of neural networks: layers without their parameters, activations and losses."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..constants import constant
from ..errors import check
from ..op import apply
from ..ops import conv as conv_ops, linalg as linalg_ops, norm as norm_ops, pool as pool_ops, view
from ..random import uniform
from ..tensor import Tensor
from .elemwise import add, gelu, greater_equal, logsigmoid, mul, relu, sigmoid, silu, softplus, where
from .gathering import embedding, indexing_one_hot, one_hot
from .linalg import matmul
from .loss import binary_cross_entropy, cross_entropy, hinge_loss, l1_loss, square_loss
from .reduction import logsoftmax, logsumexp, softmax

Sides = int | Sequence[int]


def _tuple(name: str, what: str, value: Sides, axes: int) -> tuple[int, ...]:
    """A number for each spatial axis."""
    found = (value,) * axes if isinstance(value, int) else tuple(int(v) for v in value)
    check(len(found) == axes, "{}: {} must be an int or {} of them, got {}", name, what, axes, value)
    return found


def _reshape(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    return x if x._spec.shape == shape else apply(view.reshape, (x,), (shape,))


def linear(inp: Tensor, weight: Tensor, bias: Tensor | None = None, compute_mode: str = "default") -> Tensor:
    """``inp @ weight.T + bias``.

    Shape: inp (..., features), weight (outputs, features), bias (outputs,) -> (..., outputs).

    >>> linear(Tensor([[1.0, 2.0]]), Tensor([[3.0, 4.0]]), Tensor([0.5])).tolist()
    [[11.5]]
    """
    check(weight.ndim == 2, "linear: weight must be (outputs, features), got shape {}", weight.shape)
    check(
        inp.ndim >= 1 and inp.shape[-1] == weight.shape[1],
        "linear: input of shape {} has not {} features, which weight takes",
        inp.shape,
        weight.shape[1],
    )
    if bias is None:
        return matmul(inp, weight, transpose_b=True)
    rows = inp if inp._spec.ndim == 2 else _reshape(inp, (math.prod(inp.shape[:-1]), inp.shape[-1]))
    check(bias.size == weight.shape[0], "linear: bias must have {} elements, got shape {}", weight.shape[0], bias.shape)
    out = apply(linalg_ops.linear, (rows, weight, _reshape(bias, weight.shape[:1])))
    return _reshape(out, (*inp.shape[:-1], out.shape[-1]))


def _conv_attrs(name: str, axes: int, stride: Sides, padding: Sides, dilation: Sides, groups: int, conv_mode: str):
    check(conv_mode.lower() == "cross_correlation", "{}: conv_mode must be 'cross_correlation', got {!r}", name, conv_mode)
    check(isinstance(groups, int) and groups >= 1, "{}: groups must be a positive int, got {!r}", name, groups)
    return (
        _tuple(name, "stride", stride, axes),
        _tuple(name, "padding", padding, axes),
        _tuple(name, "dilation", dilation, axes),
        groups,
    )


def _flat_weight(name: str, weight: Tensor, axes: int, groups: int) -> Tensor:
    """A grouped weight (groups, outputs / groups, inputs / groups, *kernel) -> (outputs, inputs / groups, *kernel)."""
    shape = weight.shape
    if len(shape) != axes + 3:
        check(groups == 1, "{}: the weight of {} groups must have {} axes, got shape {}", name, groups, axes + 3, shape)
        return weight
    check(shape[0] == groups, "{}: weight has {} groups, asked for {}", name, shape[0], groups)
    return _reshape(weight, (shape[0] * shape[1], *shape[2:]))


def _conv(axes: int, inp: Tensor, weight: Tensor, bias: Tensor | None, stride, padding, dilation, groups: int, conv_mode: str) -> Tensor:
    name = f"conv{axes}d"
    attrs = _conv_attrs(name, axes, stride, padding, dilation, groups, conv_mode)
    weight = _flat_weight(name, weight, axes, groups)
    if bias is None:
        return apply(conv_ops.conv, (inp, weight), attrs)
    return apply(conv_ops.conv_bias, (inp, weight, bias), attrs)


def conv1d(
    inp: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
    groups: int = 1,
    conv_mode: str = "cross_correlation",
    compute_mode: str = "default",
) -> Tensor:
    """Cross-correlation of sequences, with zeros around them.

    Shape: inp (N, C, L), weight (outputs, C, kernel) or with groups (groups, outputs / groups, C / groups, kernel), bias (1, outputs, 1).

    >>> conv1d(Tensor([[[1.0, 2.0, 3.0]]]), Tensor([[[1.0, 1.0]]])).tolist()
    [[[3.0, 5.0]]]
    """
    return _conv(1, inp, weight, bias, stride, padding, dilation, groups, conv_mode)


def conv2d(
    inp: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sides = 1,
    padding: Sides = 0,
    dilation: Sides = 1,
    groups: int = 1,
    conv_mode: str = "cross_correlation",
    compute_mode: str = "default",
) -> Tensor:
    """Cross-correlation of images, with zeros around them.

    Shape: inp (N, C, H, W), weight (outputs, C, *kernel) or with groups (groups, outputs / groups, C / groups, *kernel), bias (1, outputs, 1, 1).

    >>> conv2d(Tensor([[[[1.0, 2.0], [3.0, 4.0]]]]), Tensor([[[[1.0, 1.0]]]])).tolist()
    [[[[3.0], [7.0]]]]
    """
    return _conv(2, inp, weight, bias, stride, padding, dilation, groups, conv_mode)


def conv3d(
    inp: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sides = 1,
    padding: Sides = 0,
    dilation: Sides = 1,
    groups: int = 1,
    conv_mode: str = "cross_correlation",
) -> Tensor:
    """Cross-correlation of volumes, with zeros around them.

    Shape: inp (N, C, D, H, W), weight (outputs, C, *kernel) or with groups (groups, outputs / groups, C / groups, *kernel), bias (1, outputs, 1, 1, 1).

    >>> conv3d(Tensor([[[[[1.0, 2.0]]]]]), Tensor([[[[[2.0]]]]])).tolist()
    [[[[[2.0, 4.0]]]]]
    """
    return _conv(3, inp, weight, bias, stride, padding, dilation, groups, conv_mode)


def conv_transpose2d(
    inp: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sides = 1,
    padding: Sides = 0,
    output_padding: Sides = 0,
    dilation: Sides = 1,
    groups: int = 1,
    conv_mode: str = "cross_correlation",
    compute_mode: str = "default",
) -> Tensor:
    """Transposed convolution of images: the gradient of `conv2d` with respect to its input.

    Shape: inp (N, C, H, W), weight (C, outputs, *kernel) or with groups (groups, C / groups, outputs / groups, *kernel), bias (1, outputs, 1, 1).
    output_padding: rows and columns added to the result, less than ``stride``: several sizes have a convolution of the same size.

    >>> conv_transpose2d(Tensor([[[[1.0, 2.0]]]]), Tensor([[[[1.0, 1.0]]]])).tolist()
    [[[[1.0, 3.0, 2.0]]]]
    """
    name = "conv_transpose2d"
    steps, pads, spread, groups = attrs = _conv_attrs(name, 2, stride, padding, dilation, groups, conv_mode)
    extra = _tuple(name, "output_padding", output_padding, 2)
    check(
        all(e == 0 or e < s for e, s in zip(extra, steps, strict=True)),
        "{}: output_padding {} must be smaller than stride {}",
        name,
        extra,
        steps,
    )
    weight = _flat_weight(name, weight, 2, groups)
    check(inp.ndim == 4 and weight.ndim == 4, "{}: input and weight must have 4 axes, got shapes {} and {}", name, inp.shape, weight.shape)
    check(inp.shape[1] == weight.shape[0], "{}: input has {} channels, weight takes {}", name, inp.shape[1], weight.shape[0])
    sides = tuple(
        (n - 1) * s - 2 * p + d * (k - 1) + 1 + e
        for n, s, p, d, k, e in zip(inp.shape[2:], steps, pads, spread, weight.shape[2:], extra, strict=True)
    )
    shape = (inp.shape[0], weight.shape[1] * groups, *sides)
    out = apply(conv_ops.conv_data_gradient, (inp, weight), (shape, *attrs))
    return out if bias is None else add(out, bias)


def _pool_attrs(name: str, kernel_size: Sides, stride: Sides | None, padding: Sides) -> tuple[tuple[int, ...], ...]:
    kernel = _tuple(name, "kernel_size", kernel_size, 2)
    return kernel, kernel if stride is None else _tuple(name, "stride", stride, 2), _tuple(name, "padding", padding, 2)


def max_pool2d(inp: Tensor, kernel_size: Sides, stride: Sides | None = None, padding: Sides = 0) -> Tensor:
    """The largest value of each window of an image (N, C, H, W). Padding takes no part; ``stride`` is ``kernel_size`` by default.

    >>> max_pool2d(Tensor([[[[1.0, 2.0], [3.0, 4.0]]]]), 2).tolist()
    [[[[4.0]]]]
    """
    return apply(pool_ops.max_pool2d, (inp,), _pool_attrs("max_pool2d", kernel_size, stride, padding))


def avg_pool2d(
    inp: Tensor, kernel_size: Sides, stride: Sides | None = None, padding: Sides = 0, mode: str = "average_count_exclude_padding"
) -> Tensor:
    """The mean of each window of an image (N, C, H, W); ``stride`` is ``kernel_size`` by default.

    mode: "average_count_exclude_padding", or "average" for a mean over the padding's zeros too. (As in MegEngine, "max" is `max_pool2d`.)

    >>> avg_pool2d(Tensor([[[[1.0, 2.0], [3.0, 4.0]]]]), 2).tolist()
    [[[[2.5]]]]
    """
    modes = ("average_count_exclude_padding", "average", "max")
    check(mode in modes, "avg_pool2d: mode must be one of {}, got {!r}", ", ".join(modes), mode)
    if mode == "max":
        return max_pool2d(inp, kernel_size, stride, padding)
    return apply(pool_ops.avg_pool2d, (inp,), (*_pool_attrs("avg_pool2d", kernel_size, stride, padding), mode == "average"))


def _standardize(inp: Tensor, axis: tuple[int, ...], eps: float) -> Tensor:
    """``inp`` with mean 0 and variance 1 along ``axis``."""
    rows = tuple(extent for i, extent in enumerate(inp.shape) if i not in axis)
    one, zero = (apply(view.broadcast_to, (constant(value, inp.dtype, inp.device),), (rows,)) for value in (1.0, 0.0))
    return apply(norm_ops.normalize, (inp, one, zero), (axis, float(eps)))[0]


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
):
    """Each channel of images normalized to mean 0 and variance 1, then times ``weight`` plus ``bias`` (Ioffe & Szegedy, 2015).

    With ``training`` the statistics are those of the batch, and the running ones become ``momentum * running + (1 - momentum) * batch`` (the
    variance unbiased): in place, or with ``inplace=False`` as second and third result. Otherwise the running ones are used.

    Shape: inp (N, C, H, W); all others (1, C, 1, 1).

    >>> batch_norm(Tensor([[[[1.0]]], [[[3.0]]]]), training=True, eps=0.0).tolist()
    [[[[-1.0]]], [[[1.0]]]]
    """
    check(inp.ndim == 4, "batch_norm: input must be (N, C, H, W), got shape {}", inp.shape)
    channels = inp.shape[1]
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
        return _affine(inp, scale, shift if bias is None else add(shift, _column(bias)))
    one, zero = (apply(view.broadcast_to, (constant(value, inp.dtype, inp.device),), ((channels,),)) for value in (1.0, 0.0))
    row = (channels,)
    scale, shift = (_reshape(each, row) if each is not None else fill for each, fill in ((weight, one), (bias, zero)))
    out, mean, var = apply(norm_ops.normalize, (inp, scale, shift), ((0, 2, 3), float(eps)))
    count = inp.size // max(channels, 1)
    moved = []
    for running, batch, factor in ((running_mean, mean, 1.0), (running_var, var, count / max(count - 1, 1))):
        if running is not None:
            batch = _reshape(batch.detach(), running.shape)
            moved.append(running.detach() * momentum + batch * (factor * (1 - momentum)))
    if not inplace:
        return (out, *moved)
    for running, value in zip([each for each in (running_mean, running_var) if each is not None], moved, strict=True):
        running._reset(value)
    return out


def _column(x: Tensor) -> Tensor:
    """A value for each channel as (1, C, 1, 1)."""
    return _reshape(x, (1, x.size, 1, 1))


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
    out = _standardize(inp, tuple(range(inp.ndim - len(shape), inp.ndim)), eps)
    return _affine(out, weight, bias) if affine else out


def group_norm(
    inp: Tensor, num_groups: int, affine: bool, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """Groups of channels normalized to mean 0 and variance 1, then each channel times ``weight`` plus ``bias`` (Wu & He, 2018).

    Shape: inp (N, C, ...), weight and bias (C,); they are used if ``affine``.

    >>> group_norm(Tensor([[[[1.0]], [[3.0]]]]), 1, False, eps=0.0).tolist()
    [[[[-1.0]], [[1.0]]]]
    """
    check(inp.ndim >= 2, "group_norm: input must be (N, C, ...), got shape {}", inp.shape)
    n, channels = inp.shape[:2]
    check(num_groups >= 1 and channels % num_groups == 0, "group_norm: {} channels do not make {} groups", channels, num_groups)
    rows = _reshape(inp, (n, num_groups, inp.size // max(n * num_groups, 1)))
    out = _reshape(_standardize(rows, (2,), eps), inp.shape)
    if not affine:
        return out
    column = (1, channels, *(1,) * (inp.ndim - 2))
    return _affine(out, *(None if each is None else _reshape(each, column) for each in (weight, bias)))


def instance_norm(inp: Tensor, affine: bool, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5) -> Tensor:
    """Each channel of each image normalized to mean 0 and variance 1: `group_norm` with a group for each channel.

    >>> instance_norm(Tensor([[[[1.0, 3.0]]]]), False, eps=0.0).tolist()
    [[[[-1.0, 1.0]]]]
    """
    return group_norm(inp, inp.shape[1], affine, weight, bias, eps)


def dropout(inp: Tensor, drop_prob: float, training: bool = True) -> Tensor:
    """``inp`` with each element set to 0 with probability ``drop_prob`` and the others scaled so that the mean stays (Srivastava et al., 2014).

    >>> dropout(Tensor([1.0, 2.0]), 0.5, training=False).tolist()
    [1.0, 2.0]
    """
    if not 0 <= drop_prob < 1:
        raise ProbabilityError(f"dropout: drop_prob must be in [0, 1), got {drop_prob}")
    if not training or drop_prob == 0:
        return inp
    kept = greater_equal(uniform(size=inp.shape), drop_prob)
    return where(kept, mul(inp, 1 / (1 - drop_prob)), 0.0)


class ProbabilityError(ValueError, AssertionError):
    """A probability out of range. (MegEngine: AssertionError.)"""


__all__ = [
    "avg_pool2d",
    "batch_norm",
    "binary_cross_entropy",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose2d",
    "cross_entropy",
    "dropout",
    "embedding",
    "gelu",
    "group_norm",
    "hinge_loss",
    "indexing_one_hot",
    "instance_norm",
    "l1_loss",
    "layer_norm",
    "linear",
    "logsigmoid",
    "logsoftmax",
    "logsumexp",
    "matmul",
    "max_pool2d",
    "one_hot",
    "relu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "square_loss",
]
