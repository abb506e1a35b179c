"""Transforms of colours. They draw how much for each item; masks, coordinates and all else stay as they are."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ....errors import MissingExtra
from . import functional as F
from .base import Compose, VisionTransform

Order = Sequence[str] | None


class _Colour(VisionTransform):
    """A subclass changes the image, and nothing else changes."""

    @abstractmethod
    def _apply_image(self, image: np.ndarray) -> np.ndarray: ...

    def _apply_mask(self, entry: Any) -> Any:
        return entry

    _apply_coords = _apply_boxes = _apply_keypoints = _apply_polygons = _apply_mask


class _Jitter(_Colour):
    """Moves the image away from another one by a random factor within ``value`` of 1."""

    def __init__(self, value: float, *, order: Order = None):
        super().__init__(order)
        if not value >= 0:
            raise ValueError(f"{type(self).__name__}: value must be at least 0, got {value}")
        self.value = value

    @abstractmethod
    def _other(self, image: np.ndarray) -> np.ndarray | float:
        """What a factor of 0 would give."""

    def _apply_image(self, image: np.ndarray) -> np.ndarray:
        if self.value == 0:
            return image
        factor = np.random.uniform(max(0, 1 - self.value), 1 + self.value)
        values = image.astype(np.float32)
        return np.clip(values * factor + self._other(image) * (1 - factor), 0, 255).astype(image.dtype)


class BrightnessTransform(_Jitter):
    """Images brighter or darker by a random factor from ``1 - value`` to ``1 + value``, within 0 to 255.

    >>> BrightnessTransform(0.5).apply(np.zeros((1, 1, 3))).tolist()
    [[[0.0, 0.0, 0.0]]]
    """

    def _other(self, image: np.ndarray) -> float:
        return 0.0


class ContrastTransform(_Jitter):
    """Images with their distance from their mean brightness multiplied by a random factor from ``1 - value`` to ``1 + value``.

    >>> ContrastTransform(0.5).apply(np.full((1, 1, 3), 100.0)).round(3).tolist()
    [[[100.0, 100.0, 100.0]]]
    """

    def _other(self, image: np.ndarray) -> float:
        return float(F.to_gray(image).mean())


class SaturationTransform(_Jitter):
    """Images with their distance from gray multiplied by a random factor from ``1 - value`` to ``1 + value``.

    >>> SaturationTransform(0.5).apply(np.full((1, 1, 3), 100.0)).round(3).tolist()
    [[[100.0, 100.0, 100.0]]]
    """

    def _other(self, image: np.ndarray) -> np.ndarray:
        return F.to_gray(image).astype(np.float32)


class HueTransform(_Colour):
    """Images with their hue turned by a random part of the circle, from ``-value`` to ``value``; 0.5 is all the way around.

    >>> HueTransform(0.5).apply(np.full((1, 1, 3), 7, np.uint8)).tolist()
    [[[7, 7, 7]]]
    """

    def __init__(self, value: float, *, order: Order = None):
        super().__init__(order)
        if not 0 <= value <= 0.5:
            raise ValueError(f"HueTransform: value must be from 0 to 0.5, got {value}")
        self.value = value

    def _apply_image(self, image: np.ndarray) -> np.ndarray:
        if self.value == 0:
            return image
        if image.shape[2] != 3:
            raise ValueError(f"HueTransform: image must have 3 channels, got shape {image.shape}")
        return F.like(_turn_hue(image.astype(np.float32), np.random.uniform(-self.value, self.value)), image)


def _turn_hue(image: np.ndarray, part: float) -> np.ndarray:
    """Blue, green and red with the same largest and smallest value, and the hue ``part`` of the circle further."""
    blue, green, red = np.moveaxis(image, 2, 0)
    top, low = image.max(axis=2), image.min(axis=2)
    chroma = top - low
    safe = np.where(chroma == 0, 1, chroma)
    hue = np.where(top == red, (green - blue) / safe, np.where(top == green, 2 + (blue - red) / safe, 4 + (red - green) / safe))
    hue = hue + 6 * part
    channels = [top - chroma * np.clip(np.minimum((n + hue) % 6, 4 - (n + hue) % 6), 0, 1) for n in (1, 3, 5)]  # blue, green, red
    return np.stack(channels, axis=2)


class ColorJitter(_Colour):
    """Brightness, contrast, saturation and hue, each by a random amount and in random order.

    >>> ColorJitter(0.1, 0.1, 0.1, 0.1).apply(np.zeros((1, 1, 3), np.uint8)).tolist()
    [[[0, 0, 0]]]
    """

    def __init__(self, brightness: float = 0, contrast: float = 0, saturation: float = 0, hue: float = 0, *, order: Order = None):
        super().__init__(order)
        kinds: list[tuple[type[Any], float]] = [
            (BrightnessTransform, brightness),
            (ContrastTransform, contrast),
            (SaturationTransform, saturation),
            (HueTransform, hue),
        ]
        chosen = [kind(value) for kind, value in kinds if value != 0]
        self.transforms = Compose(chosen, shuffle_indices=[tuple(range(len(chosen)))])

    def _apply_image(self, image: np.ndarray) -> np.ndarray:
        return self.transforms.apply(image)


class Lighting(_Colour):
    """Images with colours shifted along the principal axes of natural images (Krizhevsky et al., 2012).

    scale: the deviation of the normal distribution that the shifts are drawn from, in deviations along each axis.

    >>> Lighting(0.0).apply(np.ones((1, 1, 3))).tolist()
    [[[1.0, 1.0, 1.0]]]
    """

    _variances = np.array([0.2175, 0.0188, 0.0045]) * 255
    _axes = np.array([[-0.5836, -0.6948, 0.4203], [-0.5808, -0.0045, -0.8140], [-0.5675, 0.7192, 0.4009]])

    def __init__(self, scale: float, *, order: Order = None):
        super().__init__(order)
        if not scale >= 0:
            raise ValueError(f"Lighting: scale must be at least 0, got {scale}")
        self.scale = scale

    def _apply_image(self, image: np.ndarray) -> np.ndarray:
        if self.scale == 0:
            return image
        shift = self._axes @ (np.random.normal(0, self.scale, 3) * self._variances)
        return np.clip(image.astype(np.float32) + shift.astype(np.float32), 0, 255).astype(image.dtype)


class GaussianNoise(_Colour):
    """Images with normal noise added to each value, within 0 to 255. ``mean`` and ``std`` are in units of 255.

    >>> GaussianNoise(0.0, 0.0).apply(np.ones((1, 1, 3))).tolist()
    [[[1.0, 1.0, 1.0]]]
    """

    def __init__(self, mean: float = 0.0, std: float = 1.0, *, order: Order = None):
        super().__init__(order)
        self.mean = mean
        self.std = std

    def _apply_image(self, image: np.ndarray) -> np.ndarray:
        noise = np.random.normal(self.mean, self.std, image.shape) * 255
        return np.clip(image.astype(np.float32) + noise.astype(np.float32), 0, 255).astype(image.dtype)


class TorchTransformCompose(_Colour):
    """Functions on Pillow images, such as torchvision's transforms, one after the other; a result that is no Pillow image becomes an array as it is.

    Needs the extra ``image``.

    >>> TorchTransformCompose([lambda image: image.rotate(180)]).apply(np.uint8([[[1, 2, 3], [4, 5, 6]]])).tolist()
    [[[4, 5, 6], [1, 2, 3]]]
    """

    def __init__(self, transforms: Sequence[Callable], *, order: Order = None):
        super().__init__(order)
        self.transforms = list(transforms)

    def _apply_image(self, image: np.ndarray) -> np.ndarray:
        try:
            from PIL import Image
        except ImportError:
            raise MissingExtra("TorchTransformCompose", "image") from None
        result: Any = Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else np.ascontiguousarray(image[:, :, ::-1]))
        for transform in self.transforms:
            result = transform(result)
        if not isinstance(result, Image.Image):
            return np.asarray(result)
        array = np.asarray(result)
        return array[:, :, np.newaxis] if array.ndim == 2 else np.ascontiguousarray(array[:, :, ::-1])
