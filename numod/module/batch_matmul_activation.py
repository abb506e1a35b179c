"""BatchMatMulActivation: a matrix product for each sample of a batch, and an activation."""

from __future__ import annotations

import math

import numpy as np

from .. import functional as F
from ..tensor import Parameter, Tensor
from . import init
from .module import Module

_ACTIVATIONS = ("identity", "relu")


class BatchMatMulActivation(Module):
    """``weight @ x + bias`` with a weight for each sample of the batch, and then an activation.

    Shape: (batch, in_features, columns) -> (batch, out_features, columns).
    Parameters: weight (batch, out_features, in_features), drawn from a normal distribution of deviation ``1 / sqrt(in_features)``;
    bias (out_features,), zeros, or None with ``bias=False``.
    nonlinear_mode: ``"identity"`` or ``"relu"``.

    >>> import numod.functional as F, numod.module as M
    >>> M.BatchMatMulActivation(2, 3, 4)(F.ones((2, 3, 5))).shape
    (2, 4, 5)
    """

    def __init__(
        self,
        batch: int,
        in_features: int,
        out_features: int,
        bias: bool = True,
        nonlinear_mode: str = "identity",
        name: str | None = None,
    ):
        super().__init__(name=name)
        if nonlinear_mode.lower() not in _ACTIVATIONS:
            raise ValueError(f"BatchMatMulActivation: nonlinear_mode must be one of {list(_ACTIVATIONS)}, got {nonlinear_mode!r}")
        self.batch = batch
        self.in_features = in_features
        self.out_features = out_features
        self.weight = Parameter(np.zeros((batch, out_features, in_features), np.float32))
        self.bias = Parameter(np.zeros(out_features, np.float32)) if bias else None
        self.nonlinear_mode = nonlinear_mode.lower()
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new values."""
        init.normal_(self.weight, 0.0, 1 / math.sqrt(max(self.in_features, 1)))
        if self.bias is not None:
            init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        """The products, one for each sample."""
        return self._calc(x, self.weight, self.bias)

    def _calc(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        y = F.matmul(weight, x)
        if bias is not None:
            y = y + F.expand_dims(bias, 1)
        return F.relu(y) if self.nonlinear_mode == "relu" else y

    def _module_info_string(self) -> str:
        return f"batch={self.batch}, in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"
