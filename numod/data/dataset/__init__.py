"""Data sets: collections of items that a `DataLoader` makes batches of."""

from .base import ArrayDataset, ConcatDataset, Dataset, StreamDataset

__all__ = ["ArrayDataset", "ConcatDataset", "Dataset", "StreamDataset"]
