"""Normalization over trailing or any other axes, over groups of channels, and over neighbouring channels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .. import functional as F
from ..errors import check
from ..functional.norm import AxesError
from ..tensor import Parameter, Tensor
from . import init
from .module import Module


class _Norm(Module):
    """A weight and a bias of one shape, or neither."""

    _flat_state = True

    def __init__(self, shape: tuple[int, ...], eps: float, affine: bool, name: str | None):
        super().__init__(name=name)
        self.eps = eps
        self.affine = affine
        self.weight = Parameter(np.zeros(shape, np.float32)) if affine else None
        self.bias = Parameter(np.zeros(shape, np.float32)) if affine else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Weights 1 and biases 0."""
        if self.weight is not None and self.bias is not None:
            init.ones_(self.weight)
            init.zeros_(self.bias)


class LayerNorm(_Norm):
    """Normalize the trailing axes of each sample to mean 0 and variance 1, then scale and shift.

    Shape: (..., *normalized_shape) -> the same.
    Parameters: weight and bias of shape ``normalized_shape``, or None with ``affine=False``.

    >>> import numod as nm, numod.module as M
    >>> M.LayerNorm(2, eps=0.0)(nm.Tensor([[1.0, 3.0]])).tolist()
    [[-1.0, 1.0]]
    """

    def __init__(self, normalized_shape: int | tuple[int, ...], eps: float = 1e-5, affine: bool = True, name: str | None = None):
        shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        super().__init__(shape, eps, affine, name)
        self.normalized_shape = shape

    def forward(self, x: Tensor) -> Tensor:
        """``x`` normalized, scaled and shifted."""
        return F.layer_norm(x, self.normalized_shape, self.affine, self.weight, self.bias, self.eps)

    def _module_info_string(self) -> str:
        return f"normalized_shape={self.normalized_shape}, eps={self.eps}, affine={self.affine}"


class GroupNorm(_Norm):
    """Normalize groups of channels of each sample to mean 0 and variance 1, then scale and shift each channel.

    Shape: (N, num_channels, H, W) -> the same.
    Parameters: weight and bias (num_channels,), or None with ``affine=False``.

    >>> import numod.functional as F, numod.module as M
    >>> M.GroupNorm(2, 4)(F.ones((1, 4, 3, 3))).shape
    (1, 4, 3, 3)
    """

    def __init__(self, num_groups: int, num_channels: int, eps: float = 1e-5, affine: bool = True, name: str | None = None):
        if num_channels % num_groups:
            raise ValueError(f"GroupNorm: num_channels must be a multiple of num_groups={num_groups}, got {num_channels}")
        super().__init__((num_channels,), eps, affine, name)
        self.num_groups = num_groups
        self.num_channels = num_channels

    def forward(self, x: Tensor) -> Tensor:
        """``x`` normalized, scaled and shifted."""
        return F.group_norm(x, self.num_groups, self.affine, self.weight, self.bias, self.eps)

    def _module_info_string(self) -> str:
        return f"groups={self.num_groups}, channels={self.num_channels}, eps={self.eps}, affine={self.affine}"


class InstanceNorm(_Norm):
    """Normalize each channel of each sample to mean 0 and variance 1, then scale and shift it (Ulyanov et al., 2016).

    Shape: (N, num_channels, H, W) -> the same.
    Parameters: weight and bias (num_channels,), or None with ``affine=False``.

    >>> import numod as nm, numod.module as M
    >>> M.InstanceNorm(1, eps=0.0)(nm.Tensor([[[[1.0, 3.0]]]])).tolist()
    [[[[-1.0, 1.0]]]]
    """

    def __init__(self, num_channels: int, eps: float = 1e-5, affine: bool = True, name: str | None = None):
        super().__init__((num_channels,), eps, affine, name)
        self.num_channels = num_channels

    def forward(self, x: Tensor) -> Tensor:
        """``x`` normalized, scaled and shifted."""
        check(
            x.ndim >= 2 and x.shape[1] == self.num_channels,
            "InstanceNorm: input must have {} channels, got shape {}",
            self.num_channels,
            x.shape,
        )
        return F.instance_norm(x, self.affine, self.weight, self.bias, self.eps)

    def _module_info_string(self) -> str:
        return f"channels={self.num_channels}, eps={self.eps}, affine={self.affine}"


class GeneralNorm(_Norm):
    """Normalize any axes to mean 0 and variance 1, then scale and shift, see :func:`numod.functional.general_norm`.

    Shape: any -> the same.
    normalized_axis: the axes, in order. normalized_shape: the sides of the input along them, which may be left out with ``affine=False``.
    Parameters: weight and bias of shape ``normalized_shape``, or None with ``affine=False``.

    >>> import numod as nm, numod.module as M
    >>> M.GeneralNorm((2,), 0, eps=0.0)(nm.Tensor([[1.0], [3.0]])).tolist()
    [[-1.0], [1.0]]
    """

    _flat_state = False

    def __init__(
        self,
        normalized_shape: Sequence[int] | None = None,
        normalized_axis: int | Sequence[int] = 0,
        eps: float = 1e-5,
        affine: bool = True,
        name: str | None = None,
    ):
        if normalized_shape is not None and not isinstance(normalized_shape, (tuple, list)):
            raise AxesError(f"GeneralNorm: normalized_shape must be a tuple, a list or None, got {normalized_shape!r}")
        if affine and normalized_shape is None:
            raise AxesError("GeneralNorm: normalized_shape is needed if affine, got None")
        axes = [normalized_axis] if isinstance(normalized_axis, int) else normalized_axis
        if normalized_shape is not None and len(axes) != len(normalized_shape):
            raise AxesError(f"GeneralNorm: normalized_shape must have a side for each of the axes {axes}, got {normalized_shape}")
        super().__init__(tuple(normalized_shape or ()), eps, affine, name)
        self.normalized_shape = normalized_shape
        self.normalized_axis = axes

    def forward(self, x: Tensor) -> Tensor:
        """``x`` normalized, scaled and shifted."""
        if self.normalized_shape is not None:
            sides = [x.shape[axis] for axis in self.normalized_axis if -x.ndim <= axis < x.ndim]
            fits = sides == list(self.normalized_shape)
            check(
                fits,
                "GeneralNorm: input must have sides {} along axes {}, got shape {}",
                self.normalized_shape,
                self.normalized_axis,
                x.shape,
            )
        return F.general_norm(x, self.normalized_axis, self.affine, self.weight, self.bias, self.eps)

    def _module_info_string(self) -> str:
        shape, axes = self.normalized_shape, self.normalized_axis
        return f"normalized_shape={shape}, normalized_axis={axes}, eps={self.eps}, affine={self.affine}"


class LocalResponseNorm(Module):
    """Divide each value by what its neighbours in other channels amount to (Krizhevsky et al., 2012), see :func:`numod.functional.local_response_norm`.

    Shape: (N, C, H, W) -> the same. kernel_size: how many channels, an odd number.

    >>> import numod as nm, numod.module as M
    >>> M.LocalResponseNorm(1, k=0.0, alpha=1.0, beta=0.5)(nm.Tensor([[[[3.0, -4.0]]]])).tolist()
    [[[[1.0, -1.0]]]]
    """

    def __init__(self, kernel_size: int = 5, k: float = 2.0, alpha: float = 1e-4, beta: float = 0.75, name: str | None = None):
        super().__init__(name=name)
        self.kernel_size = kernel_size
        self.k = k
        self.alpha = alpha
        self.beta = beta

    def forward(self, inp: Tensor) -> Tensor:
        """``inp`` divided."""
        return F.local_response_norm(inp, self.kernel_size, self.k, self.alpha, self.beta)
