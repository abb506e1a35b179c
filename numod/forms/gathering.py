"""The gather and scatter forms; their kernels are made in `numod.kernel.gather`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..dtype import computed_in
from ..kernel import executor, gather as gather_kernel
from ..op import Op, Plan
from ..spec import Spec
from .common import add_row


def _flatten_integers(attrs: dict[str, Any]) -> list[int]:
    flat: list[int] = []
    for value in attrs.values():
        flat += [int(v) for v in value] if isinstance(value, tuple) else [int(value)]
    return flat


def run_gather(code: Callable, specs: Sequence[Spec], out: Spec, integers: Sequence[int], shapes=None, space=None) -> Callable:
    """What runs a gather function on the device of its output."""
    if out.device.is_cuda:
        from ..kernel import cuda_plan

        return cuda_plan.gather(code, specs, out, out.dtype, integers, shapes, space)
    return executor.compile(gather_kernel.gather_program(code, specs, out, computed_in(out.dtype), integers, shapes, space))


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
    takes_complex: bool = False,
    name: str | None = None,
) -> Callable[[Callable], Op]:
    """Declare an op by the value at one output index; see `numod.kernel.gather` for what the decorated function gets.

    takes_complex: whether the function serves complex numbers as well.
    see: ``see(specs, attrs, out) -> (input shapes, output shape, integers)``: how the function is to see them;
         by default with their own shapes, and the attributes as integers, tuples spread out.
    """

    def declare(code: Callable) -> Op:
        def plan(op: Op, specs: Sequence[Spec], named: dict, outs: tuple[Spec, ...]) -> Plan:
            shapes, space, integers = see(specs, named, outs[0]) if see else (None, None, _flatten_integers(named))
            return Plan(outs, run_gather(code, specs, outs[0], integers, shapes, space))

        return add_row(
            "gather",
            code,
            inputs,
            attrs,
            infer,
            plan,
            takes_complex=takes_complex,
            name=name,
            vjp=vjp,
            ref=ref,
            sample=sample,
            kinks=kinks,
            errors=errors,
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
    apart: int = 0,
    vjp: dict[str, Callable] | None = None,
    inputs: tuple[str, ...],
    attrs: dict[str, Any] | None = None,
    errors: tuple = (),
    takes_complex: bool = False,
    name: str | None = None,
    doc: str | None = None,
) -> Callable[[Callable], Op]:
    """Declare an op by where the value at one source index goes; see `numod.kernel.gather`.

    see: ``see(specs, attrs, out) -> (input shapes, source index space, integers)``; with ``onto_first``, shapes of all inputs but the first.
    mode: "add" or "set". apart: how many of the first axes of the space separate: what differs there goes to different places.
    takes_complex: whether the function serves complex numbers as well.
    name, doc: the function's own by default; functions that several ops share need them.
    """

    def declare(code: Callable) -> Op:
        def plan(op: Op, specs: Sequence[Spec], named: dict, outs: tuple[Spec, ...]) -> Plan:
            shapes, space, integers = see(specs, named, outs[0])
            dtype = outs[0].dtype
            if outs[0].device.is_cuda:
                from ..kernel import cuda_plan

                return Plan(outs, cuda_plan.scatter(code, specs, outs[0], dtype, space, mode, integers, shapes, onto_first))
            program = gather_kernel.scatter_program(code, specs, outs[0], dtype, space, mode, integers, shapes, onto_first, apart)
            return Plan(outs, executor.compile(program))

        return add_row(
            "scatter",
            code,
            inputs,
            attrs,
            infer,
            plan,
            takes_complex=takes_complex,
            name=name,
            doc=doc,
            vjp=vjp,
            ref=ref,
            sample=sample,
            errors=errors,
        )

    return declare
