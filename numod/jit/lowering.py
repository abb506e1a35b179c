"""From a graph to what runs it: programs for the launcher, with memory of all values planned, and between them what only Python can call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from ..kernel import executor, runtime
from ..kernel.joined import Joined, Place
from ..kernel.program import Program, Ref
from .graph import Call, Graph, Operand, Value


class Failure(Exception):
    """A kernel reported an error: in which call, and what."""

    def __init__(self, call: Call, code: int, value: int, limit: int):
        self.call, self.code, self.value, self.limit = call, code, value, limit


class Segment(NamedTuple):
    """Calls that one launch does.

    sources: the values that it reads from buffers. made: those that it puts into buffers of their own.
    calls: which call each step belongs to. places: where each value is, as the launcher finds it.
    """

    run: Callable
    sources: tuple[Value, ...]
    made: tuple[Value, ...]
    calls: tuple[Call, ...]
    workspace: int
    places: dict[Value, Ref | int]


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
        stages.append(_segment(group, kept, graph) if group[0].program is not None else group[0])
        kept |= {operand.value for call in group for operand in call.inputs}
    return Executable(graph, stages[::-1])


def _segment(calls: Sequence[Call], kept: set[Value], graph: Graph) -> Segment:
    over = graph.over
    inside = {value for call in calls for value in call.outputs}
    made = [value for call in calls for value in call.outputs if value in kept and value not in over]
    sources = list(dict.fromkeys(o.value for call in calls for o in call.inputs if o.value not in inside and o.value.buffer is None))
    places = {o.value: Place(o.value.nbytes) for call in calls for o in call.inputs if o.value not in inside}
    known: dict[Place, int | Place] = {place: value.buffer.address for value, place in places.items() if value.buffer is not None}
    # Parts are made in their place, but for those that must outlive this launch: they have buffers of their own.
    within = {part: where for part, where in graph.within.items() if where[0] in inside and part in inside and part not in kept}
    places.update((whole, Place(whole.nbytes)) for whole, _ in within.values())
    places.update((part, places[whole].part(offset, part.nbytes)) for part, (whole, offset) in within.items())
    joined = Joined()
    owners: list[Call] = []
    for call in calls:
        assert call.program is not None
        program = _copying(call, within)
        outs = [places.setdefault(value, Place(value.nbytes)) for value in call.outputs]
        joined.add(program, [places[operand.value].shifted(operand.offset) for operand in call.inputs], outs)
        owners += [call] * len(program.steps)
    known |= {places[new]: places[old] for new, old in over.items() if new in inside}
    program = joined.program([places[value] for value in sources], [places[value] for value in made], known)
    return Segment(
        executor.compile(program),
        tuple(sources),
        tuple(made),
        tuple(owners),
        program.workspace,
        {value: joined.at(place) for value, place in places.items()},
    )


def _copying(call: Call, within: Mapping[Value, Any]) -> Program:
    """The program of a call without the steps that would copy parts of what it makes to where they are already."""
    assert call.program is not None
    there, offset = [], 0
    for operand in call.inputs:
        there.append(within.get(operand.value) == (call.outputs[0], offset))  # what is put there twice is made in one of the places
        offset += operand.spec.nbytes
    if not any(there):
        return call.program
    return replace(call.program, steps=tuple(step for step, each in zip(call.program.steps, there, strict=True) if not each))


class Executable:
    """Runs a graph on buffers."""

    def __init__(self, graph: Graph, stages: Sequence[Segment | Call]):
        self.graph, self.stages = graph, stages
        only = stages[0] if len(stages) == 1 else None
        new = [operand.value for operand in graph.results if operand.value not in graph.over]
        self._whole = isinstance(only, Segment) and list(only.sources) == graph.inputs and list(only.made) == new
        self._run = only.run if isinstance(only, Segment) else None
        self._single = len(new) == 1

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
            return (made,) if self._single else made
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
