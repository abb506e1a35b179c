"""Nodes: the values in a graph, each made by one expression and read by others."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from ..device import Device
from ..module import Module
from ..qparams import QParams

if TYPE_CHECKING:
    from collections.abc import Callable

    from .expr import Expr
    from .graph import InternalGraph

inserting: Callable[[InternalGraph, str, tuple, dict], Any] | None = None  # while `insert_exprs` is entered: calls a method of a node


class GraphError(ValueError, AssertionError):
    """A change of a graph that cannot be made, or a call that does not fit it. (MegEngine: AssertionError.)"""


class Node:
    """A value in a graph.

    name: unique in its graph. id: unique in a graph and those inside of it. expr: what makes it. users: the expressions that read it.
    """

    def __init__(self, graph: InternalGraph, name: str | Node, what: str, numbered: str = "{}_{}"):
        self.top_graph = graph
        self.expr: Expr = None  # type: ignore[assignment]  # set by the expression
        self._what = what  # the end of the qualname
        self._wanted: tuple[str | Node, str] = name, numbered
        self._id = graph.numbers.next_node()
        self._name = ""
        self.take_name()

    def take_name(self) -> None:
        """Take the wanted name, or that of another node, or the first one with a number that is free."""
        name, numbered = self._wanted
        self._name = self.top_graph.free_name(name._name if isinstance(name, Node) else name, numbered)
        self.top_graph.names.add(self._name)

    @property
    def id(self) -> int:
        """Its number."""
        return self._id

    @property
    def name(self) -> str:
        """Its name, which may be changed to one that is free."""
        return self._name

    @name.setter
    def name(self, name: str) -> None:
        if not isinstance(name, str) or not name.isidentifier():
            raise ValueError(f"node: a name must be an identifier, got {name!r}")
        if name != self._name and name in self.top_graph.names:
            raise ValueError(f"node: the name {name!r} is in use in the graph")
        self.top_graph.names.discard(self._name)
        self.top_graph.names.add(name)
        self._name = name
        self._wanted = name, "{}_{}"

    @property
    def qualname(self) -> str:
        """Where it comes from: ``Net.block.conv.[out]``."""
        return f"{self.top_graph.qualname}{self._what}"

    @property
    def users(self) -> list[Expr]:
        """The expressions of the graph that read it."""
        return [expr for expr in self.top_graph._exprs if any(node is self for node in expr.inputs)]

    def __repr__(self) -> str:
        return self._name

    def __format__(self, spec: str) -> str:
        name = f"{self.top_graph.name}_{self._name}" if "p" in spec else self._name
        return f"%{self._id}_{name}" if "i" in spec else name


class TensorNode(Node):
    """A tensor in a graph, or a number or tuple that was computed of shapes.

    shape, dtype, device: what they were when the graph was made. qparams: likewise, or None.
    Within ``with graph.insert_exprs():`` it has the operators and methods of tensors, which insert calls.
    """

    shape: tuple[int, ...] | None = None
    dtype: np.dtype | None = None
    device: Device | None = None
    qparams: QParams | None = None

    def __getattr__(self, name: str) -> Any:
        if inserting is None or name.startswith("_"):
            raise AttributeError(f"TensorNode has no attribute {name!r}; methods of tensors are there within graph.insert_exprs()")
        return functools.partial(_call_method, self, name)


class ModuleNode(Node):
    """A module in a graph.

    module_type: its class, `Module` for one that has a graph of its own. owner: the module itself.
    Within ``with graph.insert_exprs():`` it can be called, and has its attributes.
    """

    module_type: Any = Module

    @property
    def owner(self) -> Any:
        """The module that this node is."""
        return self.expr.owner  # type: ignore[attr-defined]

    def __getattr__(self, name: str) -> Any:
        if inserting is None or name.startswith("_"):
            raise AttributeError(f"ModuleNode has no attribute {name!r}; those of the module are there within graph.insert_exprs()")
        return inserting(self.top_graph, "__getattr__", (self, name), {})

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Insert a call of the module, within ``with graph.insert_exprs():``."""
        return _call_method(self, "__call__", *args, **kwargs)


def _call_method(node: Node, name: str, *args: Any, **kwargs: Any) -> Any:
    if inserting is None:
        raise TypeError(f"{name}: {node!r} is a node, not a value; calls are added to a graph within graph.insert_exprs()")
    return inserting(node.top_graph, name, (node, *args), kwargs)


def _attach_operators() -> None:
    binary = "add sub mul truediv floordiv mod pow matmul lshift rshift and or xor".split()
    names = [f"__{kind}{name}__" for name in binary for kind in ("", "r")]
    names += [f"__{name}__" for name in "lt le gt ge neg abs invert getitem".split()]
    for name in names:
        setattr(TensorNode, name, functools.partialmethod(_call_method, name))


_attach_operators()
