"""Ops that put tensors together along an axis, and the transposes of slicing.

All of them work on one axis at a time: a tensor is seen as (A, n, B), with n the extent of that axis.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..errors import check
from ..forms import Plan, Spec, casts, composite, promote, run_gather, scatter
from ..kernel import elementwise, gather, layout
from ..kernel.program import Program, Ref, Step
from ..op import Op, register
from .reduce import scalar
from .view import broadcast_to, slice_view


def around(shape: tuple[int, ...], axis: int, axes: int = 1) -> tuple[int, int, int]:
    """(A, n, B): ``shape`` with ``axes`` axes from ``axis`` on as the one in the middle."""
    return math.prod(shape[:axis]), math.prod(shape[axis : axis + axes]), math.prod(shape[axis + axes :])


def resized(shape: tuple[int, ...], axis: int, extent: int) -> tuple[int, ...]:
    """``shape`` with another extent of one axis."""
    return (*shape[:axis], extent, *shape[axis + 1 :])


def place(a, i, b, x, row, first, pitch):
    """Where an element goes in an output whose rows are longer."""
    return a * row + first + i * pitch + b, x[a, i, b]


def _runs(shape: tuple[int, ...], axis: int, size: int, start: int, step: int) -> tuple[tuple[int, int, int], list[int]]:
    """How `place` puts a tensor of ``shape`` at start, start + step, ... of an axis with ``size`` places: (the shape to see, integers)."""
    a, n, b = around(shape, axis)
    if step == 1:
        return (a, 1, n * b), [size * b, start * b, 0]
    return (a, n, b), [size * b, start * b, step * b]


def _concat_infer(*specs: Spec, axis: int):
    check(specs, "concat: takes at least one tensor, got none")
    plan = casts(specs, [promote(*(spec.dtype for spec in specs))] * len(specs))
    if plan is not None:
        return plan
    first = specs[0]
    check(0 <= axis < first.ndim, "concat: axis {} is out of range for shape {}", axis, first.shape)
    for spec in specs[1:]:
        fits = spec.ndim == first.ndim and resized(spec.shape, axis, 0) == resized(first.shape, axis, 0)
        check(fits, "concat: shapes must be equal but for axis {}, got {} and {}", axis, first.shape, spec.shape)
    return first.like(resized(first.shape, axis, sum(spec.shape[axis] for spec in specs)))


def either(a, i, b, x, y):
    """A value of ``y`` put after ``x``."""
    return x[a, i, b] if i < x.shape[1] else y[a, i - x.shape[1], b]


def _concat_plan(op: Op, specs: Sequence[Spec], attrs: dict, outs: tuple[Spec, ...]) -> Plan:
    """One input after the other is put behind what there is."""
    axis = attrs["axis"]
    runs = []
    joined = specs[0]
    for spec in specs[1:]:
        out = spec.like(resized(spec.shape, axis, joined.shape[axis] + spec.shape[axis]))
        shapes = [around(joined.shape, axis), around(spec.shape, axis)]
        runs.append(run_gather(either, [joined, spec], out, (), shapes, around(out.shape, axis)))
        joined = out
    if not runs:
        return Plan(outs, layout.run_copy(specs[0]))
    return Plan(outs, lambda first, *rest: functools.reduce(lambda done, each: each[0](done, each[1]), zip(runs, rest, strict=True), first))
