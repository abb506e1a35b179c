"""VisionDataset: data sets whose items are tuples of an image and what belongs to it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import ClassVar

from ..base import Dataset


class VisionDataset(Dataset):
    """Base class of data sets of images.

    root: the folder that the files are in.
    order: the kinds of the entries of an item, see :class:`numod.data.transform.VisionTransform`; ``("image",)`` if None.
    supported_order: the kinds there are; all if None.
    """

    supported_order: ClassVar[Sequence[str] | None] = None

    def __init__(self, root: str | os.PathLike, *, order: Sequence[str] | None = None, supported_order: Sequence[str] | None = None):
        self.root = os.path.expanduser(os.fspath(root))
        self.order = ("image",) if order is None else tuple(order)
        accepted = self.supported_order if supported_order is None else supported_order
        for kind in self.order:
            if accepted is not None and kind not in accepted:
                raise ValueError(f"{type(self).__name__}: order may have {', '.join(accepted)}, got {kind!r}")


def existing(name: str, path: str, source: str) -> str:
    """``path``, if there is such a file or folder; the error says where to get it."""
    if not os.path.exists(path):
        raise FileNotFoundError(f"{name}: {path!r} is not there; nothing is downloaded, get it from {source}")
    return path
