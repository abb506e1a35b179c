"""Transposed convolution layers."""

from __future__ import annotations

from typing import Any

from .. import functional as F
from ..tensor import Tensor
from .conv import _Conv


class _ConvTranspose(_Conv):
    """What the transposed convolutions share: the weight's layout, and the rows added to the result."""

    output_padding: Any

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] = 1,
        padding: int | tuple[int, ...] = 0,
        output_padding: int | tuple[int, ...] = 0,
        dilation: int | tuple[int, ...] = 1,
        groups: int = 1,
        bias: bool = True,
        conv_mode: str = "cross_correlation",
        compute_mode: str = "default",
        name: str | None = None,
    ):
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, conv_mode, compute_mode, name=name
        )
        self.output_padding = self._per_axis("output_padding", output_padding)

    def _weight_shape(self) -> tuple[int, ...]:
        sides = self._sides(self.kernel_size)
        if self.groups == 1:
            return (self.in_channels, self.out_channels, *sides)
        return (self.groups, self.in_channels // self.groups, self.out_channels // self.groups, *sides)

    def _fan_in(self) -> int:
        return self.out_channels


class ConvTranspose2d(_ConvTranspose):
    """Transposed convolution of images, see :func:`numod.functional.conv_transpose2d`.

    Shape: (N, in_channels, H, W) -> (N, out_channels, H', W').
    Parameters: weight (in_channels, out_channels, kh, kw), or with groups (groups, in_channels / groups, out_channels / groups, kh, kw), drawn
    from a normal distribution of deviation ``1 / sqrt(out_channels * kh * kw)``; bias (1, out_channels, 1, 1), zeros, or None with
    ``bias=False``.

    >>> import numod.functional as F, numod.module as M
    >>> M.ConvTranspose2d(3, 8, 3, stride=2, padding=1, output_padding=1)(F.ones((2, 3, 16, 16))).shape
    (2, 8, 32, 32)
    """

    axes = 2

    def calc_conv_transpose2d(self, inp: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """The transposed convolution with this weight and bias in place of the layer's own."""
        return F.conv_transpose2d(
            inp,
            weight,
            bias,
            self.stride,
            self.padding,
            self.output_padding,
            self.dilation,
            self.groups,
            self.conv_mode,
            self.compute_mode,
        )

    def forward(self, inp: Tensor) -> Tensor:
        """The transposed convolution of ``inp`` with the weight, plus the bias."""
        return self.calc_conv_transpose2d(inp, self.weight, self.bias)


class ConvTranspose3d(_ConvTranspose):
    """Transposed convolution of volumes, see :func:`numod.functional.conv_transpose3d`.

    Shape: (N, in_channels, D, H, W) -> (N, out_channels, D', H', W').
    Parameters: weight (in_channels, out_channels, kd, kh, kw), or with groups
    (groups, in_channels / groups, out_channels / groups, kd, kh, kw), drawn from a normal distribution of deviation
    ``1 / sqrt(in_channels * kd * kh * kw)``; bias (1, out_channels, 1, 1, 1), zeros, or None with ``bias=False``.

    >>> import numod.functional as F, numod.module as M
    >>> M.ConvTranspose3d(3, 8, 3, stride=2, padding=1, output_padding=1)(F.ones((2, 3, 4, 5, 6))).shape
    (2, 8, 8, 10, 12)
    """

    axes = 3

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] = 1,
        padding: int | tuple[int, ...] = 0,
        output_padding: int | tuple[int, ...] = 0,
        dilation: int | tuple[int, ...] = 1,
        groups: int = 1,
        bias: bool = True,
        name: str | None = None,
    ):
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, output_padding, dilation, groups, bias, name=name)

    def _fan_in(self) -> int:
        return self.in_channels

    def forward(self, inp: Tensor) -> Tensor:
        """The transposed convolution of ``inp`` with the weight, plus the bias."""
        return F.conv_transpose3d(inp, self.weight, self.bias, self.stride, self.padding, self.output_padding, self.dilation, self.groups)
