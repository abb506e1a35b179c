"""Builders of the pooling kernels. The range counts planes (image, channel).

Each kernel walks over rows of windows. Where the window is known when the kernel is made, windows that lie in their image wholly are written out place by
place, without branches, so that LLVM makes vectors of neighbouring windows. All others go through the functions below, one by one.

Words: result, inputs, then the sizes that the template reads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from . import source
from .intrinsics import fold_max, inner, load, pointer


class _Loops(NamedTuple):
    """What differs between the kernels. ``x`` is an image or its gradient, ``y`` a pooled image or its gradient."""

    operands: tuple[str, ...]
    border: str  # a window at (a, b) that may reach over the border; `place` is its place in y
    inside: Callable[[list[str], bool], list[str]]  # (places of a window in x, whether windows are disjoint) -> statements
    clear: bool = False  # whether dx starts as zeros


def _largest(places: list[str], disjoint: bool) -> list[str]:
    return [f"top = x[{places[0]}]", *(f"top = fold_max(top, x[{place}])" for place in places[1:]), "y[place] = top"]


def _to_first_largest(places: list[str], disjoint: bool) -> list[str]:
    lines = [*_largest(places, disjoint)[:-1], "left = dy[place]"]  # left: what no place of the window has taken yet
    for place in places:
        taken = "(left if hit else zero)"
        lines += [f"hit = (x[{place}] == top) | (x[{place}] != x[{place}])", f"dx[{place}] = {taken if disjoint else f'dx[{place}] + {taken}'}"]
        lines.append("left = zero if hit else left")
    return lines


def _mean(places: list[str], disjoint: bool) -> list[str]:
    return [f"y[place] = ({' + '.join(f'x[{place}]' for place in places)}) * scale"]


def _to_all(places: list[str], disjoint: bool) -> list[str]:
    return ["share = dy[place] * scale", *(f"dx[{place}] = {'share' if disjoint else f'dx[{place}] + share'}" for place in places)]


LOOPS = {
    "maximum": _Loops(("y", "x"), "y[place] = x[largest_at(x, a, b, kh, kw, height, width)]", _largest),
    "maximum_gradient": _Loops(("dx", "dy", "x"), "dx[largest_at(x, a, b, kh, kw, height, width)] += dy[place]", _to_first_largest, True),
    "average": _Loops(("y", "x"), "y[place] = mean_at(x, zero, a, b, kh, kw, height, width, count_padding)", _mean),
    "average_gradient": _Loops(("dx", "dy"), "spread_at(dx, dy[place], a, b, kh, kw, height, width, count_padding)", _to_all, True),
}

TEMPLATE = """
@inner
def inside({names}, row, corner, width, low, high):
    for j in range(low, high):
        place, first = row + j, corner + j * {stride}
        {inside}


def kernel(begin, end, args, scratch):
    sizes = args + {sizes}
    height, width, rows, columns = load(sizes), load(sizes + 8), load(sizes + 16), load(sizes + 24)
    pad_h, pad_w, count_padding = load(sizes + 32), load(sizes + 40), load(sizes + 48)
    kh, kw, sh, sw = load(sizes + 56), load(sizes + 64), load(sizes + 72), load(sizes + 80)
    low = min((pad_w + sw - 1) // sw, columns)
    high = max(min((width + pad_w - kw) // sw + 1, columns), low)
    for plane in range(begin, end):
        {operands}
        for i in range(rows):
            a, row = i * sh - pad_h, i * columns
            whole = {known} and a >= 0 and a + kh <= height
            for j in range(columns):
                if not whole or j < low or j >= high:
                    place, b = row + j, j * sw - pad_w
                    {border}
            if whole:
                inside({names}, row, a * width - pad_w, width, low, high)
"""


def build(name: str, window: tuple[int, int, int, int] | None, dtype: str) -> Callable:
    """The kernel ``name``; ``window`` is (kernel height, kernel width, vertical stride, horizontal stride) if it is known."""
    real, loops = np.dtype(dtype).type, LOOPS[name]
    operands = [
        f"{operand} = pointer(load(args + {8 + 8 * i}) + plane * {'rows * columns' if 'y' in operand else 'height * width'} * {real().itemsize}, real)"
        for i, operand in enumerate(loops.operands)
    ]
    if loops.clear:
        operands += ["for k in range(height * width):", "    dx[k] = zero"]
    inside, stride = ["pass"], 1
    if window is not None:
        kh, kw, sh, stride = window
        places = [f"first + {row} * width + {column}" for row in range(kh) for column in range(kw)]
        inside = loops.inside(places, sh >= kh and stride >= kw)
    text = TEMPLATE.format(
        sizes=8 + 8 * len(loops.operands),
        operands=("\n" + " " * 8).join(operands),
        known=window is not None,
        border=loops.border,
        stride=stride,
        inside=("\n" + " " * 8).join(inside),
        names=", ".join(loops.operands),
    )
    functions = {function.__name__.strip("_"): function for function in (_largest_at, _mean_at, _spread_at)}
    scale = real(1 / (window[0] * window[1])) if window else real(1)
    values = {"inner": inner, "load": load, "pointer": pointer, "fold_max": fold_max, "real": real, "zero": real(0), "scale": scale}
    return source.execute(text, {**functions, **values}, name)


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
def _count_at(a, b, kh, kw, height, width, count_padding):
    """How many values the mean of the window that begins at (a, b) is over."""
    if count_padding:
        return kh * kw
    return (min(a + kh, height) - max(a, 0)) * (min(b + kw, width) - max(b, 0))


@inner
def _mean_at(x, zero, a, b, kh, kw, height, width, count_padding):
    """The mean of the window that begins at (a, b)."""
    total = zero
    for row in range(max(a, 0), min(a + kh, height)):
        for column in range(max(b, 0), min(b + kw, width)):
            total += x[row * width + column]
    return total / type(zero)(_count_at(a, b, kh, kw, height, width, count_padding))


@inner
def _spread_at(dx, value, a, b, kh, kw, height, width, count_padding):
    """Add ``value``, shared evenly, to the window that begins at (a, b)."""
    share = value / type(value)(_count_at(a, b, kh, kw, height, width, count_padding))
    for row in range(max(a, 0), min(a + kh, height)):
        for column in range(max(b, 0), min(b + kw, width)):
            dx[row * width + column] += share
