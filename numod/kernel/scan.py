"""Running values along an axis on the CPU: one pass with a state for each row, where the generic form starts anew at each element.

The author's step takes the state and the values of one element and returns ``(result, state)``::

    def cumsum(total, x):
        return total + x, total + x

The state is a float64 (int64). Inputs and the output are seen as (A, n, B) with n the axis. Rows that are neighbours in memory are walked together, a tile at
a time, so that memory is read in order and the tile is vectorised.

Argument words: output address, input addresses, n, B, and whether the axis is walked from its end. The range counts rows, A * B.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from ..spec import Spec
from . import source
from .program import Kernel, Program, Ref, Step, Word

TILE = 64  # rows walked together
WORK = 16384  # elements worth handing to another thread


def program(step: Callable, specs: Sequence[Spec], output: Spec, axis: int, reverse: bool, start: float) -> Program:
    """The launch of ``step`` over C-contiguous inputs of the output's shape and dtype, from the state ``start``."""
    shape = output.shape
    n, b = shape[axis], math.prod(shape[axis + 1 :])
    key = ("scan", step.__name__, source.fingerprint(step), str(output.dtype), len(specs), b > 1, start)
    kernel = Kernel(key, lambda: build(step, output.dtype, len(specs), b > 1, start))
    words: tuple[Word, ...] = (Ref("out"), *(Ref("in", i) for i in range(len(specs))), n, b, int(reverse))
    grain = max(WORK // max(n, 1), TILE if b > 1 else 1)
    return Program((output.nbytes,), len(specs), (Step(kernel, math.prod(shape[:axis]) * b, words, grain, scratch=8 * TILE),))


def build(step: Callable, dtype: np.dtype, inputs: int, tiled: bool, start: float) -> Callable:
    """The kernel, for tiles of rows or for rows one by one."""
    translated = source.Translated(step, dtype, "step")
    backend = source.backend()
    wide = np.dtype("float64" if dtype.kind == "f" else "int64")
    namespace = {
        **{name: getattr(backend, name) for name in ("inner", "pointer")},
        **translated.namespace,
        "int64": np.int64,
        "to_wide": wide.type,
        "to_value": dtype.type,
        "start": wide.type(start),
    }
    values = ", ".join(f"x{i}[at]" for i in range(inputs))
    lines = ["def kernel(begin, end, args, scratch):", "    words = pointer(args, int64)", "    out = pointer(words[1], to_value)"]
    lines += [f"    x{i} = pointer(words[{2 + i}], to_value)" for i in range(inputs)]
    lines += [f"    n, b_size, reverse = words[{2 + inputs}], words[{3 + inputs}], words[{4 + inputs}]"]
    text = "\n".join(lines) + (_TILES if tiled else _ROWS).format(values=values, tile=TILE)
    return source.execute(translated.render(text, "t" if tiled else "k"), namespace, step.__name__)


_ROWS = """
    for i in range(begin, end):
        state = start
        for k in range(n):
            at = i * n + (n - 1 - k if reverse != 0 else k)
            result, after = step(state, {values})
            out[at] = to_value(result)
            state = to_wide(after)
"""
_TILES = """
    states = pointer(scratch, to_wide)
    i = begin
    while i < end:
        a = i // b_size
        tile = (a + 1) * b_size - i
        tile = end - i if end - i < tile else tile
        tile = {tile} if tile > {tile} else tile
        base = a * n * b_size + i - a * b_size
        for t in range(tile):
            states[t] = start
        for k in range(n):
            row = base + (n - 1 - k if reverse != 0 else k) * b_size
            for t in range(tile):
                at = row + t
                result, after = step(states[t], {values})
                out[at] = to_value(result)
                states[t] = to_wide(after)
        i += tile
"""
