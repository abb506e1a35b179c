"""Dropout."""

from __future__ import annotations

from .. import functional as F
from ..tensor import Tensor
from .module import Module


class Dropout(Module):
    """In training mode, zero each element with probability ``drop_prob`` and scale the others by ``1 / (1 - drop_prob)``.

    Shape: any -> the same. In evaluation mode the input is returned.

    >>> import numod as nm, numod.module as M
    >>> layer = M.Dropout(0.5)
    >>> layer.eval()
    >>> layer(nm.Tensor([1.0, 2.0])).tolist()
    [1.0, 2.0]
    """

    def __init__(self, drop_prob: float = 0.0, name: str | None = None):
        super().__init__(name=name)
        if not 0 <= drop_prob < 1:
            raise ValueError(f"Dropout: drop_prob must be at least 0 and less than 1, got {drop_prob}")
        self.drop_prob = drop_prob

    def forward(self, inputs: Tensor) -> Tensor:
        """``inputs`` with elements dropped, or in evaluation mode ``inputs``."""
        return F.dropout(inputs, self.drop_prob, training=self.training) if self.training else inputs

    def _module_info_string(self) -> str:
        return f"drop_prob={self.drop_prob}"
