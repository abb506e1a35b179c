"""DataLoader: batches from a data set, as a sampler, a transform and a collator say."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from .collator import Collator
from .dataset import Dataset, StreamDataset
from .sampler import Sampler, SequentialSampler, StreamSampler
from .transform import PseudoTransform, Transform


class DataLoader:
    """Iterate over a data set in batches; every ``iter`` is a new pass.

    sampler: which items make a batch; one after the other, in batches of 1, if None.
    transform: applied to each item. collator: makes a batch of items; `Collator` stacks them.
    num_workers, timeout, preload, parallel_stream: batches are made in this process when they are asked for,
    so the only values accepted are 0, 0, False and False.

    >>> from numod.data import SequentialSampler
    >>> from numod.data.dataset import ArrayDataset
    >>> dataset = ArrayDataset([1, 2, 3], [4.0, 5.0, 6.0])
    >>> for numbers, targets in DataLoader(dataset, SequentialSampler(dataset, batch_size=2)):
    ...     print(numbers, targets)
    [1 2] [4. 5.]
    [3] [6.]
    """

    def __init__(
        self,
        dataset: Dataset,
        sampler: Sampler | None = None,
        transform: Transform | None = None,
        collator: Collator | None = None,
        num_workers: int = 0,
        timeout: int = 0,
        preload: bool = False,
        parallel_stream: bool = False,
    ):
        for what, value in (
            ("num_workers", num_workers),
            ("timeout", timeout),
            ("preload", preload),
            ("parallel_stream", parallel_stream),
        ):
            if value:
                raise ValueError(f"DataLoader: {what} must be {type(value)()}, batches are made in this process; got {value!r}")
        if not isinstance(dataset, Dataset):
            raise TypeError(f"DataLoader: expected a Dataset, got {type(dataset).__name__}")
        stream = isinstance(dataset, StreamDataset)
        if sampler is None:
            sampler = StreamSampler() if stream else SequentialSampler(dataset)
        if not isinstance(sampler, Sampler) or isinstance(sampler, StreamSampler) != stream:
            accepted = "a StreamSampler" if stream else "a Sampler of indices"
            raise TypeError(f"DataLoader: {type(dataset).__name__} needs {accepted}, got {type(sampler).__name__}")
        self.dataset = dataset
        self.sampler = sampler
        self.transform = PseudoTransform() if transform is None else transform
        self.collator = Collator() if collator is None else collator
        self.num_workers = num_workers
        self.timeout = timeout
        self.preload = preload
        self.parallel_stream = parallel_stream

    def __iter__(self) -> Iterator[Any]:
        for items in self._batches():
            yield self.collator.apply(self.transform.apply_batch(items))

    def _batches(self) -> Iterator[list]:
        if isinstance(self.sampler, StreamSampler):
            stream = iter(self.dataset)
            while items := list(itertools.islice(stream, self.sampler.batch_size)):
                yield items
        else:
            for indices in self.sampler:
                yield [self.dataset[index] for index in indices]

    def __len__(self) -> int:
        """The number of batches in one pass."""
        if isinstance(self.sampler, StreamSampler):
            raise TypeError("DataLoader: a stream has no length")
        return len(self.sampler)  # type: ignore[arg-type]
