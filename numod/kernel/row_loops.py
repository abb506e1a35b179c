"""The loops of a rowwise kernel, as text: how the formula of a row (see `formula`) becomes what `rowwise` launches."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterable, Sequence

from . import half, inline
from .formula import RowProgram

TILE = 512  # rows walked together, at most
TOGETHER = 4  # rows of memory that a tile's folds take at a time
SEARCHED = 64  # places that a search looks at together
SUMS = ("fold_add", "fold_mul")  # folds that are kept in the wide type
EXTREMES = {"fold_max": "quick_max", "fold_min": "quick_min"}  # of floats they ignore NaN, which are looked for beside them
_VALUE = {"let": "to_value({})", "check": "checked(int64({}), r1 * r2, words[0])"}  # what a variable of a row is given


class Writer:
    """Writes the loops of a rowwise kernel: ``rows`` one by one, tiles of ``columns`` or of ``lanes``, ``pieces`` of rows, or what is ``joined`` of them."""

    def __init__(
        self,
        rows: RowProgram,
        types: dict[str, str],
        out_types: tuple[str, ...],
        per_row: tuple[str, ...],
        per_place: tuple[str, ...],
        numbers: list[str],
        loops: str,
        floats: bool,
    ):
        self.rows, self.types, self.out_types, self.numbers, self.loops = rows, types, out_types, numbers, loops
        self.per_row, self.per_place, self.floats = per_row, per_place, floats
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
        add(f"    a_size = words[{base}]")
        add(f"    r1 = words[{base + 1}]")
        add(f"    b_size = words[{base + 2}]")
        add(f"    r2 = words[{base + 3}]")
        add(f"    most = words[{base + 4}]")
        add("    count = to_value(r1 * r2)")
        for i, name in enumerate(self.numbers):
            add(f"    {name} = to_value(pointer(args, float64)[{base + 5 + i}])")
        if self.loops in ("pieces", "joined"):
            add(f"    pieces, partial = words[{base + 5 + len(self.numbers)}], words[{base + 6 + len(self.numbers)}]")
        {"rows": self._rows, "columns": self._columns, "lanes": self._lanes, "pieces": self._pieces, "joined": self._joined}[self.loops]()
        return "\n".join(self.lines)

    def _read(self, name: str, at: str) -> str:
        return half.read(f"in_{name}[{at}]", self.types[name])

    def _written(self, result: int, value: str = "{}") -> str:
        return half.written(value, self.out_types[result])

    def _elements(self, indent: str, work: Sequence[tuple[ast.expr, str]], at: str, position: str, row: str) -> None:
        """Load what the expressions of ``work`` speak of, and compute each into its statement."""
        used = _names_in(expression for expression, _ in work)
        for name in self.names:
            if name in used and name not in {"columns": self.per_place, "lanes": self.per_row}.get(self.loops, ()):
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

    def _started(self, folds: Sequence[tuple]) -> list[tuple[ast.expr, str]]:
        """What folds start from; returns what their loop does with each element."""
        work = []
        for fold in folds:
            start, (value, statement) = self._fold(fold, f"{fold[1]}_sum", "r1 * r2", "r * r2 + k", "at + k")
            self.lines.append(f"        {fold[1]}_sum = {start}")
            if self._quick(fold):
                self.lines.append(f"        {fold[1]}_nan = zero")
                statement = statement if len(fold) > 4 else f"element = to_value({{}}); {fold[1]}_sum = {fold[2]}({fold[1]}_sum, element)"
                statement = statement.replace(fold[2], EXTREMES[fold[2]])
                statement += f"; {fold[1]}_nan = quick_max({fold[1]}_nan, zero if element == element else one)"
            work.append((value, statement))
        return work

    def _ended(self, fold: tuple) -> str:
        """What a fold has come to."""
        return f"nan if {fold[1]}_nan != zero else {fold[1]}_sum" if self._quick(fold) else f"{fold[1]}_sum"

    def _quick(self, fold: tuple) -> bool:
        return self.floats and fold[2] in EXTREMES

    def _rows(self) -> None:
        add = self.lines.append
        add("    a = begin // b_size")
        add("    b = begin - a * b_size")
        add("    for i in range(begin, end):")
        add("        base = (a * r1 * b_size + b) * r2")
        add("        b += 1")
        add("        if b == b_size:")
        add("            a, b = a + 1, 0")
        for name in self.per_row:
            add(f"        {name} = {self._read(name, 'i')}")
        for values, folds in self.rows.passes():
            for kind, name, value in values:
                add(f"        {name} = {_VALUE[kind].format(ast.unparse(value))}")
            if any(fold[2] == "first" for fold in folds):
                self._search(folds[0])
            else:
                self._loop(self._started(folds))
            for fold in folds:
                add(f"        {fold[1]} = {'' if fold[2] == 'first' else 'to_value'}({self._ended(fold)})")
        each = [
            (result, f"out{i}[at + k] = {self._written(i)}") for i, result in enumerate(self.rows.results) if self.rows.per_element(result)
        ]
        for i, result in enumerate(self.rows.results):
            if not self.rows.per_element(result):
                add(f"        out{i}[i] = {self._written(i, ast.unparse(result))}")
        self._loop(each)

    def _search(self, fold: tuple) -> None:
        """Where a condition holds first, which is all that its pass looks for: in some places at a time, of which it is asked first, vector by vector,
        whether it holds in any.
        """
        total, value = f"{fold[1]}_sum", fold[3]
        self.lines += [
            f"        {total} = r1 * r2",
            "        for r in range(r1):",
            "            at = base + r * b_size * r2",
            "            start = 0",
            f"            while start < r2 and {total} == r1 * r2:",
            f"                stop = min(start + {SEARCHED}, r2)",
            "                found = 0",
            "                for k in range(start, stop):",
        ]
        self._elements(" " * 20, [(value, "found |= 1 if {} else 0")], "at + k", "r * r2 + k", "i")
        self.lines += ["                if found:", "                    for k in range(stop - 1, start - 1, -1):"]
        self._elements(" " * 24, [(value, f"{total} = r * r2 + k if {{}} else {total}")], "at + k", "r * r2 + k", "i")
        self.lines.append("                start = stop")

    def _pieces(self) -> None:
        """What the folds of the one pass give for pieces of the rows, each by itself."""
        add = self.lines.append
        add("    for number in range(begin, end):")
        add("        i = number // pieces")
        add("        piece = number - i * pieces")
        add("        a = i // b_size")
        add("        base = (a * r1 * b_size + i - a * b_size) * r2")
        folds = self._partials()
        work = self._started(folds)
        add("        first_r = r1 * piece // pieces if r1 > 1 else 0")
        add("        last_r = r1 * (piece + 1) // pieces if r1 > 1 else 1")
        add("        first_k = r2 * piece // pieces if r1 == 1 else 0")
        add("        last_k = r2 * (piece + 1) // pieces if r1 == 1 else r2")
        self._loop(work, "first_r, last_r", "first_k, last_k")
        for fold in folds:
            add(f"        all_{fold[1]}[number] = {self._ended(fold)}")

    def _joined(self) -> None:
        """The rows' values, from what the folds gave for their pieces."""
        add = self.lines.append
        add("    for i in range(begin, end):")
        for _, name, operation, *_ in self._partials():
            add(f"        {name}_sum = start_{operation}")
            add("        for number in range(i * pieces, i * pieces + pieces):")
            add(f"            {name}_sum = {operation}({name}_sum, all_{name}[number])")
            add(f"        {name} = to_value({name}_sum)")
        for values, _ in self.rows.passes()[1:]:
            for kind, name, value in values:
                add(f"        {name} = {_VALUE[kind].format(ast.unparse(value))}")
        for i, result in enumerate(self.rows.results):
            add(f"        out{i}[i] = {self._written(i, ast.unparse(result))}")

    def _partials(self) -> list[tuple]:
        """The folds of the one pass, after what comes before them and where their results for pieces are kept."""
        add = self.lines.append
        for name in self.per_row:
            add(f"        {name} = {self._read(name, 'i')}")
        values, folds = self.rows.passes()[0]
        for kind, name, value in values:
            add(f"        {name} = {_VALUE[kind].format(ast.unparse(value))}")
        for at, fold in enumerate(folds):
            kind = "to_wide" if fold[2] in SUMS else "to_value"
            add(f"        all_{fold[1]} = pointer(partial + {8 * at} * a_size * b_size * pieces, {kind})")
        return folds

    def _loop(self, work: Sequence[tuple[ast.expr, str]], rows: str = "r1", places: str = "r2") -> None:
        if work:
            self.lines += [
                f"        for r in range({rows}):",
                "            at = base + r * b_size * r2",
                f"            for k in range({places}):",
            ]
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
        add("        base, pitch = a * r1 * b_size + i - a * b_size, b_size")
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
            simple = all(fold[2] != "first" and len(fold) == 4 for fold in folds)
            self._tile_loop(work, known, TOGETHER if simple else 1)
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

    def _lanes(self) -> None:
        """As `_columns`, where a row has short runs of memory: a tile's runs are one, whose elements are folded each by itself first.

        What is known of a row is in scratch twice: once, and for each element of a run (``all_``).
        """
        add, stages = self.lines.append, self.rows.stages
        for i, stage in enumerate(stages):
            kind = "to_wide" if stage[0] == "fold" and stage[2] in SUMS else "to_value"
            add(f"    row_{stage[1]} = pointer(scratch + {8 * TILE * i}, to_value)")
            add(f"    all_{stage[1]} = pointer(scratch + {8 * TILE * (len(stages) + i)}, to_value)")
            add(f"    sum_{stage[1]} = pointer(scratch + {8 * TILE * (2 * len(stages) + i)}, {kind})")
        for i, name in enumerate(self.per_row):
            add(f"    all_{name} = pointer(scratch + {8 * TILE * (3 * len(stages) + i)}, to_value)")
        add("    i = begin")
        add("    while i < end:")
        add("        a = i // b_size")
        add("        rows = (a + 1) * b_size - i")
        add("        rows = end - i if end - i < rows else rows")
        add("        rows = most // r2 if rows > most // r2 else rows")
        add("        tile = rows * r2")
        add("        pitch = b_size * r2")
        add("        base = (a * r1 * b_size + i - a * b_size) * r2")
        for name in self.per_row:
            self._spread_out(name, self._read(name, "i + t"))
        known: list[str] = []
        for values, folds in self.rows.passes():
            for kind, name, value in values:
                add("        for t in range(rows):")
                self._row_values(value, known, "row_")
                add(f"            row_{name}[t] = {_VALUE[kind].format(ast.unparse(value))}")
                self._spread_out(name, f"row_{name}[t]")
                known.append(name)
            work = []
            for fold in folds:
                start, step = self._fold(fold, f"sum_{fold[1]}[t]", "r1 * r2", "r * r2 + t", "at + t")
                add("        for t in range(tile):")
                add(f"            sum_{fold[1]}[t] = {start}")
                work.append(step)
            simple = all(len(fold) == 4 for fold in folds)
            self._tile_loop(work, (*known, *self.per_row), TOGETHER if simple else 1)
            for _, name, operation, *_ in folds:
                add("        for t in range(rows):")
                add(f"            total = sum_{name}[t * r2]")
                add("            for k in range(1, r2):")
                add(f"                total = {operation}(total, sum_{name}[t * r2 + k])")
                add(f"            row_{name}[t] = to_value(total)")
                self._spread_out(name, f"row_{name}[t]")
                known.append(name)
        for i, result in enumerate(self.rows.results):
            if not self.rows.per_element(result):
                add("        for t in range(rows):")
                self._row_values(result, known, "row_")
                add(f"            out{i}[i + t] = {self._written(i, ast.unparse(result))}")
        each = [
            (result, f"out{i}[at + t] = {self._written(i)}") for i, result in enumerate(self.rows.results) if self.rows.per_element(result)
        ]
        self._tile_loop(each, (*known, *self.per_row))
        add("        i += rows")

    def _spread_out(self, name: str, value: str) -> None:
        """Put a value of each row at each element of its run, if anything done with the elements takes it."""
        folded = (stage[3] for stage in self.rows.stages if stage[0] == "fold")
        if name not in _names_in([*folded, *filter(self.rows.per_element, self.rows.results)]):
            return
        self.lines += ["        for t in range(rows):", f"            value = {value}"]
        self.lines += ["            for k in range(r2):", f"                all_{name}[t * r2 + k] = value"]

    def _tile_loop(self, work: Sequence[tuple[ast.expr, str]], known: Sequence[str], together: int = 1) -> None:
        """Walk a tile, row by row of memory; first, as far as they go, ``together`` rows at a time, so that what is folded is fetched once for them."""
        if not work:
            return
        used = _names_in(expression for expression, _ in work)
        if together > 1:
            self.lines.append(f"        for r in range(0, r1 // {together} * {together}, {together}):")
            self.lines.append("            at = base + r * pitch")
            places = [name for name in self.per_place if name in used]
            for place in range(together):
                self.lines += [f"            {name}_{place} = {self._read(name, f'r + {place}')}" for name in places]
            self.lines.append("            for t in range(tile):")
            self.lines += [f"                {name} = all_{name}[t]" for name in known if name in used]
            for place in range(together):
                named = inline.Rename({name: f"{name}_{place}" for name in places})
                here = [(named.visit(copy.deepcopy(expression)), statement) for expression, statement in work]
                self._elements(" " * 16, here, f"at + {place} * pitch + t", f"r + {place}", "i + t")
        start = f"r1 // {together} * {together}, " if together > 1 else ""
        self.lines += [f"        for r in range({start}r1):", "            at = base + r * pitch"]
        for name in self.per_place:
            if name in used:
                self.lines.append(f"            {name} = {self._read(name, 'r')}")  # here, or the compiler reads it again after each store
        self.lines.append("            for t in range(tile):")
        self.lines += [f"                {name} = all_{name}[t]" for name in known if name in used]
        self._elements(" " * 16, work, "at + t", "r", "i + t")

    def _row_values(self, expression: ast.expr, known: Sequence[str], kept: str = "all_") -> None:
        used = _names_in([expression])
        for name in known:
            if name in used:
                self.lines.append(f"{' ' * 12}{name} = {kept}{name}[t]")
        for name in self.per_row:
            if name in used:
                self.lines.append(f"{' ' * 12}{name} = {self._read(name, 'i + t')}")


def _names_in(expressions: Iterable[ast.expr]) -> set[str]:
    return {node.id for expression in expressions for node in ast.walk(expression) if isinstance(node, ast.Name)}
