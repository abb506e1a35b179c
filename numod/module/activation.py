"""Activations: layers that apply a function to each element, and softmax."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .. import functional as F
from ..tensor import Parameter, Tensor
from .module import Module


def activation(name: str, function: Callable) -> type[Module]:
    """A layer class that applies ``function`` to its input. ``name`` must be the global it is assigned to, so that it can be pickled.

    >>> import numod as nm
    >>> Tanh = activation("Tanh", nm.functional.tanh)
    >>> Tanh()(nm.Tensor([0.0])).tolist()
    [0.0]
    """

    def forward(self, inputs: Tensor) -> Tensor:
        return function(inputs)

    summary = (function.__doc__ or "").strip().split("\n")[0]
    doc = f"The layer of :func:`numod.functional.{function.__name__}`: {summary}\n\nShape: any -> the same."
    return type(name, (Module,), {"__doc__": doc, "__module__": __name__, "forward": forward})


GELU = activation("GELU", F.gelu)
SiLU = activation("SiLU", F.silu)
Sigmoid = activation("Sigmoid", F.sigmoid)


class ReLU(Module):
    """The layer of :func:`numod.functional.relu`: ``max(x, 0)``; NaN stays NaN.

    Shape: any -> the same.

    >>> import numod as nm, numod.module as M
    >>> M.ReLU()(nm.Tensor([-1.0, 2.0])).tolist()
    [0.0, 2.0]
    """

    def forward(self, x: Tensor) -> Tensor:
        """``x``, with what is negative set to 0."""
        return F.relu(x)


class Softmax(Module):
    """Softmax along ``axis``: values between 0 and 1 that sum to 1.

    Shape: any -> the same. ``axis=None`` means the axis that :func:`numod.functional.softmax` chooses for the rank of the input.

    >>> import numod as nm, numod.module as M
    >>> M.Softmax(axis=1)(nm.Tensor([[0.0, 0.0]])).tolist()
    [[0.5, 0.5]]
    """

    def __init__(self, axis: int | None = None, name: str | None = None):
        super().__init__(name=name)
        self.axis = axis

    def forward(self, inputs: Tensor) -> Tensor:
        """The softmax of ``inputs``."""
        return F.softmax(inputs, self.axis)

    def _module_info_string(self) -> str:
        return f"axis={self.axis}"


class LeakyReLU(Module):
    """``x`` where it is positive, ``negative_slope * x`` elsewhere (Maas et al., 2013).

    Shape: any -> the same.

    >>> import numod as nm, numod.module as M
    >>> M.LeakyReLU(0.5)(nm.Tensor([-1.0, 2.0])).tolist()
    [-0.5, 2.0]
    """

    def __init__(self, negative_slope: float = 0.01, name: str | None = None):
        super().__init__(name=name)
        self.negative_slope = negative_slope

    def forward(self, inputs: Tensor) -> Tensor:
        """The leaky rectifier of ``inputs``."""
        return F.leaky_relu(inputs, self.negative_slope)


class PReLU(Module):
    """``x`` where it is positive, ``weight * x`` elsewhere (He et al., 2015).

    Shape: any with one weight; (N, num_parameters, H, W) with one for each channel -> the same.
    Parameters: weight (1,), or (1, num_parameters, 1, 1) for several; all are ``init`` at the start.

    >>> import numod as nm, numod.module as M
    >>> M.PReLU()(nm.Tensor([-1.0, 2.0])).tolist()
    [-0.25, 2.0]
    """

    def __init__(self, num_parameters: int = 1, init: float = 0.25, name: str | None = None):
        super().__init__(name=name)
        self.num_parameters = num_parameters
        shape = (1, num_parameters, 1, 1) if num_parameters > 1 else (1,)
        self.weight = Parameter(np.full(shape, init, np.float32))

    def forward(self, inputs: Tensor) -> Tensor:
        """The rectifier of ``inputs`` with learned slopes."""
        return F.prelu(inputs, self.weight)
