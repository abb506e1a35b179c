"""Data sets: collections of items that a `DataLoader` makes batches of."""

from .base import ArrayDataset, ConcatDataset, Dataset, StreamDataset
from .vision import CIFAR10, CIFAR100, COCO, MNIST, Cityscapes, ImageFolder, ImageNet, Objects365, PascalVOC, VisionDataset

__all__ = [
    "CIFAR10",
    "CIFAR100",
    "COCO",
    "MNIST",
    "ArrayDataset",
    "Cityscapes",
    "ConcatDataset",
    "Dataset",
    "ImageFolder",
    "ImageNet",
    "Objects365",
    "PascalVOC",
    "StreamDataset",
    "VisionDataset",
]
