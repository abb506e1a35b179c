"""What `numod.save` and `numod.load` do with traced modules. No code is in a file, and none of the model's is needed to load it."""

from __future__ import annotations

import importlib
import inspect
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np

from ..device import as_device
from ..distributed.group import WORLD
from ..dtype import as_dtype
from ..module import Module, Sequential
from ..op import TABLE
from ..qparams import QParams, QuantDtypeMeta, QuantMode
from ..tensor import Tensor
from .expr import Apply, CallFunction, CallMethod, Constant, Expr, GetAttr, Input, Shape
from .graph import InternalGraph, Numbers
from .known import FUNCTIONS, METHODS, MODULES, NUMBER_OPERATORS, is_builtin
from .module import TracedModule
from .node import ModuleNode, Node, TensorNode
from .tree import describe_call, rebuild
from .writing import VERSION, Writer


def to_plain(module: TracedModule) -> dict[str, Any]:
    """A traced module as plain data. TypeError for what cannot be saved."""
    writer = Writer()
    writer.module(module)
    return {"version": VERSION, "modules": writer.modules}


def from_plain(content: dict[str, Any]) -> TracedModule:
    """The traced module that plain data are of. ValueError for data that are of none."""
    if content["version"] != VERSION:
        raise ValueError(
            f"it has a TracedModule of version {content['version']}, this numod reads version {VERSION}; another numod wrote it"
        )
    try:
        return Reader(content["modules"]).read()
    except (TypeError, AttributeError, ImportError, OverflowError, AssertionError, StopIteration) as error:
        raise ValueError(f"it has no TracedModule that can be made: {error}") from error


class Reader:
    """Makes modules of plain data. All that a graph may call is looked up by name, in `known`."""

    def __init__(self, content: list[dict[str, Any]]):
        self._content = content
        self._classes = [_class(each["class"]) for each in content]
        self._modules: list[Any] = [kind(False, {}, {}) if kind is TracedModule else _empty(kind) for kind in self._classes]
        self._numbers = Numbers()
        self._nodes: list[Node] = []
        self._kinds: dict[str, Callable[..., Any]] = {
            "list": lambda *items: list(map(self.value, items)),
            "tuple": lambda *items: tuple(map(self.value, items)),
            "dict": lambda *items: {self.value(key): self.value(item) for key, item in items},
            "OrderedDict": lambda *items: OrderedDict((self.value(key), self.value(item)) for key, item in items),
            "slice": lambda *items: slice(*map(self.value, items)),
            "complex": complex,
            "array": lambda array: _checked(array, np.ndarray, np.generic),
            "dtype": as_dtype,
            "device": as_device,
            "ellipsis": lambda: ...,
            "world": lambda: WORLD,
            "meta": QuantDtypeMeta,
            "mode": QuantMode.__getitem__,
            "qparams": lambda *items: QParams(*map(self.value, items)),
            "function": lambda name: _found(name, FUNCTIONS, "function", "wrap"),
            "module": lambda number: self._modules[_checked(number, int)],
            "node": lambda number: self._nodes[_checked(number, int)],
            "tensor": self._tensor,
        }

    def read(self) -> TracedModule:
        """The first module, which all others are in."""
        for module, each in zip(self._modules, self._content, strict=True):
            for name, value in each["attributes"]:
                vars(module)[_checked(name, str)] = self.value(value)
        for module, each in zip(self._modules, self._content, strict=True):
            if each["traced"] is not None:
                self._traced(_checked(module, TracedModule), each["traced"])
        made = [
            expr
            for module in self._modules
            if isinstance(module, TracedModule)
            for graph in module.argdef_graph_map.values()
            for expr in graph._exprs
        ]
        self._numbers.exprs = max((expr.id for expr in made), default=-1) + 1
        self._numbers.nodes = max((node.id for expr in made for node in expr.outputs), default=-1) + 1
        return _checked(self._modules[0], TracedModule)

    def value(self, value: Any) -> Any:
        """What `Writer.value` wrote."""
        if not isinstance(value, list):
            return _checked(value, bool, int, float, str, type(None))
        kind, *rest = value
        if kind not in self._kinds:
            raise ValueError(f"it has a value of the kind {kind!r}")
        return self._kinds[kind](*rest)

    def _tensor(self, tensor: Any, qparams: Any) -> Tensor:
        found = self.value(qparams)
        if found is not None:
            _checked(tensor, Tensor).qparams.update(found)
        return _checked(tensor, Tensor)

    def _traced(self, module: TracedModule, content: dict[str, Any]) -> None:
        module._is_top, module.is_qat = bool(content["is_top"]), bool(content["is_qat"])
        if content["parameters"] is not None:
            module.argspec = inspect.Signature([self._parameter(*each) for each in content["parameters"]])
        for each in content["graphs"]:
            self._graph(module, each)

    def _parameter(self, name: str, kind: int, there: bool, default: Any) -> inspect.Parameter:
        empty = inspect.Parameter.empty
        return inspect.Parameter(name, inspect._ParameterKind(kind), default=self.value(default) if there else empty)

    def _graph(self, module: TracedModule, content: dict[str, Any]) -> None:
        graph = InternalGraph(module, _checked(content["qualname"], str), self._numbers)
        graph.name = _checked(content["name"], str)
        self._nodes = []
        for each in content["exprs"]:
            graph._exprs.append(self._expr(graph, *each))
        graph.inputs = [self._nodes[number] for number in content["inputs"]]
        graph._outputs = [self._nodes[number] for number in content["outputs"]]
        args, kwargs = map(self.value, content["pattern"])
        graph.pattern = _checked(args, tuple), _checked(kwargs, dict)
        graph.key = describe_call(*graph.pattern)
        module.argdef_graph_map[graph.key] = graph
        count = len(graph.outputs)
        returns = rebuild(lambda place: place if place is None else range(count)[place], self.value(content["returns"]))
        module.argdef_outdef_map[graph.key] = returns

    def _expr(
        self, graph: InternalGraph, kind: str, about: Any, number: int, kept: bool, args: Any, kwargs: Any, returns: Any, made: list
    ) -> Expr:
        expr = self._made(graph, kind, about, _checked(self.value(args), tuple), _checked(self.value(kwargs), dict))
        expr._id, expr._disable_remove = _checked(number, int), bool(kept)
        for each in made:
            self._nodes.append(self._node(graph, *each))
        expr.returns(self.value(returns))
        return expr

    def _made(self, graph: InternalGraph, kind: str, about: Any, args: tuple, kwargs: dict[str, Any]) -> Expr:
        if kind == "constant":
            return Constant(graph, _checked(self.value(about), Tensor))
        if kind == "shape":
            expr: Expr = Shape(graph, args)
            return expr
        name = _checked(about, str)
        if kind == "input":
            return Input(graph, name)
        if kind == "attribute":
            return GetAttr(graph, _checked(args[0], ModuleNode), name)
        if kind == "function":
            return CallFunction(graph, _found(name, FUNCTIONS, "function", "wrap"), args, kwargs)
        if kind == "op":
            return Apply(graph, _found(name, TABLE, "op", "numod.ops"), args, kwargs)
        if kind == "method" and (name == "__call__" or name == "__getitem__" or name in METHODS or name in NUMBER_OPERATORS):
            return CallMethod(graph, name, args, kwargs)
        raise ValueError(f"it has an expression of the kind {kind!r}, {name!r}")

    def _node(
        self, graph: InternalGraph, name: str, what: str, number: int, kind: str | None, shape: Any, dtype: Any, device: Any, qparams: Any
    ) -> Node:
        node: Any = TensorNode(graph, name, what) if kind is None else ModuleNode(graph, name, what)
        node._id = _checked(number, int)
        if kind is None:
            node.shape, node.dtype, node.device, node.qparams = map(self.value, (shape, dtype, device, qparams))
        elif kind:
            node.module_type = _class(kind)
        return node


def _checked(value: Any, *kinds: type) -> Any:
    if not isinstance(value, kinds):
        raise ValueError(f"it has a {type(value).__name__} in the place of a {' or '.join(kind.__name__ for kind in kinds)}")
    return value


def _found(name: str, known: dict[str, Any], what: str, how: str) -> Any:
    if name not in known:
        raise ValueError(f"{what} {name!r} is not known here; import what gives it to {how} before the file is loaded")
    return known[name]


def _class(name: str) -> Any:
    """A class of modules that a file names: numod's own, or one that was registered."""
    if name == "TracedModule":
        return TracedModule
    if name in MODULES:
        return MODULES[name]
    path, _, last = _checked(name, str).rpartition(".")
    found = None
    if path.startswith(("numod.module.", "numod.quantization.")):
        found = getattr(importlib.import_module(path), last, None)
    if not (isinstance(found, type) and issubclass(found, Module) and (is_builtin(found) or found is Sequential)):
        raise ValueError(f"class {name!r} is not known here; import what gives it to register_as_builtin before the file is loaded")
    return found


def _empty(kind: Any) -> Module:
    """A module of a class, without what its ``__init__`` gives it."""
    module = kind.__new__(kind)
    Module.__init__(module)
    return module
