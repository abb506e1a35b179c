"""Pooling of images, and their windows."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..errors import check
from ..op import apply
from ..ops import pool as pool_ops, windows
from ..tensor import Tensor
from .quantization import on_levels
from .sides import Sides, reshaped, sides_of
from .tensor import as_shape, transpose


def _pool_attrs(name: str, kernel_size: Sides, stride: Sides | None, padding: Sides) -> tuple[tuple[int, ...], ...]:
    kernel = sides_of(name, "kernel_size", kernel_size, 2)
    return kernel, kernel if stride is None else sides_of(name, "stride", stride, 2), sides_of(name, "padding", padding, 2)


def max_pool2d(inp: Tensor, kernel_size: Sides, stride: Sides | None = None, padding: Sides = 0) -> Tensor:
    """The largest value of each window of an image (N, C, H, W). Padding takes no part; ``stride`` is ``kernel_size`` by default.

    >>> max_pool2d(Tensor([[[[1.0, 2.0], [3.0, 4.0]]]]), 2).tolist()
    [[[[4.0]]]]
    """
    return apply(pool_ops.max_pool2d, (inp,), _pool_attrs("max_pool2d", kernel_size, stride, padding))


@on_levels
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


def _adaptive(name: str, inp: Tensor, oshp: int | Sequence[int] | Tensor) -> tuple[tuple[int, ...], ...]:
    """Kernel, stride and padding of windows that lie evenly over the image, so many along its axes."""
    wanted = as_shape(name, oshp)
    wanted = wanted * 2 if len(wanted) == 1 else wanted
    check(inp.ndim == 4, "{}: input must be (N, C, H, W), got shape {}", name, inp.shape)
    fits = len(wanted) == 2 and all(1 <= out <= n for out, n in zip(wanted, inp.shape[2:], strict=True))
    check(fits, "{}: output sides must be one or two ints from 1 to those of the image, {}, got {}", name, inp.shape[2:], oshp)
    stride = tuple(n // out for n, out in zip(inp.shape[2:], wanted, strict=True))
    kernel = tuple(n - (out - 1) * s for n, out, s in zip(inp.shape[2:], wanted, stride, strict=True))
    return kernel, stride, (0, 0)


def adaptive_max_pool2d(inp: Tensor, oshp: int | Sequence[int] | Tensor) -> Tensor:
    """The largest value of each of ``oshp`` windows that cover an image (N, C, H, W).

    Windows have one size and lie ``H // rows`` and ``W // columns`` apart, so where the sides do not divide, they overlap.

    >>> adaptive_max_pool2d(Tensor([[[[1.0, 2.0, 3.0, 4.0]]]]), (1, 2)).tolist()
    [[[[2.0, 4.0]]]]
    """
    return apply(pool_ops.max_pool2d, (inp,), _adaptive("adaptive_max_pool2d", inp, oshp))


@on_levels
def adaptive_avg_pool2d(inp: Tensor, oshp: int | Sequence[int] | Tensor) -> Tensor:
    """The mean of each of ``oshp`` windows that cover an image (N, C, H, W); they lie as in `adaptive_max_pool2d`.

    >>> adaptive_avg_pool2d(Tensor([[[[1.0, 2.0, 3.0, 4.0]]]]), (1, 2)).tolist()
    [[[[1.5, 3.5]]]]
    """
    return apply(pool_ops.avg_pool2d, (inp,), (*_adaptive("adaptive_avg_pool2d", inp, oshp), False))


def _window_attrs(name: str, kernel_size: Sides, padding: Sides, stride: Sides, dilation: Sides) -> tuple[tuple[int, ...], ...]:
    given = (("kernel_size", kernel_size), ("padding", padding), ("stride", stride), ("dilation", dilation))
    return tuple(sides_of(name, what, value, 2) for what, value in given)


def sliding_window(inp: Tensor, kernel_size: Sides, padding: Sides = 0, stride: Sides = 1, dilation: Sides = 1) -> Tensor:
    """The windows of images (N, C, H, W), with zeros around them: (N, C, rows, columns, *kernel_size). (Also known as im2col or unfold.)

    >>> sliding_window(Tensor([[[[1.0, 2.0, 3.0]]]]), (1, 2)).tolist()
    [[[[[[1.0, 2.0]], [[2.0, 3.0]]]]]]
    """
    return apply(windows.sliding_window, (inp,), _window_attrs("sliding_window", kernel_size, padding, stride, dilation))


def sliding_window_transpose(
    inp: Tensor, output_size: Sides, kernel_size: Sides, padding: Sides = 0, stride: Sides = 1, dilation: Sides = 1
) -> Tensor:
    """Windows (N, C, rows, columns, *kernel_size) added up to images (N, C, *output_size): the transpose of `sliding_window`. (Also fold.)

    >>> sliding_window_transpose(Tensor([[[[[[1.0, 2.0]], [[2.0, 3.0]]]]]]), (1, 3), (1, 2)).tolist()
    [[[[1.0, 4.0, 3.0]]]]
    """
    name = "sliding_window_transpose"
    attrs = _window_attrs(name, kernel_size, padding, stride, dilation)
    return apply(windows.sliding_window_transpose, (inp,), (sides_of(name, "output_size", output_size, 2), *attrs))


def pixel_shuffle(inp: Tensor, upscale_factor: int) -> Tensor:
    """Channels laid out in space, ``upscale_factor`` r times as fine: (..., C * r * r, H, W) -> (..., C, H * r, W * r) (Shi et al., 2016).

    >>> pixel_shuffle(Tensor([[[1.0]], [[2.0]], [[3.0]], [[4.0]]]), 2).tolist()
    [[[1.0, 2.0], [3.0, 4.0]]]
    """
    if not isinstance(upscale_factor, int) or upscale_factor < 1:
        raise FactorError(f"pixel_shuffle: upscale_factor must be a positive int, got {upscale_factor!r}")
    r, shape = upscale_factor, inp.shape
    check(len(shape) >= 3, "pixel_shuffle: input must be (..., C, H, W), got shape {}", shape)
    *batch, channels, height, width = shape
    check(channels % (r * r) == 0, "pixel_shuffle: {} channels do not make squares of side {}", channels, r)
    n = math.prod(batch)
    fine = transpose(reshaped(inp, (n, channels // (r * r), r, r, height, width)), (0, 1, 4, 2, 5, 3))
    return reshaped(fine, (*batch, channels // (r * r), height * r, width * r))


class FactorError(ValueError, RuntimeError):
    """A factor that is not a positive int. (MegEngine: RuntimeError.)"""
