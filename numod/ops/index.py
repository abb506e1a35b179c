"""Reading and writing by index tensors.

The normal form: one integer tensor indexes one axis of a tensor seen as (A, n, B). `take` reads so, `put` writes, and `add_at` is the transpose
of both. Several index tensors are first made one (`join_index`). With an index for each element, see `along`.
Negative indices count from the end.
"""

from __future__ import annotations

import numpy as np

from ..dtype import boolean, int32, int64, is_integer
from ..errors import DTypeError, check
from ..forms import casts, gather, scatter
from ..op import KernelIndexError
from ..spec import Spec
from ..tensor import Tensor
from .compare import equal, keep
from .join import around, nothing, writable
from .view import broadcast_to, reshape


def wrap(index, size):
    """A negative index as the one that it stands for; one that is out of range stays so."""
    return index + size if -size <= index < 0 else index


def index_dtype(size: int) -> np.dtype:
    """The dtype of indices into ``size`` elements."""
    return int32 if size <= 2**31 - 1 else int64


def check_indices(name: str, indices: Spec) -> None:
    """Raise DTypeError unless ``indices`` are integers."""
    if not is_integer(indices.dtype):
        raise DTypeError(f"{name}: indices must be integers, got {indices.dtype}")


def check_axis(name: str, shape: tuple[int, ...], axis: int) -> None:
    """Raise ShapeError unless ``shape`` has the axis."""
    check(0 <= axis < len(shape), "{}: axis {} is out of range for shape {}", name, axis, shape)


def out_of_range(*inputs, **attrs):
    """A declared error: index 3 in an axis of size 2."""
    return (KernelIndexError, lambda Tensor, op: op(*[Tensor(x) for x in inputs], **attrs))


# -- read -----------------------------------------------------------------------------------------------------------------


def _take_infer(x: Spec, indices: Spec, *, axis: int) -> Spec:
    check_indices("take", indices)
    check_axis("take", x.shape, axis)
    return x.like((*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]))


def _take_see(specs, attrs, out):
    x, indices = specs
    a, n, b = around(x.shape, attrs["axis"])
    return [(a, n, b), (indices.size,)], (a, indices.size, b), ()


def _indices_sample(draw, shape):
    """(axis, indices): some of them negative, for an axis of ``shape``."""
    axis = draw.integer(0, len(shape) - 1)
    size = shape[axis]
    indices = draw.indices(draw.shape(max_rank=2, max_side=3) if size else (0,), size)
    return axis, indices - size if draw.boolean() else indices


def _take_sample(draw):
    shape = draw.shape(min_rank=1)
    axis, indices = _indices_sample(draw, shape)
    return (draw.array(shape), indices), {"axis": axis}


@gather(
    takes_complex=True,
    inputs=("x", "indices"),
    attrs={"axis": 0},
    infer=_take_infer,
    see=_take_see,
    vjp={"x": lambda g, indices, x_spec, axis: add_at(g, indices, axis=axis, size=x_spec.shape[axis])},
    ref=lambda x, indices, axis: np.take(x, indices, axis),
    sample=_take_sample,
    errors=(
        out_of_range([1.0, 2.0], [3], axis=0),
        out_of_range([1.0, 2.0], [-3], axis=0),
        (DTypeError, lambda Tensor, op: op(Tensor([1.0]), Tensor([0.0]), axis=0)),
    ),
)
def take(a, k, b, x, indices):
    """The elements of ``x`` at ``indices`` along an axis: ``x[:, indices]`` for axis 1."""
    i = checked(wrap(indices[k], x.shape[1]), x.shape[1])
    return x[a, i, b]


# -- write ----------------------------------------------------------------------------------------------------------------


def _add_infer(x: Spec, indices: Spec, *, axis: int, size: int) -> Spec:
    check_indices("add_at", indices)
    if x.dtype == boolean:
        raise DTypeError("add_at: takes numbers, got bool")
    fits = x.shape[axis : axis + indices.ndim] == indices.shape
    check(fits, "add_at: axes from {} of shape {} must be those of the indices, {}", axis, x.shape, indices.shape)
    return x.like((*x.shape[:axis], size, *x.shape[axis + indices.ndim :]))


def _add_see(specs, attrs, out):
    x, indices = specs
    seen = around(x.shape, attrs["axis"], indices.ndim)
    return [seen, (indices.size,)], seen, [attrs["size"]]


def _add_ref(x, indices, axis, size):
    a, k, b = around(x.shape, axis, indices.ndim)
    out = np.zeros((a, size, b), x.dtype)
    np.add.at(out, (slice(None), indices.ravel()), x.reshape(a, k, b))
    return out.reshape((*x.shape[:axis], size, *x.shape[axis + indices.ndim :]))


def _add_sample(draw):
    shape = draw.shape(min_rank=1)
    axis, indices = _indices_sample(draw, shape)
    return (draw.array((*shape[:axis], *indices.shape, *shape[axis + 1 :])), indices), {"axis": axis, "size": shape[axis]}


@scatter(
    takes_complex=True,
    inputs=("x", "indices"),
    attrs={"axis": 0, "size": 0},
    infer=_add_infer,
    see=_add_see,
    mode="add",
    apart=1,
    vjp={"x": lambda g, indices, axis: take(g, indices, axis=axis)},
    ref=_add_ref,
    sample=_add_sample,
    errors=(out_of_range([1.0], [3], axis=0, size=2),),
)
def add_at(a, k, b, x, indices, size):
    """Zeros with the elements of ``x`` added at ``indices`` of an axis with ``size`` places: the transpose of `take`."""
    i = checked(wrap(indices[k], size), size)
    return (a * size + i) * x.shape[2] + b, x[a, k, b]


def _put_infer(x: Spec, v: Spec, indices: Spec, *, axis: int):
    wanted = _take_infer(x, indices, axis=axis).shape
    check(v.shape == wanted, "put: the values must have shape {}, got {}", wanted, v.shape)
    return casts([x, v, indices], [x.dtype, x.dtype, indices.dtype]) or x.like()


def _put_see(specs, attrs, out):
    x, v, indices = specs
    seen = around(v.shape, attrs["axis"], indices.ndim)
    return [seen, (indices.size,)], seen, [x.shape[attrs["axis"]]]


def _put_ref(x, v, indices, axis):
    out = writable(x, v)
    out[(*[slice(None)] * axis, indices)] = v
    return out


def _put_sample(draw):
    shape = draw.shape(min_rank=1)
    axis, indices = _indices_sample(draw, shape)
    return (draw.array(shape), draw.array((*shape[:axis], *indices.shape, *shape[axis + 1 :])), indices), {"axis": axis}


def _overwrite(g, v_spec, indices, axis):
    """The gradient of what is written over: zero where it was."""
    return put(g, nothing(g, v_spec), indices, axis=axis)


def _written(g, x_spec, v_spec, indices, axis):
    """The gradient of the values: of several for one place only the last was written."""
    if indices.size <= 1:
        return take(g, indices, axis=axis)
    flat = reshape(indices, shape=(indices.size,))
    order = Tensor(np.arange(indices.size), device=indices.device)
    last = put(broadcast_to(Tensor(0, device=indices.device), shape=(x_spec.shape[axis],)), order, flat, axis=0)
    stays = reshape(equal(take(last, flat, axis=0), order), shape=(*indices.shape, *[1] * (x_spec.ndim - axis - 1)))
    return keep(stays, take(g, indices, axis=axis))


@scatter(
    takes_complex=True,
    inputs=("x", "v", "indices"),
    attrs={"axis": 0},
    infer=_put_infer,
    see=_put_see,
    mode="set",
    onto_first=True,
    apart=1,
    vjp={"x": _overwrite, "v": _written},
    ref=_put_ref,
    sample=_put_sample,
    errors=(out_of_range([1.0, 2.0], [5.0], [3], axis=0),),
)
def put(a, k, b, v, indices, size):
    """``x`` with ``v`` written at ``indices`` along an axis; of several values for one place the last stays."""
    i = checked(wrap(indices[k], size), size)
    return (a * size + i) * v.shape[2] + b, v[a, k, b]


# -- indices out of indices -----------------------------------------------------------------------------------------------


def _join_infer(x: Spec, y: Spec, *, rows: int, columns: int) -> Spec:
    check_indices("join_index", x)
    check_indices("join_index", y)
    check(x.shape == y.shape, "join_index: shapes must be equal, got {} and {}", x.shape, y.shape)
    return x.like(dtype=index_dtype(rows * columns))


def _join_sample(draw):
    shape, rows, columns = draw.shape(max_rank=2), draw.integer(1, 5), draw.integer(1, 5)
    return (draw.indices(shape, rows) - rows, draw.indices(shape, columns)), {"rows": rows, "columns": columns}


@gather(
    inputs=("x", "y"),
    attrs={"rows": 0, "columns": 0},
    infer=_join_infer,
    see=lambda specs, attrs, out: ([(out.size,)] * 2, (out.size,), [attrs["rows"], attrs["columns"]]),
    ref=lambda x, y, rows, columns: x % rows * columns + y % columns,
    sample=_join_sample,
    errors=(out_of_range([0], [3], rows=4, columns=2),),
)
def join_index(k, x, y, rows, columns):
    """The index into two axes seen as one, from one index for each."""
    i = checked(wrap(x[k], rows), rows)
    j = checked(wrap(y[k], columns), columns)
    return i * columns + j


def _one_hot_infer(indices: Spec, *, classes: int) -> Spec:
    check_indices("one_hot", indices)
    check(classes >= 1, "one_hot: takes at least one class, got {}", classes)
    return indices.like((*indices.shape, classes), int32)


def _one_hot_sample(draw):
    classes = draw.integer(1, 5)
    return (draw.indices(draw.shape(max_rank=3), classes),), {"classes": classes}


@gather(
    inputs=("indices",),
    attrs={"classes": 1},
    infer=_one_hot_infer,
    see=lambda specs, attrs, out: ([(specs[0].size,)], (specs[0].size, attrs["classes"]), [attrs["classes"]]),
    ref=lambda indices, classes: np.eye(classes, dtype=np.int32)[indices],
    sample=_one_hot_sample,
    errors=(out_of_range([3], classes=3), out_of_range([-1], classes=3)),
)
def one_hot(k, c, indices, classes):
    """A row of zeros with a 1 at the index, for each index."""
    i = checked(indices[k], classes)
    return 1 if i == c else 0
