"""Convolutions of many channels on the CPU as products of matrices: which kernels run for which shapes. Plain Python; the machine code
is in `conv_columns_simd`.

The weights are a matrix with one row for each output channel; a column holds what one output place sees of the input. A piece of work
gathers the columns of some places, a part of the depth at a time, into panels that stay in the second-level cache, and multiplies the
weights with them in the register tiles of `gemm` (Chellapilla et al., 2006, without the large matrix in memory). Where the images are small, a
panel has columns of several of them, so that no lanes are wasted. Gathering is one move for every 2 x outputs operations. Where a window is one place,
long rows of images are multiplied where they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import inf, prod
from struct import pack

from .correlation import BY_ROW, LINE, SIZE, Correlation, Source, describe_source, frame_step
from .gemm import ROWS, column_vectors
from .host import idle, most_pieces
from .program import Kernel, Ref, Step, divide

DEPTH = 512  # of the weights that are multiplied at a time: a row tile of them stays in the first-level cache
CHAIN = 256  # of these are added up in one chain: the shorter, the smaller the error
FEW, NEAR = 128, 128  # outputs, for which gathering counts: one panel of so many rows at a time, which stays in the first-level cache
PANELS = 4  # of a piece of work: with DEPTH rows each they fill half of the second-level cache
PAGE = 4096  # bytes: channels of so many and more are multiplied where they are ...
PAGES = 64  # ... so many at a time: more than 96 pages are not found quickly
SERIAL = 1 << 20  # multiplications below which a step is not worth sharing between threads
CACHE = 1 << 20  # bytes: smaller weights come from the second-level cache ...
CACHED, STREAMED = 32, 4  # ... bytes a cycle from there, and from beyond
GATHERING, BEGIN = 3.0, 1000  # cycles to gather a vector, and to begin with a group of an image
FRAMES = 1 << 23  # bytes of padded images made before they are used, to find them in the second-level cache
PANEL, GATHER, SEGMENT, CHUNK = 40, 48, 24, 24  # bytes of a record: see `Places` and `WeightRows.depth`


@dataclass
class Places:
    """The output places of some images, cut into panels of ``width`` columns.

    panels: for each panel the numbers of its gathers (first, count), its columns, and the numbers of its segments (first, count)
    gathers: of a vector of columns, its lanes from two runs of neighbouring places: bytes of panel; bytes of source before lane 0 if it were of the
             first run, and the run's lanes (begin, end); the same of the second run (bytes, end), which begins where the first ends
    segments: neighbouring columns that are neighbours in the output, too: bytes of output, bytes of panel, and how many
    """

    panels: list[tuple[int, int, int, int, int]]
    gathers: list[tuple[int, int, int, int, int, int]]
    segments: list[tuple[int, int, int]]

    def table(self) -> bytes:
        """All of it as int64 records, with addresses in bytes from the table's start."""
        gathers_at = len(self.panels) * PANEL
        segments_at = gathers_at + len(self.gathers) * GATHER
        values: list[int] = []
        for first, count, columns, segment, segments in self.panels:
            values += [gathers_at + first * GATHER, count, columns, segments_at + segment * SEGMENT, segments]
        for record in (*self.gathers, *self.segments):
            values += record
        return pack(f"{len(values)}q", *values)


def places(c: Correlation, source: Source, images: int, width: int, lanes: int) -> Places:
    """The panels over the places of ``images`` images, one image after the other."""
    plane = prod(c.out)
    found = Places([], [], [])
    lines = [(image, d, h) for image, d, h in product(range(images), range(c.out[0]), range(c.out[1]))]
    columns, gathers, segments = 0, 0, 0  # of the panel that is being filled; where its records start
    for image, d, h in lines:
        w = 0
        while w < c.out[2]:
            lane = columns % lanes
            count = min(lanes - lane, c.out[2] - w)
            at = image * source.block + d * source.place[0] + h * source.place[1] + (w - lane) * SIZE
            to, first, begin, middle, _, end = found.gathers[-1] if lane else (0, 0, 0, 0, 0, 1)
            if middle == end:
                found.gathers[-1] = (to, first, begin, middle, at, end + count)
            else:
                found.gathers.append(((columns - lane) * SIZE, at, lane, lane + count, at, lane + count))
            output = (image * c.groups * c.outputs * plane + (d * c.out[1] + h) * c.out[2] + w) * SIZE
            last = found.segments[-1] if len(found.segments) > segments else (0, 0, 0)
            if last[2] and last[0] + last[2] * SIZE == output:
                found.segments[-1] = (last[0], last[1], last[2] + count)
            else:
                found.segments.append((output, columns * SIZE, count))
            w, columns = w + count, columns + count
            if columns == width or ((image, d, h) == lines[-1] and w == c.out[2]):
                found.panels.append((gathers, len(found.gathers) - gathers, columns, segments, len(found.segments) - segments))
                columns, gathers, segments = 0, len(found.gathers), len(found.segments)
    return found


def steps(
    c: Correlation, lanes: int, source_ref: Ref, weights: Ref, bias: Ref | int, output: Ref, rows: WeightRows, at: int
) -> tuple[list[Step], int]:
    """Steps of one correlation and the end of the workspace they use from ``at`` on."""
    source = describe_source(c, BY_ROW, lanes)
    width, plane = column_vectors(lanes, "float32") * lanes, prod(c.out)
    flat = _flat(c, source)
    together = not flat and c.images > 1 and divide(plane, lanes) * lanes > 1.1 * plane  # several images in a panel
    near = not flat and c.outputs <= FEW
    offsets, chunks = rows.depth(c, source, PAGES if flat else NEAR if near else DEPTH)
    at_once = c.images
    made: list[Step] = []
    if source.framed:
        at_once = max(1, FRAMES // source.block, divide(PANELS * width, plane))
        at_once = divide(c.images, divide(c.images, at_once))
        frames = Ref("tmp", 0, at)
        at += divide(at_once * source.block + lanes * SIZE, LINE) * LINE
    tables: dict[int, bytes] = {}
    for first in range(0, c.images, at_once):
        count = min(at_once, c.images - first)
        if source.framed:
            made.append(frame_step(c, BY_ROW, lanes, source, first, count, source_ref, frames))
        here = frames if source.framed else source_ref._replace(offset=source_ref.offset + source.origin + first * source.block)
        grouped = count if together else 1
        if grouped not in tables:
            tables[grouped] = places(c, source, grouped, width, lanes).table()
        panels = divide(grouped * plane, width)
        row_block, panel_block = _blocks(c, panels, count // grouped, lanes, 1 if near else PANELS)
        image_bytes = c.groups * c.outputs * plane * SIZE
        panel_bytes = 0 if flat else max(count for _, _, count in chunks) * (width + lanes) * SIZE
        # Sums that are added to again and again are kept apart: threads that take neighbouring panels would take their common cache lines from each other.
        summed = together or (near and len(chunks) > 1)
        sums = row_block * panel_block * width * SIZE if summed else 0
        words = (
            *(here, weights, bias or bytes(width * SIZE), output._replace(offset=output.offset + first * image_bytes)),
            *(
                tables[grouped],
                pack(f"{len(offsets)}q", *offsets),
                pack(f"{3 * len(chunks)}q", *(word for chunk in chunks for word in chunk)),
            ),
            *(source.block, c.inputs * source.channel, c.groups, c.outputs, plane, len(chunks)),
            *(c.outputs * rows.row * SIZE, rows.row * SIZE),
            *(count // grouped, panels, panel_block, row_block, panel_bytes, int(summed), int(bias != 0), source.channel if flat else 0),
            *(first * c.groups * c.outputs * plane, 0),
        )
        tasks = c.groups * count // grouped * divide(panels, panel_block) * divide(c.outputs, row_block)
        work = count * c.groups * c.outputs * len(offsets) * plane
        scratch = panel_block * panel_bytes + ROWS * width * SIZE + sums
        kernel = Kernel(("conv_columns", lanes), "numod.kernel.conv_columns_simd:multiply")
        made.append(
            Step(kernel, tasks, words, 1 if work >= SERIAL else 0, scratch, open=0 if together else min(plane, panel_block * width))
        )
    return made, at


@dataclass(frozen=True)
class WeightRows:
    """Weights as a matrix of one row of ``row`` values for each output channel: (group, output, row).

    taps: None: a row has all taps of an input, then those of the next. Otherwise it has all inputs of a tap together, and this is, for each tap
          of the correlation in the order of its axes, where in a row they are.
    flipped: without ``taps``: the taps of an input are there from the last to the first.
    """

    row: int
    taps: tuple[int, ...] | None = None
    flipped: bool = False

    def depth(self, c: Correlation, source: Source, most: int) -> tuple[list[int], list[tuple[int, int, int]]]:
        """The source's byte offsets in the order in which a row is walked, and the walk, ``most`` at a time: (bytes into the row, number of the first
        offset, count).
        """
        tap_offsets = [source.tap_offset(c, *tap) for tap in product(*map(range, c.taps))]
        channels = [channel * source.channel for channel in range(c.inputs)]
        if self.taps is None:
            tap_offsets = tap_offsets[::-1] if self.flipped else tap_offsets
            return [channel + tap for channel in channels for tap in tap_offsets], _cut([(0, c.inputs * len(tap_offsets))], most)
        walk = sorted(zip(self.taps, tap_offsets, strict=True))
        spans: list[tuple[int, int]] = []
        for start, _ in walk:
            if spans and sum(spans[-1]) == start:
                spans[-1] = (spans[-1][0], spans[-1][1] + c.inputs)
            else:
                spans.append((start, c.inputs))
        return [tap + channel for _, tap in walk for channel in channels], _cut(spans, most)


def _cut(spans: list[tuple[int, int]], most: int) -> list[tuple[int, int, int]]:
    """Spans (start, count) of a row in pieces of at most ``most``."""
    chunks, number = [], 0
    for start, count in spans:
        size = divide(count, divide(count, most))
        for first in range(0, count, size):
            chunks.append(((start + first) * SIZE, number + first, min(size, count - first)))
        number += count
    return chunks


def _flat(c: Correlation, source: Source) -> bool:
    """Whether columns are long rows of the images, and are multiplied where they are."""
    return not source.framed and prod(c.taps) == 1 and c.out == c.size and prod(c.size) * SIZE >= PAGE


def cycles(c: Correlation, lanes: int, transposed: bool) -> float:
    """About how long it takes on one thread; ``transposed``: with weights that must be transposed first."""
    depth, plane = c.inputs * prod(c.taps), prod(c.out)
    vectors = divide(c.images * plane, lanes) if c.images > 1 else divide(plane, lanes)
    weights = c.groups * c.outputs * depth
    products = c.groups * divide(c.outputs, ROWS) * depth * step_cycles(vectors, lanes)
    source = describe_source(c, BY_ROW, lanes)
    gathered = 0 if _flat(c, source) else c.groups * depth * vectors * GATHERING
    framed = c.images * c.groups * (BEGIN + c.inputs * prod(c.frame) / 2 * source.framed)
    return products + gathered + framed + weights * (2.0 if transposed else 0.25)


def step_cycles(vectors: int, lanes: int) -> float:
    """Cycles of one step of register tiles over so many vectors: two multiply-adds or loads a cycle, and a sum is added to every 4 cycles."""
    widest = column_vectors(lanes, "float32")
    full, rest = divmod(vectors, widest)
    return full * (ROWS * widest / 2 + 1) + (0, ROWS / 2 + 2.5, ROWS + 1.5, 1.5 * ROWS + 1)[rest]


def _blocks(c: Correlation, panels: int, images: int, lanes: int, most: int) -> tuple[int, int]:
    """Output channels and panels (``most`` at most) of a piece of work: enough pieces, little gathered more than once, weights seldom read again."""
    tiles, depth = divide(c.outputs, ROWS), c.inputs * prod(c.taps)
    products = images * c.groups * c.outputs * depth * panels * column_vectors(lanes, "float32") / 2  # cycles
    shared = products * 2 * lanes >= SERIAL
    weights = c.outputs * depth * SIZE / (CACHED if c.outputs * depth * SIZE < CACHE else STREAMED)  # cycles to read them once
    best = (inf, 0, 0)
    for panel_block in range(1, min(most, panels) + 1):
        panel_blocks = divide(panels, panel_block)
        pieces = c.groups * images * panel_blocks
        for row_blocks in range(1, min(tiles, divide(most_pieces() if shared else 1, pieces)) + 1):
            gathered = row_blocks * panels * depth * column_vectors(lanes, "float32") * GATHERING
            moved = c.groups * images * (gathered + panel_blocks * weights)
            cost = moved + (products + moved) * (idle(pieces * row_blocks) if shared else 0)
            best = min(best, (cost, divide(tiles, row_blocks) * ROWS, panel_block))
    return best[1:]
