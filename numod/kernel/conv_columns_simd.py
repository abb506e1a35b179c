"""Builders of the kernels of `conv_columns`."""

from __future__ import annotations

from collections.abc import Callable

from .conv_columns import CHAIN, CHUNK, GATHER, PANEL, ROWS, SEGMENT, SIZE
from .gemm_simd import copier, register_tiles
from .intrinsics import load
from .simd import Emit, Vectors, follow, native, word, words


def _gather(lanes: int) -> Emit:
    """Rows of a panel: row k gets what the records say from ``source`` + offsets[k]. Lanes that no record speaks of may be written."""

    def emit(builder, arguments):
        source, offsets, depth, records, count, panel, row = arguments
        v = Vectors(builder, lanes)

        def record(state):
            (here,) = state
            to, first, begin, middle, second, end = (v.load_word(v.offset(here, 8 * i)) for i in range(6))
            to, first, second = builder.add(panel, to), builder.add(source, first), builder.add(source, second)
            before, until = v.first(begin), v.first(middle)
            one, other = builder.and_(until, builder.not_(before)), builder.and_(v.first(end), builder.not_(until))

            def lines(mask, load):
                def line(state):
                    offset, to = state
                    v.store(load(v.load_word(offset)), to, mask)
                    return [v.offset(offset, 8), builder.add(to, row)]

                v.loop(depth, [offsets, to], line)
                return []

            def one_run(offset):
                return v.load(builder.add(first, offset))

            def both(offset):
                return builder.select(one, v.load(builder.add(first, offset), one), v.load(builder.add(second, offset), other))

            full = builder.icmp_signed("==", builder.sub(middle, begin), word(lanes))
            starts = builder.icmp_signed("==", begin, word(0))
            kind = builder.select(full, word(0), builder.select(starts, word(1), word(2)))
            v.choose(kind, [lambda: lines(None, one_run), lambda: lines(None, both), lambda: lines(builder.or_(one, other), both)])
            return [v.offset(here, GATHER)]

        v.loop(count, [records], record)

    return emit


def _spread(lanes: int) -> Emit:
    """Rows of ``vectors`` vectors, each full of one value."""

    def emit(builder, arguments):
        values, target, rows, vectors = arguments
        v = Vectors(builder, lanes)

        def row(state):
            value = v.broadcast(state[0])

            def one(state):
                v.store(value, state[0])
                return [v.offset(state[0], v.bytes)]

            return [v.offset(state[0], SIZE), *v.loop(vectors, state[1:], one)]

        v.loop(rows, [values, target], row)

    return emit


def multiply(lanes: int) -> Callable:
    """The range counts (block of output channels, image or all of them, block of panels, group), in this order."""
    tile, most = register_tiles(lanes, "float32")
    gather = native(f"conv_gather.{lanes}", 7, _gather(lanes))
    spread = native(f"conv_spread.{lanes}", 4, _spread(lanes))
    copy_rows = copier(lanes, "float32", False)
    width = lanes * most
    panel_row = (width + lanes) * SIZE

    def kernel(begin, end, args, scratch):
        source, weights, bias, output, tables, offsets, chunks = words(args, 0, 7)
        source_block, source_group, groups, outputs, plane, chunk_count, a_group, a_row = words(args, 7, 8)
        images, panels, panel_block, row_block, panel_bytes, summed, has_bias, flat, first_element = words(args, 15, 9)
        panel_blocks = (panels + panel_block - 1) // panel_block
        starts = scratch + panel_block * panel_bytes
        sums = starts + ROWS * width * SIZE
        start, start_row = (starts, width * SIZE) if has_bias else (bias, 0)
        for task in range(begin, end):
            group, block = task % groups, task // groups % panel_blocks
            image = task // (groups * panel_blocks) % images
            row0 = task // (groups * panel_blocks * images) * row_block
            row1 = min(row0 + row_block, outputs)
            panel0, panel1 = block * panel_block, min((block + 1) * panel_block, panels)
            block_source = source + image * source_block + group * source_group
            target = output + (image * groups + group) * outputs * plane * SIZE
            for chunk in range(chunk_count):
                walk = chunks + chunk * CHUNK
                a_chunk, first, steps = load(walk), load(walk + 8), load(walk + 16)
                parts = (steps + CHAIN - 1) // CHAIN
                if not flat:
                    for panel in range(panel0, panel1):
                        record = tables + panel * PANEL
                        here = scratch + (panel - panel0) * panel_bytes
                        gather((block_source, offsets + 8 * first, steps, tables + load(record), load(record + 8), here, panel_row))
                for row in range(row0, row1, ROWS):
                    count = min(ROWS, row1 - row)
                    if chunk == 0 and has_bias:
                        spread((bias + (group * outputs + row) * SIZE, starts, count, width // lanes))
                    for panel in range(panel0, panel1):
                        columns = load(tables + panel * PANEL + 16)
                        if flat:
                            b_here, b_row = block_source + load(offsets + 8 * first) + panel * width * SIZE, flat
                        else:
                            b_here, b_row = scratch + (panel - panel0) * panel_bytes, panel_row
                        if summed:
                            c_here, c_row = sums + ((panel - panel0) * row_block + row - row0) * width * SIZE, width * SIZE
                        else:
                            c_here, c_row = target + (row * plane + panel * width) * SIZE, plane * SIZE
                        vectors = (columns + lanes - 1) // lanes
                        for part in range(parts):
                            k, until = steps * part // parts, steps * (part + 1) // parts
                            begun = chunk + part > 0
                            tile(
                                (
                                    (count - 1) * most + vectors - 1,
                                    weights + group * a_group + row * a_row + a_chunk + k * SIZE,
                                    a_row,
                                    SIZE,
                                    b_here + k * b_row,
                                    b_row,
                                    c_here,
                                    c_row,
                                    c_here if begun else start,
                                    c_row if begun else start_row,
                                    until - k,
                                    columns - (vectors - 1) * lanes,
                                )
                            )
            if summed:
                for panel in range(panel0, panel1):
                    record = tables + panel * PANEL
                    for segment in range(load(record + 32)):
                        at = tables + load(record + 24) + segment * SEGMENT
                        copy_rows(
                            (
                                sums + (panel - panel0) * row_block * width * SIZE + load(at + 8),
                                width * SIZE,
                                target + row0 * plane * SIZE + load(at),
                                plane * SIZE,
                                row1 - row0,
                                load(at + 16),
                            )
                        )
            element = first_element + ((image * groups + group) * outputs + row0) * plane
            follow(args + 8 * 25, row1 - row0, element, plane, panel0 * width, min(panel1 * width, plane), scratch)

    return kernel
