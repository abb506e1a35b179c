"""From a graph to what runs it: programs for the launcher, with memory of all values planned, and between them what only Python can call."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ..kernel import executor, runtime
from ..kernel.program import Program, Ref, Step, Word, aligned, moved
from ..kernel.workspace import MemoryPlan
from .graph import Call, Graph, Operand, Value

_SLACK = 64  # readable bytes behind each value: vector code may load past the end


class Failure(Exception):
    """A kernel reported an error: in which call, and what."""

    def __init__(self, call: Call, code: int, value: int, limit: int):
        self.call, self.code, self.value, self.limit = call, code, value, limit


class Segment(NamedTuple):
    """Calls that one launch does.

    sources: the values that it reads from buffers. made: those that it puts into buffers of their own.
    calls: which call each step belongs to.
    """

    run: Callable
    sources: tuple[Value, ...]
    made: tuple[Value, ...]
    calls: tuple[Call, ...]
    workspace: int


def lower(graph: Graph) -> Executable:
    """What runs the graph."""
    groups: list[list[Call]] = [[]]
    for call in graph.calls:
        if call.program is None:
            groups += [[call], []]
        else:
            groups[-1].append(call)
    groups = [group for group in groups if group]
    kept = {operand.value for operand in graph.results}  # values that must outlive the group that makes them
    stages: list[Segment | Call] = []
    for group in reversed(groups):
        stages.append(_segment(group, kept, graph.over) if group[0].program is not None else group[0])
        kept |= {operand.value for call in group for operand in call.inputs}
    return Executable(graph, stages[::-1])


def _segment(calls: Sequence[Call], kept: set[Value], over: dict[Value, Value]) -> Segment:
    inside = {value for call in calls for value in call.outputs}
    made = [value for call in calls for value in call.outputs if value in kept and value not in over]
    sources = list(dict.fromkeys(o.value for call in calls for o in call.inputs if o.value not in inside and o.value.buffer is None))
    place: dict[Value, Word] = {value: Ref("out", index) for index, value in enumerate(made)}
    place |= {value: Ref("in", index) for index, value in enumerate(sources)}
    place |= {new: place[old] for new, old in over.items() if new in inside}
    last = {value: number for number, call in enumerate(calls) for value in (*(o.value for o in call.inputs), *call.outputs)}
    plan = MemoryPlan()
    steps: list[Step] = []
    owners: list[Call] = []
    for number, call in enumerate(calls):
        program = call.program
        assert program is not None
        for value in call.outputs:
            if value not in place:
                place[value] = Ref("tmp", 0, plan.take(value, aligned(value.nbytes + _SLACK)))
        space = plan.take(call, aligned(program.workspace)) if program.workspace else 0
        where = functools.partial(_address, call=call, place=place, space=space)
        steps += [moved(step, where) for step in program.steps]
        owners += [call] * len(program.steps)
        if program.workspace:
            plan.give(call)
        for value in {*(o.value for o in call.inputs), *call.outputs}:
            if last[value] == number:
                plan.give(value)
    sizes = tuple(value.nbytes for value in made)
    run = executor.compile(Program(sizes, len(sources), tuple(steps), plan.size))
    return Segment(run, tuple(sources), tuple(made), tuple(owners), plan.size)


def _address(ref: Ref, call: Call, place: dict[Value, Word], space: int) -> Word:
    """Where an address of a call's own program is in the whole one."""
    if ref.space == "tmp":
        return Ref("tmp", 0, space + ref.offset)
    if ref.space == "out":
        at, offset = place[call.outputs[ref.index]], ref.offset
    else:
        operand = call.inputs[ref.index]
        offset = operand.offset + ref.offset
        if operand.value.buffer is not None:
            return operand.value.buffer.address + offset
        at = place[operand.value]
    assert isinstance(at, Ref)
    return Ref(at.space, at.index, at.offset + offset)


class Executable:
    """Runs a graph on buffers."""

    def __init__(self, graph: Graph, stages: Sequence[Segment | Call]):
        self.graph, self.stages = graph, stages
        only = stages[0] if len(stages) == 1 else None
        new = [operand.value for operand in graph.results if operand.value not in graph.over]
        self._whole = isinstance(only, Segment) and list(only.sources) == graph.inputs and list(only.made) == new
        self._run = only.run if isinstance(only, Segment) else None

    @property
    def workspace(self) -> int:
        """The most bytes that a launch needs for values that live inside it."""
        return max((stage.workspace for stage in self.stages if isinstance(stage, Segment)), default=0)

    def __call__(self, buffers: Sequence[Any]) -> Sequence[Any]:
        """The buffers of the results that are not written over inputs, given those of the inputs; raises Failure."""
        if self._whole:  # the launch takes the inputs and gives the results just so
            made = self._run(*buffers)  # type: ignore[misc]
            if made is None:
                raise self._failure(self.stages[0])
            return (made,) if len(self.stages[0].made) == 1 else made  # type: ignore[union-attr]
        known: dict[Value, Any] = dict(zip(self.graph.inputs, buffers, strict=True))
        for stage in self.stages:
            if isinstance(stage, Segment):
                made = stage.run(*[known[value] for value in stage.sources])
                if made is None:
                    raise self._failure(stage)
                known.update(zip(stage.made, (made,) if len(stage.made) == 1 else made, strict=True))
            else:
                made = stage.run(*[_buffer(operand, known) for operand in stage.inputs])  # type: ignore[misc]
                if made is None:
                    raise Failure(stage, *executor.error_of(stage.run))
                known.update(zip(stage.outputs, (made,) if len(stage.outputs) == 1 else made, strict=True))
        known.update((new, known[old]) for new, old in self.graph.over.items())
        return [_buffer(operand, known) for operand in self.graph.results if operand.value not in self.graph.over]

    @staticmethod
    def _failure(segment: Any) -> Failure:
        return Failure(segment.calls[executor.step_of(segment.run)], *executor.error_of(segment.run))


def _buffer(operand: Operand, known: dict[Value, Any]) -> Any:
    """The memory of an operand as a Buffer that begins where the operand does."""
    buffer = known[operand.value] if operand.value.buffer is None else operand.value.buffer
    return runtime.shift(operand.offset, buffer) if operand.offset else buffer
