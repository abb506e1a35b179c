"""Depthwise convolutions on the CPU, plane by plane: which kernels run for which shapes. Plain Python; the machine code is in `conv_planes_simd`.

A plane, or a strip of its rows, is copied into a frame of zeros in scratch memory, and vectors of neighbouring outputs are made of what is
found there: of several rows at a time, so that each vector of the frame is loaded once for all taps of a column. With stride 2 the frame keeps
even and odd columns apart.

The data gradient is the same over the outputs' gradient; with stride 2 a place of it has two rows and two columns of outputs, each with taps
of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import prod

from .correlation import LINE, SIZE, TASKS, Axes, Correlation
from .host import registers
from .program import Kernel, Program, Ref, Step, Word, divide

FRAMES = 24 << 10  # bytes of frames, about, that are made before they are used: half of the first-level cache
PIECE = 1 << 14  # outputs of a piece of work
WIDEST = 1 << 14  # columns of a frame, which has some whole rows
PLANE, VECTOR = 70, 4  # cycles to begin with a plane, and to frame, load and store a vector
RUN = 1 << 14  # bytes of neighbouring planes that are read one after the other: a plane here and a plane there are not foreseen

Tap = tuple[int, int, int, int]  # row of the frame, parity and column, from those of a place's first; number of the weight


@dataclass(frozen=True)
class Frame:
    """Where the taps of a place (row, column) are found, in rows from ``-before`` on and columns from 0 on."""

    step: int  # rows from one place to the next
    phases: int  # columns from one place to the next: those that are congruent lie together
    taps: tuple[Tap, ...]

    @property
    def reach(self) -> int:
        """Rows that the taps of a place lie in."""
        return max(row for row, *_ in self.taps) + 1

    @property
    def left(self) -> int:
        """Zeros that the taps need before the first column."""
        return max(0, -min(column for _, _, column, _ in self.taps))

    def pitch(self, width: int, places: int, lanes: int) -> int:
        """Vectors of a row: zeros behind its columns are also those before the columns of the next row."""
        last = places - 1 + max(column for _, _, column, _ in self.taps)
        zeros = max(self.left, last + 1 - width // self.phases)
        return divide(divide(width, self.phases) + zeros, lanes)

    def rows(self, pitch: int, lanes: int, places: int, least: int) -> int:
        """How many rows of places to do at a time, at least ``least``, of ``places``."""
        fit = (FRAMES // (pitch * self.phases * lanes * SIZE) - self.reach) // self.step + 1
        return divide(places, min(divide(places, max(fit, least)), max(1, places // least)))

    def room(self, pitch: int, lanes: int, rows: int) -> int:
        """Bytes of a frame for ``rows`` rows of places, with the zeros before it and a vector behind it."""
        vectors = divide(self.left, lanes) + ((rows - 1) * self.step + self.reach) * self.phases * pitch + 1
        return divide(vectors * lanes * SIZE, LINE) * LINE


def possible(c: Correlation) -> bool:
    """Whether a forward convolution, and so its gradients, can be done in this way: one channel in each group, two axes, a small window."""
    return (
        c.inputs == c.outputs == 1
        and c.size[0] == c.out[0] == c.taps[0] == 1
        and prod(c.taps) > 1
        and max(c.taps) <= 7
        and c.size[2] <= WIDEST
        and max(c.stride) <= 2
        and all(d == 1 or t == 1 for d, t in zip(c.dilation, c.taps, strict=True))
        and all(b < t for b, t in zip(c.before, c.taps, strict=True))
    )


def cycles(c: Correlation, lanes: int) -> float:
    """About how many cycles it takes."""
    taps = prod(c.taps)
    tap = 0.5 if 2 * taps <= registers(lanes * SIZE) else 1.0  # weights in registers, or in memory
    return c.images * c.groups * (PLANE + c.out[1] * divide(c.out[2], lanes) * (taps * tap + VECTOR))


def _window(c: Correlation) -> Frame:
    """The frame of a forward convolution's input."""
    taps = []
    for number, (i, j) in enumerate(product(*map(range, c.taps[1:]))):
        column, parity = divmod(j - c.before[2], c.stride[2])
        taps.append((i, parity, column, number))
    return Frame(c.stride[1], c.stride[2], tuple(taps))


def forward(c: Correlation, bias: bool, lanes: int) -> Program:
    """y (N, C, *out) from x (N, C, *size), weight (C, 1, *taps) and, if ``bias``, bias (C,)."""
    return _program(c.images * c.groups, c.groups, _window(c), ((1, 1), (prod(c.taps),)), c.size, c.out, c.before[1], bias, lanes)


def data_gradient(f: Correlation, rows, columns, lanes: int) -> Program:
    """dx (N, C, *size) from dy (N, C, *out) and weight; ``rows`` and ``columns``: the classes of `conv_data` along the axes."""
    before = max(row.before for row in rows if row.taps)
    taps, counts = [], []
    for row, column in product(rows, columns):
        for i, j in product(range(row.taps), range(column.taps)):
            number = (row.last - i * row.step) * f.taps[2] + column.last - j * column.step
            taps.append((i - row.before + before, 0, j - column.before, number))
        counts.append(row.taps * column.taps)
    outputs = (len(rows), len(columns)), tuple(counts)
    return _program(f.images * f.groups, f.groups, Frame(1, 1, tuple(taps)), outputs, f.out, f.size, before, False, lanes)


def _program(planes: int, channels: int, frame: Frame, outputs, size: Axes, out: Axes, before: int, bias: bool, lanes: int) -> Program:
    """Of each plane of ``size`` one of ``out``; ``outputs``: rows and columns of outputs of a place, and how many of the taps each of them has."""
    (high, wide), _ = outputs
    places = divide(out[1], high)
    limit = max(1, registers(lanes * SIZE) // 4 // (high * wide))
    rows = divide(places, divide(places, limit))
    pitch = frame.pitch(size[2], divide(out[2], wide), lanes)
    strip = frame.rows(pitch, lanes, places, rows)
    strips = divide(places, strip)
    items, values = planes * strips, prod(out) // strips
    room = frame.room(pitch, lanes, strip)
    together = max(1, FRAMES // room)
    words = (
        *(Ref("in", 0), Ref("in", 1), Ref("in", 2) if bias else 0, Ref("out"), *size[1:], *out[1:]),
        *(before, pitch * lanes * SIZE, places, strips, channels, together, room, 0),
    )
    kernel = Kernel(("conv_planes", lanes, rows, frame.step, frame.phases, frame.taps, outputs), "numod.kernel.conv_planes_simd:correlate")
    step = Step(kernel, items, words, max(1, PIECE // values), LINE + together * room, open=min(items, together) * values)
    return Program((planes * prod(out) * SIZE,), 3 if bias else 2, (step,))


def weight_gradient(c: Correlation, lanes: int) -> Program:
    """dw (C, 1, *taps) from dy (N, C, *out) and x (N, C, *size), in this order."""
    frame, taps = _window(c), prod(c.taps)
    pitch = frame.pitch(c.size[2], c.out[2], lanes)
    strip = frame.rows(pitch, lanes, c.out[1], 1)
    strips = divide(c.out[1], strip)
    parts = max(1, min(c.images * strips, divide(TASKS, c.groups)))
    block = max(1, min(RUN // (prod(c.size) * SIZE), c.groups * parts // TASKS))
    blocks = divide(c.groups, block)
    room = frame.room(pitch, lanes, strip)
    together = max(1, min(block, FRAMES // room))
    sums = Ref("tmp") if parts > 1 else Ref("out")
    words: tuple[Word, ...] = (
        *(Ref("in", 1), Ref("in", 0), sums),
        *(*c.size[1:], *c.out[1:]),
        *(c.before[1], pitch * lanes * SIZE, strips, c.groups, block, c.images, parts, together, room),
    )
    kernel = Kernel(("conv_planes_weight", lanes, frame.step, frame.phases, frame.taps), "numod.kernel.conv_planes_simd:accumulate")
    scratch = block * taps * lanes * SIZE + together * room
    work = block * c.images * prod(c.out) // parts
    steps = [Step(kernel, parts * blocks, words, max(1, PIECE // work), scratch)]
    if parts > 1:
        part = c.groups * taps * SIZE
        words = (sums, Ref("out"), 1, taps, parts, part, 1, taps, taps * SIZE)
        steps.append(Step(Kernel(("conv_weight_sum", lanes), "numod.kernel.conv_weight_simd:add_parts"), c.groups, words))
    return Program((c.groups * taps * SIZE,), 2, tuple(steps), parts * c.groups * taps * SIZE if parts > 1 else 0)
