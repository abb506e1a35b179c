"""einops (Rogozhnikov, 2022, https://einops.rocks) on tensors: after an import of this module, its functions take them, with gradients.

>>> import einops, numod as nm, numod.utils.einops
>>> einops.rearrange(nm.Tensor([[1.0, 2.0], [3.0, 4.0]]), "h w -> (w h)").tolist()
[1.0, 3.0, 2.0, 4.0]

It needs the extra ``einops``. What einops finds is a subclass of its ``AbstractBackend``, which is how libraries that it does not know take part.
"""

from __future__ import annotations

import math
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
        """The sum of products that a pattern such as ``"ij,jk->ik"`` describes; operands are joined from left to right."""
        return _einsum(pattern, x)


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


def _einsum(pattern: str, tensors: Sequence[Tensor]) -> Tensor:
    """The sum of products of a pattern in letters, with an arrow."""
    left, right = pattern.replace(" ", "").split("->")
    operands = [_diagonal(x, labels) for x, labels in zip(tensors, left.split(","), strict=True)]
    x, labels = operands[0]
    for i, (y, other) in enumerate(operands[1:], 1):
        kept = {*right, *(label for _, rest in operands[i + 1 :] for label in rest)}
        x, labels = _join(x, labels, y, other, kept)
    x, labels = _reduced(x, labels, set(right))
    return F.transpose(x, [labels.index(label) for label in right]) if right else x


def _diagonal(x: Tensor, labels: str) -> tuple[Tensor, str]:
    """For a label that comes twice, the diagonal of its axes, as the last axis."""
    for label in dict.fromkeys(labels):
        while labels.count(label) > 1:
            first = labels.index(label)
            second = labels.index(label, first + 1)
            rest = [axis for axis in range(x.ndim) if axis not in (first, second)]
            side = x.shape[first]
            if side != x.shape[second]:
                raise ValueError(f"einsum: the axes {label!r} of one operand have lengths {side} and {x.shape[second]}")
            flat = F.transpose(x, [*rest, first, second]).reshape(*(x.shape[axis] for axis in rest), side * side)
            x = flat[..., :: side + 1]
            labels = "".join(labels[axis] for axis in rest) + label
    return x, labels


def _reduced(x: Tensor, labels: str, kept: set[str]) -> tuple[Tensor, str]:
    """The sum over the axes that are not kept."""
    axes = [axis for axis, label in enumerate(labels) if label not in kept]
    return (F.sum(x, axes) if axes else x), "".join(label for label in labels if label in kept)


def _join(x: Tensor, left: str, y: Tensor, right: str, kept: set[str]) -> tuple[Tensor, str]:
    """The product of two operands, summed over the axes that they share and nobody else needs: a batch of matrix products."""
    x, left = _reduced(x, left, {*kept, *right})
    y, right = _reduced(y, right, {*kept, *left})
    shared = [label for label in left if label in right]
    batch, inner = [[label for label in shared if (label in kept) == wanted] for wanted in (True, False)]
    rows, columns = [label for label in left if label not in shared], [label for label in right if label not in shared]
    sides = dict(zip(left, x.shape, strict=True))
    for label, side in zip(right, y.shape, strict=True):
        if sides.setdefault(label, side) != side:
            raise ValueError(f"einsum: the axis {label!r} has length {sides[label]} in one operand and {side} in another")
    a, b = _grouped(x, left, batch, rows, inner), _grouped(y, right, batch, inner, columns)
    if is_float(a.dtype) and is_float(b.dtype):
        out = F.matmul(a, b)
    else:
        out = F.sum(F.expand_dims(a, 3) * F.expand_dims(b, 1), 2)
    labels = "".join([*batch, *rows, *columns])
    return out.reshape([sides[label] for label in labels]), labels


def _grouped(x: Tensor, labels: str, *groups: list[str]) -> Tensor:
    """The axes in groups, each of them one axis."""
    order = [labels.index(label) for group in groups for label in group]
    moved = F.transpose(x, order) if order else x
    return moved.reshape([math.prod(x.shape[labels.index(label)] for label in group) for group in groups])
