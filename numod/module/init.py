"""How parameters begin: functions that fill a tensor in place, and what they need to know about its shape."""

from __future__ import annotations

import math

from ..functional import full
from ..random import normal, uniform
from ..tensor import Tensor

__all__ = [
    "calculate_correct_fan",
    "calculate_fan_in_and_fan_out",
    "calculate_gain",
    "fill_",
    "full",
    "msra_normal_",
    "msra_uniform_",
    "normal",
    "normal_",
    "ones_",
    "uniform",
    "uniform_",
    "xavier_normal_",
    "xavier_uniform_",
    "zeros_",
]

_LINEAR = ("linear", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "sigmoid")


def _assign(tensor: Tensor, values: Tensor) -> None:
    tensor._reset(values.astype(tensor.dtype).to(tensor.device))


def fill_(tensor: Tensor, val: float | int) -> None:
    """Set every element to ``val``.

    >>> import numod as nm, numod.module as M
    >>> x = nm.Tensor([1.0, 2.0])
    >>> M.init.fill_(x, 3)
    >>> x.tolist()
    [3.0, 3.0]
    """
    _assign(tensor, full(tensor.shape, val))


def zeros_(tensor: Tensor) -> None:
    """Set every element to 0."""
    fill_(tensor, 0)


def ones_(tensor: Tensor) -> None:
    """Set every element to 1."""
    fill_(tensor, 1)


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0) -> None:
    """Draw every element from the uniform distribution between ``a`` and ``b``."""
    _assign(tensor, uniform(a, b, tensor.shape))


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0) -> None:
    """Draw every element from the normal distribution with this mean and standard deviation."""
    _assign(tensor, normal(mean, std, tensor.shape))


def calculate_gain(nonlinearity: str, param: float | int | None = None) -> float:
    """By how much weights should grow to make up for the activation that follows.

    param: the negative slope of ``"leaky_relu"``, 0.01 if None.

    >>> calculate_gain("relu") ** 2
    2.0000000000000004
    """
    if nonlinearity in _LINEAR:
        return 1
    if nonlinearity == "tanh":
        return 5 / 3
    if nonlinearity == "relu":
        return math.sqrt(2)
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        if isinstance(slope, bool) or not isinstance(slope, (int, float)):
            raise ValueError(f"calculate_gain: the slope of leaky_relu must be a number, got {param!r}")
        return math.sqrt(2 / (1 + slope**2))
    raise ValueError(f"calculate_gain: nonlinearity must be one of {[*_LINEAR, 'tanh', 'relu', 'leaky_relu']}, got {nonlinearity!r}")


def calculate_fan_in_and_fan_out(tensor: Tensor) -> tuple[int, int]:
    """How many inputs make one output, and how many outputs one input takes part in, for a weight of this shape.

    Two axes are (out, in). Three and four are (out, in, *kernel). Five and more are a grouped convolution, (groups, out, in, *kernel),
    so the weight of an ungrouped `Conv3d` is taken for a grouped one, as in MegEngine.

    >>> import numod.functional as F
    >>> calculate_fan_in_and_fan_out(F.zeros((20, 10, 5, 5)))
    (250, 500)
    """
    shape = tensor.shape
    if len(shape) < 2:
        raise ValueError(f"calculate_fan_in_and_fan_out: the tensor must have at least 2 axes, got shape {shape}")
    fan_out, fan_in, *kernel = shape[1:] if len(shape) >= 5 else shape
    return fan_in * math.prod(kernel), fan_out * math.prod(kernel)


def calculate_correct_fan(tensor: Tensor, mode: str) -> int:
    """The number that ``mode``, ``"fan_in"`` or ``"fan_out"``, names."""
    fan_in, fan_out = calculate_fan_in_and_fan_out(tensor)
    fans = {"fan_in": fan_in, "fan_out": fan_out}
    if mode.lower() not in fans:
        raise ValueError(f"calculate_correct_fan: mode must be one of {list(fans)}, got {mode!r}")
    return fans[mode.lower()]


def _xavier_std(tensor: Tensor, gain: float) -> float:
    return gain * math.sqrt(2 / sum(calculate_fan_in_and_fan_out(tensor)))


def xavier_uniform_(tensor: Tensor, gain: float = 1.0) -> None:
    """Uniform with variance ``2 gain^2 / (fan_in + fan_out)``; Glorot and Bengio, 2010."""
    bound = math.sqrt(3) * _xavier_std(tensor, gain)
    uniform_(tensor, -bound, bound)


def xavier_normal_(tensor: Tensor, gain: float = 1.0) -> None:
    """Normal with variance ``2 gain^2 / (fan_in + fan_out)``; Glorot and Bengio, 2010."""
    normal_(tensor, 0.0, _xavier_std(tensor, gain))


def _msra_std(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    return calculate_gain(nonlinearity, a) / math.sqrt(calculate_correct_fan(tensor, mode))


def msra_uniform_(tensor: Tensor, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu") -> None:
    """Uniform with variance ``gain^2 / fan``, ``a`` being the slope of a leaky ReLU; He et al., 2015."""
    bound = math.sqrt(3) * _msra_std(tensor, a, mode, nonlinearity)
    uniform_(tensor, -bound, bound)


def msra_normal_(tensor: Tensor, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu") -> None:
    """Normal with variance ``gain^2 / fan``, ``a`` being the slope of a leaky ReLU; He et al., 2015."""
    normal_(tensor, 0.0, _msra_std(tensor, a, mode, nonlinearity))
