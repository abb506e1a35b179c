"""Elementwise calls that walk the same elements become one loop, which reads and writes memory once."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ...kernel import elementwise
from ...kernel.elementwise import Chain, Stage
from ...spec import Spec
from ..graph import Call, Graph, Operand, Value
from .order import Order, in_order

SMALL = 512  # elements up to which a loop of its own costs less than the time to compile another kernel
STREAMS, STAGES = 14, 24  # arrays that one loop reads and writes, and functions in it, at most


class _Group:
    """Calls that become one: over ``shape``, or any shape of that many elements if all of them are ``flat``."""

    def __init__(self, number: int, call: Call):
        self.number, self.calls, self.shape, self.flat = number, [call], call.specs[0].shape, _is_flat(call)

    def takes(self, call: Call) -> bool:
        """Whether a call walks the same elements, and reads what the group makes only where it is."""
        shape = call.specs[0].shape
        if shape != self.shape and not (self.flat and _is_flat(call) and math.prod(shape) == math.prod(self.shape)):
            return False
        made = {value for each in self.calls for value in each.outputs}
        if any(operand.value in made and not _in_step(operand, call) for operand in call.inputs):
            return False
        calls = [*self.calls, call]
        streams = {o.value for each in calls for o in each.inputs} | {value for each in calls for value in each.outputs}
        stages = sum(len(each.program.chain.stages) for each in calls)  # type: ignore[union-attr,misc]
        return len(streams) <= STREAMS + len(calls) and stages <= STAGES

    def add(self, call: Call) -> None:
        """Take a call in."""
        if self.flat and not _is_flat(call):
            self.shape, self.flat = call.specs[0].shape, False
        self.calls.append(call)


def _is_flat(call: Call) -> bool:
    """Whether every input is walked from its first element to the last, or is one number."""
    size = call.specs[0].size
    return all(operand.spec.size == 1 or (operand.spec.contiguous and operand.spec.size == size) for operand in call.inputs)


def _in_step(operand: Operand, call: Call) -> bool:
    """Whether a call reads at each place the element that was made at this place."""
    return operand.whole and operand.spec.size == call.specs[0].size


def fuse(graph: Graph) -> None:
    """Put elementwise calls together."""
    order = Order(graph.calls, graph.over)
    group_of: dict[Call, _Group] = {}
    readers: dict[Value, list[_Group]] = {}
    for number, call in enumerate(graph.calls):
        if call.program is None or call.program.chain is None or call.specs[0].size <= SMALL:
            continue
        makers = [group_of[o.value.call] for o in call.inputs if o.value.call in group_of]
        siblings = [group for o in call.inputs if o.spec.size == call.specs[0].size for group in readers.get(o.value, ())]
        joined = None
        for group in dict.fromkeys([*makers[::-1], *siblings[::-1]]):
            if group.takes(call) and order.may_join(group.number, number):
                joined = group
                group.add(call)
                order.join(group.number, number)
                break
        group_of[call] = joined or _Group(number, call)
        for operand in call.inputs:
            readers.setdefault(operand.value, []).append(group_of[call])
    groups = {id(group): group for group in group_of.values() if len(group.calls) > 1}
    if not groups:
        return
    fused = {call: _fuse(group, graph) for group in groups.values() for call in group.calls[:1]}
    gone = {call for group in groups.values() for call in group.calls[1:]}
    graph.calls = in_order([fused.get(call, call) for call in graph.calls if call not in gone], graph.over)


def _fuse(group: _Group, graph: Graph) -> Call:
    """One call in the place of a group; its outputs are what others read."""
    inside = {value: None for call in group.calls for value in call.outputs}
    wanted = {o.value for call in graph.calls if call not in group.calls for o in call.inputs} | {o.value for o in graph.results}
    inputs: dict[Operand, int] = {}
    for call in group.calls:
        for operand in call.inputs:
            if operand.value not in inside:
                inputs.setdefault(_seen(operand, group.shape), len(inputs))
    slots: dict[Value, int] = {}
    stages: list[Stage] = []
    slot = len(inputs)
    for call in group.calls:
        chain: Chain = call.program.chain  # type: ignore[union-attr]
        own = [slots[o.value] if o.value in inside else inputs[_seen(o, group.shape)] for o in call.inputs]
        for stage in chain.stages:
            stages.append(stage._replace(takes=tuple(own[number] for number in stage.takes)))
            own += range(slot, slot + len(stage.gives))
            slot += len(stage.gives)
        slots.update(zip(call.outputs, (own[number] for number in chain.writes), strict=True))
    kept = [(value, spec) for call in group.calls for value, spec in zip(call.outputs, call.specs, strict=True) if value in wanted]
    specs = tuple(spec.like(group.shape) for _, spec in kept)
    program = elementwise.chain_program(Chain(tuple(stages), tuple(slots[value] for value, _ in kept)), [o.spec for o in inputs], specs)
    name = "+".join(call.name for call in group.calls)
    fused = Call(name, None, (), tuple(inputs), specs, program, None, group.calls[-1].where)
    for index, (value, _) in enumerate(kept):
        value.call, value.index = fused, index
    fused.outputs = tuple(value for value, _ in kept)
    return fused


def _seen(operand: Operand, shape: Sequence[int]) -> Operand:
    """An operand as the loop sees it: a number, or what has the shape or can be broadcast to it."""
    spec = operand.spec
    if spec.size == math.prod(shape) and spec.contiguous:
        return operand._replace(spec=spec.like(tuple(shape)))
    return operand._replace(spec=Spec.of((), spec.dtype, spec.device)) if spec.size == 1 else operand
