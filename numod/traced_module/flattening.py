"""One graph in place of a graph and those that it calls."""

from __future__ import annotations

import copy
from typing import Any

from .expr import CallMethod, Expr, GetAttr, Input
from .graph import InternalGraph, Numbers
from .node import ModuleNode, Node
from .tree import pairs, rebuild


class Flattening:
    """Puts the expressions of a graph, and of those that it calls, into one new graph."""

    def __init__(self, graph: InternalGraph):
        self.graph = InternalGraph(graph.owner, graph.qualname, Numbers())
        self.graph.key = graph.key
        self._attributes: dict[str, Node] = {}  # by their place, from the root
        nodes: dict[Node, Any] = {}
        for expr in graph._exprs:
            if isinstance(expr, Input):
                self._copy(expr, expr.args, expr.kwargs, nodes, lambda node: node.name)
        self.graph.inputs = [nodes[node] for node in graph.inputs]
        self.graph.pattern = rebuild(lambda leaf: nodes.get(leaf, leaf) if isinstance(leaf, Node) else leaf, graph.pattern)
        self._inline(graph, "", "", nodes, {})
        self.graph._outputs = [nodes[node] for node in graph.outputs]

    def _inline(self, graph: InternalGraph, path: str, prefix: str, nodes: dict[Node, Any], wanted: dict[Node, str]) -> None:
        """Add what a graph does. path: of its module. nodes: what stands for its nodes; modules with graphs are paths. wanted: names of outputs."""

        def name(node: Node) -> str:
            return wanted.get(node, prefix + node.name)

        for expr in graph._exprs:
            if isinstance(expr, Input):
                continue
            if isinstance(expr, GetAttr):
                node = expr.return_val
                place = path + expr.name
                if isinstance(node, ModuleNode) and hasattr(expr.owner, "graph_for"):
                    nodes[node] = place
                elif place in self._attributes:
                    nodes[node] = self._attributes[place]
                else:
                    made = self._copy(expr, (self.graph.inputs[0],), {}, nodes, name)
                    made.name = place  # type: ignore[attr-defined]
                    self._attributes[place] = nodes[node]
                continue
            args, kwargs = rebuild(lambda leaf: nodes[leaf] if isinstance(leaf, Node) else leaf, (expr.args, expr.kwargs))
            inner = expr.graph if isinstance(expr, CallMethod) else None
            if inner is None:
                self._copy(expr, args, kwargs, nodes, name)
                continue
            inside = {node: given for node, given in pairs(inner.pattern, (args[1:], kwargs)) if isinstance(node, Node)}
            inside[inner.inputs[0]] = args[0]
            returned = [
                (inner.outputs[at], node) for at, node in pairs(inner.owner.argdef_outdef_map[inner.key], expr.return_val) if at is not None
            ]
            names = {made: name(node) for made, node in returned}
            self._inline(inner, f"{args[0]}.", f"{prefix}{expr.args[0].name}_", inside, names)
            nodes.update({node: inside[made] for made, node in returned})

    def _copy(self, expr: Expr, args: tuple, kwargs: dict[str, Any], nodes: dict[Node, Any], name: Any) -> Expr:
        """The same expression in the new graph."""
        made = copy.copy(expr)
        made.top_graph, made.args, made.kwargs = self.graph, args, kwargs
        made._id = self.graph.numbers.next_expr()

        def twin(leaf: Any) -> Any:
            if not isinstance(leaf, Node):
                return leaf
            node = copy.copy(leaf)
            node.top_graph, node._id = self.graph, self.graph.numbers.next_node()
            node._wanted = name(leaf), "{}_{}"
            node.take_name()
            nodes[leaf] = node
            return node

        made.returns(rebuild(twin, expr.return_val))
        self.graph._exprs.append(made)
        return made


def flattened(traced: Any) -> Any:
    """A copy of a traced module with graphs that call no others."""
    flat = copy.deepcopy(traced)
    flat._is_top = True
    for key, graph in flat.argdef_graph_map.items():
        flat.argdef_graph_map[key] = Flattening(graph).graph
    for module in flat.modules():
        if module is not flat and hasattr(module, "argdef_graph_map"):  # nobody calls it any more
            module.argdef_graph_map, module.argdef_outdef_map = {}, {}
    return flat
