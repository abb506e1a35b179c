"""CIFAR-10 and CIFAR-100."""

from __future__ import annotations

import os
import pickle
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from .base import VisionDataset, existing
from .location import default_root


def _latin1(text: str, encoding: str) -> bytes:
    """Stands for `codecs.encode`, by which Python 3 writes bytes for Python 2."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"has bytes encoded as {encoding!r}")
    return text.encode("latin1")


_RECONSTRUCT: Any = np.zeros(0).__reduce__()[0]
_KNOWN: dict[tuple[str, str], Any] = {
    ("numpy.core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy._core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): _latin1,
}


class _Unpickler(pickle.Unpickler):
    """Reads arrays and plain values, and can run nothing."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _KNOWN:
            raise pickle.UnpicklingError(f"asks for {module}.{name}")
        return _KNOWN[module, name]


class CIFAR10(VisionDataset):
    """Small pictures of ten kinds of things (Krizhevsky, 2009): items (image (32, 32, 3) of bytes, blue first, label int32).

    root: the folder with ``cifar-10-batches-py``; ``cifar10`` in numod's folder for data if None.
    train: the 50,000 pictures for training, or the 10,000 for testing. download: files must be there already, whatever it says.
    timeout: not used.

    ``images`` and ``labels`` have all of them, ``class_names`` says what the labels mean.
    """

    raw_file_dir: ClassVar[str] = "cifar-10-batches-py"
    train_batch: ClassVar[Sequence[str]] = [f"data_batch_{number}" for number in range(1, 6)]
    test_batch: ClassVar[Sequence[str]] = ["test_batch"]
    _meta: ClassVar[str] = "batches.meta"
    _labels: ClassVar[Sequence[bytes]] = (b"labels",)
    _names: ClassVar[bytes] = b"label_names"

    def __init__(self, root: str | None = None, train: bool = True, download: bool = True, timeout: int = 500):
        order = ("image", *(f"{what}_category" for what in ("image", "coarse")[: len(self._labels)]))
        super().__init__(default_root(type(self).__name__.lower()) if root is None else root, order=order)
        batches = [self._read(name) for name in (self.train_batch if train else self.test_batch)]
        rows = np.concatenate([np.asarray(batch[b"data"], np.uint8) for batch in batches])
        self.images = np.ascontiguousarray(rows.reshape(-1, 3, 32, 32)[:, ::-1].transpose(0, 2, 3, 1))  # red first -> blue first
        self.labels = [np.concatenate([np.asarray(batch[kind], np.int32) for batch in batches]) for kind in self._labels]
        self.class_names = [name.decode() for name in self._read(self._meta)[self._names]]

    def _read(self, name: str) -> dict[bytes, Any]:
        path = os.path.join(self.root, self.raw_file_dir, name)
        where = type(self).__name__
        with open(existing(where, path, "https://www.cs.toronto.edu/~kriz/cifar.html"), "rb") as file:
            try:
                return _Unpickler(file, encoding="bytes").load()
            except Exception as error:  # broken bytes may raise anything
                raise ValueError(f"{where}: {path!r} is damaged, or of another format: {error}") from error

    def __getitem__(self, index):
        return (self.images[index], *(labels[index] for labels in self.labels))

    def __len__(self) -> int:
        return len(self.images)


class CIFAR100(CIFAR10):
    """Small pictures of a hundred kinds of things in twenty groups (Krizhevsky, 2009): items (image, label, label of the group).

    root: the folder with ``cifar-100-python``. All else is as in `CIFAR10`.
    """

    raw_file_dir = "cifar-100-python"
    train_batch: ClassVar[Sequence[str]] = ["train"]
    test_batch: ClassVar[Sequence[str]] = ["test"]
    _meta = "meta"
    _labels = (b"fine_labels", b"coarse_labels")
    _names = b"fine_label_names"
