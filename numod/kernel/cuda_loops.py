"""The loops of CUDA kernels around the same scalar code as on the CPU.

Every kernel is ``kernel(size, error, words, numbers, *arrays)``. A grid-stride loop walks its ``size`` items, with a thread or a block
for each. ``error`` takes a report of `checked`; ``words`` are int64 constants (extents, strides, integers), ``numbers`` float64 ones.
Arrays are C-contiguous.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence

import numpy as np

from . import formula, gather, inline, rowwise, source

FIRST, STEP = {"thread": "cuda.grid(1)", "block": "cuda.blockIdx.x"}, {"thread": "cuda.gridsize(1)", "block": "cuda.gridDim.x"}


def _loop(each: str) -> list[str]:
    """The grid-stride loop over items; `_finish` ends it. (The length of a ``range`` with a step would cost a division.)"""
    return [f"    i = {FIRST[each]}", f"    step = {STEP[each]}", "    while i < size:"]


def _finish(lines: Sequence[str], code: source.Translated, names: dict, label: str) -> Callable:
    return source.execute(code.render("\n".join([*lines, "        i += step"])), {**names, **code.namespace}, label)


def _head(arrays: Sequence[str]) -> str:
    return f"def kernel(size, error, words, numbers, {', '.join(arrays)}):"


def _unravel(rank: int) -> list[str]:
    """``i0``, ``i1``, ... of item ``i`` in a space of extents ``n0``, ``n1``, ..., the first words."""
    lines = ["        rest = i"] if rank else []
    for axis in reversed(range(1, rank)):
        lines += [f"        left = rest // words[{axis}]", f"        i{axis} = rest - left * words[{axis}]", "        rest = left"]
    return lines + ["        i0 = rest"] * (rank > 0)


def elementwise(code: Callable, names: dict, twin: Callable, dtype: np.dtype, outputs: int, inputs: int, rank: int) -> Callable:
    """One thread for an element. Words: the extents, then the strides of each input. Arrays: outputs, inputs."""
    scalar = source.Translated(code, dtype, "scalar", twin=twin)
    results = ", ".join(f"value{k}" for k in range(outputs))
    places = [" + ".join(f"i{axis} * words[{rank * (1 + k) + axis}]" for axis in range(rank)) or "0" for k in range(inputs)]
    lines = [
        _head([*(f"out{k}" for k in range(outputs)), *(f"x{k}" for k in range(inputs))]),
        *_loop("thread"),
        *_unravel(rank),
        f"        {results} = scalar({', '.join(f'x{k}[{place}]' for k, place in enumerate(places))})",
        *(f"        out{k}[i] = stored(value{k}, out{k})" for k in range(outputs)),
    ]
    return _finish(lines, scalar, names, code.__name__)


STORES = {
    "gather": ["        out[i] = stored(value_at({}), out)"],
    "add": ["        place, value = value_at({})", "        cuda.atomic.add(out, place, to_out(value))"],
    # "set" in two launches: the last item that writes to a place claims it, then it writes.
    "claim": ["        place, value = value_at({})", "        cuda.atomic.max(owner, place, i + 1)"],
    "set": ["        place, value = value_at({})", "        if owner[place] == i + 1:", "            out[place] = stored(value, out)"],
}


def gather_or_scatter(
    code: Callable, names: dict, twin: Callable, dtype: np.dtype, store: str, out_type: str, rank: int, inputs: int, integers: int
) -> Callable:
    """One thread for an index. Words: the extents of the index space, the integers. Arrays: output, owner ("claim", "set"), inputs."""
    function = source.Translated(code, dtype, "value_at", gather.Checks(), twin=twin)
    values = [
        *(f"i{axis}" for axis in range(rank)),
        *(f"x{k}" for k in range(inputs)),
        *(f"words[{rank + k}]" for k in range(integers)),
        "error",
    ]
    arrays = ["out", *["owner"] * (store in ("claim", "set")), *(f"x{k}" for k in range(inputs))]
    lines = [_head(arrays), *_loop("thread"), *_unravel(rank), *(line.format(", ".join(values)) for line in STORES[store])]
    return _finish(lines, function, {**names, "to_out": np.dtype(out_type).type}, code.__name__)


def row(
    code: Callable,
    names: dict,
    twin: Callable,
    dtype: np.dtype,
    inputs: int,
    per_row: tuple[str, ...],
    per_place: tuple[str, ...],
    order: str,
    block: int,
) -> Callable:
    """One thread for a row, or a block of so many threads. Words: R1, B, R2. Numbers: those of the row function. Arrays: outputs, inputs.

    order: where element j of a row is: "next" to the one before (R1 is 1), "apart" by B (R2 is 1), or "both".
    """
    translated = source.Translated(code, dtype, "row", formula.Folds(), twin=twin)
    definition = inline.Rename({name: f"v_{name}" for name in code.__code__.co_varnames}).visit(translated.definition)
    arguments = [f"v_{arg.arg}" for arg in definition.args.args]
    per_row, per_place = (tuple(f"v_{name}" for name in each) for each in (per_row, per_place))
    program = formula.RowProgram(definition, arguments[:inputs], per_row)
    low, high = rowwise.limits(dtype)
    wide = np.float64 if dtype.kind == "f" else np.int64
    names = {
        **names,
        "to_value": dtype.type,
        "to_wide": wide,
        "start_fold_max": wide(low),
        "start_fold_min": wide(high),
        "start_fold_add": wide(0),
        "start_fold_mul": wide(1),
        "block_size": block,
    }
    writer = _RowWriter(program, arguments, inputs, per_row, per_place, order, block > 1)
    return _finish(writer.lines, translated, names, code.__name__)


PLACE = {
    "next": "j",
    "apart": "j * words[1]",
    "both": "((j // words[2]) * words[1] * words[2] + j % words[2])",
}  # of element j from the row's first


class _RowWriter:
    """Writes what is done for a row. Every fold is kept in the wide type, and in a block joined through shared memory."""

    def __init__(
        self,
        program: formula.RowProgram,
        arguments: list[str],
        inputs: int,
        per_row: tuple[str, ...],
        per_place: tuple[str, ...],
        order: str,
        block: bool,
    ):
        self.arrays, self.per_row, self.per_place, self.order, self.block = arguments[:inputs], per_row, per_place, order, block
        outputs = range(len(program.results))
        self.lines = [_head([*(f"out{k}" for k in outputs), *(f"in_{name}" for name in self.arrays)])]
        add = self.lines.append
        add("    length = words[0] * words[2]")
        add("    count = to_value(length)")
        for k, name in enumerate(arguments[inputs:]):
            add(f"    {name} = to_value(numbers[{k}])")
        if block:
            add("    shared = cuda.shared.array(block_size, to_wide)")
            add("    thread = cuda.threadIdx.x")
        self.lines += _loop("block" if block else "thread")
        add("        a = i // words[1]")
        add("        base = (a * words[0] * words[1] + i - a * words[1]) * words[2]")
        for name in self.arrays:
            if name in per_row:
                add(f"        {name} = in_{name}[i]")
        for stage in program.stages:
            getattr(self, "_" + stage[0])(*stage[1:])
        for k, result in enumerate(program.results):
            if program.per_element(result):
                self._each(result, f"out{k}[at] = stored({{}}, out{k})")
            else:
                add(f"        {'if thread == 0: ' if block else ''}out{k}[i] = stored({ast.unparse(result)}, out{k})")

    def _let(self, name: str, value: ast.expr) -> None:
        self.lines.append(f"        {name} = to_value({ast.unparse(value)})")

    def _check(self, name: str, value: ast.expr) -> None:
        self.lines.append(f"        {name} = checked(int64({ast.unparse(value)}), length, error)")

    def _fold(self, name: str, operation: str, value: ast.expr) -> None:
        if operation == "first":
            self._reduce(name, "fold_min", "to_wide(length)", value, "{total} = to_wide(j) if j < {total} and ({{}}) else {total}")
            self.lines.append(f"        {name} = int64({name}_all)")
        else:
            self._reduce(name, operation, "start_" + operation, value, "{total} = {operation}({total}, to_wide({{}}))")
            self.lines.append(f"        {name} = to_value({name}_all)")

    def _reduce(self, name: str, operation: str, start: str, value: ast.expr, step: str) -> None:
        add = self.lines.append
        total = f"{name}_all"
        add(f"        {total} = {start}")
        self._each(value, step.format(total=total, operation=operation))
        if not self.block:
            return
        add(f"        shared[thread] = {total}")
        add("        cuda.syncthreads()")
        add("        half = block_size // 2")
        add("        while half > 0:")
        add("            if thread < half:")
        add(f"                shared[thread] = {operation}(shared[thread], shared[thread + half])")
        add("            cuda.syncthreads()")
        add("            half = half // 2")
        add(f"        {total} = shared[0]")
        add("        cuda.syncthreads()")

    def _each(self, expression: ast.expr, store: str) -> None:
        """``store`` the expression for each element of the row that is this thread's."""
        add = self.lines.append
        add(f"        for j in range({'thread, length, block_size' if self.block else 'length'}):")
        add(f"            at = base + {PLACE[self.order]}")
        used = {node.id for node in ast.walk(expression) if isinstance(node, ast.Name)}
        for name in self.arrays:
            if name in used and name not in self.per_row:
                add(f"            {name} = in_{name}[{'j' if name in self.per_place else 'at'}]")
        if "index" in used:
            add("            index = j")
        add(f"            {store.format(ast.unparse(expression))}")
