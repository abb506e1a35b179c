"""Identity: a layer that does nothing."""

from ..tensor import Tensor
from .module import Module


class Identity(Module):
    """Return the input; a placeholder where a network may have a layer.

    >>> import numod as nm, numod.module as M
    >>> M.Identity()(nm.Tensor([1.0, 2.0])).tolist()
    [1.0, 2.0]
    """

    def forward(self, x: Tensor) -> Tensor:
        """``x``."""
        return x
