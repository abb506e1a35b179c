"""Matrix products on the CPU: which kernels run for which shapes. Plain Python; the machine code is in `gemm_simd`.

C is cut into blocks that threads take; a block walks over the depth in chunks that stay in the caches. B is read where it
is, or repacked into panels first when it is transposed or large; a block copies its part of A when that is worth it. Few rows
times the transpose of B, and a matrix times a vector, are dot products without any copy. Every element of C is summed in one
fixed order that depends on the shapes only, not on the blocks.
"""

from __future__ import annotations

from .host import lanes_of, registers
from .program import Kernel, Program, Ref, Step, Word

ROWS = 6  # of a register tile
DEPTH = 384  # of a chunk: a panel of B stays in the second-level cache, beside a block's part of A
BLOCK_ROWS = 240  # of a block at most: its part of A (BLOCK_ROWS x DEPTH) stays in the second-level cache
TASKS = 16  # aim for at least this many blocks, so that threads end together ...
TASK_WORK = 1 << 20  # ... but not for blocks of fewer multiplications than this (some 15 us)
DOT_ROWS = 4  # of a register tile of dot products
DOT_DEPTH = 8  # times the rows of C: from this depth on, products with a transposed B are dot products
PACK_WORK = 1 << 22  # repacking pays from about 160^3
SIZES = {"float32": 4, "float64": 8}


def _divide(count: int, by: int) -> int:
    return -(-count // by)


def column_vectors(lanes: int, real: str) -> int:
    """Vectors of columns of the widest register tile; some registers are left for B and the broadcast of A."""
    return 4 if registers(lanes * SIZES[real]) == 32 else 2


def dot_columns(lanes: int, real: str) -> int:
    """Columns of a register tile of dot products; their sums share a vector."""
    return min(column_vectors(lanes, real), lanes)


def _blocks(batch: int, m: int, n: int, k: int, panel: int) -> tuple[int, int]:
    """Rows and columns of a block: the rows of A in cache, columns split only if rows alone do not give enough blocks."""
    wanted = max(1, min(TASKS, batch * m * n * k // TASK_WORK))
    row_block, column_block = min(m, BLOCK_ROWS), n
    split = _divide(wanted, batch)
    if split > _divide(m, row_block):
        tiles = _divide(m, ROWS)
        row_block = _divide(m, tiles) * _divide(tiles, min(split, tiles)) if tiles > 1 else m
        row_block = min(row_block, m, BLOCK_ROWS)
        columns = max(1, split // _divide(m, row_block))
        column_block = _divide(_divide(n, panel), columns) * panel
    return row_block, column_block


def program(
    m: int,
    n: int,
    k: int,
    *,
    batch: int = 1,
    a_batch: int | None = None,
    b_batch: int | None = None,
    transpose_a: bool = False,
    transpose_b: bool = False,
    bias: bool = False,
    real: str = "float32",
    lanes: int | None = None,
) -> Program | None:
    """C[batch, m, n] = op(A) @ op(B) + bias[n] from C-contiguous inputs A, B (and bias).

    A is (m, k), or (k, m) if ``transpose_a``; B is (k, n), or (n, k) if ``transpose_b``. ``a_batch`` and ``b_batch`` are the
    distances between matrices in elements, 0 for one that all share. None if there is nothing to do for a fast kernel.
    """
    if real not in SIZES or min(m, n, k, batch) < 1:
        return None
    size = SIZES[real]
    lanes = lanes or lanes_of(size)
    a_batch = m * k if a_batch is None else a_batch
    b_batch = k * n if b_batch is None else b_batch
    if batch > 1 and b_batch == 0 and a_batch == m * k and not transpose_a:
        batch, m, a_batch = 1, batch * m, batch * m * k
    if n == 1 and not (transpose_a or bias):  # A times a vector: the vector times the transpose of A
        return _dots(1, m, k, batch, b_batch, a_batch, Ref("in", 1), Ref("in", 0), False, real, lanes)
    if transpose_b and not transpose_a and k >= DOT_DEPTH * m:
        return _dots(m, n, k, batch, a_batch, b_batch, Ref("in", 0), Ref("in", 1), bias, real, lanes)
    panel = column_vectors(lanes, real) * lanes
    a_row, a_step = (1, m) if transpose_a else (k, 1)
    b_step, b_column = (1, k) if transpose_b else (n, 1)
    large = m * n * k >= PACK_WORK
    steps, workspace, b_source = [], 0, Ref("in", 1)
    b_words = (b_step * size, panel * size, b_batch * size)
    if transpose_b or (large and m > ROWS):
        matrices = 1 if b_batch == 0 else batch
        panels = _divide(n, panel)
        workspace = matrices * panels * panel * k * size
        words: tuple[Word, ...] = (Ref("in", 1), Ref("tmp"), n, k, b_step * size, b_column * size, b_batch * size)
        grain = max(1, 65536 // (panel * k))
        steps.append(Step(Kernel(("gemm_pack", lanes, real), "numod.kernel.gemm_simd:pack"), matrices * panels, words, grain))
        b_source = Ref("tmp")
        b_words = (panel * size, panel * k * size, panels * panel * k * size if b_batch else 0)
    row_block, column_block = _blocks(batch, m, n, k, panel)
    depth = min(k, _divide(k, _divide(k, DEPTH)))
    pack_row = scratch = 0
    if large and min(column_block, n) > (1 if transpose_a else 4) * panel:
        pack_row = (_divide(depth, lanes) * lanes + lanes) * size  # a spare vector keeps rows off the same cache sets
        scratch = row_block * pack_row
    words = (
        *(Ref("in", 0), b_source, Ref("out"), Ref("in", 2) if bias else bytes(panel * size), int(bias)),
        *(m, n, k),
        *(a_row * size, a_step * size, a_batch * size),
        *b_words,
        *(row_block, column_block, depth),
        pack_row,
    )
    blocks = batch * _divide(m, row_block) * _divide(n, column_block)
    multiply = Kernel(("gemm", lanes, real), "numod.kernel.gemm_simd:multiply")
    steps.append(Step(multiply, blocks, words, 1, scratch))
    return Program((batch * m * n * size,), 3 if bias else 2, tuple(steps), workspace)


def _dots(m, n, k, batch, a_batch, b_batch, a: Ref, b: Ref, bias: bool, real: str, lanes: int) -> Program:
    """C[batch, m, n] = A @ B^T + bias[n] for few rows m."""
    size, columns = SIZES[real], dot_columns(lanes, real)
    blocks = max(1, min(_divide(TASKS, batch), batch * m * n * k // TASK_WORK))
    column_block = _divide(_divide(n, blocks), columns) * columns
    start = Ref("in", 2) if bias else bytes(columns * size)
    words = (a, b, Ref("out"), start, int(bias), m, n, k, a_batch * size, b_batch * size, column_block)
    kernel = Kernel(("gemm_dot", lanes, real), "numod.kernel.gemm_simd:dot")
    step = Step(kernel, batch * _divide(n, column_block), words, max(1, TASK_WORK // (m * column_block * k)))
    return Program((batch * m * n * size,), 3 if bias else 2, (step,))
