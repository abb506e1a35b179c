"""Layers that move values about and have no parameters: windows of images, their sums, and pixels out of channels."""

from __future__ import annotations

from .. import functional as F
from ..functional.sides import Sides
from ..tensor import Tensor
from .module import Module


class SlidingWindow(Module):
    """The windows of images, with zeros around them, see :func:`numod.functional.sliding_window`.

    Shape: (N, C, H, W) -> (N, C, rows, columns, *kernel_size).

    >>> import numod as nm, numod.module as M
    >>> M.SlidingWindow((1, 2))(nm.Tensor([[[[1.0, 2.0, 3.0]]]])).tolist()
    [[[[[[1.0, 2.0]], [[2.0, 3.0]]]]]]
    """

    def __init__(self, kernel_size: Sides, padding: Sides = 0, stride: Sides = 1, dilation: Sides = 1, name: str | None = None):
        super().__init__(name=name)
        self.kernel_size = kernel_size
        self.padding = padding
        self.stride = stride
        self.dilation = dilation

    def forward(self, inp: Tensor) -> Tensor:
        """The windows of ``inp``."""
        return F.sliding_window(inp, self.kernel_size, self.padding, self.stride, self.dilation)


class SlidingWindowTranspose(Module):
    """Windows added up to images, see :func:`numod.functional.sliding_window_transpose`.

    Shape: (N, C, rows, columns, *kernel_size) -> (N, C, *output_size).

    >>> import numod as nm, numod.module as M
    >>> M.SlidingWindowTranspose((1, 3), (1, 2))(nm.Tensor([[[[[[1.0, 2.0]], [[2.0, 3.0]]]]]])).tolist()
    [[[[1.0, 4.0, 3.0]]]]
    """

    def __init__(
        self,
        output_size: Sides,
        kernel_size: Sides,
        padding: Sides = 0,
        stride: Sides = 1,
        dilation: Sides = 1,
        name: str | None = None,
    ):
        super().__init__(name=name)
        self.output_size = output_size
        self.kernel_size = kernel_size
        self.padding = padding
        self.stride = stride
        self.dilation = dilation

    def forward(self, inp: Tensor) -> Tensor:
        """The sums of the windows ``inp`` at their places."""
        return F.sliding_window_transpose(inp, self.output_size, self.kernel_size, self.padding, self.stride, self.dilation)


class PixelShuffle(Module):
    """Channels laid out in space, ``upscale_factor`` r times as fine (Shi et al., 2016), see :func:`numod.functional.pixel_shuffle`.

    Shape: (..., C * r * r, H, W) -> (..., C, H * r, W * r).

    >>> import numod as nm, numod.module as M
    >>> M.PixelShuffle(2)(nm.Tensor([[[1.0]], [[2.0]], [[3.0]], [[4.0]]])).tolist()
    [[[1.0, 2.0], [3.0, 4.0]]]
    """

    def __init__(self, upscale_factor: int, name: str | None = None):
        super().__init__(name=name)
        self.upscale_factor = upscale_factor

    def forward(self, x: Tensor) -> Tensor:
        """The finer images."""
        return F.pixel_shuffle(x, self.upscale_factor)
