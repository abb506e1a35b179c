"""Ops that see the same memory in another way, and casts and copies."""

from __future__ import annotations

import math

import numpy as np

from ..dtype import as_dtype, complex64, is_float, is_integer
from ..errors import DTypeError, check
from ..forms import broadcast, run_elementwise, view
from ..kernel import executor, layout, widened
from ..kernel.axes import collapse
from ..kernel.program import Program, Ref
from ..op import TABLE, Op, Plan, register
from ..spec import Spec


def _astype_infer(x: Spec, *, dtype: np.dtype) -> Spec:
    out = x.like(dtype=as_dtype(dtype))
    if x.dtype == complex64 != out.dtype:
        raise DTypeError(f"astype: complex64 cannot become {out.dtype}; take real or imag of it")
    return out


def _astype_plan(op: Op, specs, attrs, outs) -> Plan:
    (spec,), (out,) = specs, outs
    if spec.dtype != out.dtype:
        widened.concerns((spec, out))
    if spec.dtype == out.dtype and not out.device.is_cuda:
        return Plan(outs, executor.compile(Program((out.nbytes,), 1, (layout.copy_step(spec, 0, Ref("out")),))))
    code = truth if out.dtype == np.dtype(bool) else truncate if is_float(spec.dtype) and is_integer(out.dtype) else layout.identity
    return Plan(outs, run_elementwise(code, specs, outs, spec.dtype))


def truth(x):
    """A number as a bool."""
    return x != 0


def truncate(x):
    """A float as an integer: through int64, so that what does not fit wraps and NaN is the smallest int32."""
    return int(x)


def _astype_sample(draw):
    source, target = (as_dtype(draw.choice(["float16", "bfloat16", "float32", "float64", "int32", "uint8", "bool"])) for _ in range(2))
    target = complex64 if draw.boolean() else target
    return (draw.array(draw.shape(), source, 0.0, 100.0),), {"dtype": target}


def _astype_ref(x, dtype):
    if is_integer(dtype) and x.dtype.kind == "f":
        x = x.astype(np.int64)
    return x if is_float(dtype) and x.dtype.kind in "fc" else x.astype(float if is_float(dtype) else dtype)


def _astype_gradient(g, x_spec, dtype):
    if as_dtype(dtype) == x_spec.dtype:
        return g
    if not x_spec.is_float:
        return None
    if dtype == complex64:
        return astype(TABLE["real"](g), dtype=x_spec.dtype)
    return astype(g, dtype=x_spec.dtype) if is_float(as_dtype(dtype)) else None


astype = register(
    Op(
        "astype",
        "The values in another dtype; floats are truncated toward zero, integers wrap.",
        ("x",),
        {"dtype": None},
        _astype_infer,
        _astype_plan,
        layout.identity,
        vjp={"x": _astype_gradient},
        ref=_astype_ref,
        sample=_astype_sample,
        form="cast",
    )
)


def resolve_shape(name: str, spec: Spec, shape: tuple[int, ...]) -> tuple[int, ...]:
    """``shape`` with its -1 replaced by what is left."""
    check(shape.count(-1) <= 1 and all(extent >= -1 for extent in shape), "{}: cannot see shape {} as {}", name, spec.shape, shape)
    if -1 in shape:
        known = math.prod(extent for extent in shape if extent != -1)
        check(known > 0 and spec.size % known == 0, "{}: cannot see shape {} as {}", name, spec.shape, shape)
        shape = tuple(spec.size // known if extent == -1 else extent for extent in shape)
    check(math.prod(shape) == spec.size, "{}: cannot see shape {} as {}", name, spec.shape, shape)
    return shape


def _reshape_sample(draw):
    shape = draw.shape(min_rank=1)
    cut = draw.integer(0, len(shape))
    return (draw.array(shape),), {"shape": (math.prod(shape[:cut]), *shape[cut:])}


@view(
    ref=lambda x, shape: x.reshape(shape),
    attrs={"shape": None},
    vjp={"x": lambda g, x_spec: reshape(g, shape=x_spec.shape)},
    sample=_reshape_sample,
)
def reshape(x, *, shape):
    """The same elements in C order with another shape; one extent may be -1."""
    shape = resolve_shape("reshape", x, shape)
    if x.contiguous:
        return x.like(shape), 0
    strides = _strides_of(x, shape)
    return None if strides is None else (Spec.of(shape, x.dtype, x.device, strides), 0)


def _strides_of(x: Spec, shape: tuple[int, ...]) -> tuple[int, ...] | None:
    """Strides that show the elements of ``x`` in another shape; None if there are none."""
    extents, (steps,) = collapse(x.shape, [x.strides])
    runs = list(zip(extents, steps, strict=True))
    strides = []
    left, step = 1, 1  # elements of the current run that are still to be spread over axes, and their distance
    for extent in shape:
        if left == 1 and extent != 1:
            left, step = runs.pop(0)
        if left % extent:
            return None
        left //= extent
        strides.append(step * left)
    return tuple(strides)


def _transpose_sample(draw):
    shape = draw.shape()
    return (draw.array(shape),), {"axes": draw.permutation(len(shape))}


@view(
    ref=lambda x, axes: x.transpose(axes),
    attrs={"axes": None},
    vjp={"x": lambda g, axes: transpose(g, axes=tuple(int(i) for i in np.argsort(axes)))},
    sample=_transpose_sample,
)
def transpose(x, *, axes):
    """The axes in another order."""
    check(sorted(axes) == list(range(x.ndim)), "transpose: axes {} are not a permutation of the {} axes", axes, x.ndim)
    return Spec.of(tuple(x.shape[a] for a in axes), x.dtype, x.device, tuple(x.strides[a] for a in axes)), 0


def _broadcast_sample(draw):
    small, large = draw.broadcast_pair()
    return (draw.array(small),), {"shape": large}


@view(
    ref=np.broadcast_to,
    attrs={"shape": None},
    vjp={"x": lambda g, x_spec: _table("sum_to")(g, shape=x_spec.shape)},
    sample=_broadcast_sample,
)
def broadcast_to(x, *, shape):
    """Repeat along axes of extent 1 and along new leading axes, without a copy."""
    check(broadcast("broadcast_to", [x.shape, shape]) == shape, "broadcast_to: cannot broadcast shape {} to {}", x.shape, shape)
    missing = len(shape) - x.ndim
    strides = (0,) * missing + tuple(
        0 if own == 1 and wanted != 1 else stride for own, wanted, stride in zip(x.shape, shape[missing:], x.strides, strict=True)
    )
    return Spec.of(shape, x.dtype, x.device, strides), 0


def _table(name: str) -> Op:
    from ..op import TABLE

    return TABLE[name]


def _slice_sample(draw):
    shape = draw.shape(min_rank=1)
    starts = tuple(draw.integer(0, extent) for extent in shape)
    steps = tuple(draw.integer(1, 3) for _ in shape)
    counts = tuple(draw.integer(0, max(0, -(-(n - a) // s))) for n, a, s in zip(shape, starts, steps, strict=True))
    shape_given = tuple(n for n in counts if n != 1) if draw.boolean() else None
    return (draw.array(shape),), {"start": starts, "count": counts, "step": steps, "shape": shape_given}


def _slice_ref(x, start, count, step, shape):
    part = x[tuple(slice(a, a + n * s if n else a, s) for a, n, s in zip(start, count, step, strict=True))]
    return part if shape is None else part.reshape(shape)


def _slice_gradient(g, x_spec, start, count, step):
    return _table("unslice")(reshape(g, shape=count), shape=x_spec.shape, start=start, step=step)


@view(ref=_slice_ref, attrs={"start": None, "count": None, "step": None, "shape": None}, vjp={"x": _slice_gradient}, sample=_slice_sample)
def slice_view(x, *, start, count, step, shape=None):
    """``count`` elements of each axis from ``start`` on, ``step`` (at least 1) apart; seen in ``shape``, which may differ by axes of extent 1."""
    for axis, (extent, a, n, s) in enumerate(zip(x.shape, start, count, step, strict=True)):
        check(
            s >= 1 and 0 <= a <= extent and (n == 0 or a + (n - 1) * s < extent),
            "slice: axis {} of size {}: {} elements from {} by {}",
            axis,
            extent,
            n,
            a,
            s,
        )
    offset = sum(a * stride for a, stride in zip(start, x.strides, strict=True)) if 0 not in count else 0
    strides = tuple(stride * s for stride, s in zip(x.strides, step, strict=True))
    part = Spec.of(tuple(count), x.dtype, x.device, strides)
    if shape is not None:
        check([n for n in shape if n != 1] == [n for n in count if n != 1], "slice: cannot see shape {} as {}", count, shape)
        part = reshape.code(part, shape=shape)[0]
    return part, offset * x.dtype.itemsize
