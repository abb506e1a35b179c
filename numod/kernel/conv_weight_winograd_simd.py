"""Builders of the kernels of `conv_weight_winograd`."""

from __future__ import annotations

from collections.abc import Callable

from llvmlite import ir

from .conv_weight_winograd import BLOCK, CHUNK, PLACES, ROWS, SEGMENT, SIZE
from .gemm_simd import register_tiles, transposer, widest
from .intrinsics import inner, load
from .simd import Emit, Value, Vectors, native, word, words


def _transform(lanes: int, side: int) -> Emit:
    """The 16 values of each tile of a row, for ``vectors`` vectors of channels: B' x B of 4 x 4 places of an image (``side`` 4), or A y A' of 2 x 2 of
    a gradient, whose last row and column are left with the other sign.

    ``first``: of the place of the first tile's corner. Rows before ``top`` and from ``bottom`` on, counted from there, and columns outside of ``width`` do
    not exist: ``zeros`` is read in their place. ``left`` is the corner's column.
    """

    def emit(builder, arguments):
        first, row, step, top, bottom, left, width, tiles, vectors, zeros, target, plane = arguments
        v = Vectors(builder, lanes)

        def transformed(values: list[Value]) -> list[Value]:
            if side == 2:
                a, b = values
                return [a, builder.fadd(a, b), builder.fsub(a, b), b]
            a, b, c, d = values
            return [builder.fsub(a, c), builder.fadd(b, c), builder.fsub(c, b), builder.fsub(b, d)]

        def within(place: int | Value, begin: Value, end: Value) -> Value:
            return builder.and_(builder.icmp_signed(">=", place, begin), builder.icmp_signed("<", place, end))

        rows = [(builder.add(first, builder.mul(row, word(y))), within(word(y), top, bottom)) for y in range(side)]

        def tile(state):
            column, corner, to = state
            places = []
            for line, exists in rows:
                for x in range(side):
                    inside = builder.and_(exists, within(builder.add(column, word(x)), word(0), width))
                    here = builder.add(builder.add(line, corner), builder.mul(step, word(x)))
                    places.append(builder.select(inside, here, zeros))

            def one(state):
                (offset,) = state
                values = [v.load(builder.add(place, offset)) for place in places]
                columns = [transformed(values[x::side]) for x in range(side)]
                here = builder.add(to, offset)
                for y in range(4):
                    for x, value in enumerate(transformed([column[y] for column in columns])):
                        v.store(value, builder.add(here, builder.mul(plane, word(4 * y + x))))
                return [v.offset(offset, v.bytes)]

            v.loop(vectors, [word(0)], one)
            return [builder.add(column, word(2)), builder.add(corner, builder.mul(step, word(2))), builder.add(to, step)]

        v.loop(tiles, [left, word(0), target], tile)

    return emit


def _transform_sums(lanes: int) -> Emit:
    """dw = G' m G of ``rows`` output channels and ``columns`` input channels; strides of rows in bytes."""

    def emit(builder, arguments):
        sums, plane, sums_row, rows, columns, target, target_row = arguments
        v = Vectors(builder, lanes)
        half = v.splat(ir.Constant(v.element, 0.5))
        vectors = builder.sdiv(builder.add(columns, word(lanes - 1)), word(lanes))

        def summed(a: Value, b: Value, c: Value, d: Value) -> list[Value]:
            middle = builder.fmul(half, builder.fadd(b, c))
            return [builder.fadd(a, middle), builder.fmul(half, builder.fsub(b, c)), builder.fsub(middle, d)]

        def row(state):
            def vector(state):
                here, to, left = state
                m = [v.load(builder.add(here, builder.mul(plane, word(i)))) for i in range(PLACES)]
                lines = [summed(*m[x::4]) for x in range(4)]
                taps = [tap for y in range(3) for tap in summed(*(line[y] for line in lines))]
                for first in range(0, 9, lanes):
                    found = taps[first : first + lanes]
                    for i, value in enumerate(v.transpose([*found, *[v.zero] * (lanes - len(found))])):
                        wanted = builder.select(builder.icmp_signed("<", word(i), left), word(len(found)), word(0))
                        v.store_first(value, v.offset(to, (9 * i + first) * SIZE), wanted)
                return [v.offset(here, v.bytes), v.offset(to, 9 * lanes * SIZE), builder.sub(left, word(lanes))]

            v.loop(vectors, [*state, columns], vector)
            return [builder.add(state[0], sums_row), builder.add(state[1], target_row)]

        v.loop(rows, [sums, target], row)

    return emit


def accumulate(lanes: int) -> Callable:
    """dw of a part of the tiles: the range counts (part, group, block of output channels, block of input channels), in this order."""
    tile, most = register_tiles(lanes, "float32")
    transpose_block = transposer(lanes, "float32", True)
    transform_images = native(f"winograd_weight_images.{lanes}", 12, _transform(lanes, 4))
    transform_gradient = native(f"winograd_weight_gradient.{lanes}", 12, _transform(lanes, 2))
    transform_sums = native(f"winograd_weight_sums.{lanes}", 7, _transform_sums(lanes))
    line = (BLOCK + lanes) * SIZE

    @inner
    def lay_flat(source, plane, channels, places, target):
        """Channels, whose planes have so many values, with vectors along the channels."""
        for channel in range(0, channels, lanes):
            for place in range(0, places, lanes):
                here, to = source + (channel * plane + place) * SIZE, target + place * line + channel * SIZE
                transpose_block((here, plane * SIZE, to, line, min(lanes, channels - channel), min(lanes, places - place)))

    def kernel(begin, end, args, scratch):
        x, dy, dw, tables, zeros = words(args, 0, 5)
        groups, inputs, outputs, height, width, out_height, out_width, above, before = words(args, 5, 9)
        chunks, parts, part_bytes, plane, sums_plane = words(args, 14, 5)
        gradient = scratch + PLACES * plane
        sums = gradient + PLACES * plane
        flat = sums + PLACES * sums_plane
        input_blocks, output_blocks = (inputs + BLOCK - 1) // BLOCK, (outputs + BLOCK - 1) // BLOCK
        across = (out_width + 1) // 2
        for task in range(begin, end):
            i0, rest = task % input_blocks * BLOCK, task // input_blocks
            o0, group, part = rest % output_blocks * BLOCK, rest // output_blocks % groups, rest // (output_blocks * groups)
            i_count, o_count = min(BLOCK, inputs - i0), min(BLOCK, outputs - o0)
            i_vectors, o_vectors = (i_count + lanes - 1) // lanes, (o_count + lanes - 1) // lanes
            first, last = chunks * part // parts, chunks * (part + 1) // parts
            for chunk in range(first, last):
                record = tables + chunk * CHUNK
                tiles = load(record + 16)
                for number in range(load(record + 8)):
                    segment = tables + load(record) + number * SEGMENT
                    y0, y1, to = load(segment + 16), load(segment + 24), load(segment + 32) * line
                    top, bottom = max(0, 2 * y0 - above), min(height, 2 * y1 + 2 - above)
                    here = x + load(segment) + ((group * inputs + i0) * height + top) * width * SIZE
                    lay_flat(here, height * width, i_count, (bottom - top) * width, flat)
                    for y in range(y0, y1):
                        row = 2 * y - above
                        seen = (top - row, bottom - row, -before, width, across, i_vectors)
                        at = flat + ((row - top) * width - before) * line
                        transform_images((at, width * line, line, *seen, zeros, scratch + to + (y - y0) * across * line, plane))
                    top, bottom = 2 * y0, min(out_height, 2 * y1)
                    here = dy + load(segment + 8) + ((group * outputs + o0) * out_height + top) * out_width * SIZE
                    lay_flat(here, out_height * out_width, o_count, (bottom - top) * out_width, flat)
                    for y in range(y0, y1):
                        seen = (0, bottom - 2 * y, 0, out_width, across, o_vectors)
                        at = flat + (2 * y - top) * out_width * line
                        transform_gradient((at, out_width * line, line, *seen, zeros, gradient + to + (y - y0) * across * line, plane))
                row_tiles = (o_count + ROWS - 1) // ROWS
                for k in range(PLACES):
                    i = 0
                    for t in range(row_tiles):
                        count = (o_count - i + row_tiles - t - 1) // (row_tiles - t)
                        j = 0
                        while j < i_vectors:
                            taken = widest(i_vectors - j, most)
                            c = sums + k * sums_plane + i * line + j * lanes * SIZE
                            start, start_row = (c, line) if chunk > first else (zeros, 0)
                            a, b = gradient + k * plane + i * SIZE, scratch + k * plane + j * lanes * SIZE
                            tile(((count - 1) * most + taken - 1, a, SIZE, line, b, line, c, line, start, start_row, tiles, lanes))
                            j += taken
                        i += count
            target = dw + part * part_bytes + ((group * outputs + o0) * inputs + i0) * 9 * SIZE
            transform_sums((sums, sums_plane, line, o_count, i_count, target, inputs * 9 * SIZE))

    return kernel
