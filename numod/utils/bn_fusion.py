"""Batch normalization folded into the layer before it: what a trained network needs no more."""

from __future__ import annotations

import copy
from typing import Any

from .. import functional as F, module as M
from ..tensor import Parameter, Tensor

_WITH_RELU: dict[type, type] = {M.Conv2d: M.ConvRelu2d, M.ConvTranspose2d: M.ConvTransposeRelu2d, M.Linear: M.LinearRelu}
_WITH_BN: dict[tuple[type, bool], type] = {
    (M.Conv2d, False): M.ConvBn2d,
    (M.Conv2d, True): M.ConvBnRelu2d,
    (M.ConvTranspose2d, False): M.ConvTransposeBn2d,
    (M.ConvTranspose2d, True): M.ConvTransposeBnRelu2d,
    (M.Linear, False): M.LinearBn1d,
    (M.Linear, True): M.LinearBnRelu1d,
}


def fuse_conv_bn_relu_module(conv: M.Conv2d | M.ConvTranspose2d, bn: M.BatchNorm2d | None, relu: M.Module | None) -> M.Module:
    """One layer in place of a convolution, its batch normalization and its ReLU. The given layers stay as they are.

    In evaluation mode the result is a convolution (such as `ConvRelu2d`) whose weight and bias do what ``bn`` did; in training mode, in which
    statistics change, it is a layer of several parts (such as `ConvBnRelu2d`).

    >>> import numod.module as M
    >>> conv, bn = M.Conv2d(1, 2, 3, bias=False), M.BatchNorm2d(2)
    >>> conv.eval(), bn.eval()
    (None, None)
    >>> fuse_conv_bn_relu_module(conv, bn, M.ReLU())
    ConvRelu2d(1, 2, kernel_size=(3, 3))
    """
    return _fused("fuse_conv_bn_relu_module", conv, bn, relu is not None, (M.Conv2d, M.ConvTranspose2d), M.BatchNorm2d)


def fuse_linear_bn_relu_module(linear: M.Linear, bn: M.BatchNorm1d | None, relu: M.Module | None) -> M.Module:
    """One layer in place of a fully connected one, its batch normalization and its ReLU: as `fuse_conv_bn_relu_module`.

    >>> import numod.module as M
    >>> fuse_linear_bn_relu_module(M.Linear(3, 2), None, M.ReLU())
    LinearRelu(in_features=3, out_features=2, bias=True)
    """
    return _fused("fuse_linear_bn_relu_module", linear, bn, relu is not None, (M.Linear,), M.BatchNorm1d)


def _fused(name: str, layer: Any, bn: Any, relu: bool, kinds: tuple[type, ...], norm: Any) -> M.Module:
    if type(layer) not in kinds:
        raise TypeError(f"{name}: expected a {' or '.join(kind.__name__ for kind in kinds)}, got {type(layer).__name__}")
    if bn is None:
        return _as(layer, _WITH_RELU[type(layer)] if relu else type(layer))
    if not isinstance(bn, norm):
        raise TypeError(f"{name}: expected a {norm.__name__} or None, got {type(bn).__name__}")
    channels = layer.out_features if isinstance(layer, M.Linear) else layer.out_channels
    if bn.num_features != channels:
        raise ValueError(f"{name}: {type(layer).__name__} gives {channels} channels, {norm.__name__} takes {bn.num_features}")
    if bn.training != layer.training:
        raise ValueError(f"{name}: both must be in training mode or neither, got {layer.training} and {bn.training}")
    if bn.training:
        return _together(layer, bn, _WITH_BN[type(layer), relu])
    fused = _as(layer, _WITH_RELU[type(layer)] if relu else type(layer))
    _fold(fused, bn)
    return fused


def _as(layer: Any, kind: type) -> Any:
    """A copy of a layer, of another class with the same attributes."""
    twin = copy.deepcopy(layer)
    twin.__class__ = kind
    return twin


def _together(layer: Any, bn: Any, kind: type) -> M.Module:
    """A layer of several parts, which are copies."""
    if isinstance(layer, M.Linear):
        whole = kind(layer.in_features, layer.out_features, bias=layer.bias is not None)
        whole.linear = copy.deepcopy(layer)
    else:
        whole = kind(layer.in_channels, layer.out_channels, layer.kernel_size, groups=layer.groups)
        setattr(whole, "conv" if isinstance(layer, M.Conv2d) else "conv_transpose2d", copy.deepcopy(layer))
    whole.bn = copy.deepcopy(bn)
    whole.train(layer.training)
    return whole


def _fold(layer: Any, bn: Any) -> None:
    """Weight and bias that do what ``bn`` does with its running statistics."""
    if bn.running_mean is None or bn.running_var is None:
        raise ValueError(f"bn_fusion: {type(bn).__name__} has no running statistics, got track_running_stats=False")
    scale = (bn.running_var.detach() + bn.eps) ** -0.5
    if bn.weight is not None:
        scale = scale * bn.weight.detach()
    shift = -bn.running_mean.detach() * scale
    if bn.bias is not None:
        shift = shift + bn.bias.detach()
    shape: tuple[int, ...]
    place: tuple[int, ...]
    if isinstance(layer, M.Linear):
        shape, place = (layer.out_features,), (layer.out_features, 1)
    else:
        shape = (1, layer.out_channels, 1, 1)
        parts = layer.out_channels // layer.groups
        inner = (1, parts) if isinstance(layer, M.ConvTranspose2d) else (parts, 1)
        place = (*inner, 1, 1) if layer.groups == 1 else (layer.groups, *inner, 1, 1)
    scale, shift = scale.reshape(-1), shift.reshape(-1)
    before: Tensor = F.zeros(shape) if layer.bias is None else layer.bias.detach()
    layer.weight = Parameter(layer.weight.detach() * scale.reshape(place))
    layer.bias = Parameter(before * scale.reshape(shape) + shift.reshape(shape))
