"""Greedy non-maximum suppression on the CPU: each box is compared with those that stay before it, a block of them at a time.

Argument words: output address, input address, how many boxes, the threshold (as bits of a float64). One range, as each box needs those before it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

import numpy as np

from ..spec import Spec
from . import source
from .program import Kernel, Program, Ref, Step

BLOCK = 64  # boxes compared before it is asked whether one of them overlaps


def program(boxes: Spec, output: Spec, threshold: float) -> Program:
    """The launch for C-contiguous boxes (n, 4)."""
    (n,) = output.shape
    kernel = Kernel(("suppression", str(boxes.dtype)), "numod.kernel.suppression:build")
    bits = struct.unpack("q", struct.pack("d", threshold))[0]
    step = Step(kernel, 1, (Ref("out"), Ref("in", 0), n, bits), scratch=5 * boxes.dtype.itemsize * (n + BLOCK))
    return Program((output.nbytes,), 1, (step,))


def build(dtype: str) -> Callable:
    """The kernel for boxes of one dtype. Corners and areas of boxes that stay are kept in scratch, an array for each."""
    pointer = source.backend().pointer
    real, uint8, int32, int64, float64, block = np.dtype(dtype).type, np.uint8, np.int32, np.int64, np.float64, BLOCK
    size, zero = np.dtype(dtype).itemsize, real(0)

    def kernel(begin, end, args, scratch):
        words = pointer(args, int64)
        out, x, n = pointer(words[1], uint8), pointer(words[2], real), words[3]
        threshold = real(pointer(args, float64)[4])
        room = size * (n + block)
        left, top, right = pointer(scratch, real), pointer(scratch + room, real), pointer(scratch + 2 * room, real)
        bottom, area = pointer(scratch + 3 * room, real), pointer(scratch + 4 * room, real)
        kept = 0
        for i in range(n):
            x0, y0, x1, y1 = x[4 * i], x[4 * i + 1], x[4 * i + 2], x[4 * i + 3]
            own = (x1 - x0) * (y1 - y0)
            stays, start = True, 0
            while stays and start < kept:
                hits = int32(0)
                for k in range(start, min(start + block, kept)):
                    width = (right[k] if right[k] < x1 else x1) - (left[k] if left[k] > x0 else x0)
                    height = (bottom[k] if bottom[k] < y1 else y1) - (top[k] if top[k] > y0 else y0)
                    shared = (width if width > zero else zero) * (height if height > zero else zero)
                    hits = int32(hits + (int32(0) if shared <= threshold * (area[k] + own - shared) else int32(1)))
                stays = hits == 0
                start += block
            out[i] = uint8(1) if stays else uint8(0)
            if stays:
                left[kept], top[kept], right[kept], bottom[kept], area[kept] = x0, y0, x1, y1, own
                kept += 1

    return kernel
