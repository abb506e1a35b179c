"""Floats of 16 bits on the CPU: what a kernel makes of their bits, and back.

Kernels compute in float32. One that a template writes converts where it reads and where it writes, so each result is rounded once and memory is
moved in 16 bits; `widened` is for the others. A float16 or bfloat16 is its bits to a kernel. A bfloat16 is the upper half of a float32. Where
the processor has no instructions for float16, its conversions are integer arithmetic, which vectorises as well (after F. Giesen, "Half to float done
quick" and "Float to half, round to nearest even", public domain).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any

import numpy as np

from ..dtype import HALVES
from . import host, source


def read(value: str, dtype: str) -> str:
    """The expression of a value, given that of its memory."""
    return f"widen_{dtype}({value})" if dtype in HALVES else f"{value} != 0" if dtype == "bool" else value


def written(value: str, dtype: str) -> str:
    """The expression of what goes to memory, given that of a value."""
    return f"narrow_{dtype}({value})" if dtype in HALVES else value


def rounded(value: str, dtype: str) -> str:
    """The expression of a value as if it had been written and read again; a dtype that is not of 16 bits is ``to_<dtype>``."""
    if dtype in HALVES:
        return read(written(value, dtype), dtype)
    return f"{value} != 0" if dtype == "bool" else f"to_{dtype}({value})"


def names(dtypes: Iterable[str]) -> dict[str, Any]:
    """What these expressions refer to."""
    found: dict[str, Any] = {}
    for dtype in {*dtypes}:
        if dtype in HALVES:
            found[f"widen_{dtype}"], found[f"narrow_{dtype}"] = conversions(dtype, source.backend(), host.converts_halves())
        else:
            found[f"to_{dtype}"] = np.dtype(dtype).type
    return found


def conversions(dtype: str, backend: ModuleType, instructions: bool) -> tuple[Callable, Callable]:
    """(widen, narrow) of one number; ``instructions``: whether the processor has them for float16."""
    if dtype == "bfloat16":
        return _bfloat16(backend)
    return (backend.widen_float16, backend.narrow_float16) if instructions else _float16(backend)


def _bfloat16(backend: ModuleType) -> tuple[Callable, Callable]:
    inner, float_of_bits, bits_of_float = backend.inner, backend.float_of_bits, backend.bits_of_float
    uint16, uint32, real = np.uint16, np.uint32, np.float32

    @inner
    def widen(half):
        return float_of_bits(uint32(uint32(half) << uint32(16)))

    @inner
    def narrow(value):
        bits = bits_of_float(real(value))
        even = uint32((bits >> uint32(16)) & uint32(1))
        nan = (bits & uint32(0x7FFFFFFF)) > uint32(0x7F800000)
        rounded = bits | uint32(0x400000) if nan else uint32(bits + even + uint32(0x7FFF))  # what rounds up past the largest is infinity
        return uint16(uint32(rounded >> uint32(16)))

    return widen, narrow


def _float16(backend: ModuleType) -> tuple[Callable, Callable]:
    inner, float_of_bits, bits_of_float = backend.inner, backend.float_of_bits, backend.bits_of_float
    uint16, uint32, real = np.uint16, np.uint32, np.float32
    bias, tiny = real(2.0**112), real(0.5)  # the exponents' difference; its last bit is worth 2**-24, the smallest float16

    @inner
    def widen(half):
        bits = uint32(half)
        magnitude = uint32((bits & uint32(0x7FFF)) << uint32(13))
        scaled = bits_of_float(float_of_bits(magnitude) * bias)
        full = uint32(scaled | uint32(0x7F800000)) if magnitude >= uint32(0x0F800000) else scaled  # infinity and NaN
        return float_of_bits(uint32(full | uint32((bits & uint32(0x8000)) << uint32(16))))

    @inner
    def narrow(value):
        bits = bits_of_float(real(value))
        magnitude = uint32(bits & uint32(0x7FFFFFFF))
        odd = uint32((magnitude >> uint32(13)) & uint32(1))
        normal = uint32(uint32(magnitude - uint32(0x37FFF001) + odd) >> uint32(13))
        subnormal = uint32(bits_of_float(float_of_bits(magnitude) + tiny) - uint32(0x3F000000))
        special = uint32(0x7E00) if magnitude > uint32(0x7F800000) else uint32(0x7C00)
        result = special if magnitude >= uint32(0x47800000) else subnormal if magnitude < uint32(0x38800000) else normal
        return uint16(result | uint32((bits & uint32(0x80000000)) >> uint32(16)))

    return widen, narrow
