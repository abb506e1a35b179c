"""Pooling layers: the largest or the mean value of windows."""

from __future__ import annotations

from collections.abc import Sequence

from .. import functional as F
from ..tensor import Tensor
from .module import Module


class _Pool2d(Module):
    def __init__(
        self,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] | None = None,
        padding: int | tuple[int, int] = 0,
        name: str | None = None,
    ):
        super().__init__(name=name)
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding

    def _module_info_string(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxPool2d(_Pool2d):
    """The largest value in each window; windows lie side by side unless a stride is given.

    Shape: (N, C, H, W) -> (N, C, H', W').

    >>> import numod as nm, numod.module as M
    >>> M.MaxPool2d(2)(nm.Tensor([[[[1.0, 2.0], [3.0, 4.0]]]])).tolist()
    [[[[4.0]]]]
    """

    def forward(self, inp: Tensor) -> Tensor:
        """The largest value of each window of ``inp``."""
        return F.max_pool2d(inp, self.kernel_size, self.stride, self.padding)


class AvgPool2d(_Pool2d):
    """The mean of each window; windows lie side by side unless a stride is given.

    Shape: (N, C, H, W) -> (N, C, H', W').
    mode: ``"average_count_exclude_padding"``, or ``"average"``, which counts padding as zeros.

    >>> import numod as nm, numod.module as M
    >>> M.AvgPool2d(2)(nm.Tensor([[[[1.0, 2.0], [3.0, 4.0]]]])).tolist()
    [[[[2.5]]]]
    """

    def __init__(
        self,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] | None = None,
        padding: int | tuple[int, int] = 0,
        mode: str = "average_count_exclude_padding",
        name: str | None = None,
    ):
        super().__init__(kernel_size, stride, padding, name=name)
        self.mode = mode

    def forward(self, inp: Tensor) -> Tensor:
        """The mean of each window of ``inp``."""
        return F.avg_pool2d(inp, self.kernel_size, self.stride, self.padding, self.mode)

    def _module_info_string(self) -> str:
        return f"{super()._module_info_string()}, mode={self.mode}"


class _AdaptivePool2d(Module):
    def __init__(self, oshp: int | Sequence[int] | Tensor, name: str | None = None):
        super().__init__(name=name)
        self.oshp = oshp


class AdaptiveMaxPool2d(_AdaptivePool2d):
    """The largest value in each of ``oshp`` windows that cover the image, see :func:`numod.functional.adaptive_max_pool2d`.

    Shape: (N, C, H, W) -> (N, C, *oshp). oshp: rows and columns of the result, or one number for both.

    >>> import numod as nm, numod.module as M
    >>> M.AdaptiveMaxPool2d((1, 2))(nm.Tensor([[[[1.0, 2.0, 3.0, 4.0]]]])).tolist()
    [[[[2.0, 4.0]]]]
    """

    def forward(self, inp: Tensor) -> Tensor:
        """The largest value of each window of ``inp``."""
        return F.adaptive_max_pool2d(inp, self.oshp)


class AdaptiveAvgPool2d(_AdaptivePool2d):
    """The mean of each of ``oshp`` windows that cover the image, see :func:`numod.functional.adaptive_avg_pool2d`.

    Shape: (N, C, H, W) -> (N, C, *oshp). oshp: rows and columns of the result, or one number for both.

    >>> import numod as nm, numod.module as M
    >>> M.AdaptiveAvgPool2d(1)(nm.Tensor([[[[1.0, 2.0], [3.0, 4.0]]]])).tolist()
    [[[[2.5]]]]
    """

    def forward(self, inp: Tensor) -> Tensor:
        """The mean of each window of ``inp``."""
        return F.adaptive_avg_pool2d(inp, self.oshp)
