"""Joint forms: an op made of other ops that is planned as a whole and runs as one launch, however many tensors it is about."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import check
from ..kernel import executor
from ..kernel.joined import Joined, Place
from ..op import Op, Plan, apply, plan_for
from ..spec import Spec
from .common import Casts, add_row


class Value:
    """What stands for a tensor while a joint op is planned: its Spec, and where it will be."""

    __slots__ = ("_spec", "place")

    def __init__(self, spec: Spec, place: Any):
        self._spec, self.place = spec, place

    dtype = property(lambda self: self._spec.dtype)
    shape = property(lambda self: self._spec.shape)
    ndim = property(lambda self: self._spec.ndim)
    size = property(lambda self: self._spec.size)


def joint(
    *, ref: Callable, sample: Callable, attrs: dict[str, Any] | None = None, errors: tuple = (), name: str | None = None
) -> Callable[[Callable], Op]:
    """Declare an op on any number of tensors that is one launch of what other ops do.

    The decorated function ``f(call, *tensors, **attrs)`` returns a tuple of tensors. It may only look at their ``shape``, ``dtype``, ``ndim`` and ``size``, and
    applies an op by ``call(op, *tensors, **attrs)``. On a GPU the ops are launched one by one.
    """

    def declare(code: Callable) -> Op:
        def infer(*specs: Spec, **named: Any) -> Plan:
            joined = Joined()
            inputs = [Value(spec, Place(spec.nbytes)) for spec in specs]

            def add(op: Op, attrs: tuple, plan: Plan, values: Sequence[Value]) -> Sequence[Place]:
                return joined.add(plan.run.program, [value.place for value in values])  # type: ignore[attr-defined]

            results = code(recorder(add), *inputs, **named)
            program = joined.program([value.place for value in inputs], [value.place for value in results])
            return Plan(tuple(value._spec for value in results), executor.compile(program))

        def run(*tensors, **named: Any):
            check(tensors, "{}: takes at least one tensor, got none", op.name)
            if tensors[0]._spec.device.is_cuda:
                return code(Op.__call__, *tensors, **named)
            made = apply(op, tensors, tuple([named.get(attr, default) for attr, default in op.attrs.items()]))
            return made if isinstance(made, tuple) else (made,)

        # its plans speak of many tensors, and which of them have a gradient may change from step to step
        op = add_row(
            "joint",
            code,
            ("x",),
            attrs,
            infer,
            _planned,
            name=name,
            ref=ref,
            sample=sample,
            errors=errors,
            variadic=True,
            function=run,
            limit=256,
        )
        return op

    return declare


def _planned(*_: Any) -> None:
    """A joint op's ``infer`` has planned it."""


def recorder(add: Callable[[Op, tuple, Plan, Sequence[Value]], Sequence[Any]]) -> Callable:
    """``call(op, *values, **attrs)`` for the code of a joint op: what the op gives, as Values.

    ``add(op, attrs, plan, values)`` sees each op that is a program of kernels, and says where its outputs will be.
    """

    def call(op: Op, *inputs: Value, **named: Any):
        attrs = tuple(named.get(name, default) for name, default in op.attrs.items())
        specs = tuple(value._spec for value in inputs)
        plan = plan_for(op, specs, attrs)
        if isinstance(plan.convert, Casts):
            return call(op, *plan.convert(inputs, call), **named)
        if op.form == "view" and plan.convert is None:
            spec, offset = op.code(*specs, **dict(zip(op.attrs, attrs, strict=True)))
            return Value(spec, inputs[0].place.shifted(offset))
        if getattr(plan.run, "program", None) is None:
            raise TypeError(f"{op.name}: cannot be part of a joint op, as it is no program of kernels for {specs}")
        made = [Value(spec, place) for spec, place in zip(plan.outputs, add(op, attrs, plan, inputs), strict=True)]
        return made[0] if len(made) == 1 else tuple(made)

    return call


def each(*, ref: Callable, sample: Callable, most: int = 3, name: str | None = None) -> Callable[[Callable], Op]:
    """Declare an op that does the same to any number of rows of tensors in one launch.

    The decorated function ``f(call, a, b, ..., *, setting, ..., option=default)`` returns a tuple of new tensors for one row ``a, b, ...``.
    The ``settings``, tensors as well, are the same for all rows and come behind them among the op's inputs; what has a default is an attribute.

    ref: the row's results, from arrays, ``ref(a, b, ..., setting, ..., option=...)``. sample: draws one row and settings. most: rows in the tests.
    """

    def declare(code: Callable) -> Op:
        parameters = list(inspect.signature(code).parameters.values())[1:]
        width = sum(each.kind is not each.KEYWORD_ONLY for each in parameters)
        settings = [each.name for each in parameters[width:] if each.default is each.empty]
        attrs = {each.name: each.default for each in parameters[width:] if each.default is not each.empty}
        label = name or code.__name__

        def split(tensors: Sequence) -> tuple[list, Sequence]:
            count = len(tensors) - len(settings)
            check(
                count > 0 and count % width == 0,
                "{}: takes rows of {} tensors and {} settings, got {}",
                label,
                width,
                len(settings),
                len(tensors),
            )
            return [tensors[i : i + width] for i in range(0, count, width)], tensors[count:]

        def rows(call: Callable, *tensors: Any, **named: Any) -> tuple:
            found, shared = split(tensors)
            given = dict(zip(settings, shared, strict=True))
            return tuple(new for row in found for new in code(call, *row, **given, **named))

        def reference(*arrays: np.ndarray, **named: Any) -> list:
            found, shared = split(arrays)
            return [np.asarray(new) for row in found for new in ref(*row, *shared, **named)]

        def draw_sample(draw):
            drawn = [sample(draw) for _ in range(draw.integer(1, most))]
            (first, named) = drawn[0]
            return (*(x for inputs, _ in drawn for x in inputs[:width]), *first[width:]), named

        rows.__doc__ = code.__doc__
        return joint(ref=reference, sample=draw_sample, attrs=attrs, name=label)(rows)

    return declare
