"""`trace_module`, and what stands in for functions, methods and modules while it runs.

Nothing in the library looks for a tracer when there is none: for the time of a trace, stand-ins are put where loaded modules name a function, into Tensor and
into Module, and everything is put back at the end.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import importlib
import logging
import math
import sys
import threading
import types
from collections.abc import Callable, Iterator
from typing import Any

from .. import op as ops
from ..autodiff import Function
from ..module import Module
from ..random import RNG
from ..tensor import Tensor
from . import expr as exprs, graph as graphs, node as nodes
from .calls import normalized
from .checking import Before, check_result
from .frame import TraceModuleError
from .graph import Numbers
from .inserting import Insertion
from .known import FUNCTIONS, METHODS
from .module import TracedModule
from .recording import Recorder
from .tree import leaves, rebuild

tensors: Any = importlib.import_module("numod.tensor")  # the module: numod.tensor is the class
_one = threading.Lock()  # held while stand-ins are in place
_by: int | None = None  # the thread that holds it
_logger = logging.getLogger(__name__)


def trace_module(mod: Module, *args: Any, **kwargs: Any) -> TracedModule:
    """Call a module once, and return one that does the same by a graph of the calls that were made.

    The new module has the same layers and tensors, not copies of them, under the same names. Calls of functions of `numod.functional` and `numod.random`,
    of methods of tensors, and of the layers of `numod.module` are expressions of its graph; modules of other classes get a graph of their own.
    Python's control flow is gone: what the graph does is what was done this time. Shapes, and what ``+ - * / // % **`` make of them, are computed anew; what
    functions of Python make of them, such as ``int`` and ``max``, and numbers that were read from tensors, as by ``item``, are constants.

    args, kwargs: tensors, numbers, strings and None, also in lists, tuples and dicts. The result has graphs for arguments that differ from these in the
    values of tensors, and in shapes where `forward` allows it. What is no tensor must be the same in each call.

    >>> import numod as nm, numod.functional as F, numod.module as M, numod.traced_module as tm
    >>> class Net(M.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.fc = M.Linear(3, 2)
    ...
    ...     def forward(self, x):
    ...         return F.relu(self.fc(x)) + 1
    >>> traced = tm.trace_module(Net(), nm.Tensor([[1.0, 2.0, 3.0]]))
    >>> print(str(traced.graph).expandtabs(4))
    Net.Graph (self, x) {
        %2: fc = getattr(self, "fc") -> (Linear)
        %3: fc_out = fc(x, )
        %4: relu_out = nn.relu(fc_out, )
        %5: add_out = relu_out.__add__(1, )
        return add_out
    }
    """
    if not isinstance(mod, Module):
        raise TypeError(f"trace_module: expected a module, got {type(mod).__name__}")
    own = rebuild(_copied, args), rebuild(_copied, kwargs)
    again = rebuild(_copied, args), rebuild(_copied, kwargs)
    before = Before(mod)
    recorder, call = Recorder(Numbers()), Module.__call__
    args, kwargs = normalized(recorder.twin(mod).argspec, *own)
    name = mod.graph.qualname if isinstance(mod, TracedModule) else type(mod).__name__
    with _standing_in(recorder):
        result = recorder.trace(mod, call, args, kwargs, name)
    traced = recorder.twin(mod)
    traced._is_top = True
    traced.graph.number_anew(Numbers())
    check_result(before, traced, again[0], again[1], result)
    return traced


def _copied(leaf: Any) -> Any:
    return copy.copy(leaf) if isinstance(leaf, Tensor) else leaf


@contextlib.contextmanager
def _standing_in(recorder: Recorder) -> Iterator[None]:
    """Let a recorder see what is called."""
    global _by
    if _by == threading.get_ident():
        raise TraceModuleError("trace_module: this thread is tracing a module or inserting calls already, one at a time can be done")
    with _one:
        _by = threading.get_ident()
        stand_ins = StandIns(recorder)
        try:
            stand_ins.put()
            yield
        finally:
            stand_ins.remove()
            recorder.forget()
            _by = None


def _replace(functions: dict[int, Callable], *others: Any) -> None:
    """Put others in the place of functions, by their ids, wherever a loaded module, or one of some other objects, names them."""
    loaded = [module for module in list(sys.modules.values()) if isinstance(module, types.ModuleType)]
    for owner in (*loaded, *others):
        names = vars(owner)
        for name, value in list(names.items()):
            if id(value) in functions:
                names[name] = functions[id(value)]


def _kinds_of(kind: type) -> set[type]:
    """All classes that come from a class."""
    direct: list[type] = kind.__subclasses__()
    return {*direct}.union(*map(_kinds_of, direct))


class StandIns:
    """Everything that stands in for something else. Each does what it stands in for, unless its recorder is recording."""

    def __init__(self, recorder: Recorder):
        self._recorder = recorder
        self._attached: list[tuple[type, str, Any]] = []
        functions = {func: self._function(func) for func in FUNCTIONS.values() if isinstance(func, types.FunctionType)}
        self._by_id: dict[int, Callable] = {id(func): made for func, made in functions.items()}
        self._everywhere: list[tuple[Callable, Callable]] = [*functions.items(), (ops.apply, self._apply(ops.apply))]
        self._functions, self._watch = functions, tensors.watch

    def put(self) -> None:
        """Put everything in its place; `remove` takes away what is there, also if this was not finished."""
        _replace({id(original): made for original, made in self._everywhere})
        exprs.stand_ins.update(self._functions)
        for name in METHODS:
            self._attach(Tensor, name, self._method(name, vars(Tensor)[name]))
        self._attach(Tensor, "shape", self._shape(vars(Tensor)["shape"]))
        self._attach(Tensor, "size", self._size(vars(Tensor)["size"]))
        self._attach(Tensor, "__init__", self._made(Tensor.__init__))
        self._attach(Tensor, "_reset", self._around(Tensor._reset, self._changed(Tensor._reset)))
        for name in ("_take", "_numpy"):
            self._attach(RNG, name, self._around(vars(RNG)[name], lambda args, kwargs: self._recorder.unseen_draw()))
        self._attach(Module, "__call__", self._module(Module.__call__))
        for kind in _kinds_of(Module):
            if "__init__" in vars(kind):
                self._attach(kind, "__init__", self._built(vars(kind)["__init__"]))
        self._attach(Module, "__getattribute__", self._attribute())
        self._attach(Function, "__call__", self._own_gradient(Function.__call__))
        programs = sys.modules.get("numod.jit")
        if programs is not None:
            self._attach(programs.trace, "__call__", self._program(programs.trace.__call__))
            self._attach(programs.Program, "__call__", self._program(programs.Program.__call__))
        tensors.watch = self._read

    def remove(self) -> None:
        """Put everything back."""
        tensors.watch = self._watch
        exprs.stand_ins.clear()
        made = {id(made): original for original, made in self._everywhere}
        _replace(made, *self._recorder.modules())  # also in what was loaded, or given to attributes, in between
        for owner, name, original in self._attached:
            if original is None:
                delattr(owner, name)
            else:
                setattr(owner, name, original)

    def _attach(self, owner: type, name: str, stand_in: Any) -> None:
        original = vars(owner).get(name)
        setattr(owner, name, stand_in)
        self._attached.append((owner, name, original))

    def _read(self, tensor: Tensor) -> None:
        """Someone looks at the elements of a tensor."""
        if self._watch is not None:
            self._watch(tensor)
        if self._recorder.recording and self._recorder.varies(tensor):
            _logger.warning(
                "trace_module: forward of %s reads the elements of a tensor of shape %s; what it does with them is done the same way in each call of "
                "the graph",
                type(self._recorder.frames[-1].module).__name__,
                tensor._spec.shape,
            )

    def _around(self, original: Callable, record: Callable[[tuple, dict[str, Any]], Any]) -> Callable:
        """What stands in for a function: ``record(args, kwargs)`` while the recorder is recording."""
        recorder = self._recorder

        @functools.wraps(original)
        def stand_in(*args: Any, **kwargs: Any) -> Any:
            return record(args, kwargs) if recorder.recording else original(*args, **kwargs)

        return stand_in

    def _function(self, func: Callable) -> Callable:
        return self._around(func, functools.partial(self._recorder.function, func))

    def _method(self, name: str, method: Callable) -> Callable:
        return self._around(method, functools.partial(self._recorder.method, name, method))

    def _apply(self, apply: Callable) -> Callable:
        return self._around(apply, lambda args, kwargs: self._recorder.apply(apply, *args, **kwargs))

    def _module(self, call: Callable) -> Callable:
        return self._around(call, lambda args, kwargs: self._recorder.module(call, args[0], args[1:], kwargs))

    def _made(self, init: Callable) -> Callable:
        recorder = self._recorder

        @functools.wraps(init)
        def stand_in(self: Tensor, data: Any, *args: Any, **kwargs: Any) -> None:
            if recorder.recording and isinstance(data, Tensor):
                recorder.tensor(init, self, (data, *args), kwargs)
            else:
                init(self, data, *args, **kwargs)

        return stand_in

    def _built(self, init: Callable) -> Callable:
        """Around making a layer: what it is filled with, at random mostly, is there once, and is nothing that is done in each call."""
        recorder = self._recorder

        def record(args: tuple, kwargs: dict[str, Any]) -> None:
            varies = any(isinstance(leaf, Tensor) and recorder.varies(leaf) for leaf in leaves((args, kwargs)))
            with contextlib.nullcontext() if varies else recorder.unseen():
                init(*args, **kwargs)

        return self._around(init, record)

    def _changed(self, reset: Callable) -> Callable[[tuple, dict[str, Any]], None]:
        recorder = self._recorder

        def record(args: tuple, kwargs: dict[str, Any]) -> None:
            recorder.unseen_change(args[0])
            reset(*args, **kwargs)

        return record

    def _shape(self, shape: property) -> property:
        recorder, get = self._recorder, shape.fget
        assert get is not None
        return property(lambda tensor: recorder.shape(tensor, get(tensor)) if recorder.recording else get(tensor))

    def _size(self, size: property) -> property:
        recorder, get = self._recorder, size.fget
        assert get is not None
        return property(lambda tensor: math.prod(tensor.shape) if recorder.recording else get(tensor))

    def _own_gradient(self, call: Callable) -> Callable:
        recorder = self._recorder

        @functools.wraps(call)
        def stand_in(function: Function, *inputs: Any) -> Any:
            if recorder.recording:
                _logger.warning("trace_module: the graph has what %s.forward does, and not its backward", type(function).__name__)
            return call(function, *inputs)

        return stand_in

    def _program(self, call: Callable) -> Callable:
        """Around programs of `numod.jit`, whose calls nobody sees: a function that was traced is run as it is, one that was loaded cannot be."""
        recorder = self._recorder

        @functools.wraps(call)
        def stand_in(program: Any, *args: Any, **kwargs: Any) -> Any:
            if not recorder.recording:
                return call(program, *args, **kwargs)
            if not hasattr(program, "__wrapped__"):
                raise TraceModuleError("trace_module: forward calls a program that was loaded from a file, which cannot be part of a graph")
            return program.__wrapped__(*args, **kwargs)

        return stand_in

    def _attribute(self) -> Callable:
        recorder, stand_ins = self._recorder, self._by_id

        def stand_in(module: Module, name: str) -> Any:
            value = object.__getattribute__(module, name)
            if recorder.recording:
                if isinstance(value, (Tensor, Module)):
                    recorder.frames[-1].attribute(value)
                return stand_ins.get(id(value), value)
            return value

        return stand_in


@contextlib.contextmanager
def _inserting(graph: graphs.InternalGraph, after: exprs.Expr | None) -> Iterator[None]:
    """What `InternalGraph.insert_exprs` returns."""
    names = {*graph.names}
    insertion = Insertion(graph)
    with _standing_in(insertion):
        nodes.inserting = insertion.call
        try:
            yield
        except BaseException:
            graph.names.intersection_update(names)
            raise
        finally:
            nodes.inserting = None
    insertion.place(after)


graphs.begin_insert = _inserting
