"""Convolutions as the planners see them, and where the kernels read the images from.

Every convolution is a `Correlation` over three spatial axes; missing ones have extent 1. Vectors are filled with neighbouring
outputs of an image row (`BY_ROW`), or with one output of neighbouring images (`BY_IMAGE`: images are transposed on the way in
and out, but small images waste no lanes and taps that only meet padding are skipped).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from .program import Kernel, Ref, Step, Word, divide

SIZE = 4  # bytes of a float32
LINE = 64  # bytes of a cache line
EXCHANGED = 8  # inputs whose weights are exchanged with the outputs' at a time: they lie together
TASKS = 16  # aim for at least this many pieces of work, so that threads end together
BY_ROW, BY_IMAGE, COLUMNS, PLANES, WINOGRAD = 0, 1, 2, 3, 4

Axes = tuple[int, ...]


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
        return tuple((o - 1) * s + (t - 1) * d + 1 for o, s, t, d in zip(self.out, self.stride, self.taps, self.dilation, strict=True))


def _axes(values: tuple[int, ...], missing: int) -> Axes:
    return (missing,) * (3 - len(values)) + tuple(values)


def correlation(x_shape, w_shape, stride, padding, dilation, groups) -> Correlation | None:
    """The forward convolution; axes that kernel, stride and padding leave alone are one axis.

    None where the generic form must serve: no values at all, or other than one to three spatial axes.
    """
    if len(x_shape) not in (3, 4, 5) or min(*x_shape, *w_shape) < 1:
        return None
    size, taps = _axes(x_shape[2:], 1), _axes(w_shape[2:], 1)
    stride, padding, dilation = _axes(stride, 1), _axes(padding, 0), _axes(dilation, 1)
    if taps == (1, 1, 1) and stride == (1, 1, 1) and padding == (0, 0, 0):
        size = (1, 1, prod(size))
    out = tuple((s + 2 * p - (t - 1) * d - 1) // st + 1 for s, p, t, d, st in zip(size, padding, taps, dilation, stride, strict=True))
    if min(out) < 1:
        return None
    return Correlation(x_shape[0], groups, x_shape[1] // groups, w_shape[0] // groups, size, out, taps, stride, dilation, padding)


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

    def tap_offset(self, c: Correlation, d: int, h: int, w: int) -> int:
        """Source bytes from an output's first tap to its tap (d, h, w)."""
        run, phase = divmod(w * c.dilation[2], self.phases)
        return d * self.tap[0] + h * self.tap[1] + run * self.tap[2] + phase * self.phase


def describe_source(c: Correlation, mode: int, lanes: int) -> Source:
    """The images as they are if the tiles can read them so, otherwise frames around them."""
    channels = c.groups * c.inputs
    if mode == BY_ROW:
        fits = all(b <= 0 and f - b <= s for b, f, s in zip(c.before, c.frame, c.size, strict=True))
        if fits and c.stride[2] == 1:
            row, plane = c.size[2] * SIZE, c.size[1] * c.size[2] * SIZE
            steps = (plane, row, SIZE)
            origin = -sum(b * s for b, s in zip(c.before, steps, strict=True))
            channel = c.size[0] * plane
            place = tuple(a * b for a, b in zip(c.stride, steps, strict=True))
            tap = (c.dilation[0] * plane, c.dilation[1] * row, SIZE)
            return Source(channels * channel, channel, place, tap, origin=origin)
        phases = c.stride[2]
        columns = divide(c.frame[2], phases)
        row = phases * columns * SIZE
        place = (c.stride[0] * c.frame[1] * row, c.stride[1] * row, SIZE)
        tap = (c.dilation[0] * c.frame[1] * row, c.dilation[1] * row, SIZE)
        channel = odd_lines(c.frame[0] * c.frame[1] * row)
        return Source(channels * channel, channel, place, tap, phases, columns * SIZE, framed=True)
    vector = lanes * SIZE
    row = c.frame[2] * vector
    steps = (c.frame[1] * row, row, vector)
    place = tuple(a * b for a, b in zip(c.stride, steps, strict=True))
    tap = (c.dilation[0] * steps[0], c.dilation[1] * steps[1], vector)
    channel = odd_lines(c.frame[0] * steps[0])
    return Source(channels * channel, channel, place, tap, framed=True)


def odd_lines(size: int) -> int:
    """Round up to an odd number of cache lines, so that channels do not all fall on the same few sets of a cache."""
    return (divide(size, LINE) | 1) * LINE


def frame_step(c: Correlation, mode: int, lanes: int, source: Source, first: int, blocks: int, ref: Ref, target: Ref) -> Step:
    """The step that makes the frames of ``blocks`` images (or blocks of images) from number ``first`` on."""
    channels = c.groups * c.inputs
    grain = max(1, 32768 // prod(c.frame) // (lanes if mode == BY_IMAGE else 1))
    if mode == BY_ROW:
        columns = source.phase // SIZE
        words: tuple[Word, ...] = (ref, target, *c.size, *c.before, *c.frame[:2], columns, source.channel, first * channels)
        return Step(Kernel(("conv_pad", lanes, source.phases), "numod.kernel.conv_layout_simd:pad"), blocks * channels, words, grain)
    size, before, frame = c.size, c.before, c.frame
    if before == (0, 0, 0) and frame == size:
        size, frame = (1, 1, prod(size)), (1, 1, prod(frame))
    words = (ref, target, *size, *before, *frame, source.channel, channels, c.images, first)
    kernel = Kernel(("conv_by_image", lanes), "numod.kernel.conv_layout_simd:interleave_images")
    return Step(kernel, blocks * channels, words, grain)
