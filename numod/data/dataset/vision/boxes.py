"""COCO and Objects365, whose annotations are in one JSON file of COCO's format."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from .base import VisionDataset, existing
from .images import read_image

_KEYPOINTS_NEEDED = 10  # for an image to count as annotated


class _Annotated(VisionDataset):
    supported_order: ClassVar[Sequence[str]] = ("image", "boxes", "boxes_category", "info")
    source: ClassVar[str]

    def __init__(
        self,
        root: str,
        ann_file: str,
        remove_images_without_annotations: bool = False,
        *,
        order: Sequence[str] | None = None,
    ):
        super().__init__(root, order=order)
        name = type(self).__name__
        with open(existing(name, os.path.expanduser(ann_file), self.source), encoding="utf-8") as file:
            content = json.load(file)
        self.imgs: dict[int, dict] = {image["id"]: image for image in content["images"]}
        self.cats: dict[int, dict] = {category["id"]: category for category in content["categories"]}
        self.img_to_anns: dict[int, list[dict]] = defaultdict(list)
        for annotation in content["annotations"]:
            if annotation["image_id"] in self.imgs:
                self.img_to_anns[annotation["image_id"]].append(annotation)
        self.json_category_id_to_contiguous_id = {number: place for place, number in enumerate(sorted(self.cats), 1)}
        self.contiguous_category_id_to_json_id = {place: number for number, place in self.json_category_id_to_contiguous_id.items()}
        self.ids = sorted(self.imgs)
        if remove_images_without_annotations:
            self.ids = [number for number in self.ids if self._is_annotated(self._annotations(number))]

    def _annotations(self, number: int) -> list[dict]:
        """Those of single things; crowds are left out."""
        return [annotation for annotation in self.img_to_anns.get(number, ()) if not annotation.get("iscrowd", 0)]

    def _is_annotated(self, annotations: list[dict]) -> bool:
        if not any(min(annotation["bbox"][2:]) > 0 for annotation in annotations):
            return False
        if "keypoints" not in self.order:
            return True
        return sum(visible > 0 for each in annotations for visible in each.get("keypoints", ())[2::3]) >= _KEYPOINTS_NEEDED

    def get_img_info(self, index: int) -> dict[str, Any]:
        """What the file says of an image: its ``file_name``, ``height``, ``width`` and so on."""
        return self.imgs[self.ids[index]]

    def __getitem__(self, index):
        annotations = self._annotations(self.ids[index])
        return tuple(getattr(self, f"_get_{kind}")(self.get_img_info(index), annotations) for kind in self.order)

    def __len__(self) -> int:
        return len(self.ids)

    def _get_image(self, image: dict, annotations: list[dict]) -> np.ndarray:
        return read_image(os.path.join(self.root, image["file_name"]))

    def _get_boxes(self, image: dict, annotations: list[dict]) -> np.ndarray:
        boxes = np.array([annotation["bbox"] for annotation in annotations], np.float32).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]  # (x, y, width, height) -> (x0, y0, x1, y1)
        return boxes

    def _get_boxes_category(self, image: dict, annotations: list[dict]) -> np.ndarray:
        return np.array([self.json_category_id_to_contiguous_id[annotation["category_id"]] for annotation in annotations], np.int32)

    def _get_info(self, image: dict, annotations: list[dict]) -> list:
        return [image["height"], image["width"], image["file_name"]]


class COCO(_Annotated):
    """Common objects in context (Lin et al., 2014): images with boxes and keypoints.

    root: the folder of the images. ann_file: the JSON file of the annotations.
    remove_images_without_annotations: leave out images without a box that has an area (and, with keypoints, with fewer than 10 visible ones).
    order: of ``image`` (H, W, 3), ``boxes`` (N, 4) as corners, ``boxes_category`` (N,), from 1 on in the order of the file's numbers,
    ``keypoints`` (N, 17, 3) and ``info`` [height, width, name of the file]. Crowds are left out. Images need the extra ``image``.
    """

    supported_order = ("image", "boxes", "boxes_category", "keypoints", "info")
    source = "https://cocodataset.org/#download"
    class_names: ClassVar[tuple[str, ...]] = tuple(
        (
            "person,bicycle,car,motorcycle,airplane,bus,train,truck,boat,traffic light,fire hydrant,stop sign,parking meter,bench,bird,cat,dog,"
            "horse,sheep,cow,elephant,bear,zebra,giraffe,backpack,umbrella,handbag,tie,suitcase,frisbee,skis,snowboard,sports ball,kite,"
            "baseball bat,baseball glove,skateboard,surfboard,tennis racket,bottle,wine glass,cup,fork,knife,spoon,bowl,banana,apple,sandwich,"
            "orange,broccoli,carrot,hot dog,pizza,donut,cake,chair,couch,potted plant,bed,dining table,toilet,tv,laptop,mouse,remote,keyboard,"
            "cell phone,microwave,oven,toaster,sink,refrigerator,book,clock,vase,scissors,teddy bear,hair drier,toothbrush"
        ).split(",")
    )
    keypoint_names: ClassVar[tuple[str, ...]] = (
        "nose",
        *(f"{side}_{part}" for part in ("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle") for side in ("left", "right")),
    )

    def _get_keypoints(self, image: dict, annotations: list[dict]) -> np.ndarray:
        points = [annotation.get("keypoints") or [0] * 51 for annotation in annotations]
        return np.array(points, np.float32).reshape(-1, len(self.keypoint_names), 3)


class Objects365(_Annotated):
    """Objects of 365 kinds (Shao et al., 2019): images with boxes. Arguments and items are those of `COCO`, without keypoints.

    ``class_names`` has the names in the order of ``boxes_category``.
    """

    source = "https://www.objects365.org"

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names of the classes, as the file has them."""
        return tuple(self.cats[number]["name"] for number in sorted(self.cats))
