"""Walks the outer axes of strided operands and calls a flat kernel for each run of the innermost axis.

Argument words: the flat kernel's address, the inner extent, the numbers of outer axes, operands and steps, the operands' addresses, the flat kernel's
steps, the outer extents, and for each operand its outer strides and its inner one, in bytes. The range counts elements.
"""

from __future__ import annotations

from collections.abc import Callable

from . import source


def build(*_) -> Callable:
    """The kernel; it is the same for every op."""
    backend = source.backend()
    load, store, stack, call_kernel = backend.load, backend.store, backend.stack, backend.call_kernel

    def kernel(begin, end, args, scratch):
        flat, inner, outer = load(args + 8), load(args + 16), load(args + 24)
        operands, steps = load(args + 32), load(args + 40)
        extents = args + 48 + 8 * (operands + steps)
        strides = extents + 8 * outer
        block = stack(64)
        store(block, load(args))
        for i in range(operands + steps):
            store(block + 8 + 8 * i, load(args + 48 + 8 * i))
        i = begin
        while i < end:
            row = i // inner
            start = i - row * inner
            stop = start + end - i
            stop = inner if inner < stop else stop
            for operand in range(operands):
                mine = strides + 8 * operand * (outer + 1)
                address = load(args + 48 + 8 * operand) + start * load(mine + 8 * outer)
                rest = row
                for axis in range(outer - 1, 0, -1):
                    extent = load(extents + 8 * axis)
                    left = rest // extent
                    address += (rest - left * extent) * load(mine + 8 * axis)
                    rest = left
                store(block + 8 + 8 * operand, address + rest * load(mine))
            call_kernel(flat, 0, stop - start, block, scratch)
            i += stop - start

    return kernel
