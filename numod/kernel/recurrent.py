"""Recurrent layers on the CPU: all steps of a sequence in one launch, a matrix product and a kernel of the cells for each.

The product writes where the gates of its step will be, and the kernel of the cells does the rest there, row by row. It is many short loops, because
the compiler vectorises only those that read and write few arrays; between them a row stays in the first-level cache.

Argument words: what the heads of the texts below say, addresses first; then the size of the hidden state and, going back, the strides of rows
of the two gradients, and whether it is the first step.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ..spec import Spec
from . import gemm, layout, source
from .joined import room
from .program import Kernel, Program, Ref, Step, Word, moved

WORK = 2048  # hidden values worth handing to another thread


def sigmoid(x):
    """``1 / (1 + exp(-x))``."""
    return 1.0 / (1.0 + math.exp(-x))


def tanh(x):
    """The hyperbolic tangent."""
    return math.tanh(x)


def lstm(sums: Spec, weight: Spec, outs: tuple[Spec, ...], reverse: bool) -> Program | None:
    """The launch of `numod.ops.recurrent.lstm`: sums, weight, h, c -> the hidden states, the cell states and the gates of all steps."""
    steps, count, size = outs[0].shape
    gates = sums.like(sums.shape[1:])
    state = gates.like((count, size))
    product = gemm.matmul(state, weight, gates, transpose_b=True)
    h, c, by = Ref("in", 2), Ref("in", 3), Ref("in", 1)
    made: list[Step] = []
    turned = product is not None and product.steps[0].scratch > 0
    if turned:  # a product would turn the weight round at each step; once will do
        view = Spec.of(weight.shape[::-1], weight.dtype, weight.device, weight.strides[::-1])
        by, product = Ref("tmp"), gemm.matmul(state, view.like(), gates)
        made.append(layout.copy_step(view, 1, by))
    if product is None:
        return None
    for at in _order(steps, reverse):
        new_h, new_c = (Ref("out", i, at * count * size * sums.dtype.itemsize) for i in (0, 1))
        mine = at * gates.nbytes
        made.append(_multiply(product, h, by, Ref("out", 2, mine)))
        made.append(_cells("forward", sums.dtype, count, size, (Ref("in", 0, mine), Ref("out", 2, mine), c, new_c, new_h)))
        h, c = new_h, new_c
    strided = (1,) if turned or 1 in product.strided else ()
    return Program(tuple(out.nbytes for out in outs), 4, tuple(made), room(weight.nbytes) if turned else 0, strided)


def lstm_gradient(dh: Spec, dc: Spec, weight: Spec, outs: tuple[Spec, ...], reverse: bool) -> Program | None:
    """The launch of `numod.ops.recurrent.lstm_gradient`: dh, dc, gates, cell states, weight, c -> the gradients of sums, h and c."""
    (steps, count, width), size, item = outs[0].shape, weight.shape[1], weight.dtype.itemsize
    product = gemm.matmul(weight.like((count, width)), weight, outs[1])
    if product is None:
        return None
    given = [spec if spec.strides[2] == 1 or size == 1 else spec.like() for spec in (dh, dc)]
    made: list[Step] = []
    order = list(_order(steps, reverse))[::-1]
    for number, at in enumerate(order):
        mine, state = at * count * width * item, count * size * item
        before = Ref("in", 5) if number == steps - 1 else Ref("in", 3, order[number + 1] * state)
        inputs = [Ref("in", i, at * spec.strides[0] * item) for i, spec in enumerate(given)]
        addresses = (*inputs, Ref("in", 2, mine), Ref("in", 3, at * state), before, Ref("out", 1), Ref("out", 2), Ref("out", 0, mine))
        more = (*(spec.strides[1] for spec in given), int(number == 0))
        made.append(_cells("back", weight.dtype, count, size, addresses, more))
        made.append(_multiply(product, Ref("out", 0, mine), Ref("in", 4), Ref("out", 1)))
    strided = (*(i for i, spec in enumerate((dh, dc)) if given[i] is spec), *((4,) if 1 in product.strided else ()))
    return Program(tuple(out.nbytes for out in outs), 6, tuple(made), strided=strided)


def _order(steps: int, reverse: bool) -> range:
    return range(steps - 1, -1, -1) if reverse else range(steps)


def _multiply(product: Program, x: Ref, weight: Ref, out: Ref) -> Step:
    """The step of a product with the weight."""
    (step,) = product.steps
    where = {"in": (x, weight), "out": (out,)}

    def place(ref: Ref) -> Ref:
        at = where[ref.space][ref.index]
        return at._replace(offset=at.offset + ref.offset)

    return moved(step, place)


def _cells(way: str, dtype: np.dtype, rows: int, size: int, addresses: tuple[Ref, ...], more: tuple[int, ...] = ()) -> Step:
    kernel = Kernel(("lstm", way, str(dtype)), lambda: build(way, dtype))
    words: tuple[Word, ...] = (*addresses, size, *more)
    return Step(kernel, rows, words, max(1, WORK // size))


def build(way: str, dtype: np.dtype) -> Callable:
    """The kernel of the cells of some rows."""
    parts = source.merged([source.Translated(function, dtype, function.__name__) for function in (sigmoid, tanh)])
    backend = source.backend()
    namespace = {"inner": backend.inner, "pointer": backend.pointer, "int64": np.int64, "real": dtype.type, "one": dtype.type(1)}
    text = {"forward": _FORWARD, "back": _BACK}[way].format(sigmoid=parts.names[0], tanh=parts.names[1])
    return source.execute(parts.render(text), {**namespace, **parts.namespace}, f"lstm_{way}")


_FORWARD = """
def kernel(begin, end, args, scratch):
    words = pointer(args, int64)
    sums = pointer(words[1], real)
    gates = pointer(words[2], real)  # on entry the products, in the end the gates: into, keep, candidate, out
    before = pointer(words[3], real)
    c = pointer(words[4], real)
    h = pointer(words[5], real)
    size = words[6]
    for row in range(begin, end):
        at, first = row * size, row * size * 4
        for k in range(first, first + 2 * size):
            gates[k] = {sigmoid}(gates[k] + sums[k])
        for k in range(first + 2 * size, first + 3 * size):
            gates[k] = {tanh}(gates[k] + sums[k])
        for k in range(first + 3 * size, first + 4 * size):
            gates[k] = {sigmoid}(gates[k] + sums[k])
        for k in range(size):
            c[at + k] = gates[first + size + k] * before[at + k] + gates[first + k] * gates[first + 2 * size + k]
        for k in range(size):
            h[at + k] = gates[first + 3 * size + k] * {tanh}(c[at + k])
"""
_BACK = """
def kernel(begin, end, args, scratch):
    words = pointer(args, int64)
    dh = pointer(words[1], real)
    dc = pointer(words[2], real)
    gates = pointer(words[3], real)
    c = pointer(words[4], real)
    before = pointer(words[5], real)
    later_h = pointer(words[6], real)  # what comes back from the step after this
    later_c = pointer(words[7], real)
    sums = pointer(words[8], real)
    size, h_row, c_row, new = words[9], words[10], words[11], words[12]
    for row in range(begin, end):
        at, into = row * size, row * size * 4
        keep, candidate, out = into + size, into + 2 * size, into + 3 * size
        from_h, from_c = row * h_row, row * c_row
        if new != 0:
            for k in range(size):
                later_h[at + k] = 0
            for k in range(size):
                later_c[at + k] = 0
        for k in range(size):
            later_h[at + k] += dh[from_h + k]
        for k in range(size):
            sums[out + k] = {tanh}(c[at + k])
        for k in range(size):
            slope = one - sums[out + k] * sums[out + k]
            later_c[at + k] += dc[from_c + k] + later_h[at + k] * gates[out + k] * slope
        for k in range(size):
            sums[out + k] *= later_h[at + k] * gates[out + k] * (one - gates[out + k])
        for k in range(size):
            sums[into + k] = later_c[at + k] * gates[candidate + k] * gates[into + k] * (one - gates[into + k])
        for k in range(size):
            sums[candidate + k] = later_c[at + k] * gates[into + k] * (one - gates[candidate + k] * gates[candidate + k])
        for k in range(size):
            sums[keep + k] = later_c[at + k] * before[at + k] * gates[keep + k] * (one - gates[keep + k])
        for k in range(size):
            later_c[at + k] *= gates[keep + k]
"""
