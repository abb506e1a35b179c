"""The weight gradient of convolutions on the CPU: which kernels run for which shapes. Plain Python; see `conv_weight_simd`.

A tile holds one vector of partial sums for each pair of some output channels and some (input channel, tap) pairs, and walks
over as many outputs as the first-level cache holds, before the next tile walks over the same. Sums over several parts of the
images, made in parallel, are added up in a last step; how the images are parted depends on the shapes only, so results do not
depend on the number of threads.
"""

from __future__ import annotations

from itertools import product
from math import inf, prod
from struct import pack

from . import conv_planes, conv_weight_columns, conv_weight_winograd
from .conv import FRAMES, by_planes
from .correlation import (
    BY_IMAGE,
    BY_ROW,
    COLUMNS,
    LINE,
    PLANES,
    SIZE,
    TASKS,
    WINOGRAD,
    Correlation,
    Source,
    correlation,
    describe_source,
    frame_step,
)
from .host import lanes_of, most_pieces, registers
from .program import Kernel, Program, Ref, Step, divide

VECTORS = 64  # that a tile adds up before it sums over their lanes: of the outputs' gradient they stay in the first-level cache
KEPT = 1 << 19  # bytes of the images that stay in the second-level cache while all tiles of outputs go over them
SUMMED = 60  # cycles that it takes a tile to sum over lanes
WALK = 48  # bytes of a record: see `_walks`
CACHE, STREAMED = 1 << 20, 10  # bytes of blocks of images that stay in the second-level cache, and a cycle that come from beyond it


def _tile(outputs: int, columns: int, lanes: int) -> tuple[int, int, float]:
    """Output channels and (input channel, tap) pairs of a tile, and the cycles of one vector of outputs."""
    free = registers(lanes * SIZE) - 2
    best = (0, 0, inf)
    for rows_limit in range(1, 10):
        rows = divide(outputs, divide(outputs, rows_limit))
        for columns_limit in range(1, 25):
            taps = divide(columns, divide(columns, columns_limit))
            if rows * taps + min(rows, taps) > free:
                continue
            loads = rows + 1.5 * taps  # those of taps cross cache lines
            step = max(rows * taps * 0.5, loads * 0.6, 4.0) + 0.1 * loads + 0.5  # two FMAs a cycle
            cycles = divide(outputs, rows) * divide(columns, taps) * step
            if cycles < best[2]:
                best = (rows, taps, cycles)
    return best


def _mode(c: Correlation, lanes: int, rows: int, taps: int, cycles: float) -> int:
    """The way that takes the fewest cycles, about."""
    values = prod(c.size) * c.inputs + prod(c.out) * c.outputs  # of an image
    tiles, channels = divide(c.outputs, rows) * divide(c.inputs * prod(c.taps), taps), divide(taps, prod(c.taps))
    read = tiles * (rows * prod(c.out) + channels * prod(c.size)) * SIZE / STREAMED  # cycles, if each tile gets them from beyond the cache
    vectors = c.images * c.out[0] * c.out[1] * divide(c.out[2], lanes)
    by_row = vectors * cycles + SUMMED * tiles * divide(vectors, VECTORS)
    by_image = 1.2 * prod(c.out) * cycles + (20.0 * values + lanes * read if lanes * values * SIZE > CACHE else 6.0 * values)
    ways = {
        BY_ROW: c.groups * by_row,
        BY_IMAGE: divide(c.images, lanes) * c.groups * by_image,
        COLUMNS: conv_weight_columns.cycles(c, lanes),
    }
    if conv_weight_winograd.applies(c):
        ways[WINOGRAD] = conv_weight_winograd.cycles(c, lanes)
    return min(ways, key=lambda mode: ways[mode])


def _offsets(c: Correlation, source: Source, taps: int) -> bytes:
    """Source offset of every (input channel, tap) in the order of the tiles; the last tile may overlap the one before it."""
    taps_of_channel = [source.tap_offset(c, d, h, w) for d, h, w in product(*map(range, c.taps))]
    offsets = [channel * source.channel + tap for channel in range(c.inputs) for tap in taps_of_channel]
    count = len(offsets)
    tiled = [offsets[min(first, count - taps) + i] for first in range(0, count, taps) for i in range(taps)]
    return pack(f"{len(tiled)}q", *tiled)


def _walks(c: Correlation, source: Source, lanes: int, by_image: bool) -> tuple[bytes, int, int]:
    """What tiles add up at a time of the outputs of an image, records of int64: bytes of source and of the outputs' gradient to the first;
    planes, rows, full vectors and the rest of a row. Also how many there are, and the vectors of one.
    """
    depth, height, width = c.out
    vector, value = (1, lanes * SIZE) if by_image else (lanes, SIZE)
    length = divide(width, vector)
    across = _even(length, VECTORS)
    down = _even(height, VECTORS // across) if across == length else 1
    deep = _even(depth, VECTORS // (across * down)) if down == height else 1
    values: list[int] = []
    for d, h, w in product(range(0, depth, deep), range(0, height, down), range(0, length, across)):
        full = min(across, width // vector - w)
        place = ((d * height + h) * width + w * vector) * value
        tail = width % vector if w + across >= length else 0
        at = d * source.place[0] + h * source.place[1] + w * vector * source.place[2]
        values += [at, place, min(deep, depth - d), min(down, height - h), full, tail]
    return pack(f"{len(values)}q", *values), len(values) * 8 // WALK, deep * down * across


def _even(count: int, most: int) -> int:
    """The largest of the fewest nearly equal pieces of ``count`` of at most ``most`` each."""
    return divide(count, divide(count, max(1, most)))


def weight_gradient(x_shape, w_shape, stride, padding, dilation, groups, lanes=None, mode=None) -> Program | None:
    """dw (O, C / groups, *taps) from dy (N, O, *out) and x (N, C, *size), in this order; None as for `correlation`."""
    c = correlation(x_shape, w_shape, stride, padding, dilation, groups)
    if c is None:
        return None
    lanes = lanes or lanes_of(SIZE)
    if mode == PLANES or (mode is None and by_planes(c, lanes)):
        return conv_planes.weight_gradient(c, lanes)
    columns = c.inputs * prod(c.taps)
    rows, taps, cycles = _tile(c.outputs, columns, lanes)
    mode = _mode(c, lanes, rows, taps, cycles) if mode is None else mode
    if mode == COLUMNS:
        return conv_weight_columns.program(c, lanes)
    if mode == WINOGRAD:
        return conv_weight_winograd.program(c, lanes)
    by_image = mode == BY_IMAGE
    row_tiles, tap_tiles = divide(c.outputs, rows), divide(columns, taps)
    blocks = divide(c.images, lanes) if by_image else c.images
    x = describe_source(c, mode, lanes)
    out = prod(c.out)
    dy_channel = (divide(out, 2) * 2 + 1) * lanes * SIZE if by_image else out * SIZE
    dy_block = c.groups * c.outputs * dy_channel

    parts = max(1, min(blocks, divide(TASKS, c.groups * row_tiles)))
    at_once = blocks
    if x.framed or by_image:
        at_once = max(parts, min(blocks, FRAMES // (x.block + dy_block * by_image)))
    tile_bytes = divide(rows * taps, lanes) * lanes * SIZE
    part_bytes = c.groups * row_tiles * tap_tiles * tile_bytes
    at = divide(parts * part_bytes, LINE) * LINE
    x_ref, dy_ref = Ref("in", 1, x.origin), Ref("in", 0)
    if x.framed:
        x_ref = Ref("tmp", 0, at)
        at += divide(at_once * x.block + lanes * SIZE, LINE) * LINE
    if by_image:
        dy_ref = Ref("tmp", 0, at)
        at += divide(at_once * dy_block, LINE) * LINE

    offsets = _offsets(c, x, taps)
    walks, walk_count, vectors = _walks(c, x, lanes, by_image)
    together = max(1, VECTORS // vectors) if walk_count == 1 else 1  # blocks of images that a tile adds up
    seen = together * vectors * lanes * prod(c.stride[1:]) * SIZE  # bytes of a channel, about
    tap_block = max(1, KEPT // seen * prod(c.taps) // taps)
    row_block = divide(row_tiles, divide(most_pieces(), parts * c.groups))
    steps = []
    for first in range(0, blocks, at_once):
        count = min(at_once, blocks - first)
        if x.framed:
            steps.append(frame_step(c, mode, lanes, x, first, count, Ref("in", 1), x_ref))
        if by_image:
            steps.append(_transposed(c, lanes, first, count, dy_channel, dy_ref))
        words = (
            *(x_ref, dy_ref if by_image else Ref("in", 0, first * dy_block), Ref("tmp"), offsets, walks),
            *(x.block, x.channel * c.inputs, dy_block, dy_channel),
            *(*x.place[:2], x.place[2] * (1 if by_image else lanes)),
            *(c.outputs, c.groups, row_tiles, tap_tiles, row_block, tap_block),
            *(count, parts, together, walk_count, int(first > 0)),
        )
        kernel = Kernel(("conv_weight", lanes, rows, taps), "numod.kernel.conv_weight_simd:accumulate")
        steps.append(Step(kernel, parts * c.groups * divide(row_tiles, row_block), words, 1))
    words = (Ref("tmp"), Ref("out"), rows, taps, parts, part_bytes, c.outputs, columns, tile_bytes)
    kernel = Kernel(("conv_weight_sum", lanes), "numod.kernel.conv_weight_simd:add_parts")
    steps.append(Step(kernel, c.groups * row_tiles, words, max(1, 16384 // (columns * rows * parts))))
    return Program((c.groups * c.outputs * columns * SIZE,), 2, tuple(steps), at + LINE)


def _transposed(c: Correlation, lanes: int, first: int, blocks: int, channel_bytes: int, target: Ref) -> Step:
    """The step that transposes the outputs' gradient of ``blocks`` blocks of images."""
    channels, size = c.groups * c.outputs, (1, 1, prod(c.out))
    words = (Ref("in", 0), target, *size, 0, 0, 0, *size, channel_bytes, channels, c.images, first)
    kernel = Kernel(("conv_by_image", lanes), "numod.kernel.conv_layout_simd:interleave_images")
    return Step(kernel, blocks * channels, words, max(1, 32768 // (prod(size) * lanes)))
