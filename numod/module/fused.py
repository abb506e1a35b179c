"""Several layers in one: what quantization and inference treat as a unit. In float they compute what the single layers do."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .. import functional as F
from ..tensor import Parameter, Tensor
from .batchnorm import BatchNorm1d, BatchNorm2d
from .conv import Conv2d
from .conv_transpose import ConvTranspose2d
from .linear import Linear
from .module import Module

Sides = int | tuple[int, ...]


class _Relu(Module):
    """Put before a layer in the list of base classes, it sets what is negative in that layer's result to 0."""

    def forward(self, inp: Tensor) -> Tensor:
        """The result of the layer for ``inp``, with what is negative set to 0."""
        return F.relu(super().forward(inp))  # type: ignore[safe-super]


class ConvRelu2d(_Relu, Conv2d):
    """`Conv2d` and then ReLU.

    >>> import numod.functional as F, numod.module as M
    >>> M.ConvRelu2d(1, 2, 3)(F.ones((1, 1, 4, 4))).min().item() >= 0
    True
    """


class ConvTransposeRelu2d(_Relu, ConvTranspose2d):
    """`ConvTranspose2d` and then ReLU.

    >>> import numod.functional as F, numod.module as M
    >>> M.ConvTransposeRelu2d(1, 2, 3)(F.ones((1, 1, 4, 4))).min().item() >= 0
    True
    """


class LinearRelu(_Relu, Linear):
    """`Linear` and then ReLU.

    >>> import numod.functional as F, numod.module as M
    >>> M.LinearRelu(3, 2)(F.ones((4, 3))).min().item() >= 0
    True
    """


class ConvBn2d(Module):
    """`Conv2d` (``conv``) and then `BatchNorm2d` (``bn``). The arguments are theirs.

    >>> import numod.functional as F, numod.module as M
    >>> M.ConvBn2d(1, 2, 3)(F.ones((1, 1, 4, 4))).shape
    (1, 2, 2, 2)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sides,
        stride: Sides = 1,
        padding: Sides = 0,
        dilation: Sides = 1,
        groups: int = 1,
        bias: bool = True,
        conv_mode: str = "cross_correlation",
        compute_mode: str = "default",
        eps: float = 1e-5,
        momentum: float = 0.9,
        affine: bool = True,
        track_running_stats: bool = True,
        padding_mode: str = "zeros",
        name: str | None = None,
    ):
        super().__init__(name=name)
        self.conv = Conv2d(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, conv_mode, compute_mode, padding_mode
        )
        self.bn = BatchNorm2d(out_channels, eps, momentum, affine, track_running_stats)

    def forward(self, inp: Tensor) -> Tensor:
        """``inp`` convolved and normalized."""
        return self.bn(self.conv(inp))


class ConvBnRelu2d(_Relu, ConvBn2d):
    """`ConvBn2d` and then ReLU.

    >>> import numod.functional as F, numod.module as M
    >>> M.ConvBnRelu2d(1, 2, 3)(F.ones((1, 1, 4, 4))).min().item() >= 0
    True
    """


class ConvTransposeBn2d(Module):
    """`ConvTranspose2d` (``conv_transpose2d``) and then `BatchNorm2d` (``bn``). The arguments are theirs.

    >>> import numod.functional as F, numod.module as M
    >>> M.ConvTransposeBn2d(1, 2, 3)(F.ones((1, 1, 4, 4))).shape
    (1, 2, 6, 6)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sides,
        stride: Sides = 1,
        padding: Sides = 0,
        output_padding: Sides = 0,
        dilation: Sides = 1,
        groups: int = 1,
        bias: bool = True,
        conv_mode: str = "cross_correlation",
        compute_mode: str = "default",
        eps: float = 1e-5,
        momentum: float = 0.9,
        affine: bool = True,
        track_running_stats: bool = True,
        name: str | None = None,
    ):
        super().__init__(name=name)
        self.conv_transpose2d = ConvTranspose2d(
            in_channels, out_channels, kernel_size, stride, padding, output_padding, dilation, groups, bias, conv_mode, compute_mode
        )
        self.bn = BatchNorm2d(out_channels, eps, momentum, affine, track_running_stats)

    def forward(self, inp: Tensor) -> Tensor:
        """The transposed convolution of ``inp``, normalized."""
        return self.bn(self.conv_transpose2d(inp))


class ConvTransposeBnRelu2d(_Relu, ConvTransposeBn2d):
    """`ConvTransposeBn2d` and then ReLU.

    >>> import numod.functional as F, numod.module as M
    >>> M.ConvTransposeBnRelu2d(1, 2, 3)(F.ones((1, 1, 4, 4))).min().item() >= 0
    True
    """


class LinearBn1d(Module):
    """`Linear` (``linear``) and then `BatchNorm1d` (``bn``). The arguments are theirs.

    Parameters: beside those of the two, ``bias`` (out_features,), which nothing reads: MegEngine's state dicts have it.

    >>> import numod.functional as F, numod.module as M
    >>> M.LinearBn1d(3, 2)(F.ones((4, 3))).shape
    (4, 2)
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        compute_mode: str = "default",
        eps: float = 1e-5,
        momentum: float = 0.9,
        affine: bool = True,
        track_running_stats: bool = True,
        name: str | None = None,
    ):
        super().__init__(name=name)
        self.in_features = in_features
        self.out_features = out_features
        self.bias = Parameter(np.zeros(out_features, np.float32)) if bias else None
        self.linear = Linear(in_features, out_features, bias, compute_mode)
        self.bn = BatchNorm1d(out_features, eps, momentum, affine, track_running_stats)

    def forward(self, inp: Tensor) -> Tensor:
        """The affine map of ``inp``, normalized."""
        return self.bn(self.linear(inp))


class LinearBnRelu1d(_Relu, LinearBn1d):
    """`LinearBn1d` and then ReLU.

    >>> import numod.functional as F, numod.module as M
    >>> M.LinearBnRelu1d(3, 2)(F.ones((4, 3))).min().item() >= 0
    True
    """


class Concat(Module):
    """`numod.functional.concat` as a layer.

    >>> import numod as nm, numod.module as M
    >>> M.Concat()([nm.Tensor([1.0]), nm.Tensor([2.0])]).tolist()
    [1.0, 2.0]
    """

    def forward(self, inps: Sequence[Tensor], axis: int = 0) -> Tensor:
        """The tensors one after the other along ``axis``."""
        return F.concat(inps, axis)


class QuantStub(Module):
    """Where quantization begins; in float it returns its input."""

    def forward(self, inp: Tensor) -> Tensor:
        """``inp``."""
        return inp


class DequantStub(Module):
    """Where quantization ends; in float it returns its input."""

    def forward(self, inp: Tensor) -> Tensor:
        """``inp``."""
        return inp
