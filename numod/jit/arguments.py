"""Arguments and results as the tensors in them, and all that is not a tensor."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from typing import Any

import numpy as np

from ..qparams import QParams, QuantDtypeMeta
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
        for each in _quantization(value).values():
            describe(each, tensors, key)
    elif isinstance(value, _PLAIN):
        key.append((type(value), value))
    elif isinstance(value, (float, np.generic)):
        key.append(repr(value))  # NaN is not equal to itself
    elif isinstance(value, (Enum, QuantDtypeMeta)):
        key.append(value)
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


def _quantization(tensor: Tensor) -> dict[str, Any]:
    """How a tensor is quantized; empty if it is not."""
    qparams = tensor.__dict__.get("_qparams")
    return {} if qparams is None or qparams.scale is None else {name: getattr(qparams, name) for name in qparams.fields}


def tensors_in(value: Any) -> Iterator[Tensor]:
    """The tensors of a result, each before those that say how it is quantized."""
    found: list[Tensor] = []
    rebuilt(value, lambda tensor: found.extend([tensor, *tensors_in(_quantization(tensor))]))
    yield from found


class Hole:
    """Stands for a tensor in the structure of a result. qparams: their class, and what is in them with Holes, if it is quantized."""

    def __init__(self, qparams: tuple[type[QParams], dict[str, Any]] | None = None):
        self.qparams = qparams

    def filled(self, leaves: Iterator[Tensor]) -> Tensor:
        """The next tensor, with its qparams."""
        tensor = next(leaves)
        if self.qparams is not None:
            kind, fields = self.qparams
            tensor.__dict__["_qparams"] = kind(**rebuilt(fields, lambda hole: hole.filled(leaves), Hole))
        return tensor


def structure_of(value: Any) -> Any:
    """A result with a Hole for each tensor."""

    def hole(tensor: Tensor) -> Hole:
        fields = _quantization(tensor)
        return Hole((type(tensor.qparams), structure_of(fields)) if fields else None)

    return rebuilt(value, hole)


def _plain(structure: Any) -> bool:
    return isinstance(structure, Hole) and structure.qparams is None


def filler(structure: Any) -> Callable[[Sequence[Any]], Any]:
    """``fill(leaves)``: the structure with these in its holes, in order."""
    if _plain(structure):
        return lambda leaves: leaves[0]
    if type(structure) is tuple and all(map(_plain, structure)):
        return tuple

    def fill(leaves: Sequence[Any]) -> Any:
        rest = iter(leaves)
        return rebuilt(structure, lambda hole: hole.filled(rest), Hole)

    return fill
