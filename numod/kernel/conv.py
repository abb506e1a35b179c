"""Direct convolutions on the CPU: which kernels run for which shapes. Plain Python; the machine code is in `conv_simd` and
`conv_layout_simd`.

The way with the fewest cycles by a rough count is taken: one of the two that fill vectors with output places (see `correlation`), the
product of matrices of `conv_columns`, for windows of 3 x 3 those of `conv_winograd`, or, of one channel in each group, the planes of
`conv_planes`.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from struct import pack

from . import conv_columns, conv_planes, conv_winograd
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
from .host import lanes_of, registers
from .program import Kernel, Program, Ref, Step, divide

SERIAL = 1 << 21  # multiplications below which a step is not worth sharing between threads
WINDOW = 1 << 18  # bytes of source that a piece should stay within, to find it in the second-level cache
CACHE, FAR = 5 << 18, 1 << 23  # bytes of the second-level cache; images of more come from memory
FRAMES = 1 << 22  # bytes of padded or transposed images made before they are used
# Cycles that it takes to read a factor for all lanes, to go to the next tap, and to begin and end a tile: with vectors of 64 bytes, and with shorter ones
BROADCAST, TAP_CYCLES, TILE_CYCLES = (1.0, 0.55), (8, 1), (25, 8)
SHORT = 1.3  # times what is counted of tiles of neighbouring images, with vectors of less than 64 bytes
FRAME_ROW = 15  # cycles to pad a row
PACK, PACK_FAR = 2.5, 8  # cycles to pack a weight, and one of so many that they do not stay in the second-level cache
CHUNK = 48  # bytes of a chunk's record in the tables: its tiles (offset, count), its first output vector and their number, its outputs (from, to)
TAP = 16  # of a tap's record: byte offsets of its source and of its weights


@dataclass(frozen=True)
class Tile:
    """How a correlation fills vectors and registers, and in what pieces it is done."""

    mode: int
    lanes: int
    rows: int  # output channels of a tile
    places: int  # vectors of a tile
    cycles: float  # about, of the whole correlation, with what moves the images and the weights


def _tiles(c: Correlation, lanes: int, vectors: int):
    """Register tiles (rows, places) with their cost for one tap of one input channel over all outputs, in cycles."""
    short = lanes * SIZE < 64
    once = TAP_CYCLES[short] / c.inputs + TILE_CYCLES[short] / (c.inputs * prod(c.taps))
    limits = {1: 12, 2: 14, 3: 9, 4: 6} if registers(lanes * SIZE) == 32 else {1: 12, 2: 6, 3: 4, 4: 2}
    for places, limit in limits.items():
        tiles = divide(c.outputs, limit)
        rows = divide(c.outputs, tiles)
        # Two FMAs a cycle; a sum can be added to every 4 cycles.
        step = max(rows * places * 0.5 + 0.1 * rows, rows * BROADCAST[short], 4.0) + 0.5 + once
        yield rows, places, tiles * divide(vectors, places) * step


@functools.lru_cache(maxsize=256)
def choose_tile(c: Correlation, lanes: int, mode: int | None = None) -> Tile:
    """The tile that takes the fewest cycles; ``mode`` `BY_ROW` or `BY_IMAGE`: one that fills vectors in this way."""
    found: list[Tile] = []
    weights = c.groups * c.outputs * c.inputs * prod(c.taps)
    packed = weights * (PACK_FAR if weights * SIZE > CACHE else PACK)
    if mode != BY_IMAGE:
        vectors = c.out[0] * c.out[1] * divide(c.out[2], lanes)
        passes = 1.25 * c.images * c.groups * c.inputs * prod(c.taps)  # rows end in the middle of vectors and of cache lines
        framed = FRAME_ROW * c.images * c.groups * c.inputs * c.frame[0] * c.frame[1] if c.frame != c.size else 0
        values = c.images * c.groups * c.inputs * prod(c.size)
        waited = 0.3 * values if values * SIZE > FAR else 0  # many short reads from memory are not foreseen
        for rows, places, cycles in _tiles(c, lanes, vectors):
            found.append(Tile(BY_ROW, lanes, rows, places, passes * cycles + packed + framed + waited))
    if mode != BY_ROW:
        blocks = divide(c.images, lanes)
        seen = prod(sum(last - first for first, last in axis) / len(axis) for axis in _taps_seen(c, BY_IMAGE))
        values = prod(c.size) * c.inputs + prod(c.out) * c.outputs
        moved = values * (20.0 if c.groups * values * lanes * SIZE > CACHE else 6.0)
        far = 1.6 if prod(c.frame) * c.inputs * lanes * SIZE > CACHE else SHORT if lanes * SIZE < 64 else 1.0
        for rows, places, cycles in _tiles(c, lanes, prod(c.out)):
            products = far * blocks * c.groups * (cycles * seen * c.inputs + moved)
            found.append(Tile(BY_IMAGE, lanes, rows, places, products + packed))
    return min(found, key=lambda tile: tile.cycles)


def by_planes(c: Correlation, lanes: int) -> bool:
    """Whether a depthwise convolution takes fewer cycles plane by plane; if not, it fills vectors with many small images."""
    return conv_planes.possible(c) and conv_planes.cycles(c, lanes) < choose_tile(c, lanes, BY_IMAGE).cycles


def tile_record(places: int) -> int:
    """Bytes of a tile's record: its taps (offset, count) and for each vector the byte offsets of its source and output."""
    return 16 + 16 * places


def _taps_seen(c: Correlation, mode: int) -> list[list[tuple[int, int]]]:
    """For each axis and output: the taps (first, last + 1) that do not meet padding only.

    Along a row the lanes of a vector differ, so no tap is left out there.
    """
    seen = []
    for axis, (size, out, taps, stride, dilation, before) in enumerate(
        zip(c.size, c.out, c.taps, c.stride, c.dilation, c.before, strict=True)
    ):
        if axis == 2 and mode == BY_ROW:
            seen.append([(0, taps)] * out)
            continue
        first = [min(taps, max(0, divide(before - i * stride, dilation))) for i in range(out)]
        last = [max(f, min(taps, (size - 1 + before - i * stride) // dilation + 1)) for i, f in enumerate(first)]
        seen.append(list(zip(first, last, strict=True)))
    return seen


def _flat(c: Correlation, place: tuple[int, int, int]) -> int:
    """The number of an output place."""
    return (place[0] * c.out[1] + place[1]) * c.out[2] + place[2]


def tables(c: Correlation, tile: Tile, source: Source, chunk_vectors: int) -> bytes:
    """What the tiles of one block of images do: records of chunks, of tiles, and lists of taps (all int64)."""
    columns = 1 if tile.mode == BY_IMAGE else min(tile.lanes, c.out[2])
    starts = [min(w, c.out[2] - columns) for w in range(0, c.out[2], columns)]
    everything = [(d, h, w) for d in range(c.out[0]) for h in range(c.out[1]) for w in starts]
    seen = _taps_seen(c, tile.mode)
    chunks: list[tuple[int, ...]] = []
    tiles: list[tuple[int, list[int]]] = []
    lists: dict[tuple[tuple[int, int], ...], int] = {}
    for start in range(0, len(everything), chunk_vectors):
        vectors = everything[start : start + chunk_vectors]
        length = len(vectors)
        vectors += vectors[-1:] * (-length % tile.places)  # a last tile that is not full repeats a vector
        chunks.append((len(tiles), len(vectors) // tile.places, start, length, _flat(c, vectors[0]), _flat(c, vectors[-1]) + columns))
        for at in range(0, len(vectors), tile.places):
            offsets, bounds = [], []
            for place in vectors[at : at + tile.places]:
                output = (_flat(c, place) - start) * tile.lanes if tile.mode == BY_IMAGE else _flat(c, place)
                offsets += [sum(i * step for i, step in zip(place, source.place, strict=True)), output * SIZE]
                bounds.append([seen[axis][i] for axis, i in enumerate(place)])
            union = tuple((min(first for first, _ in axis), max(last for _, last in axis)) for axis in zip(*bounds, strict=True))
            tiles.append((lists.setdefault(union, len(lists)), offsets))
    taps: list[tuple[int, int]] = []
    spans: list[int] = []
    for union in lists:
        spans.append(len(taps))
        for d, h, w in product(*(range(*axis) for axis in union)):
            taps.append((source.tap_offset(c, d, h, w), ((d * c.taps[1] + h) * c.taps[2] + w) * c.inputs * tile.rows * SIZE))
    spans.append(len(taps))
    tiles_at = len(chunks) * CHUNK
    taps_at = tiles_at + len(tiles) * tile_record(tile.places)
    values = []
    for first, *rest in chunks:
        values += [tiles_at + first * tile_record(tile.places), *rest]
    for number, offsets in tiles:
        values += [taps_at + spans[number] * TAP, spans[number + 1] - spans[number], *offsets]
    for tap in taps:
        values += tap
    return pack(f"{len(values)}q", *values)


def steps(
    c: Correlation, tile: Tile, source_ref: Ref, weights: Ref, bias: Ref | int, output: Ref, taps_order: tuple, at: int
) -> tuple[list[Step], int]:
    """Steps of one correlation and the end of the workspace they use from ``at`` on.

    ``taps_order``: strides of the weights in elements for (group, output, input), the first tap, and the steps along the axes.
    """
    lanes = tile.lanes
    source = describe_source(c, tile.mode, lanes)
    blocks = divide(c.images, lanes) if tile.mode == BY_IMAGE else c.images
    tiles = divide(c.outputs, tile.rows)
    tile_weights = prod(c.taps) * c.inputs * tile.rows * SIZE
    packed = Ref("tmp", 0, at)
    at += divide(c.groups * tiles * tile_weights, LINE) * LINE
    grain = max(1, 16384 * SIZE // tile_weights)
    words = (weights, packed, tile.rows, c.outputs, c.inputs, *c.taps, *taps_order)
    made = [Step(Kernel(("conv_weights",), "numod.kernel.conv_layout_simd:pack_weights"), c.groups * tiles, words, grain)]

    vectors = c.out[0] * c.out[1] * (c.out[2] if tile.mode == BY_IMAGE else divide(c.out[2], lanes))
    chunk_vectors, chunk_tiles = _pieces(c, tile, source, blocks, vectors, tiles)
    chunks, tile_chunks = divide(vectors, chunk_vectors), divide(tiles, chunk_tiles)
    table = tables(c, tile, source, chunk_vectors)
    scratch_row = divide(chunk_vectors, lanes) * lanes * lanes * SIZE if tile.mode == BY_IMAGE else 0
    at_once = blocks
    if source.framed:
        at_once = max(1, min(blocks, FRAMES // source.block), divide(min(TASKS, blocks), chunks * tile_chunks * c.groups))
        frames = Ref("tmp", 0, at)
        at += divide(at_once * source.block + lanes * SIZE, LINE) * LINE
    convolve = Kernel(("conv", lanes, tile.rows, tile.places), "numod.kernel.conv_simd:convolve")
    for first in range(0, blocks, at_once):
        count = min(at_once, blocks - first)
        if source.framed:
            made.append(frame_step(c, tile.mode, lanes, source, first, count, source_ref, frames))
        here = frames if source.framed else source_ref._replace(offset=source_ref.offset + source.origin)
        valid = min(lanes, c.out[2]) if tile.mode == BY_ROW else lanes
        words = (
            *(here, packed, bias, output, table),
            *(source.block, source.channel, c.inputs, c.outputs, c.groups),
            *(tile_weights, prod(c.out) * SIZE, valid, tiles, chunk_tiles, tile_chunks),
            *(count, first, c.images, scratch_row, 0),
        )
        tasks = chunks * tile_chunks * count * c.groups
        work = count * c.groups * c.outputs * c.inputs * prod(c.out) * prod(c.taps)
        grain = max(1, tasks // TASKS) if work >= SERIAL else 0
        made.append(
            Step(convolve, tasks, words, grain, scratch_row * tile.rows, open=chunk_vectors * (1 if tile.mode == BY_IMAGE else valid))
        )
    return made, at


def best_way(parts: Sequence[Correlation], lanes: int, winograd: bool, exchanged: bool) -> int | None:
    """The way that takes the fewest cycles for all ``parts``: `COLUMNS`, `WINOGRAD` if that is possible, or None for tiles; ``exchanged``: for a data
    gradient.
    """
    ways = [
        (sum(choose_tile(c, lanes).cycles for c in parts), None),
        (sum(conv_columns.cycles(c, lanes, exchanged) for c in parts), COLUMNS),
    ]
    if winograd:
        ways.append((sum(conv_winograd.cycles(c, lanes) for c in parts), WINOGRAD))
    return min(ways, key=lambda way: way[0])[1]


def _pieces(c: Correlation, tile: Tile, source: Source, blocks: int, vectors: int, tiles: int) -> tuple[int, int]:
    """Vectors of outputs and tiles of channels that one piece of work does."""
    window = (c.inputs * c.stride[1] * c.stride[2] + tile.rows) * tile.lanes * SIZE  # bytes that a vector of outputs needs anew
    step = tile.places * (tile.lanes if tile.mode == BY_IMAGE else 1)  # whole tiles, and whole squares to transpose
    pieces = divide(TASKS, blocks * c.groups)
    chunk = max(min(WINDOW // window, divide(vectors, pieces)), min(4 * step, WINDOW // window), 1)
    chunk = divide(divide(vectors, divide(vectors, chunk)), step) * step
    tile_chunks = max(1, min(tiles, divide(pieces, divide(vectors, chunk))))
    return min(chunk, vectors), divide(tiles, tile_chunks)


def forward(x_shape, w_shape, bias, stride, padding, dilation, groups, lanes=None, mode=None) -> Program | None:
    """y (N, O, *out) from x (N, C, *size), weight (O, C / groups, *taps) and, if ``bias``, bias (O,); None as for `correlation`."""
    c = correlation(x_shape, w_shape, stride, padding, dilation, groups)
    if c is None:
        return None
    taps = prod(c.taps)
    lanes = lanes or lanes_of(SIZE)
    if mode == PLANES or (mode is None and by_planes(c, lanes)):
        return conv_planes.forward(c, bias, lanes)
    refs = (Ref("in", 0), Ref("in", 1), Ref("in", 2) if bias else 0, Ref("out"))
    mode = mode if mode is not None else best_way([c], lanes, conv_winograd.applies(c), exchanged=False)
    if mode == WINOGRAD:
        made, workspace = conv_winograd.steps(c, lanes, *refs, False, 0)
    elif mode == COLUMNS:
        made, workspace = conv_columns.steps(c, lanes, *refs, conv_columns.WeightRows(c.inputs * taps), 0)
    else:
        order = (c.outputs * c.inputs * taps, c.inputs * taps, taps, 0, c.taps[1] * c.taps[2], c.taps[2], 1)
        made, workspace = steps(c, choose_tile(c, lanes, mode), *refs, order, 0)
    outputs = c.images * c.groups * c.outputs * prod(c.out)
    return Program((outputs * SIZE,), 3 if bias else 2, tuple(made), workspace + LINE)
