"""Builders of the kernels of `conv_weight_columns`."""

from __future__ import annotations

from collections.abc import Callable

from numba.core import types

from .conv_weight_columns import CHUNK, PIECE, ROWS, SIZE
from .gemm import column_vectors
from .gemm_simd import transposer
from .intrinsics import load, pointer
from .simd import LINE, Emit, Vectors, family, word, words


def gradient_panels(lanes: int) -> Callable:
    """The outputs' gradient (image, group, output, place) -> (group, panel, image, place, output): the range counts (image, group, panel, vector)."""
    transpose_block = transposer(lanes, "float32", True)

    def kernel(begin, end, args, scratch):
        source, target, groups, outputs, plane, panels, width, images = words(args, 0, 8)
        vectors = width // lanes
        for index in range(begin, end):
            first, panel = index % vectors * lanes, index // vectors % panels
            group, image = index // (vectors * panels) % groups, index // (vectors * panels * groups)
            here = source + (image * groups + group) * outputs * plane * SIZE
            to = target + ((group * panels + panel) * images + image) * plane * width * SIZE
            output = panel * width + first
            for place in range(0, plane, lanes):
                transpose_block(
                    (
                        here + (min(output, outputs) * plane + place) * SIZE,
                        plane * SIZE,
                        to + (place * width + first) * SIZE,
                        width * SIZE,
                        min(lanes, outputs - output),
                        min(lanes, plane - place),
                    )
                )

    return kernel


def _tile(lanes: int, rows: int, columns: int) -> Emit:
    """c[rows, columns vectors] = start + x @ b over the places of ``count`` pieces; row i of x starts at ``x`` + offsets[i]."""

    def emit(builder, arguments):
        x, offsets, pieces, count, b, b_step, c, c_row, start, start_row = arguments
        v = Vectors(builder, lanes)
        x_rows = [v.load_word(v.offset(offsets, 8 * i)) for i in range(rows)]
        for i in range(rows):  # of C, which is wanted only after the loop
            line = builder.add(c, builder.mul(c_row, word(i)))
            for j in range(0, columns * v.bytes, LINE):
                v.prefetch_to_write(v.offset(line, j))

        def place(state):
            x_here, b_here, *sums = state
            b_vectors = v.load_rows(1, columns, b_here, b_step)
            sums = v.add_products(sums, [builder.add(x_here, offset) for offset in x_rows], b_vectors)
            return [v.offset(x_here, v.size), builder.add(b_here, b_step), *sums]

        def piece(state):
            here, *others = state
            _, *others = v.loop(v.load_word(v.offset(here, 8)), [builder.add(x, v.load_word(here)), *others], place)
            return [v.offset(here, PIECE), *others]

        _, _, *sums = v.loop(count, [pieces, b, *[v.zero] * (rows * columns)], piece)
        starts = v.load_rows(rows, columns, start, start_row)
        v.store_rows([builder.fadd(each, other) for each, other in zip(sums, starts, strict=True)], columns, c, c_row)

    return emit


def accumulate(lanes: int) -> Callable:
    """The transpose of dw: the range counts (part of the chunks, block of rows, group, panel), in this order."""
    most = column_vectors(lanes, "float32")
    tiles = {most * r + j: _tile(lanes, r + 1, j + 1) for r in range(ROWS) for j in range(most)}
    tile = family(f"conv_weight_tile.{lanes}", 11, tiles)

    def kernel(begin, end, args, scratch):
        x, panel_base, sums, zeros, offsets, tables, chunks, parts = words(args, 0, 8)
        groups, outputs, columns, panels, width, row_block, x_group = words(args, 8, 7)
        panel_bytes, sums_row, part_bytes, add = words(args, 15, 4)
        row_blocks = (columns + row_block - 1) // row_block
        for task in range(begin, end):
            panel, group = task % panels, task // panels % groups
            block, part = task // (panels * groups) % row_blocks, task // (panels * groups * row_blocks)
            first, last = chunks * part // parts, chunks * (part + 1) // parts
            row0, row1 = block * row_block, min((block + 1) * row_block, columns)
            vectors = (min(width, outputs - panel * width) + lanes - 1) // lanes
            b = panel_base + (group * panels + panel) * panel_bytes
            c = sums + part * part_bytes + group * columns * sums_row + panel * width * SIZE
            for chunk in range(first, last):
                record = tables + chunk * CHUNK
                b_here = b + load(record + 16) * width * SIZE
                for row in range(row0, row1, ROWS):
                    count = min(ROWS, row1 - row)
                    c_here, follows = c + row * sums_row, chunk > first or add
                    tile(
                        (
                            (count - 1) * most + vectors - 1,
                            x + group * x_group,
                            offsets + 8 * row,
                            tables + load(record),
                            load(record + 8),
                            b_here,
                            width * SIZE,
                            c_here,
                            sums_row,
                            c_here if follows else zeros,
                            sums_row if follows else 0,
                        )
                    )

    return kernel


def finish(lanes: int) -> Callable:
    """dw from the sums of all parts: the range counts (group, ``lanes`` inputs and taps)."""
    transpose_block = transposer(lanes, "float32", False)

    def kernel(begin, end, args, scratch):
        sums, target, outputs, columns, sums_row, parts, part_bytes = words(args, 0, 7)
        blocks = (columns + lanes - 1) // lanes
        for index in range(begin, end):
            group, column = index // blocks, index % blocks * lanes
            count = min(lanes, columns - column)
            here = sums + (group * columns + column) * sums_row
            total = pointer(here, types.float32)
            for part in range(1, parts):
                more = pointer(here + part * part_bytes, types.float32)
                for i in range(count * sums_row // SIZE):
                    total[i] += more[i]
            for output in range(0, outputs, lanes):
                to = target + ((group * outputs + output) * columns + column) * SIZE
                transpose_block((here + output * SIZE, sums_row, to, columns * SIZE, count, min(lanes, outputs - output)))

    return kernel
