"""The elementwise form: one scalar function at each element of broadcast, arbitrarily strided operands.

An op's own kernel is one flat loop. Along it an operand is contiguous ("c"), constant ("s") or strided ("g"). Operands are first collapsed to as few axes
as they share; where more than one axis is left, `strided` walks the outer ones and calls the op's kernel for each run of the innermost, so that all ranks
and layouts share a handful of small kernels. A transposed operand is copied to the order of the output first, by blocks: along it each element would
be in another cache line. Several functions may share a loop, a Chain.

Argument words of the flat kernel: output addresses, input addresses, then, if strided, the step of each input in elements.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from ..spec import Spec, c_strides
from . import copying, half, plain, source
from .axes import broadcast_strides, collapse
from .program import Kernel, Program, Ref, Step, aligned

LARGE = 2048  # elements from which a transposed operand is copied
CHEAP_GRAIN, COSTLY_GRAIN = 32768, 8192  # elements worth handing to another thread: 4-8 us of work
WALK = Kernel(("strided", "walk"), "numod.kernel.strided:build")


class Stage(NamedTuple):
    """One scalar function in a chain.

    code, dtype: the function, and the type of literals in it.
    takes: numbers of the values that it takes. The inputs of the loop come first, then what the stages before have made.
    gives: the dtypes of what it makes.
    """

    code: Callable
    dtype: np.dtype
    takes: tuple[int, ...]
    gives: tuple[str, ...]


class Chain(NamedTuple):
    """What a loop does with each element.

    writes: the numbers of the values that it writes. over: (output, input) pairs that are the same memory, of one dtype and in step. (The
    compiler must know: where memory overlaps by chance it does one element at a time.)
    """

    stages: tuple[Stage, ...]
    writes: tuple[int, ...]
    over: tuple[tuple[int, int], ...] = ()


def program(code: Callable, inputs: Sequence[Spec], outputs: Sequence[Spec], dtype: np.dtype) -> Program:
    """The launch that computes ``code`` on inputs broadcast to the (common) shape of the outputs.

    dtype: the type of literals in ``code``.
    """
    count = len(inputs)
    stage = Stage(code, dtype, tuple(range(count)), tuple(str(spec.dtype) for spec in outputs))
    return chain_program(Chain((stage,), tuple(range(count, count + len(outputs)))), inputs, outputs)


def chain_program(chain: Chain, inputs: Sequence[Spec], outputs: Sequence[Spec]) -> Program:
    """The launch of several scalar functions in one loop."""
    places, copies, workspace = [Ref("in", i) for i in range(len(inputs))], [], 0
    for i, spec in enumerate(inputs):
        copy = _transposing(spec, outputs[0], places[i], Ref("tmp", 0, workspace))
        if copy is not None:
            copies.append(copy)
            places[i], inputs = Ref("tmp", 0, workspace), [*inputs[:i], spec.like(), *inputs[i + 1 :]]
            workspace += aligned(spec.nbytes + 64)  # vector code may load past the end
    shape, strides = collapse(outputs[0].shape, [broadcast_strides(spec, outputs[0].shape) for spec in inputs])
    steps = [each[-1] if each else 0 for each in strides]
    kinds = "".join("c" if step == 1 else "s" if step == 0 else "g" for step in steps)
    if "g" in kinds:
        kinds = "g" * len(kinds)
    types = tuple(str(spec.dtype) for spec in (*outputs, *inputs))
    name = "_".join(dict.fromkeys(stage.code.__name__ for stage in chain.stages))
    facts = tuple((source.fingerprint(stage.code), str(stage.dtype), stage.takes, stage.gives) for stage in chain.stages)
    kernel = Kernel(("elementwise", name, facts, chain.writes, chain.over, types, kinds), lambda: build(chain, types, kinds))
    addresses = (*(Ref("out", i) for i in range(len(outputs))), *places)
    words: tuple = (*addresses, *(steps if "g" in kinds else ()))
    if len(shape) > 1:
        packed = c_strides(shape)
        rows = [(spec.dtype.itemsize, each) for spec, each in zip((*outputs, *inputs), [packed] * len(outputs) + strides, strict=True)]
        walks = [item * stride for item, each in rows for stride in (*each[:-1], each[-1])]
        extra = steps if "g" in kinds else []
        words = (kernel, shape[-1], len(shape) - 1, len(addresses), len(extra), *addresses, *extra, *shape[:-1], *walks)
        kernel = WALK
    costly = any("math" in stage.code.__code__.co_names for stage in chain.stages)
    spans = (
        ()
        if copies
        else tuple(
            (ref, spec.dtype.itemsize) for ref, spec in zip(addresses, (*outputs, *inputs), strict=True) if in_order(spec, outputs[0])
        )
    )
    step = Step(kernel, outputs[0].size, words, COSTLY_GRAIN if costly else CHEAP_GRAIN, spans=spans)
    return Program(tuple(spec.nbytes for spec in outputs), len(inputs), (*copies, step), workspace, chain=chain)


def _transposing(spec: Spec, output: Spec, source: Ref, target: Ref) -> Step | None:
    """A copy of an operand to the order of the output; None where the operand is small, or is read in order along some axis as it is."""
    if spec.contiguous or spec.size != output.size or spec.size < LARGE:
        return None
    _, (strides,) = collapse(spec.shape, [spec.strides])
    return copying.step(spec, source, target) if strides[-1] > 1 else None


def in_order(spec: Spec, output: Spec) -> bool:
    """Whether an operand is walked from its first element to the last."""
    return spec.contiguous and spec.size == output.size


def build(chain: Chain, types: tuple[str, ...], kinds: str) -> Callable:
    """The flat kernel of the CPU."""
    if len(chain.stages) == 1 and kinds == "c" and set(types) == {"float32"} and not chain.over:
        kernel = plain.build(chain.stages[0].code)
        if kernel is not None:
            return kernel
    backend, outputs = source.backend(), len(chain.writes)
    parts = [source.Translated(stage.code, stage.dtype, "scalar") for stage in chain.stages]
    scalars = parts[0] if len(parts) == 1 else source.merged(parts)
    namespace = {"inner": backend.inner, "pointer": backend.pointer, "int64": np.int64, **scalars.namespace}
    namespace |= {f"type_{i}": source.memory_type(name) for i, name in enumerate(types)} | half.names(types)
    lines = ["def kernel(begin, end, args, scratch):", "    words = pointer(args, int64)"]
    lines += [f"    out{i} = pointer(words[{1 + i}], type_{i})" for i in range(outputs)]
    values = []
    for i, kind in enumerate(kinds):
        dtype = types[outputs + i]
        lines.append(f"    x{i} = pointer(words[{1 + outputs + i}], type_{outputs + i})")
        if kind == "s":
            lines.append(f"    value{i} = {half.read(f'x{i}[0]', dtype)}")
        elif kind == "g":
            lines.append(f"    step{i} = words[{1 + outputs + len(kinds) + i}]")
        lines += [f"    out{out} = x{i}" for out, below in chain.over if below == i]
        values.append(f"value{i}" if kind == "s" else half.read(f"x{i}[k]" if kind == "c" else f"x{i}[k * step{i}]", dtype))
    lines.append("    for k in range(begin, end):")
    if len(parts) > 1:  # what several functions take is read once
        for i, value in enumerate(values):
            lines.append(f"        v{i} = {value}")
            values[i] = f"v{i}"
    for number, stage in enumerate(chain.stages):
        results = [f"v{len(values) + i}" for i in range(len(stage.gives))]
        name = scalars.names[number] if len(parts) > 1 else "scalar"
        lines.append(f"        {', '.join(results)} = {name}({', '.join(values[i] for i in stage.takes)})")
        if len(parts) > 1:  # rounded as if it had been written and read again
            for result, dtype in zip(results, stage.gives, strict=True):
                namespace |= half.names([dtype])
                lines.append(f"        {result} = {half.rounded(result, dtype)}")
        values += results
    lines += [f"        out{i}[k] = {half.written(values[number], types[i])}" for i, number in enumerate(chain.writes)]
    return source.execute(scalars.render("\n".join(lines)), namespace, chain.stages[0].code.__name__)
