"""What kernels must know of the machine they run on: the width of its vectors and how many registers hold them."""

from __future__ import annotations

import functools
import platform

import llvmlite.binding as llvm


@functools.cache
def vector_bytes() -> int:
    """Bytes of the widest vector with fused multiply-add: 64 (AVX-512), 32 (AVX2) or 16 (NEON, or anything else)."""
    features = llvm.get_host_cpu_features()
    if features.get("avx512f") and features.get("avx512vl"):
        return 64
    if features.get("avx2") and features.get("fma"):
        return 32
    return 16


def registers(width: int) -> int:
    """How many vector registers of ``width`` bytes there are."""
    if platform.machine().lower() in ("arm64", "aarch64"):
        return 32
    return 32 if vector_bytes() == 64 and width == 64 else 16


@functools.cache
def converts_halves() -> bool:
    """Whether there are instructions from float16 to float32 and back."""
    return bool(llvm.get_host_cpu_features().get("f16c")) or platform.machine().lower() in ("arm64", "aarch64")


def lanes_of(size: int) -> int:
    """How many values of ``size`` bytes make a vector."""
    return vector_bytes() // size
