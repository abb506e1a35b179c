"""Traced modules as plain data, which `numod.save` writes: lists, dicts, strings, numbers and tensors.

``docs/adr/0019-modules-as-graphs.md`` says how they are laid out.
"""

from __future__ import annotations

import inspect
from collections import OrderedDict
from typing import Any

import numpy as np

from ..device import Device
from ..distributed.group import WORLD
from ..module import Module, Sequential
from ..qparams import QParams, QuantDtypeMeta, QuantMode
from ..tensor import Tensor
from .expr import Apply, CallFunction, CallMethod, Constant, Expr, GetAttr, Input, Shape
from .graph import InternalGraph
from .known import class_name, function_name, is_builtin
from .module import TracedModule
from .node import ModuleNode, Node, TensorNode

VERSION = 1
OWN = frozenset({"argdef_graph_map", "argdef_outdef_map", "argspec", "_watch", "_changes", "_is_top", "is_qat"})
HOOKS = frozenset({"_forward_pre_hooks", "_forward_hooks"})


class Writer:
    """The plain data of a module and all in it. One that is met twice is written once."""

    def __init__(self) -> None:
        self.modules: list[Any] = []
        self._numbers: dict[int, int] = {}
        self._nodes: dict[Node, int] = {}

    def module(self, module: Module) -> int:
        """The number of a module among those that are written."""
        if id(module) in self._numbers:
            return self._numbers[id(module)]
        number = self._numbers[id(module)] = len(self.modules)
        self.modules.append(None)
        kind = type(module)
        if kind is not TracedModule and kind is not Sequential and not is_builtin(kind):
            raise TypeError(
                f"numod.save: a TracedModule has a {kind.__name__} in it, which is neither traced nor a layer of numod; trace it, or give its class to "
                "register_as_builtin"
            )
        attributes = vars(module)
        if any(attributes[name] for name in HOOKS):
            raise TypeError(f"numod.save: a {kind.__name__} in a TracedModule has hooks, which are code and cannot be saved; remove them")
        skipped = HOOKS | (OWN if kind is TracedModule else frozenset())
        self.modules[number] = {
            "class": "TracedModule" if kind is TracedModule else class_name(kind),
            "attributes": [[name, self.value(value)] for name, value in attributes.items() if name not in skipped],
            "traced": self._traced(module) if isinstance(module, TracedModule) else None,
        }
        return number

    def _traced(self, module: TracedModule) -> dict[str, Any]:
        parameters = [] if module.argspec is None else [*module.argspec.parameters.values()]
        return {
            "is_top": module._is_top,
            "is_qat": module.is_qat,
            "parameters": None if module.argspec is None else [self._parameter(each) for each in parameters],
            "graphs": [self._graph(graph) for graph in module.argdef_graph_map.values()],
        }

    def _parameter(self, parameter: inspect.Parameter) -> list[Any]:
        there = parameter.default is not inspect.Parameter.empty
        return [parameter.name, int(parameter.kind), there, self.value(parameter.default) if there else None]

    def _graph(self, graph: InternalGraph) -> dict[str, Any]:
        self._nodes = {}
        exprs = [self._expr(expr) for expr in graph._exprs]
        args, kwargs = graph.pattern
        return {
            "name": graph.name,
            "qualname": graph.qualname,
            "exprs": exprs,
            "inputs": [self._nodes[node] for node in graph.inputs],
            "outputs": [self._nodes[node] for node in graph.outputs],
            "returns": self.value(graph.owner.argdef_outdef_map[graph.key]),
            "pattern": [self.value(args), self.value(kwargs)],
        }

    def _expr(self, expr: Expr) -> list[Any]:
        """[kind, what it is about, id, whether it is kept, args, kwargs, what it returns, the nodes in that]."""
        kind, about = self._about(expr)
        args, kwargs = self.value(expr.args), self.value(expr.kwargs)
        made = [self._node(node) for node in expr.outputs]
        return [kind, about, expr.id, expr._disable_remove, args, kwargs, self.value(expr.return_val), made]

    def _about(self, expr: Expr) -> tuple[str, Any]:
        if isinstance(expr, (Input, GetAttr)):
            return ("input" if isinstance(expr, Input) else "attribute"), expr.name
        if isinstance(expr, CallMethod):
            return "method", expr.method
        if isinstance(expr, CallFunction):
            name = function_name(expr.func)
            if name is None:
                raise TypeError(f"numod.save: {expr} calls a function that nobody would find; give it to numod.traced_module.wrap")
            return "function", name
        if isinstance(expr, Apply):
            return "op", expr.opdef.name
        if isinstance(expr, Constant):
            return "constant", self.value(expr.value)
        if isinstance(expr, Shape):
            return "shape", None
        raise TypeError(f"numod.save: {expr!r} is no expression of a graph")

    def _node(self, node: Node) -> list[Any]:
        """[name, end of the qualname, id, class of the module, shape, dtype, device, qparams]."""
        self._nodes[node] = len(self._nodes)
        if isinstance(node, ModuleNode):
            kind = "" if node.module_type is Module else class_name(node.module_type)
            return [node.name, node._what, node.id, kind, None, None, None, None]
        assert isinstance(node, TensorNode)
        return [node.name, node._what, node.id, None, *map(self.value, (node.shape, node.dtype, node.device, node.qparams))]

    def value(self, value: Any) -> Any:
        """A constant, a structure of constants and nodes, or an attribute: itself, or a list that begins with its kind."""
        kind = type(value)
        if value is None or kind in (bool, int, float, str):
            return value
        if isinstance(value, Node):
            if value not in self._nodes:
                raise ValueError(f"numod.save: the graph reads {value!r} before it is made, or does not make it")
            return ["node", self._nodes[value]]
        if isinstance(value, Module):
            return ["module", self.module(value)]
        if isinstance(value, Tensor):
            return ["tensor", value, self.value(value.__dict__.get("_qparams"))]
        if kind in (list, tuple):
            return [kind.__name__, *map(self.value, value)]
        if kind in (dict, OrderedDict):
            return [kind.__name__, *([self.value(key), self.value(item)] for key, item in value.items())]
        if kind is slice:
            return ["slice", *map(self.value, (value.start, value.stop, value.step))]
        if kind is complex:
            return ["complex", value.real, value.imag]
        if isinstance(value, (np.ndarray, np.generic)):
            return ["array", value]
        if isinstance(value, np.dtype) or (isinstance(value, type) and issubclass(value, np.generic)):  # ``np.float32`` for a dtype
            return ["dtype", np.dtype(value).name]
        if isinstance(value, Device):
            return ["device", str(value)]
        if value is Ellipsis:
            return ["ellipsis"]
        if value is WORLD:
            return ["world"]
        if kind is QuantDtypeMeta:
            return ["meta", *value]
        if kind is QuantMode:
            return ["mode", value.name]
        if kind is QParams:
            return ["qparams", *(self.value(getattr(value, name)) for name in ("mode", "dtype_meta", "scale", "zero_point"))]
        name = function_name(value) if inspect.isfunction(value) else None
        if name is None:
            raise TypeError(f"numod.save: a TracedModule has a {kind.__name__} in it, which cannot be saved: {value!r}")
        return ["function", name]
