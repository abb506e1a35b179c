"""Cityscapes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from .base import VisionDataset, existing
from .images import read_gray, read_image

_SOURCE = "https://www.cityscapes-dataset.com"
_LABELS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)  # the numbers of the classes in its masks
_CLASSES = np.full(256, 255, np.uint8)
_CLASSES[list(_LABELS)] = np.arange(len(_LABELS))


class Cityscapes(VisionDataset):
    """Streets of cities (Cordts et al., 2016): images with masks of 19 classes.

    root: the folder with ``leftImg8bit`` and ``gtFine`` or ``gtCoarse``. image_set: ``"train"``, ``"val"``, ``"test"`` or, of the coarse
    masks, ``"train_extra"``. mode: ``"gtFine"`` or ``"gtCoarse"``.
    order: of ``image`` (H, W, 3), ``mask`` (H, W, 1), the number of the class in ``class_names`` or 255, and ``info`` [height, width, path].
    Needs the extra ``image``.
    """

    supported_order = ("image", "mask", "info")
    class_names: ClassVar[tuple[str, ...]] = tuple(
        (
            "road,sidewalk,building,wall,fence,pole,traffic light,traffic sign,vegetation,terrain,sky,person,rider,car,truck,bus,train,"
            "motorcycle,bicycle"
        ).split(",")
    )

    def __init__(self, root: str, image_set: str, mode: str, *, order: Sequence[str] | None = None):
        super().__init__(root, order=order)
        if mode not in ("gtFine", "gtCoarse"):
            raise ValueError(f"Cityscapes: mode must be 'gtFine' or 'gtCoarse', got {mode!r}")
        self.mode = mode
        images = existing("Cityscapes", os.path.join(self.root, "leftImg8bit", image_set), _SOURCE)
        masks = existing("Cityscapes", os.path.join(self.root, mode, image_set), _SOURCE)
        self.images: list[str] = []
        self.masks: list[str] = []
        for city in sorted(os.listdir(images)):
            for file in sorted(os.listdir(os.path.join(images, city))):
                self.images.append(os.path.join(images, city, file))
                self.masks.append(os.path.join(masks, city, f"{file.split('_leftImg8bit')[0]}_{mode}_labelIds.png"))

    def __getitem__(self, index):
        return tuple(getattr(self, f"_get_{kind}")(index) for kind in self.order)

    def __len__(self) -> int:
        return len(self.images)

    def _get_image(self, index: int) -> np.ndarray:
        return read_image(self.images[index])

    def _get_mask(self, index: int) -> np.ndarray:
        return _CLASSES[read_gray(self.masks[index])]

    def _get_info(self, index: int) -> list:
        return [*self._get_image(index).shape[:2], self.images[index]]
