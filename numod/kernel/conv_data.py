"""The data gradient of convolutions on the CPU. Plain Python.

It is a correlation over the output's gradient with exchanged, flipped weights; with strides, one for each class of inputs modulo the
strides, so that no multiplication with an inserted zero is done. The ways to do it are those of `conv`.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass
from itertools import product
from math import gcd, prod

from . import conv_columns, conv_planes, conv_winograd
from .conv import best_way, by_planes, choose_tile, steps
from .correlation import COLUMNS, EXCHANGED, LINE, PLANES, SIZE, WINOGRAD, Correlation, correlation
from .host import lanes_of
from .program import Kernel, Program, Ref, Step, Word, divide


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


def _correlation(f: Correlation, part: tuple[_Class, ...]) -> Correlation:
    """The correlation of one class of inputs."""
    places, taps, dilations, before, _, _ = zip(*map(astuple, part), strict=True)
    return Correlation(f.images, f.groups, f.outputs, f.inputs, f.out, places, taps, (1, 1, 1), dilations, before)


def _by_output(f: Correlation) -> bool:
    """Whether the weights keep the taps of an output together: all are met, and to gather them channel by channel stays within fewer pages."""
    return f.stride == (1, 1, 1) and prod(f.taps) > 1


def data_gradient(x_shape, w_shape, stride, padding, dilation, groups, lanes=None, mode=None) -> Program | None:
    """dx (N, C, *size) from dy (N, O, *out) and weight; None as for `correlation`."""
    f = correlation(x_shape, w_shape, stride, padding, dilation, groups)
    if f is None:
        return None
    classes = [_classes(*axis) for axis in zip(f.size, f.taps, f.stride, f.before, f.dilation, strict=True)]
    lanes = lanes or lanes_of(SIZE)
    if mode == PLANES or (mode is None and (by_planes(f, lanes) if max(f.stride) == 1 else conv_planes.possible(f))):
        return conv_planes.data_gradient(f, classes[1], classes[2], lanes)
    parts = list(product(*classes))
    present = [all(axis.taps and axis.places > 0 for axis in part) for part in parts]
    if mode is None:
        found = [_correlation(f, part) for part, exists in zip(parts, present, strict=True) if exists]
        mode = best_way(found, lanes, conv_winograd.applies(f), exchanged=True)
    planes = f.images * f.groups * f.inputs
    whole = f.stride == (1, 1, 1)
    offsets, at = [], 0
    for part, exists in zip(parts, present, strict=True):
        offsets.append(at if exists else -1)
        if exists:
            at += divide(planes * prod(axis.places for axis in part) * SIZE, LINE) * LINE
    at = 0 if whole else at
    made: list[Step] = []
    weights = Ref("in", 1)
    if mode == COLUMNS:
        weights, columns = Ref("tmp", 0, at), f.inputs * prod(f.taps)
        if _by_output(f):
            words: tuple[Word, ...] = (Ref("in", 1), weights, f.outputs, f.inputs, prod(f.taps))
            kernel = Kernel(("conv_exchanged_weights", lanes), "numod.kernel.conv_layout_simd:exchange_weights")
            made.append(
                Step(kernel, f.groups * divide(f.inputs, EXCHANGED), words, max(1, 32768 // (EXCHANGED * f.outputs * prod(f.taps))))
            )
        else:
            words = (Ref("in", 1), weights, f.outputs, columns)
            kernel = Kernel(("conv_transposed_weights", lanes), "numod.kernel.conv_layout_simd:transpose_weights")
            made.append(Step(kernel, f.groups * divide(columns, lanes), words, max(1, 32768 // (lanes * f.outputs))))
        at += divide(f.groups * f.outputs * columns * SIZE, LINE) * LINE
    workspace = at
    for part, offset in zip(parts, offsets, strict=True):
        if offset >= 0:
            target = Ref("out") if whole else Ref("tmp", 0, offset)
            more, end = _part(f, part, lanes, mode, weights, target, at)
            made += more
            workspace = max(workspace, end)
    if not whole:
        words = (Ref("tmp"), Ref("out"), *f.size, *f.stride, *offsets)
        merge = Kernel(("conv_merge",), "numod.kernel.conv_layout_simd:merge_phases")
        made.append(Step(merge, planes, words, max(1, 16384 // prod(f.size))))
    return Program((planes * prod(f.size) * SIZE,), 2, tuple(made), workspace + LINE)


def _part(
    f: Correlation, part: tuple[_Class, ...], lanes: int, mode: int | None, weights: Ref, target: Ref, at: int
) -> tuple[list[Step], int]:
    """The correlation of one class of inputs: its steps and the end of the workspace they use from ``at`` on."""
    c, lasts, strides = _correlation(f, part), [axis.last for axis in part], [axis.step for axis in part]
    taps, tap_steps = prod(f.taps), (f.taps[1] * f.taps[2], f.taps[2], 1)
    first = sum(last * step for last, step in zip(lasts, tap_steps, strict=True))
    back = tuple(-stride * step for stride, step in zip(strides, tap_steps, strict=True))  # from one tap of the class to the next
    if mode == WINOGRAD:
        return conv_winograd.steps(c, lanes, Ref("in", 0), weights, 0, target, True, at)
    if mode == COLUMNS:
        if _by_output(f):
            rows = conv_columns.WeightRows(f.outputs * taps, flipped=True)
            return conv_columns.steps(c, lanes, Ref("in", 0), weights, 0, target, rows, at)
        found = (first + sum(i * step for i, step in zip(tap, back, strict=True)) for tap in product(*map(range, c.taps)))
        rows = conv_columns.WeightRows(f.outputs * taps, tuple(f.outputs * tap for tap in found))
        return conv_columns.steps(c, lanes, Ref("in", 0), weights, 0, target, rows, at)
    order = (f.outputs * f.inputs * taps, taps, f.inputs * taps, first, *back)
    return steps(c, choose_tile(c, lanes, mode), Ref("in", 0), weights, 0, target, order, at)
