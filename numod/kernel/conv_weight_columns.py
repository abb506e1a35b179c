"""The weight gradient of convolutions of many channels on the CPU as a product of matrices. Plain Python; see `conv_weight_columns_simd`.

The transpose of dw has a row for each (input channel, tap) and a column for each output channel, and is a sum over all output places. The
outputs' gradient is transposed first, into panels of one row for each place; what a row of dw multiplies it with is read from the images
where it is, one value after the other, from an address of its own. A piece of work does some rows of a panel, chunk by chunk of places that stay
in the caches, and each chunk is summed by itself first. Windows of one place exchange images and gradient: then the sums are dw itself. Sums
over several parts of the images are made in parallel where there is too little else to share, and are added in a last step; how the images are
parted depends on the shapes only.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from math import prod
from struct import pack

from .conv_columns import SERIAL, step_cycles
from .correlation import BY_ROW, LINE, SIZE, TASKS, Correlation, Source, describe_source, frame_step
from .gemm import AGAIN, ROWS, column_vectors
from .host import idle, most_pieces
from .program import Kernel, Program, Ref, Step, Word, divide

PLACES = 128  # of a chunk, and products that are added up in one chain: its part of a panel (32 KiB) stays in the first-level cache
TOGETHER = 512  # places at least for which panels are made before they are used
FRAMES = 1 << 20  # bytes of padded images and of panels that are made before they are used, to find them in the second-level cache
DIRECT = 1 << 16  # weights from which their sums need no parts
CHUNK, PIECE = 24, 16  # bytes of a record: (first piece, pieces, first place), (bytes of source, places)


def _chunks(c: Correlation, source: Source, images: int) -> tuple[bytes, int]:
    """Records of chunks of at most `PLACES` places each and of their pieces, which lie in one line of an image; and how many chunks."""
    chunks: list[list[int]] = []
    pieces: list[tuple[int, int]] = []
    room, place, total = 0, 0, images * prod(c.out)
    size = divide(total, divide(total, PLACES))
    for image, d, h in product(range(images), range(c.out[0]), range(c.out[1])):
        w = 0
        while w < c.out[2]:
            if room == 0:
                chunks.append([len(pieces), 0, place])
                room = size
            count = min(room, c.out[2] - w)
            pieces.append((image * source.block + d * source.place[0] + h * source.place[1] + w * source.place[2], count))
            chunks[-1][1] += 1
            w, place, room = w + count, place + count, room - count
    at = len(chunks) * CHUNK
    values: list[int] = []
    for first, count, place in chunks:
        values += [at + first * PIECE, count, place]
    for piece in pieces:
        values += piece
    return pack(f"{len(values)}q", *values), len(chunks)


def cycles(c: Correlation, lanes: int) -> float:
    """About how long it takes on one thread."""
    columns, plane = c.inputs * prod(c.taps), prod(c.out)
    vectors = divide(c.outputs, lanes)
    products = c.images * plane * divide(columns, ROWS) * step_cycles(vectors, lanes)
    transposed = c.images * plane * vectors * 10.0 + columns * vectors * 20.0
    framed = c.images * c.inputs * prod(c.frame) / 2
    return c.groups * (products + transposed + framed)


def _row_block(row_tiles: int, pieces: int, lanes: int) -> int:
    """Rows of a piece of work: panels are seldom read again, and threads seldom wait. Sums do not depend on it."""
    most = min(row_tiles, divide(most_pieces(), pieces))
    again = AGAIN * 2 * lanes / (row_tiles * ROWS)  # what a panel takes to be read once more, over all multiply-adds with it
    blocks = min(range(1, most + 1), key=lambda count: count * again + idle(pieces * count))
    return divide(row_tiles, blocks) * ROWS


def _width(outputs: int, lanes: int) -> int:
    """Output channels of a panel."""
    return min(column_vectors(lanes, "float32"), 1 << (divide(outputs, lanes) - 1).bit_length()) * lanes


def _direct(c: Correlation, lanes: int) -> bool:
    """Whether images and gradient exchange their roles, so that the sums are dw itself: windows of one place that leave no lanes of panels empty."""
    alone = prod(c.taps) == 1 and c.size == c.out and c.stride == (1, 1, 1) and c.before == (0, 0, 0)
    return alone and c.inputs % _width(c.inputs, lanes) == 0 and c.inputs * c.outputs >= DIRECT


def program(c: Correlation, lanes: int) -> Program:
    """dw from dy and x, in this order."""
    x_ref, dy_ref, direct = Ref("in", 1), Ref("in", 0), _direct(c, lanes)
    if direct:
        c, x_ref, dy_ref = replace(c, inputs=c.outputs, outputs=c.inputs), dy_ref, x_ref
    source = describe_source(c, BY_ROW, lanes)
    plane, columns = prod(c.out), c.inputs * prod(c.taps)
    width = _width(c.outputs, lanes)
    panels, row_tiles = divide(c.outputs, width), divide(columns, ROWS)
    panel_image = plane * width * SIZE
    at_once = max(1, FRAMES // (2 * c.groups * panels * panel_image + source.framed * source.block), divide(TOGETHER, plane))
    at_once = divide(c.images, divide(c.images, at_once))
    table, chunks = _chunks(c, source, at_once)
    parts = 1 if direct else max(1, min(chunks, TASKS // (2 * c.groups * panels * row_tiles)))
    row_block = _row_block(row_tiles, parts * c.groups * panels, lanes)
    sums_row = panels * width * SIZE
    sums = Ref("out") if direct else Ref("tmp")
    part_bytes = divide(c.groups * columns * sums_row, LINE) * LINE
    panels_at = 0 if direct else parts * part_bytes
    at = frames_at = panels_at + at_once * c.groups * panels * panel_image
    if source.framed:
        at += divide(at_once * source.block + lanes * SIZE, LINE) * LINE
    taps = [source.tap_offset(c, *tap) for tap in product(*map(range, c.taps))]
    offsets = pack(f"{columns}q", *(channel * source.channel + tap for channel in range(c.inputs) for tap in taps))
    steps: list[Step] = []
    for first in range(0, c.images, at_once):
        count = min(at_once, c.images - first)
        if count < at_once:
            table, chunks = _chunks(c, source, count)
        x = x_ref._replace(offset=source.origin + first * source.block)
        if source.framed:
            x = Ref("tmp", 0, frames_at)
            steps.append(frame_step(c, BY_ROW, lanes, source, first, count, x_ref, x))
        dy = dy_ref._replace(offset=first * c.groups * c.outputs * plane * SIZE)
        words: tuple[Word, ...] = (dy, Ref("tmp", 0, panels_at), c.groups, c.outputs, plane, panels, width, count)
        kernel = Kernel(("conv_gradient_panels", lanes), "numod.kernel.conv_weight_columns_simd:gradient_panels")
        steps.append(Step(kernel, count * c.groups * panels * (width // lanes), words, max(1, 32768 // (plane * lanes))))
        words = (
            *(x, Ref("tmp", 0, panels_at), sums, bytes(width * SIZE), offsets, table, chunks, parts),
            *(c.groups, c.outputs, columns, panels, width, row_block, c.inputs * source.channel),
            *(count * panel_image, sums_row, part_bytes, int(first > 0)),
        )
        work = count * c.groups * c.outputs * columns * plane
        kernel = Kernel(("conv_weight_columns", lanes), "numod.kernel.conv_weight_columns_simd:accumulate")
        tasks = parts * c.groups * panels * divide(columns, row_block)
        steps.append(Step(kernel, tasks, words, 1 if work >= SERIAL else 0))
    if not direct:
        words = (Ref("tmp"), Ref("out"), c.outputs, columns, sums_row, parts, part_bytes)
        kernel = Kernel(("conv_weight_finish", lanes), "numod.kernel.conv_weight_columns_simd:finish")
        steps.append(Step(kernel, c.groups * divide(columns, lanes), words, max(1, 32768 // (lanes * c.outputs * parts))))
    return Program((c.groups * c.outputs * columns * SIZE,), 2, tuple(steps), at + LINE)
