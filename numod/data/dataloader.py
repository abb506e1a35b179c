"""DataLoader: batches from a data set, as a sampler, a transform and a collator say."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection
from typing import Any

from . import workers
from .collator import Collator
from .dataset import Dataset, StreamDataset
from .preload import preload
from .sampler import Sampler, SequentialSampler, StreamSampler
from .transform import PseudoTransform, Transform


class DataLoader:
    """Iterate over a data set in batches; every ``iter`` is a new pass.

    sampler: which items make a batch; one after the other, in batches of 1, if None.
    transform: applied to each item. collator: makes a batch of items; `Collator` stacks them.
    num_workers: how many processes make batches ahead of time; with 0 they are made in this process when they are asked for.
        Workers are spawned for each pass, so data set, transform and collator must be picklable, and a script needs
        ``if __name__ == "__main__":``. Batches come in the same order whatever the number, arrays in shared memory. A pass ends its
        workers when it is over, left or interrupted.
    timeout: how many seconds to wait for a batch before giving up with an error; 0 to wait forever.
    parallel_stream: whether each worker reads a `StreamDataset` of its own (then the data set must see to it that they differ);
        by default one worker reads it.
    preload: whether a thread of this process makes the next two batches while the last one is used, with a Tensor on the default device for each array of
        numbers in them. Batches then cost the loop that asks for them no time as long as they are made faster than used, without workers
        as well; transforms that draw random numbers from a generator that others use, such as NumPy's own, draw them in between.

    Raises, while iterating: RuntimeError with the worker's traceback if it raised, with its exit code if it died; TimeoutError.

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
        if isinstance(num_workers, bool) or not isinstance(num_workers, int) or num_workers < 0:
            raise ValueError(f"DataLoader: num_workers must be an int of at least 0, got {num_workers!r}")
        if not timeout >= 0:
            raise ValueError(f"DataLoader: timeout must be at least 0, got {timeout!r}")
        if not isinstance(preload, bool):
            raise TypeError(f"DataLoader: preload must be a bool, got {preload!r}")
        if num_workers and os.name != "posix":
            raise ValueError(f"DataLoader: num_workers must be 0 on this system, got {num_workers}")
        if not isinstance(dataset, Dataset):
            raise TypeError(f"DataLoader: expected a Dataset, got {type(dataset).__name__}")
        stream = isinstance(dataset, StreamDataset)
        if parallel_stream and not (stream and num_workers):
            raise ValueError("DataLoader: parallel_stream needs a StreamDataset and num_workers above 0")
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
        return preload(self._batches) if self.preload else self._batches()

    def _batches(self, left: Connection | None = None) -> Iterator[Any]:
        """The batches as arrays. left: as of `workers.Worker.receive`."""
        if isinstance(self.sampler, StreamSampler):
            make = _FromStream(self.dataset, self.transform, self.collator, self.sampler.batch_size)
            if self.num_workers:
                return workers.run_streams(make, self.num_workers if self.parallel_stream else 1, self.timeout, left)
            return _until_exhausted(make)
        make_batch = _FromIndices(self.dataset, self.transform, self.collator)
        if self.num_workers:
            return workers.run(make_batch, self.sampler, self.num_workers, self.timeout, left)
        return (make_batch(indices) for indices in self.sampler)

    def __len__(self) -> int:
        """The number of batches in one pass."""
        if isinstance(self.sampler, StreamSampler):
            raise TypeError("DataLoader: a stream has no length")
        return len(self.sampler)  # type: ignore[arg-type]


class _FromIndices:
    """Makes the batch of the items at some indices."""

    def __init__(self, dataset: Dataset, transform: Transform, collator: Collator):
        self.dataset, self.transform, self.collator = dataset, transform, collator

    def __call__(self, indices: Sequence[int]) -> Any:
        return self.collator.apply(self.transform.apply_batch([self.dataset[index] for index in indices]))


class _FromStream:
    """Makes the batch of the items that come next."""

    def __init__(self, dataset: Dataset, transform: Transform, collator: Collator, batch_size: int):
        self.dataset, self.transform, self.collator, self.batch_size = dataset, transform, collator, batch_size
        self.items: Iterator[Any] | None = None  # begins where batches are made, so that this can be pickled

    def __call__(self, _: None = None) -> Any:
        if self.items is None:
            self.items = iter(self.dataset)
        items = list(itertools.islice(self.items, self.batch_size))
        if not items:
            raise workers.Exhausted
        return self.collator.apply(self.transform.apply_batch(items))


def _until_exhausted(make: _FromStream) -> Iterator[Any]:
    while True:
        try:
            batch = make()
        except workers.Exhausted:
            return
        yield batch
