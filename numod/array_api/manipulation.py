"""Tensors in other shapes, put together and taken apart."""

from __future__ import annotations

import functools
import operator
from collections.abc import Sequence

import numpy as np

from .. import functional as F
from ..dtype import int32
from ..errors import check
from ..forms import normalize_axis
from ..op import apply
from ..ops import index, view
from ..tensor import Tensor
from .arguments import axes_of, fresh
from .dtypes import cast, joined


def broadcast_arrays(*arrays: Tensor) -> list[Tensor]:
    """The tensors in their common shape.

    >>> [x.shape for x in broadcast_arrays(Tensor([1, 2]), Tensor([[1], [2]]))]
    [(2, 2), (2, 2)]
    """
    shape = broadcast_shapes(*[x.shape for x in arrays])
    return [F.broadcast_to(x, shape) for x in arrays]


def broadcast_shapes(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that these broadcast to.

    >>> broadcast_shapes((2,), (3, 1))
    (3, 2)
    """
    return np.broadcast_shapes(*shapes)


def broadcast_to(x: Tensor, /, shape: tuple[int, ...]) -> Tensor:
    """Repeated along new axes and axes of extent 1.

    >>> broadcast_to(Tensor([1, 2]), (2, 2)).tolist()
    [[1, 2], [1, 2]]
    """
    return F.broadcast_to(x, shape)


def _common(arrays: Sequence[Tensor]) -> list[Tensor]:
    """Tensors in the dtype that they combine to."""
    check(len(arrays) > 0, "concat: takes at least one tensor, got none")
    dtype = functools.reduce(joined, [x.dtype for x in arrays])
    return [cast(x, dtype) for x in arrays]


def concat(arrays: Sequence[Tensor], /, *, axis: int | None = 0) -> Tensor:
    """One after the other along an axis; flattened first for ``axis=None``.

    >>> concat([Tensor([1]), Tensor([[2, 3]])], axis=None).tolist()
    [1, 2, 3]
    """
    tensors = _common(arrays)
    return (
        F.concat(tensors, axis) if axis is not None else F.concat([F.reshape(x, (-1,)) if x.size else F.reshape(x, (0,)) for x in tensors])
    )


def expand_dims(x: Tensor, /, axis: int | tuple[int, ...] = 0) -> Tensor:
    """With new axes of extent 1, which are at ``axis`` in the result.

    >>> expand_dims(Tensor([1, 2]), axis=1).shape
    (2, 1)
    """
    count = len(axis) if isinstance(axis, tuple) else 1
    for each in axis if isinstance(axis, tuple) else (axis,):
        if not -x.ndim - count <= each < x.ndim + count:
            raise IndexError(f"expand_dims: axis {each} is out of range for a result of {x.ndim + count} axes")
    return F.expand_dims(x, axis)


def flip(x: Tensor, /, *, axis: int | tuple[int, ...] | None = None) -> Tensor:
    """The order of the elements turned round along axes, by default along all.

    >>> flip(Tensor([1, 2, 3])).tolist()
    [3, 2, 1]
    """
    turned = axes_of("flip", axis, x.ndim)
    return x[tuple(slice(None, None, -1 if i in turned else None) for i in range(x.ndim))]


def moveaxis(x: Tensor, source: int | tuple[int, ...], destination: int | tuple[int, ...], /) -> Tensor:
    """Axes moved to other places; the rest keep their order.

    >>> moveaxis(Tensor([[1, 2, 3]]), 0, 1).shape
    (3, 1)
    """
    old, new = axes_of("moveaxis", source, x.ndim), axes_of("moveaxis", destination, x.ndim)
    check(len(old) == len(new), "moveaxis: {} axes for {} places", len(old), len(new))
    order = [axis for axis in range(x.ndim) if axis not in old]
    for place, axis in sorted(zip(new, old, strict=True)):
        order.insert(place, axis)
    return apply(view.transpose, (x,), (tuple(order),))


def permute_dims(x: Tensor, /, axes: tuple[int, ...]) -> Tensor:
    """The axes in another order.

    >>> permute_dims(Tensor([[1, 2, 3]]), (1, 0)).shape
    (3, 1)
    """
    return apply(view.transpose, (x,), (axes_of("permute_dims", axes, x.ndim),))


def repeat(x: Tensor, repeats: int | Tensor, /, *, axis: int | None = None) -> Tensor:
    """Each element so many times along an axis, or of the flat tensor. ``repeats`` may say for each how often.

    >>> repeat(Tensor([1, 2]), Tensor([1, 2])).tolist()
    [1, 2, 2]
    """
    if axis is None:
        x, axis = F.reshape(x, (x.size,)), 0
    axis = normalize_axis("repeat", axis, x.ndim)
    counts = np.asarray(repeats.numpy() if isinstance(repeats, Tensor) else operator.index(repeats))
    places = np.repeat(np.arange(x.shape[axis]), counts)
    return apply(index.take, (x, Tensor(places, dtype=int32, device=x.device)), (axis,))


def reshape(x: Tensor, /, shape: tuple[int, ...], *, copy: bool | None = None) -> Tensor:
    """The same elements in another shape. Memory is never changed through a tensor, so that one that shares it serves as a copy.

    copy: False for a ValueError where memory had to be copied.

    >>> reshape(Tensor([1, 2, 3, 4]), (2, -1)).tolist()
    [[1, 2], [3, 4]]
    """
    out = F.reshape(x, shape)
    if copy is False and x.size and view.reshape.code(x._spec, shape=out.shape) is None:
        raise ValueError(f"reshape: a tensor with these strides cannot be seen in shape {shape} without a copy")
    return out


def roll(x: Tensor, /, shift: int | tuple[int, ...], *, axis: int | tuple[int, ...] | None = None) -> Tensor:
    """The elements moved along axes; those that leave one end come in at the other.

    >>> roll(Tensor([1, 2, 3]), 1).tolist()
    [3, 1, 2]
    """
    if axis is None:
        return F.reshape(roll(F.reshape(x, (x.size,)), shift, axis=0), x.shape)
    axes = (axis,) if isinstance(axis, int) else axis
    shifts = (shift,) * len(axes) if isinstance(shift, int) else shift
    return F.roll(x, shifts, axes)


def squeeze(x: Tensor, /, axis: int | tuple[int, ...]) -> Tensor:
    """Without these axes, which must have extent 1.

    >>> squeeze(Tensor([[1, 2]]), 0).shape
    (2,)
    """
    return F.squeeze(x, axis)


def stack(arrays: Sequence[Tensor], /, *, axis: int = 0) -> Tensor:
    """Tensors of one shape, put along a new axis.

    >>> stack([Tensor([1, 2]), Tensor([3, 4])], axis=1).tolist()
    [[1, 3], [2, 4]]
    """
    return F.stack(_common(arrays), axis)


def tile(x: Tensor, repetitions: tuple[int, ...], /) -> Tensor:
    """The whole tensor repeated along each axis.

    >>> tile(Tensor([1, 2]), (2,)).tolist()
    [1, 2, 1, 2]
    """
    return F.tile(x, repetitions) if repetitions else fresh(x)


def unstack(x: Tensor, /, *, axis: int = 0) -> tuple[Tensor, ...]:
    """The parts along an axis, without that axis.

    >>> [row.tolist() for row in unstack(Tensor([[1, 2], [3, 4]]))]
    [[1, 2], [3, 4]]
    """
    return tuple(moveaxis(x, axis, 0))
