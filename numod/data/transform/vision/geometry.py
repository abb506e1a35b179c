"""Transforms that move pixels, and with them masks, coordinates, boxes, keypoints and polygons."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from . import functional as F
from .base import VisionTransform

Order = Sequence[str] | None
Size = int | Sequence[int]


def _pair(name: str, size: Size) -> tuple[int, int]:
    """(height, width)."""
    pair = (size, size) if isinstance(size, int) else tuple(int(side) for side in size)
    if len(pair) != 2 or min(pair) < 1:
        raise ValueError(f"{name}: size must be a positive int or two of them, (height, width), got {size}")
    return pair


class _Geometry(VisionTransform):
    """A subclass looks at the image in ``_begin``, and says where pixels and coordinates go."""

    @abstractmethod
    def _begin(self, image: np.ndarray) -> None:
        """Draw and keep what the entries of one item have in common."""

    def apply(self, input: Any) -> Any:
        """The item with each entry moved in the same way."""
        self._begin(self._image_of(input))
        return super().apply(input)

    @abstractmethod
    def _apply_image(self, image: np.ndarray) -> np.ndarray: ...

    @abstractmethod
    def _apply_coords(self, coords: np.ndarray) -> np.ndarray: ...

    def _apply_mask(self, mask: np.ndarray) -> np.ndarray:
        return self._apply_image(mask)

    def _apply_boxes(self, boxes: np.ndarray) -> np.ndarray:
        """(x0, y0, x1, y1) of each box, whose corners are moved and sorted again."""
        corners = self._apply_coords(np.asarray(boxes)[:, [0, 1, 2, 1, 0, 3, 2, 3]].reshape(-1, 2)).reshape(-1, 4, 2)
        return np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)

    def _apply_keypoints(self, keypoints: np.ndarray) -> np.ndarray:
        """(x, y, visibility) of each."""
        places = self._apply_coords(keypoints[..., :2].reshape(-1, 2)).reshape(keypoints[..., :2].shape)
        return np.concatenate([places, keypoints[..., 2:]], axis=-1)

    def _apply_polygons(self, polygons: Sequence) -> list:
        return [[self._apply_coords(polygon) for polygon in instance] for instance in polygons]


class _Flip(_Geometry):
    axis: int  # 0 upside down, 1 left to right
    code: int

    def __init__(self, prob: float = 0.5, *, order: Order = None):
        super().__init__(order)
        if not 0 <= prob <= 1:
            raise ValueError(f"{type(self).__name__}: prob must be from 0 to 1, got {prob}")
        self.prob = prob

    def _begin(self, image: np.ndarray) -> None:
        self._flips, self._size = np.random.random() < self.prob, image.shape[self.axis]

    def _apply_image(self, image: np.ndarray) -> np.ndarray:
        return F.flip(image, self.axis) if self._flips else image

    def _apply_coords(self, coords: np.ndarray) -> np.ndarray:
        if not self._flips:
            return coords
        moved = np.array(coords)
        moved[:, 1 - self.axis] = self._size - moved[:, 1 - self.axis]
        return moved


class RandomHorizontalFlip(_Flip):
    """Mirror left to right with probability ``prob``.

    >>> RandomHorizontalFlip(1.0).apply(np.array([[[1], [2]]])).tolist()
    [[[2], [1]]]
    """

    axis = 1


class RandomVerticalFlip(_Flip):
    """Mirror upside down with probability ``prob``.

    >>> RandomVerticalFlip(1.0).apply(np.array([[[1]], [[2]]])).tolist()
    [[[2]], [[1]]]
    """

    axis = 0


class Pad(_Geometry):
    """Put ``value`` around images and ``mask_value`` around masks.

    size: for all sides, or (bottom, right), or (top, bottom, left, right). value: a number, or one for each channel.

    >>> Pad(1).apply(np.ones((2, 3, 1))).shape
    (4, 5, 1)
    """

    def __init__(self, size: Size = 0, value: float | Sequence[float] = 0, mask_value: float = 0, *, order: Order = None):
        super().__init__(order)
        self.size = F.sides_of(size)
        self.value = value
        self.mask_value = mask_value

    def apply(self, input: Any) -> Any:
        """The item with everything padded; it need not have an image."""
        return VisionTransform.apply(self, input)

    def _begin(self, image: np.ndarray) -> None:
        """The sides are known."""

    def _apply_image(self, image: np.ndarray) -> np.ndarray:
        return F.pad(image, self.size, self.value)

    def _apply_mask(self, mask: np.ndarray) -> np.ndarray:
        return F.pad(mask, self.size, self.mask_value)

    def _apply_coords(self, coords: np.ndarray) -> np.ndarray:
        return coords + np.array([self.size[2], self.size[0]], np.asarray(coords).dtype)


class _Crop(_Geometry):
    """Cuts out ``_height`` by ``_width`` from ``_top`` and ``_left`` on."""

    _top: int
    _left: int
    _height: int
    _width: int

    def _apply_image(self, image: np.ndarray) -> np.ndarray:
        return image[self._top : self._top + self._height, self._left : self._left + self._width]

    def _apply_coords(self, coords: np.ndarray) -> np.ndarray:
        return coords - np.array([self._left, self._top], np.asarray(coords).dtype)


class CenterCrop(_Crop):
    """The middle of the image, ``output_size`` large.

    >>> CenterCrop(2).apply(np.zeros((4, 6, 3))).shape
    (2, 2, 3)
    """

    def __init__(self, output_size: Size, *, order: Order = None):
        super().__init__(order)
        self.output_size = self._height, self._width = _pair("CenterCrop", output_size)

    def _begin(self, image: np.ndarray) -> None:
        height, width = image.shape[:2]
        if self._height > height or self._width > width:
            raise ValueError(f"CenterCrop: output_size {self.output_size} is larger than the image, {height, width}")
        self._top, self._left = round((height - self._height) / 2), round((width - self._width) / 2)


class RandomCrop(_Crop):
    """A part of the image at a random place, ``output_size`` large, after padding; where it is still too small, the right and bottom are padded too.

    >>> RandomCrop(4, padding_size=1).apply(np.zeros((4, 6, 3))).shape
    (4, 4, 3)
    """

    def __init__(
        self,
        output_size: Size,
        padding_size: Size = 0,
        padding_value: float | Sequence[float] = (0, 0, 0),
        padding_maskvalue: float = 0,
        *,
        order: Order = None,
    ):
        super().__init__(order)
        self.output_size = self._height, self._width = _pair("RandomCrop", output_size)
        self.padding_size = F.sides_of(padding_size)
        self.padding_value = padding_value
        self.padding_maskvalue = padding_maskvalue

    def _begin(self, image: np.ndarray) -> None:
        top, bottom, left, right = self.padding_size
        height, width = image.shape[0] + top + bottom, image.shape[1] + left + right
        self._sides = (top, bottom + max(self._height - height, 0), left, right + max(self._width - width, 0))
        self._top = np.random.randint(max(height - self._height, 0) + 1)
        self._left = np.random.randint(max(width - self._width, 0) + 1)

    def _apply_image(self, image: np.ndarray) -> np.ndarray:
        value = self.padding_value
        if not isinstance(value, (int, float)) and len(value) != image.shape[2]:
            value = value[0]
        return super()._apply_image(F.pad(image, self._sides, value))

    def _apply_mask(self, mask: np.ndarray) -> np.ndarray:
        return super()._apply_image(F.pad(mask, self._sides, self.padding_maskvalue))

    def _apply_coords(self, coords: np.ndarray) -> np.ndarray:
        return super()._apply_coords(coords + np.array([self._sides[2], self._sides[0]], np.asarray(coords).dtype))


class _Resizing(_Geometry):
    """Resizes to ``_target``, masks by nearest pixels."""

    _target: tuple[int, int]

    def __init__(self, interpolation: int, order: Order):
        super().__init__(order)
        self.interpolation = interpolation

    @abstractmethod
    def _size_for(self, height: int, width: int) -> tuple[int, int]:
        """The new size of an image of this size."""

    def _begin(self, image: np.ndarray) -> None:
        height, width = image.shape[:2]
        self._target = self._size_for(height, width)
        self._factors = self._target[1] / width, self._target[0] / height

    def _apply_image(self, image: np.ndarray) -> np.ndarray:
        return F.resize(image, self._target, self.interpolation)

    def _apply_mask(self, mask: np.ndarray) -> np.ndarray:
        return F.resize(mask, self._target, F.NEAREST)

    def _apply_coords(self, coords: np.ndarray) -> np.ndarray:
        return coords * np.array(self._factors, np.result_type(coords, np.float32))


class Resize(_Resizing):
    """The image at ``output_size``, (height, width), or an int for the shorter side, and the other in proportion.

    interpolation: see :func:`numod.data.transform.vision.functional.resize`; so in all transforms that have it.

    >>> Resize(4).apply(np.zeros((6, 8, 3))).shape
    (4, 5, 3)
    """

    def __init__(self, output_size: Size, interpolation: int = F.LINEAR, *, order: Order = None):
        super().__init__(interpolation, order)
        self.output_size = output_size if isinstance(output_size, int) else _pair("Resize", output_size)

    def _size_for(self, height: int, width: int) -> tuple[int, int]:
        if not isinstance(self.output_size, int):
            return self.output_size
        shorter = min(height, width)
        return self.output_size * height // shorter, self.output_size * width // shorter


class ShortestEdgeResize(_Resizing):
    """The image in proportion, its shorter side of a random length, and its longer one of ``max_size`` at most.

    min_size: the length; with sample_style ``"range"`` a pair, of which it is drawn from the one up to the other, with ``"choice"`` several to
    choose from.

    >>> ShortestEdgeResize(4, 5).apply(np.zeros((6, 8, 3))).shape
    (4, 5, 3)
    """

    def __init__(
        self,
        min_size: Size,
        max_size: int,
        sample_style: str = "range",
        interpolation: int = F.LINEAR,
        *,
        order: Order = None,
    ):
        super().__init__(interpolation, order)
        if sample_style not in ("range", "choice"):
            raise ValueError(f"ShortestEdgeResize: sample_style must be 'range' or 'choice', got {sample_style!r}")
        self.min_size = (min_size, min_size) if isinstance(min_size, int) else tuple(min_size)
        if sample_style == "range" and len(self.min_size) != 2:
            raise ValueError(f"ShortestEdgeResize: min_size must be two numbers for sample_style='range', got {min_size}")
        self.max_size = max_size
        self.sample_style = sample_style

    def _size_for(self, height: int, width: int) -> tuple[int, int]:
        if self.sample_style == "range":
            length = np.random.randint(self.min_size[0], self.min_size[1] + 1)
        else:
            length = np.random.choice(self.min_size)
        scale = min(length / min(height, width), self.max_size / max(height, width))
        return int(height * scale + 0.5), int(width * scale + 0.5)


class RandomResize(_Resizing):
    """The image in proportion, by a random factor from the first to the second number of ``scale_range``.

    >>> RandomResize((0.5, 0.5)).apply(np.zeros((6, 8, 3))).shape
    (3, 4, 3)
    """

    def __init__(self, scale_range: Sequence[float], interpolation: int = F.LINEAR, *, order: Order = None):
        super().__init__(interpolation, order)
        low, high = scale_range
        self.scale_range = (float(low), float(high))

    def _size_for(self, height: int, width: int) -> tuple[int, int]:
        scale = np.random.uniform(self.scale_range[0], self.scale_range[1])
        return max(int(height * scale), 1), max(int(width * scale), 1)


class RandomResizedCrop(_Crop):
    """A random part of the image, resized to ``output_size`` (Szegedy et al., 2015).

    scale_range: the part's area, compared with the image's. ratio_range: its width divided by its height.

    >>> RandomResizedCrop(4).apply(np.zeros((6, 8, 3))).shape
    (4, 4, 3)
    """

    _tries = 10

    def __init__(
        self,
        output_size: Size,
        scale_range: Sequence[float] = (0.08, 1.0),
        ratio_range: Sequence[float] = (3.0 / 4, 4.0 / 3),
        interpolation: int = F.LINEAR,
        *,
        order: Order = None,
    ):
        super().__init__(order)
        for what, pair in (("scale_range", scale_range), ("ratio_range", ratio_range)):
            if len(pair) != 2 or not 0 < pair[0] <= pair[1]:
                raise ValueError(f"RandomResizedCrop: {what} must be two positive numbers in order, got {pair}")
        self.output_size = _pair("RandomResizedCrop", output_size)
        self.scale_range = tuple(scale_range)
        self.ratio_range = tuple(ratio_range)
        self.interpolation = interpolation

    def _begin(self, image: np.ndarray) -> None:
        height, width = image.shape[:2]
        for _ in range(self._tries):
            area = height * width * np.random.uniform(self.scale_range[0], self.scale_range[1])
            ratio = math.exp(np.random.uniform(*np.log(self.ratio_range)))
            self._height, self._width = round(math.sqrt(area / ratio)), round(math.sqrt(area * ratio))
            if 0 < self._height <= height and 0 < self._width <= width:
                self._top = np.random.randint(height - self._height + 1)
                self._left = np.random.randint(width - self._width + 1)
                return
        low, high = self.ratio_range  # the largest part in the middle whose ratio is allowed
        self._width, self._height = min(width, round(height * high)), min(height, round(width / low))
        self._top, self._left = (height - self._height) // 2, (width - self._width) // 2

    def _apply_image(self, image: np.ndarray) -> np.ndarray:
        return F.resize(super()._apply_image(image), self.output_size, self.interpolation)

    def _apply_mask(self, mask: np.ndarray) -> np.ndarray:
        return F.resize(super()._apply_image(mask), self.output_size, F.NEAREST)

    def _apply_coords(self, coords: np.ndarray) -> np.ndarray:
        factors = np.array([self.output_size[1] / self._width, self.output_size[0] / self._height], np.result_type(coords, np.float32))
        return super()._apply_coords(coords) * factors
