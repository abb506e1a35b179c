"""Stable sorting of rows on the CPU: the order of each row's elements, or of its first few.

An element becomes a 64-bit integer that sorts as it does (floats by their bits), so that one kernel serves all dtypes but for the reading. Short rows
are sorted by insertion, long ones by their bytes from the last to the first (radix sort), and if few are wanted, only those are kept in order
while the row is read.

Argument words: output address, input address, the length of a row, how many are wanted, and whether the largest come first. The range counts rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ..spec import Spec
from . import source
from .program import Kernel, Program, Ref, Step

WORK = 4096  # elements worth handing to another thread
SHORT, FEW = 32, 64  # rows sorted by insertion; wanted elements kept in order while a much longer row is read


def program(x: Spec, output: Spec, count: int, descending: bool) -> Program:
    """The launch for a C-contiguous ``x``, whose last axis is sorted, with ``count`` indices of each row."""
    n = x.shape[-1]
    kernel = Kernel(("sort", str(x.dtype), str(output.dtype)), "numod.kernel.sort:build")
    words = (Ref("out"), Ref("in", 0), n, count, int(descending))
    step = Step(kernel, math.prod(x.shape[:-1]), words, max(WORK // max(n, 1), 1), scratch=32 * max(n, FEW) + 8 * 256)
    return Program((output.nbytes,), 1, (step,))


def build(dtype: str, out_dtype: str) -> Callable:
    """The kernel for values of one dtype."""
    backend = source.backend()
    pointer, inner = backend.pointer, backend.inner
    kind = np.dtype(dtype)
    is_float, width = kind.kind == "f", kind.itemsize
    bits = np.dtype(f"int{8 * width}").type if is_float else kind.type
    out_type, int64 = np.dtype(out_dtype).type, np.int64
    largest = (1 << (8 * width - 1)) - 1
    infinity = int(np.array(np.inf, kind).view(bits)) if is_float else 0
    last_flip = 0 if kind.kind == "u" else 128  # signed numbers: those whose last byte is above 127 come first
    short, few = SHORT, FEW

    @inner
    def key_of(value, descending):
        """An integer that sorts as the value does; NaN above all numbers, and -0.0 as 0.0."""
        key = int64(value)
        if is_float:
            size = key & largest
            ordered = key if key >= 0 else ~size
            key = int64(0) if size == 0 else int64(largest) if size > infinity else ordered
        return ~key if descending != 0 else key

    @inner
    def insert(keys, places, at, key, place):
        """Put a pair into the sorted ones before ``at``, behind its equals."""
        while at > 0 and keys[at - 1] > key:
            keys[at], places[at] = keys[at - 1], places[at - 1]
            at -= 1
        keys[at], places[at] = key, place

    @inner
    def order_by(byte, n, counts, keys, places, to_keys, to_places):
        """Move the pairs, stably, to where they belong by one byte of the key; False if they share it and stay where they are."""
        shift = 8 * byte
        flip = last_flip if byte == width - 1 else 0
        for digit in range(256):
            counts[digit] = 0
        for i in range(n):
            counts[((keys[i] >> shift) & 255) ^ flip] += 1
        if counts[((keys[0] >> shift) & 255) ^ flip] == n:
            return False
        total = 0
        for digit in range(256):
            here = counts[digit]
            counts[digit] = total
            total += here
        for i in range(n):
            digit = ((keys[i] >> shift) & 255) ^ flip
            at = counts[digit]
            counts[digit] = at + 1
            to_keys[at], to_places[at] = keys[i], places[i]
        return True

    def kernel(begin, end, args, scratch):
        words = pointer(args, int64)
        out, x = pointer(words[1], out_type), pointer(words[2], bits)
        n, count, descending = words[3], words[4], words[5]
        room = 8 * max(n, few)
        counts = pointer(scratch, int64)
        for row in range(begin, end):
            keys, places = pointer(scratch + 2048, int64), pointer(scratch + 2048 + room, int64)
            to_keys, to_places = pointer(scratch + 2048 + 2 * room, int64), pointer(scratch + 2048 + 3 * room, int64)
            if count <= few and count * 8 <= n:
                held = 0
                for i in range(n):
                    key = key_of(x[row * n + i], descending)
                    if held < count:
                        insert(keys, places, held, key, i)
                        held += 1
                    elif key < keys[held - 1]:
                        insert(keys, places, held - 1, key, i)
            elif n <= short:
                for i in range(n):
                    insert(keys, places, i, key_of(x[row * n + i], descending), i)
            else:
                for i in range(n):
                    keys[i], places[i] = key_of(x[row * n + i], descending), i
                for byte in range(width):
                    if order_by(byte, n, counts, keys, places, to_keys, to_places):
                        keys, places, to_keys, to_places = to_keys, to_places, keys, places
            for i in range(count):
                out[row * count + i] = out_type(places[i])

    return kernel
