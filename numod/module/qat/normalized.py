"""Layers with batch normalization that train with simulated quantization: the normalization is folded into weight and bias.

A deployed layer has one weight, so it is the folded one that is rounded (Jacob et al., "Quantization and Training of Neural Networks for
Efficient Integer-Arithmetic-Only Inference", 2018). While training it is folded with the running statistics, and the result unfolded and
normalized with those of the batch (Krishnamoorthi, "Quantizing deep convolutional networks for efficient inference", 2018, section 3.2).
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from ... import functional as F
from ...tensor import Tensor
from .. import fused
from .module import QATModule


class _Folded(QATModule):
    """What these layers share; a subclass has a layer before ``bn``."""

    bn: Any

    @property
    @abstractmethod
    def _layer(self) -> Any:
        """The layer before the normalization."""

    @abstractmethod
    def _calc(self, inp: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """What that layer computes with another weight and bias."""

    @abstractmethod
    def _along_weight(self, values: Tensor) -> Tensor:
        """One value for each output, shaped to be multiplied with the weight."""

    def _per_channel(self, values: Tensor) -> Tensor:
        """One value for each output, shaped to be multiplied with the result."""
        return F.reshape(values, (1, -1, *[1] * (self._axes - 2)))

    _axes = 4

    def get_batch_mean_var(self, inp: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance of each channel."""
        axes = [axis for axis in range(inp.ndim) if axis != 1]
        mean = F.mean(inp, axes, keepdims=True)
        return mean, F.mean((inp - mean) ** 2, axes, keepdims=True)

    def fold_weight_bias(self, bn_mean: Tensor | None, bn_var: Tensor | None) -> tuple[Tensor, Tensor]:
        """Weight and bias of a layer that computes what this one does, normalized with these statistics (None: mean 0, variance 1)."""
        layer, scale = self._layer, self._bn_scale(bn_var)
        shift = F.zeros_like(scale) if bn_mean is None else -self._per_channel(bn_mean)
        if layer.bias is not None:
            shift = shift + self._per_channel(layer.bias)
        bias = shift * scale
        if self.bn.bias is not None:
            bias = bias + self._per_channel(self.bn.bias)
        return layer.weight * self._along_weight(scale), F.reshape(bias, self._bias_shape(bias))

    def _bias_shape(self, bias: Tensor) -> tuple[int, ...]:
        return bias.shape

    def _bn_scale(self, bn_var: Tensor | None) -> Tensor:
        """What the normalization multiplies each channel with."""
        scale = F.ones((1,)) if bn_var is None else 1 / F.sqrt(bn_var + self.bn.eps)
        if self.bn.weight is not None:
            scale = scale * self.bn.weight
        return self._per_channel(F.broadcast_to(F.flatten(scale), (self.bn.num_features,)))

    def update_running_mean_and_running_var(self, bn_mean: Tensor, bn_var: Tensor, num_elements_per_channel: float) -> None:
        """Move the running statistics toward those of a batch with so many elements for each channel."""
        bn, count = self.bn, num_elements_per_channel
        unbiased = bn_var.detach() * count / max(count - 1, 1)
        for running, value in ((bn.running_mean, bn_mean.detach()), (bn.running_var, unbiased)):
            running._reset(running * bn.momentum + F.reshape(value, running.shape) * (1 - bn.momentum))

    def _calc_qat(self, inp: Tensor, approx: bool) -> Tensor:
        mean, var = self.bn.running_mean, self.bn.running_var
        if self.training and not approx:
            plain = self._calc(inp, self._layer.weight, self._layer.bias)
            mean, var = self.get_batch_mean_var(plain)
            self.update_running_mean_and_running_var(mean, var, plain.size / plain.shape[1])
        weight, bias = self.fold_weight_bias(mean, var)
        rounded = self.apply_quant_weight(weight)
        if not (self.training and approx):
            return self._calc(inp, rounded, self.apply_quant_bias(bias, inp, rounded))
        plain = self._calc(inp, rounded, None) / self._bn_scale(var)
        return self.bn(plain if self._layer.bias is None else plain + self._per_channel(self._layer.bias))


class ConvBn2d(fused.ConvBn2d, _Folded):
    """`numod.module.ConvBn2d` with the folded weight, the bias and the result rounded."""

    @property
    def _layer(self) -> Any:
        return self.conv

    def _calc(self, inp: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return self.conv.calc_conv(inp, weight, bias)

    def _along_weight(self, values: Tensor) -> Tensor:
        # (out, in, kh, kw), or (groups, out / groups, in / groups, kh, kw)
        groups = self.conv.groups
        return F.reshape(values, (-1, 1, 1, 1) if groups == 1 else (groups, -1, 1, 1, 1))

    def calc_conv_bn_qat(self, inp: Tensor, approx: bool = True) -> Tensor:
        """``inp`` convolved and normalized; without ``approx``, the weight is folded with the statistics of the batch."""
        return self._calc_qat(inp, approx)

    def forward(self, inp: Tensor) -> Tensor:
        """``inp`` convolved and normalized, rounded."""
        return self.apply_quant_activation(self.calc_conv_bn_qat(inp))


class ConvBnRelu2d(ConvBn2d):
    """`numod.module.ConvBnRelu2d` with the folded weight, the bias and the result rounded."""

    def forward(self, inp: Tensor) -> Tensor:
        """ReLU of ``inp`` convolved and normalized, rounded."""
        return self.apply_quant_activation(F.relu(self.calc_conv_bn_qat(inp)))


class ConvTransposeBn2d(fused.ConvTransposeBn2d, _Folded):
    """`numod.module.ConvTransposeBn2d` with the folded weight, the bias and the result rounded."""

    @property
    def _layer(self) -> Any:
        return self.conv_transpose2d

    def _calc(self, inp: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return self.conv_transpose2d.calc_conv_transpose2d(inp, weight, bias)

    def _along_weight(self, values: Tensor) -> Tensor:
        # (in, out, kh, kw), or (groups, in / groups, out / groups, kh, kw)
        groups = self.conv_transpose2d.groups
        return F.reshape(values, (1, -1, 1, 1) if groups == 1 else (groups, 1, -1, 1, 1))

    def calc_conv_transpose2d_bn_qat(self, inp: Tensor, approx: bool = True) -> Tensor:
        """The transposed convolution, normalized; without ``approx``, the weight is folded with the statistics of the batch."""
        return self._calc_qat(inp, approx)

    def forward(self, inp: Tensor) -> Tensor:
        """The transposed convolution of ``inp``, normalized and rounded."""
        return self.apply_quant_activation(self.calc_conv_transpose2d_bn_qat(inp))


class ConvTransposeBnRelu2d(ConvTransposeBn2d):
    """`numod.module.ConvTransposeBnRelu2d` with the folded weight, the bias and the result rounded."""

    def forward(self, inp: Tensor) -> Tensor:
        """ReLU of the transposed convolution of ``inp``, normalized, rounded."""
        return self.apply_quant_activation(F.relu(self.calc_conv_transpose2d_bn_qat(inp)))


class LinearBn1d(fused.LinearBn1d, _Folded):
    """`numod.module.LinearBn1d` with the folded weight, the bias and the result rounded."""

    _axes = 2

    @property
    def _layer(self) -> Any:
        return self.linear

    def _calc(self, inp: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return self.linear.calc_linear(inp, weight, bias)

    def _along_weight(self, values: Tensor) -> Tensor:
        return F.reshape(values, (-1, 1))

    def _bias_shape(self, bias: Tensor) -> tuple[int, ...]:
        return (bias.size,)

    def calc_linear_bn_qat(self, inp: Tensor, approx: bool = True) -> Tensor:
        """The affine map, normalized; without ``approx``, the weight is folded with the statistics of the batch."""
        return self._calc_qat(inp, approx)

    def forward(self, inp: Tensor) -> Tensor:
        """The affine map of ``inp``, normalized and rounded."""
        return self.apply_quant_activation(self.calc_linear_bn_qat(inp))


class LinearBnRelu1d(LinearBn1d):
    """`numod.module.LinearBnRelu1d` with the folded weight, the bias and the result rounded."""

    def forward(self, inp: Tensor) -> Tensor:
        """ReLU of the affine map of ``inp``, normalized, rounded."""
        return self.apply_quant_activation(F.relu(self.calc_linear_bn_qat(inp)))
