"""Direct convolutions on the CPU: which kernels run for which shapes. Plain Python; the machine code is in `conv_simd`,
`conv_layout_simd` and `conv_weight_simd`.

Every convolution is described as a `Correlation` over three spatial axes (missing ones have extent 1). The data gradient is
one too, over the output's gradient with exchanged, flipped weights; with strides, one for each class of inputs modulo the
strides, so that no multiplication with an inserted zero is done.

Two ways to fill vectors: with neighbouring outputs of an image row (`BY_ROW`), or with one output of neighbouring images
(`BY_IMAGE`: images are transposed on the way in and out, but small images waste no lanes and taps that only meet padding are skipped).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from math import gcd, prod

from .host import lanes_of, registers
from .program import Kernel, Program, Ref, Step

SIZE = 4  # bytes of a float32
BY_ROW, BY_IMAGE = 0, 1
TASKS = 16  # aim for at least this many pieces of work, so that threads end together
WINDOW = 1 << 18  # bytes of source that a piece should stay within, to find it in the second-level cache
FRAMES = 1 << 22  # bytes of padded or transposed images made before they are used
LINE = 64

Axes = tuple[int, int, int]


@dataclass(frozen=True)
class Correlation:
    """output[n, g, o, i] = bias[g, o] + sum over c, t of weight[g, o, c, t] * source[n, g, c, i * stride + t * dilation - before]."""

    images: int
    groups: int
    inputs: int  # channels of a group
    outputs: int  # channels of a group
    size: Axes
    out: Axes
    taps: Axes
    stride: Axes
    dilation: Axes
    before: Axes  # padding at the start; negative: that much of the source is never read

    @property
    def frame(self) -> Axes:
        """What the taps of all outputs reach over."""
        return tuple((o - 1) * s + (t - 1) * d + 1 for o, s, t, d in zip(self.out, self.stride, self.taps, self.dilation))


def _divide(count: int, by: int) -> int:
    return -(-count // by)


def _axes(values: tuple[int, ...], missing: int) -> Axes:
    return (missing,) * (3 - len(values)) + tuple(values)


def correlation(x_shape, w_shape, stride, padding, dilation, groups) -> Correlation:
    """The forward convolution; axes that kernel, stride and padding leave alone are one axis."""
    size, taps = _axes(x_shape[2:], 1), _axes(w_shape[2:], 1)
    stride, padding, dilation = _axes(stride, 1), _axes(padding, 0), _axes(dilation, 1)
    if taps == (1, 1, 1) and stride == (1, 1, 1) and padding == (0, 0, 0):
        size = (1, 1, prod(size))
    out = tuple((s + 2 * p - (t - 1) * d - 1) // st + 1 for s, p, t, d, st in zip(size, padding, taps, dilation, stride))
    return Correlation(x_shape[0], groups, x_shape[1] // groups, w_shape[0] // groups, size, out, taps, stride, dilation, padding)


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
        tiles = _divide(outputs, limit)
        rows = _divide(outputs, tiles)
        # Two FMAs a cycle; one broadcast a cycle in practice; a sum can be added to every 4 cycles.
        step = max(rows * places * 0.5 + 0.1 * rows, rows * 1.0, 4.0) + 0.5
        yield Tile(mode, lanes, rows, places, tiles * _divide(vectors, places) * step)


def _seen_taps(c: Correlation) -> float:
    """Taps of an average output that do not lie in padding entirely."""
    seen = 1.0
    for size, out, taps, stride, dilation, before in zip(c.size, c.out, c.taps, c.stride, c.dilation, c.before):
        reach = [sum(0 <= i * stride + t * dilation - before < size for t in range(taps)) for i in range(out)] if out * taps < 4096 else [taps]
        seen *= max(sum(reach) / len(reach), 1e-3)
    return seen


def choose_tile(c: Correlation, lanes: int, mode: int | None = None) -> Tile:
    """The cheapest of both ways to fill vectors, counting the transposition that `BY_IMAGE` needs."""
    best = None
    if mode in (None, BY_ROW):
        vectors = c.out[0] * c.out[1] * _divide(c.out[2], lanes)
        for tile in _tiles(BY_ROW, lanes, c.outputs, vectors):
            cycles = c.images * c.groups * c.inputs * (tile.cycles * prod(c.taps))
            best = min(best or (cycles, tile), (cycles, tile), key=lambda pair: pair[0])
    if mode in (None, BY_IMAGE):
        blocks = _divide(c.images, lanes)
        for tile in _tiles(BY_IMAGE, lanes, c.outputs, prod(c.out)):
            moved = 6.0 * (prod(c.size) * c.inputs + prod(c.out) * c.outputs)
            cycles = blocks * c.groups * (tile.cycles * _seen_taps(c) * c.inputs + moved)
            best = min(best or (cycles, tile), (cycles, tile), key=lambda pair: pair[0])
    return best[1]


@dataclass(frozen=True)
class Source:
    """Where the tiles read: byte strides of the images as they are, or of the frames that a step makes of them."""

    block: int
    channel: int
    place: Axes  # from output to output
    tap: Axes  # from tap to tap; along the last axis from one tap of a phase to its next
    phases: int = 1
    phase: int = 0
    origin: int = 0  # bytes to the first value read
    framed: bool = False


def describe_source(c: Correlation, mode: int, lanes: int) -> Source:
    channels = c.groups * c.inputs
    if mode == BY_ROW:
        fits = all(b <= 0 and f - b <= s for b, f, s in zip(c.before, c.frame, c.size))
        if fits and c.stride[2] == 1:
            row, plane = c.size[2] * SIZE, c.size[1] * c.size[2] * SIZE
            steps = (plane, row, SIZE)
            origin = -sum(b * s for b, s in zip(c.before, steps))
            channel = c.size[0] * plane
            place = tuple(a * b for a, b in zip(c.stride, steps))
            tap = (c.dilation[0] * plane, c.dilation[1] * row, SIZE)
            return Source(channels * channel, channel, place, tap, origin=origin)
        phases = c.stride[2]
        columns = _divide(c.frame[2], phases)
        row = phases * columns * SIZE
        place = (c.stride[0] * c.frame[1] * row, c.stride[1] * row, SIZE)
        tap = (c.dilation[0] * c.frame[1] * row, c.dilation[1] * row, SIZE)
        channel = _odd_lines(c.frame[0] * c.frame[1] * row)
        return Source(channels * channel, channel, place, tap, phases, columns * SIZE, framed=True)
    vector = lanes * SIZE
    row = c.frame[2] * vector
    steps = (c.frame[1] * row, row, vector)
    place = tuple(a * b for a, b in zip(c.stride, steps))
    tap = (c.dilation[0] * steps[0], c.dilation[1] * steps[1], vector)
    channel = _odd_lines(c.frame[0] * steps[0])
    return Source(channels * channel, channel, place, tap, framed=True)


def _odd_lines(size: int) -> int:
    """Round up to an odd number of cache lines, so that channels do not all fall on the same few sets of a cache."""
    return (_divide(size, LINE) | 1) * LINE


def frame_step(c: Correlation, mode: int, lanes: int, source: Source, first: int, blocks: int, ref: Ref, target: Ref) -> Step:
    """The step that makes the frames of ``blocks`` images (or blocks of images) from number ``first`` on."""
    channels = c.groups * c.inputs
    grain = max(1, 32768 // prod(c.frame) // (lanes if mode == BY_IMAGE else 1))
    if mode == BY_ROW:
        columns = source.phase // SIZE
        words = (ref, target, *c.size, *c.before, *c.frame[:2], columns, source.phases, source.channel, first * channels)
        return Step(Kernel(("conv_pad",), "numod.kernel.conv_layout_simd:pad"), blocks * channels, words, grain)
    size, before, frame = c.size, c.before, c.frame
    if before == (0, 0, 0) and frame == size:
        size, frame = (1, 1, prod(size)), (1, 1, prod(frame))
    words = (ref, target, *size, *before, *frame, source.channel, channels, c.images, first)
    kernel = Kernel(("conv_by_image", lanes), "numod.kernel.conv_layout_simd:interleave_images")
    return Step(kernel, blocks * channels, words, grain)


def _steps(c: Correlation, lanes: int, mode: int | None, source_ref: Ref, weights: Ref, bias: Ref | int, output: Ref, taps_order: tuple, at: int):
    """Steps of one correlation and the end of the workspace they use from ``at`` on.

    ``taps_order``: strides of the weights in elements for (group, output, input), the first tap, and the steps along the axes.
    """
    tile = choose_tile(c, lanes, mode)
    source = describe_source(c, tile.mode, lanes)
    blocks = _divide(c.images, lanes) if tile.mode == BY_IMAGE else c.images
    tiles = _divide(c.outputs, tile.rows)
    packed = Ref("tmp", 0, at)
    at += _divide(c.groups * tiles * prod(c.taps) * c.inputs * tile.rows * SIZE, LINE) * LINE
    pack = Kernel(("conv_weights", tile.rows), "numod.kernel.conv_layout_simd:pack_weights")
    grain = max(1, 16384 // (prod(c.taps) * c.inputs * tile.rows))
    steps = [Step(pack, c.groups * tiles, (weights, packed, c.outputs, c.inputs, *c.taps, *taps_order), grain)]

    rows, unit = c.out[0] * c.out[1], (lanes if tile.mode == BY_IMAGE else 1)
    vectors_of_row = c.out[2] if tile.mode == BY_IMAGE else _divide(c.out[2], lanes)
    window = c.inputs * source.place[1] + tile.rows * c.out[2] * unit * SIZE  # bytes that a row of outputs needs anew
    chunk_rows = max(1, min(rows, WINDOW // window))
    pieces = _divide(TASKS, blocks * c.groups)
    enough = _divide(4 * tile.places, vectors_of_row)  # rows below which a chunk is not worth its preparation
    chunk_rows = max(min(chunk_rows, _divide(rows, pieces)), min(enough, chunk_rows))
    chunk_rows = _divide(rows, _divide(rows, chunk_rows))
    chunks = _divide(rows, chunk_rows)
    tile_chunks = max(1, min(tiles, _divide(pieces, chunks)))
    chunk_tiles = _divide(tiles, tile_chunks)
    tile_chunks = _divide(tiles, chunk_tiles)

    records = _divide(chunk_rows * vectors_of_row, tile.places) * (64 + 16 * tile.places)
    scratch = prod(c.taps) * 16 + records + LINE
    if tile.mode == BY_IMAGE:
        scratch += _divide(chunk_rows * c.out[2], lanes) * lanes * lanes * SIZE * tile.rows
        seen = (c.stride, c.before, c.dilation, c.size)
    else:  # along a row, the lanes of a vector do not see the same taps
        seen = ((*c.stride[:2], 0), (*c.before[:2], 0), (*c.dilation[:2], 1), (*c.size[:2], c.taps[2]))
    at_once = blocks
    if source.framed:
        at_once = max(1, min(blocks, FRAMES // source.block), _divide(min(TASKS, blocks), chunks * tile_chunks * c.groups))
        frames = Ref("tmp", 0, at)
        at += _divide(at_once * source.block + lanes * SIZE, LINE) * LINE
    convolve = Kernel(("conv", lanes, tile.rows, tile.places, tile.mode), "numod.kernel.conv_simd:convolve")
    for first in range(0, blocks, at_once):
        count = min(at_once, blocks - first)
        if source.framed:
            steps.append(frame_step(c, tile.mode, lanes, source, first, count, source_ref, frames))
        here = frames if source.framed else replace_offset(source_ref, source.origin)
        words = (
            *(here, packed, bias, output, source.block, source.channel),
            *(*source.place, *source.tap, source.phases, source.phase, c.dilation[2] if source.phases > 1 else 0),
            *(*c.taps, *seen[0], *seen[1], *seen[2], *seen[3]),
            *(c.inputs, c.outputs, c.groups, *c.out, chunk_rows, chunk_tiles, count, c.images, first),
        )
        tasks = chunks * tile_chunks * count * c.groups
        steps.append(Step(convolve, tasks, words, max(1, tasks // TASKS), scratch))
    return steps, at


def replace_offset(ref: Ref, offset: int) -> Ref:
    return ref._replace(offset=ref.offset + offset)
