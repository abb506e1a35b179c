"""Sums of products in Einstein's notation: two operands at a time, each pair as a batch of matrix products."""

from __future__ import annotations

import functools
import math
import string
from collections.abc import Sequence

import numpy as np

from ..dtype import is_float, is_integer, promote
from ..errors import check
from ..op import apply
from ..ops import reduce, view
from ..tensor import Tensor
from .elemwise import as_tensor, mul
from .linalg import matmul

OPTIMAL = 5  # operands up to which all orders of joining them are compared


def einsum(subscripts: str, *operands: Tensor) -> Tensor:
    """The sum of products that letters for the axes describe, as in NumPy: ``"bij,bjk->bik"`` multiplies matrices.

    A letter that comes twice in one operand takes its diagonal; one that is not in the result is summed over. ``...`` stands for axes that are
    broadcast. Without an arrow the result has the axes of ``...`` and then, in alphabetical order, the letters that come once. Three and more
    operands are joined in the order that takes the fewest operations. ValueError names a letter whose axes do not fit.

    >>> x = Tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> einsum("ij,kj->ik", x, x).tolist()
    [[5.0, 11.0], [11.0, 25.0]]
    >>> einsum("ii", x).item()
    5.0
    """
    tensors = [as_tensor(operand) for operand in operands]
    shapes = tuple(tensor.shape for tensor in tensors)
    terms, result, path = _plan(subscripts, shapes)
    left = [_diagonal(view.reshape(x, shape=shape), labels) for x, (labels, shape) in zip(tensors, terms, strict=True)]
    for places in path:
        taken = [left[place] for place in places]
        left = [each for place, each in enumerate(left) if place not in places]
        x, labels = taken[0]
        for i, (y, other) in enumerate(taken[1:], 1):
            kept = {*result, *(label for _, rest in (*left, *taken[i + 1 :]) for label in rest)}
            x, labels = _join(x, labels, y, other, kept)
        left.append((x, labels))
    ((x, labels),) = left
    x, labels = _reduced(x, labels, set(result))
    return _moved(x, [labels.index(label) for label in result])


@functools.lru_cache(maxsize=1024)
def _plan(subscripts: str, shapes: tuple[tuple[int, ...], ...]) -> tuple[list[tuple[str, tuple[int, ...]]], str, list[tuple[int, ...]]]:
    """((letters, shape) of each operand without the axes that are repeated, letters of the result, which operands to join one after the other)."""
    inputs, arrow, result = subscripts.replace(" ", "").partition("->")
    terms = inputs.split(",")
    check(len(terms) == len(shapes), "einsum: {!r} is about {} operands, got {}", subscripts, len(terms), len(shapes))
    letters = [*terms, result]
    good = all(set(term.replace("...", "", 1)) <= set(string.ascii_letters) for term in letters)
    check(good, "einsum: subscripts are letters, commas, '...' and one '->', got {!r}", subscripts)
    spread = _spread(subscripts, terms, shapes)
    if arrow:
        check("..." in result or not spread, "einsum: the axes of '...' must be in the result, got {!r}", subscripts)
    else:
        every = inputs.replace("...", "").replace(",", "")
        result = "..." * bool(spread) + "".join(sorted(label for label in set(every) if every.count(label) == 1))
    free = [label for label in string.ascii_letters if label not in subscripts]
    check(len(spread) <= len(free), "einsum: no letters are left for '...' in {!r}", subscripts)
    fresh = "".join(free[: len(spread)])
    full = [_lettered(term, shape, fresh, spread) for term, shape in zip(terms, shapes, strict=True)]
    result = result.replace("...", fresh)
    known = {label for labels, _ in full for label in labels}
    once = len(set(result)) == len(result) and set(result) <= known
    check(once, "einsum: the result has letters of the operands, each once, got {!r}", subscripts)
    sides: dict[str, int] = {}
    for labels, shape in full:
        for label, side in zip(labels, shape, strict=True):
            known_side = sides.setdefault(label, side)
            check(known_side == side, "einsum: the axis {!r} has length {} in one place and {} in another", label, known_side, side)
    if len(full) < 3:
        return full, result, [tuple(range(len(full)))]
    text = ",".join(labels for labels, _ in full) + "->" + result
    empty = [np.broadcast_to(np.float32(0), shape) for _, shape in full]  # np.einsum_path looks at shapes only
    _, *path = np.einsum_path(text, *empty, optimize="optimal" if len(full) <= OPTIMAL else "greedy")[0]
    return full, result, [tuple(sorted(places)) for places in path]


def _spread(subscripts: str, terms: Sequence[str], shapes: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """The extents of the axes that ``...`` stands for, broadcast."""
    parts = []
    for term, shape in zip(terms, shapes, strict=True):
        named = len(term.replace("...", ""))
        fits = named <= len(shape) if "..." in term else named == len(shape)
        check(fits, "einsum: {!r} names {} axes of an operand with {}", subscripts, named, len(shape))
        before = term.find("...")
        parts.append(shape[before : before + len(shape) - named] if before >= 0 else ())
    try:
        return np.broadcast_shapes(*parts)
    except ValueError:
        check(False, "einsum: the axes of '...' cannot be broadcast, they are {}", " and ".join(map(str, parts)))
        raise AssertionError from None


def _lettered(term: str, shape: tuple[int, ...], fresh: str, spread: tuple[int, ...]) -> tuple[str, tuple[int, ...]]:
    """The letters of an operand and its shape, without axes of ``...`` that are repeated."""
    count = len(shape) - len(term.replace("...", ""))
    labels = term.replace("...", fresh[len(fresh) - count :])
    extents = dict(zip(fresh, spread, strict=True))
    kept = [(label, side) for label, side in zip(labels, shape, strict=True) if side == extents.get(label, side)]
    return "".join(label for label, _ in kept), tuple(side for _, side in kept)


def _moved(x: Tensor, order: Sequence[int]) -> Tensor:
    return x if list(order) == list(range(x.ndim)) else apply(view.transpose, (x,), (tuple(order),))


def _diagonal(x: Tensor, labels: str) -> tuple[Tensor, str]:
    """For a letter that comes twice, the diagonal of its axes, as the last axis."""
    for label in dict.fromkeys(labels):
        while labels.count(label) > 1:
            first = labels.index(label)
            second = labels.index(label, first + 1)
            rest = [axis for axis in range(x.ndim) if axis not in (first, second)]
            side = x.shape[first]
            flat = view.reshape(_moved(x, [*rest, first, second]), shape=(*(x.shape[axis] for axis in rest), side * side))
            x = flat[..., :: side + 1]
            labels = "".join(labels[axis] for axis in rest) + label
    return x, labels


def _reduced(x: Tensor, labels: str, kept: set[str]) -> tuple[Tensor, str]:
    """The sum over the axes that are not kept."""
    axes = tuple(axis for axis, label in enumerate(labels) if label not in kept)
    return (apply(reduce.sum, (x,), (axes, False)) if axes else x), "".join(label for label in labels if label in kept)


def _join(x: Tensor, left: str, y: Tensor, right: str, kept: set[str]) -> tuple[Tensor, str]:
    """The product of two operands, summed over the axes that they share and nobody else needs: a batch of matrix products."""
    x, left = _reduced(x, left, {*kept, *right})
    y, right = _reduced(y, right, {*kept, *left})
    shared = [label for label in left if label in right]
    batch, inner = [[label for label in shared if (label in kept) == wanted] for wanted in (True, False)]
    rows, columns = [label for label in left if label not in shared], [label for label in right if label not in shared]
    sides = {**dict(zip(left, x.shape, strict=True)), **dict(zip(right, y.shape, strict=True))}
    a, b = _grouped(x, left, batch, rows, inner), _grouped(y, right, batch, inner, columns)
    dtype = promote(a.dtype, b.dtype)
    if not inner:
        out = mul(a, b)  # (batch, rows, 1) * (batch, 1, columns)
    elif is_float(dtype) or (is_integer(dtype) and dtype.itemsize >= 4):
        out = matmul(a, b)
    else:
        terms = mul(view.reshape(a, shape=(*a.shape, 1)), view.reshape(b, shape=(b.shape[0], 1, *b.shape[1:])))
        out = apply(reduce.sum, (terms,), ((2,), False))
    labels = [*batch, *rows, *columns]
    return view.reshape(out, shape=tuple(sides[label] for label in labels)), "".join(labels)


def _grouped(x: Tensor, labels: str, *groups: list[str]) -> Tensor:
    """The axes in groups, each of them one axis."""
    order = [labels.index(label) for group in groups for label in group]
    shape = tuple(math.prod(x.shape[labels.index(label)] for label in group) for group in groups)
    return view.reshape(_moved(x, order), shape=shape)


__all__ = ["einsum"]
