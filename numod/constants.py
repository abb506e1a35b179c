"""0-d tensors for the Python scalars in expressions, made once for each value and dtype."""

from __future__ import annotations

import math

import numpy as np

from .device import Device
from .tensor import Tensor

_known: dict[tuple, Tensor] = {}


def constant(value: bool | int | float, dtype: np.dtype, device: Device) -> Tensor:
    """A 0-d tensor with this value. (Tensors are never written to, so sharing one is safe; the caller must not rebind it.)"""
    key = (value, type(value), dtype.num, device)
    found = _known.get(key)
    if found is None or (value == 0 and math.copysign(1.0, found.item()) != math.copysign(1.0, value)):
        found = Tensor(np.asarray(value).astype(dtype), dtype=dtype, device=device)
        if len(_known) > 4096:
            _known.clear()
        _known[key] = found
    return found
