"""The rowwise form: what is computed along rows, one row at a time: reductions, softmax, norms, losses.

The author writes the formula of one row; ``fold(add, e)`` (or ``mul``, ``max``, ``min``) reduces the expression ``e`` over the row and
``first(condition)`` is the first index where it holds (``count`` if nowhere). ``index`` and ``count`` are the position in the row and its length.
``name = checked(label)`` is an input of one integer a row, reported as an IndexError if it is not an index of the row::

    def softmax(x):
        m = fold(max, x)
        s = fold(add, math.exp(x - m))
        return math.exp(x - m) / s      # of each element: it speaks of x; the return of a row's value speaks of folds only

Several results are returned as a tuple. Folds that do not need each other's results share a pass over the row. Parameters after the inputs
are numbers, the same for all rows.

A "row" is given by the reduced axes. Inputs are seen as (A, R1, B, R2) with R1 and R2 reduced, which covers one axis, neighbouring axes, all axes, and
the batch statistics of an image; other combinations are copied to that layout first (only for an output of one value a row). Where R2 is 1, a tile of
neighbouring rows is walked together, so that memory is read in order and the tile vectorises; where R2 is small, its elements are lanes of their own
until they are added up. Sums are kept in float64 or int64.

Of a few long rows pieces are folded first, which threads share, and joined then. Where rows are cut depends on the shape alone.

Argument words: output addresses, input addresses, A, R1, B, R2, rows of a tile, the numbers (as bits of float64), pieces of a row and the address of
what their folds give.
"""

from __future__ import annotations

import ast
import functools
import math
import struct
from collections.abc import Callable, Sequence

import numpy as np

from .. import config
from ..spec import Spec
from . import half, inline, layout as layouts, source
from .formula import Folds, RowProgram, stages_of
from .program import Kernel, Program, Ref, Step, Word, divide
from .row_loops import EXTREMES, SUMS, TILE, Writer

# Fewer rows than TILE are walked together when that lets what several walks read stay in this much of the second-level cache.
CACHE = 1 << 19
SHORT = 8  # runs of memory of a row, of so many elements at most, are walked together with those of its neighbours ...
FOLDED = 4  # ... where a row has so many of them
WORK = 16384  # elements worth handing to another thread
APART, LINE = 64, 16  # elements that a tile has at least when threads share the tiles, and that lie in one cache line
FEW, PIECE = 16, 65536  # fewer rows than this are cut into pieces of some so many elements


def layout(shape: tuple[int, ...], axes: tuple[int, ...]) -> tuple[int, int, int, int] | None:
    """(A, R1, B, R2) for reducing ``axes`` of a contiguous array; None if the axes alternate more often."""
    groups: list[list] = [[False, 1], [True, 1], [False, 1], [True, 1]]
    at = 0
    for axis, extent in enumerate(shape):
        if extent == 1:
            continue
        reduced = axis in axes
        while at < 4 and groups[at][0] != reduced:
            at += 1
        if at == 4:
            return None
        groups[at][1] *= extent
    a, r1, b, r2 = (extent for _, extent in groups)
    if b == 1:
        return a, 1, 1, r1 * r2
    if r1 == 1:
        return a * b, 1, 1, r2
    return a, r1, b, r2


def arrange(shape: tuple[int, ...], axes: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, int, int, int]]:
    """(order, (A, R1, B, R2)): the order of axes in which inputs are seen, with the reduced ones last if no other layout fits."""
    order = tuple(range(len(shape)))
    found = layout(shape, axes)
    if found is None:
        order = (*(axis for axis in order if axis not in axes), *axes)
        kept = math.prod(shape[axis] for axis in order if axis not in axes)
        found = (kept, 1, 1, math.prod(shape) // max(kept, 1))
    return order, found


def moved(spec: Spec, order: Sequence[int]) -> Spec:
    """The same memory with its axes in another order."""
    return Spec.of(tuple(spec.shape[axis] for axis in order), spec.dtype, spec.device, tuple(spec.strides[axis] for axis in order))


def program(
    code: Callable,
    inputs: Sequence[Spec],
    outputs: Sequence[Spec],
    axes: tuple[int, ...],
    dtype: np.dtype,
    per_row: tuple[str, ...] = (),
    per_place: tuple[str, ...] = (),
    numbers: Sequence[float] = (),
) -> Program:
    """The launch of ``code`` over rows along ``axes``.

    Inputs named in ``per_row`` have one value for each row (the reduced axes gone or 1), those in ``per_place`` one for each place in
    a row, the same for all rows (the reduced axes alone); the others have the full shape.
    dtype: the type that is computed in. numbers: the values of the parameters after the inputs.
    """
    names = code.__code__.co_varnames[: len(inputs)]
    shape = inputs[0].shape
    order, (a, r1, b, r2) = arrange(shape, axes)
    steps: list[Step] = []
    words: list[Word] = [Ref("out", i) for i in range(len(outputs))]
    workspace = 0
    for i, (name, spec) in enumerate(zip(names, inputs, strict=True)):
        seen = spec if name in (*per_row, *per_place) else moved(spec, order)
        if seen.contiguous:
            words.append(Ref("in", i))
            continue
        steps.append(layouts.copy_step(seen, i, Ref("tmp", 0, workspace)))
        words.append(Ref("tmp", 0, workspace))
        workspace += (spec.nbytes + 127) // 64 * 64
    loops = "rows"
    if b > 1 and dtype.kind != "b":  # bools have no arrays of their own in scratch
        if r2 == 1:
            loops = "columns"
        elif 1 < r2 <= SHORT and r1 >= FOLDED and not per_place and _even(code, len(inputs), per_row):
            loops = "lanes"
    types, out_types = tuple(str(s.dtype) for s in inputs), tuple(str(s.dtype) for s in outputs)
    cut = a * b < FEW and r1 * r2 >= 2 * PIECE and loops == "rows" and _one_pass(code, len(inputs), per_row)
    pieces = min(divide(r1 * r2, PIECE), r1 if r1 > 1 else r2) if cut else 1

    def kernel(loops: str) -> Kernel:
        key = ("rowwise", code.__name__, source.fingerprint(code), str(dtype), types, out_types, per_row, per_place, loops)
        return Kernel(key, lambda: build(code, dtype, types, out_types, per_row, per_place, loops))

    streams = max(1, len(inputs) - len(per_row) - len(per_place))
    cached = CACHE // (max(r1, 1) * dtype.itemsize * streams) // 64 * 64
    tile = min(cached, TILE) if cached and stages_of(code) + len(outputs) > 2 else TILE
    least = 1 if loops == "rows" else min(tile, divide(max(APART, divide(a * b * r2, config.num_threads)), LINE) * LINE) // r2
    grain = max(WORK // max(r1 * r2, 1), least)
    words += [a, r1, b, r2, tile, *(struct.unpack("q", struct.pack("d", number))[0] for number in numbers)]
    spans: tuple[tuple[Ref, int], ...] = ()
    if r1 == b == 1:  # a row of each input, one after the other
        refs = [*(Ref("out", i) for i in range(len(outputs))), *(Ref("in", i) for i in range(len(inputs)))]
        places = [False] * len(outputs) + [name in per_place for name in names]
        spans = (
            tuple((ref, spec.nbytes // a) for ref, spec, place in zip(refs, (*outputs, *inputs), places, strict=True) if not place)
            if a
            else ()
        )
    if pieces > 1:
        words += [pieces, Ref("tmp", 0, workspace)]
        workspace += 8 * a * b * pieces * stages_of(code)
        steps += [Step(kernel("pieces"), a * b * pieces, tuple(words), 1), Step(kernel("joined"), a * b, tuple(words))]
    else:
        arrays = 3 * stages_of(code) + len(per_row) if loops == "lanes" else 2 * stages_of(code)
        steps.append(Step(kernel(loops), a * b, tuple(words), grain, 8 * TILE * arrays, spans))
    return Program(tuple(spec.nbytes for spec in outputs), len(inputs), tuple(steps), workspace)


@functools.cache
def keeps(code: Callable, inputs: int, per_row: tuple[str, ...]) -> bool:
    """Whether what a fold computes of each element stays in the output until it is read again, if that has the dtype it is computed in."""
    rows = RowProgram(source.parse(code), code.__code__.co_varnames[:inputs], per_row)
    rows.keep([True] * len(rows.results))
    return any(stage[0] == "fold" and len(stage) > 4 for stage in rows.stages)


@functools.cache
def _one_pass(code: Callable, inputs: int, per_row: tuple[str, ...]) -> bool:
    """Whether the formula is values of the row alone, from one pass over it that can be cut into pieces."""
    rows = RowProgram(source.parse(code), code.__code__.co_varnames[:inputs], per_row)
    folds = [folds for _, folds in rows.passes() if folds]
    return len(folds) == 1 and folds[0][0][2] != "first" and not any(map(rows.per_element, rows.results))


@functools.cache
def _even(code: Callable, inputs: int, per_row: tuple[str, ...]) -> bool:
    """Whether the formula does the same with all elements of a row, wherever they are, and only folds that can be put together in any order."""
    rows = RowProgram(source.parse(code), code.__code__.co_varnames[:inputs], per_row)
    expressions = [stage[3 if stage[0] == "fold" else 2] for stage in rows.stages] + rows.results
    named = {node.id for each in expressions for node in ast.walk(each) if isinstance(node, ast.Name)}
    return "index" not in named and all(stage[0] != "check" and stage[2] != "first" for stage in rows.stages)


def limits(dtype: np.dtype) -> tuple:
    """(smallest, largest) value of a dtype."""
    if dtype.kind == "f":
        return dtype.type(-np.inf), dtype.type(np.inf)
    if dtype.kind == "b":
        return dtype.type(False), dtype.type(True)
    info = np.iinfo(dtype)
    return dtype.type(info.min), dtype.type(info.max)


def build(
    code: Callable,
    dtype: np.dtype,
    types: tuple[str, ...],
    out_types: tuple[str, ...],
    per_row: tuple[str, ...],
    per_place: tuple[str, ...],
    loops: str,
) -> Callable:
    """The kernel of the CPU: ``rows`` one by one, tiles of ``columns`` or ``lanes``, ``pieces`` of rows or what is ``joined`` of them."""
    translated = source.Translated(code, dtype, "row", Folds())
    # The author's variables get names that the loops around them do not use.
    definition = inline.Rename({name: f"v_{name}" for name in code.__code__.co_varnames}).visit(translated.definition)
    per_row, per_place = (tuple(f"v_{name}" for name in each) for each in (per_row, per_place))
    arguments = [f"v_{arg.arg}" for arg in definition.args.args]
    names, numbers = arguments[: len(types)], arguments[len(types) :]
    rows = RowProgram(definition, names, per_row)
    rows.keep([each == str(dtype) for each in out_types])
    backend = source.backend()
    wide = np.dtype("float64" if dtype.kind == "f" else "int64")
    low, high = limits(dtype)
    namespace = {
        **{name: getattr(backend, name) for name in ("inner", "pointer", "checked", *SUMS, *EXTREMES, *EXTREMES.values())},
        **{f"type_{name}": source.memory_type(t) for name, t in zip(names, types, strict=True)},
        "int64": np.int64,
        "to_value": dtype.type,
        "to_wide": wide.type,
        **{f"type_out{i}": source.memory_type(t) for i, t in enumerate(out_types)},
        "float64": np.float64,
        **({"zero": dtype.type(0), "one": dtype.type(1), "nan": dtype.type(np.nan)} if dtype.kind == "f" else {}),
        "start_fold_max": low,
        "start_fold_min": high,
        "start_fold_add": wide.type(0),
        "start_fold_mul": wide.type(1),
        **half.names((*types, *out_types)),
        **translated.namespace,
    }
    writer = Writer(rows, dict(zip(names, types, strict=True)), out_types, per_row, per_place, numbers, loops, dtype.kind == "f")
    return source.execute(translated.render(writer.text()), namespace, code.__name__)
