"""What kernels must know of the machine they run on: the width of its vectors, how many registers hold them, and its threads."""

from __future__ import annotations

import functools
import platform

import llvmlite.binding as llvm

from .. import config


@functools.cache
def vector_bytes() -> int:
    """Bytes of a vector of the hand-shaped kernels: as many as ``NUMOD_VECTOR_WIDTH`` asks for, or else as the processor has."""
    widest, wanted = _widest(), config.vector_width
    if wanted is not None and 4 * wanted not in (size for size in (16, 32, 64) if size <= widest):
        raise ValueError(f"NUMOD_VECTOR_WIDTH: expected 4, 8 or 16, at most the {widest // 4} that this processor has, got {wanted}")
    return 4 * wanted if wanted else widest


def _widest() -> int:
    """Bytes of the widest vector with fused multiply-add: 64 (AVX-512), 32 (AVX2) or 16 (NEON, or anything else)."""
    features = llvm.get_host_cpu_features()
    if features.get("avx512f") and features.get("avx512vl"):
        return 64
    if features.get("avx2") and features.get("fma"):
        return 32
    return 16


def cpu() -> tuple[str, str]:
    """What machine code is made for, as LLVM names it: a processor, and its features. Narrower vectors than this one has come with an older one."""
    if vector_bytes() < _widest():
        return "x86-64-v3", ""  # AVX2; no others have wide vectors
    return llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()


def root_steps() -> int:
    """Steps of Newton's to a reciprocal square root of 24 bits from what the processor guesses: 14 bits with AVX-512, 12 with AVX2, 8 with NEON."""
    return 1 if vector_bytes() == 64 else 2


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


def idle(pieces: int, largest: float = 1.0) -> float:
    """How long threads wait for the last of them when they share so many pieces, over the time they work.

    largest: over the mean, the size of the largest piece, which counts where no thread takes two. A tenth of a piece is added, since pieces never
    take quite the same time.
    """
    threads = config.num_threads
    if threads == 1:
        return 0.0
    return -(-pieces // threads) * threads / pieces * (largest if pieces <= threads else 1) - 1 + 0.1 * threads / pieces


def most_pieces() -> int:
    """More than so many need not be considered."""
    return 1 if config.num_threads == 1 else 4 * config.num_threads
