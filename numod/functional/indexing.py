"""Reading and writing parts of a tensor: ``x[index]`` and ``x[index] = v``.

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
from ..op import KernelIndexError, apply
from ..ops import compare, index as indexed, join, view
from ..tensor import Tensor, as_array
from .elemwise import operands
from .tensor import expand_dims

FULL = (None, None, None)  # a slice in a key: start, stop, step


class Basic(NamedTuple):
    """A basic index, for tensors of one shape.

    starts, counts, steps: what `slice_view` reads. reversed: the axes that are turned round after it. shape: of the result.
    plain: whether the result is the tensor as it is.
    """

    starts: tuple[int, ...]
    counts: tuple[int, ...]
    steps: tuple[int, ...]
    reversed: tuple[int, ...]
    shape: tuple[int, ...]
    plain: bool


class Advanced(NamedTuple):
    """Where the index tensors of an index belong, for tensors of one shape.

    basic: the view that they index, with axes for each of them. picks: the axes of each. sizes: how many places these have.
    order: how the axes are to be transposed so that the indexed ones are neighbours, None if they are. axis: the first of them then.
    seen: the shape of that with the indexed axes as one.
    """

    basic: Basic
    picks: tuple[tuple[int, ...], ...]
    sizes: tuple[int, ...]
    order: tuple[int, ...] | None
    axis: int
    seen: tuple[int, ...]


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
    what, indices = _advanced(inp, index)
    return apply(indexed.take, (_indexed_view(inp, what), indices), (what.axis,))


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
    if _is_mask(index, inp) and value.size == 1:
        mask = apply(view.reshape, (index,), (index.shape + (1,) * (inp.ndim - index.ndim),))  # needs no look at the values
        return apply(compare.where, (mask, apply(view.reshape, (value,), ((),)), inp))
    what, indices = _advanced(inp, index)
    seen = _indexed_view(inp, what)
    shape = (*what.seen[: what.axis], *indices.shape, *what.seen[what.axis + 1 :])
    written = apply(indexed.put, (seen, _fitted(value, shape), indices), (what.axis,))
    if what.order is None:
        written = apply(view.reshape, (written,), (what.basic.shape,))
    else:
        written = apply(view.reshape, (written,), (tuple(what.basic.shape[axis] for axis in what.order),))
        written = apply(view.transpose, (written,), (tuple(map(int, np.argsort(what.order))),))
    return written if what.basic.plain else _write(inp, what.basic, written)


def _is_mask(index: Any, inp: Tensor) -> bool:
    return isinstance(index, Tensor) and index.dtype == boolean and index.ndim > 0 and index.shape == inp.shape[: index.ndim]


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
    key = _with_ellipsis(key)
    at = key.index(Ellipsis)
    starts: list[int] = []
    counts: list[int] = []
    steps: list[int] = []
    result: list[int] = []
    turned: list[int] = []
    for item in (*key[:at], *[FULL] * (len(shape) - used), *key[at + 1 :]):
        if item is None:
            result.append(1)
            continue
        axis = len(starts)
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
        several = len(places) > 1
        if several and places.step < 0:
            turned.append(axis)
            places = places[::-1]
        starts.append(places.start if places else 0)
        counts.append(len(places))
        steps.append(places.step if several else 1)
    plain = tuple(counts) == tuple(result) == shape and not turned
    return Basic(tuple(starts), tuple(counts), tuple(steps), tuple(turned), tuple(result), plain)


def _with_ellipsis(key: tuple) -> tuple:
    if key.count(Ellipsis) > 1:
        raise KernelIndexError("index: more than one Ellipsis")
    return key if Ellipsis in key else (*key, Ellipsis)


def _read(inp: Tensor, basic: Basic) -> Tensor:
    if not basic.reversed:
        return apply(view.slice_view, (inp,), (basic.starts, basic.counts, basic.steps, basic.shape))
    out = _turned(apply(view.slice_view, (inp,), (basic.starts, basic.counts, basic.steps, None)), basic)
    return out if out._spec.shape == basic.shape else apply(view.reshape, (out,), (basic.shape,))


def _turned(out: Tensor, basic: Basic) -> Tensor:
    """With the axes that run backwards turned round."""
    for axis in basic.reversed:
        order = Tensor(np.arange(basic.counts[axis])[::-1], device=out.device)
        out = apply(indexed.take, (out, order), (axis,))
    return out


def _write(inp: Tensor, basic: Basic, value: Tensor) -> Tensor:
    value = apply(view.reshape, (_fitted(value, basic.shape),), (basic.counts,))
    value = _turned(value, basic)
    if not inp.ndim:
        return apply(view.reshape, (apply(join.set_axis, (expand_dims(inp, 0), expand_dims(value, 0)), (0, 0, 1)),), ((),))
    return _write_axes(inp, basic, value, [axis for axis, size in enumerate(inp.shape) if basic.counts[axis] != size] or [0])


def _write_axes(inp: Tensor, basic: Basic, value: Tensor, axes: list[int]) -> Tensor:
    """``inp`` with ``value`` over a part of these axes: read along the first, write the part that is left, and put it back."""
    axis, *rest = axes
    start, step = basic.starts[axis], basic.steps[axis]
    if rest:
        value = _write_axes(join.along(inp, axis, start, basic.counts[axis], step), basic, value, rest)
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


class Pick(NamedTuple):
    """An index tensor, and over how many axes it goes: 1, or the rank of the mask that it comes from."""

    indices: Tensor
    width: int
    mask: tuple[int, ...] | None = None


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
    if array.dtype != wanted:
        array = np.clip(array, np.iinfo(wanted).min, np.iinfo(wanted).max)
    return Pick(Tensor(array, dtype=wanted, device=inp.device), 1)


def _advanced(inp: Tensor, index: Any) -> tuple[Advanced, Tensor]:
    """Take apart an index that has arrays, lists, masks or tensors in it; they become one index tensor."""
    key: list = []
    picks: list[Pick] = []
    for item in index if isinstance(index, tuple) else (index,):
        basic = None if isinstance(item, tuple) else _key(item)
        if basic is None:
            picks.append(_pick(item, inp))
            key.append(("pick", picks[-1].width))
        else:
            key += basic
    what = _arranged(inp._spec.shape, tuple(key))
    for pick, axes in zip(picks, what.picks, strict=True):
        covered = tuple(what.basic.shape[axis] for axis in axes)
        if pick.mask and pick.mask != covered:
            raise KernelIndexError(f"index: a mask of shape {pick.mask} does not fit axes of shape {covered}")
    if len(picks) == 1:
        return what, picks[0].indices
    shapes = [pick.indices.shape for pick in picks]
    try:
        common = np.broadcast_shapes(*shapes)
    except ValueError:
        raise KernelIndexError(f"index: indices of shapes {' and '.join(map(str, shapes))} cannot be broadcast together") from None
    wide = [apply(view.broadcast_to, (pick.indices,), (common,)) for pick in picks]
    joined, size = wide[0], what.sizes[0]
    for indices, columns in zip(wide[1:], what.sizes[1:], strict=True):
        joined = apply(indexed.join_index, (joined, indices), (size, columns))
        size *= columns
    return what, joined


@functools.lru_cache(maxsize=4096)
def _arranged(shape: tuple[int, ...], key: tuple) -> Advanced:
    """What an index means for a shape, with ("pick", width) in it for each index tensor; a width of 0 makes a new axis to pick from."""
    used = sum(item[1] if _is_pick(item) else item is not None and item is not Ellipsis for item in key)
    parts: list = []
    picks: list[tuple[int, ...]] = []
    joint: list[bool] = []  # for each item, whether it takes part in the result's indexed axes
    position = 0
    for item in _with_ellipsis(key):
        bits: list = [item]
        if _is_pick(item):
            bits = [FULL] * item[1] or [None]
            picks.append(tuple(range(position, position + len(bits))))
        elif item is Ellipsis:
            bits = [FULL] * (len(shape) - used)
        parts += bits
        joint.append(_is_pick(item) or isinstance(item, int))
        position += 0 if isinstance(item, int) else len(bits)
    basic = _basic(shape, tuple(parts))
    chosen = [axis for axes in picks for axis in axes]
    rest = [axis for axis in range(len(basic.shape)) if axis not in chosen]
    first, last = joint.index(True), len(joint) - joint[::-1].index(True)
    at = chosen[0] if all(joint[first:last]) else 0  # what is between them puts them first
    order = (*rest[:at], *chosen, *rest[at:])
    sizes = tuple(math.prod(basic.shape[axis] for axis in axes) for axes in picks)
    seen = (*(basic.shape[axis] for axis in rest[:at]), math.prod(sizes), *(basic.shape[axis] for axis in rest[at:]))
    return Advanced(basic, tuple(picks), sizes, None if order == tuple(range(len(order))) else order, at, seen)


def _is_pick(item: Any) -> bool:
    return isinstance(item, tuple) and item[0] == "pick"


def _indexed_view(inp: Tensor, what: Advanced) -> Tensor:
    """The view that is indexed, its indexed axes made one."""
    out = inp if what.basic.plain else _read(inp, what.basic)
    if what.order is not None:
        out = apply(view.transpose, (out,), (what.order,))
    return out if out._spec.shape == what.seen else apply(view.reshape, (out,), (what.seen,))
