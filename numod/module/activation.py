"""Layers that apply a function to the input and have no parameters."""

from __future__ import annotations

from collections.abc import Callable

from .. import functional as F
from .module import Module


def activation(name: str, function: Callable) -> type[Module]:
    """A layer class that applies ``function`` to its input. ``name`` must be the global it is assigned to, so that it can be pickled.

    >>> import numod as nm
    >>> Tanh = activation("Tanh", nm.functional.tanh)
    >>> Tanh()(nm.Tensor([0.0])).tolist()
    [0.0]
    """

    def forward(self, x):
        return function(x)

    summary = (function.__doc__ or "").strip().split("\n")[0]
    doc = f"The layer of :func:`numod.functional.{function.__name__}`: {summary}\n\nShape: any -> the same."
    return type(name, (Module,), {"__doc__": doc, "__module__": __name__, "forward": forward})


ReLU = activation("ReLU", F.relu)
GELU = activation("GELU", F.gelu)
SiLU = activation("SiLU", F.silu)
Sigmoid = activation("Sigmoid", F.sigmoid)


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

    def forward(self, x):
        """The softmax of ``x``."""
        return F.softmax(x, self.axis)

    def _module_info_string(self) -> str:
        return f"axis={self.axis}"
