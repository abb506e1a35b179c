"""Element types: their names, limits, kinds, and how they combine."""

from __future__ import annotations

import builtins
import functools
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import dtype as dtypes
from ..device import Device, as_device
from ..dtype import as_dtype, complex64, float32, float64, int8, int16, int32, int64, kind_of, promote, scalar_dtype, uint8
from ..functional import complex as make_complex, zeros_like
from ..op import apply
from ..ops import view
from ..tensor import Tensor

bool = dtypes.boolean
BY_KIND = {
    "bool": "b",
    "signed integer": "i",
    "unsigned integer": "u",
    "integral": "iu",
    "real floating": "f",
    "complex floating": "c",
    "numeric": "iufc",
}
DTYPES = {
    "bool": bool,
    "int8": int8,
    "int16": int16,
    "int32": int32,
    "int64": int64,
    "uint8": uint8,
    "float32": float32,
    "float64": float64,
    "complex64": complex64,
}
Scalar = int | float | complex


@dataclass(frozen=True)
class _FloatInfo:
    """What ``finfo`` gives."""

    bits: int
    eps: float
    max: float
    min: float
    smallest_normal: float
    dtype: np.dtype


@dataclass(frozen=True)
class _IntegerInfo:
    """What ``iinfo`` gives."""

    bits: int
    max: int
    min: int
    dtype: np.dtype


def _dtype_of(value: Any) -> np.dtype:
    return value.dtype if isinstance(value, Tensor) else as_dtype(value)


def finfo(type: np.dtype | Tensor, /) -> _FloatInfo:
    """The limits of a float dtype (for complex64, of its parts).

    >>> finfo(float32).bits
    32
    """
    dtype = float32 if _dtype_of(type) == complex64 else _dtype_of(type)
    if not dtypes.is_float(dtype):
        raise TypeError(f"finfo: takes a float dtype, got {dtype}")
    if dtype.kind == "V":
        import ml_dtypes

        found: Any = ml_dtypes.finfo(dtype)
    else:
        found = np.finfo(dtype)
    eps, most, least, normal = (float(limit) for limit in (found.eps, found.max, found.min, found.smallest_normal))
    return _FloatInfo(8 * dtype.itemsize, eps, most, least, normal, dtype)


def iinfo(type: np.dtype | Tensor, /) -> _IntegerInfo:
    """The limits of an integer dtype.

    >>> iinfo(int8).max
    127
    """
    dtype = _dtype_of(type)
    if not dtypes.is_integer(dtype):
        raise TypeError(f"iinfo: takes an integer dtype, got {dtype}")
    found = np.iinfo(dtype)
    return _IntegerInfo(found.bits, int(found.max), int(found.min), dtype)


def isdtype(dtype: np.dtype, kind: np.dtype | str | tuple[np.dtype | str, ...]) -> builtins.bool:
    """Whether a dtype is another, or of a kind such as "integral" or "real floating", or one of several.

    >>> isdtype(int8, "integral")
    True
    """
    if isinstance(kind, tuple):
        return any(isdtype(dtype, each) for each in kind)
    if not isinstance(kind, str):
        return as_dtype(dtype) == as_dtype(kind)
    if kind not in BY_KIND:
        raise ValueError(f"isdtype: kind must be a dtype, a tuple, or one of {', '.join(BY_KIND)}, got {kind!r}")
    return kind_of(as_dtype(dtype)) in BY_KIND[kind]


@functools.lru_cache(maxsize=1024)
def joined(a: np.dtype, b: np.dtype) -> np.dtype:
    """The dtype of two that meet: the standard's table where it has them, the rules of numod's operators elsewhere."""
    return np.promote_types(a, b) if {kind_of(a), kind_of(b)} == {"i", "u"} else promote(a, b)


def result_type(*arrays_and_dtypes: Tensor | np.dtype | Scalar) -> np.dtype:
    """The dtype that tensors and dtypes combine to; numbers beside them count by their kind.

    >>> result_type(uint8, int8)
    dtype('int16')
    """
    scalars = [value for value in arrays_and_dtypes if isinstance(value, (int, float, complex))]
    known = [_dtype_of(value) for value in arrays_and_dtypes if not isinstance(value, (int, float, complex))]
    if not known:
        raise ValueError("result_type: takes at least one tensor or dtype")
    found = functools.reduce(joined, known)
    for value in scalars:
        found = joined(found, scalar_dtype(value, found))
    return found


def can_cast(from_: np.dtype | Tensor, to: np.dtype, /) -> builtins.bool:
    """Whether values keep their kind and fit when a tensor becomes another dtype.

    >>> can_cast(int32, int8)
    False
    """
    source, target = _dtype_of(from_), as_dtype(to)
    try:
        return joined(source, target) == target and not (kind_of(source) == "b" != kind_of(target))
    except TypeError:
        return False


def astype(x: Tensor, dtype: np.dtype, /, *, copy: builtins.bool = True, device: str | Device | None = None) -> Tensor:
    """The values in another dtype; ``copy=False`` may give the tensor itself.

    >>> astype(Tensor([1.5]), int32).tolist()
    [1]
    """
    if device is not None and as_device(device) != x.device:
        x = x.to(device)
    wanted = as_dtype(dtype)
    if x.dtype == wanted:
        return x.detach() if copy and x._node is None else apply(view.reshape, (x,), (x.shape,)) if copy else x
    if wanted == complex64:
        real = apply(view.astype, (x,), (float32,))
        return make_complex(real, zeros_like(real))
    return apply(view.astype, (x,), (wanted,))


def cast(x: Tensor, dtype: np.dtype) -> Tensor:
    """The tensor in a dtype: itself if it has it."""
    return x if x.dtype == dtype else apply(view.astype, (x,), (dtype,))
