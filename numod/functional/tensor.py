"""Functions that change the shape of tensors, put them together and take them apart.

Those that can show the same memory in another way do, without a copy.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np

from ..device import Device
from ..errors import check
from ..forms import normalize_axis
from ..op import apply
from ..ops import index, join, scan, view
from ..tensor import Tensor
from .elemwise import as_tensor, operands

Shape = int | Iterable[int] | Tensor


def as_shape(name: str, shape: Shape) -> tuple[int, ...]:
    """A shape argument (an int, a sequence of them, or a tensor of them) as a tuple of ints."""
    if type(shape) is tuple and {*map(type, shape)} <= {int}:
        return shape
    if isinstance(shape, (Tensor, np.ndarray)):
        shape = shape.tolist()
    try:
        return tuple(map(operator.index, shape)) if isinstance(shape, Iterable) else (operator.index(shape),)
    except TypeError:
        raise TypeError(f"{name}: a shape must be an int or ints, got {shape!r}") from None


def reshape(inp: Tensor, target_shape: Shape) -> Tensor:
    """The same elements, in C order, in another shape; one extent may be -1, which stands for what is left.

    ShapeError if the number of elements differs.

    >>> reshape(Tensor([1, 2, 3, 4]), (2, -1)).tolist()
    [[1, 2], [3, 4]]
    """
    return apply(view.reshape, (inp,), (as_shape("reshape", target_shape),))


def flatten(inp: Tensor, start_axis: int = 0, end_axis: int = -1) -> Tensor:
    """The axes from ``start_axis`` to ``end_axis`` (included) as one; a new one of extent 1 if ``start_axis`` is behind the last.

    >>> flatten(Tensor([[[1, 2]], [[3, 4]]]), 1).tolist()
    [[1, 2], [3, 4]]
    """
    shape = inp._spec.shape
    if not shape or start_axis == len(shape):
        return reshape(inp, (*shape, 1))
    first, last = normalize_axis("flatten", start_axis, len(shape)), normalize_axis("flatten", end_axis, len(shape))
    check(first <= last, "flatten: start_axis {} comes after end_axis {}", start_axis, end_axis)
    return apply(view.reshape, (inp,), ((*shape[:first], math.prod(shape[first : last + 1]), *shape[last + 1 :]),))


def transpose(inp: Tensor, pattern: Iterable[int | str]) -> Tensor:
    """The axes in the order of ``pattern``; ``'x'`` in it makes a new axis of extent 1, and an axis of extent 1 may be left out.

    >>> transpose(Tensor([[1, 2, 3]]), (1, 'x', 0)).shape
    (3, 1, 1)
    """
    axes, shape = _transposed(inp._spec.shape, tuple(pattern))
    out = apply(view.transpose, (inp,), (axes,))
    return out if shape is None else apply(view.reshape, (out,), (shape,))


@functools.lru_cache(maxsize=4096)
def _transposed(shape: tuple[int, ...], pattern: tuple) -> tuple[tuple[int, ...], tuple[int, ...] | None]:
    """(a permutation of all axes, the shape to give to the result if axes come or go)."""
    kept = tuple(operator.index(axis) for axis in pattern if axis != "x")
    good = len(set(kept)) == len(kept) and all(0 <= axis < len(shape) for axis in kept)
    check(good, "transpose: pattern {} must name axes of shape {}, each once and none negative", pattern, shape)
    dropped = tuple(axis for axis in range(len(shape)) if axis not in kept)
    check(
        all(shape[axis] == 1 for axis in dropped), "transpose: pattern {} leaves out axes of shape {} whose extent is not 1", pattern, shape
    )
    if len(pattern) == len(shape) == len(kept):
        return kept, None
    return (*kept, *dropped), tuple(1 if axis == "x" else shape[axis] for axis in pattern)


def swapaxes(inp: Tensor, axis1: int, axis2: int) -> Tensor:
    """Two axes exchanged.

    >>> swapaxes(Tensor([[1, 2]]), 0, 1).tolist()
    [[1], [2]]
    """
    axes = list(range(inp.ndim))
    first, second = normalize_axis("swapaxes", axis1, inp.ndim), normalize_axis("swapaxes", axis2, inp.ndim)
    axes[first], axes[second] = second, first
    return apply(view.transpose, (inp,), (tuple(axes),))


def _axes(name: str, axis: int | Sequence[int], ndim: int) -> tuple[int, ...]:
    """One axis or several, as distinct non-negative ones."""
    given = (axis,) if isinstance(axis, (int, np.integer)) else tuple(axis)
    axes = tuple(normalize_axis(name, operator.index(each), ndim) for each in given)
    check(len(set(axes)) == len(axes), "{}: axes {} name an axis twice", name, given)
    return axes


def squeeze(inp: Tensor, axis: int | Sequence[int] | None = None) -> Tensor:
    """Without the axes of extent 1, or without those named, which must have extent 1.

    >>> squeeze(Tensor([[[1], [2]]]), 0).shape
    (2, 1)
    """
    shape = inp._spec.shape
    gone = [i for i, extent in enumerate(shape) if extent == 1] if axis is None else _axes("squeeze", axis, len(shape))
    check(all(shape[i] == 1 for i in gone), "squeeze: axes {} of shape {} do not all have extent 1", axis, shape)
    return apply(view.reshape, (inp,), (tuple(extent for i, extent in enumerate(shape) if i not in gone),))


def expand_dims(inp: Tensor, axis: int | Sequence[int]) -> Tensor:
    """With new axes of extent 1; ``axis`` says where they are in the result.

    >>> expand_dims(Tensor([1, 2]), [0, 2]).shape
    (1, 2, 1)
    """
    count = 1 if isinstance(axis, (int, np.integer)) else len(axis)
    ndim = inp.ndim + count
    new = _axes("expand_dims", axis, ndim)
    old = iter(inp._spec.shape)
    return apply(view.reshape, (inp,), (tuple(1 if i in new else next(old) for i in range(ndim)),))


def broadcast_to(inp: Tensor, shape: Shape) -> Tensor:
    """Repeated along new axes and axes of extent 1 until it has this shape; no memory is needed for the repetition.

    >>> broadcast_to(Tensor([1, 2]), (2, 2)).tolist()
    [[1, 2], [1, 2]]
    """
    return apply(view.broadcast_to, (inp,), (as_shape("broadcast_to", shape),))


def meshgrid(*inputs: Tensor, indexing: str = "xy") -> tuple[Tensor, ...]:
    """Coordinate grids from coordinates along each axis; with ``indexing="xy"`` the first two axes are exchanged, as for images.

    >>> [x.tolist() for x in meshgrid(Tensor([1, 2]), Tensor([3, 4]))]
    [[[1, 2], [1, 2]], [[3, 3], [4, 4]]]
    """
    if indexing not in ("xy", "ij"):
        raise ValueError(f"meshgrid: indexing must be 'xy' or 'ij', got {indexing!r}")
    for inp in inputs:
        check(inp.ndim <= 1, "meshgrid: inputs must have one axis, got shape {}", inp.shape)
    order = list(range(len(inputs)))
    if indexing == "xy":
        order[:2] = order[:2][::-1]
    shape = tuple(inputs[i].size for i in order)
    sides = [tuple(-1 if each == i else 1 for each in order) for i in range(len(inputs))]
    return tuple(broadcast_to(reshape(inp, side), shape) for inp, side in zip(inputs, sides, strict=True))


def concat(inps: Iterable[Tensor], axis: int = 0, device: str | Device | None = None) -> Tensor:
    """The tensors one after the other along ``axis``; their other extents must be equal. dtypes are promoted.

    >>> concat([Tensor([[1, 2]]), Tensor([[3, 4]])], axis=1).tolist()
    [[1, 2, 3, 4]]
    """
    tensors = _several("concat", inps, device)
    axis = normalize_axis("concat", axis, tensors[0].ndim)
    return join.join_all(tensors, axis)


def _several(name: str, inps: Iterable[Tensor], device: str | Device | None) -> list[Tensor]:
    tensors = [as_tensor(inp) for inp in inps]
    if not tensors:
        raise TypeError(f"{name}: takes at least one tensor, got none")
    return tensors if device is None else [tensor.to(device) for tensor in tensors]


def stack(inps: Iterable[Tensor], axis: int = 0, device: str | Device | None = None) -> Tensor:
    """Tensors of one shape, put along a new axis.

    >>> stack([Tensor([1, 2]), Tensor([3, 4])], axis=1).tolist()
    [[1, 3], [2, 4]]
    """
    tensors = _several("stack", inps, device)
    for tensor in tensors[1:]:
        check(tensor.shape == tensors[0].shape, "stack: shapes must be equal, got {} and {}", tensors[0].shape, tensor.shape)
    return concat([expand_dims(tensor, axis) for tensor in tensors], axis)


def split(inp: Tensor, nsplits_or_sections: int | Sequence[int], axis: int = 0) -> tuple[Tensor, ...]:
    """Parts along an axis: so many, the first ones longer by one if they cannot be equal, or cut before each of the places in a sequence.

    >>> [part.tolist() for part in split(Tensor([1, 2, 3]), 2)]
    [[1, 2], [3]]
    >>> [part.tolist() for part in split(Tensor([1, 2, 3]), [1])]
    [[1], [2, 3]]
    """
    if not -inp.ndim <= axis < inp.ndim:
        raise IndexError(f"split: axis {axis} is out of range for {inp.ndim} axes")
    axis %= inp.ndim
    size = inp.shape[axis]
    if isinstance(nsplits_or_sections, (int, np.integer)):
        count = int(nsplits_or_sections)
        check(1 <= count <= size, "split: cannot make {} parts of {} elements", count, size)
        cuts = [size // count * i + min(i, size % count) for i in range(count + 1)]
    else:
        cuts = [0, *map(operator.index, nsplits_or_sections), size]
        check(all(a <= b for a, b in pairwise(cuts)), "split: places {} must ascend within {}", cuts[1:-1], size)
    return tuple(join.along(inp, axis, a, b - a) for a, b in pairwise(cuts))


def pad(src: Tensor, pad_width: Sequence[Sequence[int]], mode: str = "constant", constant_value: float = 0.0) -> Tensor:
    """With elements put around: ``pad_width`` has (before, after) for each of the first axes.

    mode: "constant" (``constant_value``), "reflect" (mirrored, the edge not repeated) or "replicate" (the edge, also called "edge").

    >>> pad(Tensor([1, 2, 3]), ((1, 2),), mode="reflect").tolist()
    [2, 1, 2, 3, 2, 1]
    """
    if mode not in ("constant", "reflect", "replicate", "edge"):
        raise ValueError(f"pad: mode must be 'constant', 'reflect', 'replicate' or 'edge', got {mode!r}")
    widths = [as_shape("pad", width) for width in pad_width]
    good = len(widths) <= src.ndim and all(len(width) == 2 and min(width) >= 0 for width in widths)
    check(good, "pad: pad_width must be (before, after) for at most {} axes, got {}", src.ndim, pad_width)
    src = _fresh(src)
    for axis, (before, after) in enumerate(widths):
        size = src.shape[axis]
        if before == after == 0:
            continue
        if mode == "constant":
            shape = join.resized(src.shape, axis, before + size + after)
            around = apply(view.broadcast_to, (_filling(constant_value, src),), (shape,))
            src = apply(join.set_axis, (around, src), (axis, before, 1))
        else:
            check(
                size > (max(before, after) if mode == "reflect" else 0),
                "pad: {} by {} needs more than {} elements",
                mode,
                (before, after),
                size,
            )
            picked = np.pad(np.arange(size, dtype=np.int32), (before, after), "reflect" if mode == "reflect" else "edge")
            src = apply(index.take, (src, Tensor(picked, device=src.device)), (axis,))
    return src


def _fresh(inp: Tensor) -> Tensor:
    """The same value as another object, which ``+=`` may rebind."""
    return apply(view.reshape, (inp,), (inp._spec.shape,))


def _filling(value: float, like: Tensor) -> Tensor:
    """A number as a 0-d tensor of the dtype of ``like``."""
    filling = operands(like, value)[1]
    return filling if filling.dtype == like.dtype else apply(view.astype, (filling,), (like.dtype,))


def repeat(inp: Tensor, repeats: int, axis: int | None = None) -> Tensor:
    """Each element ``repeats`` times along an axis; of the flat tensor if there is none.

    >>> repeat(Tensor([1, 2]), 2).tolist()
    [1, 1, 2, 2]
    """
    check(repeats >= 0, "repeat: repeats must not be negative, got {}", repeats)
    if axis is None:
        inp, axis = reshape(inp, (-1,)), 0
    axis = normalize_axis("repeat", axis, inp.ndim)
    shape = inp.shape
    wide = broadcast_to(expand_dims(inp, axis + 1), (*shape[: axis + 1], repeats, *shape[axis + 1 :]))
    return reshape(wide, join.resized(shape, axis, shape[axis] * repeats))


def tile(inp: Tensor, reps: Shape) -> Tensor:
    """The whole tensor repeated along each axis, as by ``numpy.tile``.

    >>> tile(Tensor([1, 2]), (2, 2)).tolist()
    [[1, 2, 1, 2], [1, 2, 1, 2]]
    """
    times = as_shape("tile", reps)
    ndim = max(len(times), inp.ndim)
    times = (1,) * (ndim - len(times)) + times
    shape = (1,) * (ndim - inp.ndim) + inp.shape
    inp = reshape(inp, tuple(n for extent in shape for n in (1, extent)))  # (..., 1, n, ...) -> (..., times, n, ...)
    inp = broadcast_to(inp, tuple(n for pair in zip(times, shape, strict=True) for n in pair))
    return reshape(inp, tuple(count * extent for count, extent in zip(times, shape, strict=True)))


def roll(inp: Tensor, shift: int | Iterable[int], axis: int | Iterable[int] | None = None) -> Tensor:
    """The elements moved along axes by ``shift`` places; those that leave one end come in at the other.

    >>> roll(Tensor([1, 2, 3]), 1, 0).tolist()
    [3, 1, 2]
    """
    if axis is None:
        return reshape(roll(reshape(inp, (-1,)), shift, 0), inp.shape)
    shifts, axes = as_shape("roll", shift), as_shape("roll", axis)
    check(len(shifts) == len(axes), "roll: {} shifts for {} axes", len(shifts), len(axes))
    inp = _fresh(inp)
    for places, each in zip(shifts, axes, strict=True):
        along = normalize_axis("roll", each, inp.ndim)
        size = inp.shape[along]
        if size and places % size:
            cut = size - places % size
            inp = concat([join.along(inp, along, cut, size - cut), join.along(inp, along, 0, cut)], along)
    return inp


def copy(inp: Tensor, device: str | Device | None = None) -> Tensor:
    """A copy, on another device if one is named.

    >>> copy(Tensor([1, 2])).tolist()
    [1, 2]
    """
    return apply(view.astype, (inp if device is None else inp.to(device),), (inp.dtype,))


def cumsum(inp: Tensor, axis: int) -> Tensor:
    """The sum of each element and those before it along ``axis``; accumulated in float64 (int64).

    >>> cumsum(Tensor([1, 2, 3]), 0).tolist()
    [1, 3, 6]
    """
    if inp.ndim == 0:
        inp = reshape(inp, (1,))
    return apply(scan.cumsum, (inp,), (normalize_axis("cumsum", operator.index(axis), inp.ndim), False))
