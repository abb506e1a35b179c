"""Reading and writing along an axis by an index for each element.

`take_along` reads, `put_along` writes, and `add_along` is the transpose of both. Negative indices count from the end.
"""

from __future__ import annotations

import numpy as np

from ..dtype import boolean
from ..errors import DTypeError, ShapeError, check
from ..forms import casts, gather, scatter
from ..spec import Spec
from ..tensor import Tensor
from .compare import equal, keep
from .index import check_axis, check_indices, index_dtype, out_of_range, wrap
from .join import around, nothing, resized, writable
from .view import broadcast_to


def _check_along(name: str, shape: tuple[int, ...], indices: Spec, axis: int) -> None:
    check_indices(name, indices)
    check_axis(name, shape, axis)
    wanted = resized(shape, axis, indices.shape[axis] if indices.ndim == len(shape) else 0)
    check(indices.shape == wanted, "{}: index must have shape {} but for axis {}, got {}", name, shape, axis, indices.shape)


def _take_along_infer(x: Spec, indices: Spec, *, axis: int) -> Spec:
    _check_along("take_along", x.shape, indices, axis)
    return x.like(indices.shape)


def _along_sample(draw):
    """(shape, indices, axis): an index for each element, some of them negative."""
    shape = draw.shape(min_rank=1)
    axis = draw.integer(0, len(shape) - 1)
    size = max(shape[axis], 1)
    shape = resized(shape, axis, size)
    return shape, draw.indices(resized(shape, axis, draw.integer(0, 4)), size) - (size if draw.boolean() else 0), axis


def _take_along_sample(draw):
    shape, indices, axis = _along_sample(draw)
    return (draw.array(shape), indices), {"axis": axis}


@gather(
    takes_complex=True,
    inputs=("x", "indices"),
    attrs={"axis": 0},
    infer=_take_along_infer,
    see=lambda specs, attrs, out: ([around(spec.shape, attrs["axis"]) for spec in specs], around(out.shape, attrs["axis"]), ()),
    vjp={"x": lambda g, indices, x_spec, axis: add_along(g, indices, axis=axis, size=x_spec.shape[axis])},
    ref=lambda x, indices, axis: np.take_along_axis(x, indices, axis),
    sample=_take_along_sample,
    errors=(out_of_range([1.0, 2.0], [3], axis=0),),
)
def take_along(a, k, b, x, indices):
    """The element of ``x`` that ``indices`` selects along an axis, at each place of the other axes."""
    i = checked(wrap(indices[a, k, b], x.shape[1]), x.shape[1])
    return x[a, i, b]


def _add_along_infer(x: Spec, indices: Spec, *, axis: int, size: int) -> Spec:
    _check_along("add_along", x.shape, indices, axis)
    check(x.shape == indices.shape, "add_along: x and index must have one shape, got {} and {}", x.shape, indices.shape)
    if x.dtype == boolean:
        raise DTypeError("add_along: takes numbers, got bool")
    return x.like(resized(x.shape, axis, size))


def _add_along_see(specs, attrs, out):
    seen = around(specs[1].shape, attrs["axis"])
    return [seen, seen], seen, [attrs["size"]]


def _grid(indices, axis):
    """The NumPy index of the places that ``indices`` selects along an axis."""
    grid = list(np.indices(indices.shape))
    grid[axis] = indices
    return tuple(grid)


def _add_along_ref(x, indices, axis, size):
    out = np.zeros(resized(x.shape, axis, size), x.dtype)
    np.add.at(out, _grid(indices, axis), x)
    return out


def _add_along_sample(draw):
    shape, indices, axis = _along_sample(draw)
    return (draw.array(indices.shape), indices), {"axis": axis, "size": shape[axis]}


@scatter(
    takes_complex=True,
    inputs=("x", "indices"),
    attrs={"axis": 0, "size": 0},
    infer=_add_along_infer,
    see=_add_along_see,
    mode="add",
    apart=1,
    vjp={"x": lambda g, indices, axis: take_along(g, indices, axis=axis)},
    ref=_add_along_ref,
    sample=_add_along_sample,
    errors=(out_of_range([1.0], [3], axis=0, size=2), (ShapeError, lambda Tensor, op: op(Tensor([1.0]), Tensor([0, 1]), axis=0, size=2))),
)
def add_along(a, k, b, x, indices, size):
    """Zeros with each element of ``x`` added where ``indices`` selects along an axis with ``size`` places: the transpose of `take_along`."""
    i = checked(wrap(indices[a, k, b], size), size)
    return (a * size + i) * x.shape[2] + b, x[a, k, b]


def _put_along_infer(x: Spec, v: Spec, indices: Spec, *, axis: int):
    _check_along("put_along", x.shape, indices, axis)
    check(v.shape == indices.shape, "put_along: the values must have the shape of the index, {}, got {}", indices.shape, v.shape)
    return casts([x, v, indices], [x.dtype, x.dtype, indices.dtype]) or x.like()


def _put_along_see(specs, attrs, out):
    seen = around(specs[1].shape, attrs["axis"])
    return [seen, seen], seen, [specs[0].shape[attrs["axis"]]]


def _put_along_ref(x, v, indices, axis):
    out = writable(x, v)
    out[_grid(indices, axis)] = v
    return out


def _put_along_sample(draw):
    shape, indices, axis = _along_sample(draw)
    return (draw.array(shape), draw.array(indices.shape), indices), {"axis": axis}


def _written_along(g, x_spec, indices, axis):
    """The gradient of the values: of several for one place only the last was written."""
    order = Tensor(np.arange(indices.size, dtype=index_dtype(indices.size)).reshape(indices.shape), device=indices.device)
    last = put_along(broadcast_to(Tensor(0, device=indices.device), shape=x_spec.shape), order, indices, axis=axis)
    return keep(equal(take_along(last, indices, axis=axis), order), take_along(g, indices, axis=axis))


@scatter(
    takes_complex=True,
    inputs=("x", "v", "indices"),
    attrs={"axis": 0},
    infer=_put_along_infer,
    see=_put_along_see,
    mode="set",
    onto_first=True,
    apart=1,
    vjp={
        "x": lambda g, v_spec, indices, axis: put_along(g, nothing(g, v_spec), indices, axis=axis),
        "v": _written_along,
    },
    ref=_put_along_ref,
    sample=_put_along_sample,
    errors=(
        out_of_range([1.0, 2.0], [5.0], [3], axis=0),
        (ShapeError, lambda Tensor, op: op(*[Tensor([1.0])] * 2, Tensor([[0]]), axis=0)),
    ),
)
def put_along(a, k, b, v, indices, size):
    """``x`` with each element of ``v`` written where ``indices`` selects along an axis; of several values for one place the last stays."""
    i = checked(wrap(indices[a, k, b], size), size)
    return (a * size + i) * v.shape[2] + b, v[a, k, b]
