"""Op, the table of all ops, and `apply`, the one function that every call passes through."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from . import tape as tapes
from .errors import check
from .kernel import executor, layout
from .kernel.program import Program
from .spec import Spec
from .tape import Node, tape
from .tensor import Tensor, _new

TABLE: dict[str, Op] = {}
_LIMIT = 16384  # plans kept for an op


@dataclass(slots=True)
class Plan:
    """How to run an op on inputs with given Specs.

    outputs: Specs of what it makes.
    run:     input buffers -> output buffer, a tuple of them if there are several, None if a kernel found an error.
    convert: what must be done to the inputs first (casts), as ``convert(inputs) -> inputs``; then nothing else is set.
    """

    outputs: tuple[Spec, ...] = ()
    run: Callable[..., Any] = None  # type: ignore[assignment]
    convert: Callable[[Sequence[Tensor]], Sequence[Tensor]] | None = None


@dataclass(slots=True)
class Rule:
    """The gradient rule of one input: a function, and the names of what it needs, in order."""

    function: Callable
    needs: tuple[str, ...]


@dataclass(eq=False)
class Op:
    """One row of the table.

    name, doc
    inputs: names of the tensor inputs; with ``variadic`` there is one name, for any number of them; ``optional`` of the last may be left out
    attrs:  names of the other arguments, with their defaults
    infer:  ``infer(*specs, **attrs) -> Spec or tuple of Specs``; the only place that raises for shapes, dtypes and devices
    plan:   ``plan(op, specs, attrs, outputs) -> Plan``: the form, which knows how to make a kernel from ``code``
    code:   what the form needs: a scalar function, usually
    vjp:    input name -> gradient rule ``rule(g, ...)``, written with table ops; the names of its other parameters say what the tape must keep:
            an input or ``out``, ``<input>_spec`` or ``out_spec`` for the shape alone, an attribute, or ``index`` in a variadic op
    ref:    the truth: NumPy on float64 or complex arrays
    sample: hypothesis strategy for calls, ``sample(draw) -> (inputs, attrs)``
    kinks:  inputs at which no gradient is checked
    errors: calls that must be refused
    function: for a composite, which has no kernel: what is called instead of `apply`
    """

    name: str
    doc: str
    inputs: tuple[str, ...]
    attrs: dict[str, Any]
    infer: Callable
    plan: Callable
    code: Any = None
    function: Callable | None = None
    vjp: dict[str, Callable] = field(default_factory=dict)
    ref: Callable | None = None
    sample: Callable | None = None
    kinks: tuple[float, ...] = ()
    errors: tuple = ()
    variadic: bool = False
    optional: int = 0

    def __post_init__(self):
        known = {"g", "out", "out_spec", "index", "inputs", *self.inputs, *(f"{name}_spec" for name in self.inputs), *self.attrs}
        self.rules: list[Rule | None] = []
        for name in self.inputs:
            function = self.vjp.get(name)
            needs = tuple(inspect.signature(function).parameters) if function else ()
            unknown = [need for need in needs if need not in known]
            if unknown:
                raise TypeError(f"{self.name}: the gradient rule for {name!r} asks for {unknown}, known are {sorted(known)}")
            self.rules.append(Rule(function, needs) if function else None)
        for name in self.vjp:
            if name not in self.inputs:
                raise TypeError(f"{self.name}: a gradient rule for {name!r}, which is not an input")
        self.plans: dict[tuple, Plan] = {}
        self.twins: dict[str, Callable] = {}
        self.recipes: dict[tuple, tuple] = {}

    def fast(self, device: str) -> Callable[[Callable], Callable]:
        """Decorator: register ``planner(specs, attrs, outputs)`` as this op's fast twin on "cpu" or "cuda".

        It returns a Program for C-contiguous inputs, or None where it does not apply and the generic form is used.
        """

        def register(planner: Callable) -> Callable:
            self.twins[device] = planner
            self.plans.clear()
            return planner

        return register

    def __call__(self, *inputs: Tensor, **attrs: Any):
        """Apply the op; attributes by keyword."""
        if self.function is not None:
            return self.function(*inputs, **attrs)
        if attrs.keys() - self.attrs.keys():
            raise TypeError(f"{self.name}: unknown arguments {sorted(attrs.keys() - self.attrs.keys())}, known are {list(self.attrs)}")
        values = tuple(attrs.get(name, default) for name, default in self.attrs.items())
        return apply(self, inputs, values)

    def __repr__(self) -> str:
        return f"<op {self.name}>"


def register(op: Op) -> Op:
    """Put an op in the table."""
    if op.name in TABLE:
        raise ValueError(f"op {op.name!r} is in the table already")
    TABLE[op.name] = op
    return op


def apply(op: Op, inputs: Sequence[Tensor], attrs: tuple = ()):
    """Run ``op`` on tensors; record it if a gradient may flow through it. Returns a Tensor, or a tuple of them."""
    count = len(inputs)
    if count == 2:
        a, b = inputs
        key = (a._spec, b._spec, attrs)
        plan = op.plans.get(key)
        if plan is None:
            plan = _plan(op, inputs, attrs, key)
        if plan.convert is not None:
            return apply(op, plan.convert(inputs), attrs)
        buffer = plan.run(a._buffer, b._buffer)
    elif count == 1:
        a = b = inputs[0]
        key = (a._spec, attrs)
        plan = op.plans.get(key)
        if plan is None:
            plan = _plan(op, inputs, attrs, key)
        if plan.convert is not None:
            return apply(op, plan.convert(inputs), attrs)
        buffer = plan.run(a._buffer)
    else:
        a = b = None
        key = (*[tensor._spec for tensor in inputs], attrs)
        plan = op.plans.get(key)
        if plan is None:
            plan = _plan(op, inputs, attrs, key)
        if plan.convert is not None:
            return apply(op, plan.convert(inputs), attrs)
        buffer = plan.run(*[tensor._buffer for tensor in inputs])
    outputs = plan.outputs
    if len(outputs) == 1 and buffer is not None:
        out = _new(Tensor)
        out._buffer = buffer
        out._spec = outputs[0]
        out._node = out._grad = None
        out._index = 0
        out._name = ""
        if tapes.active and (a is None or a._node is not None or b._node is not None):
            _record(op, inputs, attrs, (out,))
        return out
    if buffer is None:
        raise _kernel_error(op, plan)
    outs = tuple(Tensor._make(each, spec) for each, spec in zip(buffer, outputs, strict=True))
    if tapes.active:
        _record(op, inputs, attrs, outs)
    return outs


def _plan(op: Op, inputs: Sequence[Tensor], attrs: tuple, key: tuple) -> Plan:
    """Infer, choose a kernel and pack it; remembered under ``key``."""
    specs = tuple(tensor._spec for tensor in inputs)
    named = dict(zip(op.attrs, attrs, strict=True))
    if not op.variadic:
        check(
            len(op.inputs) - op.optional <= len(specs) <= len(op.inputs),
            "{}: takes {} inputs, got {}",
            op.name,
            len(op.inputs),
            len(specs),
        )
    for spec in specs[1:]:
        check(spec.device == specs[0].device, "{}: operands on {} and {}", op.name, specs[0].device, spec.device)
    outputs = op.infer(*specs, **named)
    if isinstance(outputs, Plan):
        plan = outputs
    else:
        if isinstance(outputs, Spec):
            outputs = (outputs,)
        device = (specs or outputs)[0].device
        twin = op.twins.get("cuda" if device.is_cuda else "cpu")
        plan = twin(specs, named, outputs) if twin else None
        if plan is None:
            plan = op.plan(op, specs, named, outputs)
        elif isinstance(plan, Program):
            plan = Plan(outputs, executor.compile(layout.on_contiguous(specs, plan)))
    if len(op.plans) >= _LIMIT:
        op.plans.clear()
    op.plans[key] = plan
    return plan


def _kernel_error(op: Op, plan: Plan) -> Exception:
    """The exception for what a kernel found while running: an index out of range is the one thing it reports."""
    _, value, limit = executor.error_of(plan.run)
    return KernelIndexError(f"{op.name}: index {value} is out of range for size {limit}")


class KernelIndexError(IndexError, RuntimeError):
    """An index tensor points outside of what it indexes. (MegEngine: RuntimeError.)"""


def _record(op: Op, inputs: Sequence[Tensor], attrs: tuple, outs: tuple[Tensor, ...]) -> None:
    """Put a node on the tape if a gradient flows from ``outs`` to some input."""
    if not tape.recording or not outs[0]._spec.is_float:
        return
    rules = op.rules
    if op.variadic:
        rules = rules * len(inputs)
    origins = []
    mask = 0
    for position, tensor in enumerate(inputs):
        node = tensor._node
        if node is not None and node.alive and rules[position] is not None:
            origins.append((node, tensor._index))
            mask |= 1 << position
        else:
            origins.append(None)
    if not mask:
        return
    keep = op.recipes.get((mask, len(inputs)))
    if keep is None:
        keep = op.recipes[mask, len(inputs)] = _what_to_keep(op, mask, len(inputs))
    inputs_kept, out_kept = keep
    saved = [None] * len(inputs)
    for position in inputs_kept:
        tensor = inputs[position]
        saved[position] = (tensor._buffer, tensor._node, tensor._index)
    specs = tuple(tensor._spec for tensor in inputs)
    node = Node(
        tuple(origins),
        tuple(out._spec for out in outs),
        _pull,
        op,
        attrs,
        (specs, saved, tuple(out._buffer for out in outs) if out_kept else None),
    )
    tapes.attach(node, outs)


def _what_to_keep(op: Op, mask: int, count: int) -> tuple[tuple[int, ...], bool]:
    """Which inputs, and whether the outputs, the rules of the inputs in ``mask`` read."""
    inputs, out = set(), False
    for position in range(count):
        if mask >> position & 1:
            rule = op.rules[0 if op.variadic else position]
            assert rule is not None  # the mask has only inputs with a rule
            out = out or "out" in rule.needs
            if op.variadic and "inputs" in rule.needs:
                inputs.update(range(count))
            inputs.update(op.inputs.index(need) for need in rule.needs if need in op.inputs)
    return tuple(sorted(inputs)), out


def _pull(node: Node, gradients: list[Tensor | None]) -> list[Tensor | None]:
    """Gradients of a node's inputs, by the rules of its op."""
    op = node.op
    specs, saved, out_buffers = node.saved
    known: dict[str, Any] = dict(zip(op.attrs, node.attrs, strict=True))
    if len(gradients) == 1:
        known["g"] = gradients[0]
    else:
        known["g"] = tuple(gradients)
    known["out_spec"] = node.outputs[0]
    if out_buffers is not None:
        outs = []
        for index, (buffer, spec) in enumerate(zip(out_buffers, node.outputs, strict=True)):
            out = Tensor._make(buffer, spec)
            out._node, out._index = node, index
            outs.append(out)
        known["out"] = outs[0] if len(outs) == 1 else tuple(outs)
    tensors = [None if kept is None else _revive(kept, spec) for kept, spec in zip(saved, specs, strict=True)]
    if op.variadic:
        known["inputs"] = tensors
    else:
        for name, spec, tensor in zip(op.inputs, specs, tensors, strict=False):
            known[name + "_spec"] = spec
            known[name] = tensor
    results: list[Tensor | None] = []
    for position, origin in enumerate(node.inputs):
        if origin is None:
            results.append(None)
            continue
        rule = op.rules[0 if op.variadic else position]
        if op.variadic:
            known["index"] = position
            known[op.inputs[0] + "_spec"] = specs
        gradient = rule.function(*[known.get(need) for need in rule.needs])
        if gradient is not None and gradient._spec.shape != specs[position].shape:  # the op broadcast this input
            gradient = TABLE["sum_to"](gradient, shape=specs[position].shape)
        results.append(gradient)
    return results


def _revive(kept: tuple, spec: Spec) -> Tensor:
    """A saved input as a tensor, with the place in the graph that it had."""
    buffer, node, index = kept
    tensor = Tensor._make(buffer, spec)
    tensor._node, tensor._index = node, index
    return tensor
