"""What the forms share: casts before an op, broadcasting, axes, and views of memory."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..dtype import complex64, float32, is_float, kind_of
from ..errors import DTypeError, check
from ..kernel import runtime
from ..op import TABLE, Op, Plan, register
from ..spec import Spec


def add_row(
    form: str,
    code: Callable,
    inputs: tuple[str, ...],
    attrs: dict[str, Any] | None,
    infer: Callable,
    plan: Callable,
    *,
    name: str | None = None,
    doc: str | None = None,
    vjp: dict[str, Callable] | None = None,
    takes_complex: bool = True,
    **fields: Any,
) -> Op:
    """Put the op that a form makes of a function in the table; its name and docstring are the op's, if nothing else is said.

    takes_complex: False in forms whose ``infer`` does not look at dtypes and whose function is for real numbers; complex ones are refused then.
    """
    name, doc = name or code.__name__, doc or inspect.getdoc(code) or ""
    infer = infer if takes_complex else _of_real(name, infer)
    return register(Op(name, doc, inputs, attrs or {}, infer, plan, code, vjp=vjp or {}, form=form, **fields))


def _of_real(name: str, infer: Callable) -> Callable:
    """``infer`` that refuses complex numbers."""

    def infer_real(*specs: Spec, **attrs: Any):
        if any(spec.dtype == complex64 for spec in specs):
            raise DTypeError(f"{name}: takes real numbers, got complex64")
        return infer(*specs, **attrs)

    return infer_real


class Casts:
    """What casts inputs to ``dtypes``."""

    def __init__(self, dtypes: Sequence[np.dtype]):
        self.dtypes = dtypes

    def __call__(self, inputs: Sequence[Any], call: Callable = Op.__call__) -> list:
        """The inputs with these dtypes, those that differ cast by ``call``."""
        cast = TABLE["astype"]
        return [x if x._spec.dtype == dtype else call(cast, x, dtype=dtype) for x, dtype in zip(inputs, self.dtypes, strict=True)]


def casts(specs: Sequence[Spec], dtypes: Sequence[np.dtype]) -> Plan | None:
    """The Plan that casts inputs to these dtypes before anything else; None if they have them already."""
    if all(spec.dtype == dtype for spec, dtype in zip(specs, dtypes, strict=True)):
        return None
    return Plan(convert=Casts(dtypes))


def broadcast(name: str, shapes: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """The shape that all these shapes broadcast to."""
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        check(False, "{}: shapes {} cannot be broadcast together", name, " and ".join(map(str, shapes)))
        raise AssertionError from None


def working_dtype(name: str, takes: str, dtype: np.dtype) -> np.dtype:
    """The dtype an op computes in, given what it takes and what its operands promote to."""
    accepted = {"bool": "b", "integer": "iu", "number": "iuf", "complex": "iufc", "float": "iuf", "any": "biuf", "all": "biufc"}[takes]
    if kind_of(dtype) not in accepted:
        wanted = {"bool": "bool", "integer": "integers"}.get(takes, "numbers")
        raise DTypeError(f"{name}: takes {wanted}, got {dtype}")
    return float32 if takes == "float" and not is_float(dtype) else dtype


def normalize_axis(name: str, axis: int, ndim: int) -> int:
    """A possibly negative axis as one in [0, ndim)."""
    check(-ndim <= axis < ndim, "{}: axis {} is out of range for {} axes", name, axis, ndim)
    return axis % ndim


def shift(buffer, offset: int, spec: Spec):
    """The same memory from ``offset`` bytes on, as elements of ``spec``."""
    if spec.device.is_cuda:
        from ..kernel import cuda

        return cuda.shift(buffer, offset, spec)
    return runtime.shift(offset, buffer) if offset else buffer


def alias(buffer, spec: Spec):
    """Another buffer that shows the same memory."""
    if spec.device.is_cuda:
        from ..kernel import cuda

        return cuda.Buffer(buffer.array, buffer.pool, buffer.owner or buffer)
    return runtime.shift(0, buffer)
