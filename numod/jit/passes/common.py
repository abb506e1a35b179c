"""What is computed twice from the same values is computed once."""

from __future__ import annotations

from ..graph import Call, Graph, Operand, Value


def share_common(graph: Graph) -> None:
    """Let calls of one op on the same operands with the same attributes be one call."""
    known: dict[tuple, Call] = {}
    instead: dict[Value, Operand] = {}
    kept = []
    for call in graph.calls:
        inputs = tuple(_first(operand, instead) for operand in call.inputs)
        found = known.setdefault((call.op, call.attrs, inputs, call.specs), call) if call.op is not None and not call.has_effect else call
        if found is call:
            kept.append(call)
        else:
            instead |= {value: found.made(index) for index, value in enumerate(call.outputs)}
    graph.calls = kept
    graph.replace(instead)


def _first(operand: Operand, instead: dict[Value, Operand]) -> Operand:
    found = instead.get(operand.value)
    return operand if found is None else operand._replace(value=found.value)
