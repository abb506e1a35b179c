"""Convolution layers over one, two and three axes."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from .. import functional as F
from ..tensor import Parameter, Tensor
from . import init
from .module import Module

_PADDING_MODES = {"zeros": "constant", "reflect": "reflect", "replicate": "replicate"}


class _Conv(Module):
    """What the convolutions share; a subclass says over how many axes it goes, and calls its function."""

    axes: ClassVar[int]
    kernel_size: Any  # an int where there is one axis, a tuple otherwise; and so are the next three
    stride: Any
    padding: Any
    dilation: Any

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] = 1,
        padding: int | tuple[int, ...] = 0,
        dilation: int | tuple[int, ...] = 1,
        groups: int = 1,
        bias: bool = True,
        conv_mode: str = "cross_correlation",
        compute_mode: str = "default",
        padding_mode: str = "zeros",
        name: str | None = None,
    ):
        super().__init__(name=name)
        for what, channels in (("in_channels", in_channels), ("out_channels", out_channels)):
            if channels % groups:
                raise ValueError(f"{type(self).__name__}: {what} must be a multiple of groups={groups}, got {channels}")
        if padding_mode not in _PADDING_MODES:
            raise ValueError(f"{type(self).__name__}: padding_mode must be one of {list(_PADDING_MODES)}, got {padding_mode!r}")
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = self._per_axis("kernel_size", kernel_size)
        self.stride = self._per_axis("stride", stride)
        self.padding = self._per_axis("padding", padding)
        self.dilation = self._per_axis("dilation", dilation)
        self.groups = groups
        self.conv_mode = conv_mode
        self.compute_mode = compute_mode
        self.padding_mode = padding_mode
        self.weight = Parameter(np.zeros(self._weight_shape(), np.float32))
        self.bias = Parameter(np.zeros((1, out_channels, *[1] * self.axes), np.float32)) if bias else None
        self.reset_parameters()

    def _per_axis(self, what: str, value: int | tuple[int, ...]) -> int | tuple[int, ...]:
        """One number for each axis; a plain number where there is one axis."""
        if isinstance(value, int):
            return value if self.axes == 1 else (value,) * self.axes
        if self.axes > 1 and len(value) == self.axes:
            return tuple(value)
        accepted = "an int" if self.axes == 1 else f"an int or {self.axes} ints"
        raise ValueError(f"{type(self).__name__}: {what} must be {accepted}, got {value!r}")

    def _sides(self, value: int | tuple[int, ...]) -> tuple[int, ...]:
        return (value,) if isinstance(value, int) else value

    def _weight_shape(self) -> tuple[int, ...]:
        sides = self._sides(self.kernel_size)
        if self.groups == 1:
            return (self.out_channels, self.in_channels, *sides)
        return (self.groups, self.out_channels // self.groups, self.in_channels // self.groups, *sides)

    def _fan_in(self) -> int:
        return self.in_channels

    def reset_parameters(self) -> None:
        """Draw new values: a normal distribution of deviation ``1 / sqrt(in_channels * kernel positions)``, and a bias of zeros."""
        fan_in = self._fan_in() * math.prod(self._sides(self.kernel_size))
        init.normal_(self.weight, 0.0, 1 / math.sqrt(max(fan_in, 1)))
        if self.bias is not None:
            init.zeros_(self.bias)

    def _padded(self, x):
        """The input and the padding that is left to the convolution: all of it, unless it is not with zeros."""
        if self.padding_mode == "zeros":
            return x, self.padding
        widths = (*[(0, 0)] * (x.ndim - self.axes), *((side, side) for side in self._sides(self.padding)))
        return F.pad(x, widths, mode=_PADDING_MODES[self.padding_mode]), self._per_axis("padding", 0)

    def _module_info_string(self) -> str:
        parts = [f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}"]
        for what, default in (("stride", 1), ("padding", 0), ("dilation", 1)):
            if getattr(self, what) != self._per_axis(what, default):
                parts.append(f"{what}={getattr(self, what)}")
        if self.groups != 1:
            parts.append(f"groups={self.groups}")
        if self.bias is None:
            parts.append("bias=False")
        return ", ".join(parts)


class Conv1d(_Conv):
    """Convolution of sequences, see :func:`numod.functional.conv1d`.

    Shape: (N, in_channels, L) -> (N, out_channels, L').
    Parameters: weight (out_channels, in_channels, kernel_size), or with groups
    (groups, out_channels / groups, in_channels / groups, kernel_size); bias (1, out_channels, 1), or None with ``bias=False``.
    padding_mode: ``"zeros"``, ``"reflect"`` or ``"replicate"``.

    >>> import numod.functional as F, numod.module as M
    >>> M.Conv1d(3, 8, 5, padding=2)(F.ones((2, 3, 16))).shape
    (2, 8, 16)
    """

    axes = 1

    def calc_conv(self, inp: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """The convolution with this weight and bias in place of the layer's own."""
        inp, padding = self._padded(inp)
        return F.conv1d(inp, weight, bias, self.stride, padding, self.dilation, self.groups, self.conv_mode, self.compute_mode)

    def forward(self, inp: Tensor) -> Tensor:
        """Convolve ``inp`` with the weight and add the bias."""
        return self.calc_conv(inp, self.weight, self.bias)


class Conv2d(_Conv):
    """Convolution of images, see :func:`numod.functional.conv2d`.

    Shape: (N, in_channels, H, W) -> (N, out_channels, H', W').
    Parameters: weight (out_channels, in_channels, kh, kw), or with groups (groups, out_channels / groups, in_channels / groups, kh, kw);
    bias (1, out_channels, 1, 1), or None with ``bias=False``.
    padding_mode: ``"zeros"``, ``"reflect"`` or ``"replicate"``.

    >>> import numod.functional as F, numod.module as M
    >>> M.Conv2d(1, 10, 5, stride=2)(F.ones((2, 1, 28, 28))).shape
    (2, 10, 12, 12)
    """

    axes = 2

    def calc_conv(self, inp: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """The convolution with this weight and bias in place of the layer's own."""
        inp, padding = self._padded(inp)
        return F.conv2d(inp, weight, bias, self.stride, padding, self.dilation, self.groups, self.conv_mode, self.compute_mode)

    def forward(self, inp: Tensor) -> Tensor:
        """Convolve ``inp`` with the weight and add the bias."""
        return self.calc_conv(inp, self.weight, self.bias)


class Conv3d(_Conv):
    """Convolution of volumes, see :func:`numod.functional.conv3d`.

    Shape: (N, in_channels, D, H, W) -> (N, out_channels, D', H', W').
    Parameters: weight (out_channels, in_channels, kd, kh, kw), or with groups
    (groups, out_channels / groups, in_channels / groups, kd, kh, kw); bias (1, out_channels, 1, 1, 1), or None with ``bias=False``.

    >>> import numod.functional as F, numod.module as M
    >>> M.Conv3d(2, 4, 3)(F.ones((1, 2, 5, 6, 7))).shape
    (1, 4, 3, 4, 5)
    """

    axes = 3

    def calc_conv(self, inp: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """The convolution with this weight and bias in place of the layer's own."""
        return F.conv3d(inp, weight, bias, self.stride, self.padding, self.dilation, self.groups, self.conv_mode)

    def forward(self, inp: Tensor) -> Tensor:
        """Convolve ``inp`` with the weight and add the bias."""
        return self.calc_conv(inp, self.weight, self.bias)
