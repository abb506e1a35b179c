"""Arguments that have an entry for each spatial axis, and reshaping that costs nothing where there is nothing to do."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import check
from ..op import apply
from ..ops import view
from ..tensor import Tensor

Sides = int | Sequence[int]


def sides_of(name: str, what: str, value: Sides, axes: int) -> tuple[int, ...]:
    """A number for each spatial axis."""
    found = (value,) * axes if isinstance(value, int) else tuple(int(v) for v in value)
    check(len(found) == axes, "{}: {} must be an int or {} of them, got {}", name, what, axes, value)
    return found


def reshaped(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """``x`` in another shape."""
    return x if x._spec.shape == shape else apply(view.reshape, (x,), (shape,))
