"""Linear: the fully connected layer."""

from __future__ import annotations

import math

import numpy as np

from .. import functional as F
from ..tensor import Parameter, Tensor
from . import init
from .module import Module


class Linear(Module):
    """Affine map ``y = x W^T + b``.

    Shape: (..., in_features) -> (..., out_features).
    Parameters: weight (out_features, in_features), drawn from a normal distribution of deviation ``1 / sqrt(in_features)``;
    bias (out_features,), zeros, or None with ``bias=False``.

    >>> import numod as nm, numod.module as M
    >>> M.Linear(3, 2)(nm.Tensor([[1.0, 2.0, 3.0]])).shape
    (1, 2)
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = True, compute_mode: str = "default", name: str | None = None):
        super().__init__(name=name)
        self.in_features = in_features
        self.out_features = out_features
        self.compute_mode = compute_mode
        self.weight = Parameter(np.zeros((out_features, in_features), np.float32))
        self.bias = Parameter(np.zeros(out_features, np.float32)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new values."""
        init.normal_(self.weight, 0.0, 1 / math.sqrt(max(self.in_features, 1)))
        if self.bias is not None:
            init.zeros_(self.bias)

    def calc_linear(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """The affine map with this weight and bias in place of the layer's own."""
        return F.linear(x, weight, bias, compute_mode=self.compute_mode)

    def forward(self, x: Tensor) -> Tensor:
        """``x W^T + b``."""
        return self.calc_linear(x, self.weight, self.bias)

    def _module_info_string(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"
