"""Expressions: the steps of a graph. Each makes nodes from nodes."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from .. import op as ops
from ..module import Module
from ..op import TABLE, Op
from ..tensor import Parameter, Tensor
from .calls import normalized, signature_of
from .known import IN_PLACE, METHODS, number_operator, shown_name
from .node import GraphError, ModuleNode, Node, TensorNode
from .tree import leaves, rebuild

if TYPE_CHECKING:
    from .graph import InternalGraph

_SELF = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
stand_ins: dict[Any, Callable] = {}  # while something is traced: what is called in the place of a function


class Expr:
    """A step of a graph.

    id: unique in a graph and those inside of it. top_graph: the graph.
    inputs, outputs: nodes that it reads and makes, in order. args, kwargs: what it is called with: nodes and constants, in any nesting.
    const_val: (place, value) of the constants among the leaves of args and kwargs. return_val: what it returns: a node, or a structure of them.
    """

    args: tuple
    kwargs: dict[str, Any]

    def __init__(self, graph: InternalGraph, args: tuple = (), kwargs: dict[str, Any] | None = None):
        self.top_graph = graph
        self.args, self.kwargs = args, kwargs or {}
        self.return_val: Any = None
        self._disable_remove = False
        self._id = graph.numbers.next_expr()

    def returns(self, value: Any) -> Any:
        """Say what it returns; the nodes in it are made by this expression."""
        self.return_val = value
        for node in self.outputs:
            node.expr = self
        return value

    @property
    def id(self) -> int:
        """Its number."""
        return self._id

    @property
    def inputs(self) -> list[Node]:
        """The nodes that it reads, in order."""
        return [leaf for leaf in leaves((self.args, self.kwargs)) if isinstance(leaf, Node)]

    @property
    def outputs(self) -> list[Node]:
        """The nodes that it makes."""
        return [leaf for leaf in leaves(self.return_val) if isinstance(leaf, Node)]

    @property
    def const_val(self) -> list[tuple[int, Any]]:
        """The constants among its arguments, with their places."""
        return [(place, leaf) for place, leaf in enumerate(leaves((self.args, self.kwargs))) if not isinstance(leaf, Node)]

    @property
    def named_args(self) -> dict[str, Any]:
        """Its arguments by the names of the parameters."""
        signature = self._signature()
        return {} if signature is None else dict(signature.bind(*self.args, **self.kwargs).arguments)

    def set_args_kwargs(self, *args: Any, **kwargs: Any) -> None:
        """Give it other arguments. TypeError if they do not fit the function."""
        self._take(*normalized(self._signature(), args, kwargs))

    def _take(self, args: tuple, kwargs: dict[str, Any]) -> None:
        self.args, self.kwargs = args, kwargs
        self.top_graph.changed()

    def set_arg(self, name: str, val: Any) -> None:
        """Give it another value for one parameter. KeyError if there is none of this name."""
        signature = self._signature()
        if signature is None or name not in signature.parameters:
            raise KeyError(f"set_arg: {self} has no parameter {name!r}, but {[*(signature.parameters if signature else ())]}")
        bound = signature.bind(*self.args, **self.kwargs)
        bound.arguments[name] = val
        self._take(*normalized(signature, bound.args, bound.kwargs))

    def replace_inputs(self, repl_dict: Mapping[Node, Node]) -> None:
        """Let it read other nodes."""
        self._take(*rebuild(lambda leaf: repl_dict.get(leaf, leaf) if isinstance(leaf, Node) else leaf, (self.args, self.kwargs)))

    def disable_remove(self) -> None:
        """Let `InternalGraph.compile` keep it although nobody reads what it makes."""
        self._disable_remove = True

    def enable_remove(self) -> None:
        """Take that back."""
        self._disable_remove = False

    @property
    def kept(self) -> bool:
        """Whether it is done although nobody reads what it makes: it is if it is there for what it changes."""
        return self._disable_remove or self.in_place or not self.outputs

    @property
    def in_place(self) -> bool:
        """Whether it changes the tensor that is its first argument."""
        return False

    def _signature(self) -> Any:
        return None

    def interpret(self, args: tuple, kwargs: dict[str, Any]) -> Any:
        """Do it, with values in the place of nodes."""
        raise TypeError(f"{type(self).__name__}: what it returns is given, not computed")

    def _call(self, style: str) -> str:
        raise TypeError(f"{type(self).__name__} is no expression of a graph")

    def __format__(self, style: str) -> str:
        if self.return_val is None:
            return f"%{self._id}:\t{self._call(style)}"
        shown = _shown(self.return_val, style)
        made = f"({', '.join(map(str, shown))})" if isinstance(shown, (list, tuple)) else shown
        return f"%{self._id}:\t{made} = {self._call(style)}"

    def __repr__(self) -> str:
        return format(self, "")


class _Shown(str):
    """Text that stands in a structure as it is."""

    __slots__ = ()
    __repr__ = str.__str__


def _shown(value: Any, style: str) -> Any:
    return rebuild(lambda leaf: _Shown(format(leaf, style)) if isinstance(leaf, Node) else leaf, value)


def _arguments(args: tuple, kwargs: dict[str, Any], style: str) -> str:
    named = ", ".join(f"{name}={value}" for name, value in _shown(kwargs, style).items())
    return f"{', '.join(map(str, _shown(args, style)))}, {named}"


class Input(Expr):
    """An argument of a graph; the first is the module itself.

    name: of the parameter.
    """

    def __init__(self, graph: InternalGraph, name: str):
        super().__init__(graph)
        self.name = name

    @property
    def owner(self) -> Module:
        """The module whose graph this is, if it is the first input."""
        return self.top_graph.owner

    def _call(self, style: str) -> str:
        return "Input()"


class GetAttr(Expr):
    """A module or a tensor in a module.

    name: where it is, with dots for what is further inside.
    """

    def __init__(self, graph: InternalGraph, module: Node, name: str):
        super().__init__(graph, (module,))
        self.name = name

    @property
    def owner(self) -> Any:
        """What is there."""
        return self._follow(self.args[0].owner, lambda module, name: vars(module)[name])

    def interpret(self, args: tuple, kwargs: dict[str, Any]) -> Any:
        """What is there."""
        return self._follow(args[0], getattr)

    def _follow(self, found: Any, get: Callable[[Module, str], Any]) -> Any:
        """Go along the name, through attributes of the very object: nothing else can be reached by a name in a file."""
        for part in self.name.split("."):
            if isinstance(found, (list, tuple)):
                found = found[int(part)]
                continue
            attributes = vars(found) if isinstance(found, Module) else found
            if not isinstance(attributes, dict) or part not in attributes:
                raise GraphError(f"{self}: there is no {part!r} in {type(found).__name__}")
            found = get(found, part) if isinstance(found, Module) else attributes[part]
        return found

    def _call(self, style: str) -> str:
        node = self.return_val
        kind = node.module_type.__name__ if isinstance(node, ModuleNode) else "Tensor"
        return f'getattr({self.args[0]:{style}}, "{self.name}") -> ({kind})'


class CallMethod(Expr):
    """A call of a module, or of a method of a tensor.

    method: its name. The first argument is the module or tensor.
    """

    def __init__(self, graph: InternalGraph, method: str, args: tuple, kwargs: dict[str, Any] | None = None):
        super().__init__(graph, args, kwargs)
        self.method = method

    @property
    def graph(self) -> InternalGraph | None:
        """The graph of the module that is called, if it has one."""
        owner: Any = self.args[0].owner if isinstance(self.args[0], ModuleNode) else None
        return owner.graph_for(self.args[1:], self.kwargs) if hasattr(owner, "graph_for") else None

    @property
    def in_place(self) -> bool:
        """Whether it changes the tensor that is its first argument."""
        return self.method in IN_PLACE or (self.method.startswith("__i") and self.method != "__invert__")

    def _signature(self) -> Any:
        target = self.args[0]
        if isinstance(target, ModuleNode):
            found = getattr(target.owner, "argspec", None) or signature_of(target.owner.forward)
            return found and _with_self(found)
        return signature_of(vars(Tensor)[self.method]) if self.method in METHODS else None

    def interpret(self, args: tuple, kwargs: dict[str, Any]) -> Any:
        """Call it."""
        target, *rest = args
        if isinstance(target, Tensor):
            if self.method not in METHODS:
                raise ValueError(f"{self}: {self.method!r} is no method of tensors that a graph may call")
            made = getattr(target, self.method)(*rest, **kwargs)
            return target if self.method in IN_PLACE else made
        if isinstance(target, Module):
            if self.method != "__call__":
                raise ValueError(f"{self}: modules of a graph are called, and have no {self.method!r}")
            return target(*rest, **kwargs)
        function = number_operator(self.method)
        if function is None:
            raise ValueError(f"{self}: {self.method!r} is no operator of numbers that a graph may call")
        return function(target, *rest)

    def _call(self, style: str) -> str:
        target = f"{self.args[0]:{style}}" if isinstance(self.args[0], Node) else str(self.args[0])
        what = target if self.method == "__call__" else f"{target}.{self.method}"
        return f"{what}({_arguments(self.args[1:], self.kwargs, style)})"


def _with_self(signature: Any) -> Any:
    return signature.replace(parameters=[_SELF, *signature.parameters.values()])


class CallFunction(Expr):
    """A call of a function of `numod.functional` or `numod.random`, or of one that was given to `wrap`.

    func: the function.
    """

    def __init__(self, graph: InternalGraph, func: Callable, args: tuple, kwargs: dict[str, Any] | None = None):
        super().__init__(graph, args, kwargs)
        self.func = func

    def _signature(self) -> Any:
        return signature_of(self.func)

    def interpret(self, args: tuple, kwargs: dict[str, Any]) -> Any:
        """Call it."""
        return stand_ins.get(self.func, self.func)(*args, **kwargs)

    def _call(self, style: str) -> str:
        return f"{shown_name(self.func)}({_arguments(self.args, self.kwargs, style)})"


class Apply(Expr):
    """An op of the table that was applied by something that is no function of the above."""

    def __init__(self, graph: InternalGraph, opdef: Op, args: tuple, kwargs: dict[str, Any]):
        super().__init__(graph, args, kwargs)
        if TABLE.get(opdef.name) is not opdef:
            raise TypeError(f"trace_module: forward applies {opdef}, which is not in the table of ops; ops that are registered are there")
        self._op = opdef.name  # ops belong to the table, and are not copied with a graph

    @property
    def opdef(self) -> Op:
        """The op."""
        return TABLE[self._op]

    def interpret(self, args: tuple, kwargs: dict[str, Any]) -> Any:
        """Apply it."""
        return ops.apply(self.opdef, args, tuple(kwargs.values()))

    def _call(self, style: str) -> str:
        return f"{self.opdef.name}({', '.join(f'{node:{style}}' for node in self.args)})"


class Shape(Expr):
    """The shape of a tensor, which later numbers are computed of."""

    def interpret(self, args: tuple, kwargs: dict[str, Any]) -> Any:
        """The shape."""
        return args[0].shape

    def _call(self, style: str) -> str:
        return f"GetVarShape({self.args[0]:{style}})"


class Constant(Expr):
    """A tensor that was there, and is no part of the module.

    value: the tensor.
    """

    def __init__(self, graph: InternalGraph, value: Tensor):
        super().__init__(graph)
        self.value = value if isinstance(value, Parameter) else copy.copy(value)

    def interpret(self, args: tuple, kwargs: dict[str, Any]) -> Any:
        """The tensor; unless it is a Parameter, another one each time, so that methods in place do not change what the next call gets."""
        return self.value if isinstance(self.value, Parameter) else copy.copy(self.value)

    def _call(self, style: str) -> str:
        return "Constant() -> (Tensor)"


def node_for(graph: InternalGraph, value: Any, name: str | Node, what: str, numbered: str = "{}_{}") -> TensorNode:
    """A node for a tensor, or for a number or tuple that comes from a shape."""
    node = TensorNode(graph, name, what, numbered)
    if isinstance(value, Tensor):
        node.shape, node.dtype, node.device = value._spec.shape, value.dtype, value.device
        node.qparams = value.__dict__.get("_qparams")
    return node


def constant_name(value: Tensor) -> str:
    """What the node of a constant is called."""
    return "const_parameter" if isinstance(value, Parameter) else "const_tensor"
