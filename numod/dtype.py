"""Element types: which there are, how they convert from what users write, and how they combine.

A dtype is a NumPy dtype; that of bfloat16 is `ml_dtypes`', which is imported when someone asks for it. Python scalars are weak: they take part in
promotion only by their kind.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import DTypeError

HALVES = ("float16", "bfloat16")
FLOATS = (*HALVES, "float32", "float64")
INTS = ("int8", "int16", "int32", "int64", "uint8")
NAMES = (*FLOATS, *INTS, "bool", "complex64")

float16, float32, float64 = (np.dtype(name) for name in ("float16", "float32", "float64"))
int8, int16, int32, int64, uint8 = (np.dtype(name) for name in INTS)
boolean, complex64 = np.dtype("bool"), np.dtype("complex64")

if TYPE_CHECKING:
    bfloat16: np.dtype

_DEFAULTS = {np.dtype("int64"): int32, np.dtype("float64"): float32, np.dtype("complex128"): complex64}


@functools.lru_cache(maxsize=256)
def as_dtype(dtype: object) -> np.dtype:
    """The supported dtype that ``dtype`` (a name, type or NumPy dtype) names; raises DTypeError for any other."""
    if isinstance(dtype, str) and dtype == "bfloat16":
        import ml_dtypes  # a tenth of what `import numpy` takes, for a dtype that most programs never meet

        return np.dtype(ml_dtypes.bfloat16)
    try:
        found = np.dtype(dtype)  # type: ignore[call-overload]
    except TypeError:
        found = None
    if found is None or not found.isnative or found.name not in NAMES:
        raise DTypeError(f"dtype: got {dtype!r}, supported are {', '.join(NAMES)}")
    return found


def __getattr__(name: str) -> Any:
    if name != "bfloat16":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return as_dtype(name)


def default_dtype(dtype: np.dtype) -> np.dtype:
    """What data of a dtype becomes in a tensor when no dtype is asked for: 64 bits become 32."""
    return as_dtype(_DEFAULTS.get(dtype, dtype))


def kind_of(dtype: np.dtype) -> str:
    """What a dtype is, by NumPy's letters: "b", "i", "u", "f" or "c". (NumPy itself knows of bfloat16 only that it is foreign: "V".)"""
    return "f" if dtype.kind == "V" and dtype.name == "bfloat16" else dtype.kind


def is_float(dtype: np.dtype) -> bool:
    """Whether this is a float dtype; only tensors of float dtypes can be attached to a GradManager."""
    return kind_of(dtype) == "f"


def is_half(dtype: np.dtype) -> bool:
    """Whether this is a float of 16 bits, which is stored but not computed in."""
    return dtype.itemsize == 2 and is_float(dtype)


def computed_in(dtype: np.dtype) -> np.dtype:
    """The dtype that kernels compute in for a dtype: float32 for floats of 16 bits, else itself."""
    return float32 if is_half(dtype) else dtype


def is_integer(dtype: np.dtype) -> bool:
    """Whether this is a signed or unsigned integer dtype (bool is not)."""
    return dtype.kind in "iu"


@functools.lru_cache(maxsize=1024)
def common(*dtypes: np.dtype) -> np.dtype:
    """The dtype that holds what `where` chooses among, and that a NumPy array gets beside a tensor: the largest kind, and the widest of that kind.

    Here a float16 beside an integer stays, bool becomes what is beside it, and uint8 beside int8 is int16.
    """
    for kinds in ("c", "f", "iu"):
        found = [dtype for dtype in dtypes if kind_of(dtype) in kinds]
        if found:
            return functools.reduce(np.promote_types, found) if kinds == "iu" else promote(*found)
    return boolean


def scalar_dtype(value: Any, other: np.dtype) -> np.dtype:
    """The dtype a Python scalar takes beside a tensor of dtype ``other``."""
    if complex64 == other or isinstance(value, (complex, np.complexfloating)):
        return complex64
    if isinstance(value, (bool, np.bool_)):
        return other
    if isinstance(value, (int, np.integer)):
        return int32 if other == boolean else other
    return other if is_float(other) else float32


@functools.lru_cache(maxsize=1024)
def promote(*dtypes: np.dtype) -> np.dtype:
    """The dtype that operands of these dtypes are converted to before they meet.

    complex64 wins over all others. A float wins over integers and bool (float16 and bfloat16 become float32 there, and beside each other), the wider of
    two floats or two signed integers wins, bool beside an integer makes float32.
    Raises DTypeError for uint8 beside a signed integer: no common dtype holds both without surprise.
    """
    result = dtypes[0]
    for dtype in dtypes[1:]:
        if result == dtype:
            continue
        if complex64 in (result, dtype):
            result = complex64
        elif is_float(result) != is_float(dtype):
            result = result if is_float(result) else dtype
            result = float32 if is_half(result) else result
        elif boolean in (result, dtype) or (is_half(result) and is_half(dtype)):
            result = float32
        elif uint8 in (result, dtype):
            raise DTypeError(f"promotion: {result} and {dtype} have no common dtype; convert one with astype")
        else:
            result = np.promote_types(result, dtype)
    return result
