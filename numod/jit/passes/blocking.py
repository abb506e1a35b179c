"""Calls that walk the same items, such as a loop over elements and a softmax of rows, are done block by block: what passes from one to the next
stays in the first-level cache, and threads meet once."""

from __future__ import annotations

from dataclasses import replace

from ...kernel import blockwise
from ...kernel.program import Program, Ref, Step, moved
from ..graph import Call, Graph, Operand, Value
from . import fusion
from .order import Order, in_order


def block(graph: Graph) -> None:
    """Put calls together."""
    order = Order(graph.calls, graph.over)
    group_of: dict[Call, list[Call]] = {}
    first: dict[int, int] = {}  # by the id of a group: the number of its first call
    for number, call in enumerate(graph.calls):
        if _step(call) is None:
            continue
        group_of[call] = [call]
        first[id(group_of[call])] = number
        for operand in call.inputs[::-1]:
            group = group_of.get(operand.value.call) if operand.value.call is not None else None
            if group is None or group is group_of[call] or not order.may_join(first[id(group)], number):
                continue
            if _together([*group, call], graph) is not None:
                group.append(call)
                order.join(first[id(group)], number)
                group_of[call] = group
                break
    groups = {id(group): group for group in group_of.values() if len(group) > 1}
    instead: dict[Call, Call | None] = {}
    for group in groups.values():
        whole = _together(group, graph)
        assert whole is not None
        for index, value in enumerate(whole.outputs):
            value.call, value.index = whole, index
        instead |= dict.fromkeys(group) | {group[0]: whole}
    if instead:
        graph.calls = in_order([each for call in graph.calls if (each := instead.get(call, call)) is not None], graph.over)


def _step(call: Call) -> Step | None:
    """The one step of a call, if it is known where it writes all it makes."""
    if call.program is None or len(call.program.steps) != 1:
        return None
    if max(spec.size for spec in (*call.specs, *(operand.spec for operand in call.inputs))) <= fusion.SMALL:
        return None
    step = call.program.steps[0]
    known = {ref for ref, _ in step.spans}
    return step if all(Ref("out", i) in known for i in range(len(call.program.outs))) else None


def _together(calls: list[Call], graph: Graph) -> Call | None:
    """One call in the place of several; None if they must wait for each other."""
    if all(call.program.chain is not None for call in calls):  # type: ignore[union-attr]
        return None  # what `fusion` has left apart
    inside = {value: call for call in calls for value in call.outputs}
    outer = {o.value for call in graph.calls if call not in calls for o in call.inputs} | {o.value for o in graph.results}
    kept = [value for value in inside if value in outer]
    inputs: dict[Operand, Ref] = {}
    at: dict[Value, Ref] = {value: Ref("out", i) for i, value in enumerate(kept)}
    at |= {value: Ref("tmp", 1 + i) for i, value in enumerate(value for value in inside if value not in outer)}
    steps = []
    for call in calls:
        step = _step(call)
        assert step is not None
        spans = dict(step.spans)
        for i, operand in enumerate(call.inputs):
            if operand.value in inside and not (operand.whole and Ref("in", i) in spans):
                return None  # it reads other places than the one it is at
        where = {Ref("out", i): at[value] for i, value in enumerate(call.outputs)}
        where |= {
            Ref("in", i): at[o.value] if o.value in inside else inputs.setdefault(o, Ref("in", len(inputs)))
            for i, o in enumerate(call.inputs)
        }
        steps.append(_relocated(step, where))
    step = blockwise.step(steps, [ref for ref in at.values() if ref.space == "tmp"])
    if step is None:
        return None
    program = Program(tuple(value.nbytes for value in kept), len(inputs), (step,))
    specs = tuple(inside[value].specs[value.index] for value in kept)
    whole = Call(" > ".join(call.name for call in calls), None, (), tuple(inputs), specs, program, None, calls[-1].where)
    whole.outputs = tuple(kept)
    return whole


def _relocated(step: Step, where: dict[Ref, Ref]) -> Step:
    """The step with other addresses."""

    def place(ref: Ref) -> Ref:
        return where[ref._replace(offset=0)]._replace(offset=ref.offset)

    return replace(moved(step, place), spans=tuple((place(ref), size) for ref, size in step.spans))
