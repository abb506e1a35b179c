"""Copies of strided arrays to C order on the CPU: which kernel runs for which strides. Plain Python; the machine code is in `copying_simd`.

Where the copy's last axis has no gaps in the source either, rows are copied; where another axis has none there, squares of one vector's side are
transposed in registers, so that both sides are read and written by whole cache lines.
"""

from __future__ import annotations

from math import prod

from .. import config
from ..spec import Spec, c_strides
from .axes import collapse
from .host import vector_bytes
from .program import Kernel, Ref, Step, Word, divide

REALS = {4: "float32", 8: "float64"}  # what moves values of so many bytes, be they floats or not
GRAIN = 32768  # elements worth handing to another thread


def line(lanes: int, size: int) -> int:
    """Values of a cache line, or of a vector that is as long."""
    return max(lanes, 64 // size)


def step(spec: Spec, source: Ref, target: Ref, width: int | None = None) -> Step | None:
    """Copies ``source``, seen as ``spec``, to C order at ``target``, with vectors of ``width`` bytes. None where there is no fast way."""
    size = spec.dtype.itemsize
    extents, (strides,) = collapse(spec.shape, [spec.strides])
    if size not in REALS or config.interpret or len(extents) < 2 or 0 in extents or 1 not in strides:
        return None
    lanes, packed, last = (width or vector_bytes()) // size, c_strides(extents), len(extents) - 1
    transposed = strides[last] != 1
    row = strides.index(1) if transposed else last - 1
    if transposed and min(extents[row], extents[last]) < lanes // 4:
        return None
    outer = [axis for axis in range(last) if axis != row]
    block = max(1, GRAIN // extents[last])
    if transposed:
        block = divide(block, line(lanes, size)) * line(lanes, size)
    blocks = divide(extents[row], block)
    walk = [value for axis in outer for value in (extents[axis], strides[axis] * size, packed[axis] * size)]
    words: tuple[Word, ...] = (
        *(source, target, extents[row], extents[last], strides[row] * size, strides[last] * size, packed[row] * size, block),
        *(len(outer), *walk),
    )
    way = "transpose" if transposed else "copy"
    kernel = Kernel((way, lanes, REALS[size]), f"numod.kernel.copying_simd:{way}")
    tasks = prod(extents[axis] for axis in outer) * blocks
    return Step(kernel, tasks, words, max(1, GRAIN // (min(block, extents[row]) * extents[last])))
