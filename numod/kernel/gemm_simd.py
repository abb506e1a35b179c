"""Builders of the matrix product's kernels (see `gemm` for how they are put together).

C is made of register tiles of up to 6 rows and 4 vectors of columns. A tile walks once over the depth and does for
each step one vector load of B per vector and one broadcast of A per row. Few rows times the transpose of B are dot products
instead, with vectors along the depth: transposing B first would cost more than the product.
"""

from __future__ import annotations

from collections.abc import Callable

from .gemm import DOT_FEW, DOT_ROWS, FOLLOWED, ROWS, column_vectors, dot_columns
from .intrinsics import inner
from .simd import I64, LINE, REALS, Emit, Vectors, family, follow, native, word, words

STRIP = 16  # lines of A's transpose that are taken apart at a time, for several tiles


def _tile(lanes: int, real: str, rows: int, columns: int) -> Emit:
    """C[rows, columns vectors] = A @ B + start; strides in bytes, ``last`` is the number of valid lanes of the last vector.

    ``start``: rows of what is added to the sums, be it C itself, a bias (with stride 0) or zeros.
    """

    def emit(builder, arguments):
        a, a_row, a_step, b, b_step, c, c_row, start, start_row, depth, last = arguments
        v = Vectors(builder, lanes, real)
        a_rows = v.multiples(a_row, rows)
        for i in range(rows):  # of C, which is wanted only after the loop
            line = builder.add(c, builder.mul(c_row, word(i)))
            for j in range(0, columns * v.bytes, LINE):
                v.prefetch_to_write(v.offset(line, j))

        def multiply(valid):
            def step(state):
                a_here, b_here, *sums = state
                b_vectors = v.load_rows(1, columns, b_here, b_step, valid)
                sums = v.add_products(sums, [builder.add(a_here, offset) for offset in a_rows], b_vectors)
                return [builder.add(a_here, a_step), builder.add(b_here, b_step), *sums]

            return v.loop(depth, [a, b, *[v.zero] * (rows * columns)], step)[2:]

        if v.bytes == 64:  # AVX-512 has masks in all its loads: one loop does for whole vectors, too
            sums = multiply(last)
        else:
            whole = builder.icmp_signed("==", last, word(lanes))
            sums = v.choose(builder.zext(whole, I64), [lambda: multiply(last), lambda: multiply(None)])
        starts = v.load_rows(rows, columns, start, start_row, last)
        v.store_rows([builder.fadd(each, other) for each, other in zip(sums, starts, strict=True)], columns, c, c_row, last)

    return emit


def _copy_rows(lanes: int, real: str, whole: bool) -> Emit:
    """Copy ``count`` rows of ``width`` values; strides in bytes. ``whole``: the vectors at their ends are filled with zeros."""

    def emit(builder, arguments):
        source, source_row, target, target_row, count, width = arguments
        v = Vectors(builder, lanes, real)
        full, has_tail, tail = v.split(width)
        rest = builder.sub(width, builder.mul(full, word(lanes)))

        def copy(mask, count):
            def one(state):
                v.store_first(v.load(state[0], mask), state[1], None if whole else count)
                return [v.offset(address, v.bytes) for address in state]

            return one

        def row(state):
            v.loop(has_tail, v.loop(full, state, copy(None, None)), copy(tail, rest))
            return [builder.add(state[0], source_row), builder.add(state[1], target_row)]

        v.loop(count, [source, target], row)

    return emit


def _transpose_block(lanes: int, real: str, whole: bool) -> Emit:
    """target[j, i] = source[i, j] for i < ``rows``, j < ``columns``, at most ``lanes`` each; strides in bytes.

    ``whole``: the target's vectors are written to their end, with zeros.
    """

    def emit(builder, arguments):
        source, source_row, target, target_row, rows, columns = arguments
        v = Vectors(builder, lanes, real)
        sources, targets = (v.multiples(row, lanes) for row in (source_row, target_row))

        def square():
            for line, to in zip(v.transpose([v.load(builder.add(source, here)) for here in sources]), targets, strict=True):
                v.store(line, builder.add(target, to))

        def part():
            lines = []
            for i, here in enumerate(sources):
                count = builder.select(builder.icmp_signed("<", word(i), rows), columns, word(0))
                lines.append(v.load(builder.add(source, here), v.first(count)))
            after = builder.append_basic_block("after")
            for j, (line, to) in enumerate(zip(v.transpose(lines), targets, strict=True)):
                wanted = builder.append_basic_block("column")
                builder.cbranch(builder.icmp_signed("<", word(j), columns), wanted, after)
                builder.position_at_end(wanted)
                v.store_first(line, builder.add(target, to), None if whole else rows)
            builder.branch(after)
            builder.position_at_end(after)

        if v.bytes == 64:  # AVX-512 has masks in all its stores
            part()
            return
        least = builder.select(builder.icmp_signed("<", rows, columns), rows, columns)
        with builder.if_else(builder.icmp_signed("<", least, word(lanes))) as (some, all_):
            with some:
                part()
            with all_:
                square()

    return emit


def _pack_strip(lanes: int, real: str) -> Emit:
    """Put the first ``rows`` values, at most `ROWS`, of ``count`` lines of memory one after the other, and a few more behind the last."""

    def emit(builder, arguments):
        source, line, target, rows, count = arguments
        v = Vectors(builder, 8, real)
        step = builder.mul(rows, word(v.size))

        def one(state):
            v.store(v.load(state[0]), state[1])
            return [builder.add(state[0], line), builder.add(state[1], step)]

        v.loop(count, [source, target], one)

    return emit


def copier(lanes: int, real: str, whole: bool):
    """``f((source, source_row, target, target_row, count, width))``"""
    return native(f"copy_rows.{lanes}{real}{int(whole)}", 6, _copy_rows(lanes, real, whole))


def transposer(lanes: int, real: str, whole: bool):
    """``f((source, source_row, target, target_row, rows, columns))``"""
    return native(f"transpose_block.{lanes}{real}{int(whole)}", 6, _transpose_block(lanes, real, whole))


@inner
def widest(vectors, most):
    """How many of ``vectors`` the next tile takes: ``most``, but what is left should not be a single one, which waits for its own sums."""
    return vectors if vectors <= most else min(most, max(vectors - most, (vectors + 1) // 2))


def register_tiles(lanes: int, real: str):
    """``f((number, a, a_row, a_step, b, b_step, c, c_row, start, start_row, depth, last))``, and how many vectors a tile has at most.

    The number of a tile is ``(rows - 1) * most + vectors - 1``.
    """
    most = column_vectors(lanes, real)
    tiles = {most * r + j: _tile(lanes, real, r + 1, j + 1) for r in range(ROWS) for j in range(most)}
    return family(f"gemm_tile.{lanes}{real}", 12, tiles), most


def multiply(lanes: int, real: str) -> Callable:
    """C = A @ B (+ bias): the range counts blocks of C, batch first, then rows, then columns.

    A block goes over groups of columns; a group's part of B lies in the second-level cache while tiles go along the rows of C, so that six
    rows of A are in the first-level cache for all of a group and C is read and written in the order in which it lies in memory.
    """
    size = REALS[real][1]
    tile, most = register_tiles(lanes, real)
    copy_rows, transpose_block = copier(lanes, real, True), transposer(lanes, real, True)
    pack_strip = native(f"gemm_strip.{lanes}{real}", 5, _pack_strip(lanes, real))

    @inner
    def copy_group(source, column, step, columns, depth, target):
        """Columns of B, those of a tile together, some rows at a time."""
        for q in range(0, depth, lanes):
            rows, j = min(lanes, depth - q), 0
            while j < columns:
                vectors = widest((columns - j + lanes - 1) // lanes, most)
                width, row = min(vectors * lanes, columns - j), vectors * lanes * size
                here, to = source + j * column + q * step, target + j * depth * size + q * row
                if column == size:
                    copy_rows((here, step, to, row, rows, width))
                else:
                    for side in range(0, width, lanes):
                        transpose_block((here + side * column, column, to + side * size, row, min(lanes, width - side), rows))
                j += width

    def kernel(begin, end, args, scratch):
        a, b, c, bias, has_bias, m, n, k, inner = words(args, 0, 9)
        a_row, a_step, a_outer, a_inner, b_step, b_column, b_outer, b_inner = words(args, 9, 8)
        # own_b: bytes of the copy of a group's part of B; 0: it is read where it is. own_a: bytes of the copy of a tile's rows of A
        row_block, column_block, group, depth_block, chunks, own_b, own_a = words(args, 17, 7)
        row_blocks = (m + row_block - 1) // row_block
        column_blocks = (n + column_block - 1) // column_block
        for block in range(begin, end):
            batch = block // (row_blocks * column_blocks)
            a_matrix = a + batch // inner * a_outer + batch % inner * a_inner
            b_matrix = b + batch // inner * b_outer + batch % inner * b_inner
            i0 = block // column_blocks % row_blocks * row_block
            first = block % column_blocks * column_block
            height, end_column = min(row_block, m - i0), min(first + column_block, n)
            row_tiles = (height + ROWS - 1) // ROWS
            fewest = height // row_tiles  # rows of a tile; the first ones have one more
            more = height - fewest * row_tiles
            groups = (end_column - first + group - 1) // group if end_column - first > group else 1
            for chunk in range(chunks):
                p = chunk * depth_block
                depth = min(depth_block, k - p)
                for part in range(groups):
                    j0 = first + part * group
                    j1 = min(j0 + group, end_column)
                    if own_b:
                        copy_group(b_matrix + j0 * b_column + p * b_step, b_column, b_step, j1 - j0, depth, scratch)
                    for t in range(row_tiles):
                        i, count = i0 + fewest * t + min(t, more), fewest + int(t < more)
                        a_here, row, step = a_matrix + i * a_row + p * a_step, a_row, a_step
                        if own_a:
                            if t % FOLLOWED == 0:
                                for q in range(0, depth, STRIP):
                                    for u in range(t, min(t + FOLLOWED, row_tiles)):
                                        rows = fewest + int(u < more)
                                        lines = a_matrix + (i0 + fewest * u + min(u, more)) * a_row + (p + q) * a_step
                                        to = scratch + own_b + u % FOLLOWED * own_a + q * rows * size
                                        pack_strip((lines, a_step, to, rows, min(STRIP, depth - q)))
                            a_here, row, step = scratch + own_b + t % FOLLOWED * own_a, size, count * size
                        j = j0
                        while j < j1:
                            vectors = widest((j1 - j + lanes - 1) // lanes, most)
                            width = min(vectors * lanes, j1 - j)
                            b_here, b_row = b_matrix + j * b_column + p * b_step, b_step
                            if own_b:
                                b_here, b_row = scratch + (j - j0) * depth * size, vectors * lanes * size
                            here = c + ((batch * m + i) * n + j) * size
                            start, start_row = (here, n * size) if p else (bias + has_bias * j * size, 0)
                            last = width - (vectors - 1) * lanes
                            number = (count - 1) * most + vectors - 1
                            tile((number, a_here, row, step, b_here, b_row, here, n * size, start, start_row, depth, last))
                            j += width
                        if chunk + 1 == chunks and (t % FOLLOWED == FOLLOWED - 1 or t + 1 == row_tiles):
                            done = t // FOLLOWED * FOLLOWED
                            done = i0 + fewest * done + min(done, more)
                            follow(args + 8 * 25, i + count - done, (batch * m + done) * n, n, j0, j1, scratch)

    return kernel


def _dots(lanes: int, real: str, rows: int, columns: int) -> Emit:
    """C[rows, columns] = bias + A @ B^T; the rows of A and B are ``depth`` contiguous values, all strides are in bytes."""

    def emit(builder, arguments):
        a, a_row, b, b_row, c, c_row, bias, depth = arguments
        v = Vectors(builder, lanes, real)
        full, has_tail, tail = v.split(depth)
        a_rows, b_rows = v.multiples(a_row, rows), v.multiples(b_row, columns)

        def step(mask):
            def multiply(state):
                a_here, b_here, *sums = state
                left = [v.load(builder.add(a_here, row), mask) for row in a_rows]
                right = [v.load(builder.add(b_here, row), mask) for row in b_rows]
                products = [v.fma(x, y, sums[i * columns + j]) for i, x in enumerate(left) for j, y in enumerate(right)]
                return [v.offset(a_here, v.bytes), v.offset(b_here, v.bytes), *products]

            return multiply

        state = v.loop(full, [a, b, *[v.zero] * (rows * columns)], step(None))
        _, _, *sums = v.loop(has_tail, state, step(tail))
        together, part = lanes // columns, Vectors(builder, columns, real)  # rows whose sums fit into one vector
        for first in range(0, rows, together):
            totals = v.sums(sums[first * columns : (first + together) * columns])
            for i in range(min(together, rows - first)):
                own = v.picked(totals, range(i * columns, (i + 1) * columns))
                part.store(builder.fadd(own, part.load(bias)), builder.add(c, builder.mul(c_row, word(first + i))))

    return emit


def dot(lanes: int, real: str) -> Callable:
    """C = A @ B^T (+ bias) for few rows: the range counts blocks of columns of C, batch first."""
    size = REALS[real][1]
    columns, wider = dot_columns(lanes, real, DOT_ROWS), dot_columns(lanes, real, DOT_FEW)
    tiles = {3 * r - 3 + w: _dots(lanes, real, r, (1, columns)[w]) for r in range(1, DOT_ROWS + 1) for w in (0, 1)}
    if wider > columns:
        tiles |= {3 * r - 1: _dots(lanes, real, r, wider) for r in range(1, DOT_FEW + 1)}
    tile = family(f"gemm_dots.{lanes}{real}", 9, tiles)

    def kernel(begin, end, args, scratch):
        a, b, c, bias, has_bias, m, n, k, inner = words(args, 0, 9)
        a_row, a_outer, a_inner, b_row, b_outer, b_inner, column_block = words(args, 9, 7)
        wide, column_step = (1, columns) if n >= columns else (0, 1)
        if columns < wider <= n and m <= DOT_FEW:
            wide, column_step = 2, wider
        column_blocks = (n + column_block - 1) // column_block
        row_tiles = (m + DOT_ROWS - 1) // DOT_ROWS
        for block in range(begin, end):
            batch, j0 = block // column_blocks, block % column_blocks * column_block
            a_matrix = a + batch // inner * a_outer + batch % inner * a_inner
            b_matrix = b + batch // inner * b_outer + batch % inner * b_inner
            for start in range(j0, min(j0 + column_block, n), column_step):
                j = min(start, n - column_step)  # the last tile may overlap the one before it
                i = 0
                for t in range(row_tiles):
                    count = (m - i + row_tiles - t - 1) // (row_tiles - t)
                    tile(
                        (
                            3 * (count - 1) + wide,
                            a_matrix + i * a_row,
                            a_row,
                            b_matrix + j * b_row,
                            b_row,
                            c + ((batch * m + i) * n + j) * size,
                            n * size,
                            bias + has_bias * j * size,
                            k,
                        )
                    )
                    i += count
            follow(args + 8 * 17, m, batch * m * n, n, j0, min(j0 + column_block, n), scratch)

    return kernel
