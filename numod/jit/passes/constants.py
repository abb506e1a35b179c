"""What is computed of constants alone is computed once."""

from __future__ import annotations

from ..graph import Graph
from ..lowering import lower

LARGEST = 1 << 20  # bytes of a result that is worth keeping


def compute_constants(graph: Graph) -> None:
    """Make constants of the results of calls that take nothing else."""
    kept = []
    for call in graph.calls:
        fixed = not call.has_effect and all(operand.value.buffer is not None for operand in call.inputs)
        if not fixed or any(value.nbytes > LARGEST for value in call.outputs):
            kept.append(call)
            continue
        made = lower(Graph([call], [], [call.made(index) for index in range(len(call.outputs))]))(())
        for value, buffer in zip(call.outputs, made, strict=True):
            value.buffer, value.call = buffer, None
    graph.calls = kept
