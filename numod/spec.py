"""Spec: all that is known of a tensor before its values: shape, dtype, strides, device. Interned, so that equal means identical."""

from __future__ import annotations

import math

import numpy as np

from .device import Device
from .dtype import is_float
from .errors import check

_interned: dict[tuple, Spec] = {}
_scalars: dict[tuple, dict] = {}
_LIMIT = 65536  # shapes that vary without end must not fill the memory


class Spec:
    """Use `Spec.of`. ``strides`` count elements; ``contiguous`` means C order without gaps."""

    __slots__ = ("contiguous", "device", "dtype", "is_float", "nbytes", "ndim", "scalars", "shape", "size", "strides")

    shape: tuple[int, ...]
    dtype: np.dtype
    device: Device
    strides: tuple[int, ...]

    @staticmethod
    def of(shape: tuple[int, ...], dtype: np.dtype, device: Device, strides: tuple[int, ...] | None = None) -> Spec:
        """The one Spec with these properties; C order unless strides are given."""
        key = (shape, dtype.num, id(device), strides)
        found = _interned.get(key)
        if found is None:
            if strides is not None and (strides == c_strides(shape) or 0 in shape):
                return Spec.of(shape, dtype, device)
            if len(_interned) >= _LIMIT:
                _interned.clear()
            found = _interned[key] = Spec(shape, dtype, device, strides)
        return found

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype, device: Device, strides: tuple[int, ...] | None):
        check(min(shape, default=0) >= 0, "a tensor cannot have shape {}: an extent is negative", shape)
        self.shape, self.dtype, self.device = shape, dtype, device
        self.ndim, self.size = len(shape), math.prod(shape)
        self.nbytes = self.size * dtype.itemsize
        self.is_float = is_float(dtype)
        self.scalars = _scalars.setdefault((dtype, device), {})  # 0-d tensors of Python scalars beside this dtype: see `constants`
        packed = c_strides(shape)
        self.strides = packed if strides is None else strides
        self.contiguous = strides is None or _same_layout(shape, strides, packed)

    def like(self, shape: tuple[int, ...] | None = None, dtype: np.dtype | None = None) -> Spec:
        """A contiguous Spec on the same device, with another shape or dtype."""
        return Spec.of(self.shape if shape is None else shape, self.dtype if dtype is None else dtype, self.device)

    def __repr__(self) -> str:
        layout = "" if self.contiguous else f", strides={self.strides}"
        return f"Spec({self.shape}, {self.dtype}{layout}, {self.device})"


def c_strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Strides, in elements, of a C-contiguous array."""
    strides = [1] * len(shape)
    for axis in range(len(shape) - 2, -1, -1):
        strides[axis] = strides[axis + 1] * max(shape[axis + 1], 1)
    return tuple(strides)


def _same_layout(shape: tuple[int, ...], strides: tuple[int, ...], packed: tuple[int, ...]) -> bool:
    return all(extent == 1 or a == b for extent, a, b in zip(shape, strides, packed, strict=True))
