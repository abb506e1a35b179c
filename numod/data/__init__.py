"""Data sets, samplers that say which items make a batch, and the loader that brings the batches: NumPy arrays, or Tensors if it preloads them."""

from . import dataset, transform
from .collator import Collator
from .dataloader import DataLoader
from .sampler import Infinite, MapSampler, RandomSampler, ReplacementSampler, Sampler, SequentialSampler, StreamSampler

__all__ = [
    "Collator",
    "DataLoader",
    "Infinite",
    "MapSampler",
    "RandomSampler",
    "ReplacementSampler",
    "Sampler",
    "SequentialSampler",
    "StreamSampler",
    "dataset",
    "transform",
]
