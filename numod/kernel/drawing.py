"""Random numbers made of random bits by a float function: bits for a block, then the function on the block.

In one loop the integers of the generator and the floats of the function would be too much for LLVM to vectorise together; in two loops both are.

Argument words: output address, address of the state (key, salt, first counter). The range counts elements.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..spec import Spec
from . import source
from .program import Kernel, Program, Ref, Step

BLOCK = 1024
GRAIN = 16384


def program(bits: Callable, value: Callable, output: Spec) -> Program:
    """The launch of ``value(high, low)`` of 24 bits each, the first and the last of ``bits(key, salt, counter)``, for the counters of all elements."""
    key = ("drawing", value.__name__, source.fingerprint(bits), source.fingerprint(value), str(output.dtype))
    kernel = Kernel(key, lambda: build(bits, value, output.dtype))
    return Program((output.nbytes,), 1, (Step(kernel, output.size, (Ref("out"), Ref("in", 0)), GRAIN, scratch=8 * BLOCK),))


def build(bits: Callable, value: Callable, dtype: np.dtype) -> Callable:
    """The kernel."""
    backend = source.backend()
    translated = source.Translated(value, dtype, "value")
    namespace = {
        "pointer": backend.pointer,
        "inner": backend.inner,
        "bits_of": backend.inner(bits),
        "int32": np.int32,
        "int64": np.int64,
        "real": dtype.type,
        "forty": np.uint64(40),
        "low_bits": np.uint64(0xFFFFFF),
        **translated.namespace,
    }
    text = f"""
def kernel(begin, end, args, scratch):
    words = pointer(args, int64)
    out, state = pointer(words[1], real), pointer(words[2], int64)
    high, low = pointer(scratch, int32), pointer(scratch + {4 * BLOCK}, int32)
    key, salt, start = state[0], state[1], state[2]
    i = begin
    while i < end:
        size = end - i if end - i < {BLOCK} else {BLOCK}
        for k in range(size):
            bits = bits_of(key, salt, start + i + k)
            high[k] = int32(int64(bits >> forty))
            low[k] = int32(int64(bits & low_bits))
        for k in range(size):
            out[i + k] = value(high[k], low[k])
        i += size
"""
    return source.execute(translated.render(text, "k"), namespace, value.__name__)
