"""Writes down what a `forward` does, call by call, as expressions of a graph."""

from __future__ import annotations

import contextlib
import copy
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ..module import Module
from ..module.qat import QATModule
from ..op import Op
from ..tensor import Tensor
from . import checking
from .calls import by_name, normalized, signature_of
from .expr import Apply, CallFunction, CallMethod, Constant, Expr, GetAttr, Input, Shape, node_for
from .frame import Frame, TraceModuleError
from .graph import InternalGraph, Numbers
from .known import IN_PLACE, is_builtin
from .module import TracedModule
from .node import GraphError, ModuleNode, Node
from .shapes import TRACED, compute, plain, traced
from .tree import describe_call, leaves, parts_of, rebuild

_logger = logging.getLogger(__name__)


class Recorder:
    """Sees calls, and makes graphs of them. A call that is written down is done as usual, and nothing within it is seen.

    frames: the graphs that are being made, the innermost last. busy: whether such a call is running. numbers: what gives ids.
    """

    def __init__(self, numbers: Numbers):
        self.frames: list[Frame] = []
        self.busy = False
        self.numbers = numbers
        self._all: list[Frame] = []
        self._twins: dict[int, tuple[Module, TracedModule]] = {}
        self._thread = threading.get_ident()

    @property
    def recording(self) -> bool:
        """Whether a call that is made now is to be written down."""
        return not self.busy and bool(self.frames) and threading.get_ident() == self._thread

    @contextlib.contextmanager
    def unseen(self) -> Iterator[None]:
        """Record nothing meanwhile."""
        before, self.busy = self.busy, True
        try:
            yield
        finally:
            self.busy = before

    def open(self, graph: InternalGraph, module: Module, exprs: list[Expr]) -> Frame:
        """A frame for a graph, innermost from now on."""
        frame = Frame(graph, module, exprs, self._all, self.unseen)
        self.frames.append(frame)
        return frame

    def varies(self, tensor: Tensor) -> bool:
        """Whether a tensor may be another one in the next call."""
        node = self.frames[-1].find(tensor)
        return node is not None and not isinstance(node.expr, Constant)

    def unseen_draw(self) -> None:
        """Someone draws random numbers, and it is none of the functions that are seen."""
        raise TraceModuleError(
            f"trace_module: forward of {type(self.frames[-1].module).__name__} draws random numbers by a method of an RNG, or by a function that it has from "
            "elsewhere than a module's global names, and a graph would have the same numbers in each call; call numod.random.normal and the like by name"
        )

    def unseen_change(self, tensor: Tensor) -> None:
        """Someone changes a tensor in place, and it is none of the functions and methods that are seen."""
        frame = self.frames[-1]
        if id(tensor) in frame.inside or frame.find(tensor) is not None:
            raise TraceModuleError(
                f"trace_module: forward of {type(frame.module).__name__} changes a tensor of shape {tensor._spec.shape} in place by a function that it has "
                "from elsewhere than a module's global names, and a graph would not; call it by name"
            )

    def forget(self) -> None:
        """Let go of all values that were seen."""
        self._all.clear()

    # Calls

    def function(self, func: Callable, args: tuple, kwargs: dict[str, Any]) -> Any:
        """A function is called."""
        args, kwargs = normalized(signature_of(func), args, kwargs)
        return self._call(
            lambda graph, args, kwargs: CallFunction(graph, func, args, kwargs),
            func,
            args,
            kwargs,
            f"{func.__name__}_out",
            f".[func_{func.__name__}]",
        )

    def method(self, name: str, original: Callable, args: tuple, kwargs: dict[str, Any]) -> Any:
        """A method of a tensor is called."""
        args, kwargs = normalized(signature_of(original), args, kwargs)

        def make(graph: InternalGraph, args: tuple, kwargs: dict[str, Any]) -> Expr:
            return CallMethod(graph, name, args, kwargs)

        def run(*args: Any, **kwargs: Any) -> Any:
            made = original(*args, **kwargs)
            return args[0] if name in IN_PLACE else made

        stem = name.strip("_")
        made = self._call(make, run, args, kwargs, f"{stem}_out", f".[method_{stem}]")
        return None if name in IN_PLACE else made

    def apply(self, original: Callable, op: Op, inputs: Sequence[Tensor], attrs: tuple = ()) -> Any:
        """An op is applied by something else."""
        named = dict(zip(op.names, attrs, strict=True))
        return self._call(
            lambda graph, args, kwargs: Apply(graph, op, args, kwargs),
            lambda *inputs, **attrs: original(op, inputs, tuple(attrs.values())),
            tuple(inputs),
            named,
            f"{op.name}_out",
            f".[def_{op.name}]",
        )

    def tensor(self, original: Callable, made: Tensor, args: tuple, kwargs: dict[str, Any]) -> None:
        """A tensor is made of another one."""
        args, kwargs = normalized(signature_of(Tensor), args, kwargs)

        def run(*args: Any, **kwargs: Any) -> Tensor:
            original(made, *args, **kwargs)
            return made

        self._call(lambda graph, args, kwargs: CallFunction(graph, Tensor, args, kwargs), run, args, kwargs, "new_out", ".[func_new]")

    def shape(self, tensor: Tensor, shape: tuple) -> Any:
        """Someone looks at a shape."""
        frame = self.frames[-1]
        node = frame.find(tensor)
        if node is None or isinstance(node.expr, (Constant, GetAttr)):
            return shape
        return self._number(Shape(frame.graph, (node,)), shape, "getvarshape_out", ".[def_getvarshape]")

    def number(self, value: Any, name: str, others: tuple) -> Any:
        """Someone computes with what comes from a shape."""
        result = compute(value, name, others)
        if not self.recording or self.frames[-1].find(value) is None:
            return result
        frame = self.frames[-1]
        stem = name.strip("_")
        expr = CallMethod(frame.graph, name, tuple(map(frame.argument, (value, *others))))
        return self._number(expr, result, f"{stem}_out", f".[method_{stem}]")

    def _number(self, expr: Expr, value: Any, name: str, what: str) -> Any:
        frame = self.frames[-1]
        made = traced(value, self.number)
        frame.exprs.append(expr)
        frame.learn(made, expr.returns(node_for(frame.graph, made, name, what)))
        return made

    def _call(
        self, make: Callable[..., Expr], run: Callable, args: tuple, kwargs: dict[str, Any], name: str, what: str, numbered: str = "{}_{}"
    ) -> Any:
        """Do a call, and write it down. make: the expression for nodes. run: the result for values. name, what: of the nodes of the result."""
        frame = self.frames[-1]
        written = rebuild(frame.argument, args), rebuild(frame.argument, kwargs)
        args, kwargs = rebuild(plain, args), rebuild(plain, kwargs)
        expr = make(frame.graph, *written)
        with self.unseen():
            before = checking.Before(frame.module) if checking.each_expr and not expr.in_place else None
            result = run(*args, **kwargs)
            if before is not None and not before.same_again(run, args, kwargs, result):
                raise checking.CheckError(
                    f"trace_module: {name.removesuffix('_out')} does not give the same twice, in {type(frame.module).__name__}"
                )
        if not expr.in_place:
            result = _another(result, args, kwargs)
        frame.exprs.append(expr)
        self._returns(frame, expr, result, name, what, numbered)
        return result

    def _returns(self, frame: Frame, expr: Expr, result: Any, name: str, what: str, numbered: str) -> None:
        """Make nodes for what a call returned. The first has the name, others have that of the first and a number."""
        made: list[Node] = []

        def node(leaf: Any) -> Any:
            if not isinstance(leaf, (Tensor, *TRACED)):
                return leaf
            wanted = (made[0], "{}_{}") if made else (name, numbered)
            made.append(node_for(frame.graph, leaf, wanted[0], what, wanted[1]))
            return frame.learn(leaf, made[-1])

        expr.returns(rebuild(node, result))

    # Modules

    def module(self, original: Callable, module: Module, args: tuple, kwargs: dict[str, Any]) -> Any:
        """A module is called."""
        frame = self.frames[-1]
        node = frame.attribute(module)
        if node is None:  # of no one that is traced: what it does is part of the graph, and its parameters are constants
            return original(module, *args, **kwargs)
        if any(frame.module is module for frame in self.frames):
            raise TraceModuleError(f"trace_module: {type(module).__name__} calls itself, and a graph cannot; write it as a loop")
        args, kwargs = normalized(self._signature(module), args, kwargs)
        what = f"{node._what}.[out]"
        name, numbered = f"{node.name}_out", f"{node.name}_{{1}}_out"

        def make(graph: InternalGraph, args: tuple, kwargs: dict[str, Any]) -> Expr:
            return CallMethod(graph, "__call__", (node, *args), kwargs)

        def run(*args: Any, **kwargs: Any) -> Any:
            return original(module, *args, **kwargs)

        if is_builtin(type(module)):
            return self._call(make, run, args, kwargs, name, what, numbered)
        written = rebuild(frame.argument, args), rebuild(frame.argument, kwargs)
        graphs, key = self.twin(module).argdef_graph_map, describe_call(*written)
        if key in graphs:
            result = self._call(make, run, args, kwargs, name, what, numbered)
        else:
            expr = make(frame.graph, *written)
            result = self.trace(module, original, args, kwargs, f"{frame.graph.qualname}{node._what}")
            frame.exprs.append(expr)
            result = rebuild(lambda leaf: traced(plain(leaf), self.number) if isinstance(leaf, TRACED) else leaf, result)
            result = _another(result, args, kwargs)
            self._returns(frame, expr, result, name, what, numbered)
        if graphs[key].changes_more():
            frame.exprs[-1].disable_remove()
        return result

    def trace(self, module: Module, call: Callable, args: tuple, kwargs: dict[str, Any], qualname: str) -> Any:
        """Call a module, and give its twin a graph of what happens."""
        twin = self.twin(module)
        graph = InternalGraph(twin, qualname, self.numbers)
        frame = self.open(graph, module, graph._exprs)
        try:
            signature = self._signature(module)
            self._input(frame, "self", ModuleNode(graph, "self", ""))
            given: dict[int, Any] = {}  # what each leaf is inside: two places get two values, even if they were given one
            frame.learn(module, graph.inputs[0])
            with self.unseen():
                inner = [(name, rebuild(lambda leaf: self._own(leaf, given), value)) for name, value in by_name(signature, args, kwargs)]
            for name, value in inner:
                self._inputs(frame, name, value)
            args, kwargs = _as_given(inner, args, kwargs)
            graph.pattern = rebuild(frame.argument, args), rebuild(frame.argument, kwargs)
            graph.key = describe_call(*graph.pattern)
            result = call(module, *args, **kwargs)
            twin.argdef_graph_map[graph.key] = graph
            graph.set_outputs(rebuild(lambda leaf: self._returned(frame, leaf), result))
        finally:
            self.frames.pop()
        graph.compile()
        with self.unseen():
            for expr in graph._exprs:
                if isinstance(expr, GetAttr):
                    self._place(twin, module, expr.name)
            self._place_again(twin, module)
            for name, value in vars(module).items():
                if isinstance(value, Tensor) and id(value) not in frame.inside and frame.find(value) is not None:
                    _logger.warning("trace_module: forward sets %s of %s, the graph does not", name, type(module).__name__)
        return result

    def _own(self, leaf: Any, given: dict[int, Any]) -> Any:
        if isinstance(leaf, TRACED):
            return traced(plain(leaf), self.number)
        if isinstance(leaf, Tensor) and id(leaf) in given:
            return copy.copy(leaf)
        given[id(leaf)] = leaf
        return leaf

    def _inputs(self, frame: Frame, name: str, value: Any) -> None:
        several = parts_of(value) is not None
        count = 0

        def visit(leaf: Any) -> Any:
            nonlocal count
            if isinstance(leaf, (Tensor, *TRACED)):
                own = f"{name}_{count}" if several else name
                node = node_for(frame.graph, leaf, own, f".[{own}]")
                self._input(frame, own, frame.learn(leaf, node))
                count += 1
            return leaf

        rebuild(visit, value)

    def _input(self, frame: Frame, name: str, node: Node) -> None:
        expr = Input(frame.graph, name)
        expr.returns(node)
        frame.exprs.append(expr)
        frame.graph.inputs.append(node)

    def _returned(self, frame: Frame, leaf: Any) -> Any:
        if leaf is None or isinstance(leaf, (Tensor, *TRACED)):
            return frame.argument(leaf)
        raise GraphError(
            f"trace_module: {type(frame.module).__name__} returns something of type {type(leaf).__name__}; what is returned may be tensors and None, in lists, "
            "tuples and dicts; register_supported_type adds types"
        )

    # Twins

    def modules(self) -> list[Module]:
        """The modules that were traced."""
        return [module for module, _ in self._twins.values()]

    def twin(self, module: Module) -> TracedModule:
        """What becomes of a module."""
        if id(module) not in self._twins:
            made = TracedModule(False, {}, {}, isinstance(module, QATModule))
            made.argspec = self._signature(module)
            made.name, made.training, made.quantize_disabled = module.name, module.training, module.quantize_disabled
            self._twins[id(module)] = module, made
        return self._twins[id(module)][1]

    def _signature(self, module: Module) -> Any:
        return module.argspec if isinstance(module, TracedModule) else signature_of(module.forward)

    def _place(self, twin: Module, module: Any, name: str) -> None:
        """Give a twin what its module has under a dotted name. Lists and dicts become modules without graphs."""
        for part in name.split("."):
            inner = (
                module[int(part)] if isinstance(module, (list, tuple)) else module[part] if isinstance(module, dict) else vars(module)[part]
            )
            builtin = isinstance(inner, Module) and is_builtin(type(inner))
            there: Any = vars(twin).get(part)
            if there is None:
                if isinstance(inner, Tensor) or builtin:
                    there = inner
                else:
                    there = self.twin(inner) if isinstance(inner, Module) else TracedModule(False, {}, {})
                if hasattr(type(twin), part) or part in vars(twin):
                    raise TraceModuleError(f"trace_module: {part!r} in {type(module).__name__} is a name that every TracedModule has")
                setattr(twin, part, there)
            if builtin:
                return  # and what is inside of it is there with it
            twin, module = there, inner

    def _place_again(self, twin: Module, module: Module) -> None:
        """Give a twin what it has under the other names that it has in its module."""
        there = {id(self._twins[id(value)][1] if id(value) in self._twins else value): value for value in vars(module).values()}
        for value in list(vars(twin).values()):
            for name, original in vars(module).items():
                if isinstance(value, (Module, Tensor)) and there.get(id(value)) is original and name not in vars(twin):
                    setattr(twin, name, value)


def _another(result: Any, args: tuple, kwargs: dict[str, Any]) -> Any:
    """A result in which no tensor is one that was given: a layer may hand one through now (dropout in evaluation), and make another one of it later."""
    given = {id(leaf) for leaf in leaves((args, kwargs))}
    return rebuild(lambda leaf: copy.copy(leaf) if isinstance(leaf, Tensor) and id(leaf) in given else leaf, result)


def _as_given(inner: list[tuple[str, Any]], args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict[str, Any]]:
    """The arguments again, with the values of `by_name`: first those by position."""
    values = [value for _, value in inner]
    return tuple(values[: len(args)]), dict(zip(kwargs, values[len(args) :], strict=True))
