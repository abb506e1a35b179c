"""Layers, and `Module`, which they and all networks derive from."""

from . import init
from .activation import GELU, ReLU, Sigmoid, SiLU, Softmax
from .batchnorm import BatchNorm1d, BatchNorm2d
from .conv import Conv1d, Conv2d, Conv3d
from .dropout import Dropout
from .embedding import Embedding
from .identity import Identity
from .linear import Linear
from .module import HookHandler, Module
from .normalization import GroupNorm, LayerNorm
from .pooling import AvgPool2d, MaxPool2d
from .sequential import Sequential

__all__ = [
    "GELU",
    "AvgPool2d",
    "BatchNorm1d",
    "BatchNorm2d",
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "Dropout",
    "Embedding",
    "GroupNorm",
    "HookHandler",
    "Identity",
    "LayerNorm",
    "Linear",
    "MaxPool2d",
    "Module",
    "ReLU",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "init",
]
