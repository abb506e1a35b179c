"""Images read at other places: by a map, by a matrix for each image, and in regions of interest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from ..dtype import float32, promote
from ..errors import check
from ..op import apply
from ..ops import index, pool as pool_ops, roi, sampling
from ..precision import as_given
from ..tensor import Tensor
from .elemwise import maximum, round, where
from .linalg import matmul
from .sides import sides_of
from .tensor import as_shape, broadcast_to, concat, reshape, stack, transpose
from .uint8 import in_dtype_of, in_float

_TAPS = {"linear": 2, "nearest": 1}


def _read(name: str, inp: Tensor, places: Tensor, images: Tensor, border_mode: str, border_val: float, interp_mode: str) -> Tensor:
    """Images (N, C, H, W) at ``places`` of ``images``."""
    for what, value, known in (("border_mode", border_mode, sampling.BORDERS), ("interp_mode", interp_mode, tuple(_TAPS))):
        if value not in known:
            raise ValueError(f"{name}: {what} must be one of {', '.join(known)}, got {value!r}")
    check(inp.ndim == 4, "{}: input must have 4 axes, got shape {}", name, inp.shape)
    attrs = (border_mode, _TAPS[interp_mode], (0, 0))
    x = in_float(name, inp)
    out = apply(sampling.sample_images, (x, places, images), attrs)
    if border_mode == "constant" and border_val != 0:
        ones = Tensor(np.ones((1, 1, *x.shape[2:]), np.float32), dtype=x.dtype, device=x.device)
        covered = apply(sampling.sample_images, (ones, places, Tensor(np.zeros(images.shape, np.int32), device=x.device)), attrs)
        out = out + (1 - covered) * float(border_val)
    return in_dtype_of(inp, out)


def _each(count: int, inp: Tensor) -> Tensor:
    """The numbers of so many images, in order."""
    return Tensor(np.arange(count, dtype=np.int32), device=inp.device)


def remap(inp: Tensor, map_xy: Tensor, border_mode: str = "replicate", scalar: float = 0.0, interp_mode: str = "linear") -> Tensor:
    """Images read at the places that a map says: ``out[n, c, i, j] = inp[n, c, y, x]`` with ``x, y = map_xy[n, i, j]``.

    Shape: inp (N, C, H, W), map_xy (N, rows, columns, 2) -> (N, C, rows, columns). Floats, or uint8, which is rounded.
    border_mode: what lies outside: "replicate", "reflect" (the edge twice), "reflect_101" (the edge once), "wrap", or "constant", which is ``scalar``.
    interp_mode: "linear", or "nearest", through which no gradient gets to the map.

    >>> remap(Tensor([[[[0.0, 1.0], [2.0, 3.0]]]]), Tensor([[[[0.5, 0.5], [5.0, 0.0]]]])).tolist()
    [[[[1.5, 1.0]]]]
    """
    fits = inp.ndim == 4 and map_xy.ndim == 4 and map_xy.shape[0] == inp.shape[0] and map_xy.shape[3] == 2
    check(fits, "remap: takes images (N, C, H, W) and a map (N, rows, columns, 2), got shapes {} and {}", inp.shape, map_xy.shape)
    return _read("remap", inp, map_xy, _each(inp.shape[0], inp), border_mode, scalar, interp_mode)


@as_given  # places in an image need more digits than float16 has
def _warp(name, inp, mat, out_shape, images, border_mode, border_val, format, interp_mode) -> Tensor:
    if format not in ("NCHW", "NHWC"):
        raise ValueError(f"{name}: format must be NCHW or NHWC, got {format!r}")
    sides = as_shape(name, out_shape)
    sides = sides * 2 if len(sides) == 1 else sides
    check(len(sides) == 2 and min(sides) >= 1, "{}: out_shape must be one or two ints above 0, got {}", name, out_shape)
    check(inp.ndim == 4, "{}: input must have 4 axes, got shape {}", name, inp.shape)
    rows, columns = sides
    mat = mat.astype(promote(mat.dtype, float32))
    i, j = np.indices(sides).reshape(2, -1)
    grid = Tensor(np.stack([j, i, np.ones_like(i)]).astype(np.float32), dtype=mat.dtype, device=inp.device)
    places = transpose(matmul(mat, broadcast_to(grid, (mat.shape[0], *grid.shape))), (0, 2, 1))  # (M, rows * columns, 2 or 3)
    if mat.shape[1] == 3:
        places = places[:, :, :2] / places[:, :, 2:]
    x = inp if format == "NCHW" else transpose(inp, (0, 3, 1, 2))
    out = _read(name, x, reshape(places, (mat.shape[0], rows, columns, 2)), images, border_mode, border_val, interp_mode)
    return out if format == "NCHW" else transpose(out, (0, 2, 3, 1))


def warp_affine(
    inp: Tensor,
    mat: Tensor,
    out_shape: int | Sequence[int] | Tensor,
    border_mode: str = "replicate",
    border_val: float = 0.0,
    format: str = "NHWC",
    interp_mode: str = "linear",
) -> Tensor:
    """Images moved by affine maps: the pixel (x, y) of the result is read at ``mat @ (x, y, 1)``.

    Shape: inp (N, H, W, C), or (N, C, H, W) with format "NCHW"; mat (N, 2, 3); the result has the sides ``out_shape``.
    Modes are those of `remap`; ``border_val`` is the constant.

    >>> warp_affine(Tensor([[[[0.0, 1.0]]]]), Tensor([[[1.0, 0.0, 0.5], [0.0, 1.0, 0.0]]]), (1, 2), format="NCHW").tolist()
    [[[[0.5, 1.0]]]]
    """
    fits = mat.ndim == 3 and mat.shape == (inp.shape[0], 2, 3)
    check(fits, "warp_affine: mat must have shape (N, 2, 3) for {} images, got {}", inp.shape[0], mat.shape)
    return _warp("warp_affine", inp, mat, out_shape, _each(inp.shape[0], inp), border_mode, border_val, format, interp_mode)


def warp_perspective(
    inp: Tensor,
    mat: Tensor,
    out_shape: int | Sequence[int] | Tensor,
    mat_idx: Iterable[int] | Tensor | None = None,
    border_mode: str = "replicate",
    border_val: float = 0.0,
    format: str = "NCHW",
    interp_mode: str = "linear",
) -> Tensor:
    """Images moved by projective maps: the pixel (x, y) of the result is read at (u / w, v / w) for ``(u, v, w) = mat @ (x, y, 1)``.

    Shape: inp (N, C, H, W), or (N, H, W, C) with format "NHWC"; mat (M, 3, 3); the result has M images with the sides ``out_shape``.
    mat_idx: the image that each matrix moves; without it M must be N. Modes are those of `remap`; ``border_val`` is the constant.

    >>> warp_perspective(Tensor([[[[0.0, 1.0]]]]), Tensor([[[1.0, 0.0, 0.5], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]]), (1, 2)).tolist()
    [[[[0.5, 1.0]]]]
    """
    check(mat.ndim == 3 and mat.shape[1:] == (3, 3), "warp_perspective: mat must have shape (M, 3, 3), got {}", mat.shape)
    if mat_idx is None:
        check(mat.shape[0] == inp.shape[0], "warp_perspective: {} matrices for {} images need mat_idx", mat.shape[0], inp.shape[0])
        images = _each(inp.shape[0], inp)
    else:
        images = mat_idx if isinstance(mat_idx, Tensor) else Tensor(np.array(list(mat_idx), np.int32), device=inp.device)
        check(images.shape == mat.shape[:1], "warp_perspective: mat_idx must have shape {}, got {}", mat.shape[:1], images.shape)
    return _warp("warp_perspective", inp, mat, out_shape, images, border_mode, border_val, format, interp_mode)


def roi_align(
    inp: Tensor,
    rois: Tensor,
    output_shape: int | Sequence[int],
    mode: str = "average",
    spatial_scale: float = 1.0,
    sample_points: int | Sequence[int] = 2,
    aligned: bool = True,
) -> Tensor:
    """Regions of images, cut into ``output_shape`` bins that are each the mean or the largest of ``sample_points`` values (He et al., 2017).

    The values are interpolated linearly, with zeros outside the image. No gradient flows to the regions.

    Shape: inp (N, C, H, W), rois (R, 5) as (number of the image, x0, y0, x1, y1) -> (R, C, *output_shape).
    mode: "average" or "max". spatial_scale: what the corners are multiplied by. aligned: whether (0, 0) is the corner of the first pixel, not its centre.

    >>> roi_align(Tensor([[[[0.0, 1.0], [2.0, 3.0]]]]), Tensor([[0.0, 0.5, 0.5, 1.5, 1.5]]), 1).tolist()
    [[[[1.5]]]]
    """
    if mode not in ("average", "max"):
        raise ValueError(f"roi_align: mode must be average or max, got {mode!r}")
    bins, points = sides_of("roi_align", "output_shape", output_shape, 2), sides_of("roi_align", "sample_points", sample_points, 2)
    check(min(*bins, *points) >= 1, "roi_align: output_shape and sample_points must be above 0, got {} and {}", output_shape, sample_points)
    check(rois.ndim == 2 and rois.shape[1] == 5, "roi_align: rois must have shape (R, 5), got {}", rois.shape)
    rois = rois.detach()
    axes = []
    for first, count in ((1, bins[1] * points[1]), (2, bins[0] * points[0])):  # columns, rows
        low, high = (rois[:, at : at + 1] * float(spatial_scale) - (0.5 if aligned else 0.0) for at in (first, first + 2))
        share = Tensor((np.arange(count, dtype=np.float32) + 0.5) / count, dtype=rois.dtype, device=rois.device)
        axes.append(low + (high - low) * (high > low).astype(rois.dtype) * share)  # (R, count)
    columns, rows = axes
    grid = (rois.shape[0], rows.shape[1], columns.shape[1])
    across = broadcast_to(reshape(columns, (grid[0], 1, grid[2])), grid)
    down = broadcast_to(reshape(rows, (*grid[:2], 1)), grid)
    values = _read("roi_align", inp, stack([across, down], 3), rois[:, 0].astype("int32"), "constant", 0.0, "linear")
    if mode == "max":
        return apply(pool_ops.max_pool2d, (values,), (points, points, (0, 0)))
    return apply(pool_ops.avg_pool2d, (values,), (points, points, (0, 0), False))


def roi_pooling(inp: Tensor, rois: Tensor, output_shape: int | Sequence[int], mode: str = "max", scale: float = 1.0) -> Tensor:
    """Regions of images, cut along whole pixels into ``output_shape`` bins that are each the largest of their values or the mean (Girshick, 2015).

    Corners are multiplied by ``scale`` and rounded; both corners' pixels belong to the region. A bin outside the image is 0.

    Shape: inp (N, C, H, W), rois (R, 5) as (number of the image, x0, y0, x1, y1) -> (R, C, *output_shape). mode: "max" or "average".

    >>> roi_pooling(Tensor([[[[0.0, 1.0], [2.0, 3.0]]]]), Tensor([[0.0, 0.0, 0.0, 1.0, 0.0]]), 1).tolist()
    [[[[1.0]]]]
    """
    if mode not in ("max", "average"):
        raise ValueError(f"roi_pooling: mode must be max or average, got {mode!r}")
    bins = sides_of("roi_pooling", "output_shape", output_shape, 2)
    check(rois.ndim == 2 and rois.shape[1] == 5, "roi_pooling: rois must have shape (R, 5), got {}", rois.shape)
    rois = rois.detach()
    pixels = concat([rois[:, :1], round(rois[:, 1:] * float(scale))], 1).astype("int32")
    if mode == "average":
        return apply(roi.roi_mean, (inp, pixels), bins)
    places = apply(roi.roi_peak, (inp, pixels), bins)
    largest = apply(index.take, (reshape(inp, (inp.size,)), maximum(places, 0)), (0,))
    return where(places >= 0, largest, 0.0)
