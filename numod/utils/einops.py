"""einops (Rogozhnikov, 2022, https://einops.rocks) on tensors: after an import of this module, its functions take them, with gradients.

>>> import einops, numod as nm, numod.utils.einops
>>> einops.rearrange(nm.Tensor([[1.0, 2.0], [3.0, 4.0]]), "h w -> (w h)").tolist()
[1.0, 3.0, 2.0, 4.0]

It needs the extra ``einops``. What einops finds is a subclass of its ``AbstractBackend``, which is how libraries that it does not know take part.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import functional as F
from ..dtype import int32, is_float
from ..errors import MissingExtra
from ..module import Module
from ..tensor import Tensor

try:
    import einops
    from einops._backends import AbstractBackend
except ImportError as error:
    raise MissingExtra("numod.utils.einops", "einops") from error


class NumodBackend(AbstractBackend):
    """What einops asks of a library."""

    framework_name = "numod"

    def is_appropriate_type(self, tensor: Any) -> bool:
        """Whether einops is to come here with it."""
        return isinstance(tensor, Tensor)

    def from_numpy(self, x: np.ndarray) -> Tensor:
        """A tensor of an array."""
        return Tensor(x)

    def to_numpy(self, x: Tensor) -> np.ndarray:
        """The values as an array."""
        return x.numpy()

    def arange(self, start: int, stop: int) -> Tensor:
        """The integers from ``start`` to below ``stop``."""
        return Tensor(np.arange(start, stop, dtype=np.int32))

    def reduce(self, x: Tensor, operation: str, axes: Sequence[int]) -> Tensor:
        """The axes reduced by "min", "max", "sum", "mean", "prod", "any" or "all"."""
        axes = tuple(axes)
        if not axes:
            return x
        if operation in ("any", "all"):
            wanted = operation == "any"
            return F.equal(F.max(F.equal(F.not_equal(x, 0), wanted).astype(int32), axes), int(wanted))
        return getattr(F, operation)(x, axes)

    def stack_on_zeroth_dimension(self, tensors: list) -> Tensor:
        """The tensors side by side along a new first axis."""
        return F.stack(tensors)

    def add_axis(self, x: Tensor, new_position: int) -> Tensor:
        """A new axis of length 1."""
        return F.expand_dims(x, new_position)

    def add_axes(self, x: Tensor, n_axes: int, pos2len: dict[int, int]) -> Tensor:
        """New axes along which the values are repeated; nothing is copied."""
        old = iter(x.shape)
        sides = [1 if axis in pos2len else next(old) for axis in range(n_axes)]
        return F.broadcast_to(x.reshape(sides), tuple(pos2len.get(axis, side) for axis, side in enumerate(sides)))

    def tile(self, x: Tensor, repeats: Sequence[int]) -> Tensor:
        """The values repeated along each axis."""
        return F.tile(x, tuple(repeats))

    def concat(self, tensors: list, axis: int) -> Tensor:
        """The tensors one after the other."""
        return F.concat(tensors, axis)

    def is_float_type(self, x: Tensor) -> bool:
        """Whether a mean can be taken."""
        return is_float(x.dtype)

    def einsum(self, pattern: str, *x: Tensor) -> Tensor:
        """The sum of products that a pattern such as ``"ij,jk->ik"`` describes."""
        return F.einsum(pattern, *x)


class Rearrange(Module):
    """``einops.rearrange`` as a layer.

    >>> import numod as nm
    >>> Rearrange("b c -> (b c)")(nm.Tensor([[1.0, 2.0]])).tolist()
    [1.0, 2.0]
    """

    def __init__(self, pattern: str, **axes_lengths: int):
        super().__init__()
        self.pattern = pattern
        self.axes_lengths = axes_lengths

    def forward(self, x: Tensor) -> Tensor:
        """``x`` rearranged."""
        return einops.rearrange(x, self.pattern, **self.axes_lengths)

    def _module_info_string(self) -> str:
        return ", ".join([repr(self.pattern), *(f"{name}={length}" for name, length in self.axes_lengths.items())])


class Reduce(Rearrange):
    """``einops.reduce`` as a layer.

    >>> import numod as nm
    >>> Reduce("b c -> b", "max")(nm.Tensor([[1.0, 2.0]])).tolist()
    [2.0]
    """

    def __init__(self, pattern: str, reduction: str, **axes_lengths: int):
        super().__init__(pattern, **axes_lengths)
        self.reduction = reduction

    def forward(self, x: Tensor) -> Tensor:
        """``x`` reduced."""
        return einops.reduce(x, self.pattern, self.reduction, **self.axes_lengths)

    def _module_info_string(self) -> str:
        return f"{super()._module_info_string()}, reduction={self.reduction!r}"
