"""Builders of the kernels of `copying`: the range counts blocks of rows, the outer axes first."""

from __future__ import annotations

from collections.abc import Callable

from .copying import line
from .gemm_simd import copier, transposer
from .intrinsics import inner, load
from .simd import REALS, words

AXES = 80  # bytes of argument words before the outer axes: extent, source stride and target stride of each


@inner
def _places(args, index):
    """Byte offsets of the source and the target of one place of the outer axes."""
    source, target = 0, 0
    for axis in range(load(args + AXES - 8) - 1, -1, -1):
        record = args + AXES + 24 * axis
        rest = index // load(record)
        here = index - rest * load(record)
        source += here * load(record + 8)
        target += here * load(record + 16)
        index = rest
    return source, target


def copy(lanes: int, real: str) -> Callable:
    """Rows without gaps."""
    copy_rows = copier(lanes, real, False)

    def kernel(begin, end, args, scratch):
        source, target, rows, columns, source_row, _, target_row, block = words(args, 0, 8)
        blocks = (rows + block - 1) // block
        for task in range(begin, end):
            here, there = _places(args, task // blocks)
            first = task % blocks * block
            count = min(block, rows - first)
            copy_rows((source + here + first * source_row, source_row, target + there + first * target_row, target_row, count, columns))

    return kernel


def transpose(lanes: int, real: str) -> Callable:
    """Rows whose values lie together in the source with those of the same place in other rows: squares of one vector's side, a cache line's together."""
    transpose_block = transposer(lanes, real, False)
    size = REALS[real][1]
    side = line(lanes, size)

    def kernel(begin, end, args, scratch):
        source, target, rows, columns, _, source_column, target_row, block = words(args, 0, 8)
        blocks = (rows + block - 1) // block
        for task in range(begin, end):
            here, there = _places(args, task // blocks)
            first = task % blocks * block
            last = min(first + block, rows)
            for top in range(first, last, side):
                for left in range(0, columns, side):
                    for i in range(top, min(top + side, last), lanes):
                        for j in range(left, min(left + side, columns), lanes):
                            transpose_block(
                                (
                                    source + here + i * size + j * source_column,
                                    source_column,
                                    target + there + i * target_row + j * size,
                                    target_row,
                                    min(lanes, columns - j),
                                    min(lanes, last - i),
                                )
                            )

    return kernel
