"""The gather and scatter forms: one value at each output index from arbitrary places, or one value from each source index to an arbitrary place.

A gather function gets the output index, the inputs as C-contiguous arrays, and integers; it returns the value::

    def pad(i, x, before):
        j = i - before
        return x[j] if 0 <= j < x.shape[0] else 0.0

A scatter function gets a source index and returns ``(flat output index, value)``, to be added ("add") or written ("set", the last one wins) to an
output that starts as zeros or as a copy of its first input. ``checked(index, size)`` reports an index that is out of range as an IndexError
in place of reading there; the output is then discarded.

Argument words: output address, input addresses, extents of the index space, extents of each input, the integers; for a scatter function how many
of the index space's items an item of the range stands for.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Sequence

import numpy as np

from ..spec import Spec
from . import elementwise, half, layout, source
from .program import Kernel, Program, Ref, Step, Word, divide

GRAIN = 2048


def gather_program(
    code: Callable,
    inputs: Sequence[Spec],
    output: Spec,
    dtype: np.dtype,
    integers: Sequence[int] = (),
    shapes: Sequence[tuple[int, ...]] | None = None,
    space: tuple[int, ...] | None = None,
) -> Program:
    """The launch of a gather function.

    shapes, space: how to see the inputs and the output, when not with their own shapes (the sizes must agree).
    """
    steps, places, workspace = layout.contiguous(inputs)
    shapes = [spec.shape for spec in inputs] if shapes is None else list(shapes)
    space = output.shape if space is None else space
    kernel = _kernel("gather", code, inputs, output, dtype, shapes, space, len(integers))
    words: list[Word] = [Ref("out"), *places, *space, *(extent for shape in shapes for extent in shape), *integers]
    steps.append(Step(kernel, output.size, tuple(words), GRAIN))
    return Program((output.nbytes,), len(inputs), tuple(steps), workspace)


def scatter_program(
    code: Callable,
    inputs: Sequence[Spec],
    output: Spec,
    dtype: np.dtype,
    space: tuple[int, ...],
    mode: str,
    integers: Sequence[int] = (),
    shapes: Sequence[tuple[int, ...]] | None = None,
    onto_first: bool = False,
    apart: int = 0,
) -> Program:
    """The launch of a scatter function over ``space``; with ``onto_first`` the output starts as the first input, which the function does not get.

    apart: how many of the first axes of the space separate: what differs there goes to different places, and threads may share it.
    """
    n, together, grain = math.prod(space), 1, 0
    if math.prod(space[:apart]) > 1:
        n, together = math.prod(space[:apart]), math.prod(space[apart:])
        grain = divide(elementwise.CHEAP_GRAIN if apart == len(space) else elementwise.COSTLY_GRAIN, max(1, together))
    if onto_first:
        start = layout.copy_step(inputs[0], 0, Ref("out"))
    else:
        (start,) = elementwise.program(zero, (), [output], dtype).steps
    first = int(onto_first)
    steps, places, workspace = layout.contiguous(inputs[first:], first)
    shapes = [spec.shape for spec in inputs[first:]] if shapes is None else list(shapes)
    kernel = _kernel("scatter-" + mode, code, inputs[first:], output, dtype, shapes, space, len(integers))
    words: list[Word] = [Ref("out"), *places, *space, *(extent for shape in shapes for extent in shape), *integers, together]
    steps = [start, *steps, Step(kernel, n, tuple(words), grain)]
    return Program((output.nbytes,), len(inputs), tuple(steps), workspace)


def zero():
    """The scalar code that fills an output with zeros."""
    return 0.0


def _kernel(form: str, code: Callable, inputs, output, dtype, shapes, space, integers: int) -> Kernel:
    types = (str(output.dtype), *(str(spec.dtype) for spec in inputs))
    ranks = (len(space), *(len(shape) for shape in shapes))
    unit = tuple(len(shape) > 1 and shape[-1] == 1 for shape in (space, *shapes))
    key = (form, code.__name__, source.fingerprint(code), str(dtype), types, ranks, integers, unit)
    return Kernel(key, lambda: build(form, code, dtype, types, ranks, integers, unit))


class Checks(ast.NodeTransformer):
    """``checked(i, n)`` -> ``checked(i, n, error)``, with ``error`` as the function's last argument."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        node.args.args.append(ast.arg("error"))
        self.generic_visit(node)
        return node

    def visit_Call(self, node: ast.Call) -> ast.Call:
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id == "checked":
            node.args.append(ast.Name("error", ast.Load()))
        return node


class _Flat(Checks):
    """Also ``x[a, b]`` -> ``x_data[a * x.shape[1] + b]``, with ``x_data`` as a further argument for each input.

    An array's index may be negative, which the array must check for; what is read by address is vectorised.
    """

    def __init__(self, inputs: dict[str, str]):
        self.inputs = inputs  # name -> dtype

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        node.args.args += [ast.arg(name + "_data") for name in self.inputs]
        return super().visit_FunctionDef(node)

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        self.generic_visit(node)
        if not isinstance(node.value, ast.Name) or node.value.id not in self.inputs:
            return node
        name = node.value.id
        flat, *rest = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        for axis, index in enumerate(rest, 1):
            extent = ast.Subscript(ast.Attribute(ast.Name(name, ast.Load()), "shape", ast.Load()), ast.Constant(axis), ast.Load())
            flat = ast.BinOp(ast.BinOp(flat, ast.Mult(), extent), ast.Add(), index)
        value = ast.Subscript(ast.Name(name + "_data", ast.Load()), flat, ast.Load())
        return ast.parse(half.read(ast.unparse(value), self.inputs[name]), mode="eval").body


def build(
    form: str, code: Callable, dtype: np.dtype, types: tuple[str, ...], ranks: tuple[int, ...], integers: int, unit: tuple[bool, ...]
) -> Callable:
    """The kernel of the CPU: the last axis (where it is said to be of a ``unit``, the one before it) in an inner loop, the others counted up around it."""
    backend = source.backend()
    count, rank = len(types) - 1, ranks[0]
    names = code.__code__.co_varnames[rank : rank + count]
    function = source.Translated(code, dtype, "value_at", _Flat(dict(zip(names, types[1:], strict=True))))
    namespace = {
        **{name: getattr(backend, name) for name in ("inner", "pointer", "view", "checked")},
        **{f"type_{i}": source.memory_type(name) for i, name in enumerate(types)},
        "int64": np.int64,
        **half.names(types),
        **function.namespace,
    }
    lines = ["def kernel(begin, end, args, scratch):", "    words = pointer(args, int64)", "    out = pointer(words[1], type_0)"]
    at = 2 + count
    lines += [f"    n{axis} = words[{at + axis}]" for axis in range(rank)]
    at += rank
    for i in range(count):
        extents = "".join(f"words[{at + axis}], " for axis in range(ranks[1 + i] - unit[1 + i])) + "1," * (unit[1 + i] or not ranks[1 + i])
        at += ranks[1 + i]
        lines += [f"    x{i} = view(words[{2 + i}], ({extents}), type_{1 + i})", f"    data{i} = pointer(words[{2 + i}], type_{1 + i})"]
    last = max(rank - 1 - unit[0], 0)
    values = [*(f"i{axis}" for axis in range(last)), *["innermost", "0"][: min(rank, 1 + unit[0])], *(f"x{i}" for i in range(count))]
    values += [*(f"words[{at + i}]" for i in range(integers)), *(f"data{i}" for i in range(count)), "words[0]"]
    if form != "gather":
        lines += [f"    begin, end = begin * words[{at + integers}], end * words[{at + integers}]"]
    lines += ["    i = begin", "    while i < end:"]
    if rank:
        lines += ["        if i == begin:", "            rest = i"]
        for axis in reversed(range(1, last + 1)):
            lines += [f"            left = rest // n{axis}", f"            i{axis} = rest - left * n{axis}", "            rest = left"]
        lines += ["            i0 = rest", f"        stop = min(n{last}, i{last} + end - i)", f"        row = i - i{last}"]
        lines += [f"        for innermost in range(i{last}, stop):"]
    else:
        lines += ["        row, stop = i, 1", "        for innermost in range(1):"]
    call = f"value_at({', '.join(values)})"
    if form == "gather":
        lines.append(f"            out[row + innermost] = {half.written(call, types[0])}")
    else:
        lines += [
            f"            place, value = {call}",
            f"            out[place] = {'out[place] + value' if form == 'scatter-add' else 'value'}",
        ]
    lines += ["        i = row + stop", f"        i{last} = 0"]
    for depth, axis in enumerate(reversed(range(last))):
        indent = "    " * (2 + depth)
        lines += [f"{indent}i{axis} += 1", f"{indent}if i{axis} == n{axis}:", f"{indent}    i{axis} = 0"]
    return source.execute(function.render("\n".join(lines), "innermost"), namespace, code.__name__)
