"""Padding."""

from __future__ import annotations

from collections.abc import Sequence

from .. import functional as F
from ..tensor import Tensor
from .module import Module


class Pad(Module):
    """Put elements around the input, see :func:`numod.functional.pad`.

    pad_width: (before, after) for each of the first axes.
    mode: ``"constant"`` (with ``constant_val``), ``"reflect"``, ``"replicate"`` or ``"edge"``.

    >>> import numod as nm, numod.module as M
    >>> M.Pad(((1, 2),), constant_val=5.0)(nm.Tensor([1.0])).tolist()
    [5.0, 1.0, 5.0, 5.0]
    """

    def __init__(self, pad_width: Sequence[Sequence[int]], mode: str = "constant", constant_val: float = 0.0):
        super().__init__()
        self.pad_width = pad_width
        self.mode = mode
        self.pad_val = constant_val

    def forward(self, src: Tensor) -> Tensor:
        """``src`` with elements around it."""
        return F.pad(src, self.pad_width, self.mode, self.pad_val)
