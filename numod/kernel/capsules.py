"""DLPack (https://dmlc.github.io/dlpack) as NumPy does it, and for bfloat16, of which NumPy knows nothing: it is shown 16-bit integers.

The type of the elements is a field in the structure that a capsule holds; whoever holds the capsule owns it, and may change that field.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from ..dtype import as_dtype

_UNSIGNED, _BFLOAT = 1, 4  # DLDataTypeCode
_CODE_AT = {b"dltensor": 20, b"dltensor_versioned": 52}  # where the code is: behind data, device and ndim, and what comes before them
_CPU = (1, 0)

_is_valid = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.c_char_p)(("PyCapsule_IsValid", ctypes.pythonapi))
_pointer = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(("PyCapsule_GetPointer", ctypes.pythonapi))


def give(array: np.ndarray, **options: Any) -> Any:
    """A capsule that shares the memory of an array."""
    if array.dtype.kind != "V":
        return array.__dlpack__(**options)
    capsule = array.view(np.uint16).__dlpack__(**options)
    _relabel(capsule, _UNSIGNED, _BFLOAT)
    return capsule


def take(source: Any) -> np.ndarray:
    """An array that shares the memory of a capsule, or of an object with ``__dlpack__``."""
    taken = _Taken(source)
    array = np.from_dlpack(taken)
    return array.view(as_dtype("bfloat16")) if taken.is_bfloat16 else array


class _Taken:
    """What NumPy takes in place of ``source``."""

    def __init__(self, source: Any):
        self.source = source
        self.is_capsule = type(source).__name__ == "PyCapsule"
        self.is_bfloat16 = False

    def __dlpack__(self, **options: Any) -> Any:
        capsule = self.source if self.is_capsule else self.source.__dlpack__(**options)
        self.is_bfloat16 = _relabel(capsule, _BFLOAT, _UNSIGNED)
        return capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return _CPU if self.is_capsule else self.source.__dlpack_device__()


def _relabel(capsule: Any, old: int, new: int) -> bool:
    """Say ``new`` of elements of 16 bits that are said to be ``old``; whether they were."""
    for name, at in _CODE_AT.items():
        if _is_valid(capsule, name):
            code, bits = (ctypes.c_uint8 * 2).from_address(_pointer(capsule, name) + at)
            if (code, bits) == (old, 16):
                ctypes.c_uint8.from_address(_pointer(capsule, name) + at).value = new
                return True
    return False
