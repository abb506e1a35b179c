"""Builders of the kernels that lay data out for the convolution kernels: padded or transposed images, packed weights."""

from __future__ import annotations

from collections.abc import Callable

from numba.core import types

from .correlation import EXCHANGED, SIZE
from .gemm_simd import copier, transposer
from .intrinsics import load, pointer
from .simd import Emit, Vectors, native, word, words


def _zeros(lanes: int) -> Emit:
    """Fill ``count`` vectors with zeros."""

    def emit(builder, arguments):
        v = Vectors(builder, lanes)

        def one(state):
            v.store(v.zero, state[0])
            return [v.offset(state[0], v.bytes)]

        v.loop(arguments[1], arguments[:1], one)

    return emit


def _pad_rows(lanes: int, phases: int) -> Emit:
    """Rows of a frame: places ``first`` to ``last`` come from the source, which has place 0 at its address, and the others are zero.

    A row is cut into ``phases`` of ``columns`` values: places that are congruent modulo ``phases`` lie together.
    """

    def emit(builder, arguments):
        source, source_row, first, last, target, columns, count = arguments
        v = Vectors(builder, lanes)
        blocks = builder.sdiv(builder.add(columns, word(lanes - 1)), word(lanes))
        row, target_row = builder.mul(columns, word(SIZE)), builder.mul(columns, word(phases * SIZE))

        def line(state):
            def block(state):
                here, to, first, last, left = state
                loaded = []
                for number in range(phases):
                    below = (v.first(builder.sub(end, word(number * lanes))) for end in (first, last))
                    loaded.append(v.load(v.offset(here, number * v.bytes), builder.and_(builder.not_(next(below)), next(below))))

                def write(valid):
                    for phase in range(phases):
                        v.store_first(v.every(loaded, phase), builder.add(to, builder.mul(row, word(phase))), valid)

                v.write_valid(left, write)
                passed = [builder.sub(end, word(phases * lanes)) for end in (first, last)]
                return [v.offset(here, phases * v.bytes), v.offset(to, v.bytes), *passed, builder.sub(left, word(lanes))]

            here, to = state
            v.loop(blocks, [here, to, first, last, columns], block)
            return [builder.add(here, source_row), builder.add(to, target_row)]

        v.loop(count, [source, target], line)

    return emit


def pad(lanes: int, phases: int) -> Callable:
    """Copy images into a frame of zeros: the range counts planes (image, channel).

    Source place j along an axis goes to place ``before + j`` of the frame if it has that place. A row of the frame is cut
    into ``phases``: places that are congruent modulo ``phases`` lie together, so that a reader with this stride finds its
    next value beside the last one.
    """
    rows = native(f"pad_rows.{lanes}.{phases}", 7, _pad_rows(lanes, phases))

    def kernel(begin, end, args, scratch):
        source, frame, size_d, size_h, size_w, before_d, before_h, before_w = words(args, 0, 8)
        frame_d, frame_h, columns, frame_channel, plane0 = words(args, 8, 5)  # columns of a phase
        first, last = max(0, before_w), max(0, size_w + before_w)
        source_row, target_row = size_w * SIZE, phases * columns * SIZE
        for plane in range(begin, end):
            for depth in range(frame_d):
                d = depth - before_d
                target = frame + plane * frame_channel + depth * frame_h * target_row
                top = min(frame_h, max(0, before_h)) if 0 <= d < size_d else frame_h
                bottom = max(top, min(frame_h, before_h + size_h))
                here = source + ((((plane0 + plane) * size_d + d) * size_h + top - before_h) * size_w - before_w) * SIZE
                rows((here, source_row, 0, 0, target, columns, top))
                rows((here, source_row, first, last, target + top * target_row, columns, bottom - top))
                rows((here, source_row, 0, 0, target + bottom * target_row, columns, frame_h - bottom))

    return kernel


def interleave_images(lanes: int) -> Callable:
    """Transpose blocks of ``lanes`` images so that a vector holds one place of every image: the range counts (block, channel).

    The frame around each image is filled with zeros, and so are the lanes of images that do not exist.
    """
    transpose_block = transposer(lanes, "float32", True)
    zeros = native(f"zeros.{lanes}", 2, _zeros(lanes))
    vector = lanes * SIZE

    def kernel(begin, end, args, scratch):
        source, frame, size_d, size_h, size_w, before_d, before_h, before_w = words(args, 0, 8)
        frame_d, frame_h, frame_w, frame_channel, channels, images, block0 = words(args, 8, 7)
        image_bytes = channels * size_d * size_h * size_w * SIZE
        first = min(frame_w, max(0, before_w))
        last = max(first, min(frame_w, before_w + size_w))
        for index in range(begin, end):
            image = (block0 + index // channels) * lanes
            plane = source + image * image_bytes + index % channels * (size_d * size_h * size_w * SIZE)
            for row in range(frame_d * frame_h):
                d, h = row // frame_h - before_d, row % frame_h - before_h
                target = frame + index * frame_channel + row * frame_w * vector
                if d < 0 or h < 0 or d >= size_d or h >= size_h:
                    zeros((target, frame_w))
                    continue
                zeros((target, first))
                for w in range(first, last, lanes):
                    line = plane + ((d * size_h + h) * size_w + w - before_w) * SIZE
                    transpose_block((line, image_bytes, target + w * vector, vector, min(lanes, images - image), min(lanes, last - w)))
                zeros((target + last * vector, frame_w - last))

    return kernel


def pack_weights() -> Callable:
    """Weights in the order the tiles read them: (group, tile of output channels, tap, input channel, row of the tile).

    The range counts (group, tile). Any subset of the taps in any order, with input and output channels exchanged or not,
    is a matter of strides, which are in elements.
    """

    def kernel(begin, end, args, scratch):
        source, target, rows, outputs, inputs, taps_d, taps_h, taps_w = words(args, 0, 8)
        group_step, output_step, input_step, first, step_d, step_h, step_w = words(args, 8, 7)
        weights, packed = pointer(source, types.float32), pointer(target, types.float32)
        tiles = (outputs + rows - 1) // rows
        for index in range(begin, end):
            output = min(index % tiles * rows, outputs - rows)
            start = index // tiles * group_step + output * output_step + first
            taps = taps_d * taps_h * taps_w
            for i in range(inputs):  # the weights of a channel lie together, those of a tap do not
                at = (index * taps * inputs + i) * rows
                for d in range(taps_d):
                    for h in range(taps_h):
                        for w in range(taps_w):
                            here = start + i * input_step + d * step_d + h * step_h + w * step_w
                            for row in range(rows):
                                packed[at + row] = weights[here + row * output_step]
                            at += inputs * rows

    return kernel


def transpose_weights(lanes: int) -> Callable:
    """Weights (group, output, input and tap) -> (group, input and tap, output): the range counts (group, ``lanes`` inputs and taps)."""
    transpose_block = transposer(lanes, "float32", False)

    def kernel(begin, end, args, scratch):
        source, target, outputs, columns = words(args, 0, 4)
        blocks = (columns + lanes - 1) // lanes
        for index in range(begin, end):
            group, column = index // blocks * outputs * columns * SIZE, index % blocks * lanes
            for output in range(0, outputs, lanes):
                here, to = (output * columns + column) * SIZE, (column * outputs + output) * SIZE
                size = (min(lanes, outputs - output), min(lanes, columns - column))
                transpose_block((source + group + here, columns * SIZE, target + group + to, outputs * SIZE, *size))

    return kernel


def exchange_weights(lanes: int) -> Callable:
    """Weights (group, output, input, tap) -> (group, input, output, tap): the range counts (group, `EXCHANGED` inputs)."""
    copy_rows = copier(lanes, "float32", False)

    def kernel(begin, end, args, scratch):
        source, target, outputs, inputs, taps = words(args, 0, 5)
        blocks = (inputs + EXCHANGED - 1) // EXCHANGED
        for index in range(begin, end):
            group, first = index // blocks * outputs * inputs, index % blocks * EXCHANGED
            for output in range(outputs):
                here = source + (group + output * inputs + first) * taps * SIZE
                to = target + (group + first * outputs + output) * taps * SIZE
                copy_rows((here, taps * SIZE, to, outputs * taps * SIZE, min(EXCHANGED, inputs - first), taps))

    return kernel


def merge_phases() -> Callable:
    """Put the interleaved parts of a strided data gradient together: the range counts planes (image, channel).

    Part (a, b, c) holds the places that are congruent to (a, b, c) modulo the strides; parts without taps do not exist and
    read as zeros (their offset is -1).
    """

    def kernel(begin, end, args, scratch):
        parts, output, size_d, size_h, size_w, stride_d, stride_h, stride_w = words(args, 0, 8)
        for plane in range(begin, end):
            for d in range(size_d):
                for h in range(size_h):
                    to = pointer(output + ((plane * size_d + d) * size_h + h) * size_w * SIZE, types.float32)
                    for phase in range(stride_w):
                        offset = load(args + 72 + 8 * ((d % stride_d * stride_h + h % stride_h) * stride_w + phase))
                        width = (size_w - phase + stride_w - 1) // stride_w
                        if offset < 0:
                            for w in range(width):
                                to[w * stride_w + phase] = types.float32(0)
                            continue
                        depth = (size_d - d % stride_d + stride_d - 1) // stride_d
                        height = (size_h - h % stride_h + stride_h - 1) // stride_h
                        row = (plane * depth + d // stride_d) * height + h // stride_h
                        from_ = pointer(parts + offset + row * width * SIZE, types.float32)
                        for w in range(width):
                            to[w * stride_w + phase] = from_[w]

    return kernel
