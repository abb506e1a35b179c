"""Forms without a kernel of their own: views of memory, and composites of other ops."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..op import TABLE, Op, Plan, apply
from ..spec import Spec
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
    kinks=(),
    errors=(),
    name: str | None = None,
) -> Callable[[Callable], Op]:
    """Declare an op that is made of other ops: it needs no kernel and no gradient rule."""

    def declare(code: Callable) -> Op:
        return add_row(
            "composite",
            code,
            inputs,
            attrs,
            _nothing,
            _nothing,
            name=name,
            function=code,
            ref=ref,
            sample=sample,
            kinks=kinks,
            errors=errors,
        )

    return declare


def _nothing(*specs: Spec, **attrs: Any) -> None:
    """A composite infers nothing itself."""
