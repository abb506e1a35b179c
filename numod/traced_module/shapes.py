"""Shapes of tensors while a module is traced: tuples and numbers that remember where they come from.

So a graph computes them anew for tensors of other shapes. To all other code they are what they look like.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from .known import NUMBER_OPERATORS, number_operator

Recorded = Callable[[Any, str, tuple], Any]  # from an object of these, the name of an operator and the other operands to the result


class TracedShape(tuple):  # noqa: SLOT001 - a tuple can have no slots of its own
    """A shape, or a part of one."""

    _record: Recorded

    def __getitem__(self, index: Any) -> Any:
        return self._record(self, "__getitem__", (index,))

    def __iter__(self) -> Iterator[Any]:
        return (self[place] for place in range(len(self)))

    def __add__(self, other: tuple) -> Any:
        return (*self, *other)

    def __radd__(self, other: tuple) -> Any:
        return (*other, *self)


class TracedInt(int):
    """An extent, or what was computed of extents."""

    _record: Recorded


class TracedFloat(float):
    """What was computed of extents, as a float."""

    _record: Recorded


def _attach_operators(kind: type) -> None:
    for name in NUMBER_OPERATORS:

        def method(self: Any, *others: Any, _name: str = name) -> Any:
            if all(isinstance(other, (int, float)) for other in others):
                return self._record(self, _name, others)
            return NotImplemented  # a tensor's own operator comes next

        setattr(kind, name, method)


_attach_operators(TracedInt)
_attach_operators(TracedFloat)


def traced(value: Any, record: Recorded) -> Any:
    """A number or a tuple that remembers; anything else as it is."""
    kind = {tuple: TracedShape, int: TracedInt, float: TracedFloat}.get(type(value))
    if kind is None:
        return value
    made = kind(value)
    made._record = record
    return made


def plain(value: Any) -> Any:
    """The number or tuple that it looks like."""
    if isinstance(value, TracedShape):
        return tuple(tuple.__iter__(value))
    return int(value) if isinstance(value, TracedInt) else float(value) if isinstance(value, TracedFloat) else value


def compute(value: Any, name: str, others: tuple) -> Any:
    """What an operator gives, by the name of its method."""
    function = number_operator(name)
    assert function is not None
    return function(plain(value), *map(plain, others))


TRACED = (TracedShape, TracedInt, TracedFloat)
