"""Several programs as one: what one makes the next may read, and all of them run in one native call.

A `Place` stands for memory that is not there yet: an input or an output of the whole, or a value on the way, which gets a part of the workspace
from the program that makes it to the last that reads it.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .program import Program, Ref, Step, aligned, moved
from .workspace import MemoryPlan

_SLACK = 64  # readable bytes behind each value: vector code may load past the end


def room(nbytes: int) -> int:
    """What a value of so many bytes takes of a workspace."""
    return aligned(nbytes + _SLACK)


@dataclass(eq=False, slots=True)
class Place:
    """Memory of ``nbytes``, from ``offset`` on in the memory of ``whole`` if there is one."""

    nbytes: int
    whole: Place | None = None
    offset: int = 0

    def shifted(self, offset: int) -> Place:
        """The same memory from ``offset`` bytes on."""
        return self.part(offset, self.nbytes - offset) if offset else self

    def part(self, offset: int, nbytes: int) -> Place:
        """So many bytes of it from ``offset`` on."""
        return Place(nbytes, self.whole or self, self.offset + offset)


class Joined:
    """Programs in the order in which they run."""

    def __init__(self) -> None:
        self._where: dict[Place, Ref | int] = {}
        self._parts: list[tuple[Program, Sequence[Place], Sequence[Place]]] = []

    def add(self, program: Program, inputs: Sequence[Place], outs: Sequence[Place] | None = None) -> Sequence[Place]:
        """Run ``program`` on what is at ``inputs``; returns the places of what it makes: ``outs``, or new ones."""
        outs = [Place(nbytes) for nbytes in program.outs] if outs is None else outs
        self._parts.append((program, inputs, outs))
        return outs

    def at(self, place: Place) -> Ref | int:
        """What a place became, once the whole is made."""
        return _within(self._where, place)

    def program(self, inputs: Sequence[Place], outputs: Sequence[Place], known: Mapping[Place, int | Place] | None = None) -> Program:
        """The whole. Each of ``outputs`` must be a place of its own that one of the programs made.

        known: places that are at an address, or that are the same memory as an input.
        """
        made = {_whole(place): i for i, (_, _, outs) in enumerate(self._parts) for place in outs}
        if len(set(outputs)) < len(outputs) or not made.keys() >= set(outputs):
            raise ValueError("joined programs: an output must be a result, whole, and none twice")
        where = self._where = {place: Ref("in", i) for i, place in enumerate(inputs)}
        where |= {place: Ref("out", i) for i, place in enumerate(outputs)}
        where |= {place: where[at] if isinstance(at, Place) else at for place, at in (known or {}).items()}
        last: dict[Place, int] = {place: i for place, i in made.items() if place not in where}
        for i, (_, read, _) in enumerate(self._parts):
            last |= {_whole(place): i for place in read if _whole(place) in last}
        ends: dict[int, list[Place]] = {}
        for place, i in last.items():
            ends.setdefault(i, []).append(place)
        plan = MemoryPlan()
        steps: list[Step] = []
        for i, (program, read, outs) in enumerate(self._parts):
            for place in map(_whole, outs):
                if place not in where:
                    where[place] = Ref("tmp", 0, plan.take(place, room(place.nbytes)))
            own = plan.take(i, aligned(program.workspace)) if program.workspace else 0
            at: dict[str, Sequence[Ref | int]] = {
                "in": [_within(where, place) for place in read],
                "out": [_within(where, place) for place in outs],
                "tmp": [Ref("tmp", 0, own)],
            }
            steps += [moved(step, functools.partial(_moved, at)) for step in program.steps]
            if program.workspace:
                plan.give(i)
            for place in ends.get(i, ()):
                plan.give(place)
        return Program(tuple(place.nbytes for place in outputs), len(inputs), tuple(steps), plan.size)


def _whole(place: Place) -> Place:
    return place.whole or place


def _within(where: Mapping[Place, Ref | int], place: Place) -> Ref | int:
    return _further(where[_whole(place)], place.offset)


def _moved(at: Mapping[str, Sequence[Ref | int]], ref: Ref) -> Ref | int:
    return _further(at[ref.space][ref.index], ref.offset)


def _further(at: Ref | int, offset: int) -> Ref | int:
    return at + offset if isinstance(at, int) else at._replace(offset=at.offset + offset)
