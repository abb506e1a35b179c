"""Conversion of the colours of images."""

from __future__ import annotations

import numpy as np

from ..dtype import is_float, uint8
from ..errors import DTypeError, check
from ..op import apply
from ..ops import color
from ..precision import as_given
from ..tensor import Tensor
from .linalg import matmul
from .tensor import broadcast_to

_GRAY = [0.299, 0.587, 0.114]
# columns are luma, 0.492 (blue - luma) and 0.877 (red - luma), of (blue, green, red)
_TO_YUV = [[0.114, 0.435912, -0.099978], [0.587, -0.288804, -0.514799], [0.299, -0.147108, 0.614777]]
_FROM_YUV = [[1.0, 1.0, 1.0], [2.032, -0.395, 0.0], [0.0, -0.581, 1.14]]
_SHUFFLES = {"RGB2BGR": (3, [2, 1, 0]), "BGR2RGB": (3, [2, 1, 0]), "RGBA2RGB": (4, [0, 1, 2]), "RGBA2BGR": (4, [2, 1, 0])}
_GRAYS = {"RGB2GRAY": 3, "RGBA2GRAY": 4, "BGR2GRAY": 3}
_PLANAR = {
    f"{standard}YUV2{order}_{layout}": (layout, order == "BGR", bool(standard))
    for standard in ("", "BT601_")
    for order in ("RGB", "BGR")
    for layout in color.LAYOUTS
}
_PLANAR |= {f"YCrCb2{order}".upper(): _PLANAR[f"YUV2{order}_NV21"] for order in ("RGB", "BGR")}
MODES = (*_GRAYS, *_SHUFFLES, "GRAY2RGB", "RGB2YUV", "YUV2RGB", *(f"YUV2GRAY_{layout}" for layout in color.LAYOUTS), *_PLANAR)


class ModeError(ValueError, AssertionError):
    """A conversion that there is not. (MegEngine: AssertionError.)"""


@as_given
def _mixed(inp: Tensor, matrix: list, before: float = 0.0, after: list | None = None) -> Tensor:
    """Channels times a matrix: (..., inputs) -> (..., outputs); ``before`` is taken from all but the first, ``after`` added."""
    weights = np.array(matrix)
    shift = (0 if after is None else np.array(after)) - before * weights[1:].sum(0)
    out = matmul(inp, Tensor(weights, dtype=inp.dtype, device=inp.device))
    return out + Tensor(shift, dtype=inp.dtype, device=inp.device) if np.any(shift) else out


def cvt_color(inp: Tensor, mode: str = "") -> Tensor:
    """The colours of images (N, H, W, channels) in another form; uint8 in fixed-point arithmetic, floats as they are.

    mode: which form is made which, in large or small letters.

    - "RGB2GRAY", "BGR2GRAY", "RGBA2GRAY": ``0.299 red + 0.587 green + 0.114 blue``. "GRAY2RGB" repeats it.
    - "RGB2BGR", "BGR2RGB", "RGBA2RGB", "RGBA2BGR": the channels in another order, without the fourth.
    - "RGB2YUV", "YUV2RGB": luma and two differences around the middle, which is 128, of floats 0.5. As in MegEngine, the first of
      the three channels is taken for blue.
    - ``YUV2RGB_NV21``, also with BGR or GRAY for RGB, and with NV12, YU12 or YV12 for NV21: from video frames of uint8, (N, H * 3 / 2, W, 1),
      with a plane of luma and below it half as many differences, in JPEG's range. ``YCrCb2RGB`` and ``YCrCb2BGR`` are those of NV21.
      ``BT601_YUV2RGB_NV21`` and its like are in the range of television.

    >>> cvt_color(Tensor([[[[255, 0, 0], [0, 0, 255]]]], dtype="uint8"), "RGB2GRAY").flatten().tolist()
    [76, 29]
    """
    name = mode.upper()
    if name not in MODES:
        raise ModeError(f"cvt_color: mode must be one of {', '.join(MODES)}, got {mode!r}")
    if not (inp.dtype == uint8 or is_float(inp.dtype)):
        raise DTypeError(f"cvt_color: takes images of floats or uint8, got {inp.dtype}")
    if name in _PLANAR:
        return apply(color.planar_yuv_to_rgb, (inp,), _PLANAR[name])
    if name.startswith("YUV2GRAY_"):
        rows = 3 if "_NV" in name else 6
        fits = inp.ndim == 4 and inp.shape[3] == 1 and inp.shape[1] % rows == 0 and inp.shape[2] % 2 == 0
        check(fits, "cvt_color: {} takes (N, a multiple of {}, a multiple of 2, 1), got shape {}", name, rows, inp.shape)
        return inp[:, : inp.shape[1] // 3 * 2]
    channels = _GRAYS[name] if name in _GRAYS else _SHUFFLES[name][0] if name in _SHUFFLES else 1 if name == "GRAY2RGB" else 3
    check(inp.ndim == 4 and inp.shape[3] == channels, "cvt_color: {} takes (N, H, W, {}), got shape {}", name, channels, inp.shape)
    if name == "GRAY2RGB":
        return broadcast_to(inp, (*inp.shape[:3], 3))
    if name in _SHUFFLES:
        return inp[:, :, :, _SHUFFLES[name][1]]
    if inp.dtype == uint8:
        if name in _GRAYS:
            return apply(color.bytes_to_gray, (inp,), (name == "BGR2GRAY",))
        return apply(color.bytes_to_yuv if name == "RGB2YUV" else color.bytes_from_yuv, (inp,))
    if name in _GRAYS:
        weights = _GRAY[::-1] if name == "BGR2GRAY" else _GRAY
        return _mixed(inp[:, :, :, :3], [[w] for w in weights])
    return _mixed(inp, _TO_YUV, after=[0.0, 0.5, 0.5]) if name == "RGB2YUV" else _mixed(inp, _FROM_YUV, before=0.5)


__all__ = ["cvt_color"]
