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
neighbouring rows is walked together, so that memory is read in order and the tile vectorises. Sums are kept in float64 or int64.

Argument words: output addresses, input addresses, A, R1, B, R2, rows of a tile, the numbers (as bits of float64).
"""

from __future__ import annotations

import ast
import functools
import math
import struct
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from ..spec import Spec
from . import half, inline, layout as layouts, source
from .formula import Folds, RowProgram, stages_of
from .program import Kernel, Program, Ref, Step, Word

TILE = 512  # rows walked together, at most, and ...
CACHE = 1 << 19  # ... fewer when that lets what several walks read stay in this much of the second-level cache
WORK = 16384  # elements worth handing to another thread


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
    column = r2 == 1 and b > 1 and dtype.kind != "b"  # bools have no arrays of their own in scratch
    types, out_types = tuple(str(s.dtype) for s in inputs), tuple(str(s.dtype) for s in outputs)
    key = ("rowwise", code.__name__, source.fingerprint(code), str(dtype), types, out_types, per_row, per_place, column)
    kernel = Kernel(key, lambda: build(code, dtype, types, out_types, per_row, per_place, column))
    streams = max(1, len(inputs) - len(per_row) - len(per_place))
    cached = CACHE // (max(r1, 1) * dtype.itemsize * streams) // 64 * 64
    tile = min(cached, TILE) if cached and stages_of(code) + len(outputs) > 2 else TILE
    grain = max(WORK // max(r1 * r2, 1), tile if column else 1)
    words += [a, r1, b, r2, tile, *(struct.unpack("q", struct.pack("d", number))[0] for number in numbers)]
    spans: tuple[tuple[Ref, int], ...] = ()
    if r1 == b == 1 and not column:  # a row of each input, one after the other
        refs = [*(Ref("out", i) for i in range(len(outputs))), *(Ref("in", i) for i in range(len(inputs)))]
        places = [False] * len(outputs) + [name in per_place for name in names]
        spans = (
            tuple((ref, spec.nbytes // a) for ref, spec, place in zip(refs, (*outputs, *inputs), places, strict=True) if not place)
            if a
            else ()
        )
    steps.append(Step(kernel, a * b, tuple(words), grain, 16 * TILE * stages_of(code), spans))
    return Program(tuple(spec.nbytes for spec in outputs), len(inputs), tuple(steps), workspace)


@functools.cache
def keeps(code: Callable, inputs: int, per_row: tuple[str, ...]) -> bool:
    """Whether what a fold computes of each element stays in the output until it is read again, if that has the dtype it is computed in."""
    rows = RowProgram(source.parse(code), code.__code__.co_varnames[:inputs], per_row)
    rows.keep([True] * len(rows.results))
    return any(stage[0] == "fold" and len(stage) > 4 for stage in rows.stages)


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
    column: bool,
) -> Callable:
    """The kernel of the CPU: `rows` one by one, or tiles of `columns`."""
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
        **{name: getattr(backend, name) for name in ("inner", "pointer", "checked", "fold_add", "fold_mul", "fold_max", "fold_min")},
        **{f"type_{name}": source.memory_type(t) for name, t in zip(names, types, strict=True)},
        "int64": np.int64,
        "to_value": dtype.type,
        "to_wide": wide.type,
        **{f"type_out{i}": source.memory_type(t) for i, t in enumerate(out_types)},
        "float64": np.float64,
        "start_fold_max": low,
        "start_fold_min": high,
        "start_fold_add": wide.type(0),
        "start_fold_mul": wide.type(1),
        **half.names((*types, *out_types)),
        **translated.namespace,
    }
    writer = _Writer(rows, dict(zip(names, types, strict=True)), out_types, per_row, per_place, numbers, column)
    return source.execute(translated.render(writer.text()), namespace, code.__name__)


SUMS = ("fold_add", "fold_mul")  # folds that are kept in the wide type
_VALUE = {"let": "to_value({})", "check": "checked(int64({}), r1 * r2, words[0])"}  # what a variable of a row is given


class _Writer:
    """Writes the loops of a rowwise kernel."""

    def __init__(
        self,
        rows: RowProgram,
        types: dict[str, str],
        out_types: tuple[str, ...],
        per_row: tuple[str, ...],
        per_place: tuple[str, ...],
        numbers: list[str],
        column: bool,
    ):
        self.rows, self.types, self.out_types, self.numbers, self.column = rows, types, out_types, numbers, column
        self.per_row, self.per_place = per_row, per_place
        self.names = list(types)
        self.lines = ["def kernel(begin, end, args, scratch):", "    words = pointer(args, int64)"]

    def text(self) -> str:
        add = self.lines.append
        for i in range(len(self.rows.results)):
            add(f"    out{i} = pointer(words[{1 + i}], type_out{i})")
        base = 1 + len(self.rows.results)
        for i, name in enumerate(self.names):
            add(f"    in_{name} = pointer(words[{base + i}], type_{name})")
        base += len(self.names)
        add(f"    r1 = words[{base + 1}]")
        add(f"    b_size = words[{base + 2}]")
        add(f"    r2 = words[{base + 3}]")
        add(f"    most = words[{base + 4}]")
        add("    count = to_value(r1 * r2)")
        for i, name in enumerate(self.numbers):
            add(f"    {name} = to_value(pointer(args, float64)[{base + 5 + i}])")
        if self.column:
            self._columns()
        else:
            self._rows()
        return "\n".join(self.lines)

    def _read(self, name: str, at: str) -> str:
        return half.read(f"in_{name}[{at}]", self.types[name])

    def _written(self, result: int, value: str = "{}") -> str:
        return half.written(value, self.out_types[result])

    def _elements(self, indent: str, work: Sequence[tuple[ast.expr, str]], at: str, position: str, row: str) -> None:
        """Load what the expressions of ``work`` speak of, and compute each into its statement."""
        used = _names_in(expression for expression, _ in work)
        for name in self.names:
            if name in used and not (self.column and name in self.per_place):
                here = row if name in self.per_row else position if name in self.per_place else at
                self.lines.append(f"{indent}{name} = {self._read(name, here)}")
        if "index" in used:
            self.lines.append(f"{indent}index = {position}")
        for expression, statement in work:
            if "kept" in _names_in([expression]):
                self.lines.append(f"{indent}kept = {statement.partition(' = ')[0]}")
            self.lines.append(f"{indent}{statement.format(ast.unparse(expression))}")

    @staticmethod
    def _fold(stage: tuple, total: str, length: str, position: str, at: str) -> tuple[str, tuple[ast.expr, str]]:
        """(what ``total`` starts from, the expression and the statement that takes an element into it, and puts it where it is kept)"""
        _, _, operation, value, *kept = stage
        if operation == "first":
            return length, (value, f"{total} = {position} if {total} == {length} and ({{}}) else {total}")
        kind = "to_wide" if operation in SUMS else "to_value"
        statement = f"{total} = {operation}({total}, {kind}({{}}))"
        if kept:
            statement = f"element = to_value({{}}); out{kept[0]}[{at}] = element; {total} = {operation}({total}, {kind}(element))"
        return f"start_{operation}", (value, statement)

    def _rows(self) -> None:
        add = self.lines.append
        add("    for i in range(begin, end):")
        add("        a = i // b_size")
        add("        base = (a * r1 * b_size + i - a * b_size) * r2")
        for name in self.per_row:
            add(f"        {name} = {self._read(name, 'i')}")
        for values, folds in self.rows.passes():
            for kind, name, value in values:
                add(f"        {name} = {_VALUE[kind].format(ast.unparse(value))}")
            work = []
            for fold in folds:
                start, step = self._fold(fold, f"{fold[1]}_sum", "r1 * r2", "r * r2 + k", "at + k")
                add(f"        {fold[1]}_sum = {start}")
                work.append(step)
            self._loop(work)
            for _, name, operation, *_ in folds:
                add(f"        {name} = {'' if operation == 'first' else 'to_value'}({name}_sum)")
        each = [
            (result, f"out{i}[at + k] = {self._written(i)}") for i, result in enumerate(self.rows.results) if self.rows.per_element(result)
        ]
        for i, result in enumerate(self.rows.results):
            if not self.rows.per_element(result):
                add(f"        out{i}[i] = {self._written(i, ast.unparse(result))}")
        self._loop(each)

    def _loop(self, work: Sequence[tuple[ast.expr, str]]) -> None:
        if work:
            self.lines += ["        for r in range(r1):", "            at = base + r * b_size * r2", "            for k in range(r2):"]
            self._elements(" " * 16, work, "at + k", "r * r2 + k", "i")

    def _columns(self) -> None:
        """A tile of rows (a, b..b+tile): values of the rows are kept in scratch, one array for each name."""
        add = self.lines.append
        for i, stage in enumerate(self.rows.stages):
            operation = stage[2] if stage[0] == "fold" else ""
            kind = "int64" if operation == "first" or stage[0] == "check" else "to_value"
            add(f"    all_{stage[1]} = pointer(scratch + {8 * TILE * i}, {kind})")
            if operation in SUMS:
                add(f"    sum_{stage[1]} = pointer(scratch + {8 * TILE * (len(self.rows.stages) + i)}, to_wide)")
        add("    i = begin")
        add("    while i < end:")
        add("        a = i // b_size")
        add("        tile = (a + 1) * b_size - i")
        add("        tile = end - i if end - i < tile else tile")
        add("        tile = most if tile > most else tile")
        add("        base = a * r1 * b_size + i - a * b_size")
        known: list[str] = []
        for values, folds in self.rows.passes():
            for kind, name, value in values:
                add("        for t in range(tile):")
                self._row_values(value, known)
                add(f"            all_{name}[t] = {_VALUE[kind].format(ast.unparse(value))}")
                known.append(name)
            work = []
            for fold in folds:
                total = f"{'sum' if fold[2] in SUMS else 'all'}_{fold[1]}[t]"
                start, step = self._fold(fold, total, "r1", "r", "at + t")
                add("        for t in range(tile):")
                add(f"            {total} = {start}")
                work.append(step)
            self._tile_loop(work, known)
            for _, name, operation, *_ in folds:
                if operation in SUMS:
                    add("        for t in range(tile):")
                    add(f"            all_{name}[t] = to_value(sum_{name}[t])")
                known.append(name)
        for i, result in enumerate(self.rows.results):
            if not self.rows.per_element(result):
                add("        for t in range(tile):")
                self._row_values(result, known)
                add(f"            out{i}[i + t] = {self._written(i, ast.unparse(result))}")
        each = [
            (result, f"out{i}[at + t] = {self._written(i)}") for i, result in enumerate(self.rows.results) if self.rows.per_element(result)
        ]
        self._tile_loop(each, known)
        add("        i += tile")

    def _tile_loop(self, work: Sequence[tuple[ast.expr, str]], known: Sequence[str]) -> None:
        if not work:
            return
        self.lines += ["        for r in range(r1):", "            at = base + r * b_size"]
        used = _names_in(expression for expression, _ in work)
        for name in self.per_place:
            if name in used:
                self.lines.append(f"            {name} = {self._read(name, 'r')}")  # here, or the compiler reads it again after each store
        self.lines.append("            for t in range(tile):")
        self.lines += [f"                {name} = all_{name}[t]" for name in known if name in used]
        self._elements(" " * 16, work, "at + t", "r", "i + t")

    def _row_values(self, expression: ast.expr, known: Sequence[str]) -> None:
        used = _names_in([expression])
        for name in known:
            if name in used:
                self.lines.append(f"{' ' * 12}{name} = all_{name}[t]")
        for name in self.per_row:
            if name in used:
                self.lines.append(f"{' ' * 12}{name} = {self._read(name, 'i + t')}")


def _names_in(expressions: Iterable[ast.expr]) -> set[str]:
    return {node.id for expression in expressions for node in ast.walk(expression) if isinstance(node, ast.Name)}
