"""Quantized layers with weights: the twins of those in `numod.module.qat`."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from ... import functional as F
from ...functional.linalg import matmul
from ...tensor import Parameter, Tensor
from .. import batch_matmul_activation, conv, conv_transpose
from .module import WithWeight

_CONV = "in_channels out_channels kernel_size stride padding dilation groups conv_mode compute_mode padding_mode".split()
_TRANSPOSE = "in_channels out_channels kernel_size stride padding output_padding dilation groups conv_mode compute_mode".split()
Sides = int | tuple[int, ...]


def _without_values(layer: Any) -> None:
    """Integers of 8 bits in place of the weight, to be loaded."""
    layer.weight = Parameter(np.zeros(layer.weight.shape, np.int8))
    layer.weight_scale = Tensor(1.0)


def _given(layer: Any, names: list[str]) -> dict[str, Any]:
    return {name: getattr(layer, name) for name in names}


class Conv2d(conv.Conv2d, WithWeight):
    """Convolution of quantized images. The arguments are those of `numod.module.Conv2d`, and there is always a bias.

    dtype: what the result is quantized to, a `numod.quantization.QParams` or what ``get_activation_dtype`` gives.
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
        conv_mode: str = "cross_correlation",
        compute_mode: str = "default",
        dtype: Any = None,
        padding_mode: str = "zeros",
        name: str | None = None,
    ):
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, True, conv_mode, compute_mode, padding_mode, name
        )
        _without_values(self)
        self._set_output(dtype)

    _sums_over = (-3, -2, -1)

    @classmethod
    def from_qat_module(cls, qat_module: Any) -> Self:
        """The twin of a layer that was trained with simulated quantization."""
        inner, weight, bias = _trained(qat_module, "conv")
        made = cls(**_given(inner, _CONV), dtype=qat_module.get_activation_qparams(), name=qat_module.name)
        made._set_weight(weight, F.zeros((1, made.out_channels, 1, 1)) if bias is None else bias, qat_module.get_weight_qparams())
        return made

    def calc_conv_quantized(self, inp: Tensor, nonlinear_mode: str = "identity") -> Tensor:
        """The convolution, and ReLU if ``nonlinear_mode`` is ``"relu"``."""
        return self._accumulate(inp, lambda x, weight: self.calc_conv(x, weight, None), nonlinear_mode)

    def forward(self, inp: Tensor) -> Tensor:
        """``inp`` convolved."""
        return self.calc_conv_quantized(inp)


class ConvRelu2d(Conv2d):
    """`Conv2d` and then ReLU."""

    def forward(self, inp: Tensor) -> Tensor:
        """ReLU of ``inp`` convolved."""
        return self.calc_conv_quantized(inp, "relu")


class ConvBn2d(Conv2d):
    """`Conv2d` with a batch normalization in its weight."""


class ConvBnRelu2d(ConvRelu2d):
    """`ConvRelu2d` with a batch normalization in its weight."""


class ConvTranspose2d(conv_transpose.ConvTranspose2d, WithWeight):
    """Transposed convolution of quantized images. The arguments are those of `numod.module.ConvTranspose2d`, and ``dtype`` as in `Conv2d`."""

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
        dtype: Any = None,
        name: str | None = None,
    ):
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            output_padding,
            dilation,
            groups,
            bias,
            conv_mode,
            compute_mode,
            name,
        )
        _without_values(self)
        self._set_output(dtype)

    @classmethod
    def from_qat_module(cls, qat_module: Any) -> Self:
        """The twin of a layer that was trained with simulated quantization."""
        inner, weight, bias = _trained(qat_module, "conv_transpose2d")
        made = cls(**_given(inner, _TRANSPOSE), bias=bias is not None, dtype=qat_module.get_activation_qparams(), name=qat_module.name)
        made._set_weight(weight, bias, qat_module.get_weight_qparams())
        return made

    def _terms(self) -> int:
        return int(np.prod(self.kernel_size)) * self.in_channels // self.groups

    def calc_conv_transpose2d_quantized(self, inp: Tensor, nonlinear_mode: str) -> Tensor:
        """The transposed convolution, and ReLU if ``nonlinear_mode`` is ``"relu"``."""
        return self._accumulate(inp, lambda x, weight: self.calc_conv_transpose2d(x, weight, None), nonlinear_mode)

    def forward(self, inp: Tensor) -> Tensor:
        """The transposed convolution of ``inp``."""
        return self.calc_conv_transpose2d_quantized(inp, "identity")


class ConvTransposeRelu2d(ConvTranspose2d):
    """`ConvTranspose2d` and then ReLU."""

    def forward(self, inp: Tensor) -> Tensor:
        """ReLU of the transposed convolution of ``inp``."""
        return self.calc_conv_transpose2d_quantized(inp, "relu")


class ConvTransposeBn2d(ConvTranspose2d):
    """`ConvTranspose2d` with a batch normalization in its weight."""


class ConvTransposeBnRelu2d(ConvTransposeRelu2d):
    """`ConvTransposeRelu2d` with a batch normalization in its weight."""


class Linear(WithWeight):
    """Affine map of quantized tensors; it has weights when `from_qat_module` made it. ``dtype`` is as in `Conv2d`."""

    _sums_over = (1,)

    def __init__(self, dtype: Any = None, name: str | None = None):
        super().__init__(name=name)
        self.weight = None
        self.bias = None
        self._set_output(dtype)

    @classmethod
    def from_qat_module(cls, qat_module: Any) -> Self:
        """The twin of a layer that was trained with simulated quantization."""
        _, weight, bias = _trained(qat_module, "linear")
        made = cls(dtype=qat_module.get_activation_qparams(), name=qat_module.name)
        made._set_weight(weight, bias, qat_module.get_weight_qparams())
        return made

    def calc_linear_quantized(self, inp: Tensor, nonlinear_mode: str = "identity") -> Tensor:
        """The affine map, and ReLU if ``nonlinear_mode`` is ``"relu"``."""
        if self.weight is None:
            raise ValueError(f"Quantized.{type(self).__name__}: it has no weight before from_qat_module makes it")
        return self._accumulate(inp, F.linear, nonlinear_mode)

    def forward(self, inp: Tensor) -> Tensor:
        """The affine map of ``inp``."""
        return self.calc_linear_quantized(inp)


class LinearRelu(Linear):
    """`Linear` and then ReLU."""

    def forward(self, inp: Tensor) -> Tensor:
        """ReLU of the affine map of ``inp``."""
        return self.calc_linear_quantized(inp, "relu")


class LinearBn1d(Linear):
    """`Linear` with a batch normalization in its weight."""


class LinearBnRelu1d(LinearRelu):
    """`LinearRelu` with a batch normalization in its weight."""


class BatchMatMulActivation(batch_matmul_activation.BatchMatMulActivation, WithWeight):
    """A product of matrices for each sample of a quantized batch. The arguments are those of `numod.module.BatchMatMulActivation`."""

    _sums_over = (2,)

    def __init__(
        self,
        batch: int,
        in_features: int,
        out_features: int,
        bias: bool = True,
        nonlinear_mode: str = "identity",
        dtype: Any = None,
        name: str | None = None,
    ):
        super().__init__(batch, in_features, out_features, bias, nonlinear_mode, name)
        _without_values(self)
        self._set_output(dtype)

    @classmethod
    def from_qat_module(cls, qat_module: Any) -> Self:
        """The twin of a layer that was trained with simulated quantization."""
        sizes = _given(qat_module, "batch in_features out_features nonlinear_mode".split())
        bias = qat_module.bias
        made = cls(**sizes, bias=bias is not None, dtype=qat_module.get_activation_qparams(), name=qat_module.name)
        made._set_weight(qat_module.weight, bias, qat_module.get_weight_qparams())
        return made

    def _placed(self, bias: Tensor) -> Tensor:
        return F.expand_dims(bias, 1)

    def calc_bmm_quantized(self, inp: Tensor) -> Tensor:
        """The products and the activation."""
        return self._accumulate(inp, lambda x, weight: matmul(weight, x), self.nonlinear_mode)

    def forward(self, inp: Tensor) -> Tensor:
        """The products, one for each sample."""
        return self.calc_bmm_quantized(inp)


def _trained(qat_module: Any, inner: str) -> tuple[Any, Tensor, Tensor | None]:
    """The layer that has the settings, and the weight and bias it works with when it is evaluated."""
    if not hasattr(qat_module, "fold_weight_bias"):
        return qat_module, qat_module.weight, qat_module.bias
    bn = qat_module.bn
    return (getattr(qat_module, inner), *qat_module.fold_weight_bias(bn.running_mean, bn.running_var))
