"""New values of tensors are written over the old ones: parameters and what optimizers keep need no second place."""

from __future__ import annotations

from ...kernel import elementwise
from ..graph import Call, Graph, Operand, Value


def write_over(graph: Graph) -> None:
    """Let loops write results over the inputs that they are the new values of, where nothing reads those later and no later call can fail."""
    last: dict[Value, int] = {}  # which call reads a value last
    for number, call in enumerate(graph.calls):
        last.update((operand.value, number) for operand in call.inputs)
    number_of = {call: number for number, call in enumerate(graph.calls)}
    safe = len(graph.calls)  # from here on there are only loops, which cannot fail
    while safe and _loop(graph.calls[safe - 1]):
        safe -= 1
    wanted = [operand.value for operand in graph.results]
    pairs: dict[Call, list[tuple[int, int]]] = {}
    for result, old in graph.updates.items():
        operand = graph.results[result]
        value, maker = operand.value, operand.value.call
        if maker is None or number_of[maker] < safe or last.get(old) != number_of[maker] or not operand.whole:
            continue
        place = _read_in_step(maker, old, value)
        if place is not None and old not in wanted and wanted.count(value) == 1:
            pairs.setdefault(maker, []).append((value.index, place))
            graph.over[value] = old
    for loop, over in pairs.items():
        chain = loop.program.chain._replace(over=tuple(sorted(over)))  # type: ignore[union-attr]
        loop.program = elementwise.chain_program(chain, [operand.spec for operand in loop.inputs], loop.specs)


def _loop(call: Call) -> bool:
    return call.program is not None and call.program.chain is not None


def _read_in_step(call: Call, old: Value, new: Value) -> int | None:
    """As which of its inputs a loop reads ``old`` just where it writes ``new``; None if it does otherwise, or reads it twice."""
    found = [index for index, operand in enumerate(call.inputs) if operand.value is old]
    if len(found) != 1 or not _flat(call):
        return None
    operand, spec = call.inputs[found[0]], call.specs[new.index]
    fits = operand.whole and operand.spec.dtype == spec.dtype and operand.spec.size == spec.size
    return found[0] if fits else None


def _flat(call: Call) -> bool:
    """Whether all inputs are walked in order, or are one number."""
    return all(_in_order(operand, call) for operand in call.inputs)


def _in_order(operand: Operand, call: Call) -> bool:
    return operand.spec.size == 1 or (operand.spec.contiguous and operand.spec.shape == call.specs[0].shape)
