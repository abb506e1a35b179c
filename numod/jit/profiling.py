"""How long each call of a program takes."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter_ns
from typing import Any, NamedTuple

from ..kernel import memory
from .graph import Graph
from .lowering import lower
from .replay import Replay


class Timing(NamedTuple):
    """One call of a program."""

    name: str
    inputs: tuple[tuple[int, ...], ...]
    outputs: tuple[tuple[int, ...], ...]
    seconds: float
    where: str


def profile(graph: Graph, buffers: Sequence[Any], rounds: int = 10) -> list[Timing]:
    """Time every call by itself, on these inputs: the least of some rounds, with what a launch from Python costs taken off."""
    alone = [Graph([call], list(dict.fromkeys(o.value for o in call.inputs if o.value.buffer is None)), []) for call in graph.calls]
    for one in alone:
        one.results = [one.calls[0].made(index) for index in range(len(one.calls[0].outputs))]
    runs = [lower(one) for one in alone]
    nothing = lower(Graph())
    best = [float("inf")] * len(runs)
    idle = float("inf")
    for _ in range(rounds):
        known = dict(zip(graph.inputs, buffers, strict=True))
        for index, (one, run) in enumerate(zip(alone, runs, strict=True)):
            inputs = [known[value] for value in one.inputs]
            begin = perf_counter_ns()
            made = run(inputs)
            best[index] = min(best[index], perf_counter_ns() - begin)
            known.update(zip(one.calls[0].outputs, made, strict=True))
            begin = perf_counter_ns()
            nothing(())
            idle = min(idle, perf_counter_ns() - begin)
    return [
        Timing(
            call.name, tuple(o.spec.shape for o in call.inputs), tuple(s.shape for s in call.specs), max(time - idle, 0) * 1e-9, call.where
        )
        for call, time in zip(graph.calls, best, strict=True)
    ]


class Profiled(Replay):
    """A program that keeps what its last call read, so that its parts can be timed on it."""

    seen: Sequence[Any] | None = None

    def run(self, buffers: Sequence[Any]) -> Sequence[Any]:
        """The buffers of the results."""
        over = {value.given for value in self.graph.over.values()}
        self.seen = [memory.copied(buffer) if number in over else buffer for number, buffer in enumerate(buffers)]
        return super().run(buffers)

    def profile(self) -> list[Timing] | None:
        """The time of each call; None if the program was not run yet."""
        return None if self.seen is None else profile(self.graph, self.seen)
