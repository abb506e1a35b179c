"""Builder of the convolution kernel (see `conv` for what it is given and how it is put together).

A tile computes ``rows`` output channels at ``places`` vectors of output at once: for each tap and input channel one load per
vector and one broadcast weight per row. What the lanes of a vector are is the planner's choice: neighbouring outputs of one
image row, or the same output of neighbouring images (then the source was transposed before, and results are on the way out).
"""

from __future__ import annotations

from collections.abc import Callable

from .gemm_simd import transposer
from .intrinsics import inner, load, store
from .simd import Emit, Vectors, native, word

SIZE = 4  # bytes of a float32
TAP = 16  # bytes of a tap's record: byte offsets of its source and of its weights
RECORD = 64  # bytes of a tile's record before its vectors: serial number and bounds of its taps
PLACE = 16  # bytes of a vector's record: byte offsets of its source and of its output


def _tile(lanes: int, rows: int, places: int) -> Emit:
    """output[rows, places] = bias + the sum over taps and channels of weight[row] * source[place].

    ``taps``: `TAP` records; ``vectors``: `PLACE` records; ``valid``: how many lanes of a vector are stored.
    Weights are packed: for each tap, for each channel, ``rows`` values.
    """

    def emit(builder, arguments):
        source, channel_step, channels, taps, tap_count, weights, bias, vectors, output, output_row, valid = arguments
        v = Vectors(builder, lanes)
        offsets = [v.load_word(v.offset(vectors, t * PLACE)) for t in range(places)]

        def start_from_bias():
            return [value for i in range(rows) for value in [v.broadcast(v.offset(bias, i * SIZE))] * places]

        no_bias = builder.zext(builder.icmp_signed("==", bias, word(0)), bias.type)
        sums = v.choose(no_bias, [start_from_bias, lambda: [v.zero] * (rows * places)])

        def channel(state):
            here, weight, *sums = state
            loaded = [v.load(builder.add(here, offset)) for offset in offsets]
            new = []
            for i in range(rows):
                factor = v.broadcast(v.offset(weight, i * SIZE))
                new += [v.fma(factor, loaded[t], sums[i * places + t]) for t in range(places)]
            return [builder.add(here, channel_step), v.offset(weight, rows * SIZE), *new]

        def tap(state):
            record, *sums = state
            here = builder.add(source, v.load_word(record))
            weight = builder.add(weights, v.load_word(v.offset(record, 8)))
            return [v.offset(record, TAP), *v.loop(channels, [here, weight, *sums], channel)[2:]]

        sums = v.loop(tap_count, [taps, *sums], tap)[1:]
        targets = [builder.add(output, v.load_word(v.offset(vectors, t * PLACE + 8))) for t in range(places)]
        mask = v.first(valid)

        def write(mask):
            for i in range(rows):
                row = builder.mul(output_row, word(i))
                for t in range(places):
                    v.store(sums[i * places + t], builder.add(targets[t], row), mask)

        with builder.if_else(builder.icmp_signed("<", valid, word(lanes))) as (part, whole):
            with part:
                write(mask)
            with whole:
                write(None)

    return emit


@inner
def _first_tap(place, stride, padding, dilation):
    """The first tap that meets the source (not the padding before it) at output ``place``."""
    return max(0, (padding - place * stride + dilation - 1) // dilation)


@inner
def _last_tap(place, stride, padding, dilation, size, taps):
    """One past the last tap that meets the source at output ``place``."""
    return min(taps, (size - 1 + padding - place * stride) // dilation + 1)


@inner
def _bounds(record, axis, first, last, new):
    """Widen the tap bounds that a tile's record keeps for ``axis``."""
    at = record + 8 + axis * 16
    store(at, first if new else min(first, load(at)))
    store(at + 8, last if new else max(last, load(at + 8)))


def convolve(lanes: int, rows: int, places: int, by_image: int) -> Callable:
    """The range counts (chunk of output rows, chunk of channel tiles, block of images, group), in this order."""
    tile = native(f"conv_tile.{lanes}.{rows}x{places}", 11, _tile(lanes, rows, places))
    transpose_block = transposer(lanes, "float32")
    vector = lanes * SIZE
    record_bytes = RECORD + places * PLACE

    def kernel(begin, end, args, scratch):
        source, weights, bias, output = load(args + 8), load(args + 16), load(args + 24), load(args + 32)
        source_block, source_channel = load(args + 40), load(args + 48)
        step_d, step_h, step_w = load(args + 56), load(args + 64), load(args + 72)  # source bytes from output to output
        tap_d, tap_h, tap_w = load(args + 80), load(args + 88), load(args + 96)  # source bytes from tap to tap
        phases, phase_bytes, tap_columns = load(args + 104), load(args + 112), load(args + 120)
        taps_d, taps_h, taps_w = load(args + 128), load(args + 136), load(args + 144)
        stride_d, stride_h, stride_w = load(args + 152), load(args + 160), load(args + 168)
        padding_d, padding_h, padding_w = load(args + 176), load(args + 184), load(args + 192)
        dilation_d, dilation_h, dilation_w = load(args + 200), load(args + 208), load(args + 216)
        size_d, size_h, size_w = load(args + 224), load(args + 232), load(args + 240)
        channels, output_channels, groups = load(args + 248), load(args + 256), load(args + 264)
        out_d, out_h, out_w = load(args + 272), load(args + 280), load(args + 288)
        chunk_rows, chunk_tiles = load(args + 296), load(args + 304)
        blocks, images, first_block = load(args + 312), load(args + 320), load(args + 328)

        out_plane = out_d * out_h * out_w * SIZE
        tiles = (output_channels + rows - 1) // rows
        tile_chunks = (tiles + chunk_tiles - 1) // chunk_tiles
        tile_weights = taps_d * taps_h * taps_w * channels * rows * SIZE
        columns = 1 if by_image else min(lanes, out_w)  # of a vector
        row_vectors = (out_w + columns - 1) // columns
        taps = scratch
        records = taps + taps_d * taps_h * taps_w * TAP
        chunk_records = (chunk_rows * row_vectors + places - 1) // places
        results = (records + chunk_records * record_bytes + 63) // 64 * 64  # by image: (row, place, image) on the way out
        results_row = (chunk_rows * out_w + lanes - 1) // lanes * lanes * vector
        chunk, count, serial, tap_count = -1, 0, -1, 0

        for task in range(begin, end):
            group = task % groups
            block = task // groups % blocks
            tile_chunk = task // (groups * blocks) % tile_chunks
            row0 = task // (groups * blocks * tile_chunks) * chunk_rows
            row1 = min(row0 + chunk_rows, out_d * out_h)
            if chunk != row0:
                chunk, serial = row0, -1
                vectors = (row1 - row0) * row_vectors
                count = (vectors + places - 1) // places
                numbered = 0
                for number in range(count * places):
                    vector_number = min(number, vectors - 1)  # a last tile that is not full repeats the last vector
                    row = row0 + vector_number // row_vectors
                    d, h = row // out_h, row % out_h
                    w = min(vector_number % row_vectors * columns, out_w - columns)
                    place = number % places
                    record = records + number // places * record_bytes
                    here = record + RECORD + place * PLACE
                    store(here, d * step_d + h * step_h + w * step_w)
                    if by_image:
                        store(here + 8, ((row - row0) * out_w + w) * vector)
                    else:
                        store(here + 8, (row * out_w + w) * SIZE)
                    _bounds(record, 0, _first_tap(d, stride_d, padding_d, dilation_d), _last_tap(d, stride_d, padding_d, dilation_d, size_d, taps_d), place == 0)
                    _bounds(record, 1, _first_tap(h, stride_h, padding_h, dilation_h), _last_tap(h, stride_h, padding_h, dilation_h, size_h, taps_h), place == 0)
                    _bounds(record, 2, _first_tap(w, stride_w, padding_w, dilation_w), _last_tap(w, stride_w, padding_w, dilation_w, size_w, taps_w), place == 0)
                    if place == places - 1:
                        same = number >= places
                        for bound in range(1, 7):
                            if same and load(record + 8 * bound) != load(record - record_bytes + 8 * bound):
                                same = False
                        numbered += 0 if same else 1
                        store(record, numbered)
            source_here = source + block * source_block + group * channels * source_channel
            image = (first_block + block) * (lanes if by_image else 1)
            output_here = output + (image * groups + group) * output_channels * out_plane
            for number in range(tile_chunk * chunk_tiles, min((tile_chunk + 1) * chunk_tiles, tiles)):
                channel = min(number * rows, output_channels - rows)  # the last tile may overlap the one before it
                weights_here = weights + (group * tiles + number) * tile_weights
                bias_here = bias + (group * output_channels + channel) * SIZE if bias else 0
                for index in range(count):
                    record = records + index * record_bytes
                    if load(record) != serial:
                        serial, tap_count = load(record), 0
                        for d in range(load(record + 8), load(record + 16)):
                            for h in range(load(record + 24), load(record + 32)):
                                for w in range(load(record + 40), load(record + 48)):
                                    column = w * tap_columns
                                    at = taps + tap_count * TAP
                                    store(at, d * tap_d + h * tap_h + column % phases * phase_bytes + column // phases * tap_w)
                                    store(at + 8, ((d * taps_h + h) * taps_w + w) * channels * rows * SIZE)
                                    tap_count += 1
                    tile(
                        (
                            source_here,
                            source_channel,
                            channels,
                            taps,
                            tap_count,
                            weights_here,
                            bias_here,
                            record + RECORD,
                            results if by_image else output_here + channel * out_plane,
                            results_row if by_image else out_plane,
                            lanes if by_image else columns,
                        )
                    )
                if by_image:
                    present = min(lanes, images - image)
                    length = (row1 - row0) * out_w
                    for i in range(rows):
                        target = output_here + (channel + i) * out_plane + row0 * out_w * SIZE
                        for first in range(0, length, lanes):
                            transpose_block(
                                (
                                    results + i * results_row + first * vector,
                                    vector,
                                    target + first * SIZE,
                                    groups * output_channels * out_plane,
                                    min(lanes, length - first),
                                    present,
                                )
                            )

    return kernel
