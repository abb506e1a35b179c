"""Loops over the elements of a matrix product or a convolution become its last part: the activation, what is added, the slope of what comes back."""

from __future__ import annotations

from ...kernel import elementwise, epilogue
from ...kernel.program import Program
from ...spec import Spec
from ..graph import Call, Graph
from . import fusion
from .order import Order, in_order

ROW = 64  # elements: a loop that is called for fewer at a time costs more than it saves


def close(graph: Graph) -> None:
    """Put loops into the calls whose results they read first."""
    order = Order(graph.calls, graph.over)
    number = {call: n for n, call in enumerate(graph.calls)}
    taken: dict[Call, Call] = {}
    for loop in graph.calls:
        chain = loop.program.chain if loop.program is not None else None
        if chain is None or chain.over or loop.specs[0].size <= fusion.SMALL:
            continue
        for maker in dict.fromkeys(operand.value.call for operand in loop.inputs):
            if maker is None or maker in taken or not order.may_join(number[maker], number[loop]):
                continue
            whole = _closed(maker, loop, graph)
            if whole is not None:
                order.join(number[maker], number[loop])
                taken[maker], taken[loop] = whole, whole
                break
    if taken:
        for whole in dict.fromkeys(taken.values()):
            for index, value in enumerate(whole.outputs):
                value.call, value.index = whole, index
        graph.calls = in_order(list(dict.fromkeys(taken.get(call, call) for call in graph.calls)), graph.over)


def _closed(maker: Call, loop: Call, graph: Graph) -> Call | None:
    """One call in the place of both; None if the loop reads other places than the one it is at, or the maker takes no loop."""
    program: Program | None = maker.program
    (made, *more) = maker.outputs
    if program is None or more or maker.specs[0].size != loop.specs[0].size:
        return None
    if program.steps[-1].open < ROW:
        return None
    places = [i for i, operand in enumerate(loop.inputs) if operand.value is made]
    if not all(loop.inputs[i].whole for i in places):
        return None
    keep = made in {o.value for call in graph.calls if call is not loop for o in call.inputs} | {o.value for o in graph.results}
    after: Program = loop.program  # type: ignore[assignment]
    over = None if keep or len(places) > 1 else _same(maker.specs[0], loop.specs)
    if over is not None:  # one place for both: the caches have to hold half as much
        chain = after.chain._replace(over=((over, places[0]),))
        after = elementwise.chain_program(chain, [operand.spec for operand in loop.inputs], loop.specs)
    joined = epilogue.program(program, after, places, keep, over)
    if joined is None:
        return None
    inputs = (*maker.inputs, *(operand for operand in loop.inputs if operand.value is not made))
    specs = (*maker.specs, *loop.specs) if keep else loop.specs
    whole = Call(f"{maker.name} > {loop.name}", None, (), inputs, specs, joined, None, loop.where)
    whole.outputs = (made, *loop.outputs) if keep else loop.outputs
    return whole


def _same(made: Spec, results: tuple[Spec, ...]) -> int | None:
    """Which of a loop's results takes as much memory as what it reads; elements change places with elements only of their own size."""
    return next((i for i, spec in enumerate(results) if (spec.dtype, spec.size) == (made.dtype, made.size)), None)
