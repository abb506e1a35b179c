"""How a graph is run: what is looked up in it once, for all calls until it is changed."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from .expr import Expr, Input
from .node import Node
from .tree import leaves, rebuild

Values = dict[Node, Any]


class Step(NamedTuple):
    """An expression that is to be done.

    args, kwargs: what gives its arguments, of the values that nodes have. returns: the nodes that it makes. dropped: those that nobody reads afterwards.
    """

    expr: Expr
    args: list[Callable[[Values], Any]]
    kwargs: list[tuple[str, Callable[[Values], Any]]]
    returns: Any
    dropped: list[Node]


class Plan:
    """The steps of a graph as it is now."""

    def __init__(self, exprs: Sequence[Expr], outputs: Sequence[Node]):
        self._made_for = [(expr, expr.args, expr.kwargs, expr.return_val) for expr in exprs]
        self._outputs = list(outputs)
        last = {node: place for place, expr in enumerate(exprs) for node in [*expr.outputs, *expr.inputs]}
        dropped: dict[int, list[Node]] = {}
        for node, place in last.items():
            if not any(node is output for output in outputs):
                dropped.setdefault(place, []).append(node)
        self.steps = [
            Step(
                expr,
                [*map(_getter, expr.args)],
                [(name, _getter(value)) for name, value in expr.kwargs.items()],
                expr.return_val,
                dropped.get(place, []),
            )
            for place, expr in enumerate(exprs)
            if not isinstance(expr, Input)
        ]

    def fits(self, exprs: Sequence[Expr], outputs: Sequence[Node]) -> bool:
        """Whether the graph is what it was: arguments of expressions are replaced as a whole, and never changed in place."""
        return (
            len(self._made_for) == len(exprs)
            and self._outputs == outputs
            and all(
                known is expr and args is expr.args and kwargs is expr.kwargs and returns is expr.return_val
                for (known, args, kwargs, returns), expr in zip(self._made_for, exprs, strict=True)
            )
        )

    def __reduce__(self) -> tuple:
        return Plan, ((), ())  # a copy of a graph makes its own


def _getter(argument: Any) -> Callable[[Values], Any]:
    """What gives an argument, of the values of nodes."""
    if isinstance(argument, Node):
        return operator.itemgetter(argument)
    if not any(isinstance(leaf, Node) for leaf in leaves(argument)):
        return lambda values: argument
    return lambda values: rebuild(lambda leaf: values[leaf] if isinstance(leaf, Node) else leaf, argument)
