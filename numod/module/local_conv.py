"""Convolution layers that are not the same everywhere: by place, or by region."""

from __future__ import annotations

from .. import functional as F
from ..ops.windows import out_sides
from ..tensor import Tensor
from .conv import Conv2d, _Conv


class LocalConv2d(Conv2d):
    """Convolution of images of one size with a kernel for each place of the result, see :func:`numod.functional.local_conv2d`.

    Shape: (N, in_channels, input_height, input_width) -> (N, out_channels, H', W').
    Parameters: weight (groups, H', W', in_channels / groups, kh, kw, out_channels / groups), drawn from a normal distribution of deviation
    ``1 / sqrt(in_channels * kh * kw)``. There is no bias.

    >>> import numod.functional as F, numod.module as M
    >>> layer = M.LocalConv2d(2, 4, 5, 6, kernel_size=3)
    >>> layer(F.ones((1, 2, 5, 6))).shape, layer.weight.shape
    ((1, 4, 3, 4), (1, 3, 4, 2, 3, 3, 4))
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        input_height: int,
        input_width: int,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] = 1,
        padding: int | tuple[int, ...] = 0,
        dilation: int | tuple[int, ...] = 1,
        groups: int = 1,
        conv_mode: str = "cross_correlation",
        name: str | None = None,
    ):
        self.input_height = input_height  # before the weight is made, whose shape depends on them
        self.input_width = input_width
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, False, conv_mode, name=name)

    def _weight_shape(self) -> tuple[int, ...]:
        size = (self.input_height, self.input_width)
        places = out_sides("LocalConv2d", size, self.kernel_size, self.padding, self.stride, self.dilation)
        return (self.groups, *places, self.in_channels // self.groups, *self.kernel_size, self.out_channels // self.groups)

    def forward(self, inp: Tensor) -> Tensor:
        """Each place of ``inp`` with its own weights."""
        return F.local_conv2d(inp, self.weight, None, self.stride, self.padding, self.dilation, self.conv_mode)


class RegionRestrictedConv(_Conv):
    """Convolution in which a place of the result takes from places of its own region only, see :func:`numod.functional.region_restricted_conv`.

    Shape: (N, in_channels, H, W), rin (N, H, W) and rout (N, H', W') -> (N, out_channels, H', W').
    rin, rout: the number of the region of each place of the input and of the result, both int32 or both uint8.
    Parameters: weight (groups, out_channels / groups, in_channels / groups, kh, kw); bias (1, out_channels, 1, 1), or None with ``bias=False``.
    padding_mode: ``"zeros"``, ``"reflect"`` or ``"replicate"``; padding that repeats pixels repeats their regions.

    >>> import numod as nm, numod.functional as F, numod.module as M
    >>> regions = nm.Tensor([[[0, 0, 1], [0, 1, 1]]])
    >>> M.RegionRestrictedConv(2, 4, 3, padding=1)(F.ones((1, 2, 2, 3)), regions, regions).shape
    (1, 4, 2, 3)
    """

    axes = 2

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, ...],
        groups: int = 1,
        bias: bool = True,
        stride: int | tuple[int, ...] = 1,
        padding: int | tuple[int, ...] = 0,
        dilation: int | tuple[int, ...] = 1,
        conv_mode: str = "cross_correlation",
        compute_mode: str = "default",
        padding_mode: str = "zeros",
        name: str | None = None,
    ):
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            groups,
            bias,
            conv_mode,
            compute_mode,
            padding_mode,
            name,
        )

    def _weight_shape(self) -> tuple[int, ...]:
        return (self.groups, self.out_channels // self.groups, self.in_channels // self.groups, *self._sides(self.kernel_size))

    def calc_conv(self, inp: Tensor, weight: Tensor, rin: Tensor, rout: Tensor, bias: Tensor | None) -> Tensor:
        """The convolution with this weight and bias in place of the layer's own."""
        inp, padding = self._padded(inp)
        rin, _ = self._padded(rin)
        settings = (self.stride, padding, self.dilation, self.groups, self.conv_mode, self.compute_mode)
        return F.region_restricted_conv(inp, weight, rin, rout, bias, *settings)

    def forward(self, inp: Tensor, rin: Tensor, rout: Tensor) -> Tensor:
        """The convolution of ``inp`` within regions, plus the bias."""
        return self.calc_conv(inp, self.weight, rin, rout, self.bias)
