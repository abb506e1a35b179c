"""Which calls depend on which: to see whether calls may be done as one, and to put them in order again."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator, Mapping, Sequence

from ..graph import Call, Value


class Order:
    """Calls by number, some of which have become one. ``before[n]`` has a bit for each call that must be done before call n.

    over: values that are written over others, which are read before that.
    """

    def __init__(self, calls: Sequence[Call], over: Mapping[Value, Value]):
        self.number = {call: n for n, call in enumerate(calls)}
        self.before = [0] * len(calls)
        for n, waits in enumerate(_waits(calls, over).values()):
            for call in waits:
                first = self.number[call]
                self.before[n] |= self.before[first] | 1 << first

    def may_join(self, first: int, second: int) -> bool:
        """Whether no third call must be done between the two."""
        low, high = (first, second) if self.before[second] >> first & 1 else (second, first)
        between = self.before[high] & ~(1 << low)
        return not any(self.before[n] >> low & 1 for n in bits(between))

    def join(self, kept: int, gone: int) -> None:
        """The second call is done as a part of the first one from now on."""
        both = 1 << kept | 1 << gone
        joined = (self.before[kept] | self.before[gone]) & ~both
        after = [n for n, each in enumerate(self.before) if each & both]
        for n in after:
            self.before[n] = (self.before[n] & ~(1 << gone)) | joined | 1 << kept
        self.before[kept] = joined
        self.before[gone] = 0


def bits(mask: int) -> Iterator[int]:
    """The places of the bits that are set."""
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


def _waits(calls: Sequence[Call], over: Mapping[Value, Value]) -> dict[Call, set[Call]]:
    """For each call those that make what it reads, those that read what it writes over, and of calls with an effect the one before."""
    waits = {call: {o.value.call for o in call.inputs if o.value.call is not None} for call in calls}
    seen = [call for call in calls if call.has_effect]
    for first, second in itertools.pairwise(seen):
        waits[second].add(first)
    writers = {old: new.call for new, old in over.items()}
    for call in calls if writers else ():
        for operand in call.inputs:
            writer = writers.get(operand.value)
            if writer is not None and writer is not call:
                waits[writer].add(call)
    return waits


def in_order(calls: Sequence[Call], over: Mapping[Value, Value]) -> list[Call]:
    """The calls so that each comes after those that it waits for (see `Order`), and else as they are."""
    number = {call: n for n, call in enumerate(calls)}
    waits = _waits(calls, over)
    followers: dict[Call, list[Call]] = {call: [] for call in calls}
    for call, makers in waits.items():
        for maker in makers:
            followers[maker].append(call)
    ready = [number[call] for call, makers in waits.items() if not makers]
    heapq.heapify(ready)
    done = []
    while ready:
        call = calls[heapq.heappop(ready)]
        done.append(call)
        for follower in followers[call]:
            waits[follower].discard(call)
            if not waits[follower]:
                heapq.heappush(ready, number[follower])
    return done
