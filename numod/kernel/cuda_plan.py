"""What is launched on a GPU for an op: the forms' counterpart of the programs of the CPU.

Strided inputs are copied to C order first where a kernel wants that, as on the CPU.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from ..spec import Spec
from . import cuda_loops, gather as cpu_gather, layout, rowwise as cpu_rowwise, source
from .axes import broadcast_strides, collapse
from .cuda import BLOCK, NAMES, Run, in_memory, twin

ATOMIC = ("int32", "int64", "float32", "float64")  # what atomic addition takes

Operand = tuple[int, Spec]  # a slot and how it is seen


def elementwise(code: Callable, specs: Sequence[Spec], outs: Sequence[Spec], dtype: np.dtype) -> Run:
    """The elementwise form; operands may have any strides. (Floats of 16 bits are copied only.)"""
    outs = [spec.like(dtype=in_memory(spec.dtype)) for spec in outs]
    run = Run(code.__name__, len(specs), outs)
    _elementwise(run, code, in_memory(dtype), list(enumerate(specs)), list(zip(run.outputs, outs, strict=True)))
    return run


def _elementwise(run: Run, code: Callable, dtype: np.dtype, inputs: Sequence[Operand], outputs: Sequence[Operand]) -> None:
    shape = outputs[0][1].shape
    extents, strides = collapse(shape, [broadcast_strides(spec, shape) for _, spec in inputs])
    key = ("elementwise", source.fingerprint(code), str(dtype), len(outputs), len(inputs), len(extents))
    run.add(
        key,
        lambda: cuda_loops.elementwise(code, NAMES, twin, dtype, len(outputs), len(inputs), len(extents)),
        math.prod(shape),
        [slot for slot, _ in (*outputs, *inputs)],
        [*extents, *(step for each in strides for step in each)],
    )


def _contiguous(run: Run, slot: int, spec: Spec) -> int:
    """The slot, or that of a copy in C order."""
    if spec.contiguous:
        return slot
    copy = run.memory(spec.size, spec.dtype)
    _elementwise(run, layout.identity, spec.dtype, [(slot, spec)], [(copy, spec.like())])
    return copy


def rowwise(
    code: Callable,
    specs: Sequence[Spec],
    outs: Sequence[Spec],
    axes: tuple[int, ...],
    dtype: np.dtype,
    per_row: tuple[str, ...] = (),
    per_place: tuple[str, ...] = (),
    numbers: Sequence[float] = (),
) -> Run:
    """The rowwise form: a thread for each row, or a block where rows are long or few."""
    run = Run(code.__name__, len(specs), outs, "checked" in code.__code__.co_names)
    order, (a, r1, b, r2) = cpu_rowwise.arrange(specs[0].shape, axes)
    names = code.__code__.co_varnames
    whole = [name not in (*per_row, *per_place) for name in names[: len(specs)]]
    slots = [_contiguous(run, i, cpu_rowwise.moved(spec, order) if whole[i] else spec) for i, spec in enumerate(specs)]
    place = "next" if r1 == 1 else "apart" if r2 == 1 else "both"
    per_block = r1 * r2 > BLOCK // 2 and (place != "apart" or a * b < 32 * BLOCK)
    key = ("row", source.fingerprint(code), str(dtype), len(specs), per_row, per_place, place, per_block)
    run.add(
        key,
        lambda: cuda_loops.row(code, NAMES, twin, dtype, len(specs), per_row, per_place, place, BLOCK if per_block else 1),
        a * b,
        [*run.outputs, *slots],
        [r1, b, r2],
        numbers,
        per_block,
    )
    return run


def gather(
    code: Callable,
    specs: Sequence[Spec],
    out: Spec,
    dtype: np.dtype,
    integers: Sequence[int] = (),
    shapes: Sequence[tuple[int, ...]] | None = None,
    space: tuple[int, ...] | None = None,
) -> Run:
    """The gather form; see `gather.gather_program` for the arguments."""
    run = Run(code.__name__, len(specs), [out], "checked" in code.__code__.co_names)
    inputs = _shaped_inputs(run, 0, specs, shapes)
    _walk(run, code, dtype, "gather", out.dtype, out.shape if space is None else space, [*run.outputs], inputs, integers)
    return run


def scatter(
    code: Callable,
    specs: Sequence[Spec],
    out: Spec,
    dtype: np.dtype,
    space: tuple[int, ...],
    mode: str,
    integers: Sequence[int] = (),
    shapes: Sequence[tuple[int, ...]] | None = None,
    onto_first: bool = False,
) -> Run:
    """The scatter form; see `gather.scatter_program` for the arguments. Floats that meet are added in no fixed order."""
    run = Run(code.__name__, len(specs), [out], "checked" in code.__code__.co_names)
    (result,) = run.outputs
    sums = out if mode == "set" or out.dtype.name in ATOMIC else out.like(dtype=np.dtype("int32"))
    target = result if sums is out else run.memory(sums.size, sums.dtype)
    if onto_first:
        _elementwise(run, layout.identity, specs[0].dtype, [(0, specs[0])], [(target, sums)])
    else:
        _elementwise(run, cpu_gather.zero, sums.dtype, [], [(target, sums)])
    inputs = _shaped_inputs(run, int(onto_first), specs[int(onto_first) :], shapes)
    if mode == "add":
        _walk(run, code, dtype, "add", sums.dtype, space, [target], inputs, integers)
    else:
        owners = out.like(dtype=np.dtype("int64"))
        owner = run.memory(owners.size, owners.dtype)
        _elementwise(run, cpu_gather.zero, owners.dtype, [], [(owner, owners)])
        for store in ("claim", "set"):
            _walk(run, code, dtype, store, out.dtype, space, [target, owner], inputs, integers)
    if target != result:
        _elementwise(run, layout.identity, sums.dtype, [(target, sums)], [(result, out)])
    return run


def _shaped_inputs(
    run: Run, first: int, specs: Sequence[Spec], shapes: Sequence[tuple[int, ...]] | None
) -> list[tuple[int, tuple[int, ...]]]:
    seen = [spec.shape for spec in specs] if shapes is None else shapes
    return [(_contiguous(run, i, spec), tuple(shape)) for i, (spec, shape) in enumerate(zip(specs, seen, strict=True), first)]


def _walk(
    run: Run,
    code: Callable,
    dtype: np.dtype,
    store: str,
    out_type: np.dtype,
    space: Sequence[int],
    targets: Sequence[int],
    inputs: Sequence[tuple[int, tuple[int, ...]]],
    integers: Sequence[int],
) -> None:
    key = (store, source.fingerprint(code), str(dtype), str(out_type), len(space), len(inputs), len(integers))
    run.add(
        key,
        lambda: cuda_loops.gather_or_scatter(code, NAMES, twin, dtype, store, str(out_type), len(space), len(inputs), len(integers)),
        math.prod(space),
        [*targets, *inputs],
        [*space, *integers],
    )
