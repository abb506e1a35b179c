"""The kinds of data sets: by index, as a stream, from arrays, and several in a row."""

from __future__ import annotations

import bisect
import itertools
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Any


class Dataset(ABC):
    """Items that can be reached by index. A subclass defines ``__getitem__`` and ``__len__``."""

    @abstractmethod
    def __getitem__(self, index):
        """The item at ``index``."""

    @abstractmethod
    def __len__(self) -> int:
        """The number of items."""


class StreamDataset(Dataset):
    """Items that come one after the other, of which nobody knows how many. A subclass defines ``__iter__``."""

    @abstractmethod
    def __iter__(self) -> Iterator[Any]:
        """The items."""

    def __getitem__(self, index):
        raise TypeError(f"{type(self).__name__}: a StreamDataset has no items by index, iterate over it")

    def __len__(self) -> int:
        raise TypeError(f"{type(self).__name__}: a StreamDataset has no length")


class ArrayDataset(Dataset):
    """Arrays of one length; an item is a tuple with an entry of each.

    >>> dataset = ArrayDataset([1, 2, 3], ["a", "b", "c"])
    >>> dataset[1], len(dataset)
    ((2, 'b'), 3)
    """

    def __init__(self, *arrays):
        lengths = [len(array) for array in arrays]
        if not arrays or lengths.count(lengths[0]) != len(lengths):
            raise ValueError(f"ArrayDataset: expected arrays of one length, got lengths {lengths}")
        self.arrays = arrays

    def __getitem__(self, index) -> tuple:
        return tuple(array[index] for array in self.arrays)

    def __len__(self) -> int:
        return len(self.arrays[0])


class ConcatDataset(Dataset):
    """Several data sets, one after the other.

    >>> ConcatDataset([ArrayDataset([1, 2]), ArrayDataset([3, 4])])[2]
    (3,)
    """

    def __init__(self, datasets: Iterable[Dataset]):
        self.datasets = list(datasets)
        if not self.datasets:
            raise ValueError("ConcatDataset: expected at least one data set, got none")
        if any(isinstance(dataset, StreamDataset) for dataset in self.datasets):
            raise TypeError("ConcatDataset: a StreamDataset has no items by index")
        self.cumulative_sizes = list(itertools.accumulate(len(dataset) for dataset in self.datasets))

    def __getitem__(self, index: int):
        position = index + len(self) if index < 0 else index
        if not 0 <= position < len(self):
            raise IndexError(f"ConcatDataset: index {index} is out of range for {len(self)} items")
        which = bisect.bisect_right(self.cumulative_sizes, position)
        start = self.cumulative_sizes[which - 1] if which else 0
        return self.datasets[which][position - start]

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]
