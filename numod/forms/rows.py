"""The rowwise form; its kernels are made in `numod.kernel.rowwise`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..dtype import boolean, computed_in, is_half, promote
from ..errors import check
from ..kernel import executor, rowwise as rowwise_kernel, widened
from ..op import Op, Plan
from ..spec import Spec
from .common import add_row, casts, working_dtype


def rowwise(
    *,
    ref: Callable,
    per: str | tuple[str, ...],
    vjp: dict[str, Callable] | None = None,
    takes: str = "number",
    gives: str | tuple[str, ...] = "same",
    rows: tuple[str, ...] = (),
    places: tuple[str, ...] = (),
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
    places: inputs with one value for each place in a row, the same for all rows, of the shape of the reduced axes alone.
    numbers: attributes that the function takes after the inputs, with their defaults.
    gives: the dtype of the result: "same" as the first input's, the one that is "computed" in (see `dtype.computed_in`), or a dtype name;
           a tuple if the results differ.
    empty: whether a row may be empty.
    bool_as: the dtype that bool inputs are converted to.
    """

    def declare(code: Callable) -> Op:
        label = name or code.__name__
        results = (per,) if isinstance(per, str) else per
        kinds = (gives,) * len(results) if isinstance(gives, str) else gives
        scalars = numbers or {}
        names = tuple(name for name in inspect.signature(code).parameters if name not in scalars)

        def infer(*specs: Spec, axis: tuple[int, ...], keepdims: bool = False, **_: float):
            first = specs[0]
            dtype = promote(*[s.dtype for n, s in zip(names, specs, strict=True) if n not in rows])
            dtype = working_dtype(label, takes, np.dtype(bool_as) if dtype == boolean else dtype)
            plan = casts(specs, [s.dtype if n in rows else dtype for n, s in zip(names, specs, strict=True)])
            if plan is not None:
                return plan
            short = tuple(extent for i, extent in enumerate(first.shape) if i not in axis)
            row = tuple(first.shape[i] for i in axis)
            for each, spec in zip(names, specs, strict=True):
                wanted = short if each in rows else row if each in places else first.shape
                check(spec.shape == wanted, "{}: {} must have shape {}, got {}", label, each, wanted, spec.shape)
            check(empty or all(first.shape[i] for i in axis), "{}: cannot reduce an axis of size 0, got shape {}", label, first.shape)
            known = "element" not in results or rowwise_kernel.layout(first.shape, axis) is not None
            check(known, "{}: axes {} of shape {} must be neighbours, or all but neighbours", label, axis, first.shape)
            given = [{"same": dtype, "computed": computed_in(dtype)}.get(kind) or np.dtype(kind) for kind in kinds]
            kept = tuple(1 if i in axis else extent for i, extent in enumerate(first.shape)) if keepdims else short
            return tuple(first.like(first.shape if each == "element" else kept, kind) for each, kind in zip(results, given, strict=True))

        def plan(op: Op, specs: Sequence[Spec], attrs: dict, outs: tuple[Spec, ...]) -> Plan:
            dtype = next(spec.dtype for each, spec in zip(names, specs, strict=True) if each not in rows)
            values = [attrs[name] for name in scalars]
            if outs[0].device.is_cuda:
                from ..kernel import cuda_plan

                return Plan(outs, cuda_plan.rowwise(code, specs, outs, attrs["axis"], dtype, rows, places, values))
            wide = any(is_half(spec.dtype) for spec in outs) and rowwise_kernel.keeps(code, len(specs), rows)
            seen, made = (tuple(map(widened.single, each)) if wide else each for each in (specs, outs))
            run = executor.compile(rowwise_kernel.program(code, seen, made, attrs["axis"], computed_in(dtype), rows, places, values))
            return Plan(outs, widened.around(run, specs, outs) if wide else run)

        def draw_sample(draw):
            shape = draw.shape(min_rank=1, min_side=0 if empty else 1)
            attrs: dict[str, Any] = {"axis": (draw.integer(0, len(shape) - 1),) if "element" in results else draw.axes(len(shape))}
            if per == "row":
                attrs["keepdims"] = draw.boolean()
            return tuple(draw.array(shape, None, *domain) for _ in names), attrs

        attrs = {"axis": (), **({"keepdims": False} if per == "row" else {}), **scalars}
        return add_row(
            "rowwise",
            code,
            names,
            attrs,
            infer,
            plan,
            name=name,
            vjp=vjp,
            ref=ref,
            sample=sample or draw_sample,
            kinks=kinks,
            errors=errors,
        )

    return declare
