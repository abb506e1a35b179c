"""Functions that read and write along an axis by index tensors: gather, scatter, one-hot, embedding, and what is picked by a mask."""

from __future__ import annotations

import numpy as np

from ..dtype import boolean, int32
from ..errors import DTypeError, check
from ..forms import normalize_axis
from ..op import apply
from ..ops import along, index as indexed, join, view
from ..tensor import Tensor
from .elemwise import not_equal
from .tensor import expand_dims, reshape


def _checked_axis(name: str, inp: Tensor, axis: int, index: Tensor) -> int:
    """The axis along which ``index`` selects elements of ``inp``, after its shape was checked."""
    axis = normalize_axis(name, axis, inp.ndim)
    fits = index.ndim == inp.ndim and join.resized(index.shape, axis, 0) == join.resized(inp.shape, axis, 0)
    check(fits, "{}: index must have the shape {} but for axis {}, got {}", name, inp.shape, axis, index.shape)
    return axis


def gather(inp: Tensor, axis: int, index: Tensor) -> Tensor:
    """The elements that ``index`` selects along ``axis``: ``out[i][j] = inp[index[i][j]][j]`` for axis 0 of two.

    index: integers, of the shape of ``inp`` but for ``axis``; so is the result. KernelIndexError (an IndexError) if one is out of range.

    >>> gather(Tensor([[1, 2], [3, 4]]), 1, Tensor([[1], [0]])).tolist()
    [[2], [3]]
    """
    return apply(along.take_along, (inp, index), (_checked_axis("gather", inp, axis, index),))


def scatter(inp: Tensor, axis: int, index: Tensor, source: Tensor) -> Tensor:
    """Write the elements of ``source`` into ``inp``, where `gather` reads: ``inp[index[i][j]][j] = source[i][j]`` for axis 0 of two; returns ``inp``.

    index: integers, of the shape of ``inp`` but for ``axis``. source: of the shape of ``index``. Of several values for one place the last stays.

    >>> scatter(Tensor([[1, 2], [3, 4]]), 1, Tensor([[1], [0]]), Tensor([[9], [8]])).tolist()
    [[1, 9], [8, 4]]
    """
    check(source.shape == index.shape, "scatter: source and index must have one shape, got {} and {}", source.shape, index.shape)
    inp._bind(apply(along.put_along, (inp, source, index), (_checked_axis("scatter", inp, axis, index),)))
    return inp


def one_hot(inp: Tensor, num_classes: int) -> Tensor:
    """A row of ``num_classes`` zeros (int32) with a 1 at the index, for each index. KernelIndexError if one is out of range.

    >>> one_hot(Tensor([1, 0]), 3).tolist()
    [[0, 1, 0], [1, 0, 0]]
    """
    return apply(indexed.one_hot, (inp,), (int(num_classes),))


def indexing_one_hot(src: Tensor, index: Tensor, axis: int = 1, keepdims: bool = False) -> Tensor:
    """One element along ``axis`` for each place of the other axes: ``out[i] = src[i][index[i]]`` for axis 1 of two.

    index: integers, of the shape of ``src`` without ``axis``. keepdims: keep the axis, with extent 1.

    >>> indexing_one_hot(Tensor([[1, 2], [3, 4]]), Tensor([1, 0])).tolist()
    [2, 3]
    """
    axis = normalize_axis("indexing_one_hot", axis, src.ndim)
    wanted = (*src.shape[:axis], *src.shape[axis + 1 :])
    check(index.shape == wanted, "indexing_one_hot: index must have shape {}, got {}", wanted, index.shape)
    picked = gather(src, axis, expand_dims(index, axis))
    return picked if keepdims else reshape(picked, wanted)


def embedding(
    inp: Tensor, weight: Tensor, padding_idx: int | None = None, max_norm: float | None = None, norm_type: float | None = None
) -> Tensor:
    """The rows of ``weight`` at the indices ``inp``: (...) -> (..., features). KernelIndexError (an IndexError) if one is out of range.

    ``padding_idx``, ``max_norm`` and ``norm_type`` must be None.

    >>> embedding(Tensor([1, 1]), Tensor([[1.0, 2.0], [3.0, 4.0]])).tolist()
    [[3.0, 4.0], [3.0, 4.0]]
    """
    for name, value in (("padding_idx", padding_idx), ("max_norm", max_norm), ("norm_type", norm_type)):
        if value is not None:
            raise ValueError(f"embedding: {name} must be None, got {value}")
    check(weight.ndim == 2, "embedding: weight must have 2 axes, got shape {}", weight.shape)
    return apply(indexed.take, (weight, inp), (0,))


def cond_take(mask: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """(the elements where ``mask`` is true, their flat indices): both have one axis, as long as there are such elements.

    >>> [out.tolist() for out in cond_take(Tensor([True, False, True]), Tensor([1, 2, 3]))]
    [[1, 3], [0, 2]]
    """
    if mask.dtype != boolean:
        raise DTypeError(f"cond_take: mask must be of dtype bool, got {mask.dtype}")
    check(mask.shape == x.shape, "cond_take: mask and x must have one shape, got {} and {}", mask.shape, x.shape)
    places = Tensor(np.flatnonzero(mask.numpy()), dtype=indexed.index_dtype(x.size), device=x.device)
    return apply(indexed.take, (reshape(x, (x.size,)), places), (0,)), places


def diag(inp: Tensor, k: int = 0) -> Tensor:
    """The ``k``-th diagonal of a matrix, or the matrix with a vector on it and zeros elsewhere.

    >>> diag(Tensor([1, 2])).tolist()
    [[1, 0], [0, 2]]
    """
    check(inp.ndim <= 2, "diag: takes at most 2 axes, got shape {}", inp.shape)
    if inp.ndim == 0:
        inp = reshape(inp, (1,))
    if inp.dtype == boolean:
        return not_equal(diag(apply(view.astype, (inp,), (int32,)), k), 0)
    if inp.ndim == 1:
        side = inp.shape[0] + abs(k)
        places = np.flatnonzero(np.eye(side, k=k))
        return reshape(apply(indexed.add_at, (inp, Tensor(places, device=inp.device)), (0, side * side)), (side, side))
    rows, columns = inp.shape
    places = np.flatnonzero(np.eye(rows, columns, k=k))
    return apply(indexed.take, (reshape(inp, (inp.size,)), Tensor(places, device=inp.device)), (0,))
