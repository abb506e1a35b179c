"""The weight gradient of windows of 3 x 3 on the CPU with fewer multiplications: which kernels run for which shapes. Plain Python; the machine code is
in `conv_weight_winograd_simd`.

The transpose of `conv_winograd`'s algorithm: with the same tiles of 2 x 2 outputs, that see 4 x 4 values x of an image, and their gradients y,

    dw = G' [(B' x B) * (A y A')] G,  with * element by element, and summed over all tiles before G is applied.

For each of the 16 places that is a product of matrices, (outputs, tiles) times (tiles, inputs), in the register tiles of `gemm`. A piece of work has a
block of output channels and a block of input channels. Chunk by chunk of tiles, it transposes what they see, so that vectors lie along the channels,
transforms it, and adds up the products, all in scratch memory that stays in the second-level cache. Where there are few blocks, parts of the tiles are
done in parallel and are added in a last step; how they are parted depends on the shapes only.
"""

from __future__ import annotations

from math import prod
from struct import pack

from . import conv_winograd
from .conv_columns import SERIAL, step_cycles
from .conv_winograd import PLACES
from .correlation import LINE, SIZE, Correlation
from .gemm import ROWS
from .program import Kernel, Program, Ref, Step, Word, divide

BLOCK = 64  # channels on either side: transformed tiles and sums of all 16 places are 900 KB together
TILES = 64  # of a chunk, and products that are added up in one chain; or a whole row of tiles
WIDEST = 256  # outputs of a row at most, to keep scratch memory bounded
PIECES = 4  # aim for at least this many pieces of work ...
PART = 256  # ... with at least this many tiles in a part, because sums are transformed back for each
TRANSFORMED = {"images": 60, "gradient": 40, "sums": 9}  # cycles: of a tile for a vector of channels, and of a weight
TILE_CALL = 60  # to begin and end a register tile
CHUNK, SEGMENT = 24, 40  # bytes of a record: see `_tables`


def applies(c: Correlation) -> bool:
    """Whether this may be done in this way."""
    return conv_winograd.applies(c) and c.out[2] <= WIDEST


def _tables(c: Correlation) -> tuple[bytes, int, int, int]:
    """Chunks of tiles as int64 records, with addresses in bytes from the start; how many there are; and the most tiles and rows of tiles of one.

    chunks: segments (address, count), and tiles
    segments: neighbouring rows of tiles of an image: bytes of images and of gradients to the image, first and last + 1 row, number of the first tile
    """
    down, across = divide(c.out[1], 2), divide(c.out[2], 2)
    image_in, image_out = c.groups * c.inputs * prod(c.size) * SIZE, c.groups * c.outputs * prod(c.out) * SIZE
    lines, most = c.images * down, max(1, TILES // across)
    chunks: list[tuple[int, int, int]] = []
    segments: list[tuple[int, ...]] = []
    size = divide(lines, divide(lines, most))
    for first in range(0, lines, size):
        last, begin, line = min(first + size, lines), len(segments), first
        while line < last:
            image, y = divmod(line, down)
            count = min(down - y, last - line)
            segments.append((image * image_in, image * image_out, y, y + count, (line - first) * across))
            line += count
        chunks.append((begin, len(segments) - begin, (last - first) * across))
    values: list[int] = []
    for begin, count, tiles in chunks:
        values += [len(chunks) * CHUNK + begin * SEGMENT, count, tiles]
    for segment in segments:
        values += segment
    return pack(f"{len(values)}q", *values), len(chunks), size * across, min(size, down)


def _parts(c: Correlation, chunks: int) -> int:
    """Parts of the chunks that are added up by themselves: a power of two, so that they are shared evenly."""
    blocks = c.groups * divide(c.outputs, BLOCK) * divide(c.inputs, BLOCK)
    parts = 1
    while 2 * parts <= chunks and parts * blocks < PIECES and 2 * parts * PART <= _count(c):
        parts *= 2
    return parts


def _count(c: Correlation) -> int:
    """Tiles of all images."""
    return c.images * divide(c.out[1], 2) * divide(c.out[2], 2)


def cycles(c: Correlation, lanes: int) -> float:
    """About how long it takes on one thread."""
    tiles, rows, vectors = _count(c), divide(c.outputs, ROWS), divide(c.inputs, lanes)
    chunks = divide(tiles, TILES)
    multiplied = PLACES * rows * (tiles * step_cycles(vectors, lanes) + TILE_CALL * chunks * divide(c.inputs, BLOCK))
    images = TRANSFORMED["images"] * tiles * vectors * divide(c.outputs, BLOCK)
    gradient = TRANSFORMED["gradient"] * tiles * divide(c.outputs, lanes) * divide(c.inputs, BLOCK)
    return c.groups * (multiplied + images + gradient + TRANSFORMED["sums"] * _parts(c, chunks) * c.outputs * c.inputs)


def program(c: Correlation, lanes: int) -> Program:
    """dw from dy and x, in this order."""
    tables, chunks, tiles, rows = _tables(c)
    parts = _parts(c, chunks)
    line = (BLOCK + lanes) * SIZE
    flat = max((2 * rows + 2) * c.size[2], 2 * rows * c.out[2])  # places of a segment
    plane, sums_plane = tiles * line + LINE, BLOCK * line + LINE  # the planes of the 16 places begin in different sets of a cache
    dw = c.groups * c.outputs * c.inputs * 9
    words: tuple[Word, ...] = (
        *(Ref("in", 1), Ref("in", 0), Ref("out") if parts == 1 else Ref("tmp"), tables, bytes(line)),
        *(c.groups, c.inputs, c.outputs, *c.size[1:], *c.out[1:], *c.before[1:]),
        *(chunks, parts, dw * SIZE, plane, sums_plane),
    )
    tasks = parts * c.groups * divide(c.outputs, BLOCK) * divide(c.inputs, BLOCK)
    shared = PLACES * c.groups * c.outputs * c.inputs * _count(c) >= SERIAL
    kernel = Kernel(("conv_weight_winograd", lanes), "numod.kernel.conv_weight_winograd_simd:accumulate")
    scratch = PLACES * (2 * plane + sums_plane) + flat * line
    steps = [Step(kernel, tasks, words, int(shared), scratch)]
    if parts > 1:
        row = c.inputs * 9
        words = (Ref("tmp"), Ref("out"), 1, row, parts, dw * SIZE, c.outputs, row, row * SIZE)
        kernel = Kernel(("conv_weight_sum", lanes), "numod.kernel.conv_weight_simd:add_parts")
        steps.append(Step(kernel, c.groups * c.outputs, words, max(1, 16384 // (row * parts))))
    return Program((dw * SIZE,), 2, tuple(steps), parts * dw * SIZE if parts > 1 else 0)
