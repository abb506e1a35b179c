"""Functions on images and the boxes in them."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence

import numpy as np

from ..device import Device
from ..dtype import float32, int32, is_half
from ..errors import check
from ..op import apply
from ..ops import boxes as boxes_ops, resize as resize_ops
from ..tensor import Tensor
from .color import cvt_color
from .elemwise import abs
from .gathering import cond_take
from .pooling import avg_pool2d
from .quantization import on_levels
from .reduction import mean
from .sorting import argsort
from .tensor import as_shape, concat, pad
from .uint8 import in_dtype_of, in_float
from .warping import remap, roi_align, roi_pooling, warp_affine, warp_perspective

_MODES = {"linear": (3, 2), "bilinear": (4, 2), "trilinear": (5, 2), "nearest": (4, 1), "bicubic": (4, 4)}  # rank, taps


def _resized_sides(inp: Tensor, size, scale_factor) -> tuple[int, ...]:
    """How long the image axes are to become."""
    axes = inp.ndim - 2
    if (size is None) == (scale_factor is None):
        raise ValueError(f"interpolate: takes either size or scale_factor, got {size} and {scale_factor}")
    if size is None:
        factors = [scale_factor] * axes if isinstance(scale_factor, (int, float)) else [float(f) for f in scale_factor]
        check(len(factors) == axes, "interpolate: scale_factor must be a number or {} of them, got {}", axes, scale_factor)
        sides = tuple(math.floor(n * f) for n, f in zip(inp.shape[2:], factors, strict=True))
    else:
        sides = as_shape("interpolate", size)
        sides = sides * axes if len(sides) == 1 else sides
        check(len(sides) == axes, "interpolate: size must be an int or {} of them, got {}", axes, size)
    check(min(*sides, *inp.shape[2:]) >= 1, "interpolate: an image of {} cannot be resized to {}", inp.shape[2:], sides)
    return sides


@on_levels
def interpolate(
    inp: Tensor,
    size: int | Sequence[int] | Tensor | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "bilinear",
    align_corners: bool | None = None,
) -> Tensor:
    """Images resized: either to ``size``, or to ``floor(side * scale_factor)``; one number for all sides or one for each.

    mode: "bilinear", "nearest" or "bicubic" (Keys, 1981, with a = -3/4) for images (N, C, H, W), "linear" for (N, C, L), "trilinear" for (N, C, D, H, W).
    align_corners: whether the centres of the corner pixels stay in place, or else their outer edges do; for the linear modes. uint8 is rounded.

    ValueError for a shape that does not fit the mode.

    >>> interpolate(Tensor([[[[0.0, 1.0]]]]), (1, 4)).tolist()
    [[[[0.0, 0.25, 0.75, 1.0]]]]
    """
    if mode not in _MODES:
        raise ValueError(f"interpolate: mode must be one of {', '.join(_MODES)}, got {mode!r}")
    rank, taps = _MODES[mode]
    if taps != 2 and align_corners is not None:
        raise ValueError(f"interpolate: align_corners is for the linear modes, got {align_corners} for {mode!r}")
    check(inp.ndim == rank, "interpolate: mode {!r} takes {} axes, got shape {}", mode, rank, inp.shape)
    sides = _resized_sides(inp, size, scale_factor)
    out = in_float("interpolate", inp)
    ratio = {axis: side / old for axis, side, old in zip(range(2, rank), sides, inp.shape[2:], strict=True)}
    # First what makes the image smaller; of equals, the last axis, which costs most, when the image is smaller.
    axes = sorted(ratio, key=lambda axis: (ratio[axis], axis * (1 - ratio[axis])))
    for axis in axes:
        if sides[axis - 2] != inp.shape[axis] or axis == axes[-1]:
            tables = _tables(inp.shape[axis], sides[axis - 2], taps, bool(align_corners), out.dtype, out.device)
            out = apply(resize_ops.mix_along, (out, *tables), (axis,))
    return in_dtype_of(inp, out)


@functools.lru_cache(maxsize=256)
def _tables(n: int, size: int, taps: int, corners: bool, dtype: np.dtype, device: Device) -> tuple[Tensor, ...]:
    """The tables to resize an axis of ``n`` to ``size``, for images of a dtype."""
    places, weights, back_places, back_weights = resize_ops.tables(n, size, taps, corners)
    exact = float32 if is_half(dtype) else dtype
    return tuple(
        Tensor(table, dtype=table_dtype, device=device)
        for table, table_dtype in ((places, int32), (weights, exact), (back_places, int32), (back_weights, exact))
    )


def nms(boxes: Tensor, scores: Tensor, iou_thresh: float, max_output: int | None = None) -> Tensor:
    """Non-maximum suppression: indices (int32) of the boxes that stay, best score first.

    A box is dropped if it overlaps one that stays and has a higher score by more than ``iou_thresh``: the area they share over the area they cover.
    Of equal scores the first box counts as the better.

    Shape: boxes (n, 4) as (x0, y0, x1, y1), scores (n,) -> (kept,), at most ``max_output`` if that is given.

    >>> nms(Tensor([[0.0, 0.0, 4.0, 4.0], [0.0, 0.0, 4.0, 5.0], [8.0, 8.0, 9.0, 9.0]]), Tensor([0.5, 0.9, 0.1]), 0.5).tolist()
    [1, 2]
    """
    check(boxes.ndim == 2 and boxes.shape[1] == 4, "nms: boxes must have shape (n, 4), got {}", boxes.shape)
    check(scores.shape == boxes.shape[:1], "nms: scores must have shape {}, got {}", boxes.shape[:1], scores.shape)
    check(max_output is None or max_output > 0, "nms: max_output must be None or above 0, got {}", max_output)
    order = argsort(scores, descending=True)
    keep = apply(boxes_ops.keep_boxes, (boxes[order],), (float(iou_thresh),))
    return cond_take(keep, order)[0][:max_output]


def correlation(
    data1: Tensor,
    data2: Tensor,
    kernel_size: int = 1,
    max_displacement: int = 1,
    stride1: int = 1,
    stride2: int = 1,
    pad_size: int = 0,
    is_multiply: bool = True,
) -> Tensor:
    """How alike the patches of two images are, for each patch of the first and displacement of the second (FlowNet; Dosovitskiy et al., 2015).

    The result is the mean over channels and patch of the products of ``data1`` with ``data2`` displaced, or of their absolute differences.

    Shape: both images (N, C, H, W) -> (N, D * D, rows, columns) for D = 2 * (max_displacement // stride2) + 1 displacements along each axis, rows first.
    kernel_size: the side of patches, odd. stride1, stride2: the steps of patches and of displacements. pad_size: zeros put around both images.

    >>> correlation(Tensor([[[[3.0]]]]), Tensor([[[[2.0]]]]), max_displacement=0).tolist()
    [[[[6.0]]]]
    """
    same = data1.ndim == 4 and data1.shape == data2.shape
    check(same, "correlation: takes two images of one shape (N, C, H, W), got {} and {}", data1.shape, data2.shape)
    given = (kernel_size, max_displacement, stride1, stride2, pad_size)
    check(
        kernel_size % 2 == 1 and min(kernel_size, stride1, stride2) >= 1 and min(max_displacement, pad_size) >= 0,
        "correlation: got kernel_size {}, max_displacement {}, stride1 {}, stride2 {}, pad_size {}; takes an odd kernel and nothing negative",
        *given,
    )
    around = ((0, 0), (0, 0), (pad_size, pad_size), (pad_size, pad_size))
    first, second = pad(data1, around), pad(data2, around)
    height, width = (n - 2 * max_displacement for n in first.shape[2:])
    check(min(height, width) >= kernel_size, "correlation: an image of {} is too small, got {}", data1.shape, given)
    inner = first[:, :, max_displacement : max_displacement + height, max_displacement : max_displacement + width]
    starts = range(max_displacement % stride2, 2 * max_displacement + 1, stride2)
    planes = []
    for row, column in itertools.product(starts, starts):
        moved = second[:, :, row : row + height, column : column + width]
        planes.append(mean(inner * moved if is_multiply else abs(inner - moved), 1, keepdims=True))
    return avg_pool2d(concat(planes, 1), kernel_size, stride1)


__all__ = ["correlation", "cvt_color", "interpolate", "nms", "remap", "roi_align", "roi_pooling", "warp_affine", "warp_perspective"]
