"""Convolution and pooling that read images at places which are learned."""

from __future__ import annotations

import math

import numpy as np

from ..errors import check
from ..op import apply
from ..ops import sampling
from ..precision import low
from ..tensor import Tensor
from .conv import conv_attrs, flat_weight
from .elemwise import add, logical_and, maximum, round
from .linalg import matmul
from .reduction import sum
from .sides import Sides
from .tensor import broadcast_to, stack


def _numbers(array: np.ndarray, like: Tensor) -> Tensor:
    """A constant in the dtype of ``like``."""
    return Tensor(array, dtype=like.dtype, device=like.device)


def deformable_conv2d(
    inp: Tensor,
    weight: Tensor,
    offset: Tensor,
    mask: Tensor,
    bias: Tensor | None = None,
    stride: Sides = 1,
    padding: Sides = 0,
    dilation: Sides = 1,
    groups: int = 1,
    conv_mode: str = "cross_correlation",
    compute_mode: str = "default",
) -> Tensor:
    """Convolution that reads each value somewhat off its place, and times a factor (Zhu et al., 2019: deformable convolution, version 2).

    Shape: inp (N, C, H, W), weight (outputs, C, *kernel) or with groups (groups, outputs / groups, C / groups, *kernel), bias (1, outputs, 1, 1).
    offset: (N, parts * taps * 2, *sides of the result): how many rows and columns further on each tap of the kernel is read, for each
    of the parts that the channels are divided into. mask: (N, parts * taps, *sides): what it is multiplied by.
    Between pixels values are interpolated linearly, and outside of the image they are 0.

    >>> x, weight, zero = Tensor([[[[1.0, 2.0, 3.0]]]]), Tensor([[[[1.0]]]]), Tensor([[[[0.0, 0.0, 0.0]]]])
    >>> deformable_conv2d(x, weight, offset=Tensor([[[[0.0, 0.0, 0.0]], [[1.0, 0.5, 0.5]]]]), mask=zero + 2).tolist()
    [[[[4.0, 5.0, 3.0]]]]
    """
    name = "deformable_conv2d"
    steps, pads, spread, groups = conv_attrs(name, 2, stride, padding, dilation, groups, conv_mode)
    weight = flat_weight(name, weight, 2, groups)
    check(inp.ndim == 4 and weight.ndim == 4, "{}: input and weight must have 4 axes, got shapes {} and {}", name, inp.shape, weight.shape)
    n, channels, *size = inp.shape
    outputs, per_group, *kernel = weight.shape
    check(channels == per_group * groups, "{}: input has {} channels, weight takes {}", name, channels, per_group * groups)
    check(outputs % groups == 0, "{}: {} output channels do not make {} groups", name, outputs, groups)
    sides = [(m + 2 * p - d * (k - 1) - 1) // s + 1 for m, k, s, p, d in zip(size, kernel, steps, pads, spread, strict=True)]
    taps, places = math.prod(kernel), math.prod(sides)
    parts = mask.shape[1] // taps if mask.ndim == 4 else 0
    fits = (
        parts >= 1 and channels % parts == 0 and mask.shape == (n, parts * taps, *sides) and offset.shape == (n, parts * taps * 2, *sides)
    )
    check(
        fits,
        "{}: for an image of {} offset must be ({}, parts * {}, {}, {}) and mask half as long, got shapes {} and {}",
        name,
        inp.shape,
        n,
        taps * 2,
        *sides,
        offset.shape,
        mask.shape,
    )
    base = [np.arange(k) * d - p for k, d, p in zip(kernel, spread, pads, strict=True)]
    places_of = [np.arange(m) * s for m, s in zip(sides, steps, strict=True)]
    rows = np.add.outer(np.repeat(base[0], kernel[1]), np.repeat(places_of[0], sides[1]))  # (taps, places)
    columns = np.add.outer(np.tile(base[1], kernel[0]), np.tile(places_of[1], sides[0]))
    moved = offset.reshape(n * parts, taps, 2, places)
    read = stack([add(moved[:, :, 1], _numbers(columns, offset)), add(moved[:, :, 0], _numbers(rows, offset))], 3)
    images = Tensor(np.arange(n * parts, dtype=np.int32), device=inp.device)
    x = inp.reshape(n * parts, channels // parts, *size)
    seen = apply(sampling.sample_images, (x, read, images), ("constant", 2, (0, 0)))  # (n * parts, channels / parts, taps, places)
    seen = (seen * mask.reshape(n * parts, 1, taps, places)).reshape(n, groups, per_group * taps, places)
    matrices = broadcast_to(
        weight.reshape(1, groups, outputs // groups, per_group * taps), (n, groups, outputs // groups, per_group * taps)
    )
    out = matmul(matrices, seen).reshape(n, outputs, *sides)
    return out if bias is None else add(out, low(bias))


def deformable_psroi_pooling(
    inp: Tensor,
    rois: Tensor,
    trans: Tensor,
    no_trans: bool,
    part_size: int,
    pooled_h: int,
    pooled_w: int,
    sample_per_part: int,
    spatial_scale: float,
    trans_std: float = 0.1,
) -> Tensor:
    """Means of the cells of regions of interest, each moved by what ``trans`` says (Dai et al., 2017: deformable convolutional networks).

    Shape: inp (N, C, H, W), rois (R, 5) -> (R, C, pooled_h, pooled_w).
    rois: the number of the image, and left, top, right and bottom, which are rounded and then multiplied by ``spatial_scale``; no gradient flows to them.
    trans: (R, 2, pooled_h, pooled_w), how far a cell is moved to the right and down, in units of ``trans_std`` times the sides of the region;
    of it ``part_size`` rows and columns are used. With ``no_trans`` nothing is moved.
    sample_per_part: a mean is over so many samples in both directions, but for those more than half a pixel outside of the image.

    >>> image, whole = Tensor([[[[1.0, 2.0], [3.0, 4.0]]]]), Tensor([[0.0, 0.0, 0.0, 1.0, 1.0]])
    >>> deformable_psroi_pooling(image, whole, Tensor([0.0, 0.0]).reshape(1, 2, 1, 1), True, 1, 1, 1, 2, 1.0).item()
    1.75
    """
    name = "deformable_psroi_pooling"
    check(inp.ndim == 4, "{}: input must be (N, C, H, W), got shape {}", name, inp.shape)
    check(rois.ndim == 2 and rois.shape[1] == 5, "{}: rois must have shape (R, 5), got {}", name, rois.shape)
    cells, count, samples = (pooled_h, pooled_w), rois.shape[0], sample_per_part
    check(trans.shape == (count, 2, *cells), "{}: trans must have shape {}, got {}", name, (count, 2, *cells), trans.shape)
    check(
        1 <= part_size <= min(cells) and samples >= 1,
        "{}: part_size must be from 1 to {}, sample_per_part at least 1, got {} and {}",
        name,
        min(cells),
        part_size,
        samples,
    )
    corners = round(rois[:, 1:].detach())
    first = corners[:, :2] * spatial_scale - 0.5  # column, row
    sides = maximum((corners[:, 2:] + 1) * spatial_scale - 0.5 - first, 0.1)
    shares = [(np.arange(n)[:, None] + np.arange(samples) / samples).ravel() / n for n in cells]  # of the region, for each sample
    places = []
    for axis, share in ((0, np.tile(shares[1], (cells[0] * samples, 1))), (1, np.tile(shares[0][:, None], cells[1] * samples))):
        start, side = first[:, axis].reshape(count, 1, 1), sides[:, axis].reshape(count, 1, 1)
        place = start + side * _numbers(share, inp)
        if not no_trans:
            used = [np.arange(n) * part_size // n for n in cells]
            moves = trans[:, axis] if part_size == max(cells) else trans[:, axis][:, used[0]][:, :, used[1]]
            spread = broadcast_to(moves.reshape(count, cells[0], 1, cells[1], 1), (count, cells[0], samples, cells[1], samples))
            place = place + spread.reshape(place.shape) * side * trans_std
        places.append(place)
    near = [logical_and(place >= -0.5, place <= n - 0.5) for place, n in zip(places, (inp.shape[3], inp.shape[2]), strict=True)]
    inside = logical_and(*near)
    images = rois[:, 0].astype("int32")
    seen = apply(sampling.sample_images, (inp, stack(places, 3), images), ("replicate", 2, (0, 0)))
    grid = (cells[0], samples, cells[1], samples)
    counted = inside.astype(inp.dtype).reshape(count, 1, *grid)
    total = sum(seen.reshape(count, inp.shape[1], *grid) * counted, (3, 5))
    return total / maximum(sum(counted, (3, 5)), 1.0)


__all__ = ["deformable_conv2d", "deformable_psroi_pooling"]
