"""Arguments and results as the tensors in them, and all that is not a tensor."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ..tensor import Tensor

_PLAIN = (bool, int, complex, str, bytes, type(None), np.dtype)


class Itself:
    """Stands for an object that is compared by identity."""

    __slots__ = ("value",)

    def __init__(self, value: Any):
        self.value = value

    def __hash__(self) -> int:
        return id(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Itself) and self.value is other.value

    def __repr__(self) -> str:
        return f"<{type(self.value).__name__}>"


def describe(value: Any, tensors: list[Tensor], key: list) -> None:
    """Add the tensors of nested lists, tuples and dicts to ``tensors``, and to ``key`` what a program must be made anew for."""
    if isinstance(value, Tensor):
        tensors.append(value)
        key.append(value._spec)
    elif isinstance(value, _PLAIN):
        key.append((type(value), value))
    elif isinstance(value, float):
        key.append(repr(value))  # NaN is not equal to itself
    elif type(value) in (list, tuple):
        key.append((type(value), len(value)))
        for each in value:
            describe(each, tensors, key)
    elif type(value) is dict:
        key.append((dict, tuple(value)))
        for each in value.values():
            describe(each, tensors, key)
    elif isinstance(value, np.ndarray):
        key.append((value.shape, value.dtype, value.tobytes()))
    else:
        key.append(Itself(value))


def signature(args: tuple, kwargs: dict[str, Any]) -> tuple[list[Tensor], tuple]:
    """(tensors, key) of a call: calls with equal keys can share a program."""
    tensors: list[Tensor] = []
    key: list = []
    for each in args:
        describe(each, tensors, key)
    for name, each in kwargs.items():
        key.append(name)
        describe(each, tensors, key)
    if len(tensors) > 1 and len({*map(id, tensors)}) != len(tensors):
        ids = [*map(id, tensors)]
        key.append(tuple(ids.index(each) for each in ids))  # which arguments are one object
    return tensors, tuple(key)


def rebuilt(value: Any, leaf: Callable[[Any], Any], kind: type = Tensor) -> Any:
    """A result with every tensor, or other object of a ``kind``, replaced by ``leaf(it)``."""
    if isinstance(value, kind):
        return leaf(value)
    if isinstance(value, (list, tuple)):
        items = [rebuilt(each, leaf, kind) for each in value]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    if isinstance(value, dict):
        return type(value)((name, rebuilt(each, leaf, kind)) for name, each in value.items())
    return value


def tensors_in(value: Any) -> Iterator[Tensor]:
    """The tensors of a result."""
    found: list[Tensor] = []
    rebuilt(value, found.append)
    yield from found


class Hole:
    """Stands for a tensor in the structure of a result."""


def structure_of(value: Any) -> Any:
    """A result with a Hole for each tensor."""
    return rebuilt(value, lambda _: Hole())


def filler(structure: Any) -> Callable[[Sequence[Any]], Any]:
    """``fill(leaves)``: the structure with these in its holes, in order."""
    if isinstance(structure, Hole):
        return lambda leaves: leaves[0]
    if type(structure) is tuple and all(isinstance(each, Hole) for each in structure):
        return tuple

    def fill(leaves: Sequence[Any]) -> Any:
        rest = iter(leaves)
        return rebuilt(structure, lambda _: next(rest), Hole)

    return fill
