"""How much memory the values of a program take, and when."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from ..kernel.joined import room
from ..kernel.program import aligned
from ..kernel.workspace import MemoryPlan
from .graph import Call, Graph, Value


class Step(NamedTuple):
    """A call, with the values that it reads and makes instead of its own; ``again`` if it was done before."""

    call: Call
    reads: tuple[Value, ...]
    makes: tuple[Value, ...]
    again: bool = False


class Memory(NamedTuple):
    """The most bytes that the values of a program take at one time, and would take if nothing were computed again (``without_recomputation``), and if
    every op were called by itself and let go of what it does not need any more (``eager``; more if Python variables hold values longer).

    Arguments, parameters and what is written over them are not counted: they are there in any case.
    """

    program: int
    without_recomputation: int
    eager: int


def steps_of(calls: Iterable[Call]) -> list[Step]:
    """The calls as they are."""
    return [Step(call, tuple(o.value for o in call.inputs), call.outputs) for call in calls]


def placed(graph: Graph) -> list[Step]:
    """The calls of a graph, where what is made within another value makes that one, if it is the first to do so."""
    whole = {part: value for part, (value, _) in graph.within.items()}
    there: set[Value] = set()
    steps = []
    for call, reads, makes, again in steps_of(graph.calls):
        new = [value for value in dict.fromkeys(whole.get(each, each) for each in makes) if value not in there]
        there.update(new)
        steps.append(Step(call, tuple(whole.get(value, value) for value in reads), tuple(new), again))
    return steps


def needed(steps: Sequence[Step], apart: set[Value]) -> int:
    """The size of the workspace in which the steps get along, but for values ``apart`` that have memory of their own."""
    last = {value: n for n, step in enumerate(steps) for value in step.makes}
    for n, step in enumerate(steps):
        last.update((value, n) for value in step.reads if value in last)
    ends: dict[int, list[Value]] = {}
    for value, n in last.items():
        ends.setdefault(n, []).append(value)
    plan = MemoryPlan()
    for n, step in enumerate(steps):
        for value in step.makes:
            if value not in apart:
                plan.take(value, room(value.nbytes))
        own = workspace(step.call)
        if own:
            plan.take(n, own)
            plan.give(n)
        for value in ends.get(n, ()):
            plan.give(value)
    return plan.size


def live(steps: Sequence[Step], apart: Collection[Value] = (), kept: Iterable[Value] = ()) -> list[int]:
    """The bytes that each step needs, for itself and all values but those ``apart`` that are in use; those that are ``kept`` are so up to the last one."""
    last = {value: n for n, step in enumerate(steps) for value in step.makes}
    for n, step in enumerate(steps):
        last.update((value, n) for value in step.reads if value in last)
    last.update((value, len(steps) - 1) for value in kept if value in last)
    change = [0] * (len(steps) + 1)
    for n, step in enumerate(steps):
        for value in step.makes:
            if value not in apart:
                change[n] += value.nbytes
                change[last[value] + 1] -= value.nbytes
    total, found = 0, []
    for step, each in zip(steps, change, strict=False):
        total += each
        found.append(total + workspace(step.call))
    return found


def workspace(call: Call) -> int:
    """What a call needs for itself."""
    return aligned(call.program.workspace) if call.program is not None else 0


def footprint(graph: Graph) -> int:
    """The bytes of the workspace and of the results of a program."""
    results = {operand.value for operand in graph.results if operand.value.call is not None}
    return needed(placed(graph), results) + sum(value.nbytes for value in results - graph.over.keys())


def eager_footprint(graph: Graph) -> int:
    """The most bytes at one time if each call gets memory when it comes, and values are let go of after their last use."""
    return max(live(steps_of(graph.calls), kept=[operand.value for operand in graph.results]), default=0)
