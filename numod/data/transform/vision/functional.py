"""Functions on images: NumPy arrays (H, W, C), whose colours are in the order blue, green, red."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence

import numpy as np

NEAREST, LINEAR, CUBIC, AREA = range(4)
_GRAY = np.array([0.114, 0.587, 0.299], np.float32)  # ITU-R BT.601, blue first


def wrap_keepdims(func: Callable) -> Callable:
    """Decorator: a function of an image may drop the axis of a single channel, which is then put back.

    >>> wrap_keepdims(lambda image: image[:, :, 0])(np.zeros((2, 3, 1))).shape
    (2, 3, 1)
    """

    @functools.wraps(func)
    def wrapper(image, *args, **kwargs):
        if len(image.shape) != 3:
            raise ValueError(f"{func.__name__}: image must have shape (H, W, C), got {image.shape}")
        result = func(image, *args, **kwargs)
        return result[:, :, np.newaxis] if len(result.shape) == 2 else result

    return wrapper


@wrap_keepdims
def to_gray(image: np.ndarray) -> np.ndarray:
    """The brightness of each pixel, (H, W, 1), from blue, green and red.

    >>> to_gray(np.full((1, 1, 3), 9, np.uint8)).tolist()
    [[[9]]]
    """
    if image.shape[2] != 3:
        raise ValueError(f"to_gray: image must have 3 channels, got shape {image.shape}")
    return like(image.astype(np.float32) @ _GRAY, image)


@wrap_keepdims
def to_bgr(image: np.ndarray) -> np.ndarray:
    """Three channels that are all the one of a gray image.

    >>> to_bgr(np.zeros((2, 3, 1))).shape
    (2, 3, 3)
    """
    if image.shape[2] != 1:
        raise ValueError(f"to_bgr: image must have 1 channel, got shape {image.shape}")
    return np.repeat(image, 3, axis=2)


@wrap_keepdims
def flip(image: np.ndarray, flipCode: int) -> np.ndarray:
    """The image mirrored: upside down for 0, left to right for a positive code, both for a negative one.

    >>> flip(np.array([[[1], [2]]]), 1).tolist()
    [[[2], [1]]]
    """
    rows, columns = flipCode <= 0, flipCode != 0
    return np.ascontiguousarray(image[:: -1 if rows else 1, :: -1 if columns else 1])


def like(values: np.ndarray, image: np.ndarray) -> np.ndarray:
    """Floats as values of the image's dtype: rounded and clipped if it is one of integers."""
    if image.dtype.kind == "f":
        return values.astype(image.dtype, copy=False)
    limits = np.iinfo(image.dtype)
    return np.clip(np.rint(values), limits.min, limits.max).astype(image.dtype)


def sides_of(size: int | Sequence[int]) -> tuple[int, int, int, int]:
    """(top, bottom, left, right): one number for all sides, two for the bottom and the right, or all four."""
    if isinstance(size, int):
        size = (size,) * 4
    elif len(size) == 2:
        size = (0, size[0], 0, size[1])
    if len(size) != 4 or min(size) < 0:
        raise ValueError(f"pad: size must be 1, 2 or 4 numbers of at least 0, got {size}")
    top, bottom, left, right = (int(side) for side in size)
    return top, bottom, left, right


@wrap_keepdims
def pad(input: np.ndarray, size: int | Sequence[int], value: float | Sequence[float]) -> np.ndarray:
    """The image with ``value`` around it, a number or one for each channel.

    size: for all sides, or (bottom, right), or (top, bottom, left, right).

    >>> pad(np.ones((1, 1, 1)), (0, 2), 5.0).tolist()
    [[[1.0], [5.0], [5.0]]]
    """
    top, bottom, left, right = sides_of(size)
    height, width, channels = input.shape
    out = np.empty((height + top + bottom, width + left + right, channels), input.dtype)
    out[...] = value
    out[top : top + height, left : left + width] = input
    return out


@wrap_keepdims
def resize(input: np.ndarray, size: Sequence[int], interpolation: int = LINEAR) -> np.ndarray:
    """The image at another (height, width).

    interpolation: 0 for the nearest pixel, 1 for linear, 2 for cubic, 3 for the mean over the area of a pixel; as in OpenCV.

    >>> resize(np.array([[[0.0], [4.0]]]), (1, 4)).ravel().tolist()
    [0.0, 1.0, 3.0, 4.0]
    """
    if len(size) != 2 or min(size) < 1:
        raise ValueError(f"resize: size must be (height, width), each at least 1, got {size}")
    if interpolation not in _TAPS:
        raise ValueError(f"resize: interpolation must be one of {list(_TAPS)} (nearest, linear, cubic, area), got {interpolation}")
    if tuple(size) == input.shape[:2]:
        return input.copy()
    if interpolation == NEAREST:
        rows, columns = (_nearest(old, int(new))[0][:, 0] for old, new in zip(input.shape, size, strict=False))
        return input[rows][:, columns]
    values = input.astype(np.float32 if input.dtype != np.float64 else np.float64)
    axes = sorted((0, 1), key=lambda axis: size[axis] / input.shape[axis])  # what shrinks most goes first
    taps = _TAPS[interpolation]
    if interpolation == AREA and any(new > old for new, old in zip(size, input.shape, strict=False)):
        taps = _enlarged
    for axis in axes:
        values = _resample(values, axis, *taps(input.shape[axis], int(size[axis])))
    return like(values, input)


def _resample(values: np.ndarray, axis: int, indices: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Along an axis, the weighted sum of the pixels at ``indices`` (new size, taps)."""
    shape = (-1, 1, 1) if axis == 0 else (1, -1, 1)
    weights = weights.astype(values.dtype)
    total = np.take(values, indices[:, 0], axis) * weights[:, 0].reshape(shape)
    for tap in range(1, indices.shape[1]):
        total += np.take(values, indices[:, tap], axis) * weights[:, tap].reshape(shape)
    return total


@functools.lru_cache(maxsize=256)
def _nearest(old: int, new: int) -> tuple[np.ndarray, np.ndarray]:
    indices = np.minimum((np.arange(new) * (old / new)).astype(np.int64), old - 1)
    return indices[:, None], np.ones((new, 1))


@functools.lru_cache(maxsize=256)
def _linear(old: int, new: int) -> tuple[np.ndarray, np.ndarray]:
    centers = (np.arange(new) + 0.5) * (old / new) - 0.5
    first = np.floor(centers).astype(np.int64)
    part = centers - first
    return np.clip(np.stack([first, first + 1], 1), 0, old - 1), np.stack([1 - part, part], 1)


@functools.lru_cache(maxsize=256)
def _cubic(old: int, new: int) -> tuple[np.ndarray, np.ndarray]:
    """Cubic convolution (Keys, 1981) with a = -0.75."""
    a = -0.75
    centers = (np.arange(new) + 0.5) * (old / new) - 0.5
    first = np.floor(centers).astype(np.int64) - 1
    indices = first[:, None] + np.arange(4)
    x = np.abs(centers[:, None] - indices)
    near, far = (a + 2) * x**3 - (a + 3) * x**2 + 1, a * (x**3 - 5 * x**2 + 8 * x - 4)
    return np.clip(indices, 0, old - 1), np.where(x <= 1, near, np.where(x < 2, far, 0.0))


@functools.lru_cache(maxsize=256)
def _enlarged(old: int, new: int) -> tuple[np.ndarray, np.ndarray]:
    """In place of `_area` where an axis grows, which would give blocks: linear at the edges of old pixels only."""
    first = np.floor(np.arange(new) * (old / new)).astype(np.int64)
    part = np.arange(new) + 1 - (first + 1) * (new / old)
    part = np.where(part <= 0, 0.0, part - np.floor(part))
    return np.clip(np.stack([first, first + 1], 1), 0, old - 1), np.stack([1 - part, part], 1)


@functools.lru_cache(maxsize=256)
def _area(old: int, new: int) -> tuple[np.ndarray, np.ndarray]:
    """How much of each old pixel lies in a new one."""
    scale = old / new
    starts = np.arange(new) * scale
    taps = math.ceil(scale) + 1
    indices = np.floor(starts).astype(np.int64)[:, None] + np.arange(taps)
    overlap = np.minimum(indices + 1, (starts + scale)[:, None]) - np.maximum(indices, starts[:, None])
    return np.clip(indices, 0, old - 1), np.maximum(overlap, 0) / scale


_TAPS: dict[int, Callable] = {NEAREST: _nearest, LINEAR: _linear, CUBIC: _cubic, AREA: _area}
