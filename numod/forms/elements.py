"""The elementwise form; its kernels are made in `numod.kernel.elementwise`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence

import numpy as np

from ..dtype import boolean, computed_in, promote
from ..kernel import elementwise as elementwise_kernel, executor
from ..op import Op, Plan
from ..spec import Spec
from .common import add_row, broadcast, casts, working_dtype


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
    straight_through: bool = False,
    name: str | None = None,
) -> Callable[[Callable], Op]:
    """Declare an op that computes each element of the broadcast inputs from the elements at the same place.

    The decorated function takes one value of each input and returns one (a tuple of ``outputs`` values if there are several).

    takes: "number" (any but bool), "float" (integers become float32), "integer", "bool", "any"; with complex numbers too: "complex" (any but bool)
           or "all".
    gives: the dtype of the result: "same" as the operands', or a dtype name.
    masks: inputs that are bool and take no part in promotion.
    domain: the range of the values that the tests draw, unless ``sample`` says how to draw.
    straight_through: whether the gradient skips rounding; ``ref`` then rounds complex numbers in their real part, and is no analytic function.
    """

    def declare(code: Callable) -> Op:
        label = name or code.__name__
        names = tuple(inspect.signature(code).parameters)

        def infer(*specs: Spec):
            shape = broadcast(label, [spec.shape for spec in specs])
            free = [spec.dtype for each, spec in zip(names, specs, strict=True) if each not in masks]
            dtype = working_dtype(label, takes, promote(*free))
            wanted = [boolean if each in masks else dtype for each in names]
            plan = casts(specs, wanted)
            if plan is not None:
                return plan
            result = dtype if gives == "same" else np.dtype(gives)
            return tuple(Spec.of(shape, result, specs[0].device) for _ in range(outputs))

        def plan(op: Op, specs: Sequence[Spec], attrs: dict, outs: tuple[Spec, ...]) -> Plan:
            free = [spec.dtype for each, spec in zip(names, specs, strict=True) if each not in masks]
            return Plan(outs, run_elementwise(code, specs, outs, free[0]))

        def draw_sample(draw):
            shapes = draw.broadcastable(len(names))
            dtypes = [boolean if each in masks else boolean if takes == "bool" else None for each in names]
            return tuple(draw.array(s, d, *domain) for s, d in zip(shapes, dtypes, strict=True)), {}

        return add_row(
            "elementwise",
            code,
            names,
            {},
            infer,
            plan,
            name=name,
            vjp=vjp,
            ref=ref,
            sample=sample or draw_sample,
            kinks=kinks,
            errors=errors,
            straight_through=straight_through,
        )

    return declare


def run_elementwise(code: Callable, specs: Sequence[Spec], outs: Sequence[Spec], dtype: np.dtype) -> Callable:
    """What runs an elementwise function on the device of its outputs."""
    if outs[0].device.is_cuda:
        from ..kernel import cuda_plan

        return cuda_plan.elementwise(code, specs, outs, dtype)
    return executor.compile(elementwise_kernel.program(code, specs, outs, computed_in(dtype)))
