"""Builder of the convolution kernel (see `conv` for what it is given and how it is put together).

A tile computes ``rows`` output channels at ``places`` vectors of output at once: for each tap and input channel one load per
vector and one broadcast weight per row. What the lanes of a vector are is the planner's choice: neighbouring outputs of one
image row, or the same output of neighbouring images (then the source was transposed before, and results are on the way out).
"""

from __future__ import annotations

from collections.abc import Callable

from .conv import CHUNK, TAP, tile_record
from .correlation import SIZE
from .gemm_simd import transposer
from .intrinsics import load
from .simd import Emit, Vectors, follow, native, word, words


def _tiles(lanes: int, rows: int, places: int) -> Emit:
    """output[rows, places] = bias + the sum over taps and channels of weight[row] * source[place], for ``count`` tiles.

    ``tables`` holds what `conv.tables` made: a record for each tile, and the lists of taps that the records point to.
    Weights are packed: for each tap, for each channel, ``rows`` values. ``valid`` lanes of a vector are stored.
    """

    def emit(builder, arguments):
        source, channel_step, channels, weights, bias, tables, records, count, output, output_row, valid = arguments
        v = Vectors(builder, lanes)
        counting = v.first(valid)
        no_bias = builder.zext(builder.icmp_signed("==", bias, word(0)), bias.type)
        start = v.choose(no_bias, [lambda: [v.broadcast(v.offset(bias, i * SIZE)) for i in range(rows)], lambda: [v.zero] * rows])

        def tile(state):
            record = state[0]
            taps, tap_count = builder.add(tables, v.load_word(record)), v.load_word(v.offset(record, 8))
            pairs = [(v.load_word(v.offset(record, 16 + 16 * t)), v.load_word(v.offset(record, 24 + 16 * t))) for t in range(places)]

            def channel(state):
                here, weight, *sums = state
                loaded = [v.load_valid(builder.add(here, offset), counting) for offset, _ in pairs]
                sums = v.add_products(sums, [v.offset(weight, i * SIZE) for i in range(rows)], loaded)
                return [builder.add(here, channel_step), v.offset(weight, rows * SIZE), *sums]

            def tap(state):
                tap_record, *sums = state
                here = builder.add(source, v.load_word(tap_record))
                weight = builder.add(weights, v.load_word(v.offset(tap_record, 8)))
                return [v.offset(tap_record, TAP), *v.loop(channels, [here, weight, *sums], channel)[2:]]

            sums = v.loop(tap_count, [taps, *[value for value in start for _ in range(places)]], tap)[1:]

            def write(count):
                for i in range(rows):
                    row = builder.add(output, builder.mul(output_row, word(i)))
                    for t, (_, offset) in enumerate(pairs):
                        v.store_first(sums[i * places + t], builder.add(row, offset), count)

            v.write_valid(valid, write)
            return [v.offset(record, tile_record(places))]

        v.loop(count, [records], tile)

    return emit


def convolve(lanes: int, rows: int, places: int) -> Callable:
    """The range counts (chunk of output places, chunk of channel tiles, block of images, group), in this order."""
    tiles = native(f"conv_tiles.{lanes}.{rows}x{places}", 11, _tiles(lanes, rows, places))
    transpose_block = transposer(lanes, "float32", False)
    vector = lanes * SIZE

    def kernel(begin, end, args, scratch):
        source, weights, bias, output, tables, source_block, source_channel, inputs, outputs, groups = words(args, 0, 10)
        tile_weights, output_plane, valid, tile_count, chunk_tiles, tile_chunks, blocks, block0, images, scratch_row = words(args, 10, 10)
        by_image = scratch_row > 0  # then results are transposed on the way out
        for task in range(begin, end):
            group, block = task % groups, task // groups % blocks
            task //= groups * blocks
            chunk = tables + task // tile_chunks * CHUNK
            records, count, start, length = tables + load(chunk), load(chunk + 8), load(chunk + 16), load(chunk + 24)
            first_place, last_place = load(chunk + 32), load(chunk + 40)
            image = (block0 + block) * (lanes if by_image else 1)
            for number in range(task % tile_chunks * chunk_tiles, min((task % tile_chunks + 1) * chunk_tiles, tile_count)):
                channel = group * outputs + min(number * rows, outputs - rows)  # the last tile may overlap the one before it
                target = output + (image * groups * outputs + channel) * output_plane
                tiles(
                    (
                        source + block * source_block + group * inputs * source_channel,
                        source_channel,
                        inputs,
                        weights + (group * tile_count + number) * tile_weights,
                        bias + channel * SIZE if bias else 0,
                        tables,
                        records,
                        count,
                        scratch if by_image else target,
                        scratch_row if by_image else output_plane,
                        valid,
                    )
                )
                if by_image:
                    for i in range(rows):
                        for first in range(0, length, lanes):
                            transpose_block(
                                (
                                    scratch + i * scratch_row + first * vector,
                                    vector,
                                    target + i * output_plane + (start + first) * SIZE,
                                    groups * outputs * output_plane,
                                    min(lanes, length - first),
                                    min(lanes, images - image),
                                )
                            )
                element, plane = (image * groups * outputs + channel) * (output_plane // SIZE), output_plane // SIZE
                for i in range(min(lanes, images - image) if by_image else 1):
                    follow(args + 8 * 21, rows, element + i * groups * outputs * plane, plane, first_place, last_place, scratch)

    return kernel
