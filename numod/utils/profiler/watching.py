"""How a recording sees what happens: while it runs, it stands in for the launches of all plans and for a few methods.

So nothing looks for a profile when there is none. The plans that are there get a Watched in the place of their launch, new ones as they are made
(`numod.op.watch`), and all get their own launch back at the end.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import operator
from collections.abc import Callable
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

from ... import functional, op as ops
from ...autodiff import GradManager
from ...device import Device, as_device
from ...kernel import executor
from ...module import Module
from ...op import TABLE, Op, Plan
from ...optimizer import Optimizer
from ...tape import Node
from ...tensor import Tensor

if TYPE_CHECKING:
    from .recording import Recording

_METHODS = {"astype", "flatten", "max", "mean", "min", "prod", "reshape", "sum", "transpose", "var"}  # of tensors, beside operators


class Watched:
    """A plan's launch that tells a recording how long it took."""

    __slots__ = ("attrs", "device", "inner", "op", "plan", "recording", "wait")

    def __init__(self, recording: Recording, op: Op, attrs: tuple, plan: Plan, wait: bool):
        self.recording, self.op, self.attrs, self.plan, self.inner = recording, op, attrs, plan, plan.run
        specs = plan.inputs or plan.outputs
        self.device: Device = specs[0].device if specs else as_device(None)
        self.wait = wait and self.device.is_cuda

    def __call__(self, *buffers: Any) -> Any:
        """Launch, as ``plan.run`` does."""
        begin = perf_counter_ns()
        made = self.inner(*buffers)
        if self.wait:
            _wait(self.device)
        self.recording.add(self, begin, perf_counter_ns())
        return made

    @property
    def error(self) -> tuple[int, int, int]:
        """What a kernel found, as `executor.error_of` asks for it."""
        return executor.error_of(self.inner)


def _wait(device: Device) -> None:
    """Until a GPU has done all it was told to."""
    cuda = importlib.import_module("numod.kernel.cuda")
    with cuda.gpu(device.ordinal):
        cuda.cuda.synchronize()


class Watch:
    """Everything that stands in for something else, from `begin` to `end`.

    wait: for a GPU after each op. functions: functions and methods of tensors are scopes too.
    """

    def __init__(self, recording: Recording, wait: bool, functions: bool):
        self._recording, self._wait, self._functions = recording, wait, functions
        self._plans: list[Watched] = []
        self._replaced: list[tuple[Any, str, Any]] = []
        self._names: dict[int, tuple[Module, str | None]] = {}

    def begin(self) -> None:
        """Watch all that is in the table, and all that comes."""
        ops.watch = self._plan
        for op in list(TABLE.values()):
            for (*_, attrs), plan in list(op.plans.items()):
                self._plan(op, attrs, plan)
        self._replace(Module, "__call__", self._module)
        self._replace(GradManager, "backward", self._named("backward"))
        self._replace(Optimizer, "step", self._named("step"))
        self._replace(Optimizer, "clear_grad", self._named("clear_grad"))
        self._replace(ops, "_pull", self._pull)
        if self._functions:
            for name in functional.__all__:
                if inspect.isfunction(vars(functional)[name]):
                    self._replace(functional, name, self._named(name))
            for name, method in list(vars(Tensor).items()):
                if inspect.isfunction(method) and (name in _METHODS or _is_operator(name)):
                    self._replace(Tensor, name, self._named(f"tensor.{name}"))

    def end(self) -> None:
        """Put everything back."""
        ops.watch = None
        for watched in self._plans:
            watched.plan.run = watched.inner
        for owner, name, original in reversed(self._replaced):
            setattr(owner, name, original)
        self._plans, self._replaced, self._names = [], [], {}

    def _plan(self, op: Op, attrs: tuple, plan: Plan) -> None:
        if plan.convert is None and not isinstance(plan.run, Watched):
            watched = Watched(self._recording, op, attrs, plan, self._wait)
            self._plans.append(watched)
            plan.run = watched

    def _replace(self, owner: Any, name: str, wrap: Callable[[Callable], Callable]) -> None:
        original = vars(owner)[name]
        self._replaced.append((owner, name, original))
        setattr(owner, name, functools.wraps(original)(wrap(original)))

    def _named(self, name: str) -> Callable[[Callable], Callable]:
        """Around any function: a scope of that name."""

        def wrap(function: Callable) -> Callable:
            def scoped(*args: Any, **kwargs: Any) -> Any:
                with self._recording.scope(name):
                    return function(*args, **kwargs)

            return scoped

        return wrap

    def _module(self, call: Callable) -> Callable:
        """Around ``Module.__call__``: a scope named after the module, if it has a name or a place in another module."""

        def scoped(module: Module, *args: Any, **kwargs: Any) -> Any:
            if id(module) not in self._names:
                self._learn(module)
            _, name = self._names[id(module)]
            if name is None:
                return call(module, *args, **kwargs)
            with self._recording.scope(name):
                return call(module, *args, **kwargs)

        return scoped

    def _learn(self, root: Module) -> None:
        """Names of a module and of all below it: their own, or the first attribute that they are in."""
        self._names[id(root)] = root, root.name
        for parent in root.modules():
            for attribute, child in parent.named_children():
                if self._names.get(id(child), (child, None))[1] is None:
                    self._names[id(child)] = child, child.name or attribute

    def _pull(self, pull: Callable) -> Callable:
        """Around what computes the gradients of one op: a scope named after the op."""

        def scoped(node: Node, gradients: list) -> list:
            with self._recording.scope(f"{node.call[0].name} backward"):
                return pull(node, gradients)

        return scoped


def _is_operator(name: str) -> bool:
    """Whether a method is that of an operator, reflected (``__radd__``) or not; ``__index__`` makes no tensor."""
    return name != "__index__" and (hasattr(operator, name) or (name.startswith("__r") and hasattr(operator, f"__{name[3:]}")))
