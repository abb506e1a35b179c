"""Layers without normalization that train with simulated quantization: the twins of those in `numod.module`."""

from __future__ import annotations

from collections.abc import Sequence

from ... import functional as F
from ...tensor import Tensor
from .. import batch_matmul_activation, conv, conv_transpose, elemwise, fused, linear
from .module import QATModule


class Linear(linear.Linear, QATModule):
    """`numod.module.Linear` with weight, bias and result rounded."""

    def calc_linear_qat(self, inp: Tensor) -> Tensor:
        """The affine map with weight and bias rounded."""
        weight = self.apply_quant_weight(self.weight)
        return self.calc_linear(inp, weight, self.apply_quant_bias(self.bias, inp, weight))

    def forward(self, inp: Tensor) -> Tensor:
        """The affine map of ``inp``, rounded."""
        return self.apply_quant_activation(self.calc_linear_qat(inp))


class LinearRelu(Linear):
    """`numod.module.LinearRelu` with weight, bias and result rounded."""

    def forward(self, inp: Tensor) -> Tensor:
        """ReLU of the affine map of ``inp``, rounded."""
        return self.apply_quant_activation(F.relu(self.calc_linear_qat(inp)))


class Conv2d(conv.Conv2d, QATModule):
    """`numod.module.Conv2d` with weight, bias and result rounded."""

    def calc_conv_qat(self, inp: Tensor) -> Tensor:
        """The convolution with weight and bias rounded."""
        weight = self.apply_quant_weight(self.weight)
        return self.calc_conv(inp, weight, self.apply_quant_bias(self.bias, inp, weight))

    def forward(self, inp: Tensor) -> Tensor:
        """``inp`` convolved, rounded."""
        return self.apply_quant_activation(self.calc_conv_qat(inp))


class ConvRelu2d(Conv2d):
    """`numod.module.ConvRelu2d` with weight, bias and result rounded."""

    def forward(self, inp: Tensor) -> Tensor:
        """ReLU of the convolution of ``inp``, rounded."""
        return self.apply_quant_activation(F.relu(self.calc_conv_qat(inp)))


class ConvTranspose2d(conv_transpose.ConvTranspose2d, QATModule):
    """`numod.module.ConvTranspose2d` with weight, bias and result rounded."""

    def calc_conv_transpose2d_qat(self, inp: Tensor) -> Tensor:
        """The transposed convolution with weight and bias rounded."""
        weight = self.apply_quant_weight(self.weight)
        return self.calc_conv_transpose2d(inp, weight, self.apply_quant_bias(self.bias, inp, weight))

    def forward(self, inp: Tensor) -> Tensor:
        """The transposed convolution of ``inp``, rounded."""
        return self.apply_quant_activation(self.calc_conv_transpose2d_qat(inp))


class ConvTransposeRelu2d(ConvTranspose2d):
    """`numod.module.ConvTransposeRelu2d` with weight, bias and result rounded."""

    def forward(self, inp: Tensor) -> Tensor:
        """ReLU of the transposed convolution of ``inp``, rounded."""
        return self.apply_quant_activation(F.relu(self.calc_conv_transpose2d_qat(inp)))


class BatchMatMulActivation(batch_matmul_activation.BatchMatMulActivation, QATModule):
    """`numod.module.BatchMatMulActivation` with weight, bias and result rounded."""

    def forward(self, inp: Tensor) -> Tensor:
        """The products, one for each sample, rounded."""
        weight = self.apply_quant_weight(self.weight)
        return self.apply_quant_activation(self._calc(inp, weight, self.apply_quant_bias(self.bias, inp, weight)))


class Elemwise(elemwise.Elemwise, QATModule):
    """`numod.module.Elemwise` with its result rounded."""

    with_weight = False

    def forward(self, *inps: Tensor) -> Tensor:
        """The function of ``inps``, rounded."""
        return self.apply_quant_activation(super().forward(*inps))


class Concat(fused.Concat, QATModule):
    """`numod.module.Concat` with its result rounded. (Its observer of weights, which MegEngine's has, observes nothing.)"""

    def forward(self, inps: Sequence[Tensor], axis: int = 0) -> Tensor:
        """The tensors one after the other along ``axis``, rounded alike."""
        return self.apply_quant_activation(super().forward(inps, axis))


class QuantStub(fused.QuantStub, QATModule):
    """Where quantization begins: the input is observed and rounded."""

    with_weight = False

    def forward(self, inp: Tensor) -> Tensor:
        """``inp``, rounded."""
        return self.apply_quant_activation(inp)


class DequantStub(fused.DequantStub, QATModule):
    """Where quantization ends; in simulation it returns its input."""

    with_weight = with_act = False
