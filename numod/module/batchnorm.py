"""Batch normalization."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from .. import functional as F
from ..distributed.group import WORLD, Group, as_group
from ..errors import check
from ..tensor import Parameter, Tensor
from . import init
from .module import Module


class _BatchNorm(Module):
    _flat_state = True
    ranks: ClassVar[tuple[int, ...]]

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.9,
        affine: bool = True,
        track_running_stats: bool = True,
        freeze: bool = False,
        name: str | None = None,
    ):
        super().__init__(name=name)
        if freeze and not track_running_stats:
            raise ValueError(f"{type(self).__name__}: freeze=True needs running statistics, got track_running_stats=False")
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        self.freeze = freeze
        zeros = np.zeros((1, num_features, 1, 1), np.float32)
        self.weight = Parameter(zeros) if affine else None
        self.bias = Parameter(zeros) if affine else None
        self.running_mean = Tensor(zeros) if track_running_stats else None
        self.running_var = Tensor(zeros) if track_running_stats else None
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Forget the running statistics: mean 0 and variance 1."""
        if self.running_mean is not None and self.running_var is not None:
            init.zeros_(self.running_mean)
            init.ones_(self.running_var)

    def reset_parameters(self) -> None:
        """Weights 1, biases 0, and running statistics as at the start."""
        self.reset_running_stats()
        if self.weight is not None and self.bias is not None:
            init.ones_(self.weight)
            init.zeros_(self.bias)

    def forward(self, inp: Tensor) -> Tensor:
        """``inp`` normalized, scaled and shifted; in training mode the running statistics change."""
        check(
            inp.ndim in self.ranks and inp.shape[1] == self.num_features,
            "{}: input must have {} axes and {} channels, got shape {}",
            type(self).__name__,
            " or ".join(map(str, self.ranks)),
            self.num_features,
            inp.shape,
        )
        weight: Tensor | None = self.weight
        bias: Tensor | None = self.bias
        if self.freeze and weight is not None and bias is not None:
            weight, bias = weight.detach(), bias.detach()
        y = self._normalize(
            inp.reshape(*inp.shape, *[1] * (4 - inp.ndim)),
            self.running_mean if self.track_running_stats else None,
            self.running_var if self.track_running_stats else None,
            weight,
            bias,
            training=not self.freeze and (self.training or not self.track_running_stats),
            momentum=self.momentum,
            eps=self.eps,
        )
        return y.reshape(inp.shape)

    def _normalize(self, *tensors: Tensor | None, **settings: Any) -> Tensor:
        return F.batch_norm(*tensors, **settings)  # type: ignore[arg-type]

    def _module_info_string(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, "
            f"affine={self.affine}, track_running_stats={self.track_running_stats}"
        )


class BatchNorm1d(_BatchNorm):
    """Normalize each channel of vectors or sequences to mean 0 and variance 1 over the batch, then scale and shift.

    Shape: (N, C) or (N, C, L) -> the same. All else is as in `BatchNorm2d`.

    >>> import numod.functional as F, numod.module as M
    >>> M.BatchNorm1d(3)(F.ones((4, 3))).shape
    (4, 3)
    """

    ranks = (2, 3)


class BatchNorm2d(_BatchNorm):
    """Normalize each channel of images to mean 0 and variance 1 over the batch, then scale and shift.

    In training mode the statistics are the batch's, and the running ones become ``momentum * old + (1 - momentum) * batch`` (the variance
    unbiased); in evaluation mode the running ones are used.

    Shape: (N, C, H, W) -> the same.
    Parameters: weight and bias (1, C, 1, 1), or None with ``affine=False``. Buffers: running_mean and running_var (1, C, 1, 1), or None
    with ``track_running_stats=False``, and then the batch's statistics are used in both modes.
    freeze: always use the running statistics, never change them, and learn neither weight nor bias.

    >>> import numod.functional as F, numod.module as M
    >>> M.BatchNorm2d(3)(F.ones((4, 3, 2, 2))).shape
    (4, 3, 2, 2)
    """

    ranks = (4,)


class SyncBatchNorm(_BatchNorm):
    """`BatchNorm2d` with the statistics of the batches of all processes of ``group`` together, in training. Without a group it is the same.

    Shape: (N, C), (N, C, L) or (N, C, H, W) -> the same. All else is as in `BatchNorm2d`.

    >>> import numod.functional as F, numod.module as M
    >>> M.SyncBatchNorm(3)(F.ones((4, 3, 2, 2))).shape
    (4, 3, 2, 2)
    """

    ranks = (2, 3, 4)

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.9,
        affine: bool = True,
        track_running_stats: bool = True,
        freeze: bool = False,
        group: Group | None = WORLD,
        name: str | None = None,
    ):
        super().__init__(num_features, eps, momentum, affine, track_running_stats, freeze, name)
        self.group = as_group(group)

    def _normalize(self, *tensors: Tensor | None, **settings: Any) -> Tensor:
        return F.sync_batch_norm(*tensors, group=self.group, **settings)  # type: ignore[arg-type, misc]
