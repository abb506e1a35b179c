"""Builders of the kernels of `conv_winograd`."""

from __future__ import annotations

from collections.abc import Callable

from llvmlite import ir

from .conv_winograd import CHANNELS, PANEL, PART, PIECE, PLACES, ROWS, SEGMENT, SIZE, TAPS
from .gemm_simd import register_tiles
from .intrinsics import inner, load
from .simd import Emit, Value, Vectors, follow, native, word, words


def _transform_weights(lanes: int) -> Emit:
    """G w G' of the 9 taps of ``count`` neighbouring weights, a vector at most; the 16 places are ``place`` bytes apart."""

    def emit(builder, arguments):
        source, count, target, place = arguments
        v = Vectors(builder, lanes)
        taps = []
        for first in range(0, 9, lanes):
            found = min(lanes, 9 - first)
            lines = []
            for i in range(lanes):
                here = v.offset(source, (9 * i + first) * SIZE)
                present = builder.icmp_signed("<", word(i), count)
                lines.append(v.load(here, v.first(builder.select(present, word(found), word(0)))))
            taps += v.transpose(lines)[:found]
        half = v.splat(ir.Constant(v.element, 0.5))

        def transformed(a: Value, b: Value, c: Value) -> list[Value]:
            sides, middle = builder.fmul(half, builder.fadd(a, c)), builder.fmul(half, b)
            return [a, builder.fadd(sides, middle), builder.fsub(sides, middle), c]

        columns = [transformed(*taps[x::3]) for x in range(3)]
        places = [value for y in range(4) for value in transformed(*(column[y] for column in columns))]

        def write(valid):
            for i, value in enumerate(places):
                v.store_first(value, builder.add(target, builder.mul(place, word(i))), valid)

        v.write_valid(count, write)

    return emit


def transform_weights(lanes: int) -> Callable:
    """Weights (group, row, column, tap) -> (group, place, row, column): the range counts (group, row), which are ``pitch`` bytes apart."""
    transform = native(f"winograd_weights.{lanes}", 4, _transform_weights(lanes))

    def kernel(begin, end, args, scratch):
        source, target, rows, columns, pitch, place = words(args, 0, 6)
        for index in range(begin, end):
            to = target + index // rows * PLACES * place + index % rows * pitch
            for i in range(0, columns, lanes):
                transform((source + (index * columns + i) * TAPS, min(lanes, columns - i), to + i * SIZE, place))

    return kernel


def _transform_tiles(lanes: int) -> Emit:
    """B' x B of all tiles of a panel: for each of 16 places, for each channel, a row of the panel. Vectors are written to their end.

    ``zeros``: what is read in place of a row outside of the image.
    """

    def emit(builder, arguments):
        source, channel, row, channels, records, count, zeros, panel, place, panel_row = arguments
        v = Vectors(builder, lanes)

        def transformed(a: Value, b: Value, c: Value, d: Value) -> list[Value]:
            return [builder.fsub(a, c), builder.fadd(b, c), builder.fsub(c, b), builder.fsub(b, d)]

        def segment(state):
            (record,) = state
            offset, top, bottom, left, right, to = (v.load_word(v.offset(record, 8 * i)) for i in range(6))
            masks = [
                builder.and_(v.first(builder.sub(right, word(start))), builder.not_(v.first(builder.sub(left, word(start)))))
                for start in (0, lanes, 2, lanes + 2)
            ]
            rows, row_steps = [], []
            for y in range(4):
                inside = builder.and_(builder.icmp_signed(">=", word(y), top), builder.icmp_signed("<", word(y), bottom))
                line = builder.add(builder.add(source, offset), builder.mul(row, word(y)))
                rows.append(builder.select(inside, line, zeros))
                row_steps.append(builder.select(inside, channel, word(0)))

            def one(state):
                *rows, to = state
                parts = []  # for each of four vectors of columns: B' applied along them
                for start, mask in zip((0, lanes, 2, lanes + 2), masks, strict=True):
                    parts.append(transformed(*(v.load(v.offset(line, start * SIZE), mask) for line in rows)))
                for y in range(4):
                    first, second, third, fourth = (part[y] for part in parts)
                    columns = [v.every(pair, odd) for pair in ((first, second), (third, fourth)) for odd in (0, 1)]
                    for x, value in enumerate(transformed(*columns)):
                        v.store(value, builder.add(to, builder.mul(place, word(4 * y + x))))
                return [*(builder.add(line, step) for line, step in zip(rows, row_steps, strict=True)), builder.add(to, panel_row)]

            v.loop(channels, [*rows, builder.add(panel, to)], one)
            return [v.offset(record, SEGMENT)]

        v.loop(count, [records], segment)

    return emit


def _transform_products(lanes: int) -> Emit:
    """A' m A + bias of all tiles of a panel, for ``channels`` output channels."""

    def emit(builder, arguments):
        products, place, panel_row, channels, records, count, output, plane, row, bias, bias_step = arguments
        v = Vectors(builder, lanes)

        def segment(state):
            (record,) = state
            to, offset, columns, lines = (v.load_word(v.offset(record, 8 * i)) for i in range(5, 9))
            counts = [columns, builder.sub(columns, word(lanes))]
            tiles = v.first(builder.ashr(builder.add(columns, word(1)), word(1)))
            both = builder.icmp_signed(">", lines, word(1))
            second = [builder.select(both, count, word(0)) for count in counts]

            def one(state):
                here, bias, out = state
                start = v.broadcast(bias)
                m = [v.load(builder.add(here, builder.mul(place, word(i))), tiles) for i in range(PLACES)]

                def summed(a: Value, b: Value, c: Value, d: Value) -> tuple[Value, Value]:
                    return builder.fadd(builder.fadd(a, b), c), builder.fsub(builder.fsub(b, c), d)

                columns = [summed(*m[x::4]) for x in range(4)]
                for y, valid in enumerate((counts, second)):
                    left, right = (builder.fadd(value, start) for value in summed(*(column[y] for column in columns)))
                    at = builder.add(out, row) if y else out
                    for half in (0, 1):
                        v.store_first(v.zip(left, right, half), v.offset(at, half * v.bytes), valid[half])
                return [builder.add(here, panel_row), builder.add(bias, bias_step), builder.add(out, plane)]

            v.loop(channels, [builder.add(products, to), bias, builder.add(output, offset)], one)
            return [v.offset(record, SEGMENT)]

        v.loop(count, [records], segment)

    return emit


def multiply(lanes: int) -> Callable:
    """The range counts (block of output channels, piece, group), in this order.

    inside: the weights are transformed here, a block of outputs and a chunk of inputs at a time. exchanged: as for `conv_winograd.steps`; the last
    tap first is the first place last.
    """
    tile, most = register_tiles(lanes, "float32")
    transform_weights = native(f"winograd_weights.{lanes}", 4, _transform_weights(lanes))
    transform_tiles = native(f"winograd_tiles.{lanes}", 10, _transform_tiles(lanes))
    transform_products = native(f"winograd_products.{lanes}", 11, _transform_products(lanes))

    @inner
    def transform_block(source, columns, row0, row1, column0, column1, target, pitch, place):
        """The weights of some rows and columns of a matrix that has so many columns."""
        for row in range(row0, row1):
            for column in range(column0, column1, lanes):
                here, to = source + (row * columns + column) * TAPS, target + (row - row0) * pitch + (column - column0) * SIZE
                transform_weights((here, min(lanes, column1 - column), to, place))

    def kernel(begin, end, args, scratch):
        source, weights, bias, output, tables, zeros = words(args, 0, 6)
        channel, source_row, inputs, groups, outputs, plane, output_row = words(args, 6, 7)
        pieces, row_block, kept, chunks, panel_row, has_bias = words(args, 13, 6)
        together, inside, exchanged, pitch, place, product_place, a_place = words(args, 19, 7)
        a_row, a_step = (SIZE, pitch) if exchanged else (pitch, SIZE)
        products = scratch + together * PLACES * place
        own_weights = products + together * PLACES * product_place
        for task in range(begin, end):
            group, piece, block = task % groups, task // groups % pieces, task // (groups * pieces)
            row0, row1 = block * row_block, min((block + 1) * row_block, outputs)
            record = tables + piece * PIECE
            here = source + group * inputs * channel
            panel_count = load(record + 8)
            for group_of_panels in range((panel_count + together - 1) // together):
                panel0 = group_of_panels * together
                panels = min(together, panel_count - panel0)
                for number in range(panels):
                    panel = tables + load(record) + (panel0 + number) * PANEL
                    to = scratch + number * PLACES * place
                    segments, segment_count = tables + load(panel), load(panel + 8)
                    for i in range(0, inputs, CHANNELS):
                        at, line, few = here + i * channel, to + i * panel_row, min(CHANNELS, inputs - i)
                        transform_tiles((at, channel, source_row, few, segments, segment_count, zeros, line, place, panel_row))
                for kept_block in range((row1 - row0 + kept - 1) // kept):
                    first = row0 + kept_block * kept
                    count = min(kept, row1 - first)
                    for chunk in range(chunks):
                        top, bottom = inputs * chunk // chunks, inputs * (chunk + 1) // chunks
                        if inside:
                            a_here = own_weights
                            begin_row, end_row, begin_column, end_column, columns = first, first + count, top, bottom, inputs
                            if exchanged:
                                begin_row, end_row, begin_column, end_column, columns = top, bottom, first, first + count, outputs
                            group_weights = weights + group * inputs * outputs * TAPS
                            transform_block(
                                group_weights, columns, begin_row, end_row, begin_column, end_column, own_weights, pitch, a_place
                            )
                        else:
                            a_here = weights + group * PLACES * a_place + first * a_row + top * a_step
                        for k in range(PLACES):
                            y, x = k // 4, k % 4
                            if exchanged:
                                y, x = (3 - y if y % 3 == 0 else y), (3 - x if x % 3 == 0 else x)
                            a = a_here + (4 * y + x) * a_place
                            for row in range(0, count, ROWS):
                                rows = min(ROWS, count - row)
                                for number in range(panels):
                                    columns = load(tables + load(record) + (panel0 + number) * PANEL + 16)
                                    vectors = (columns + lanes - 1) // lanes
                                    b = scratch + number * PLACES * place + k * place + top * panel_row
                                    to = products + (number * PLACES + k) * product_place + row * panel_row
                                    start, start_row = (to, panel_row) if chunk else (zeros, 0)
                                    tile(
                                        (
                                            (rows - 1) * most + vectors - 1,
                                            a + row * a_row,
                                            a_row,
                                            a_step,
                                            b,
                                            panel_row,
                                            to,
                                            panel_row,
                                            start,
                                            start_row,
                                            bottom - top,
                                            columns - (vectors - 1) * lanes,
                                        )
                                    )
                    for number in range(panels):
                        panel = tables + load(record) + (panel0 + number) * PANEL
                        segments, segment_count = tables + load(panel), load(panel + 8)
                        for i in range(0, count, CHANNELS):
                            at = group * outputs + first + i
                            transform_products(
                                (
                                    *(products + number * PLACES * product_place + i * panel_row, product_place, panel_row),
                                    *(min(CHANNELS, count - i), segments, segment_count),
                                    *(output + at * plane * SIZE, plane * SIZE, output_row, bias + has_bias * at * SIZE, has_bias * SIZE),
                                )
                            )
            for number in range(load(record + 24)):
                part = tables + load(record + 16) + number * PART
                element = (load(part) * groups * outputs + group * outputs + row0) * plane
                follow(args + 8 * 27, row1 - row0, element, plane, load(part + 8), load(part + 16), scratch)

    return kernel
