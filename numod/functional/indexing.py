"""Reading and writing parts of a tensor: ``x[index]``, ``x[index] = v``, gather, scatter, one-hot, embedding.

An index is taken apart once. Its basic part (integers, slices, None, Ellipsis) is a view, with what runs backwards turned round by `take`; the
arrays, lists, masks and tensors in it are made one index tensor into one axis of that view. Writing goes the same way back.
"""

from __future__ import annotations

import functools
import math
import operator
from typing import Any, NamedTuple

import numpy as np

from ..dtype import boolean, is_integer
from ..errors import check
from ..forms import broadcast
from ..op import KernelIndexError, apply
from ..ops import compare, index as indexed, join, view
from ..tensor import Tensor, as_array
from .elemwise import operands
from .tensor import expand_dims

FULL = (None, None, None)  # a slice in a key: start, stop, step


class Basic(NamedTuple):
    """A basic index, for tensors of one shape.

    start, count, step: what `slice_view` reads. whole: that this is everything. reversed: the axes that are turned round after it. shape: of the result.
    """

    start: tuple[int, ...]
    count: tuple[int, ...]
    step: tuple[int, ...]
    whole: bool
    reversed: tuple[int, ...]
    shape: tuple[int, ...]


class Advanced(NamedTuple):
    """The index tensors in an index.

    basic: the view that they index, with an axis for each of those they take up.
    order: how its axes are to be transposed so that the indexed ones are neighbours; axis: the first of them then; axes: their number.
    indices: one tensor into these axes seen as one.
    """

    basic: Basic
    order: tuple[int, ...]
    axis: int
    axes: int
    indices: Tensor


def getitem(inp: Tensor, index: Any) -> Tensor:
    """``inp[index]``, with NumPy's meaning.

    Integers, slices, None and Ellipsis make a view; integer tensors, arrays and lists, and masks of bool copy. KernelIndexError (an IndexError)
    for an index that is out of range, TypeError for one that is none.

    >>> getitem(Tensor([[1, 2], [3, 4]]), (slice(None), [1, 0])).tolist()
    [[2, 1], [4, 3]]
    """
    key = _key(index)
    if key is not None:
        return _read(inp, _basic(inp._spec.shape, key))
    what = _advanced(inp, index)
    out = _gathered_axes(_read(inp, what.basic), what)
    return apply(indexed.take, (out, what.indices), (what.axis,))


def setitem(inp: Tensor, index: Any, value: Any) -> Tensor:
    """A new tensor: ``inp`` with ``value``, cast and broadcast, at ``index``. Of several values for one place the last stays.

    >>> setitem(Tensor([1, 2, 3]), slice(1, None), 0).tolist()
    [1, 0, 0]
    """
    value = operands(inp, value)[1]
    if value.dtype != inp.dtype:
        value = apply(view.astype, (value,), (inp.dtype,))
    key = _key(index)
    if key is not None:
        return _write(inp, _basic(inp._spec.shape, key), value)
    if isinstance(index, Tensor) and index.dtype == boolean and value.size == 1 and 0 < index.ndim and index.shape == inp.shape[: index.ndim]:
        mask = apply(view.reshape, (index,), (index.shape + (1,) * (inp.ndim - index.ndim),))  # needs no look at the values
        return apply(compare.where, (mask, apply(view.reshape, (value,), ((),)), inp))
    what = _advanced(inp, index)
    part = _read(inp, what.basic)
    seen = _gathered_axes(part, what)
    shape = (*seen.shape[: what.axis], *what.indices.shape, *seen.shape[what.axis + 1 :])
    written = apply(indexed.put, (seen, _fitted(value, shape), what.indices), (what.axis,))
    written = apply(view.reshape, (written,), (tuple(part.shape[axis] for axis in what.order),))
    written = apply(view.transpose, (written,), (tuple(map(int, np.argsort(what.order))),))
    same = what.basic.whole and not what.basic.reversed and written.shape == inp.shape
    return written if same else _write(inp, what.basic, written)


# -- basic indices --------------------------------------------------------------------------------------------------------


def _key(index: Any) -> tuple | None:
    """A basic index in a form that can be hashed; None if it has arrays in it."""
    key: list = []
    for item in index if isinstance(index, tuple) else (index,):
        kind = type(item)
        if kind is int or item is None or item is Ellipsis:
            key.append(item)
        elif kind is slice:
            key.append(tuple([None if bound is None else _bound(bound) for bound in (item.start, item.stop, item.step)]))
        elif isinstance(item, np.integer):
            key.append(int(item))
        else:
            return None
    return tuple(key)


def _bound(bound: Any) -> int:
    try:
        return operator.index(bound)
    except TypeError:
        raise TypeError(f"index: the bounds of a slice must be integers or None, got {bound!r}") from None


@functools.lru_cache(maxsize=8192)
def _basic(shape: tuple[int, ...], key: tuple) -> Basic:
    """What a basic index means for a shape."""
    used = sum(item is not None and item is not Ellipsis for item in key)
    if used > len(shape):
        raise KernelIndexError(f"index: {used} indices for {len(shape)} axes")
    if key.count(Ellipsis) > 1:
        raise KernelIndexError("index: more than one Ellipsis")
    key = (*key, Ellipsis) if Ellipsis not in key else key
    at = key.index(Ellipsis)
    start, count, step, turned, result = [], [], [], [], []
    for item in (*key[:at], *[FULL] * (len(shape) - used), *key[at + 1 :]):
        if item is None:
            result.append(1)
            continue
        axis = len(start)
        size = shape[axis]
        if isinstance(item, int):
            if not -size <= item < size:
                raise KernelIndexError(f"index: {item} is out of range for axis {axis} of size {size}")
            places = range(item % size, item % size + 1)
        else:
            if item[2] == 0:
                raise ValueError("index: the step of a slice must not be 0")
            places = range(size)[slice(*item)]
            result.append(len(places))
        if places.step < 0:
            turned.append(axis)
            places = places[::-1]
        start.append(places.start if places else 0)
        count.append(len(places))
        step.append(places.step)
    return Basic(tuple(start), tuple(count), tuple(step), tuple(count) == shape, tuple(turned), tuple(result))


def _read(inp: Tensor, basic: Basic) -> Tensor:
    out = inp if basic.whole else apply(view.slice_view, (inp,), (basic.start, basic.count, basic.step))
    out = _turned(out, basic)
    return out if out is not inp and out._spec.shape == basic.shape else apply(view.reshape, (out,), (basic.shape,))


def _turned(out: Tensor, basic: Basic) -> Tensor:
    """With the axes that run backwards turned round."""
    for axis in basic.reversed:
        order = Tensor(np.arange(basic.count[axis])[::-1], device=out.device)
        out = apply(indexed.take, (out, order), (axis,))
    return out


def _write(inp: Tensor, basic: Basic, value: Tensor) -> Tensor:
    value = apply(view.reshape, (_fitted(value, basic.shape),), (basic.count,))
    value = _turned(value, basic)
    if not inp.ndim:
        return apply(view.reshape, (apply(join.set_axis, (expand_dims(inp, 0), expand_dims(value, 0)), (0, 0, 1)),), ((),))
    return _write_axes(inp, basic, value, [axis for axis, size in enumerate(inp.shape) if basic.count[axis] != size] or [0])


def _write_axes(inp: Tensor, basic: Basic, value: Tensor, axes: list[int]) -> Tensor:
    """``inp`` with ``value`` over a part of these axes: read along the first, write the part that is left, and put it back."""
    axis, *rest = axes
    start, step = basic.start[axis], basic.step[axis]
    if rest:
        value = _write_axes(join.along(inp, axis, start, basic.count[axis], step), basic, value, rest)
    return apply(join.set_axis, (inp, value), (axis, start, step))


def _fitted(value: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The value to be written, broadcast to the shape of what it replaces."""
    extra = value.ndim - len(shape)
    if extra > 0 and value.shape[:extra] == (1,) * extra:
        value = apply(view.reshape, (value,), (value.shape[extra:],))
    fits = value.ndim <= len(shape) and all(n in (1, m) for n, m in zip(value.shape[::-1], shape[::-1], strict=False))
    check(fits, "setitem: cannot write shape {} into shape {}", value.shape, shape)
    return value if value.shape == shape else apply(view.broadcast_to, (value,), (shape,))


# -- index tensors --------------------------------------------------------------------------------------------------------


def _advanced(inp: Tensor, index: Any) -> Advanced:
    """Take apart an index that has arrays, lists, masks or tensors in it."""
    items = [item if _is_basic(item) else _pick(item, inp) for item in (index if isinstance(index, tuple) else (index,))]
    if not any(item is Ellipsis for item in items):
        items.append(Ellipsis)
    used = sum(item.width if isinstance(item, Pick) else item is not None and item is not Ellipsis for item in items)
    key: list = []
    picks: list[tuple[Pick, range]] = []  # with the axes of the view that they take up
    joint: list[bool] = []  # for each item, whether it takes part in the result's indexed axes
    position = 0
    for item in items:
        if isinstance(item, Pick):
            bits = [FULL] * item.width or [None]
            picks.append((item, range(position, position + len(bits))))
        else:
            bits = [FULL] * (inp.ndim - used) if item is Ellipsis else list(_key(item))  # type: ignore[arg-type]
        integer = bits != [] and isinstance(bits[0], int)
        key += bits
        joint.append(integer or isinstance(item, Pick))
        position += 0 if integer else len(bits)
    basic = _basic(inp._spec.shape, tuple(key))
    chosen = [axis for _, axes in picks for axis in axes]
    rest = [axis for axis in range(len(basic.shape)) if axis not in chosen]
    first, last = joint.index(True), len(joint) - joint[::-1].index(True)
    at = chosen[0] if all(joint[first:last]) else 0  # what is between them puts them first
    return Advanced(basic, (*rest[:at], *chosen, *rest[at:]), at, len(chosen), _joined(picks, basic.shape))


class Pick(NamedTuple):
    """An index tensor, and over how many axes it goes: 1, or the rank of the mask that it comes from."""

    indices: Tensor
    width: int
    mask: tuple[int, ...] | None = None


def _is_basic(item: Any) -> bool:
    return item is None or item is Ellipsis or isinstance(item, (slice, int, np.integer)) and not isinstance(item, bool)


def _pick(item: Any, inp: Tensor) -> Pick:
    if isinstance(item, Tensor) and is_integer(item.dtype):
        return Pick(item, 1)
    if not isinstance(item, (Tensor, np.ndarray, np.bool_, list, tuple, bool)):
        raise TypeError(f"index: expected integers, slices, None, Ellipsis, masks or integer tensors, got {item!r}")
    array = as_array(item) if isinstance(item, (list, tuple)) else np.asarray(item)
    if isinstance(item, (list, tuple)) and not array.size:
        array = array.astype(np.int32)
    if array.dtype == bool:
        places = np.flatnonzero(array)
        return Pick(Tensor(places, dtype=indexed.index_dtype(array.size), device=inp.device), array.ndim, array.shape)
    if array.dtype.kind not in "iu":
        raise TypeError(f"index: indices must be integers or bool, got {array.dtype}")
    wanted = indexed.index_dtype(max(inp.shape, default=0))
    limits = np.iinfo(wanted)
    return Pick(Tensor(np.clip(array, limits.min, limits.max), dtype=wanted, device=inp.device), 1)


def _joined(picks: list[tuple[Pick, range]], shape: tuple[int, ...]) -> Tensor:
    """One index tensor over all the axes picked from."""
    for pick, axes in picks:
        covered = tuple(shape[axis] for axis in axes) if pick.width else ()
        if pick.mask is not None and pick.mask != covered:
            raise KernelIndexError(f"index: a mask of shape {pick.mask} does not fit axes of shape {covered}")
    common = broadcast("index", [pick.indices.shape for pick, _ in picks])
    joined, size = None, 1
    for pick, axes in picks:
        indices = apply(view.broadcast_to, (pick.indices,), (common,))
        columns = math.prod(shape[axis] for axis in axes)
        joined = indices if joined is None else apply(indexed.join_index, (joined, indices), (size, columns))
        size *= columns
    return joined


def _gathered_axes(out: Tensor, what: Advanced) -> Tensor:
    """The view that is indexed, its indexed axes made one."""
    out = apply(view.transpose, (out,), (what.order,))
    shape, end = out.shape, what.axis + what.axes
    return apply(view.reshape, (out,), ((*shape[: what.axis], math.prod(shape[what.axis : end]), *shape[end:]),))
