"""Nested structures: what functions and modules take and return, with tensors or nodes of a graph at their leaves."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..device import Device
from ..tensor import Tensor
from .node import Node

_PLAIN = (bool, int, float, complex, str, bytes, np.generic, np.dtype, Device, type(None), type(Ellipsis))
_types: dict[type, tuple[Callable | None, Callable | None]] = {}


def register_supported_type(
    type: type, flatten_fn: Callable[[Any], tuple[list, Any]] | None = None, unflatten_fn: Callable[[list, Any], Any] | None = None
) -> None:
    """Let objects of a type be arguments and results of modules that are traced.

    flatten_fn: from an object to a list of its parts, such as tensors, and whatever else is needed to make it again: ``(parts, context)``.
    unflatten_fn: from these two to such an object. Without the two, objects of this type are constants, told apart by their repr.

    >>> import numod as nm, numod.module as M, numod.traced_module as tm
    >>> class Pair:
    ...     def __init__(self, left, right):
    ...         self.left, self.right = left, right
    >>> tm.register_supported_type(Pair, lambda pair: ([pair.left, pair.right], None), lambda parts, context: Pair(*parts))
    >>> class Net(M.Module):
    ...     def forward(self, pair):
    ...         return pair.left + pair.right
    >>> traced = tm.trace_module(Net(), Pair(nm.Tensor([1.0]), nm.Tensor([2.0])))
    >>> traced(Pair(nm.Tensor([3.0]), nm.Tensor([4.0]))).tolist()
    [7.0]
    """
    if not isinstance(type, _type):
        raise TypeError(f"register_supported_type: expected a type, got {type!r}")
    if (flatten_fn is None) != (unflatten_fn is None):
        raise TypeError("register_supported_type: flatten_fn and unflatten_fn go together, got one of them")
    _types[type] = flatten_fn, unflatten_fn


_type = type


def parts_of(value: Any) -> tuple[list, Callable[[list], Any]] | None:
    """What a structure holds, and what makes such a structure of other parts; None for a leaf."""
    kind = type(value)
    if kind in (list, tuple):
        return list(value), kind
    if kind in (dict, OrderedDict):
        keys = _keys(value)
        return [value[key] for key in keys], lambda parts: _dict(value, dict(zip(keys, parts, strict=True)))
    if kind is slice:
        return [value.start, value.stop, value.step], lambda parts: slice(*parts)
    flatten, unflatten = _types.get(kind, (None, None))
    if flatten is None or unflatten is None:
        return None
    parts, context = flatten(value)
    return list(parts), lambda parts: unflatten(parts, context)


def _keys(value: dict) -> list[Any]:
    """The keys: those of a dict sorted, as they may come into it in any order, if they can be; those of an OrderedDict as they are."""
    try:
        return sorted(value) if type(value) is dict else list(value)
    except TypeError:  # of kinds that cannot be compared
        return list(value)


def _dict(like: dict, found: dict) -> dict:
    """Such a dict with other values."""
    return type(like)((key, found[key]) for key in like)


def rebuild(function: Callable[[Any], Any], value: Any) -> Any:
    """The structure with each leaf replaced by ``function(leaf)``."""
    found = parts_of(value)
    if found is None:
        return function(value)
    parts, make = found
    return make([rebuild(function, part) for part in parts])


def leaves(value: Any) -> Iterator[Any]:
    """The leaves of a structure, in order."""
    found = parts_of(value)
    if found is None:
        yield value
        return
    for part in found[0]:
        yield from leaves(part)


def pairs(pattern: Any, value: Any) -> Iterator[tuple[Any, Any]]:
    """Each leaf of a structure with what is in its place in another one, which may go on there."""
    found = parts_of(pattern)
    if found is None:
        yield pattern, value
        return
    other = parts_of(value)
    if other is None or type(value) is not type(pattern) or len(other[0]) != len(found[0]):
        raise ValueError(f"expected {describe(pattern)}, got {describe(value)}: the graph was made with the former")
    for part, beside in zip(found[0], other[0], strict=True):
        yield from pairs(part, beside)


def describe(value: Any) -> str:
    """A structure as text, the same for two structures that differ in their tensors only. TypeError for what cannot be compared."""
    kind = type(value)
    if isinstance(value, (Tensor, Node)):
        return "Tensor"
    if kind in (list, tuple):
        inner = ", ".join(map(describe, value))
        return f"[{inner}]" if kind is list else f"({inner})"
    if kind in (dict, OrderedDict):
        inner = ", ".join(f"{key!r}:{describe(value[key])}" for key in _keys(value))
        return f"{'' if kind is dict else kind.__name__}{{{inner}}}"
    if isinstance(value, np.ndarray):
        return f"array({value.dtype}, {value.shape}, {hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()[:16]})"
    found = parts_of(value)
    if found is not None:
        return f"{kind.__name__}({', '.join(map(describe, found[0]))})"
    if isinstance(value, _PLAIN) or kind in _types:
        return repr(value)
    raise TypeError(
        f"trace_module: arguments of modules may be tensors, numbers and the like, got {kind.__name__}; register_supported_type adds types"
    )


def describe_call(args: tuple, kwargs: dict[str, Any]) -> str:
    """The arguments of a module as text."""
    return ", ".join(["Module", *map(describe, args), *(f"{name}={describe(value)}" for name, value in kwargs.items())])


def matches(pattern: Any, value: Any) -> bool:
    """Whether a structure can be given where another one has nodes of a graph: tensors, or the numbers that a shape is made of."""
    if isinstance(pattern, Node):
        return isinstance(value, Tensor if getattr(pattern, "dtype", None) is not None else (int, float, tuple))
    found, other = parts_of(pattern), parts_of(value)
    if found is None or other is None:
        return describe(pattern) == describe(value)
    return (type(pattern) is type(value) and len(found[0]) == len(other[0]) and all(map(matches, found[0], other[0]))) and (
        not isinstance(pattern, dict) or _keys(pattern) == _keys(value)
    )
