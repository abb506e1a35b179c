"""Convolutions, transposed ones, and those whose weights differ from place to place."""

from __future__ import annotations

import math

from ..errors import check
from ..op import apply
from ..ops import conv as conv_ops, region, windows
from ..precision import as_given, low
from ..tensor import Tensor
from .elemwise import add
from .linalg import matmul
from .sides import Sides, reshaped, sides_of
from .tensor import transpose


def conv_attrs(name: str, axes: int, stride: Sides, padding: Sides, dilation: Sides, groups: int, conv_mode: str):
    """stride, padding, dilation and groups, checked, with a number for each spatial axis."""
    check(conv_mode.lower() == "cross_correlation", "{}: conv_mode must be 'cross_correlation', got {!r}", name, conv_mode)
    check(isinstance(groups, int) and groups >= 1, "{}: groups must be a positive int, got {!r}", name, groups)
    return (
        sides_of(name, "stride", stride, axes),
        sides_of(name, "padding", padding, axes),
        sides_of(name, "dilation", dilation, axes),
        groups,
    )


def flat_weight(name: str, weight: Tensor, axes: int, groups: int) -> Tensor:
    """A grouped weight (groups, outputs / groups, inputs / groups, *kernel) -> (outputs, inputs / groups, *kernel)."""
    shape = weight.shape
    if len(shape) != axes + 3:
        check(groups == 1, "{}: the weight of {} groups must have {} axes, got shape {}", name, groups, axes + 3, shape)
        return weight
    check(shape[0] == groups, "{}: weight has {} groups, asked for {}", name, shape[0], groups)
    return reshaped(weight, (shape[0] * shape[1], *shape[2:]))


def _conv(axes: int, inp: Tensor, weight: Tensor, bias: Tensor | None, stride, padding, dilation, groups: int, conv_mode: str) -> Tensor:
    name = f"conv{axes}d"
    attrs = conv_attrs(name, axes, stride, padding, dilation, groups, conv_mode)
    weight = flat_weight(name, weight, axes, groups)
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


def _conv_transpose(
    axes: int, inp: Tensor, weight: Tensor, bias: Tensor | None, stride, padding, output_padding, dilation, groups, conv_mode
):
    name = f"conv_transpose{axes}d"
    steps, pads, spread, groups = attrs = conv_attrs(name, axes, stride, padding, dilation, groups, conv_mode)
    extra = sides_of(name, "output_padding", output_padding, axes)
    check(
        all(e == 0 or e < s for e, s in zip(extra, steps, strict=True)),
        "{}: output_padding {} must be smaller than stride {}",
        name,
        extra,
        steps,
    )
    weight = flat_weight(name, weight, axes, groups)
    check(
        inp.ndim == weight.ndim == axes + 2,
        "{}: input and weight must have {} axes, got shapes {} and {}",
        name,
        axes + 2,
        inp.shape,
        weight.shape,
    )
    check(inp.shape[1] == weight.shape[0], "{}: input has {} channels, weight takes {}", name, inp.shape[1], weight.shape[0])
    sides = tuple(
        (n - 1) * s - 2 * p + d * (k - 1) + 1 + e
        for n, s, p, d, k, e in zip(inp.shape[2:], steps, pads, spread, weight.shape[2:], extra, strict=True)
    )
    shape = (inp.shape[0], weight.shape[1] * groups, *sides)
    out = apply(conv_ops.conv_data_gradient, (inp, weight), (shape, *attrs))
    return out if bias is None else add(out, low(bias) if axes < 3 else bias)


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
    return _conv_transpose(2, inp, weight, bias, stride, padding, output_padding, dilation, groups, conv_mode)


def conv_transpose3d(
    inp: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sides = 1,
    padding: Sides = 0,
    output_padding: Sides = 0,
    dilation: Sides = 1,
    groups: int = 1,
) -> Tensor:
    """Transposed convolution of volumes: the gradient of `conv3d` with respect to its input.

    Shape: inp (N, C, D, H, W), weight (C, outputs, *kernel) or with groups (groups, C / groups, outputs / groups, *kernel), bias (1, outputs, 1, 1, 1).
    output_padding: as in `conv_transpose2d`.

    >>> conv_transpose3d(Tensor([[[[[1.0, 2.0]]]]]), Tensor([[[[[1.0, 1.0]]]]])).tolist()
    [[[[[1.0, 3.0, 2.0]]]]]
    """
    return _conv_transpose(3, inp, weight, bias, stride, padding, output_padding, dilation, groups, "cross_correlation")


@as_given
def local_conv2d(
    inp: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sides = 1,
    padding: Sides = 0,
    dilation: Sides = 1,
    conv_mode: str = "cross_correlation",
) -> Tensor:
    """Convolution with a kernel of its own at each place of the result: locally connected, but no weight is shared.

    Shape: inp (N, groups * C, H, W), weight (groups, *sides of the result, C, *kernel, outputs), bias broadcast to the result
    (N, groups * outputs, *sides).

    >>> local_conv2d(Tensor([[[[1.0, 2.0]]]]), Tensor([10.0, 100.0]).reshape(1, 1, 2, 1, 1, 1, 1)).tolist()
    [[[[10.0, 200.0]]]]
    """
    name = "local_conv2d"
    steps, pads, spread, _ = conv_attrs(name, 2, stride, padding, dilation, 1, conv_mode)
    check(weight.ndim == 7, "{}: weight must be (groups, rows, columns, C, *kernel, outputs), got shape {}", name, weight.shape)
    groups, rows, columns, channels, *kernel, outputs = weight.shape
    check(
        inp.ndim == 4 and inp.shape[1] == groups * channels,
        "{}: input must be (N, {}, H, W), got shape {}",
        name,
        groups * channels,
        inp.shape,
    )
    sides = windows.out_sides(name, inp.shape[2:], tuple(kernel), pads, steps, spread)
    check(sides == (rows, columns), "{}: weight has kernels for {} places, the result has {}", name, (rows, columns), sides)
    seen = apply(windows.sliding_window, (inp,), (tuple(kernel), pads, steps, spread))  # (N, groups * C, rows, columns, *kernel)
    places, taps = groups * rows * columns, channels * math.prod(kernel)
    seen = transpose(seen.reshape(-1, groups, channels, rows, columns, *kernel), (1, 3, 4, 0, 2, 5, 6))
    out = matmul(seen.reshape(places, inp.shape[0], taps), weight.reshape(places, taps, outputs))  # (places, N, outputs)
    out = transpose(out.reshape(groups, rows, columns, inp.shape[0], outputs), (3, 0, 4, 1, 2))
    out = out.reshape(inp.shape[0], groups * outputs, rows, columns)
    return out if bias is None else add(out, bias)


def region_restricted_conv(
    inp: Tensor,
    weight: Tensor,
    rin: Tensor,
    rout: Tensor,
    bias: Tensor | None = None,
    stride: Sides = 1,
    padding: Sides = 0,
    dilation: Sides = 1,
    groups: int = 1,
    conv_mode: str = "cross_correlation",
    compute_mode: str = "default",
) -> Tensor:
    """Convolution in which a place of the result takes from places of its own region only.

    Shape: inp (N, C, H, W), weight (groups, outputs / groups, C / groups, *kernel), bias (1, outputs, 1, 1).
    rin, rout: the number of the region of each place of the input, (N, H, W), and of the result, (N, *sides); both int32 or both uint8.

    >>> x, regions = Tensor([[[[1.0, 2.0, 3.0]]]]), Tensor([[[0, 0, 1]]])
    >>> region_restricted_conv(x, Tensor([1.0, 1.0]).reshape(1, 1, 1, 1, 2), regions, regions[:, :, 1:]).tolist()
    [[[[3.0, 3.0]]]]
    """
    name = "region_restricted_conv"
    attrs = conv_attrs(name, 2, stride, padding, dilation, groups, conv_mode)
    check(weight.ndim == 5, "{}: weight must be (groups, outputs / groups, C / groups, *kernel), got shape {}", name, weight.shape)
    out = apply(region.region_conv, (inp, flat_weight(name, weight, 2, groups), rin, rout), attrs)
    return out if bias is None else add(out, bias)
