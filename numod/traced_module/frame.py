"""Frames: graphs that are being made, and what they know of the values that `forward` computes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from ..module import Module
from ..tensor import Parameter, Tensor
from .expr import Constant, Expr, GetAttr, constant_name, node_for
from .graph import InternalGraph
from .known import is_builtin
from .node import ModuleNode, Node
from .shapes import TRACED, plain


class TraceModuleError(RuntimeError):
    """A `forward` that no graph can say."""


class Frame:
    """A graph that is being made, and which tensor is which node of it.

    exprs: where expressions go. unseen: lets nothing be recorded meanwhile. inside: ids of the tensors that are in the module.
    """

    def __init__(
        self,
        graph: InternalGraph,
        module: Module,
        exprs: list[Expr],
        outer: list[Frame],
        unseen: Callable[[], AbstractContextManager[None]],
    ):
        self.graph, self.module, self.exprs = graph, module, exprs
        self._others = outer  # all frames there are and were, this one among them
        self._unseen = unseen
        self._look()
        self._nodes: dict[int, tuple[Any, Node, Any]] = {}  # by the id of a value: it, its node, and the buffer that it had
        self._buffers: dict[tuple, tuple[Any, Node]] = {}  # by the id of a buffer and Spec: buffers never change
        outer.append(self)

    def _look(self) -> None:
        """See what is in the module."""
        with self._unseen():
            self.inside = frozenset(map(id, self.module.tensors()))
            found = [*self.module.named_modules(), *self.module.named_tensors()]
            self._names = {id(leaf): name for name, leaf in found if leaf is not self.module}

    def learn(self, value: Any, node: Node) -> Node:
        """A value is a node from now on."""
        buffer = getattr(value, "_buffer", None) if isinstance(value, Tensor) else None
        self._nodes[id(value)] = value, node, buffer
        if buffer is not None:
            self._buffers[id(buffer), value._spec] = buffer, node
        return node

    def find(self, value: Any) -> Node | None:
        """The node that a value is; None if it is none."""
        _, node, buffer = self._nodes.get(id(value), (None, None, None))
        if not isinstance(value, Tensor) or (node is not None and value._buffer is buffer):
            return node
        _, same = self._buffers.get((id(value._buffer), value._spec), (None, None))
        return same or node

    def attribute(self, value: Any) -> Node | None:
        """The node of a module or tensor that is in the module; None for what is not in it."""
        found = self.find(value) if isinstance(value, Module) or id(value) in self._nodes else None
        if found is None and id(value) not in self._names and isinstance(value, (Module, Parameter)):
            self._look()  # it may have been put there meanwhile
        name = self._names.get(id(value))
        if found is not None or name is None:
            return found
        expr = GetAttr(self.graph, self.graph.inputs[0], name)
        stem = "_".join(part if part.isidentifier() else f"_{part}" if not place else part for place, part in enumerate(name.split(".")))
        if isinstance(value, Module):
            node: Any = ModuleNode(self.graph, stem, f".{name}")
            node.module_type = type(value) if is_builtin(type(value)) else Module
        else:
            node = node_for(self.graph, value, stem, f".{name}")
        self.exprs.append(expr)
        return self.learn(value, expr.returns(node))

    def argument(self, value: Any) -> Any:
        """What stands in an expression for a value: its node if it is a tensor or comes from a shape."""
        if isinstance(value, TRACED):
            return self.find(value) or plain(value)
        if not isinstance(value, Tensor):
            return value
        found = self.attribute(value) or self.find(value)
        if found is not None:
            return found
        if any(frame.find(value) for frame in self._others if frame is not self):
            raise TraceModuleError(
                f"trace_module: {type(self.module).__name__} uses a tensor of shape {value.shape} that another module computed; give it as an "
                "argument, or return it"
            )
        name = constant_name(value)
        expr = Constant(self.graph, value)
        node = node_for(self.graph, value, name, f".[{name}]")
        self.exprs.append(expr)
        return self.learn(value, expr.returns(node))
