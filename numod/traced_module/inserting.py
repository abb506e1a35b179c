"""Adds calls to a graph: functions, operators and modules are called with nodes, and give nodes.

Each call is done on made-up values of the right shapes, so that it is written down, and refused, as any call is while a module is traced.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..module import Module
from ..tensor import Tensor
from .expr import Expr, GetAttr, Input
from .graph import InternalGraph
from .known import METHODS, is_builtin
from .module import TracedModule
from .node import GraphError, ModuleNode, Node, TensorNode
from .recording import Recorder
from .tree import leaves, rebuild


class Insertion(Recorder):
    """Calls that are being added to a graph."""

    def __init__(self, graph: InternalGraph):
        super().__init__(graph.numbers)
        self._graph, self._exprs = graph, []  # type: ignore[var-annotated]
        self._frame = self.open(graph, graph.owner, self._exprs)
        self._frame.learn(graph.owner, graph.inputs[0])
        self._samples: dict[Node, Tensor] = {}

    def function(self, func: Any, args: tuple, kwargs: dict[str, Any]) -> Any:
        """A function is called."""
        return self._with_nodes(lambda args, kwargs: super(Insertion, self).function(func, args, kwargs), args, kwargs)

    def method(self, name: str, original: Any, args: tuple, kwargs: dict[str, Any]) -> Any:
        """A method of a tensor is called."""
        return self._with_nodes(lambda args, kwargs: super(Insertion, self).method(name, original, args, kwargs), args, kwargs)

    def module(self, original: Any, module: Module, args: tuple, kwargs: dict[str, Any]) -> Any:
        """A module is called."""
        return self._with_nodes(lambda args, kwargs: super(Insertion, self).module(original, module, args, kwargs), args, kwargs)

    def call(self, graph: InternalGraph, name: str, args: tuple, kwargs: dict[str, Any]) -> Any:
        """A method of a node is called, or an attribute of a module's node is asked for."""
        node, *rest = args
        if graph is not self._graph:
            raise GraphError(f"insert_exprs: {node!r} is a node of {graph.name}, and calls are being added to {self._graph.name}")
        if name == "__getattr__":
            found = getattr(node.owner, *rest)
            return self._node(found) if isinstance(found, (Module, Tensor)) else found
        if isinstance(node, ModuleNode):
            return node.owner(*rest, **kwargs)
        if name not in METHODS:
            raise AttributeError(f"insert_exprs: {name!r} is no method of tensors that a graph may call")
        return getattr(Tensor, name)(*args, **kwargs)

    def _with_nodes(self, record: Any, args: tuple, kwargs: dict[str, Any]) -> Any:
        """Call something with values in the place of nodes, and give nodes for what it returns."""
        if not any(isinstance(leaf, Node) for leaf in leaves((args, kwargs))):
            return record(args, kwargs)
        args, kwargs = rebuild(self._value, (args, kwargs))
        return rebuild(lambda leaf: self._node(leaf) if isinstance(leaf, Tensor) else leaf, record(args, kwargs))

    def _node(self, value: Any) -> Node:
        return self._frame.attribute(value) or self._frame.argument(value)

    def _value(self, leaf: Any) -> Any:
        """A value that a node might have."""
        if not isinstance(leaf, Node):
            return leaf
        if isinstance(leaf, ModuleNode):
            return leaf.owner
        assert isinstance(leaf, TensorNode)
        if leaf.top_graph is not self._graph:
            raise GraphError(f"insert_exprs: {leaf!r} is a node of {leaf.top_graph.name}, and calls are being added to {self._graph.name}")
        if leaf.shape is None or leaf.dtype is None:
            raise GraphError(f"insert_exprs: {leaf!r} is a shape or was computed of one; calls take nodes of tensors")
        if leaf not in self._samples:
            with self.unseen():
                size = int(np.prod(leaf.shape))
                numbers = np.linspace(0.1, 0.9, size) if leaf.dtype.kind in "fcV" else np.zeros(size)
                sample = Tensor(numbers.reshape(leaf.shape).astype("float32"), device=leaf.device).astype(leaf.dtype)
                if leaf.qparams is not None:
                    sample.qparams.update(leaf.qparams)
            self._samples[leaf] = sample
            self._frame.learn(sample, leaf)
        return self._samples[leaf]

    def place(self, after: Expr | None) -> None:
        """Make what was called a part of the graph. after: the expression before it; None for the last that it needs."""
        exprs = self._graph._exprs
        made = {id(expr) for expr in self._exprs}
        needed = [node for expr in self._exprs for node in expr.inputs if id(node.expr) not in made]
        places = [place for place, expr in enumerate(exprs) if isinstance(expr, Input) or any(node.expr is expr for node in needed)]
        place = places[-1] if after is None else next(place for place, expr in enumerate(exprs) if expr is after)
        if place < places[-1]:
            raise GraphError(f"insert_exprs: {exprs[places[-1]]} comes behind {after}, and is needed for what was to be inserted there")
        exprs[place + 1 : place + 1] = self._exprs
        for expr in self._exprs:
            if isinstance(expr, GetAttr):
                self._put_twin(expr)

    def _put_twin(self, expr: GetAttr) -> None:
        """A module that was traced gets its twin in its place."""
        module = expr.owner
        if isinstance(module, Module) and not isinstance(module, TracedModule) and not is_builtin(type(module)):
            *path, last = expr.name.split(".")
            owner: Any = self._graph.owner
            for part in path:
                owner = getattr(owner, part)
            setattr(owner, last, self.twin(module))
