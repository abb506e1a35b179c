"""Pascal VOC."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import ClassVar
from xml.etree import ElementTree as ET

import numpy as np

from .base import VisionDataset, existing
from .images import read_image


def _colour(number: int) -> list[int]:
    """The colour of a class in masks, blue first: bits 0, 3, 6 of its number are the high bits of red, bits 1, 4, 7 of green, and so on."""
    return [sum((number >> 3 * bit + channel & 1) << 7 - bit for bit in range(8)) for channel in (2, 1, 0)]


class PascalVOC(VisionDataset):
    """Things of twenty kinds (Everingham et al., 2010): images with boxes and masks.

    root: the folder with ``JPEGImages``, ``ImageSets`` and so on. image_set: ``"train"``, ``"val"``, ``"trainval"``, ...
    order: of ``image`` (H, W, 3), ``boxes`` (N, 4) as corners, ``boxes_category`` (N,), from 1 on in the order of ``class_names``, ``mask``
    (H, W, 1), 0 for none of them and 255 for borders, and ``info`` [height, width, name]. With a mask, images of the segmentation sets
    are used. Needs the extra ``image``.
    """

    supported_order = ("image", "boxes", "boxes_category", "mask", "info")
    class_names: ClassVar[tuple[str, ...]] = tuple(
        "aeroplane bicycle bird boat bottle bus car cat chair cow diningtable dog horse motorbike person pottedplant sheep sofa train tvmonitor".split()
    )
    class_colors: ClassVar[list[list[int]]] = [_colour(number) for number in range(21)]

    def __init__(self, root: str, image_set: str, *, order: Sequence[str] | None = None):
        super().__init__(root, order=order)
        self.image_set = image_set
        kind = "Segmentation" if "mask" in self.order else "Main"
        path = os.path.join(self.root, "ImageSets", kind, f"{image_set}.txt")
        with open(existing("PascalVOC", path, "http://host.robots.ox.ac.uk/pascal/VOC"), encoding="utf-8") as file:
            self.file_names = [line.split()[0] for line in file if line.strip()]

    def __getitem__(self, index):
        name = self.file_names[index]
        return tuple(getattr(self, f"_get_{kind}")(name) for kind in self.order)

    def __len__(self) -> int:
        return len(self.file_names)

    def get_img_info(self, index: int) -> dict:
        """``height``, ``width``, ``file_name`` and ``objects``: name, box and whether it is difficult."""
        return self._parsed(self.file_names[index])

    def _parsed(self, name: str) -> dict:
        tree = ET.parse(os.path.join(self.root, "Annotations", f"{name}.xml")).getroot()

        def number(parent: ET.Element, path: str) -> float:
            return float(parent.findtext(path, "0"))

        return {
            "height": int(number(tree, "size/height")),
            "width": int(number(tree, "size/width")),
            "file_name": tree.findtext("filename", name),
            "objects": [
                {
                    "name": each.findtext("name", ""),
                    "bndbox": [number(each, f"bndbox/{side}") for side in ("xmin", "ymin", "xmax", "ymax")],
                    "difficult": bool(number(each, "difficult")),
                }
                for each in tree.findall("object")
            ],
        }

    def _get_image(self, name: str) -> np.ndarray:
        return read_image(os.path.join(self.root, "JPEGImages", f"{name}.jpg"))

    def _get_boxes(self, name: str) -> np.ndarray:
        return np.array([each["bndbox"] for each in self._parsed(name)["objects"]], np.float32).reshape(-1, 4)

    def _get_boxes_category(self, name: str) -> np.ndarray:
        return np.array([self.class_names.index(each["name"]) + 1 for each in self._parsed(name)["objects"]], np.int32)

    def _get_mask(self, name: str) -> np.ndarray:
        colours = read_image(os.path.join(self.root, "SegmentationClass", f"{name}.png"))
        mask = np.full((*colours.shape[:2], 1), 255, np.uint8)
        for number, colour in enumerate(self.class_colors):
            mask[(colours == colour).all(axis=2)] = number
        return mask

    def _get_info(self, name: str) -> list:
        image = self._get_image(name)
        return [*image.shape[:2], name]
