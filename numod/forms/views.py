"""Forms without a kernel of their own: views of memory, and composites of other ops."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..kernel import layout
from ..op import Op, Plan, register
from ..spec import Spec
from .common import doc_of, shift
from .elements import run_elementwise


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
            Op(name or code.__name__, doc_of(code), ("x",), attrs, infer, plan, code, None, vjp or {}, ref, sample, (), errors, form="view")
        )

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
        return register(
            Op(
                name or code.__name__,
                doc_of(code),
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
