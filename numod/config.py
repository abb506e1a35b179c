"""Settings that hold for the process, read from the environment once and changed through functions.

Environment: ``NUMOD_NUM_THREADS``, ``NUMOD_CACHE_DIR``, ``NUMOD_HUB_DIR``, ``NUMOD_VECTOR_WIDTH`` (float32 lanes: 4, 8 or 16),
``NUMOD_WINOGRAD`` (0: every convolution adds up the products of its definition, see ADR 15),
``NUMBA_DISABLE_JIT`` (kernels run as plain Python: slow, for debugging),
``NUMOD_DISTRIBUTED_TIMEOUT`` (seconds that a process of a group waits for another one).
"""

from __future__ import annotations

import os


def _positive(name: str) -> int | None:
    text = os.environ.get(name)
    if text is None:
        return None
    if not text.isdigit() or int(text) < 1:
        raise ValueError(f"{name}: expected a positive integer, got {text!r}")
    return int(text)


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


num_threads: int = _positive("NUMOD_NUM_THREADS") or cores()
vector_width: int | None = _positive("NUMOD_VECTOR_WIDTH")
winograd: bool = os.environ.get("NUMOD_WINOGRAD", "1") not in ("", "0")
interpret: bool = os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0")
patience: int = _positive("NUMOD_DISTRIBUTED_TIMEOUT") or 1800
rank: int = 0  # which of several processes this one is, and of how many: `numod.distributed` sets these
world_size: int = 1
shared_seed: int | None = None  # a number that all processes of a group have in common
