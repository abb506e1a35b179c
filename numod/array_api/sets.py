"""The different elements of a tensor. How many there are depends on the values, so the host looks at them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .. import functional as F
from ..dtype import boolean, int32
from ..op import apply
from ..ops import compare, index, search
from ..tensor import Tensor
from .arguments import meet
from .dtypes import Scalar, cast


class UniqueAll(NamedTuple):
    """What `unique_all` gives."""

    values: Tensor
    indices: Tensor
    inverse_indices: Tensor
    counts: Tensor


class UniqueCounts(NamedTuple):
    """What `unique_counts` gives."""

    values: Tensor
    counts: Tensor


class UniqueInverse(NamedTuple):
    """What `unique_inverse` gives."""

    values: Tensor
    inverse_indices: Tensor


def unique_all(x: Tensor, /) -> UniqueAll:
    """The different values in ascending order, where each is first, which of them each element is, and how often each occurs.

    NaNs differ from each other. The indices and counts are int32.

    >>> unique_all(Tensor([3, 1, 3])).counts.tolist()
    [1, 2]
    """
    found = np.unique(x.numpy(), return_index=True, return_inverse=True, return_counts=True, equal_nan=False)
    values, first, inverse, counts = found
    places = [Tensor(each, dtype=int32, device=x.device) for each in (first, inverse.reshape(x.shape), counts)]
    return UniqueAll(Tensor(values, dtype=x.dtype, device=x.device), *places)


def unique_counts(x: Tensor, /) -> UniqueCounts:
    """The different values in ascending order, and how often each occurs.

    >>> unique_counts(Tensor([3, 1, 3])).values.tolist()
    [1, 3]
    """
    found = unique_all(x)
    return UniqueCounts(found.values, found.counts)


def unique_inverse(x: Tensor, /) -> UniqueInverse:
    """The different values in ascending order, and which of them each element is.

    >>> unique_inverse(Tensor([3, 1, 3])).inverse_indices.tolist()
    [1, 0, 1]
    """
    found = unique_all(x)
    return UniqueInverse(found.values, found.inverse_indices)


def isin(x1: Tensor | Scalar, x2: Tensor | Scalar, /, *, invert: bool = False) -> Tensor:
    """Whether each element of ``x1`` is somewhere in ``x2``, or with ``invert``, is not. NaN is in nothing. (From the standard's version 2025.12.)

    >>> isin(Tensor([1, 2, 3]), Tensor([3, 1])).tolist()
    [True, False, True]
    """
    x, known = meet("isin", x1, x2)
    if x.dtype == boolean:
        x, known = cast(x, int32), cast(known, int32)
    known = F.reshape(known, (known.size,))
    if known.size:
        known = F.sort(known)[0]
        places = F.minimum(apply(search.searchsorted, (known, x), (False,)), known.size - 1)
        found = apply(index.take, (known, places), (0,)) == x
    else:
        found = F.zeros(x.shape, dtype=boolean, device=x.device)
    return apply(compare.logical_not, (found,)) if invert else found


def unique_values(x: Tensor, /) -> Tensor:
    """The different values in ascending order.

    >>> unique_values(Tensor([3, 1, 3])).tolist()
    [1, 3]
    """
    return Tensor(np.unique(x.numpy(), equal_nan=False), dtype=x.dtype, device=x.device)
