"""What is put side by side is made there: `concat` along the outermost axis need not copy what calls of the program make for it."""

from __future__ import annotations

from ..graph import Graph, Value

LINE = 64  # bytes: parts that do not begin with a cache line are copied


def place(graph: Graph) -> None:
    """Give values their place within others."""
    taken = {operand.value for operand in graph.results}
    for call in graph.calls:
        program = call.program
        if call.name != "concat" or program is None or len(program.steps) != len(call.inputs):
            continue
        (whole,), offset = call.outputs, 0
        for operand in call.inputs:
            value: Value = operand.value
            outer = operand.spec.shape[: call.arguments()["axis"]]
            made = value.call is not None and value.call.program is not None and value not in taken and operand.whole
            if made and max(outer, default=1) == 1 and offset % LINE == 0:
                graph.within[value] = whole, offset
                taken |= {value, whole}
            offset += operand.spec.nbytes
