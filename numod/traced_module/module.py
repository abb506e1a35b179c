"""TracedModule: a module whose `forward` is a graph."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterator, Sequence
from typing import Any

from ..module import Module
from .calls import normalized
from .flattening import flattened
from .graph import InternalGraph
from .node import GraphError, Node, TensorNode
from .tree import describe_call, matches, pairs, rebuild


class _Stop(Exception):
    """All end points have their values."""


class _Watch:
    """What is watched in a module: kept apart, so that no walk over the module takes the values for its own."""

    def __init__(self) -> None:
        self.points: list[Node] = []
        self.ends: list[Node] = []
        self.values: dict[Node, Any] = {}
        self._found: dict[Node, Any] = {}

    def see(self, node: Node, value: Any) -> None:
        """Take the value of a node, if it is wanted."""
        if any(node is point for point in self.points):
            self.values[node] = value
        if any(node is end for end in self.ends):
            self._found[node] = value
            if len(self._found) == len({*self.ends}):
                raise _Stop

    def found(self) -> list[Any]:
        """The values of the end points, in their order."""
        return [self._found[node] for node in self.ends]

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """See the values of the nodes while a graph runs."""
        graphs = [node.top_graph for node in [*self.points, *self.ends]]
        self._found = {}
        for graph in graphs:
            graph.seen = self.see
        try:
            yield
        finally:
            for graph in graphs:
                graph.seen = None


class TracedModule(Module):
    """A module that was made by `trace_module`, with a graph for `forward`. Modules inside of it that are no layers of numod are such modules too.

    graph: what it does. argdef_graph_map: all graphs, by the arguments that they are for, as text; there are several if the module was called in several ways.
    argdef_outdef_map: what is returned, likewise, with places in the outputs of the graph in place of tensors.
    is_top: whether it is the root. is_qat: whether it was made from a module that simulates quantization.
    argspec: the parameters of `forward`.
    """

    def __init__(self, is_top: bool, argdef_graph_map: dict[str, InternalGraph], argdef_outdef_map: dict[str, Any], is_qat: bool = False):
        super().__init__()
        self._is_top, self.is_qat = is_top, is_qat
        self.argdef_graph_map, self.argdef_outdef_map = argdef_graph_map, argdef_outdef_map
        self.argspec: inspect.Signature | None = None
        self._watch = _Watch()
        self._changes = 0  # of graphs and of what is watched: so that `numod.jit` sees that something is

    @property
    def graph(self) -> InternalGraph:
        """The graph. AttributeError if there is none, as where a list of modules was, or several."""
        if len(self.argdef_graph_map) != 1:
            kinds = [*self.argdef_graph_map]
            raise AttributeError(
                f"TracedModule: there are {len(kinds)} graphs, see argdef_graph_map; they are for: {'; '.join(kinds) or 'none'}"
            )
        (graph,) = self.argdef_graph_map.values()
        return graph

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Run the graph for these arguments; an error that says what it can be called with if there is none."""
        args, kwargs = normalized(self.argspec, args, kwargs)
        graph = self.graph_for(args, kwargs)
        if graph is None:
            known = "; ".join(f"forward({key})" for key in self.argdef_graph_map)
            raise GraphError(f"TracedModule: the graph was made for {known}, got forward({describe_call(args, kwargs)})")
        given = [value for pattern, value in pairs(graph.pattern, (args, kwargs)) if isinstance(pattern, Node)]
        watch = self._watch
        if not watch.points and not watch.ends:
            outputs = graph.interpret(self, *given)
        else:
            self._changes += bool(watch.points)
            with watch.watching():
                try:
                    outputs = graph.interpret(self, *given)
                except _Stop:
                    return watch.found()
        return rebuild(lambda place: None if place is None else outputs[place], self.argdef_outdef_map[graph.key])

    def graph_for(self, args: tuple, kwargs: dict[str, Any]) -> InternalGraph | None:
        """The graph for arguments, which may be nodes."""
        found = self.argdef_graph_map.get(describe_call(args, kwargs))
        if found is None:
            found = next((graph for graph in self.argdef_graph_map.values() if matches(graph.pattern, (args, kwargs))), None)
        return found

    def flatten(self) -> TracedModule:
        """A copy with one graph, which calls no others: the expressions of those are in it."""
        return flattened(self)

    # Watching

    @property
    def watch_points(self) -> list[Node]:
        """The nodes that are watched."""
        return self._watch.points

    @property
    def watch_node_value(self) -> dict[Node, Any]:
        """The values that the watched nodes had in the last call."""
        return self._watch.values

    @property
    def end_points(self) -> list[Node]:
        """The nodes at which a call ends."""
        return self._watch.ends

    def set_watch_points(self, nodes: Node | Sequence[Node]) -> None:
        """Keep the values of these nodes, of this graph or of one that it calls, in ``watch_node_value`` in each call from now on."""
        self.clear_watch_points()
        self._changes += 1
        self._watch.points = _nodes("set_watch_points", nodes)

    def clear_watch_points(self) -> None:
        """Watch nothing."""
        self._changes += 1
        self._watch.points, self._watch.values = [], {}

    def set_end_points(self, nodes: Node | Sequence[Node]) -> None:
        """Let calls end when all these nodes have values, and return these in a list."""
        self._changes += 1
        self._watch.ends = _nodes("set_end_points", nodes)

    def clear_end_points(self) -> None:
        """Let calls run to their end."""
        self._changes += 1
        self._watch.ends = []

    def add_parameter(self, graph: InternalGraph, node: TensorNode) -> None:
        """Let `forward` take one more argument by position; see `InternalGraph.add_input_node`."""
        kinds = inspect.Parameter
        parameters = [*(self.argspec.parameters.values() if self.argspec else ())]
        if any(each.kind is kinds.VAR_POSITIONAL for each in parameters):
            raise GraphError("add_input_node: forward takes any number of arguments by position, none can be added behind them")
        place = sum(each.kind in (kinds.POSITIONAL_ONLY, kinds.POSITIONAL_OR_KEYWORD) for each in parameters)
        parameters = [each.replace(default=kinds.empty) for each in parameters[:place]] + parameters[place:]
        self.argspec = inspect.Signature([*parameters[:place], kinds(node.name, kinds.POSITIONAL_OR_KEYWORD), *parameters[place:]])
        args, kwargs = graph.pattern
        self.argdef_graph_map.pop(graph.key)
        outputs = self.argdef_outdef_map.pop(graph.key)
        graph.pattern = (*args, node), kwargs
        graph.key = describe_call(*graph.pattern)
        self.argdef_graph_map[graph.key], self.argdef_outdef_map[graph.key] = graph, outputs


def _nodes(function: str, nodes: Node | Sequence[Node]) -> list[Node]:
    found = [nodes] if isinstance(nodes, Node) else list(nodes)
    for node in found:
        if not isinstance(node, Node):
            raise TypeError(f"{function}: expected nodes, got {type(node).__name__}")
    return found
