"""Builders of the weight gradient's kernels (see `conv_weight` for how they are put together)."""

from __future__ import annotations

from collections.abc import Callable

from numba.core import types

from .correlation import SIZE
from .intrinsics import pointer
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

        def tile(state):
            offset_table, target = state
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
            return [v.offset(offset_table, 8 * taps), v.offset(target, parts * v.bytes)]

        v.loop(count, [offsets, sums], tile)

    return emit


def accumulate(lanes: int, rows: int, taps: int) -> Callable:
    """Partial sums: the range counts (part of the images, group, tile of output channels), in this order."""
    tiles = native(f"conv_weight_tiles.{lanes}.{rows}x{taps}", 17, _tiles(lanes, rows, taps))
    tile_bytes = (rows * taps + lanes - 1) // lanes * lanes * SIZE

    def kernel(begin, end, args, scratch):
        x, dy, sums, offsets, x_block, x_group, dy_block, dy_channel, planes, lines = words(args, 0, 10)
        x_plane, x_row, x_step, full, tail, outputs, groups, row_tiles, tap_tiles = words(args, 10, 9)
        blocks, parts, at_once, add = words(args, 19, 4)
        for task in range(begin, end):
            group = task // row_tiles % groups
            part = task // (row_tiles * groups)
            row = group * outputs + min(task % row_tiles * rows, outputs - rows)  # the last tile may overlap the one before it
            first, last = blocks * part // parts, blocks * (part + 1) // parts
            for step in range((last - first + at_once - 1) // at_once):
                block = first + step * at_once
                tiles(
                    (
                        x + block * x_block + group * x_group,
                        x_block,
                        x_plane,
                        x_row,
                        x_step,
                        dy + block * dy_block + row * dy_channel,
                        dy_block,
                        dy_channel,
                        min(at_once, last - block),
                        planes,
                        lines,
                        full,
                        tail,
                        offsets,
                        sums + task * tap_tiles * tile_bytes,
                        tap_tiles,
                        add + step,
                    )
                )

    return kernel


def add_parts() -> Callable:
    """dw from the partial sums of all parts: the range counts (group, tile of output channels)."""

    def kernel(begin, end, args, scratch):
        sums, output, rows, taps, parts, part_bytes, outputs, columns, tile_bytes = words(args, 0, 9)
        row_tiles, tap_tiles = (outputs + rows - 1) // rows, (columns + taps - 1) // taps
        for index in range(begin, end):
            row = index // row_tiles * outputs + min(index % row_tiles * rows, outputs - rows)
            for tile in range(tap_tiles):
                column = min(tile * taps, columns - taps)
                for i in range(rows):
                    to = pointer(output + ((row + i) * columns + column) * SIZE, types.float32)
                    for j in range(taps):
                        total = types.float32(0)
                        for part in range(parts):
                            here = sums + part * part_bytes + (index * tap_tiles + tile) * tile_bytes
                            total += pointer(here, types.float32)[i * taps + j]
                        to[j] = total

    return kernel
