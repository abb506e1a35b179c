"""Ops that put tensors side by side, and the transposes of slicing.

All of them work on one axis at a time: a tensor is seen as (A, n, B), with n the extent of that axis.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence

import numpy as np

from ..constants import scalar
from ..dtype import promote
from ..errors import ShapeError, check
from ..forms import casts, composite, run_elementwise, run_gather, scatter
from ..kernel import gather, layout
from ..kernel.program import Program, Ref, Step
from ..op import Op, Plan, apply, register
from ..spec import Spec
from .view import broadcast_to, slice_view


def around(shape: tuple[int, ...], axis: int, axes: int = 1) -> tuple[int, int, int]:
    """(A, n, B): ``shape`` with ``axes`` axes from ``axis`` on as the one in the middle."""
    return math.prod(shape[:axis]), math.prod(shape[axis : axis + axes]), math.prod(shape[axis + axes :])


def resized(shape: tuple[int, ...], axis: int, extent: int) -> tuple[int, ...]:
    """``shape`` with another extent of one axis."""
    return (*shape[:axis], extent, *shape[axis + 1 :])


def writable(x, v):
    """For references: a copy of ``x`` that ``v`` can be written into."""
    return np.array(x, np.result_type(x, v) if np.iscomplexobj(v) else x.dtype)


def nothing(g, spec: Spec):
    """Zeros of a shape, of the dtype of a gradient: what is left of it where something else was written."""
    return broadcast_to(scalar(0.0, g), shape=spec.shape)


def along(x, axis: int, start: int, count: int, step: int = 1):
    """The view of ``count`` elements of one axis from ``start`` on, ``step`` apart."""
    return apply(slice_view, (x,), _along(x.shape, axis, start, count, step))


@functools.lru_cache(maxsize=4096)
def _along(shape: tuple[int, ...], axis: int, start: int, count: int, step: int) -> tuple:
    """The attributes of `slice_view` for a slice of one axis."""
    ones = (1,) * len(shape)
    return resized((0,) * len(shape), axis, start), resized(shape, axis, count), resized(ones, axis, step), None


def place(a, i, b, x, row, first, pitch):
    """An element of ``x`` and where it goes in an output with longer rows."""
    return a * row + first + i * pitch + b, x[a, i, b]


def _placed(shape: tuple[int, ...], axis: int, size: int, start: int, step: int) -> tuple[list, tuple[int, int, int], list[int]]:
    """How `place` puts ``shape`` at start, start + step, ... of an axis of ``size``: shapes seen, index space and integers."""
    a, n, b = around(shape, axis)
    if step == 1 and n * b == 1:
        return [(1, a, 1)], (1, a, 1), [0, start, size]
    space = (a, 1, n * b) if step == 1 else (a, n, b)
    return [space], space, [size * b, start * b, step * b]


# -- concat --------------------------------------------------------------------------------------------------------------


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
    """A value of ``x`` with ``y`` behind it."""
    return x[a, i, b] if i < x.shape[1] else y[a, i - x.shape[1], b]


def _concat_plan(op: Op, specs: Sequence[Spec], attrs: dict, outs: tuple[Spec, ...]) -> Plan:
    """The generic form: two at a time."""
    axis, joined = attrs["axis"], specs[0]
    runs: list[Callable] = []
    for spec in specs[1:]:
        out = spec.like(resized(spec.shape, axis, joined.shape[axis] + spec.shape[axis]))
        shapes = [around(joined.shape, axis), around(spec.shape, axis)]
        runs.append(run_gather(either, [joined, spec], out, (), shapes, around(out.shape, axis)))
        joined = out

    def run(done, *rest):
        for join, buffer in zip(runs, rest, strict=True):
            done = join(done, buffer)
        return done

    return Plan(outs, run if runs else run_elementwise(layout.identity, specs, outs, outs[0].dtype))


def _concat_sample(draw):
    shape = draw.shape(min_rank=1)
    axis = draw.integer(0, len(shape) - 1)
    sides = [draw.integer(0, 4) for _ in range(draw.integer(1, 4))]
    return tuple(draw.array(resized(shape, axis, side)) for side in sides), {"axis": axis}


concat = register(
    Op(
        "concat",
        "The tensors one after the other along ``axis``.",
        ("x",),
        {"axis": 0},
        _concat_infer,
        _concat_plan,
        either,
        vjp={
            "x": lambda g, x_spec, axis, index: along(g, axis, sum(spec.shape[axis] for spec in x_spec[:index]), x_spec[index].shape[axis])
        },
        ref=lambda *xs, axis: np.concatenate(xs, axis),
        sample=_concat_sample,
        errors=(
            (ShapeError, lambda Tensor, op: op(axis=0)),
            (ShapeError, lambda Tensor, op: op(Tensor([1.0]), Tensor([1.0]), axis=1)),
            (ShapeError, lambda Tensor, op: op(Tensor([[1.0]]), Tensor([[1.0, 2.0]]), axis=0)),
        ),
        variadic=True,
    )
)


@concat.fast("cpu")
def _concat_runs(specs: Sequence[Spec], attrs: dict, outs: tuple[Spec, ...]) -> Program:
    """Each input is copied to its place in the output."""
    axis, (out,) = attrs["axis"], outs
    steps: list[Step] = []
    start = 0
    for i, spec in enumerate(specs):
        shapes, space, integers = _placed(spec.shape, axis, out.shape[axis], start, 1)
        *_, step = gather.scatter_program(place, [spec.like()], out, out.dtype, space, "set", integers, shapes, apart=len(space)).steps
        steps.append(layout.relocate(step, Ref("out"), i))
        start += spec.shape[axis]
    return Program((out.nbytes,), len(specs), tuple(steps))


_GROUP = 100  # tensors joined by one launch, which takes little more


def join_all(tensors: Sequence, axis: int):
    """`concat` of any number of tensors."""
    while len(tensors) > _GROUP:
        tensors = [apply(concat, tensors[i : i + _GROUP], (axis,)) for i in range(0, len(tensors), _GROUP)]
    return apply(concat, tensors, (axis,))


# -- the transposes of slicing -------------------------------------------------------------------------------------------


def _check_fits(name: str, shape: tuple[int, ...], axis: int, size: int, start: int, step: int) -> None:
    check(0 <= axis < len(shape), "{}: axis {} is out of range for shape {}", name, axis, shape)
    count = shape[axis]
    fits = step >= 1 and start >= 0 and (count == 0 or start + (count - 1) * step < size)
    check(fits, "{}: {} elements from {} by {} do not fit in {}", name, count, start, step, size)


def _unslice_infer(x: Spec, *, axis: int, size: int, start: int, step: int) -> Spec:
    _check_fits("unslice_axis", x.shape, axis, size, start, step)
    return x.like(resized(x.shape, axis, size))


def _spread(shape: tuple[int, ...], axis: int, size: int, start: int, step: int) -> tuple:
    """The NumPy index of the places that a tensor of ``shape`` is put in."""
    return (*[slice(None)] * axis, slice(start, start + step * shape[axis], step)) if shape[axis] else (*[slice(None)] * axis, slice(0, 0))


def _unslice_ref(x, **how):
    out = np.zeros(resized(x.shape, how["axis"], how["size"]), x.dtype)
    out[_spread(x.shape, **how)] = x
    return out


def _places_sample(draw, shape):
    """Attributes of a random place for a tensor of ``shape`` in a longer axis."""
    axis = draw.integer(0, len(shape) - 1)
    start, step = draw.integer(0, 3), draw.integer(1, 3)
    return {"axis": axis, "size": start + shape[axis] * step + draw.integer(0, 2), "start": start, "step": step}


def _unslice_sample(draw):
    shape = draw.shape(min_rank=1)
    return (draw.array(shape),), _places_sample(draw, shape)


unslice_axis = scatter(
    name="unslice_axis",
    takes_complex=True,
    doc="Zeros with ``x`` written at start, start + step, ... of an axis with ``size`` places.",
    inputs=("x",),
    attrs={"axis": 0, "size": 0, "start": 0, "step": 1},
    infer=_unslice_infer,
    see=lambda specs, attrs, out: _placed(specs[0].shape, **attrs),
    mode="set",
    apart=3,
    vjp={"x": lambda g, x_spec, axis, start, step: along(g, axis, start, x_spec.shape[axis], step)},
    ref=_unslice_ref,
    sample=_unslice_sample,
    errors=((ShapeError, lambda Tensor, op: op(Tensor([1.0, 2.0]), axis=0, size=2, start=1)),),
)(place)


def _unslice_all_ref(x, shape, start, step):
    out = np.zeros(shape, x.dtype)
    out[tuple(slice(a, a + n * s if n else a, s) for a, n, s in zip(start, x.shape, step, strict=True))] = x
    return out


def _unslice_all_sample(draw):
    counts = draw.shape(min_rank=1, max_side=3)
    starts, steps = tuple(draw.integer(0, 2) for _ in counts), tuple(draw.integer(1, 3) for _ in counts)
    shape = tuple(a + n * s for a, n, s in zip(starts, counts, steps, strict=True))
    return (draw.array(counts),), {"shape": shape, "start": starts, "step": steps}


@composite(ref=_unslice_all_ref, sample=_unslice_all_sample, inputs=("x",), attrs={"shape": None, "start": None, "step": None})
def unslice(x, *, shape, start, step):
    """Zeros of ``shape`` with ``x`` written where `slice_view` reads: its transpose."""
    for axis, size in enumerate(shape):
        if x.shape[axis] != size:
            x = unslice_axis(x, axis=axis, size=size, start=start[axis], step=step[axis])
    return x


def _set_infer(x: Spec, v: Spec, *, axis: int, start: int, step: int):
    check(0 <= axis < x.ndim, "set_axis: axis {} is out of range for shape {}", axis, x.shape)
    fits = v.ndim == x.ndim and resized(v.shape, axis, 0) == resized(x.shape, axis, 0)
    check(fits, "set_axis: cannot write shape {} along axis {} of shape {}", v.shape, axis, x.shape)
    _check_fits("set_axis", v.shape, axis, x.shape[axis], start, step)
    return casts([x, v], [x.dtype, x.dtype]) or x.like()


def _set_ref(x, v, **how):
    out = writable(x, v)
    out[_spread(v.shape, size=x.shape[how["axis"]], **how)] = v
    return out


def _set_sample(draw):
    shape = draw.shape(min_rank=1)
    how = _places_sample(draw, shape)
    return (draw.array(resized(shape, how["axis"], how.pop("size"))), draw.array(shape)), how


set_axis = scatter(
    name="set_axis",
    takes_complex=True,
    doc="``x`` with ``v`` written over start, start + step, ... of an axis.",
    inputs=("x", "v"),
    attrs={"axis": 0, "start": 0, "step": 1},
    infer=_set_infer,
    see=lambda specs, attrs, out: _placed(specs[1].shape, size=out.shape[attrs["axis"]], **attrs),
    mode="set",
    onto_first=True,
    apart=3,
    vjp={
        "x": lambda g, v_spec, axis, start, step: set_axis(g, nothing(g, v_spec), axis=axis, start=start, step=step),
        "v": lambda g, v_spec, axis, start, step: along(g, axis, start, v_spec.shape[axis], step),
    },
    ref=_set_ref,
    sample=_set_sample,
    errors=(
        (ShapeError, lambda Tensor, op: op(Tensor([1.0, 2.0]), Tensor([1.0]), axis=0, start=2)),
        (ShapeError, lambda Tensor, op: op(Tensor([[1.0, 2.0]]), Tensor([1.0]), axis=0)),
    ),
)(place)
