"""Memory for time: values that wait for the way back are let go of, and computed again when it comes to them.

What is computed again is the same program on the same values, random numbers included (their state is an input), so that results are the same to the last bit.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import replace

from ..config import DTRConfig, SublinearMemoryConfig
from ..footprint import Step, live, needed, steps_of
from ..graph import Call, Graph, Operand, Value

SMALL = 256  # a value with less than this part of all that waits is not worth the trouble
FLOPS_PER_BYTE = 10  # how much arithmetic takes as long as a byte of memory
TRIES = 200  # choices that are looked at to compute less again in the same memory


def recompute(graph: Graph) -> None:
    """Do what ``graph.saving`` asks for."""
    for config in graph.saving:
        timeline = Timeline(graph)
        if not timeline.waiting:
            return
        kept = _by_segments(timeline, config) if isinstance(config, SublinearMemoryConfig) else _by_value(timeline, config)
        _apply(graph, timeline.steps(kept))


class Timeline:
    """The calls of a graph around the ``turn``, the call during which most memory is in use.

    waiting: values made before it that are only read after it, in the order in which they are made.
    """

    def __init__(self, graph: Graph):
        self.calls = graph.calls
        self.apart = {operand.value for operand in graph.results}
        steps = steps_of(self.calls)
        used = live(steps, self.apart)
        self.turn = max(range(len(used)), key=used.__getitem__, default=0)
        self.number = {value: n for n, call in enumerate(self.calls) for value in call.outputs}
        after = {o.value for call in self.calls[self.turn + 1 :] for o in call.inputs}
        during = {o.value for call in self.calls[self.turn : self.turn + 1] for o in call.inputs}
        before = [value for call in self.calls[: self.turn] for value in call.outputs]
        # From the first call on that writes over an input, what was computed of the input before cannot be computed again.
        writes = next((n for n, call in enumerate(self.calls) if any(value in graph.over for value in call.outputs)), len(self.calls))
        during |= {o.value for call in self.calls[writes:] for o in call.inputs}
        waiting = (
            [value for value in before if value in after and value not in during and self._lets_go(value)] if writes > self.turn else []
        )
        least = sum(value.nbytes for value in waiting) / SMALL
        self.waiting = [value for value in waiting if value.nbytes >= least]
        self._stay = {value for value in before if value not in {*self.waiting} and (value in after or not self._lets_go(value))}
        self._size: dict[frozenset[Value], tuple[int, float]] = {}

    def _lets_go(self, value: Value) -> bool:
        return value not in self.apart and value.call is not None and value.call.program is not None

    def alive(self, number: int) -> set[Value]:
        """What is made before a call and read by it or later ones before the turn."""
        return {o.value for call in self.calls[number : self.turn] for o in call.inputs if self.number.get(o.value, number) < number}

    def steps(self, kept: Iterable[Value]) -> list[Step]:
        """The calls, and before each after the turn those again that make what it reads and is not ``kept``."""
        there = {*kept}
        again: dict[Value, Value] = {}
        steps = steps_of(self.calls[: self.turn + 1])
        for call in self.calls[self.turn + 1 :]:
            for number in self.missing([o.value for o in call.inputs], there, again):
                old = self.calls[number]
                again |= {value: Value(value.nbytes) for value in old.outputs}
                steps.append(Step(old, _read(old, again), tuple(again[value] for value in old.outputs), True))
            steps.append(Step(call, _read(call, again), call.outputs))
        return steps

    def missing(self, asked: list[Value], there: set[Value], again: Container[Value] = ()) -> list[int]:
        """The numbers of the calls, in order, that must be done again for these values."""
        found: set[int] = set()
        while asked:
            value = asked.pop()
            number = self.number.get(value, self.turn)
            if number < self.turn and value not in there and value not in self._stay and value not in again and number not in found:
                found.add(number)
                asked += [o.value for o in self.calls[number].inputs]
        return sorted(found)

    def distance(self, value: Value) -> int:
        """How many calls after the turn come before one that reads a value."""
        later = self.calls[self.turn + 1 :]
        return 1 + next((n for n, call in enumerate(later) if any(o.value is value for o in call.inputs)), len(later))

    def cost(self, kept: Iterable[Value]) -> tuple[int, float]:
        """(bytes, work done again) if these of the waiting values are kept."""
        key = frozenset(kept)
        if key not in self._size:
            steps = self.steps(key)
            self._size[key] = needed(steps, self.apart), sum(work(step.call) for step in steps if step.again)
        return self._size[key]


def _read(call: Call, again: dict[Value, Value]) -> tuple[Value, ...]:
    return tuple(again.get(o.value, o.value) for o in call.inputs)


def work(call: Call) -> float:
    """How long a call takes, in bytes that are moved in that time. A product of matrices does the root of the sizes of all three multiplications."""
    moved = sum(o.spec.nbytes for o in call.inputs) + sum(spec.nbytes for spec in call.specs)
    if call.op is None or call.op.form != "gather" or len(call.inputs) < 2:
        return moved
    return moved + 2 * math.sqrt(call.inputs[0].spec.size * call.inputs[1].spec.size * call.specs[0].size) / FLOPS_PER_BYTE


def _apply(graph: Graph, steps: Sequence[Step]) -> None:
    """Make the calls of a graph those steps."""
    other: dict[Value, Value] = {}
    calls = []
    for step in steps:
        inputs = tuple(Operand(other.get(value, value), o.offset, o.spec) for value, o in zip(step.reads, step.call.inputs, strict=True))
        if step.again:
            call = replace(step.call, inputs=inputs)
            other |= dict(zip(step.makes, call.outputs, strict=True))
        else:
            call = step.call
            call.inputs = inputs
        calls.append(call)
    graph.calls = calls


# Which values are kept


def _by_segments(timeline: Timeline, config: SublinearMemoryConfig) -> set[Value]:
    """Keep what is alive at some places of the way forward, which are about equally far from each other, in bytes that wait; or at a mixture of such places."""
    allowed, tries = config.lb_memory_mb * 1e6, config.thresh_nr_try
    total = sum(value.nbytes for value in timeline.waiting)
    choices: dict[tuple[int, ...], set[Value]] = {}

    def rank(kept: Iterable[Value]) -> tuple[float, float]:
        size, again = timeline.cost(kept)
        return max(size, allowed), again

    def score(places: tuple[int, ...]) -> tuple[float, float]:
        if places not in choices:
            choices[places] = set().union(*map(timeline.alive, places))
        return rank(choices[places])

    step = total / (tries + 1)
    distances = [step * n for n in range(1, tries + 1)]
    if distances:
        middle = min(distances, key=lambda distance: score(_places(timeline, distance)))
        distances = [middle + step * (2 * n / (tries + 1) - 1) for n in range(1, tries + 1)]
        for distance in distances:
            score(_places(timeline, distance))
        _mix(list(choices), config, timeline.turn, score)
    kept = min([{*timeline.waiting}, *choices.values()], key=rank)
    return _with_less_again(timeline, kept, rank)


def _places(timeline: Timeline, distance: float) -> tuple[int, ...]:
    """The calls before which so many bytes wait since the place before."""
    places, passed = [], 0
    for value in timeline.waiting:
        passed += value.nbytes
        if passed >= distance:
            places.append(timeline.number[value] + 1)
            passed = 0
    return tuple(places)


def _mix(
    pool: list[tuple[int, ...]], config: SublinearMemoryConfig, turn: int, score: Callable[[tuple[int, ...]], tuple[float, float]]
) -> None:
    """Look at mixtures of the best choices, each with a place that is moved: a genetic search, the same in every run."""
    draw = random.Random(0)
    for _ in range(config.genetic_nr_iter):
        pool = sorted(pool, key=score)[: max(config.genetic_pool_size, 1)]
        child = {place for parent in draw.choices(pool, k=2) for place in parent if draw.random() < 0.5}
        child ^= {draw.randrange(turn)} if turn else set()
        pool.append(tuple(sorted(child)))


def _with_less_again(timeline: Timeline, kept: set[Value], rank: Callable[[Iterable[Value]], tuple[float, float]]) -> set[Value]:
    """Keep what takes long to compute and finds room in the same memory."""
    gone = [value for value in timeline.waiting if value not in kept]
    gone.sort(key=lambda value: -work(timeline.calls[timeline.number[value]]) / value.nbytes)
    for value in gone[:TRIES]:
        if rank({*kept, value}) <= rank(kept):
            kept = {*kept, value}
    return kept


def _by_value(timeline: Timeline, config: DTRConfig) -> set[Value]:
    """Let go of one value after the other until the rest is small enough, or there is none; the smallest rest, if none is."""
    kept = {*timeline.waiting}
    best = kept
    while timeline.cost(kept)[0] > config.eviction_threshold:
        candidates = [value for value in timeline.waiting if value in kept and value.nbytes >= config.evictee_minimum_size]
        if not candidates:
            return best
        kept = kept - {min(candidates, key=lambda value: _regret(timeline, kept, value, config))}
        best = min(best, kept, key=timeline.cost)
    return kept


def _regret(timeline: Timeline, kept: set[Value], value: Value, config: DTRConfig) -> float:
    time = sum(work(timeline.calls[number]) for number in timeline.missing([value], kept - {value}))
    return time**config.recomp_time_factor / (value.nbytes**config.recomp_memory_factor * timeline.distance(value))
