"""Builders of the pooling kernels. The range counts planes (image, channel).

Each kernel walks over rows of windows. Windows that lie in their image wholly are unrolled, in a loop without branches that LLVM turns into vectors;
those at the border are done by the ``_at`` functions.

Words: result, inputs, then `_Shape`'s.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .intrinsics import fold_max, inner, load, pointer


def build(name: str, kh: int, kw: int, sh: int, sw: int, dtype: str) -> Callable:
    """The kernel ``name`` for windows of (kh, kw), (sh, sw) apart."""
    makers = {"maximum": _maximum, "maximum_gradient": _maximum_gradient, "average": _average, "average_gradient": _average_gradient}
    return makers[name](kh, kw, sh, sw, np.dtype(dtype).type)


@inner
def _inside(size, out, kernel, stride, padding):
    """The first window of a row that does not begin before its image, and the first after it that ends behind it."""
    low = min((padding + stride - 1) // stride, out)
    high = min((size + padding - kernel) // stride + 1, out)
    return low, max(high, low)


@inner
def _shape(words):
    """(height, width, rows, columns, vertical padding, horizontal padding)."""
    return load(words), load(words + 8), load(words + 16), load(words + 24), load(words + 32), load(words + 40)


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


def _maximum(kh, kw, sh, sw, real):
    size = np.dtype(real).itemsize

    def kernel(begin, end, args, scratch):
        height, width, rows, columns, pad_h, pad_w = _shape(args + 24)
        low, high = _inside(width, columns, kw, sw, pad_w)
        for plane in range(begin, end):
            y = pointer(load(args + 8) + plane * rows * columns * size, real)
            x = pointer(load(args + 16) + plane * height * width * size, real)
            for i in range(rows):
                a, row = i * sh - pad_h, i * columns
                whole = a >= 0 and a + kh <= height
                for j in range(columns):
                    if not whole or j < low or j >= high:
                        y[row + j] = x[_largest_at(x, a, j * sw - pad_w, kh, kw, height, width)]
                corner = a * width - pad_w
                for j in range(low, high if whole else low):
                    top = x[corner + j * sw]
                    for ta in range(kh):
                        for tb in range(kw):
                            top = fold_max(top, x[corner + ta * width + tb + j * sw])
                    y[row + j] = top

    return kernel


def _maximum_gradient(kh, kw, sh, sw, real):
    size, zero, disjoint = np.dtype(real).itemsize, real(0), sh >= kh and sw >= kw

    def kernel(begin, end, args, scratch):
        height, width, rows, columns, pad_h, pad_w = _shape(args + 32)
        low, high = _inside(width, columns, kw, sw, pad_w)
        for plane in range(begin, end):
            dx = pointer(load(args + 8) + plane * height * width * size, real)
            dy = pointer(load(args + 16) + plane * rows * columns * size, real)
            x = pointer(load(args + 24) + plane * height * width * size, real)
            for place in range(height * width):
                dx[place] = zero
            for i in range(rows):
                a, row = i * sh - pad_h, i * columns
                whole = a >= 0 and a + kh <= height
                for j in range(columns):
                    if not whole or j < low or j >= high:
                        dx[_largest_at(x, a, j * sw - pad_w, kh, kw, height, width)] += dy[row + j]
                corner = a * width - pad_w
                for j in range(low, high if whole else low):
                    top = x[corner + j * sw]
                    for ta in range(kh):
                        for tb in range(kw):
                            top = fold_max(top, x[corner + ta * width + tb + j * sw])
                    left = dy[row + j]  # what no place of the window has taken yet
                    for ta in range(kh):
                        for tb in range(kw):
                            place = corner + ta * width + tb + j * sw
                            hit = (x[place] == top) | (x[place] != x[place])
                            taken = left if hit else zero
                            left = zero if hit else left
                            dx[place] = taken if disjoint else dx[place] + taken

    return kernel


@inner
def _count_at(a, b, kh, kw, height, width, count_padding):
    """How many values the mean of the window that begins at (a, b) is over."""
    if count_padding:
        return kh * kw
    return (min(a + kh, height) - max(a, 0)) * (min(b + kw, width) - max(b, 0))


def _average(kh, kw, sh, sw, real):
    size, zero, scale = np.dtype(real).itemsize, real(0), real(1 / (kh * kw))

    def kernel(begin, end, args, scratch):
        height, width, rows, columns, pad_h, pad_w = _shape(args + 24)
        count_padding = load(args + 72)
        low, high = _inside(width, columns, kw, sw, pad_w)
        for plane in range(begin, end):
            y = pointer(load(args + 8) + plane * rows * columns * size, real)
            x = pointer(load(args + 16) + plane * height * width * size, real)
            for i in range(rows):
                a, row = i * sh - pad_h, i * columns
                whole = a >= 0 and a + kh <= height
                for j in range(columns):
                    if not whole or j < low or j >= high:
                        b = j * sw - pad_w
                        total = zero
                        for ta in range(max(a, 0), min(a + kh, height)):
                            for tb in range(max(b, 0), min(b + kw, width)):
                                total += x[ta * width + tb]
                        y[row + j] = total / real(_count_at(a, b, kh, kw, height, width, count_padding))
                corner = a * width - pad_w
                for j in range(low, high if whole else low):
                    total = zero
                    for ta in range(kh):
                        for tb in range(kw):
                            total += x[corner + ta * width + tb + j * sw]
                    y[row + j] = total * scale

    return kernel


def _average_gradient(kh, kw, sh, sw, real):
    size, zero, scale, disjoint = np.dtype(real).itemsize, real(0), real(1 / (kh * kw)), sh >= kh and sw >= kw

    def kernel(begin, end, args, scratch):
        height, width, rows, columns, pad_h, pad_w = _shape(args + 24)
        count_padding = load(args + 72)
        low, high = _inside(width, columns, kw, sw, pad_w)
        for plane in range(begin, end):
            dx = pointer(load(args + 8) + plane * height * width * size, real)
            dy = pointer(load(args + 16) + plane * rows * columns * size, real)
            for place in range(height * width):
                dx[place] = zero
            for i in range(rows):
                a, row = i * sh - pad_h, i * columns
                whole = a >= 0 and a + kh <= height
                for j in range(columns):
                    if not whole or j < low or j >= high:
                        b = j * sw - pad_w
                        share = dy[row + j] / real(_count_at(a, b, kh, kw, height, width, count_padding))
                        for ta in range(max(a, 0), min(a + kh, height)):
                            for tb in range(max(b, 0), min(b + kw, width)):
                                dx[ta * width + tb] += share
                corner = a * width - pad_w
                for j in range(low, high if whole else low):
                    share = dy[row + j] * scale
                    for ta in range(kh):
                        for tb in range(kw):
                            place = corner + ta * width + tb + j * sw
                            dx[place] = share if disjoint else dx[place] + share

    return kernel
