"""The decorators that declare ops: elementwise, rowwise, gather, scatter, view, composite.

Each turns a short function into a row of the table. What they have in common: ``ref`` is the truth in NumPy, ``vjp`` maps input names to gradient
rules, ``sample(draw)`` draws inputs and attributes for the tests (see `numod.testing.draw`), ``kinks`` are inputs without a gradient, ``errors`` are calls
to be refused. The function's docstring documents the op.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .dtype import boolean, float32, is_float, promote
from .errors import DTypeError, check
from .kernel import elementwise as elementwise_kernel, executor, gather as gather_kernel, layout, rowwise as rowwise_kernel, runtime
from .op import TABLE, Op, Plan, apply, register
from .spec import Spec
from .tensor import Tensor


def _signature(function: Callable) -> tuple[tuple[str, ...], dict[str, Any]]:
    """(names without a default, names with their defaults) of a function's parameters."""
    parameters = inspect.signature(function).parameters.values()
    names = tuple(p.name for p in parameters if p.default is p.empty)
    return names, {p.name: p.default for p in parameters if p.default is not p.empty}


def _doc(function: Callable) -> str:
    return inspect.getdoc(function) or ""


def casts(specs: Sequence[Spec], dtypes: Sequence[np.dtype]) -> Plan | None:
    """The Plan that casts inputs to these dtypes before anything else; None if they have them already."""
    if all(spec.dtype == dtype for spec, dtype in zip(specs, dtypes, strict=True)):
        return None
    cast = TABLE["astype"]
    return Plan(convert=lambda inputs: [t if t.dtype == d else apply(cast, (t,), (d,)) for t, d in zip(inputs, dtypes, strict=True)])


def broadcast(name: str, shapes: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """The shape that all these shapes broadcast to."""
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        check(False, "{}: shapes {} cannot be broadcast together", name, " and ".join(map(str, shapes)))
        raise AssertionError from None


def elementwise(
    *,
    ref: Callable,
    vjp: dict[str, Callable] | None = None,
    takes: str = "number",
    gives: str = "same",
    masks: tuple[str, ...] = (),
    outputs: int = 1,
    sample: Callable | None = None,
    domain: tuple[float, float] = (-4.0, 4.0),
    kinks: tuple[float, ...] = (),
    errors: tuple = (),
    name: str | None = None,
) -> Callable[[Callable], Op]:
    """Declare an op that computes each element of the broadcast inputs from the elements at the same place.

    The decorated function takes one value of each input and returns one (a tuple of ``outputs`` values if there are several).

    takes: "number" (any but bool), "float" (integers become float32), "integer", "bool", or "any".
    gives: the dtype of the result: "same" as the operands', or "bool".
    masks: inputs that are bool and take no part in promotion.
    domain: the range of the values that the tests draw, unless ``sample`` says how to draw.
    """

    def declare(code: Callable) -> Op:
        label = name or code.__name__
        names = tuple(inspect.signature(code).parameters)

        def infer(*specs: Spec):
            shape = broadcast(label, [spec.shape for spec in specs])
            free = [spec.dtype for each, spec in zip(names, specs, strict=True) if each not in masks]
            dtype = _working_dtype(label, takes, promote(*free))
            wanted = [boolean if each in masks else dtype for each in names]
            plan = casts(specs, wanted)
            if plan is not None:
                return plan
            result = boolean if gives == "bool" else dtype
            return tuple(Spec.of(shape, result, specs[0].device) for _ in range(outputs))

        def plan(op: Op, specs: Sequence[Spec], attrs: dict, outs: tuple[Spec, ...]) -> Plan:
            free = [spec.dtype for each, spec in zip(names, specs, strict=True) if each not in masks]
            return Plan(outs, run_elementwise(code, specs, outs, free[0]))

        def draw_sample(draw):
            shapes = draw.broadcastable(len(names))
            dtypes = [boolean if each in masks else boolean if takes == "bool" else None for each in names]
            return tuple(draw.array(s, d, *domain) for s, d in zip(shapes, dtypes, strict=True)), {}

        return register(
            Op(
                label,
                _doc(code),
                names,
                {},
                infer,
                plan,
                code,
                None,
                vjp or {},
                ref,
                sample or draw_sample,
                kinks,
                errors,
                form="elementwise",
            )
        )

    return declare


def run_elementwise(code: Callable, specs: Sequence[Spec], outs: Sequence[Spec], dtype: np.dtype) -> Callable:
    """What runs an elementwise function on the device of its outputs."""
    if outs[0].device.is_cuda:
        from .kernel import cuda

        return cuda.elementwise(code, specs, outs, dtype)
    return executor.compile(elementwise_kernel.program(code, specs, outs, dtype))


def _working_dtype(name: str, takes: str, dtype: np.dtype) -> np.dtype:
    """The dtype an op computes in, given what it takes and what its operands promote to."""
    accepted = {"bool": "b", "integer": "iu", "number": "iuf", "float": "iuf", "any": "biuf"}[takes]
    if dtype.kind not in accepted:
        wanted = {"bool": "bool", "integer": "integers"}.get(takes, "numbers")
        raise DTypeError(f"{name}: takes {wanted}, got {dtype}")
    return float32 if takes == "float" and not is_float(dtype) else dtype


def normalize_axis(name: str, axis: int, ndim: int) -> int:
    """A possibly negative axis as one in [0, ndim)."""
    check(-ndim <= axis < ndim, "{}: axis {} is out of range for {} axes", name, axis, ndim)
    return axis % ndim


def rowwise(
    *,
    ref: Callable,
    per: str | tuple[str, ...],
    vjp: dict[str, Callable] | None = None,
    takes: str = "number",
    gives: str = "same",
    rows: tuple[str, ...] = (),
    numbers: dict[str, float] | None = None,
    sample: Callable | None = None,
    domain: tuple[float, float] = (-4.0, 4.0),
    kinks: tuple[float, ...] = (),
    errors: tuple = (),
    empty: bool = True,
    bool_as: str = "bool",
    name: str | None = None,
) -> Callable[[Callable], Op]:
    """Declare an op that computes along rows; the decorated function is the formula of a row (see `numod.kernel.rowwise`).

    per:  "row": one value for each row; attributes ``axis`` (a sorted tuple) and ``keepdims``.
          "element": one value for each element; attribute ``axis`` (a sorted tuple of neighbouring axes).
          A tuple of these: several results, and attribute ``axis``.
    rows: inputs with one value for each row, of the shape without the reduced axes.
    numbers: attributes that the function takes after the inputs, with their defaults.
    gives: the dtype of the result: "same" as the first input's, or a dtype name.
    empty: whether a row may be empty.
    bool_as: the dtype that bool inputs are converted to.
    """

    def declare(code: Callable) -> Op:
        label = name or code.__name__
        results = (per,) if isinstance(per, str) else per
        scalars = numbers or {}
        names = tuple(name for name in inspect.signature(code).parameters if name not in scalars)

        def infer(*specs: Spec, axis: tuple[int, ...], keepdims: bool = False, **_: float):
            first = specs[0]
            dtype = promote(*[s.dtype for n, s in zip(names, specs, strict=True) if n not in rows])
            dtype = _working_dtype(label, takes, np.dtype(bool_as) if dtype == boolean else dtype)
            plan = casts(specs, [s.dtype if n in rows else dtype for n, s in zip(names, specs, strict=True)])
            if plan is not None:
                return plan
            short = tuple(extent for i, extent in enumerate(first.shape) if i not in axis)
            for each, spec in zip(names, specs, strict=True):
                wanted = short if each in rows else first.shape
                check(spec.shape == wanted, "{}: {} must have shape {}, got {}", label, each, wanted, spec.shape)
            check(empty or all(first.shape[i] for i in axis), "{}: cannot reduce an axis of size 0, got shape {}", label, first.shape)
            known = "element" not in results or rowwise_kernel.layout(first.shape, axis) is not None
            check(known, "{}: axes {} of shape {} must be neighbours, or all but neighbours", label, axis, first.shape)
            result = dtype if gives == "same" else np.dtype(gives)
            kept = tuple(1 if i in axis else extent for i, extent in enumerate(first.shape)) if keepdims else short
            return tuple(first.like(first.shape if each == "element" else kept, result) for each in results)

        def plan(op: Op, specs: Sequence[Spec], attrs: dict, outs: tuple[Spec, ...]) -> Plan:
            dtype = next(spec.dtype for each, spec in zip(names, specs, strict=True) if each not in rows)
            values = [attrs[name] for name in scalars]
            if outs[0].device.is_cuda:
                from .kernel import cuda

                return Plan(outs, cuda.rowwise(code, specs, outs, attrs["axis"], dtype, rows, values))
            return Plan(outs, executor.compile(rowwise_kernel.program(code, specs, outs, attrs["axis"], dtype, rows, values)))

        def draw_sample(draw):
            shape = draw.shape(min_rank=1, min_side=0 if empty else 1)
            attrs: dict[str, Any] = {"axis": (draw.integer(0, len(shape) - 1),) if "element" in results else draw.axes(len(shape))}
            if per == "row":
                attrs["keepdims"] = draw.boolean()
            return tuple(draw.array(shape, None, *domain) for _ in names), attrs

        attrs = {"axis": (), **({"keepdims": False} if per == "row" else {}), **scalars}
        return register(
            Op(
                label,
                _doc(code),
                names,
                attrs,
                infer,
                plan,
                code,
                None,
                vjp or {},
                ref,
                sample or draw_sample,
                kinks,
                errors,
                form="rowwise",
            )
        )

    return declare


def _flatten_integers(attrs: dict[str, Any]) -> list[int]:
    flat: list[int] = []
    for value in attrs.values():
        flat += [int(v) for v in value] if isinstance(value, tuple) else [int(value)]
    return flat


def run_gather(code: Callable, specs: Sequence[Spec], out: Spec, integers: Sequence[int], shapes=None, space=None) -> Callable:
    """What runs a gather function on the device of its output."""
    if out.device.is_cuda:
        from .kernel import cuda

        return cuda.gather(code, specs, out, out.dtype, integers, shapes, space)
    return executor.compile(gather_kernel.gather_program(code, specs, out, out.dtype, integers, shapes, space))


def gather(
    *,
    infer: Callable,
    ref: Callable,
    sample: Callable,
    vjp: dict[str, Callable] | None = None,
    inputs: tuple[str, ...],
    attrs: dict[str, Any] | None = None,
    see: Callable | None = None,
    kinks: tuple[float, ...] = (),
    errors: tuple = (),
    name: str | None = None,
) -> Callable[[Callable], Op]:
    """Declare an op by the value at one output index; see `numod.kernel.gather` for what the decorated function gets.

    see: ``see(specs, attrs, out) -> (input shapes, output shape, integers)``: how the function is to see them;
         by default with their own shapes, and the attributes as integers, tuples spread out.
    """

    def declare(code: Callable) -> Op:
        def plan(op: Op, specs: Sequence[Spec], named: dict, outs: tuple[Spec, ...]) -> Plan:
            shapes, space, integers = see(specs, named, outs[0]) if see else (None, None, _flatten_integers(named))
            return Plan(outs, run_gather(code, specs, outs[0], integers, shapes, space))

        return register(
            Op(
                name or code.__name__,
                _doc(code),
                inputs,
                attrs or {},
                infer,
                plan,
                code,
                None,
                vjp or {},
                ref,
                sample,
                kinks,
                errors,
                False,
                "gather",
            )
        )

    return declare


def scatter(
    *,
    infer: Callable,
    ref: Callable,
    sample: Callable,
    see: Callable,
    mode: str,
    onto_first: bool = False,
    vjp: dict[str, Callable] | None = None,
    inputs: tuple[str, ...],
    attrs: dict[str, Any] | None = None,
    errors: tuple = (),
    name: str | None = None,
    doc: str | None = None,
) -> Callable[[Callable], Op]:
    """Declare an op by where the value at one source index goes; see `numod.kernel.gather`.

    see: ``see(specs, attrs, out) -> (input shapes, source index space, integers)``; with ``onto_first``, shapes of all inputs but the first.
    mode: "add" or "set".
    name, doc: the function's own by default; functions that several ops share need them.
    """

    def declare(code: Callable) -> Op:
        def plan(op: Op, specs: Sequence[Spec], named: dict, outs: tuple[Spec, ...]) -> Plan:
            shapes, space, integers = see(specs, named, outs[0])
            dtype = outs[0].dtype
            if outs[0].device.is_cuda:
                from .kernel import cuda

                return Plan(outs, cuda.scatter(code, specs, outs[0], dtype, space, mode, integers, shapes, onto_first))
            program = gather_kernel.scatter_program(code, specs, outs[0], dtype, space, mode, integers, shapes, onto_first)
            return Plan(outs, executor.compile(program))

        return register(
            Op(
                name or code.__name__,
                doc or _doc(code),
                inputs,
                attrs or {},
                infer,
                plan,
                code,
                None,
                vjp or {},
                ref,
                sample,
                (),
                errors,
                form="scatter",
            )
        )

    return declare


def view(
    *,
    ref: Callable,
    sample: Callable,
    vjp: dict[str, Callable] | None = None,
    attrs: dict[str, Any],
    errors: tuple = (),
    name: str | None = None,
) -> Callable[[Callable], Op]:
    """Declare an op without a kernel: the same memory seen in another way.

    The decorated function ``f(spec, **attrs)`` returns ``(new Spec, byte offset)``, or None if the layout does not allow it; the input is then copied to
    C order first, for which it must allow it. It is the op's ``infer`` as well and raises its errors.
    """

    def declare(code: Callable) -> Op:
        def infer(spec: Spec, **named: Any) -> Spec:
            return (code(spec, **named) or code(spec.like(), **named))[0]

        def plan(op: Op, specs: Sequence[Spec], named: dict, outs: tuple[Spec, ...]) -> Plan:
            (spec,) = specs
            found = code(spec, **named)
            if found is not None:
                result, offset = found
                return Plan((result,), (lambda buffer: shift(buffer, offset, spec)) if offset else _same)
            copy = run_elementwise(layout.identity, [spec], [spec.like()], spec.dtype)
            result, offset = code(spec.like(), **named)
            return Plan((result,), lambda buffer: shift(copy(buffer), offset, spec))

        return register(
            Op(name or code.__name__, _doc(code), ("x",), attrs, infer, plan, code, None, vjp or {}, ref, sample, (), errors, form="view")
        )

    return declare


def _same(buffer):
    return buffer


def shift(buffer, offset: int, spec: Spec):
    """The same memory from ``offset`` bytes on."""
    if spec.device.is_cuda:
        from .kernel import cuda

        return cuda.shift(buffer, offset, spec)
    return runtime.shift(offset, buffer) if offset else buffer


def composite(
    *,
    ref: Callable,
    sample: Callable,
    inputs: tuple[str, ...],
    attrs: dict[str, Any] | None = None,
    kinks=(),
    errors=(),
    name: str | None = None,
) -> Callable[[Callable], Op]:
    """Declare an op that is made of other ops: it needs no kernel and no gradient rule."""

    def declare(code: Callable) -> Op:
        return register(
            Op(
                name or code.__name__,
                _doc(code),
                inputs,
                attrs or {},
                _nothing,
                _nothing,
                code,
                code,
                {},
                ref,
                sample,
                kinks,
                errors,
                form="composite",
            )
        )

    return declare


def _nothing(*specs: Spec, **attrs: Any) -> None:
    """A composite infers nothing itself."""


__all__ = ["Op", "Tensor", "casts", "composite", "elementwise", "gather", "rowwise", "scatter", "view"]
