"""Convolutions with windows of 3 x 3 on the CPU with fewer multiplications: which kernels run for which shapes. Plain Python; the machine code is in
`conv_winograd_simd`.

Winograd's F(2 x 2, 3 x 3) (Lavin & Gray, 2016): a tile of 2 x 2 outputs sees 4 x 4 values of an image. These and the weights are transformed to 16 values
each, so that 16 multiplications do what 36 did:

    y = A' [(G w G') * (B' x B)] A,  with * element by element, and summed over the input channels before A is applied.

For each of the 16 places that is a product of matrices, weights (outputs, inputs) times tiles (inputs, tiles), in the register tiles of `gemm`. A piece of
work has whole rows of tiles. It transforms a panel of tiles at a time into scratch memory, multiplies, and transforms the products back into the output.

Weights are transformed once, before that, or, where many weights meet few tiles, by each piece of work as it comes to them: then it transforms all its tiles
first, and each weight goes once through the second-level cache and never to memory.
"""

from __future__ import annotations

from itertools import product
from math import inf
from struct import pack

from .. import config
from . import conv_columns
from .conv_columns import CACHED, SERIAL, step_cycles
from .correlation import SIZE, Correlation, odd_lines
from .gemm import ROWS, column_vectors
from .host import idle, most_pieces
from .program import Kernel, Ref, Step, Word, divide

PLACES = 16  # of a transformed tile
TAPS = 9 * SIZE  # bytes of a window
DEPTH = 64  # input channels that are added up in one chain: the shorter, the smaller the error
ROW_BLOCK = 16 * ROWS  # output channels whose products are transformed back at a time: those of a panel stay in the second-level cache
CACHE = 3 << 19  # bytes of transformed tiles that stay there, too
MOST = 6 << 20  # bytes of transformed tiles of a piece of work that transforms weights
CHANNELS = 2  # whose tiles are transformed one after the other: what they read and write stays in the first-level cache
PIECES = 4  # so many may transform all weights for themselves on a single thread, to keep their tiles few
TILES_IN, TILES_OUT = 40, 30  # cycles to transform the tiles of a vector on the way in and out
WEIGHT, WEIGHT_INSIDE = 14, 7  # to transform a weight before, which goes through memory, and by a piece of work
BUSY = 1.1  # of the register tiles' time: what they wait for memory ...
FAR = 1.2  # ... and with so many tiles of a piece of work that they do not stay in the second-level cache
TILE_CALL = 40  # to begin and end a register tile
STREAMED = 8  # bytes of transformed weights a cycle, where they are too many for the second-level cache
PIECE, PANEL, SEGMENT, PART = 32, 24, 72, 24  # bytes of a record: see `tables`


def applies(c: Correlation) -> bool:
    """Whether this is a convolution with a 3 x 3 window that goes from place to place, and may be done in this way."""
    return (
        config.winograd and c.taps == (1, 3, 3) and c.stride == c.dilation == (1, 1, 1) and c.size[0] == c.out[0] == 1 and c.before[0] == 0
    )


def tables(c: Correlation, pieces: int, width: int, lanes: int) -> bytes:
    """What the pieces do, as int64 records, addresses in bytes from the start:

    pieces: panels (address, count) and parts of images (address, count)
    panels: segments (address, count), and tiles
    segments: neighbouring tiles of a row, a vector at most: byte offset of the source; which of its 4 rows exist (first, last + 1), and which columns;
              bytes of panel; byte offset of the output, its columns, its rows
    parts: image, and its first and last + 1 output
    """
    (_, height, row), (_, out_height, out_row) = c.size, c.out
    down, across = divide(out_height, 2), divide(out_row, 2)
    lines = c.images * down
    image_in, image_out = c.groups * c.inputs * height * row, c.groups * c.outputs * out_height * out_row
    own: list[tuple[int, int, int, int]] = []  # of the pieces: numbers in place of addresses, as in the panels
    panels: list[tuple[int, int, int]] = []
    segments: list[tuple[int, ...]] = []
    parts: list[tuple[int, int, int]] = []
    for piece in range(pieces):
        panel, segment, part, tiles = len(panels), len(segments), len(parts), 0
        last = lines * (piece + 1) // pieces - 1
        for line in range(lines * piece // pieces, last + 1):
            image, y = divmod(line, down)
            x = 0
            while x < across:
                count = min(lanes, across - x, width - tiles)
                top, left = 2 * y - c.before[1], 2 * x - c.before[2]
                seen = (max(0, -top), min(4, height - top), max(0, -left), row - left)
                source, target = image * image_in + top * row + left, image * image_out + 2 * y * out_row + 2 * x
                written = (min(2 * count, out_row - 2 * x), min(2, out_height - 2 * y))
                segments.append((source * SIZE, *seen, tiles * SIZE, target * SIZE, *written))
                x, tiles = x + count, tiles + count
                if tiles == width or (line == last and x == across):
                    panels.append((segment, len(segments) - segment, tiles))
                    segment, tiles = len(segments), 0
            begin, end = 2 * y * out_row, min(2 * y + 2, out_height) * out_row
            if len(parts) > part and parts[-1][0] == image:
                begin = parts.pop()[1]
            parts.append((image, begin, end))
        own.append((panel, len(panels) - panel, part, len(parts) - part))
    panels_at = pieces * PIECE
    segments_at = panels_at + len(panels) * PANEL
    parts_at = segments_at + len(segments) * SEGMENT
    values: list[int] = []
    for panel, panel_count, part, part_count in own:
        values += [panels_at + panel * PANEL, panel_count, parts_at + part * PART, part_count]
    for segment, segment_count, tiles in panels:
        values += [segments_at + segment * SEGMENT, segment_count, tiles]
    for record in (*segments, *parts):
        values += record
    return pack(f"{len(values)}q", *values)


def steps(
    c: Correlation, lanes: int, source: Ref, weights: Ref, bias: Ref | int, output: Ref, exchanged: bool, at: int
) -> tuple[list[Step], int]:
    """Steps of one correlation and the end of the workspace they use from ``at`` on.

    exchanged: the weights are (group, input, output, tap), their taps from the last to the first; else (group, output, input, tap).
    """
    pieces, row_blocks, vectors, inside = _blocks(c, lanes)
    width, row_block = vectors * lanes, divide(divide(c.outputs, ROWS), row_blocks) * ROWS
    plane, panel_row = c.out[1] * c.out[2], (width + lanes) * SIZE
    kept, depth = min(ROW_BLOCK, row_block), divide(c.inputs, divide(c.inputs, DEPTH))
    most_tiles = divide(c.images * divide(c.out[1], 2), pieces) * divide(c.out[2], 2)
    together = divide(most_tiles, width) if inside else 1  # panels
    rows, columns = (c.inputs, c.outputs) if exchanged else (c.outputs, c.inputs)
    made: list[Step] = []
    if inside:
        own_rows, own_columns = (depth, kept) if exchanged else (kept, depth)
        pitch, a_rows, transformed = odd_lines(own_columns * SIZE), own_rows, weights
    else:
        pitch, a_rows, transformed = odd_lines(columns * SIZE), rows, Ref("tmp", 0, at)
        at += c.groups * PLACES * odd_lines(rows * pitch)
        words: tuple[Word, ...] = (weights, transformed, rows, columns, pitch, odd_lines(rows * pitch))
        kernel = Kernel(("conv_winograd_weights", lanes), "numod.kernel.conv_winograd_simd:transform_weights")
        made.append(Step(kernel, c.groups * rows, words, max(1, 4096 // columns)))
    place, product_place, a_place = (odd_lines(count * row) for count, row in ((c.inputs, panel_row), (kept, panel_row), (a_rows, pitch)))
    words = (
        *(source, transformed, bias or bytes(SIZE), output, tables(c, pieces, width, lanes), bytes((width + 2 * lanes + 2) * SIZE)),
        *(c.size[1] * c.size[2] * SIZE, c.size[2] * SIZE, c.inputs, c.groups, c.outputs, plane, c.out[2] * SIZE),
        *(pieces, row_block, kept, divide(c.inputs, DEPTH), panel_row, int(bias != 0)),
        *(together, int(inside), int(exchanged), pitch, place, product_place, a_place, 0),
    )
    kernel = Kernel(("conv_winograd", lanes), "numod.kernel.conv_winograd_simd:multiply")
    scratch = PLACES * (together * (place + product_place) + inside * a_place)
    opened = min(plane, divide(c.images * plane, pieces))
    made.append(Step(kernel, c.groups * pieces * divide(c.outputs, row_block), words, int(_work(c) >= SERIAL), scratch, open=opened))
    return made, at


def _work(c: Correlation) -> int:
    """Multiplications."""
    return PLACES * c.groups * c.outputs * c.inputs * _tiles(c)


def _tiles(c: Correlation) -> int:
    return c.images * divide(c.out[1], 2) * divide(c.out[2], 2)


def cycles(c: Correlation, lanes: int) -> float:
    """About how long it takes on one thread."""
    lines = c.images * divide(c.out[1], 2)
    return min(
        _cost(c, lanes, vectors, inside, pieces, 1)
        for vectors in _widths(lanes)
        for inside, most in ((False, 1), (True, PIECES))
        for pieces in range(1, min(lines, most) + 1)
    )


def _widths(lanes: int) -> tuple[int, ...]:
    """Vectors that a panel may have."""
    widest = column_vectors(lanes, "float32")
    return tuple(sorted({widest, max(1, widest // 2)}))


def _cost(c: Correlation, lanes: int, vectors: int, inside: bool, pieces: int, row_blocks: int) -> float:
    """Cycles, when the work is cut into so many pieces; ``inside``: which transform the weights."""
    piece = divide(_tiles(c), pieces)
    panels = divide(piece, vectors * lanes)
    used = (panels - 1) * step_cycles(vectors, lanes) + step_cycles(divide(piece - (panels - 1) * vectors * lanes, lanes), lanes)
    rows = divide(c.outputs, ROWS)
    multiplied = PLACES * rows * (c.inputs * used + TILE_CALL * panels)
    across = divide(c.out[2], 2)
    segments = piece / across * divide(across, lanes)
    moved = segments * (TILES_IN * c.inputs * row_blocks + TILES_OUT * c.outputs)
    tiles = PLACES * c.inputs * (vectors + 1) * lanes * SIZE * (panels if inside else 1)
    weights = c.outputs * c.inputs
    if inside:
        multiplied *= BUSY if tiles < CACHE else FAR
        return c.groups * pieces * (multiplied + moved + WEIGHT_INSIDE * weights) if tiles <= MOST else inf
    multiplied *= BUSY if tiles < CACHE else 1.5
    read = panels * PLACES * weights * SIZE / (CACHED if PLACES * weights * SIZE < conv_columns.CACHE else STREAMED)
    return c.groups * (pieces * (max(multiplied, read) + read / 2 + moved) + WEIGHT * weights)


def _blocks(c: Correlation, lanes: int) -> tuple[int, int, int, bool]:
    """Pieces of rows of tiles, blocks of output channels, vectors of a panel, and whether pieces of work transform the weights."""
    shared, lines = _work(c) >= SERIAL, c.images * divide(c.out[1], 2)
    best = (inf, 0, 0, 0, False)
    for vectors, inside in product(_widths(lanes), (False, True)):
        most = max(most_pieces() if shared else 1, PIECES if inside else 1)
        for pieces in range(1, min(lines, most) + 1):
            for row_blocks in range(1, min(divide(c.outputs, ROWS), most_pieces() if shared else 1) + 1):
                waited = idle(c.groups * pieces * row_blocks) if shared else 0.0
                cost = _cost(c, lanes, vectors, inside, pieces, row_blocks) * (1 + waited)
                best = min(best, (cost, pieces, row_blocks, vectors, inside))
    return best[1:]
