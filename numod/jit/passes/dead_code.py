"""Calls of which nobody uses a result."""

from __future__ import annotations

from ...op import KernelIndexError
from ..graph import Call, Graph


def remove_unused(graph: Graph) -> None:
    """Take out what no result depends on, but for what may refuse the values that it gets: the function would raise, so the program does."""
    wanted = {operand.value for operand in graph.results}
    kept = []
    for call in reversed(graph.calls):
        if _may_fail(call) or any(value in wanted for value in call.outputs):
            kept.append(call)
            wanted.update(operand.value for operand in call.inputs)
    graph.calls = kept[::-1]


def _may_fail(call: Call) -> bool:
    """Whether a call can raise an exception that depends on values: of an index, or what Python code finds."""
    return call.program is None or (call.op is not None and any(error is KernelIndexError for error, _ in call.op.errors))
