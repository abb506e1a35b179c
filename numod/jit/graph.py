"""What a traced function is: values, and the calls that make them from each other.

A value is memory that one call writes, or that is there before; it is never changed. An Operand is a tensor that an op reads or a function
returns: a Spec in the memory of a value. So views cost nothing here, they are operands of the value that they show.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..kernel.program import Program
from ..op import Op
from ..spec import Spec


@dataclass(eq=False, slots=True)
class Value:
    """Memory.

    nbytes: how much.
    call, index: which call makes it, as which of its outputs; None if it is there before.
    given: its place among the inputs of the graph, or -1.
    buffer: what it holds if it is a constant: neither made nor given.
    """

    nbytes: int
    call: Call | None = None
    index: int = 0
    given: int = -1
    buffer: Any = None


class Operand(NamedTuple):
    """A tensor in the memory of a value, from ``offset`` bytes on."""

    value: Value
    offset: int
    spec: Spec

    def shifted(self, offset: int) -> Operand:
        """The same memory from ``offset`` bytes further on."""
        return self._replace(offset=self.offset + offset)

    @property
    def whole(self) -> bool:
        """Whether it is all of the value, in C order."""
        return self.offset == 0 and self.spec.contiguous and self.spec.nbytes == self.value.nbytes


@dataclass(eq=False, slots=True)
class Call:
    """One op on operands.

    program: how the launcher does it; without one, ``run`` is called from Python with buffers.
    code:    for an elementwise op, what it does to the elements (see `passes.fusion`).
    where:   the line of the user's program that it comes from.
    """

    name: str
    op: Op | None
    attrs: tuple
    inputs: tuple[Operand, ...]
    specs: tuple[Spec, ...]
    program: Program | None
    run: Callable | None
    where: str = ""
    code: Any = None
    outputs: tuple[Value, ...] = field(default=())

    def __post_init__(self):
        self.outputs = tuple(Value(spec.nbytes, self, index) for index, spec in enumerate(self.specs))

    def made(self, index: int = 0) -> Operand:
        """One of its outputs, as the tensor that the op gives."""
        return Operand(self.outputs[index], 0, self.specs[index])


@dataclass(eq=False, slots=True)
class Graph:
    """Calls in the order in which they are done, what they are given and what is wanted of them.

    updates: results, by number, that are the new values of inputs whose old ones nobody needs afterwards.
    over:    values that are written over inputs.
    """

    calls: list[Call] = field(default_factory=list)
    inputs: list[Value] = field(default_factory=list)
    results: list[Operand] = field(default_factory=list)
    updates: dict[int, Value] = field(default_factory=dict)
    over: dict[Value, Value] = field(default_factory=dict)

    def operands(self) -> Iterator[Operand]:
        """All that is read by calls or wanted in the end."""
        for call in self.calls:
            yield from call.inputs
        yield from self.results

    def replace(self, instead: dict[Value, Operand]) -> None:
        """Read other operands instead of the whole of these values."""
        if instead:
            for call in self.calls:
                call.inputs = tuple(_other(operand, instead) for operand in call.inputs)
            self.results = [_other(operand, instead) for operand in self.results]


def _other(operand: Operand, instead: dict[Value, Operand]) -> Operand:
    found = instead.get(operand.value)
    while found is not None:
        operand = Operand(found.value, found.offset + operand.offset, operand.spec)
        found = instead.get(operand.value)
    return operand
