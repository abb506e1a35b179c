"""Matrix products on the CPU: which kernels run for which shapes. Plain Python; the machine code is in `gemm_simd`.

C is cut into blocks that threads take; a block walks over the depth in chunks, and over the columns in groups. Operands may be strided, if
either their rows or their columns have no gaps. A block copies a group's part of B when B is transposed or large, and parts of the transpose
of A when that is worth it. Few rows times the transpose of B, and a matrix times a vector, are dot products without any
copy. Every element of C is summed in one fixed order that depends on the shapes only, not on the blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import inf
from typing import NamedTuple

from ..spec import Spec
from . import axes, copying
from .host import idle, lanes_of, most_pieces, registers
from .joined import room
from .program import Kernel, Program, Ref, Step, Word, divide, moved

ROWS = 6  # of a register tile
FOLLOWED = 8  # tiles of rows of C that are complete before the loop that follows goes over them
DEPTH = 384  # of a chunk: rows of a tile of A stay in the first-level cache
GROUP = 512  # columns whose part of B (DEPTH x GROUP) stays in the second-level cache
TASK_WORK = 1 << 18  # no blocks of fewer multiplications than this (some 4 us) for the sake of threads
AGAIN = 0.3  # cycles to read a value again for another block, and copy it
MOVE = 2  # multiplications take as long as moving a value to or from memory
TRANSPOSE = 2  # times what copying a value costs: transposing it
FEW = 48  # rows for which B is not kept in the second-level cache
NARROW = 48  # a tall large result of so few columns is made as its transpose, if nothing else is copied for that; a small one, if they fit a vector
DOT_ROWS, DOT_FEW = 4, 2  # of a register tile of dot products, and so few that it always has room for four columns
DOT_DEPTH = 8  # times the rows of C: from this depth on, products with a transposed B are dot products
PACK_WORK = 1 << 22  # copies pay from about 160^3 ...
PACK_ROWS = 128  # ... and of B for more rows of C than this
LONG_ROW, SHALLOW = 4096, 64  # rows of B this long lie on pages of their own: where they are read in place, so many at a time
SIZES = {"float32": 4, "float64": 8}


def column_vectors(lanes: int, real: str) -> int:
    """Vectors of columns of the widest register tile; some registers are left for B and the broadcast of A."""
    return 4 if registers(lanes * SIZES[real]) == 32 else 2


def dot_columns(lanes: int, real: str, rows: int) -> int:
    """Columns of a register tile of dot products, for so many rows in all; their sums share a vector. Four sums at least do not wait for each other."""
    return min(4 if rows <= DOT_FEW else column_vectors(lanes, real), lanes)


def _work(m: int, n: int, k: int) -> int:
    """What a product costs, in multiplications: those it does, or those that would take as long as reading and writing its matrices."""
    return max(m * n * k, MOVE * max(m * k, k * n, m * n))


def _blocks(batch: int, m: int, n: int, k: int, lanes: int, panel: int, again_a: int, again_b: int) -> tuple[int, int]:
    """Rows and columns of a block: little is read and copied again for each, and threads seldom wait.

    again_a, again_b: what that costs for a value, in units of `AGAIN`.
    """
    most = max(1, min(most_pieces(), batch * _work(m, n, k) // TASK_WORK))
    tiles, panels = divide(m, ROWS), divide(n, panel)
    best = (inf, 0, 0)
    for rows in range(1, min(tiles, divide(most, batch)) + 1):
        for columns in range(1, min(panels, divide(most, batch * rows)) + 1):
            read = AGAIN * (rows * again_b * n + columns * again_a * m)
            largest = min(m, divide(tiles, rows) * divide(m, tiles)) * min(n, divide(panels, columns) * panel)
            waited = idle(batch * rows * columns, largest * rows * columns / (m * n)) if most > 1 else 0.0
            best = min(best, (read + waited * m * n / (2 * lanes), rows, columns))
    _, rows, columns = best
    return divide(m, tiles) * divide(tiles, rows), n if columns == 1 else divide(panels, columns) * panel


class Matrices(NamedTuple):
    """Where the values of a batch of matrices are, by strides in elements; 1 is the stride of rows, or of columns, or of both."""

    row: int
    column: int
    batch: tuple[int, ...] = (0, 0)  # along the two axes that every batch is seen with; 0 where all share a matrix


def matmul(x: Spec, y: Spec, out: Spec, transpose_a: bool = False, transpose_b: bool = False, bias: bool = False) -> Program | None:
    """The product of x and y (with a third, contiguous input: + bias), read where they are as far as their strides allow it."""
    operands, batch = ((x, transpose_a), (y, transpose_b)), out.shape[:-2]
    read = [spec if 1 in _steps(spec, flag) else spec.like() for spec, flag in operands]
    if len(_batches(read, batch)[0]) > 2:
        read = [x.like(), y.like()]
    axes, strides = _batches(read, batch)
    (m, n), k = out.shape[-2:], x.shape[-2 if transpose_a else -1]
    missing = 2 - len(axes)
    a, b = (Matrices(*_steps(spec, flag), (0,) * missing + each) for spec, (_, flag), each in zip(read, operands, strides, strict=True))
    narrow = NARROW if m * n * k >= PACK_WORK else lanes_of(out.dtype.itemsize)
    if a.row == b.column == 1 != a.column and 1 < n <= narrow < m and not bias:
        turned = _turned(x, y, out, transpose_a, transpose_b)
        if turned is not None:
            return turned
    made = program(m, n, k, a, b, batch=(1,) * missing + axes, bias=bias, real=str(out.dtype))
    return made and replace(made, strided=tuple(i for i, (spec, _) in enumerate(operands) if read[i] is spec))


def _turned(x: Spec, y: Spec, out: Spec, transpose_a: bool, transpose_b: bool) -> Program | None:
    """The product of the transposes, turned round: for a tall result, whose few columns would not fill vectors, and a transposed x, whose rows do."""
    *batch, m, n = out.shape
    turned = out.like((*batch, n, m))
    copy = copying.step(Spec.of(out.shape, out.dtype, out.device, (*turned.strides[:-2], 1, m)), Ref("tmp"), Ref("out"))
    made = matmul(y, x, turned, not transpose_b, not transpose_a)
    if copy is None or made is None:
        return None
    where = {("in", 0): Ref("in", 1), ("in", 1): Ref("in", 0), ("out", 0): Ref("tmp")}
    steps = [moved(replace(step, open=0), lambda ref: where[ref.space, ref.index]) for step in made.steps]
    return Program(made.outs, 2, (*steps, copy), room(out.nbytes), tuple(1 - i for i in made.strided))


def _steps(spec: Spec, transposed: bool) -> tuple[int, int]:
    """Strides of rows and columns; 1 where there is only one column, or one row and no other way to have a 1."""
    (rows, columns), (row, column) = (pair[::-1] if transposed else pair for pair in (spec.shape[-2:], spec.strides[-2:]))
    column = 1 if columns == 1 else column
    return (1 if rows == 1 and column != 1 else row), column


def _batches(specs: Sequence[Spec], batch: tuple[int, ...]) -> tuple[tuple[int, ...], list[tuple[int, ...]]]:
    """The axes of a batch with as many as possible joined, and the strides of the operands along them."""
    strides = [axes.broadcast_strides(spec, (*batch, *spec.shape[-2:]))[:-2] for spec in specs]
    return axes.collapse(batch, strides)


def program(
    m: int,
    n: int,
    k: int,
    a: Matrices,
    b: Matrices,
    *,
    batch: tuple[int, ...] = (1, 1),  # extents of the two axes
    bias: bool = False,
    real: str = "float32",
    lanes: int | None = None,
) -> Program | None:
    """C[batch, m, n] = A[batch, m, k] @ B[batch, k, n] + bias[n], C in C order. None if there is nothing to do for a fast kernel."""
    if real not in SIZES or min(m, n, k, *batch) < 1:
        return None
    size = SIZES[real]
    lanes = lanes or lanes_of(size)
    if b.batch == (0, 0) and batch[0] == 1 and a.column == 1 and a.batch[1] == m * a.row:
        m, batch = batch[1] * m, (1, 1)
    a_ref, b_ref = Ref("in", 0), Ref("in", 1)
    vector = n == 1 and b.row == 1 and not bias
    if vector:  # A times a vector: the vector times the transpose of A
        m, n, a, b, a_ref, b_ref = 1, m, Matrices(0, 1, b.batch), Matrices(a.column, a.row, a.batch), b_ref, a_ref
    if a.column == b.row == 1 and (b.column != 1 or n == 1) and (vector or k >= DOT_DEPTH * m):
        return _dots(m, n, k, batch, a, b, a_ref, b_ref, bias, real, lanes)
    panel = column_vectors(lanes, real) * lanes
    large, count = m * n * k >= PACK_WORK, batch[0] * batch[1]
    copies_b = b.column != 1 or (large and m > PACK_ROWS)
    again_a, again_b = (1 if each == 1 else TRANSPOSE for each in (a.column, b.column))
    row_block, column_block = _blocks(count, m, n, k, lanes, panel, again_a, again_b)
    deepest = SHALLOW if not copies_b and b.row * size >= LONG_ROW else DEPTH
    depth = divide(k, divide(k, deepest))
    few = not copies_b and m <= FEW  # then each panel of B passes through the first-level cache once
    most = panel if few else max(1, DEPTH * GROUP // (depth * panel)) * panel
    group = divide(divide(column_block, divide(column_block, most)), panel) * panel
    own_b = depth * group * size if copies_b else 0
    own_a = (depth * ROWS + 8) * size if large and m > FEW and column_block > panel and a.column != 1 else 0
    words: tuple[Word, ...] = (
        *(a_ref, b_ref, Ref("out"), Ref("in", 2) if bias else bytes(panel * size), int(bias)),
        *(m, n, k, batch[1]),
        *(stride * size for stride in (a.row, a.column, *a.batch, b.row, b.column, *b.batch)),
        *(row_block, column_block, group, depth, divide(k, depth), own_b, own_a),
        0,
    )
    blocks = count * divide(m, row_block) * divide(n, column_block)
    multiply = Kernel(("gemm", lanes, real), "numod.kernel.gemm_simd:multiply")
    written = min(row_block, FOLLOWED * ROWS) * n if group >= n else group
    grain = max(1, TASK_WORK // _work(row_block, column_block, k))
    step = Step(multiply, blocks, words, grain, own_b + FOLLOWED * own_a, open=written)
    return Program((count * m * n * size,), 3 if bias else 2, (step,))


def _dots(m, n, k, batch: tuple[int, ...], a: Matrices, b: Matrices, a_ref: Ref, b_ref: Ref, bias: bool, real: str, lanes: int) -> Program:
    """The product of few rows m with matrices whose columns are contiguous."""
    size, columns, count = SIZES[real], dot_columns(lanes, real, m), batch[0] * batch[1]
    blocks = divide(max(1, min(most_pieces(), count * _work(m, n, k) // TASK_WORK)), count)
    column_block = divide(divide(n, blocks), columns) * columns
    start = Ref("in", 2) if bias else bytes(columns * size)
    strides = (a.row, *a.batch, b.column, *b.batch)
    words = (a_ref, b_ref, Ref("out"), start, int(bias), m, n, k, batch[1], *(stride * size for stride in strides), column_block, 0)
    kernel = Kernel(("gemm_dot", lanes, real), "numod.kernel.gemm_simd:dot")
    step = Step(
        kernel,
        count * divide(n, column_block),
        words,
        max(1, TASK_WORK // _work(m, column_block, k)),
        open=m * n if column_block >= n else column_block,
    )
    return Program((count * m * n * size,), 3 if bias else 2, (step,))
