"""Builders of the pooling kernels. The range counts planes (image, channel).

In each plane ``x`` is the image, ``y`` the pooled image or its gradient, ``dx`` the image's gradient. Windows that lie in their image wholly are done a vector
at a time, where there is code for such windows; all others go one by one through a function for windows at the border.
"""

from __future__ import annotations

from collections.abc import Callable

from llvmlite import ir
from numba import types

from .intrinsics import inner, pointer
from .simd import Emit, Value, Vectors, native, word, words

SIZE = 4  # bytes of a float32


def build(name: str, window: tuple[int, int, int] | None, lanes: int) -> Callable:
    """The kernel ``name``; ``window`` is (height, width, stride) of the windows it does by vectors."""
    border, gradient = BORDERS[name], name.endswith("gradient")
    known = window is not None
    side_by_side = window is not None and window[0] == window[1] == window[2]
    vectors = native(f"pool.{name}.{window}.{lanes}", 8, _vectors(name, window or (1, 1, 1), lanes))

    def kernel(begin, end, args, scratch):
        dx0, x0, y0, height, width, rows, columns, pad_h, pad_w = words(args, 0, 9)
        kh, kw, sh, sw, count_padding = words(args, 9, 5)
        top = min((pad_h + sh - 1) // sh, rows) if known else rows
        bottom = max(min((height + pad_h - kh) // sh + 1, rows), top) if known else rows
        left = min((pad_w + sw - 1) // sw, columns)
        right = max(min((width + pad_w - kw) // sw + 1, columns), left)
        covered = side_by_side and pad_h + pad_w == 0 and rows * sh == height and columns * sw == width
        for plane in range(begin, end):
            x_at, y_at = plane * height * width * SIZE, plane * rows * columns * SIZE
            dx, x, y = pointer(dx0 + x_at, types.float32), pointer(x0 + x_at, types.float32), pointer(y0 + y_at, types.float32)
            if gradient and not covered:
                for place in range(height * width):
                    dx[place] = types.float32(0)
            if left > 0 or right < columns or top > 0 or bottom < rows:
                for i in range(rows):
                    for j in range(columns):
                        if i < top or i >= bottom or j < left or j >= right:
                            border(dx, x, y, i * columns + j, i * sh - pad_h, j * sw - pad_w, kh, kw, height, width, count_padding)
            if top < bottom and left < right:
                at = ((top * sh - pad_h) * width + left * sw - pad_w) * SIZE
                to = (top * columns + left) * SIZE
                vectors(
                    (
                        dx0 + x_at + at,
                        x0 + x_at + at,
                        y0 + y_at + to,
                        bottom - top,
                        right - left,
                        width * SIZE,
                        sh * width * SIZE,
                        columns * SIZE,
                    )
                )

    return kernel


@inner
def _largest_at(x, a, b, kh, kw, height, width):
    """The flat place of the first largest value of the window that begins at (a, b)."""
    place = max(a, 0) * width + max(b, 0)
    for row in range(max(a, 0), min(a + kh, height)):
        for column in range(max(b, 0), min(b + kw, width)):
            value, top = x[row * width + column], x[place]
            if value > top or (value != value and top == top):
                place = row * width + column
    return place


@inner
def _maximum(dx, x, y, place, a, b, kh, kw, height, width, count_padding):
    y[place] = x[_largest_at(x, a, b, kh, kw, height, width)]


@inner
def _maximum_gradient(dx, x, y, place, a, b, kh, kw, height, width, count_padding):
    dx[_largest_at(x, a, b, kh, kw, height, width)] += y[place]


@inner
def _count_at(a, b, kh, kw, height, width, count_padding):
    """How many values the mean of the window that begins at (a, b) is over."""
    if count_padding:
        return kh * kw
    return (min(a + kh, height) - max(a, 0)) * (min(b + kw, width) - max(b, 0))


@inner
def _average(dx, x, y, place, a, b, kh, kw, height, width, count_padding):
    total = types.float32(0)
    for row in range(max(a, 0), min(a + kh, height)):
        for column in range(max(b, 0), min(b + kw, width)):
            total += x[row * width + column]
    y[place] = total / types.float32(_count_at(a, b, kh, kw, height, width, count_padding))


@inner
def _average_gradient(dx, x, y, place, a, b, kh, kw, height, width, count_padding):
    share = y[place] / types.float32(_count_at(a, b, kh, kw, height, width, count_padding))
    for row in range(max(a, 0), min(a + kh, height)):
        for column in range(max(b, 0), min(b + kw, width)):
            dx[row * width + column] += share


BORDERS = {"maximum": _maximum, "maximum_gradient": _maximum_gradient, "average": _average, "average_gradient": _average_gradient}


class _Window:
    """The places of ``count`` (at most a vector of) neighbouring windows: a vector for each place of a window."""

    def __init__(self, v: Vectors, window: tuple[int, int, int], count: Value, row_bytes: Value):
        self.v, self.row_bytes = v, row_bytes
        self.height, self.width, self.stride = window
        self.count, self.mask = count, v.first(count)
        both = v.builder.mul(count, word(2))
        # With stride 2, two vectors hold places 0 and 1 of all windows in turn; another two hold place 2 and what is beside it.
        self.pair = [v.builder.sub(both, word(part * v.lanes)) for part in (0, 1)]
        self.odd = [v.builder.sub(both, word(part * v.lanes + 1)) for part in (0, 1)]

    def _row(self, address: Value, row: int) -> Value:
        return self.v.builder.add(address, self.v.builder.mul(self.row_bytes, word(row)))

    def _parts(self, address: Value, column: int) -> list[tuple[Value, Value]]:
        """Addresses of the two vectors in which the places from ``column`` on lie, with stride 2, and how many lanes count."""
        counts = self.pair if column + 1 < self.width else self.odd
        return [(self.v.offset(address, column * SIZE + part * self.v.bytes), counts[part]) for part in (0, 1)]

    def read(self, address: Value) -> list[Value]:
        found = []
        for row in range(self.height):
            start = self._row(address, row)
            if self.stride == 1:
                found += [self.v.load(self.v.offset(start, column * SIZE), self.mask) for column in range(self.width)]
                continue
            for column in range(0, self.width, 2):
                low, high = (self.v.load(place, self.v.first(count)) for place, count in self._parts(start, column))
                for odd in range(min(2, self.width - column)):
                    found.append(self.v.every((low, high), odd))
        return found

    def add(self, address: Value, values: list[Value]) -> None:
        """Add to the places; windows that share none have nothing there yet, and are written."""
        v, shared = self.v, self.stride < max(self.height, self.width)

        def put(value: Value, place: Value, count: Value) -> None:
            v.store_first(v.builder.fadd(v.load(place, v.first(count)), value) if shared else value, place, count)

        for row in range(self.height):
            start, line = self._row(address, row), values[row * self.width : (row + 1) * self.width]
            if self.stride == 1:
                for column, value in enumerate(line):
                    put(value, v.offset(start, column * SIZE), self.count)
                continue
            for column in range(0, self.width, 2):
                pair = [*line[column : column + 2], v.zero][:2]
                for half, part in enumerate(self._parts(start, column)):
                    put(v.zip(pair[0], pair[1], half), *part)


def _take(v: Vectors, value: Value, top: Value) -> Value:
    """Where ``value`` is the new largest one: greater, or the first NaN."""
    return v.builder.and_(v.builder.fcmp_unordered(">", value, top), v.builder.fcmp_ordered("ord", top, top))


def _do_maximum(v: Vectors, window: _Window, dx: Value, x: Value, y: Value) -> None:
    top, *others = window.read(x)
    for value in others:
        top = v.builder.select(_take(v, value, top), value, top)
    v.store_first(top, y, window.count)


def _do_maximum_gradient(v: Vectors, window: _Window, dx: Value, x: Value, y: Value) -> None:
    top, *others = window.read(x)
    taken = []
    for value in others:
        taken.append(_take(v, value, top))
        top = v.builder.select(taken[-1], value, top)
    left, shares = v.load(y, window.mask), []
    for take in reversed(taken):  # the last place that was taken is the first largest one
        shares.append(v.builder.select(take, left, v.zero))
        left = v.builder.select(take, v.zero, left)
    window.add(dx, [left, *reversed(shares)])


def _scaled(v: Vectors, window: _Window, value: Value) -> Value:
    return v.builder.fmul(value, v.splat(ir.Constant(v.element, 1 / (window.height * window.width))))


def _do_average(v: Vectors, window: _Window, dx: Value, x: Value, y: Value) -> None:
    total, *others = window.read(x)
    for value in others:
        total = v.builder.fadd(total, value)
    v.store_first(_scaled(v, window, total), y, window.count)


def _do_average_gradient(v: Vectors, window: _Window, dx: Value, x: Value, y: Value) -> None:
    window.add(dx, [_scaled(v, window, v.load(y, window.mask))] * (window.height * window.width))


INSIDE = {
    "maximum": _do_maximum,
    "maximum_gradient": _do_maximum_gradient,
    "average": _do_average,
    "average_gradient": _do_average_gradient,
}


def _vectors(name: str, size: tuple[int, int, int], lanes: int) -> Emit:
    """Rows of windows: f(dx, x, y, rows, columns, bytes of a row of x, bytes from a row of windows to the next in x, and in y)."""

    def emit(builder: ir.IRBuilder, arguments: list[Value]) -> None:
        dx, x, y, rows, columns, row_bytes, x_step, y_step = arguments
        v = Vectors(builder, lanes)
        steps = [word(size[2] * v.bytes), word(size[2] * v.bytes), word(v.bytes)]
        blocks = builder.sdiv(builder.add(columns, word(lanes - 1)), word(lanes))

        def block(state):
            *addresses, left = state
            count = builder.select(builder.icmp_signed("<", left, word(lanes)), left, word(lanes))
            INSIDE[name](v, _Window(v, size, count, row_bytes), *addresses)
            return [*(builder.add(address, step) for address, step in zip(addresses, steps, strict=True)), builder.sub(left, word(lanes))]

        def row(addresses):
            v.loop(blocks, [*addresses, columns], block)
            return [builder.add(address, step) for address, step in zip(addresses, (x_step, x_step, y_step), strict=True)]

        v.loop(rows, [dx, x, y], row)

    return emit
