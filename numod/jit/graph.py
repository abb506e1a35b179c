"""What a traced function is: values, and the calls that make them from each other.

A value is memory that one call writes, or that is there before; it is never changed. An Operand is a tensor that an op reads or a function
returns: a Spec in the memory of a value. So views cost nothing here, they are operands of the value that they show.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from ..kernel import memory
from ..kernel.program import Program
from ..op import Op
from ..spec import Spec
from . import picture


@dataclass(eq=False, slots=True)
class Value:
    """Memory.

    nbytes: how much.
    call, index: which call makes it, as which of its outputs; None if it is there before.
    given: its place among the inputs of the graph, or -1.
    buffer: what it holds if it is a constant: neither made nor given.
    name: what the user's program calls it; "" if it is made. argument: whether a call of the program brings it.
    """

    nbytes: int
    call: Call | None = None
    index: int = 0
    given: int = -1
    buffer: Any = None
    name: str = ""
    argument: bool = False


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

    @property
    def has_effect(self) -> bool:
        """Whether other processes see that it is done."""
        return self.op is not None and self.op.effect

    def arguments(self) -> dict[str, Any]:
        """Its attributes by name."""
        return {} if self.op is None else dict(zip(self.op.attrs, self.attrs, strict=True))

    def made(self, index: int = 0) -> Operand:
        """One of its outputs, as the tensor that the op gives."""
        return Operand(self.outputs[index], 0, self.specs[index])


@dataclass(eq=False, slots=True, repr=False)
class Graph:
    """Calls in the order in which they are done, what they are given and what is wanted of them. Its text has a line for each call.

    updates: results, by number, that are the new values of inputs whose old ones nobody needs afterwards.
    over:    values that are written over inputs.
    within:  values whose memory is a part of that of another one, from so many bytes on: what `passes.placement` lets be made where it is put.
    saving:  the ways in which memory is bought with time, see `passes.recompute`.
    """

    calls: list[Call] = field(default_factory=list)
    inputs: list[Value] = field(default_factory=list)
    results: list[Operand] = field(default_factory=list)
    updates: dict[int, Value] = field(default_factory=dict)
    over: dict[Value, Value] = field(default_factory=dict)
    within: dict[Value, tuple[Value, int]] = field(default_factory=dict)
    saving: Sequence[Any] = ()

    def operands(self) -> Iterator[Operand]:
        """All that is read by calls or wanted in the end."""
        for call in self.calls:
            yield from call.inputs
        yield from self.results

    def copy(self) -> Graph:
        """The same calls on values of their own, for passes to change. Constants are shared."""
        new: dict[Value, Value] = {}

        def other(operand: Operand) -> Operand:
            value = operand.value
            if value not in new:  # what is made is there before it is read
                new[value] = Value(value.nbytes, None, 0, value.given, value.buffer, value.name, value.argument)
            return operand._replace(value=new[value])

        inputs = [other(Operand(value, 0, None)).value for value in self.inputs]  # type: ignore[arg-type]
        calls = []
        for call in self.calls:
            calls.append(replace(call, inputs=tuple(map(other, call.inputs))))
            for value, made in zip(call.outputs, calls[-1].outputs, strict=True):
                made.nbytes = value.nbytes
                new[value] = made
        return Graph(calls, inputs, [*map(other, self.results)], {result: new[value] for result, value in self.updates.items()})

    def names(self) -> dict[Value, str]:
        """What each value is called in texts and pictures."""
        found: dict[Value, str] = {}
        for value in [*self.inputs, *(value for call in self.calls for value in call.outputs)]:
            found[value] = value.name or f"%{len(found)}"
        for operand in self.operands():
            found.setdefault(operand.value, operand.value.name or _constant(operand))
        return found

    def draw(self, path: str | os.PathLike) -> None:
        """Write a picture of the program to an SVG file, which every browser shows: a box for each call, from the arguments down to the results."""
        picture.draw(self, path)

    def __repr__(self) -> str:
        names = self.names()
        lines = [f"given {', '.join(f'{names[value]} ({value.nbytes} bytes)' for value in self.inputs) or 'nothing'}"]
        for call in self.calls:
            made = ", ".join(f"{names[value]}: {_text(spec)}" for value, spec in zip(call.outputs, call.specs, strict=True))
            taken = ", ".join(_shown(operand, names) for operand in call.inputs)
            attrs = "".join(f", {name}={value}" for name, value in call.arguments().items())
            over = "".join(f"  over {names[self.over[value]]}" for value in call.outputs if value in self.over)
            over += "".join(f"  within {names[self.within[value][0]]}" for value in call.outputs if value in self.within)
            lines.append(f"{made} = {call.name}({taken}{attrs}){over}{f'  # {call.where}' if call.where else ''}")
        lines.append(f"return {', '.join(_shown(operand, names) for operand in self.results) or 'nothing'}")
        return "\n".join(lines)

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


def _constant(operand: Operand) -> str:
    if operand.spec.size != 1 or operand.offset:
        return "constant"
    return f"{memory.to_numpy(operand.value.buffer, operand.spec).item():.7g}"


def extent(spec: Spec) -> int:
    """The bytes from the first element of a tensor to behind its last."""
    if spec.contiguous:
        return spec.nbytes
    return (sum((n - 1) * stride for n, stride in zip(spec.shape, spec.strides, strict=True)) + 1) * spec.dtype.itemsize if spec.size else 0


def _text(spec: Spec) -> str:
    return f"{spec.dtype}{list(spec.shape)}"


def _shown(operand: Operand, names: dict[Value, str]) -> str:
    """An operand by the name of its value, and how it shows it if not as a whole."""
    if operand.whole:
        return names[operand.value]
    strides = "" if operand.spec.contiguous else f" strides {list(operand.spec.strides)}"
    start = f" from byte {operand.offset}" if operand.offset else ""
    return f"{names[operand.value]} as {_text(operand.spec)}{strides}{start}"
