"""0-d tensors for the Python scalars in expressions, made once for each value and dtype."""

from __future__ import annotations

import numpy as np

from .device import Device
from .dtype import scalar_dtype
from .spec import Spec
from .tensor import Tensor

_LIMIT = 4096  # a scalar that changes at every call must not fill the memory
_known: dict[tuple, Tensor] = {}


def constant(value: bool | int | float | complex, dtype: np.dtype, device: Device) -> Tensor:
    """A 0-d tensor with this value. (Buffers are never written to, so sharing one is safe; the caller must not rebind the tensor.)"""
    key = (value or repr(value), value.__class__, dtype, device)  # 0.0 and -0.0 are equal, their reprs are not
    found = _known.get(key)
    if found is None:
        if len(_known) >= _LIMIT:
            _known.clear()
        found = _known[key] = Tensor(np.asarray(value).astype(dtype), dtype=dtype, device=device)
    return found


def known() -> list[Tensor]:
    """All that `constant` remembers."""
    return list(_known.values())


def scalar(value: bool | int | float, like: Tensor) -> Tensor:
    """A 0-d tensor of the dtype and device of ``like``."""
    return constant(value, like.dtype, like.device)


def beside(value: bool | int | float, spec: Spec) -> Tensor:
    """The 0-d tensor that a Python scalar is in an expression with a tensor of this Spec."""
    key = (value or repr(value), value.__class__)
    found = spec.scalars.get(key)
    if found is None:
        if len(spec.scalars) >= _LIMIT:
            spec.scalars.clear()
        found = spec.scalars[key] = constant(value, scalar_dtype(value, spec.dtype), spec.device)
    return found
