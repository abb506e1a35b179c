"""Transforms of images and of what belongs to them, such as masks and labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..base import Transform


class VisionTransform(Transform):
    """Base class of transforms of images. A subclass defines ``_apply_image``, and ``_apply_<kind>`` for other kinds that it changes.

    order: the kinds of the entries of an item, in order, ``("image",)`` if None: ``"image"`` (H, W, C), ``"coords"`` (N, 2), ``"boxes"``
    (N, 4), ``"mask"`` (H, W, 1), ``"keypoints"`` (N, K, 3), ``"polygons"``; kinds that end in ``"category"``, and ``"info"``, are never
    changed. An item that is a tuple may have more entries than ``order``, which stay as they are; any other item is the first entry.
    """

    def __init__(self, order: Sequence[str] | None = None):
        order = ("image",) if order is None else tuple(order)
        for kind in order:
            if not _untouched(kind) and not hasattr(self, f"_apply_{kind}"):
                raise ValueError(f"{self!r}: {kind!r} in order is not a kind that it can change")
        self.order = order

    def apply(self, input: Any) -> Any:
        """The item with each entry transformed as its kind wants."""
        if not isinstance(input, tuple):
            return self._apply_entry(self.order[0], input)
        if len(input) < len(self.order):
            raise ValueError(f"{self!r}: an item must have the {len(self.order)} entries {self.order}, got {len(input)}")
        changed = [self._apply_entry(kind, entry) for kind, entry in zip(self.order, input, strict=False)]
        return (*changed, *input[len(self.order) :])

    def _apply_entry(self, kind: str, entry: Any) -> Any:
        return entry if _untouched(kind) else getattr(self, f"_apply_{kind}")(entry)

    def _image_of(self, input: Any) -> np.ndarray:
        """The image of an item."""
        if "image" not in self.order:
            raise ValueError(f"{self!r}: an item needs an image to go by, order has {self.order}")
        image = input[self.order.index("image")] if isinstance(input, tuple) else input
        if not isinstance(image, np.ndarray) or image.ndim != 3:
            raise ValueError(f"{self!r}: an image must be an array (H, W, C), got {getattr(image, 'shape', type(image).__name__)}")
        return image


def _untouched(kind: str) -> bool:
    return kind == "info" or kind.endswith("category")


class Compose(Transform):
    """Several transforms, one after the other.

    batch_compose: give each transform the whole batch before the next one has its turn, for transforms whose ``apply_batch`` looks at all items.
    shuffle_indices: tuples of positions in ``transforms``; those at the positions of a tuple change places at random, for each item.
    order: given to all of ``transforms`` if not None.

    >>> import numpy as np
    >>> Compose([Normalize(mean=128.0), ToMode("CHW")]).apply(np.zeros((2, 4, 3))).shape
    (3, 2, 4)
    """

    def __init__(
        self,
        transforms: Sequence[Transform] = (),
        batch_compose: bool = False,
        shuffle_indices: Sequence[Sequence[int]] | None = None,
        *,
        order: Sequence[str] | None = None,
    ):
        for transform in transforms:
            if not isinstance(transform, Transform):
                raise TypeError(f"Compose: expected Transforms, got {type(transform).__name__}")
            if order is not None and isinstance(transform, VisionTransform):
                transform.order = tuple(order)
        self.transforms = list(transforms)
        self.batch_compose = batch_compose
        self.shuffle_indices = [tuple(group) for group in shuffle_indices or ()]
        shuffled = [position for group in self.shuffle_indices for position in group]
        if len(set(shuffled)) != len(shuffled) or not all(0 <= position < len(self.transforms) for position in shuffled):
            raise ValueError(
                f"Compose: shuffle_indices must name each of {len(self.transforms)} transforms once at most, got {shuffle_indices}"
            )

    def apply(self, input: Any) -> Any:
        """The item after the last of them."""
        for transform in self._shuffled():
            input = transform.apply(input)
        return input

    def apply_batch(self, inputs: Sequence[Any]) -> tuple:
        """The items of a batch after the last of them."""
        if not self.batch_compose:
            return super().apply_batch(inputs)
        for transform in self._shuffled():
            inputs = transform.apply_batch(inputs)
        return tuple(inputs)

    def _shuffled(self) -> list[Transform]:
        transforms = self.transforms.copy()
        for group in self.shuffle_indices:
            for position, source in zip(group, np.random.permutation(group), strict=True):
                transforms[position] = self.transforms[source]
        return transforms


class Normalize(VisionTransform):
    """``(image - mean) / std``, in float32 for images of bytes; ``mean`` and ``std`` are numbers, or sequences with one for each channel.

    >>> import numpy as np
    >>> Normalize(mean=1.0, std=2.0).apply(np.full((1, 1, 1), 5)).tolist()
    [[[2.0]]]
    """

    def __init__(self, mean: float | Sequence[float] = 0.0, std: float | Sequence[float] = 1.0, *, order: Sequence[str] | None = None):
        super().__init__(order)
        self.mean = np.array(mean, dtype=np.float32)
        self.std = np.array(std, dtype=np.float32)
        if not self.std.all():
            raise ValueError(f"Normalize: std must not be 0, got {std}")

    def _apply_image(self, image: np.ndarray) -> np.ndarray:
        return (image - self.mean) / self.std

    def _apply_mask(self, mask: np.ndarray) -> np.ndarray:
        return mask

    _apply_coords = _apply_boxes = _apply_mask


class ToMode(VisionTransform):
    """Images from (H, W, C) to (C, H, W), and masks likewise; ``mode`` must be ``"CHW"``.

    >>> import numpy as np
    >>> ToMode().apply(np.zeros((2, 4, 3))).shape
    (3, 2, 4)
    """

    def __init__(self, mode: str = "CHW", *, order: Sequence[str] | None = None):
        super().__init__(order)
        if mode != "CHW":
            raise ValueError(f"ToMode: mode must be 'CHW', got {mode!r}")
        self.mode = mode

    def _apply_image(self, image: np.ndarray) -> np.ndarray:
        if image.ndim != 3:
            raise ValueError(f"ToMode: an image must have shape (H, W, C), got {image.shape}")
        return np.ascontiguousarray(image.transpose(2, 0, 1))

    def _apply_mask(self, mask: np.ndarray) -> np.ndarray:
        return self._apply_image(mask)

    def _apply_coords(self, coords: np.ndarray) -> np.ndarray:
        return coords

    _apply_boxes = _apply_coords
