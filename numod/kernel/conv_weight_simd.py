"""Builders of the weight gradient's kernels (see `conv_weight` for how they are put together)."""

from __future__ import annotations

from collections.abc import Callable

from numba.core import types

from .conv_weight import WALK
from .correlation import SIZE
from .gemm_simd import copier
from .intrinsics import load, pointer
from .simd import Emit, Vectors, native, word, words


def _tiles(lanes: int, rows: int, taps: int) -> Emit:
    """sums[row, tap] (+)= sum over blocks, planes, rows and vectors of dy[row] * x[tap], for ``count`` tiles of taps.

    The outputs of dy lie one after the other; ``tail`` values that do not fill a vector end a row.
    """

    def emit(builder, arguments):
        x, x_block, x_plane, x_row, x_step, dy, dy_block, dy_channel, blocks, planes, lines, full, tail, offsets, sums, count, add = (
            arguments
        )
        v = Vectors(builder, lanes)
        dy_rows = v.multiples(dy_channel, rows)
        mask = v.first(tail)
        has_tail = builder.zext(builder.icmp_signed(">", tail, word(0)), tail.type)
        tail_bytes = builder.mul(tail, word(SIZE))
        parts = (rows * taps + lanes - 1) // lanes

        beyond = builder.mul(dy_channel, word(rows))

        def tile(state):
            offset_table, target, ahead = state
            tap_offsets = [v.load_word(v.offset(offset_table, 8 * j)) for j in range(taps)]

            def multiply(x_here, dy_here, sums, mask):
                left = lambda i: v.load(builder.add(dy_here, dy_rows[i]), mask)  # noqa: E731
                right = lambda j: v.load(builder.add(x_here, tap_offsets[j]), mask)  # noqa: E731
                new = list(sums)
                if rows <= taps:  # the smaller side stays in registers
                    kept = [left(i) for i in range(rows)]
                    for j in range(taps):
                        value = right(j)
                        for i in range(rows):
                            new[i * taps + j] = v.fma(kept[i], value, new[i * taps + j])
                else:
                    kept = [right(j) for j in range(taps)]
                    for i in range(rows):
                        value = left(i)
                        for j in range(taps):
                            new[i * taps + j] = v.fma(value, kept[j], new[i * taps + j])
                return new

            def vector(state):
                x_here, dy_here, *sums = state
                v.prefetch(builder.add(dy_here, ahead))  # a row of the next tile of outputs, another for each tile of taps
                return [builder.add(x_here, x_step), v.offset(dy_here, v.bytes), *multiply(x_here, dy_here, sums, None)]

            def rest(state):
                x_here, dy_here, *sums = state
                return [x_here, builder.add(dy_here, tail_bytes), *multiply(x_here, dy_here, sums, mask)]

            def line(state):
                x_line, *others = state
                _, *others = v.loop(full, [x_line, *others], vector)
                _, *others = v.loop(has_tail, [builder.add(x_line, builder.mul(full, x_step)), *others], rest)
                return [builder.add(x_line, x_row), *others]

            def plane(state):
                return [builder.add(state[0], x_plane), *v.loop(lines, state, line)[1:]]

            def block(state):
                x_here, dy_here, *sums = state
                _, _, *sums = v.loop(planes, state, plane)
                return [builder.add(x_here, x_block), builder.add(dy_here, dy_block), *sums]

            _, _, *sums = v.loop(blocks, [x, dy, *[v.zero] * (rows * taps)], block)
            totals = [v.sums(sums[part * lanes : (part + 1) * lanes]) for part in range(parts)]
            with builder.if_else(builder.icmp_signed("!=", add, word(0))) as (more, new):
                with more:
                    for part, total in enumerate(totals):
                        here = v.offset(target, part * v.bytes)
                        v.store(builder.fadd(v.load(here), total), here)
                with new:
                    for part, total in enumerate(totals):
                        v.store(total, v.offset(target, part * v.bytes))
            following = builder.add(ahead, dy_channel)
            again = builder.icmp_signed("<", following, builder.add(beyond, beyond))
            return [v.offset(offset_table, 8 * taps), v.offset(target, parts * v.bytes), builder.select(again, following, beyond)]

        v.loop(count, [offsets, sums, beyond], tile)

    return emit


def accumulate(lanes: int, rows: int, taps: int) -> Callable:
    """Partial sums: the range counts (part of the images, group, block of tiles of output channels), in this order."""
    tiles = native(f"conv_weight_tiles.{lanes}.{rows}x{taps}", 17, _tiles(lanes, rows, taps))
    tile_bytes = (rows * taps + lanes - 1) // lanes * lanes * SIZE

    def kernel(begin, end, args, scratch):
        x, dy, sums, offsets, walks, x_block, x_group, dy_block, dy_channel = words(args, 0, 9)
        x_plane, x_row, x_step, outputs, groups, row_tiles, tap_tiles = words(args, 9, 7)
        row_block, tap_block, blocks, parts, at_once, walk_count, add = words(args, 16, 7)
        row_blocks = (row_tiles + row_block - 1) // row_block
        for task in range(begin, end):
            tile0, group, part = task % row_blocks * row_block, task // row_blocks % groups, task // (row_blocks * groups)
            first, last = blocks * part // parts, blocks * (part + 1) // parts
            for taps_done in range((tap_tiles + tap_block - 1) // tap_block):
                tap0, follows = taps_done * tap_block, add
                for step in range((last - first + at_once - 1) // at_once):
                    block = first + step * at_once
                    for walk in range(walk_count):
                        record = walks + walk * WALK
                        x_here = x + block * x_block + group * x_group + load(record)
                        for tile in range(tile0, min(tile0 + row_block, row_tiles)):
                            row = group * outputs + min(tile * rows, outputs - rows)  # the last tile may overlap the one before it
                            tiles(
                                (
                                    x_here,
                                    x_block,
                                    x_plane,
                                    x_row,
                                    x_step,
                                    dy + block * dy_block + row * dy_channel + load(record + 8),
                                    dy_block,
                                    dy_channel,
                                    min(at_once, last - block),
                                    load(record + 16),
                                    load(record + 24),
                                    load(record + 32),
                                    load(record + 40),
                                    offsets + tap0 * taps * 8,
                                    sums + (((part * groups + group) * row_tiles + tile) * tap_tiles + tap0) * tile_bytes,
                                    min(tap_block, tap_tiles - tap0),
                                    follows,
                                )
                            )
                        follows = 1

    return kernel


def add_parts(lanes: int) -> Callable:
    """dw from the partial sums of all parts: the range counts (group, tile of output channels)."""
    copy_rows = copier(lanes, "float32", False)

    def kernel(begin, end, args, scratch):
        sums, output, rows, taps, parts, part_bytes, outputs, columns, tile_bytes = words(args, 0, 9)
        row_tiles, tap_tiles = (outputs + rows - 1) // rows, (columns + taps - 1) // taps
        for index in range(begin, end):
            row = index // row_tiles * outputs + min(index % row_tiles * rows, outputs - rows)
            here = sums + index * tap_tiles * tile_bytes
            total = pointer(here, types.float32)
            for part in range(1, parts):
                more = pointer(here + part * part_bytes, types.float32)
                for i in range(tap_tiles * tile_bytes // SIZE):
                    total[i] += more[i]
            for tile in range(tap_tiles):
                to = output + (row * columns + min(tile * taps, columns - taps)) * SIZE
                copy_rows((here + tile * tile_bytes, taps * SIZE, to, columns * SIZE, rows, taps))

    return kernel
