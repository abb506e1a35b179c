"""Op, the table of all ops, and `apply`, the one function that every call passes through."""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from . import config, tape as tapes
from .dtype import complex64
from .errors import check
from .kernel import executor, layout, loader, widened
from .kernel.program import Program
from .spec import Spec
from .tape import Node
from .tensor import Tensor, _new

TABLE: dict[str, Op] = {}
watch: Callable[[Op, tuple, Plan], None] | None = None  # while a profile is made: sees an op's attributes and each plan that is new
_GIVEN = ("g", "out", "out_spec", "index", "inputs", "memo")  # what a gradient rule may ask for beside the op's arguments
_INDEX = _GIVEN.index("index")


_CHOOSING = ("max_pool2d", "relu")


@dataclass(slots=True)
class Plan:
    """How to run an op on inputs with given Specs.

    outputs: Specs of what it makes.
    inputs:  Specs of what it takes.
    run:     input buffers -> output buffer, a tuple of them if there are several, None if a kernel found an error.
    convert: what must be done to the inputs first (casts), as ``convert(inputs) -> inputs``; then nothing else is set.
    differentiable: whether a gradient can flow through it at all.
    quantized: whether its result, of integers of 8 bits, is quantized as its first input is: the op moves elements or chooses among them.
    recipes: what the tape keeps, for each set of inputs that gradients flow to (as a bit mask); see `_recipe`.
    """

    outputs: tuple[Spec, ...] = ()
    run: Callable[..., Any] = None  # type: ignore[assignment]
    inputs: tuple[Spec, ...] = ()
    convert: Callable[[Sequence[Tensor]], Sequence[Tensor]] | None = None
    differentiable: bool = False
    quantized: bool = False
    recipes: dict[int, tuple] = field(default_factory=dict)


@dataclass(slots=True)
class Rule:
    """The gradient rule of one input: a function, the names of what it needs, and what takes these, in order, out of what `_pull` gathers."""

    function: Callable
    needs: tuple[str, ...]
    arguments: Callable[[list], Sequence]


@dataclass(eq=False)
class Op:
    """One row of the table.

    name, doc
    inputs: names of the tensor inputs; with ``variadic`` there is one name, for any number of them
    attrs:  names of the other arguments, with their defaults
    infer:  ``infer(*specs, **attrs) -> Spec or tuple of Specs``; the only place that raises for shapes, dtypes and devices
    plan:   ``plan(op, specs, attrs, outputs) -> Plan``: the form, which knows how to make a kernel from ``code``
    code:   what the form needs: a scalar function, usually
    vjp:    input name -> gradient rule ``rule(g, ...)``, written with table ops; the names of its other parameters say what the tape must keep:
            an input or ``out``, ``<input>_spec`` or ``out_spec`` for the shape alone, an attribute, ``index`` in a variadic op,
            or ``memo``, a dict that the rules of one call share
    ref:    the truth: NumPy on float64 or complex arrays
    sample: hypothesis strategy for calls, ``sample(draw) -> (inputs, attrs)``
    kinks:  inputs at which no gradient is checked
    errors: calls that must be refused
    function: for a composite, which has no kernel: what is called instead of `apply`
    effect: whether other processes see a call of it: a program leaves none of them out, does none twice, and keeps their order
    straight_through: whether the gradient is not that of the values but of ``ref`` at complex numbers, which it rounds in their real part
    limit:  how many plans are kept
    form:   the decorator that made it ("elementwise", "rowwise", ...), or "cast"; the proof asks more of some forms than of others
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
    effect: bool = False
    straight_through: bool = False
    form: str = ""
    limit: int = 16384

    def __post_init__(self):
        taken = {*self.inputs, *self.attrs}.intersection(_GIVEN)
        if taken:
            raise TypeError(f"{self.name}: an argument cannot be named {sorted(taken)}, gradient rules use these names")
        known = [*_GIVEN, *self.attrs, *(f"{name}_spec" for name in self.inputs), *self.inputs]
        self.names, self.defaults = tuple(self.attrs), tuple(self.attrs.values())
        self.rules: list[Rule | None] = []
        for name in self.inputs:
            function = self.vjp.get(name)
            needs = tuple(inspect.signature(function).parameters) if function else ()
            unknown = [need for need in needs if need not in known]
            if unknown:
                raise TypeError(f"{self.name}: the gradient rule for {name!r} asks for {unknown}, known are {sorted(known)}")
            self.rules.append(Rule(function, needs, _picker(tuple(map(known.index, needs)))) if function else None)
        for name in self.vjp:
            if name not in self.inputs:
                raise TypeError(f"{self.name}: a gradient rule for {name!r}, which is not an input")
        self.plans: dict[tuple, Plan] = {}
        self.twins: dict[str, Callable] = {}

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
        if not attrs:
            return apply(self, inputs, self.defaults)
        if not attrs.keys() <= self.attrs.keys():
            raise TypeError(f"{self.name}: unknown arguments {sorted(attrs.keys() - self.attrs.keys())}, known are {list(self.attrs)}")
        return apply(self, inputs, tuple(map(attrs.get, self.names, self.defaults)))

    def __repr__(self) -> str:
        return f"<op {self.name}>"


def _picker(places: tuple[int, ...]) -> Callable[[list], Sequence]:
    """What takes the values at some places out of a list."""
    return operator.itemgetter(*places) if len(places) > 1 else lambda values: [values[place] for place in places]


def register(op: Op) -> Op:
    """Put an op in the table."""
    if op.name in TABLE:
        raise ValueError(f"op {op.name!r} is in the table already")
    TABLE[op.name] = op
    return op


def apply(op: Op, inputs: Sequence[Tensor], attrs: tuple = ()):
    """Run ``op`` on tensors; record it if a gradient may flow through it. Returns a Tensor, or a tuple of them."""
    count = len(inputs)
    key: tuple
    if count == 2:
        a, b = inputs
        key = (a._spec, b._spec, attrs)
    elif count == 1:
        key = (inputs[0]._spec, attrs)
    else:
        key = (*[tensor._spec for tensor in inputs], attrs)
    plan = op.plans.get(key)
    if plan is None:
        plan = _plan(op, inputs, attrs, key)
    if plan.convert is not None:
        return apply(op, plan.convert(inputs), attrs)
    if count == 2:
        made = plan.run(a._buffer, b._buffer)
    elif count == 1:
        made = plan.run(inputs[0]._buffer)
    else:
        made = plan.run(*[tensor._buffer for tensor in inputs])
    if made is None:
        raise _kernel_error(op, plan)
    if len(plan.outputs) == 1:
        out = _new(Tensor)  # as Tensor._make, written out: this is the path of nearly every call
        out._buffer = made
        out._spec = plan.outputs[0]
        out._node = out._grad = None
        out._index = 0
        out._name = ""
        if plan.quantized:
            _keep_qparams(inputs[0], (out,))
        elif tapes.active and plan.differentiable:
            _record(op, plan, inputs, attrs, (out,))
        return out
    outs = tuple([Tensor._make(buffer, spec) for buffer, spec in zip(made, plan.outputs, strict=True)])
    if plan.quantized:
        _keep_qparams(inputs[0], outs)
    if tapes.active and plan.differentiable:
        _record(op, plan, inputs, attrs, outs)
    return outs


def _plan(op: Op, inputs: Sequence[Tensor], attrs: tuple, key: tuple) -> Plan:
    """A new plan; remembered under ``key``."""
    plan = plan_for(op, tuple(tensor._spec for tensor in inputs), attrs)
    if len(op.plans) >= op.limit:
        op.plans.clear()
    op.plans[key] = plan
    if watch is not None:
        watch(op, attrs, plan)
    return plan


def plan_for(op: Op, specs: tuple[Spec, ...], attrs: tuple) -> Plan:
    """Infer, choose a kernel and pack it."""
    named = dict(zip(op.attrs, attrs, strict=True))
    check(op.variadic or len(specs) == len(op.inputs), "{}: takes {} inputs, got {}", op.name, len(op.inputs), len(specs))
    for spec in specs[1:]:
        check(spec.device == specs[0].device, "{}: operands on {} and {}", op.name, specs[0].device, spec.device)
    inferred = op.infer(*specs, **named)
    plan: Plan
    if isinstance(inferred, Plan):
        plan = inferred
    else:
        outputs: tuple[Spec, ...] = (inferred,) if isinstance(inferred, Spec) else inferred
        plan = _choose(op, specs, named, outputs)
    plan.inputs = specs
    plan.differentiable = bool(op.vjp) and any(spec.is_float or spec.dtype == complex64 for spec in plan.outputs)
    plan.quantized = _keeps(op, plan)
    return plan


def _keeps(op: Op, plan: Plan) -> bool:
    """See `Plan.quantized`. What is negative is below the zero point in int8 only, which has none."""
    names = {spec.dtype.name for spec in (*plan.inputs, *plan.outputs)}
    return (names == {"int8"} and (op.form == "view" or op.name in _CHOOSING)) or (
        names == {"uint8"} and (op.form == "view" or op.name == "max_pool2d")
    )


def _keep_qparams(source: Tensor, outs: Sequence[Tensor]) -> None:
    if "_qparams" in source.__dict__:
        for out in outs:
            out.qparams.update(source.qparams)


def _choose(op: Op, specs: tuple[Spec, ...], named: dict[str, Any], outputs: tuple[Spec, ...]) -> Plan:
    """The fast twin if there is one for the device and it applies, else the generic form."""
    device = (specs or outputs)[0].device
    halves = op.form not in ("view", "cast") and widened.concerns((*specs, *outputs))
    seen, made = (tuple(map(widened.single, each)) if halves else each for each in (specs, outputs))
    twin = None if config.interpret else op.twins.get("cuda" if device.is_cuda else "cpu")
    program: Program | None = twin(seen, named, made) if twin else None
    if program is not None:
        run: Callable = executor.compile(layout.on_contiguous(seen, program))
    elif halves and op.form not in widened.NATIVE:
        run = op.plan(op, seen, named, made).run
    else:
        return op.plan(op, specs, named, outputs)
    return Plan(outputs, widened.around(run, specs, outputs) if halves else run)


def _kernel_error(op: Op, plan: Plan) -> Exception:
    """The exception for what a kernel found while running: an index out of range is the one thing that compiled ones report."""
    code, value, limit = executor.error_of(plan.run)
    if code == loader.RAISED:
        return loader.raised.pop()
    return KernelIndexError(f"{op.name}: index {value} is out of range for size {limit}")


class KernelIndexError(IndexError, RuntimeError):
    """An index tensor points outside of what it indexes. (MegEngine: RuntimeError.)"""


def _record(op: Op, plan: Plan, inputs: Sequence[Tensor], attrs: tuple, outs: tuple[Tensor, ...]) -> None:
    """Put a node on the tape if a gradient flows from ``outs`` to some input."""
    tape = tapes.current()
    if not tape.recording:
        return
    mask, bit = 0, 1
    origins: list[tuple | None] = []
    for tensor in inputs:
        node = tensor._node
        if node is not None and node.alive:
            mask |= bit
            origins.append((node, tensor._index))
        else:
            origins.append(None)
        bit += bit
    if not mask:
        return
    recipe = plan.recipes.get(mask)
    if recipe is None:
        recipe = plan.recipes[mask] = _recipe(op, mask, len(inputs))
    wanted, kept, keeps_out = recipe
    if not wanted:
        return
    saved = [(t._buffer, t._spec, t._node, t._index) for t in [inputs[position] for position in kept]] if kept else ()
    buffers = [out._buffer for out in outs] if keeps_out else ()
    node = Node(tuple(origins), plan.outputs, _pull, (op, plan.inputs, attrs, recipe, saved, buffers))
    tape.add(node)
    for index, out in enumerate(outs):
        out._node, out._index = node, index


def _recipe(op: Op, mask: int, count: int) -> tuple[tuple[tuple[int, Rule], ...], tuple[int, ...], bool]:
    """For the inputs in ``mask``: their (position, rule) pairs, which inputs these rules read, and whether they read the outputs."""
    wanted = []
    kept: set[int] = set()
    for position in range(count):
        rule = op.rules[0 if op.variadic else position]
        if mask >> position & 1 and rule is not None:
            wanted.append((position, rule))
            kept.update(range(count) if "inputs" in rule.needs else (op.inputs.index(need) for need in rule.needs if need in op.inputs))
    return tuple(wanted), tuple(sorted(kept)), any("out" in rule.needs for _, rule in wanted)


def _pull(node: Node, gradients: list[Tensor | None]) -> list[Tensor | None]:
    """Gradients of a node's inputs, by the rules of its op."""
    op, specs, attrs, (wanted, kept, _), saved, buffers = node.call
    g = gradients[0] if len(gradients) == 1 else tuple(gradients)
    out: Any = ()
    if buffers:
        outs = [_revive(buffer, spec, node, i) for i, (buffer, spec) in enumerate(zip(buffers, node.outputs, strict=True))]
        out = outs[0] if len(outs) == 1 else tuple(outs)
    tensors: list[Any] = [None] * max(len(op.inputs), len(specs))
    for position, what in zip(kept, saved, strict=True):
        tensors[position] = _revive(*what)
    values = [g, out, node.outputs[0], 0, None, {}, *attrs]  # in the order of `_GIVEN` ...
    if op.variadic:
        values[4] = [tensors[position] for position in kept]
        values += (specs, None)
    else:
        values += (*specs, *[None] * (len(op.inputs) - len(specs)), *tensors)  # ... and `Op.rules`
    results: list[Tensor | None] = [None] * len(specs)
    for position, rule in wanted:
        values[_INDEX] = position
        gradient = rule.function(*rule.arguments(values))
        if gradient is not None and gradient._spec.shape != specs[position].shape:  # the op broadcast this input
            gradient = TABLE["sum_to"](gradient, shape=specs[position].shape)
        results[position] = gradient
    return results


def _revive(buffer, spec: Spec, node: Node | None, index: int) -> Tensor:
    """A saved value as a tensor, with the place in the graph that it had."""
    tensor = _new(Tensor)  # as Tensor._make, written out
    tensor._buffer = buffer
    tensor._spec = spec
    tensor._node = node
    tensor._index = index
    tensor._grad = None
    tensor._name = ""
    return tensor
