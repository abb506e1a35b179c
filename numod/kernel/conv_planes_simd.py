"""Builders of the depthwise convolutions' kernels (see `conv_planes` for what they are given and how they are put together)."""

from __future__ import annotations

from collections.abc import Callable

from numba import types

from .correlation import SIZE
from .host import registers
from .intrinsics import inner, pointer
from .simd import LINE, Emit, Value, Vectors, follow, native, word, words

WEIGHT_ROWS = 4  # rows of dy that meet a vector of x while it is in a register


def _framed(lanes: int, phases: int, margin: int) -> Emit:
    """Copy rows into a frame, with zeros around them.

    ``margin`` vectors of zeros lie before the frame. It has ``top`` rows of zeros, ``inside`` rows of ``width`` values from ``source`` on, and
    ``bottom`` rows of zeros; each has ``pitch`` bytes for each phase. A vector of zeros is behind it all.
    """

    def emit(builder, arguments):
        source, row_bytes, width, frame, pitch, top, inside, bottom = arguments
        v = Vectors(builder, lanes)
        vectors, columns = builder.sdiv(pitch, word(v.bytes)), lanes * phases
        full = builder.sdiv(width, word(columns))
        left = builder.sub(width, builder.mul(full, word(columns)))
        has_tail = builder.zext(builder.icmp_signed(">", left, word(0)), left.type)
        masks = [v.first(v.offset(left, -q * lanes)) for q in range(phases)]
        behind = builder.sub(vectors, builder.add(full, has_tail))

        def put(values: list[Value], at: Value) -> None:
            if phases == 2:
                values = [v.every(values, odd) for odd in (0, 1)]
            for q, value in enumerate(values):
                v.store(value, builder.add(at, pitch) if q else at)

        def copy(masks: list):
            def one(state):
                here, at = state
                put([v.load(v.offset(here, q * v.bytes), mask) for q, mask in enumerate(masks)], at)
                return [v.offset(here, phases * v.bytes), v.offset(at, v.bytes)]

            return one

        def zeros(state):
            put([v.zero] * phases, state[0])
            return [v.offset(state[0], v.bytes)]

        def row(state):
            line, at = state
            here, to = v.loop(full, [line, at], copy([None] * phases))
            _, to = v.loop(has_tail, [here, to], copy(masks))
            v.loop(behind, [to], zeros)
            return [builder.add(line, row_bytes), builder.add(at, line_bytes)]

        def empty(state):
            v.loop(vectors, [state[0]], zeros)
            return [builder.add(state[0], line_bytes)]

        for i in range(margin):
            v.store(v.zero, v.offset(frame, -(i + 1) * v.bytes))
        line_bytes = builder.mul(pitch, word(phases))
        (at,) = v.loop(top, [frame], empty)
        _, at = v.loop(inside, [source, at], row)
        (at,) = v.loop(bottom, [at], empty)
        v.store(v.zero, at)

    return emit


def _margin(taps: tuple, lanes: int) -> int:
    """Vectors of zeros that lie before the frame."""
    return -(min(0, *(column for _, _, column, _ in taps)) // lanes)


def _strip(lanes: int, rows: int, step: int, phases: int, taps: tuple, outputs: tuple) -> Emit:
    """The outputs of ``count`` rows of places, ``rows`` rows at a time; the last ones may overlap those before them.

    ``last``: the last row of outputs that is there. Places at the end may have one more, which is written to this one before its own values are.
    """
    (high, wide), counts = outputs
    parts, start = [], 0
    for count in counts:
        parts.append(taps[start : start + count])
        start += count
    reach = max(row for row, *_ in taps) + 1

    def emit(builder, arguments):
        frame, pitch, count, weights, bias, output, columns, last = arguments
        v = Vectors(builder, lanes)
        factors = {number: v.broadcast(v.offset(weights, number * SIZE)) for *_, number in sorted(taps, key=lambda tap: tap[3])}
        begin = v.broadcast(bias)
        line_bytes, out_bytes = builder.mul(pitch, word(phases)), builder.mul(columns, word(SIZE))
        lines = v.multiples(line_bytes, (rows - 1) * step + reach)
        across = builder.sdiv(v.offset(columns, wide * lanes - 1), word(wide * lanes))

        def block(state):
            (first,) = state
            limit = builder.sub(count, word(rows))
            row = builder.select(builder.icmp_signed("<", first, limit), first, limit)
            source = builder.add(frame, builder.mul(row, builder.mul(line_bytes, word(step))))
            targets = {}
            for i in range(rows):
                for a in range(high):
                    here = v.offset(builder.mul(builder.add(row, word(i)), word(high)), a)
                    if a:
                        here = builder.select(builder.icmp_signed("<", here, last), here, last)
                    targets[i, a] = builder.mul(here, out_bytes)

            def vector(state):
                at, to, left = state
                sums = {(i, part): begin for i in range(rows) for part in range(high * wide)}
                bases = [builder.add(at, builder.mul(pitch, word(q))) if q else at for q in range(phases)]
                for line in range(len(lines)):
                    uses: dict[tuple[int, int], list] = {}
                    for i in range(rows):
                        for part, own in enumerate(parts):
                            for tap_row, parity, column, number in own:
                                if i * step + tap_row == line:
                                    uses.setdefault((parity, column), []).append(((i, part), number))
                    for (parity, column), users in sorted(uses.items()):
                        value = v.load(v.offset(builder.add(bases[parity], lines[line]), column * SIZE))
                        for key, number in users:
                            sums[key] = v.fma(value, factors[number], sums[key])
                for half in range(wide):

                    def write(count, half=half):
                        for i in reversed(range(rows)):
                            for a in reversed(range(high)):
                                pair = [sums[i, a * wide + b] for b in range(wide)]
                                value = v.zip(pair[0], pair[1], half) if wide == 2 else pair[0]
                                v.store_first(value, v.offset(builder.add(to, targets[i, a]), half * v.bytes), count)

                    v.write_valid(v.offset(left, -half * lanes), write)
                return [v.offset(at, v.bytes), v.offset(to, wide * v.bytes), v.offset(left, -wide * lanes)]

            v.loop(across, [source, output, columns], vector)
            return [v.offset(first, rows)]

        v.loop(builder.sdiv(v.offset(count, rows - 1), word(rows)), [word(0)], block)

    return emit


@inner
def _inside(first, count, height):
    """Of ``count`` rows of a frame from row ``first`` of a plane on: how many lie before, in and behind the plane."""
    top = min(max(-first, 0), count)
    bottom = min(max(first + count - height, 0), count - top)
    return top, count - top - bottom, bottom


def _framer(lanes: int, phases: int, taps: tuple):
    """`_framed` as what kernels call."""
    margin = _margin(taps, lanes)
    return native(f"conv_planes_frame.{lanes}.{phases}.{margin}", 8, _framed(lanes, phases, margin))


def correlate(lanes: int, rows: int, step: int, phases: int, taps: tuple, outputs: tuple) -> Callable:
    """The range counts (plane, strip of its rows), in this order."""
    frame_rows = _framer(lanes, phases, taps)
    strip = native(f"conv_planes.{lanes}.{rows}.{step}.{phases}.{taps}.{outputs}", 8, _strip(lanes, rows, step, phases, taps, outputs))
    reach, high, count_taps = max(row for row, *_ in taps) + 1, outputs[0][0], max(number for *_, number in taps) + 1
    before_frame = LINE + _margin(taps, lanes) * lanes * SIZE

    def kernel(begin, end, args, scratch):
        x, weights, bias, y, height, width, out_height, out_width = words(args, 0, 8)
        before, pitch, places, strips, channels, together, room = words(args, 8, 7)
        pointer(scratch, types.float32)[0] = types.float32(0)  # the bias where there is none
        most, more = places // strips, places % strips  # the first strips have a row more
        for group in range((end - begin + together - 1) // together):
            first = begin + group * together
            some = min(together, end - first)
            for i in range(some):
                plane, part = (first + i) // strips, (first + i) % strips
                above = (part * most + min(part, more)) * step - before
                top, inside, bottom = _inside(above, (most + (part < more) - 1) * step + reach, height)
                source = x + (plane * height + above + top) * width * SIZE
                frame_rows((source, width * SIZE, width, scratch + before_frame + i * room, pitch, top, inside, bottom))
            start = stop = 0
            for i in range(some):
                plane, part = (first + i) // strips, (first + i) % strips
                row, count, channel = part * most + min(part, more), most + (part < more), plane % channels
                last = min(out_height - row * high, count * high) - 1
                element = (plane * out_height + row * high) * out_width
                strip(
                    (
                        scratch + before_frame + i * room,
                        pitch,
                        count,
                        weights + channel * count_taps * SIZE,
                        bias + channel * SIZE if bias else scratch,
                        y + element * SIZE,
                        out_width,
                        last,
                    )
                )
                start = start if i else element
                stop = element + (last + 1) * out_width
            follow(args + 8 * 16, 1, 0, 0, start, stop, scratch)

    return kernel


def _sums(lanes: int, step: int, phases: int, taps: tuple) -> Emit:
    """Add the products of ``count`` rows of dy with what the taps see to ``totals``, a vector for each tap."""

    def emit(builder, arguments):
        frame, pitch, count, dy, columns, totals = arguments
        v = Vectors(builder, lanes)
        line_bytes, dy_bytes = builder.mul(pitch, word(phases)), builder.mul(columns, word(SIZE))
        full, has_tail, mask = v.split(columns)
        most = registers(v.bytes) * 9 // 16  # sums; with more of them 5 x 5 taps take half as long again
        per_row = max(sum(tap[0] == row for tap in taps) for row in range(taps[-1][0] + 1))
        at_once = max(1, most // per_row) * per_row  # whole rows of the window

        def some(first: int, chosen: tuple) -> None:
            top, reach = chosen[0][0], chosen[-1][0] + 1

            def lines(rows: int):
                between = v.multiples(line_bytes, (rows - 1) * step + reach)
                dy_rows = v.multiples(dy_bytes, rows)

                def multiply(at, here, sums, mask):
                    sums = list(sums)
                    bases = [builder.add(at, builder.mul(pitch, word(q))) if q else at for q in range(phases)]
                    factors = [v.load(builder.add(here, row), mask) for row in dy_rows]
                    for line in range(top, len(between)):
                        values: dict[tuple[int, int], Value] = {}
                        for number, (row, parity, column, _) in enumerate(chosen):
                            i, odd = divmod(line - row, step)
                            if odd or not 0 <= i < rows:
                                continue
                            if (parity, column) not in values:
                                values[parity, column] = v.load(v.offset(builder.add(bases[parity], between[line]), column * SIZE))
                            new = v.fma(factors[i], values[parity, column], sums[number])
                            sums[number] = new if mask is None else builder.select(mask, new, sums[number])
                    return sums

                def block(state):
                    source, target, *sums = state

                    def vector(state):
                        at, here, *sums = state
                        return [v.offset(at, v.bytes), v.offset(here, v.bytes), *multiply(at, here, sums, None)]

                    def rest(state):
                        at, here, *sums = state
                        return [at, here, *multiply(at, here, sums, mask)]

                    state = v.loop(full, [source, target, *sums], vector)
                    sums = v.loop(has_tail, state, rest)[2:]
                    return [
                        builder.add(source, builder.mul(line_bytes, word(rows * step))),
                        builder.add(target, builder.mul(dy_bytes, word(rows))),
                        *sums,
                    ]

                return block

            blocks = builder.sdiv(count, word(WEIGHT_ROWS))
            single = builder.sub(count, builder.mul(blocks, word(WEIGHT_ROWS)))
            state = v.loop(blocks, [frame, dy, *[v.zero] * len(chosen)], lines(WEIGHT_ROWS))
            for number, value in enumerate(v.loop(single, state, lines(1))[2:]):
                here = v.offset(totals, (first + number) * v.bytes)
                v.store(builder.fadd(v.load(here), value), here)

        for first in range(0, len(taps), at_once):
            some(first, taps[first : first + at_once])

    return emit


def _total(lanes: int, taps: int) -> Emit:
    """The sums over the lanes of ``taps`` vectors."""

    def emit(builder, arguments):
        totals, target = arguments
        v = Vectors(builder, lanes)
        for first in range(0, taps, lanes):
            count = min(lanes, taps - first)
            vectors = [v.load(v.offset(totals, (first + i) * v.bytes)) for i in range(count)]
            v.store_first(v.sums(vectors), v.offset(target, first * SIZE), word(count))

    return emit


def accumulate(lanes: int, step: int, phases: int, taps: tuple) -> Callable:
    """Partial sums: the range counts (part of the images' strips, block of channels), in this order."""
    frame_rows = _framer(lanes, phases, taps)
    strip = native(f"conv_planes_sums.{lanes}.{step}.{phases}.{taps}", 6, _sums(lanes, step, phases, taps))
    total = native(f"conv_planes_total.{lanes}.{len(taps)}", 2, _total(lanes, len(taps)))
    reach, count_taps, margin = taps[-1][0] + 1, len(taps), _margin(taps, lanes) * lanes * SIZE
    sums = count_taps * lanes * SIZE

    def kernel(begin, end, args, scratch):
        x, dy, target, height, width, out_height, out_width = words(args, 0, 7)
        before, pitch, strips, channels, block, images, parts, together, room = words(args, 7, 9)
        most, more = out_height // strips, out_height % strips  # the first strips have a row more
        blocks, frames = (channels + block - 1) // block, scratch + block * sums + margin
        for task in range(begin, end):
            first, number = task % blocks * block, task // blocks
            some = min(block, channels - first)
            for i in range(some * sums // SIZE):
                pointer(scratch, types.float32)[i] = types.float32(0)
            for item in range(images * strips * number // parts, images * strips * (number + 1) // parts):
                part = item % strips
                row, count = part * most + min(part, more), most + (part < more)
                above = row * step - before
                top, inside, bottom = _inside(above, (count - 1) * step + reach, height)
                for group in range((some + together - 1) // together):
                    near = group * together
                    plane, count_planes = item // strips * channels + first + near, min(together, some - near)
                    for i in range(count_planes):
                        source = x + ((plane + i) * height + above + top) * width * SIZE
                        frame_rows((source, width * SIZE, width, frames + i * room, pitch, top, inside, bottom))
                    for i in range(count_planes):
                        here = dy + ((plane + i) * out_height + row) * out_width * SIZE
                        strip((frames + i * room, pitch, count, here, out_width, scratch + (near + i) * sums))
            for i in range(some):
                total((scratch + i * sums, target + (number * channels + first + i) * count_taps * SIZE))

    return kernel
