"""Calls that give back what they take, to the last bit: ``x * 1``, ``x - 0``, a copy of what is in C order, what is done to undo another."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...kernel import memory
from ..graph import Call, Graph, Operand, Value

_NEUTRAL = {"mul": 1, "div": 1, "pow": 1, "sub": 0, "add": -0.0}  # as the second operand; 0.0 + -0.0 is 0.0
_SYMMETRIC = ("mul", "add")
_TWICE_IS_ONCE = ("relu", "relu6", "abs", "floor", "ceil", "round", "sign")
_TWICE_IS_NOTHING = ("neg", "logical_not")


def simplify(graph: Graph) -> None:
    """Take out calls that change nothing."""
    instead: dict[Value, Operand] = {}
    kept = []
    for call in graph.calls:
        call.inputs = tuple(_now(operand, instead) for operand in call.inputs)
        same = _unchanged(call) if call.op is not None and len(call.specs) == 1 else None
        if same is not None and same.spec.contiguous and same.spec.shape == call.specs[0].shape and same.spec.dtype == call.specs[0].dtype:
            instead[call.outputs[0]] = same
        else:
            kept.append(call)
    graph.calls = kept
    graph.replace(instead)


def _now(operand: Operand, instead: dict[Value, Operand]) -> Operand:
    found = instead.get(operand.value)
    return operand if found is None else Operand(found.value, found.offset + operand.offset, operand.spec)


def _unchanged(call: Call) -> Operand | None:
    """The operand that a call gives back."""
    name, first = call.name, call.inputs[0] if call.inputs else None
    if first is None:
        return None
    if name == "astype":
        return first
    if name in _NEUTRAL:
        for x, other in ((first, call.inputs[1]), (call.inputs[1], first))[: 2 if name in _SYMMETRIC else 1]:
            if _is(other, _NEUTRAL[name]):
                return x
    before = first.value.call
    if before is not None and before.name == name and before.op is call.op and first.whole:
        if name in _TWICE_IS_ONCE:
            return first
        if name in _TWICE_IS_NOTHING:
            return before.inputs[0]
    return None


def _is(operand: Operand, number: Any) -> bool:
    """Whether an operand is a constant with this one element, sign of zero included."""
    if operand.value.buffer is None or operand.spec.size != 1 or operand.spec.dtype.kind not in "fiu":
        return False
    found = memory.to_numpy(operand.value.buffer, operand.spec).ravel()[0] if not operand.offset else None
    return found is not None and found == number and bool(np.signbit(found)) == bool(np.signbit(number))
