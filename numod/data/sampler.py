"""Samplers: which items of a data set make a batch, and in what order.

Random ones draw from NumPy's ``RandomState``, whose stream is frozen: a seed gives the same batches everywhere, MegEngine included.
"""

from __future__ import annotations

import itertools
import math
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from .. import config
from .dataset import Dataset


class Sampler(ABC):
    """Something that gives batches of indices when iterated over."""

    @abstractmethod
    def __iter__(self) -> Iterator[Any]:
        """The batches."""


_made = itertools.count()


def _shared_seed() -> list[int] | None:
    """A seed that the processes of a group have in common, a new one each time: their shares are of one order then."""
    return None if config.shared_seed is None else [config.shared_seed, next(_made)]


class MapSampler(Sampler):
    """Base class of samplers for data sets with indices. A subclass defines `sample`.

    batch_size: how many indices a batch has. drop_last: leave out a last batch that is smaller.
    num_samples: how many indices `sample` gives; the length of the data set if None.
    world_size, rank: of several processes, each takes its share of the indices; those of `numod.distributed` if None.
    seed: of ``self.rng``; a different one each time if None, and then the same for all processes of a group that make their samplers in the same order.
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int = 1,
        drop_last: bool = False,
        num_samples: int | None = None,
        world_size: int | None = None,
        rank: int | None = None,
        seed: int | None = None,
    ):
        name = type(self).__name__
        for what, value in (("batch_size", batch_size), ("num_samples", num_samples)):
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value <= 0):
                raise ValueError(f"{name}: {what} must be a positive int, got {value!r}")
        if not isinstance(drop_last, bool):
            raise ValueError(f"{name}: drop_last must be a bool, got {drop_last!r}")
        self.world_size = config.world_size if world_size is None else world_size
        self.rank = config.rank if rank is None else rank
        if self.world_size < 1 or not 0 <= self.rank < self.world_size:
            raise ValueError(f"{name}: rank must be from 0 to world_size - 1 = {self.world_size - 1}, got {self.rank}")
        self.dataset = dataset
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.num_samples = len(dataset) if num_samples is None else num_samples
        self.rng = np.random.RandomState(_shared_seed() if seed is None and self.world_size > 1 else seed)

    @abstractmethod
    def sample(self) -> Sequence[int]:
        """The indices of one pass, for all processes."""

    def scatter(self, indices: Sequence[int]) -> list[int]:
        """This process's share: every ``world_size``-th index, repeated from the start where that does not come out even."""
        share = math.ceil(len(indices) / self.world_size)
        return [indices[position % len(indices)] for position in range(self.rank, share * self.world_size, self.world_size)]

    def __iter__(self) -> Iterator[list[int]]:
        return self.batch()

    def batch(self) -> Iterator[list[int]]:
        """The batches of one pass, for this process: what iterating gives."""
        indices = self.scatter(list(self.sample()))
        for start in range(0, len(indices), self.batch_size):
            batch = indices[start : start + self.batch_size]
            if len(batch) == self.batch_size or not self.drop_last:
                yield batch

    def __len__(self) -> int:
        share = math.ceil(self.num_samples / self.world_size)
        return share // self.batch_size if self.drop_last else math.ceil(share / self.batch_size)


class _Subset(MapSampler):
    """A sampler of all items or of given ones."""

    def __init__(self, dataset, batch_size=1, drop_last=False, indices=None, world_size=None, rank=None, seed=None):
        if indices is not None and not isinstance(indices, (Sequence, np.ndarray)):
            raise ValueError(f"{type(self).__name__}: indices must be a sequence or None, got {indices!r}")
        num_samples = None if indices is None else len(indices)
        super().__init__(dataset, batch_size, drop_last, None, world_size, rank, seed)
        self.indices = None if indices is None else np.asarray(indices).tolist()
        self.num_samples = self.num_samples if num_samples is None else num_samples


class SequentialSampler(_Subset):
    """All items, or those at ``indices``, in order.

    >>> from numod.data.dataset import ArrayDataset
    >>> list(SequentialSampler(ArrayDataset(range(5)), batch_size=2))
    [[0, 1], [2, 3], [4]]
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int = 1,
        drop_last: bool = False,
        indices: Sequence[int] | None = None,
        world_size: int | None = None,
        rank: int | None = None,
    ):
        super().__init__(dataset, batch_size, drop_last, indices, world_size, rank)

    def sample(self) -> Sequence[int]:
        """The indices, in order."""
        return range(len(self.dataset)) if self.indices is None else self.indices


class RandomSampler(_Subset):
    """All items, or those at ``indices``, each once, in an order that is drawn anew for each pass.

    >>> from numod.data.dataset import ArrayDataset
    >>> list(RandomSampler(ArrayDataset(range(5)), batch_size=2, seed=0))
    [[2, 0], [1, 3], [4]]
    """

    def sample(self) -> Sequence[int]:
        """The indices, in a new order."""
        return self.rng.permutation(len(self.dataset) if self.indices is None else self.indices).tolist()


class ReplacementSampler(MapSampler):
    """``num_samples`` items drawn independently, with probabilities in proportion to ``weights`` if given.

    >>> from numod.data.dataset import ArrayDataset
    >>> list(ReplacementSampler(ArrayDataset(range(3)), batch_size=2, num_samples=4, weights=[0, 1, 0]))
    [[1, 1], [1, 1]]
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int = 1,
        drop_last: bool = False,
        num_samples: int | None = None,
        weights: Sequence[float] | None = None,
        world_size: int | None = None,
        rank: int | None = None,
        seed: int | None = None,
    ):
        super().__init__(dataset, batch_size, drop_last, num_samples, world_size, rank, seed)
        self.weights: np.ndarray | None = None
        if weights is not None:
            shares = np.asarray(weights, np.float64)
            if shares.shape != (len(dataset),) or not (shares >= 0).all() or not 0 < shares.sum() < math.inf:
                raise ValueError(
                    f"ReplacementSampler: weights must be {len(dataset)} numbers, one for each item, not negative and not all 0, "
                    f"got {weights!r}"
                )
            self.weights = shares / shares.sum()

    def sample(self) -> Sequence[int]:
        """Indices drawn anew."""
        return self.rng.choice(len(self.dataset), self.num_samples, p=self.weights).tolist()


class Infinite(Sampler):
    """The batches of another sampler, over and over; a random one draws a new order for each pass."""

    def __init__(self, sampler: Sampler):
        self.sampler = sampler

    def __iter__(self) -> Iterator[Any]:
        while True:
            empty = True
            for batch in self.sampler:
                empty = False
                yield batch
            if empty:
                raise ValueError(f"Infinite: the {type(self.sampler).__name__} gives no batches")

    def __len__(self) -> int:
        return sys.maxsize


class StreamSampler(Sampler):
    """For a `StreamDataset`: how many items make a batch; nothing can be chosen or reordered."""

    def __init__(self, batch_size: int = 1):
        if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size <= 0:
            raise ValueError(f"StreamSampler: batch_size must be a positive int, got {batch_size!r}")
        self.batch_size = batch_size

    def __iter__(self) -> Iterator[range]:
        return self.batch()

    def batch(self) -> Iterator[range]:
        """Batches without an end: what iterating gives."""
        while True:
            yield range(self.batch_size)
