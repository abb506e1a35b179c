"""Sees what a function does with tensors: which ops it applies to what, and which tensors it changes.

While a capture is open, every op has an empty plan cache, so each plan is new and `numod.op.watch` sees it; its launch is replaced by one that
also writes down a Call. Nothing else in the library knows. Buffers never change, so the identity of a buffer is that of a value; for that every
tensor that exists gets, for the time of the capture, a Buffer object of its own.
"""

from __future__ import annotations

import functools
import gc
import importlib
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from .. import constants, op as ops, precision
from ..forms import alias
from ..forms.joint import Value as Standin, recorder
from ..kernel import runtime
from ..op import TABLE, Op, Plan
from ..random import rng
from ..spec import Spec
from ..tensor import Tensor
from .errors import TraceError
from .graph import Call, Graph, Operand, Value, extent

tensors: Any = importlib.import_module("numod.tensor")  # the module: numod.tensor is the class
_PACKAGE = str(Path(__file__).resolve().parent.parent)
_one = threading.Lock()  # held while a capture is open
_open: Capture | None = None


def capturing() -> Capture | None:
    """The capture that is open in this thread."""
    return _open if _open is not None and _open.thread == threading.get_ident() else None


class Capture:
    """What happened between `begin` and `end`.

    graph: the calls; its inputs come in the order of ``sources``.
    sources: where the inputs come from: a Tensor, or (RNG, count, device) for the state from which numbers are drawn.
    gradient_of: by the id of a tensor that is the grad of another one, that other one.
    excluded: whether a part of the function asked not to be traced.
    """

    def __init__(self) -> None:
        self.graph = Graph()
        self.sources: list[Any] = []
        self.gradient_of: dict[int, Tensor] = {}
        self._values: dict[int, tuple[Value, int]] = {}  # by the id of a buffer: its value, and where in it the buffer begins
        self._alive: list[Any] = []  # buffers whose ids are in use
        self._tensors: dict[int, Tensor] = {}  # by the id of their own buffer, while the capture is open
        self._before: list[tuple[Tensor, Any, Any, Any, Spec]] = []
        self.thread = threading.get_ident()
        self.excluded = False

    def begin(self) -> None:
        """Start to see."""
        global _open
        _one.acquire()
        _open = self
        known = {id(tensor) for tensor in constants.known()}
        for tensor in [found for found in gc.get_objects() if issubclass(type(found), Tensor)]:
            if id(tensor) not in known and hasattr(tensor, "_buffer"):
                before, own = tensor._buffer, alias(tensor._buffer, tensor._spec)
                self._before.append((tensor, before, own, tensor._grad, tensor._spec))
                if tensor._grad is not None:
                    self.gradient_of[id(tensor._grad)] = tensor
                self._tensors[id(own)] = tensor
                tensor._buffer = own
        self._caches = [(op, op.plans) for op in TABLE.values()]
        for op, _ in self._caches:
            op.plans = {}
        precision.settle()
        self._watch, ops.watch = ops.watch, self._plan
        rng.watch, tensors.watch = self._drawn, self._read

    def end(self, undo: bool = False) -> None:
        """Stop to see, and let go of all but the graph. Tensors that were not changed have the buffers again that they had; if ``undo``, all have."""
        global _open
        ops.watch, rng.watch, tensors.watch = self._watch, None, None
        for op, plans in self._caches:
            op.plans = plans
        precision.settle()
        for tensor, before, own, grad, spec in self._before:
            if tensor._buffer is own:
                tensor._buffer = before
            if undo:
                tensor._buffer, tensor._grad, tensor._spec = before, grad, spec
        for each in (self._values, self._alive, self._tensors, self._before):
            each.clear()  # plans refer to this object and it to all memory of the call, which must not wait for the collector of cycles
        _open = None
        _one.release()

    # What is asked of it before it ends

    def operand(self, tensor: Tensor) -> Operand:
        """What a tensor is now."""
        return self._operand(tensor._buffer, tensor._spec)

    def give(self, tensor: Tensor, source: Any) -> None:
        """Take a tensor for an input that comes from ``source``."""
        self._given(tensor._buffer, extent(tensor._spec), source)

    def changed(self) -> list[Tensor]:
        """Tensors that were there before and have another value now."""
        return [tensor for tensor, _, own, *_ in self._before if tensor._buffer is not own]

    def graded(self) -> list[Tensor]:
        """Tensors that were there before and have another grad now, or none where they had one."""
        return [tensor for tensor, _, _, grad, _ in self._before if tensor._grad is not grad]

    def reshaped(self) -> dict[int, Spec]:
        """The Specs that tensors had which have another one now, by their ids."""
        return {id(tensor): spec for tensor, *_, spec in self._before if tensor._spec is not spec}

    def there_before(self) -> set[int]:
        """The ids of the tensors that were there."""
        return {id(tensor) for tensor, *_ in self._before}

    # What is seen

    def _plan(self, op: Op, attrs: tuple, plan: Plan) -> None:
        if plan.convert is None:
            run = plan.run
            plan.run = lambda *buffers: self._call(op, attrs, plan, run, buffers)

    def _call(self, op: Op, attrs: tuple, plan: Plan, run: Callable, buffers: Sequence[Any]) -> Any:
        made = run(*buffers)
        if made is None:
            plan.run = run  # `apply` asks it what was wrong
            return None
        if threading.get_ident() != self.thread:
            return made
        inputs = tuple(self._operand(buffer, spec) for buffer, spec in zip(buffers, plan.inputs, strict=True))
        several = (made,) if len(plan.outputs) == 1 else made
        program = getattr(run, "program", None)
        if program is None:
            shown = [_place(buffer, buffers) for buffer in several]
            if all(each is not None for each in shown):
                for buffer, (index, offset) in zip(several, shown, strict=True):  # type: ignore[misc]
                    if buffer is not buffers[index]:
                        self._learn(buffer, inputs[index].value, inputs[index].offset + offset)
                return made
        if op.form == "joint":
            values: Sequence[Value] = self._parts(op, attrs, inputs)
        else:
            values = self._add(op, attrs, inputs, plan.outputs, program, None if program else run)
        for buffer, value in zip(several, values, strict=True):
            self._learn(buffer, value, 0)
        return made

    def _add(
        self, op: Op, attrs: tuple, inputs: tuple[Operand, ...], specs: tuple, program: Any, run: Callable | None
    ) -> tuple[Value, ...]:
        call = Call(op.name, op, attrs, inputs, specs, program, run, user_line())
        self.graph.calls.append(call)
        return call.outputs

    def _parts(self, op: Op, attrs: tuple, inputs: Sequence[Operand]) -> list[Value]:
        """The calls that a joint op is made of."""

        def add(part: Op, given: tuple, plan: Plan, values: Sequence[Standin]) -> list[Operand]:
            operands = tuple(value.place._replace(spec=value._spec) for value in values)
            made = self._add(part, given, operands, plan.outputs, plan.run.program, None)  # type: ignore[attr-defined]
            return [Operand(value, 0, spec) for value, spec in zip(made, plan.outputs, strict=True)]

        standins = [Standin(operand.spec, operand) for operand in inputs]
        results = op.code(recorder(add), *standins, **dict(zip(op.attrs, attrs, strict=True)))
        return [result.place.value for result in results]

    def _drawn(self, source: tuple, state: Tensor) -> None:
        if threading.get_ident() == self.thread:
            self._given(state._buffer, state._spec.nbytes, source)

    def _read(self, tensor: Tensor) -> None:
        """Someone looks at the elements of a tensor."""
        if threading.get_ident() != self.thread or self.excluded:
            return
        value, _ = self._find(tensor._buffer, extent(tensor._spec))
        if value.buffer is None:
            raise TraceError(
                f"trace: {user_line()}: the elements of a tensor are read, of shape {tensor.shape} and {tensor.dtype}, which differ from call "
                "to call. Return the tensor and read it outside; in place of Python's `if`, use numod.functional.where; or leave the "
                "part that needs values out of what is traced"
            )

    # Values

    def _learn(self, buffer: Any, value: Value, offset: int) -> None:
        self._values[id(buffer)] = value, offset
        self._alive.append(buffer)

    def _given(self, buffer: Any, nbytes: int, source: Any) -> Value:
        value = Value(nbytes, given=len(self.sources))
        self.sources.append(source)
        self.graph.inputs.append(value)
        self._learn(buffer, value, 0)
        return value

    def _find(self, buffer: Any, nbytes: int) -> tuple[Value, int]:
        found = self._values.get(id(buffer))
        if found is None:
            tensor = self._tensors.get(id(buffer))
            if tensor is not None:
                self._given(buffer, nbytes, tensor)
            else:  # made in this function from data that are no tensors: the same in every call
                self._learn(buffer, Value(nbytes, buffer=buffer), 0)
            found = self._values[id(buffer)]
        return found

    def _operand(self, buffer: Any, spec: Any) -> Operand:
        value, offset = self._find(buffer, extent(spec))
        value.nbytes = max(value.nbytes, offset + extent(spec))
        return Operand(value, offset, spec)


def _place(buffer: Any, inputs: Sequence[Any]) -> tuple[int, int] | None:
    """(input, offset) if a buffer shows memory of an input."""
    for index, each in enumerate(inputs):
        if buffer is each:
            return index, 0
        if not isinstance(buffer, runtime.Buffer) or not isinstance(each, runtime.Buffer):
            continue  # on a GPU, where views are calls like others
        offset = buffer.address - each.address
        if 0 <= offset < each.nbytes and offset + buffer.nbytes <= each.nbytes:
            return index, offset
    return None


def user_line() -> str:
    """The innermost line outside of this package."""
    frame: Any = sys._getframe(1)
    while frame is not None and _is_ours(frame.f_code.co_filename):
        frame = frame.f_back
    return "" if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno}"


@functools.cache
def _is_ours(file: str) -> bool:
    return str(Path(file)).startswith(_PACKAGE)
