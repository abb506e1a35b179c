"""Direct convolutions on the CPU: which kernels run for which shapes. Plain Python; the machine code is in `conv_simd` and
`conv_layout_simd`.

The data gradient is a correlation too, over the output's gradient with exchanged, flipped weights; with strides, one for each
class of inputs modulo the strides, so that no multiplication with an inserted zero is done.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass
from itertools import product
from math import gcd, prod
from struct import pack

from . import conv_columns
from .conv_columns import WeightRows
from .correlation import BY_IMAGE, BY_ROW, COLUMNS, LINE, SIZE, Correlation, Source, applies, correlation, describe_source, divide, frame_step
from .host import lanes_of, registers
from .program import Kernel, Program, Ref, Step, Word

SERIAL = 1 << 21  # multiplications below which a step is not worth sharing between threads
TASKS = 16  # aim for at least this many pieces of work, so that threads end together
WINDOW = 1 << 18  # bytes of source that a piece should stay within, to find it in the second-level cache
FRAMES = 1 << 22  # bytes of padded or transposed images made before they are used
CHUNK = 32  # bytes of a chunk's record in the tables: its tiles (offset, count), its first output place and their number
TAP = 16  # of a tap's record: byte offsets of its source and of its weights


@dataclass(frozen=True)
class Tile:
    """How a correlation fills vectors and registers, and in what pieces it is done."""

    mode: int
    lanes: int
    rows: int  # output channels of a tile
    places: int  # vectors of a tile
    cycles: float


def _tiles(mode: int, lanes: int, outputs: int, vectors: int):
    """Register tiles with their cost for one tap of one input channel over all outputs, in cycles."""
    limits = {1: 12, 2: 14, 3: 9, 4: 6} if registers(lanes * SIZE) == 32 else {1: 12, 2: 6, 3: 4, 4: 2}
    for places, limit in limits.items():
        tiles = divide(outputs, limit)
        rows = divide(outputs, tiles)
        # Two FMAs a cycle; one broadcast a cycle in practice; a sum can be added to every 4 cycles.
        step = max(rows * places * 0.5 + 0.1 * rows, rows * 1.0, 4.0) + 0.5
        yield Tile(mode, lanes, rows, places, tiles * divide(vectors, places) * step)


def choose_tile(c: Correlation, lanes: int, mode: int | None = None) -> Tile:
    """The cheapest of both ways to fill vectors, counting the transposition that `BY_IMAGE` needs."""
    best = None
    if mode in (None, BY_ROW):
        vectors = c.out[0] * c.out[1] * divide(c.out[2], lanes)
        for tile in _tiles(BY_ROW, lanes, c.outputs, vectors):
            cycles = c.images * c.groups * c.inputs * (tile.cycles * prod(c.taps))
            best = min(best or (cycles, tile), (cycles, tile), key=lambda pair: pair[0])
    if mode in (None, BY_IMAGE):
        blocks = divide(c.images, lanes)
        seen = prod(sum(last - first for first, last in axis) / len(axis) for axis in _taps_seen(c, BY_IMAGE))
        for tile in _tiles(BY_IMAGE, lanes, c.outputs, prod(c.out)):
            moved = 6.0 * (prod(c.size) * c.inputs + prod(c.out) * c.outputs)
            cycles = blocks * c.groups * (tile.cycles * seen * c.inputs + moved)
            best = min(best or (cycles, tile), (cycles, tile), key=lambda pair: pair[0])
    assert best is not None  # one of the modes was looked at
    return best[1]


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


def tables(c: Correlation, tile: Tile, source: Source, chunk_vectors: int) -> bytes:
    """What the tiles of one block of images do: records of chunks, of tiles, and lists of taps (all int64)."""
    columns = 1 if tile.mode == BY_IMAGE else min(tile.lanes, c.out[2])
    starts = [min(w, c.out[2] - columns) for w in range(0, c.out[2], columns)]
    everything = [(d, h, w) for d in range(c.out[0]) for h in range(c.out[1]) for w in starts]
    seen = _taps_seen(c, tile.mode)
    chunks: list[tuple[int, int, int, int]] = []
    tiles: list[tuple[int, list[int]]] = []
    lists: dict[tuple[tuple[int, int], ...], int] = {}
    for start in range(0, len(everything), chunk_vectors):
        vectors = everything[start : start + chunk_vectors]
        length = len(vectors)
        vectors += vectors[-1:] * (-length % tile.places)  # a last tile that is not full repeats a vector
        chunks.append((len(tiles), len(vectors) // tile.places, start, length))
        for at in range(0, len(vectors), tile.places):
            offsets, bounds = [], []
            for place in vectors[at : at + tile.places]:
                flat = (place[0] * c.out[1] + place[1]) * c.out[2] + place[2]
                output = (flat - start) * tile.lanes if tile.mode == BY_IMAGE else flat
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
    for first, count, start, length in chunks:
        values += [tiles_at + first * tile_record(tile.places), count, start, length]
    for number, offsets in tiles:
        values += [taps_at + spans[number] * TAP, spans[number + 1] - spans[number], *offsets]
    for tap in taps:
        values += tap
    return pack(f"{len(values)}q", *values)


def _steps(
    c: Correlation,
    lanes: int,
    mode: int | None,
    source_ref: Ref,
    weights: Ref,
    bias: Ref | int,
    output: Ref,
    taps_order: tuple,
    at: int,
):
    """Steps of one correlation and the end of the workspace they use from ``at`` on.

    ``taps_order``: strides of the weights in elements for (group, output, input), the first tap, and the steps along the axes.
    """
    tile = choose_tile(c, lanes, mode)
    source = describe_source(c, tile.mode, lanes)
    blocks = divide(c.images, lanes) if tile.mode == BY_IMAGE else c.images
    tiles = divide(c.outputs, tile.rows)
    tile_weights = prod(c.taps) * c.inputs * tile.rows * SIZE
    packed = Ref("tmp", 0, at)
    at += divide(c.groups * tiles * tile_weights, LINE) * LINE
    grain = max(1, 16384 * SIZE // tile_weights)
    words = (weights, packed, tile.rows, c.outputs, c.inputs, *c.taps, *taps_order)
    steps = [Step(Kernel(("conv_weights",), "numod.kernel.conv_layout_simd:pack_weights"), c.groups * tiles, words, grain)]

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
            steps.append(frame_step(c, tile.mode, lanes, source, first, count, source_ref, frames))
        here = frames if source.framed else source_ref._replace(offset=source_ref.offset + source.origin)
        valid = min(lanes, c.out[2]) if tile.mode == BY_ROW else lanes
        words = (
            *(here, packed, bias, output, table),
            *(source.block, source.channel, c.inputs, c.outputs, c.groups),
            *(tile_weights, prod(c.out) * SIZE, valid, tiles, chunk_tiles, tile_chunks),
            *(count, first, c.images, scratch_row),
        )
        tasks = chunks * tile_chunks * count * c.groups
        work = count * c.groups * c.outputs * c.inputs * prod(c.out) * prod(c.taps)
        steps.append(Step(convolve, tasks, words, max(1, tasks // TASKS) if work >= SERIAL else 0, scratch_row * tile.rows))
    return steps, at


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
    """y (N, O, *out) from x (N, C, *size), weight (O, C / groups, *taps) and, if ``bias``, bias (O,).

    None where the generic form must serve: no values at all, or more than three spatial axes.
    """
    if not applies(x_shape, w_shape):
        return None
    c = correlation(x_shape, w_shape, stride, padding, dilation, groups)
    if min(c.out) < 1:
        return None
    taps = prod(c.taps)
    lanes = lanes or lanes_of(SIZE)
    refs = (Ref("in", 0), Ref("in", 1), Ref("in", 2) if bias else 0, Ref("out"))
    if mode == COLUMNS:
        steps, workspace = conv_columns.steps(c, lanes, *refs, WeightRows(c.inputs * taps, tuple(range(taps)), False), 0)
    else:
        order = (c.outputs * c.inputs * taps, c.inputs * taps, taps, 0, c.taps[1] * c.taps[2], c.taps[2], 1)
        steps, workspace = _steps(c, lanes, mode, *refs, order, 0)
    outputs = c.images * c.groups * c.outputs * prod(c.out)
    return Program((outputs * SIZE,), 3 if bias else 2, tuple(steps), workspace + LINE)


@dataclass(frozen=True)
class _Class:
    """Inputs congruent to ``phase`` modulo the stride along one axis: they meet every ``step``-th tap, from ``last`` down."""

    places: int
    taps: int
    dilation: int
    before: int
    last: int
    step: int


def _classes(size: int, taps: int, stride: int, padding: int, dilation: int) -> list[_Class]:
    """Input i meets tap t at output o where i + padding = o * stride + t * dilation."""
    common = gcd(stride, dilation)
    step = stride // common
    found = []
    for phase in range(stride):
        first = next((t for t in range(min(step, taps)) if (phase + padding - t * dilation) % stride == 0), None)
        count = 0 if first is None else divide(taps - first, step)
        last = 0 if first is None else first + (count - 1) * step
        before = -((phase + padding - last * dilation) // stride)
        found.append(_Class(divide(size - phase, stride), count, dilation // common, before, last, step))
    return found


def data_gradient(x_shape, w_shape, stride, padding, dilation, groups, lanes=None, mode=None) -> Program | None:
    """dx (N, C, *size) from dy (N, O, *out) and weight; None as for `forward`."""
    if not applies(x_shape, w_shape):
        return None
    f = correlation(x_shape, w_shape, stride, padding, dilation, groups)
    if min(f.out) < 1:
        return None
    lanes = lanes or lanes_of(SIZE)
    taps = prod(f.taps)
    tap_steps = (f.taps[1] * f.taps[2], f.taps[2], 1)
    axes = [_classes(*axis) for axis in zip(f.size, f.taps, f.stride, f.before, f.dilation, strict=True)]
    planes = f.images * f.groups * f.inputs
    whole = f.stride == (1, 1, 1)
    steps, offsets, at, workspace = [], [], 0, 0
    parts = list(product(*axes))
    for part in parts:
        exists = all(axis.taps and axis.places > 0 for axis in part)
        offsets.append(at if exists else -1)
        if exists:
            at += divide(planes * prod(axis.places for axis in part) * SIZE, LINE) * LINE
    at = 0 if whole else at
    if mode == COLUMNS:
        transposed, columns = Ref("tmp", 0, at), f.inputs * taps
        words = (Ref("in", 1), transposed, f.outputs, columns)
        kernel = Kernel(("conv_transposed_weights", lanes), "numod.kernel.conv_layout_simd:transpose_weights")
        steps.append(Step(kernel, f.groups * divide(columns, lanes), words, max(1, 32768 // (lanes * f.outputs))))
        workspace = at = at + divide(f.groups * f.outputs * columns * SIZE, LINE) * LINE
    for part, offset in zip(parts, offsets, strict=True):
        if offset < 0:
            continue
        places, tap_counts, dilations, before, lasts, tap_strides = zip(*map(astuple, part), strict=True)
        c = Correlation(f.images, f.groups, f.outputs, f.inputs, f.out, places, tap_counts, (1, 1, 1), dilations, before)
        target = Ref("out") if whole else Ref("tmp", 0, offset)
        if mode == COLUMNS:
            found = product(*(range(last, last - n * step, -step) for last, n, step in zip(lasts, tap_counts, tap_strides, strict=True)))
            starts = tuple(f.outputs * sum(t * step for t, step in zip(tap, tap_steps, strict=True)) for tap in found)
            rows = WeightRows(f.outputs * taps, starts, True)
            made, end = conv_columns.steps(c, lanes, Ref("in", 0), transposed, 0, target, rows, at)
            steps += made
            workspace = max(workspace, end)
            continue
        first = sum(last * step for last, step in zip(lasts, tap_steps, strict=True))
        order = (
            f.outputs * f.inputs * taps,
            taps,
            f.inputs * taps,
            first,
            *(-stride * step for stride, step in zip(tap_strides, tap_steps, strict=True)),
        )
        made, end = _steps(c, lanes, mode, Ref("in", 0), Ref("in", 1), 0, target, order, at)
        steps += made
        workspace = max(workspace, end)
    if not whole:
        words: tuple[Word, ...] = (Ref("tmp"), Ref("out"), *f.size, *f.stride, *offsets)
        merge = Kernel(("conv_merge",), "numod.kernel.conv_layout_simd:merge_phases")
        steps.append(Step(merge, planes, words, max(1, 16384 // prod(f.size))))
    return Program((planes * prod(f.size) * SIZE,), 2, tuple(steps), workspace + LINE)
