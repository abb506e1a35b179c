"""Calls of which nobody uses a result."""

from __future__ import annotations

from ..graph import Graph


def remove_unused(graph: Graph) -> None:
    """Take out what no result depends on."""
    wanted = {operand.value for operand in graph.results}
    kept = []
    for call in reversed(graph.calls):
        if any(value in wanted for value in call.outputs):
            kept.append(call)
            wanted.update(operand.value for operand in call.inputs)
    graph.calls = kept[::-1]
