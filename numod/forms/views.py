"""Forms without a kernel of their own: views of memory, and composites of other ops."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .. import tape as tapes
from ..op import TABLE, Op, Plan, apply
from ..spec import Spec
from ..tensor import Tensor
from .common import add_row, shift


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
        def infer(spec: Spec, **named: Any) -> Spec | Plan:
            found = code(spec, **named)
            if found is None:
                return Plan(convert=lambda inputs: [apply(TABLE["astype"], inputs, (spec.dtype,))])  # a copy in C order
            return found[0]

        def plan(op: Op, specs: Sequence[Spec], named: dict, outs: tuple[Spec, ...]) -> Plan:
            (spec,), (result,) = specs, outs
            offset = code(spec, **named)[1]
            moved = offset or result.dtype != spec.dtype
            return Plan(outs, (lambda buffer: shift(buffer, offset, result)) if moved else _same)

        return add_row("view", code, ("x",), attrs, infer, plan, name=name, vjp=vjp, ref=ref, sample=sample, errors=errors)

    return declare


def _same(buffer):
    return buffer


def composite(
    *,
    ref: Callable,
    sample: Callable,
    inputs: tuple[str, ...],
    attrs: dict[str, Any] | None = None,
    infer: Callable | None = None,
    vjp: dict[str, Callable] | None = None,
    kinks=(),
    errors=(),
    name: str | None = None,
) -> Callable[[Callable], Op]:
    """Declare an op that is made of other ops: it needs no kernel and no gradient rule.

    infer: makes it a whole that may have a fast twin and rules: the parts are what it does where there is no twin, and what is recorded of it where
    there are no rules.
    """

    def declare(code: Callable) -> Op:
        def plan(op: Op, specs: Sequence[Spec], named: dict, outs: tuple[Spec, ...]) -> Plan:
            def run(*buffers):
                made = code(*map(Tensor._make, buffers, specs), **named)
                return tuple(each._buffer for each in made) if isinstance(made, tuple) else made._buffer

            return Plan(outs, run)

        def whole_or_parts(*tensors: Tensor, **named: Any):
            if tapes.active and tapes.current().recording:
                return code(*tensors, **named)
            return apply(op, tensors, tuple(named.get(attr, default) for attr, default in op.attrs.items()))

        op = add_row(
            "composite",
            code,
            inputs,
            attrs,
            infer or _nothing,
            plan if infer else _nothing,
            name=name,
            function=None if vjp else whole_or_parts if infer else code,
            vjp=vjp,
            ref=ref,
            sample=sample,
            kinks=kinks,
            errors=errors,
        )
        return op

    return declare


def _nothing(*specs: Spec, **attrs: Any) -> None:
    """A composite infers nothing itself."""
