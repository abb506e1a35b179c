"""Data sets of images, read from local files in the layouts that they are published in."""

from .base import VisionDataset
from .boxes import COCO, Objects365
from .cifar import CIFAR10, CIFAR100
from .cityscapes import Cityscapes
from .folder import ImageFolder, ImageNet
from .mnist import MNIST
from .voc import PascalVOC

__all__ = [
    "CIFAR10",
    "CIFAR100",
    "COCO",
    "MNIST",
    "Cityscapes",
    "ImageFolder",
    "ImageNet",
    "Objects365",
    "PascalVOC",
    "VisionDataset",
]
