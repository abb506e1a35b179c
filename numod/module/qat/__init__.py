"""Layers that train with simulated quantization, under the names of the float layers they stand for."""

from .layers import (
    BatchMatMulActivation,
    Concat,
    Conv2d,
    ConvRelu2d,
    ConvTranspose2d,
    ConvTransposeRelu2d,
    DequantStub,
    Elemwise,
    Linear,
    LinearRelu,
    QuantStub,
)
from .module import QATModule
from .normalized import ConvBn2d, ConvBnRelu2d, ConvTransposeBn2d, ConvTransposeBnRelu2d, LinearBn1d, LinearBnRelu1d

__all__ = [
    "BatchMatMulActivation",
    "Concat",
    "Conv2d",
    "ConvBn2d",
    "ConvBnRelu2d",
    "ConvRelu2d",
    "ConvTranspose2d",
    "ConvTransposeBn2d",
    "ConvTransposeBnRelu2d",
    "ConvTransposeRelu2d",
    "DequantStub",
    "Elemwise",
    "Linear",
    "LinearBn1d",
    "LinearBnRelu1d",
    "LinearRelu",
    "QATModule",
    "QuantStub",
]
