"""MNIST."""

from __future__ import annotations

import gzip
import math
import os

import numpy as np

from .base import VisionDataset, existing
from .location import default_root


class MNIST(VisionDataset):
    """Handwritten digits (LeCun et al., 1998): items (image (28, 28, 1) of bytes, label int32).

    root: the folder with ``train-images-idx3-ubyte.gz`` and the other three files, packed or not; ``mnist`` in numod's folder for data if None.
    train: the 60,000 digits for training, or the 10,000 for testing. download: files must be there already, whatever it says.

    ``images`` and ``labels`` have all of them.
    """

    def __init__(self, root: str | None = None, train: bool = True, download: bool = True):
        super().__init__(default_root("mnist") if root is None else root, order=("image", "image_category"))
        part = "train" if train else "t10k"
        self.images = self._read(f"{part}-images-idx3-ubyte", 2051)[..., np.newaxis]
        self.labels = self._read(f"{part}-labels-idx1-ubyte", 2049).astype(np.int32)
        if len(self.images) != len(self.labels):
            raise ValueError(f"MNIST: {self.root!r} has {len(self.images)} images and {len(self.labels)} labels")

    def _read(self, name: str, magic: int) -> np.ndarray:
        """The array in a file of the IDX format."""
        path = os.path.join(self.root, name)
        if os.path.exists(path):
            with open(path, "rb") as file:
                content = file.read()
        else:
            path = existing("MNIST", path + ".gz", "https://storage.googleapis.com/cvdf-datasets/mnist")
            with gzip.open(path, "rb") as file:
                content = file.read()
        axes = magic & 0xFF
        head = np.frombuffer(content[: 4 + 4 * axes], ">i4").tolist() if len(content) >= 4 + 4 * axes else [0]
        shape = head[1:]
        if head[0] != magic or len(content) != 4 + 4 * axes + math.prod(shape):
            raise ValueError(f"MNIST: {path!r} is damaged, or of another format")
        return np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape)

    def __getitem__(self, index):
        return self.images[index], self.labels[index]

    def __len__(self) -> int:
        return len(self.images)
