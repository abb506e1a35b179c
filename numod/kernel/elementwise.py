"""The elementwise form: one scalar function at each element of broadcast, arbitrarily strided operands.

An op's own kernel is one flat loop. Along it an operand is contiguous ("c"), constant ("s") or strided ("g"). Operands are first collapsed to as few axes
as they share; where more than one axis is left, `strided` walks the outer ones and calls the op's kernel for each run of the innermost, so that all ranks
and layouts share a handful of small kernels.

Argument words of the flat kernel: output addresses, input addresses, then, if strided, the step of each input in elements.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..spec import Spec, c_strides
from . import source
from .program import Kernel, Program, Ref, Step

CHEAP_GRAIN, COSTLY_GRAIN = 32768, 8192  # elements worth handing to another thread: 4-8 us of work
WALK = Kernel(("strided", "walk"), "numod.kernel.strided:build")


def program(code: Callable, inputs: Sequence[Spec], outputs: Sequence[Spec], dtype: np.dtype) -> Program:
    """The launch that computes ``code`` on inputs broadcast to the (common) shape of the outputs.

    dtype: the type of literals in ``code``.
    """
    shape, strides = collapse(outputs[0].shape, [broadcast_strides(spec, outputs[0].shape) for spec in inputs])
    steps = [each[-1] if each else 0 for each in strides]
    kinds = "".join("c" if step == 1 else "s" if step == 0 else "g" for step in steps)
    if "g" in kinds:
        kinds = "g" * len(kinds)
    types = tuple(str(spec.dtype) for spec in (*outputs, *inputs))
    key = ("elementwise", code.__name__, source.fingerprint(code), str(dtype), types, len(outputs), kinds)
    kernel = Kernel(key, lambda: build(code, dtype, types, len(outputs), kinds))
    addresses = (*(Ref("out", i) for i in range(len(outputs))), *(Ref("in", i) for i in range(len(inputs))))
    words: tuple = (*addresses, *(steps if "g" in kinds else ()))
    if len(shape) > 1:
        packed = c_strides(shape)
        rows = [(spec.dtype.itemsize, each) for spec, each in zip((*outputs, *inputs), [packed] * len(outputs) + strides, strict=True)]
        walks = [item * stride for item, each in rows for stride in (*each[:-1], each[-1])]
        extra = steps if "g" in kinds else []
        words = (kernel, shape[-1], len(shape) - 1, len(addresses), len(extra), *addresses, *extra, *shape[:-1], *walks)
        kernel = WALK
    grain = COSTLY_GRAIN if "math" in code.__code__.co_names else CHEAP_GRAIN
    return Program(tuple(spec.nbytes for spec in outputs), len(inputs), (Step(kernel, outputs[0].size, words, grain),))


def broadcast_strides(spec: Spec, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Strides of an operand as seen with the output's shape; 0 along axes where it repeats."""
    missing = len(shape) - spec.ndim
    own = tuple(
        0 if extent == 1 and shape[missing + axis] != 1 else stride
        for axis, (extent, stride) in enumerate(zip(spec.shape, spec.strides, strict=True))
    )
    return (0,) * missing + own


def collapse(shape: tuple[int, ...], strides: Sequence[tuple[int, ...]]) -> tuple[tuple[int, ...], list[tuple[int, ...]]]:
    """Drop axes of extent 1 and join neighbours that every operand walks as one."""
    axes: list[tuple[int, list[int]]] = []
    for axis, extent in enumerate(shape):
        steps = [each[axis] for each in strides]
        if extent == 1:
            continue
        if axes and all(before == step * extent for before, step in zip(axes[-1][1], steps, strict=True)):
            axes[-1] = (axes[-1][0] * extent, steps)
        else:
            axes.append((extent, steps))
    return tuple(extent for extent, _ in axes), [tuple(steps[i] for _, steps in axes) for i in range(len(strides))]


def build(code: Callable, dtype: np.dtype, types: tuple[str, ...], outputs: int, kinds: str) -> Callable:
    """The flat kernel of the CPU."""
    scalar = source.Translated(code, dtype, "scalar")
    backend = source.backend()
    namespace = {"inner": backend.inner, "pointer": backend.pointer, "int64": np.int64, **scalar.namespace}
    namespace |= {f"type_{i}": source.memory_type(name) for i, name in enumerate(types)}
    lines = ["def kernel(begin, end, args, scratch):", "    words = pointer(args, int64)"]
    lines += [f"    out{i} = pointer(words[{1 + i}], type_{i})" for i in range(outputs)]
    values = []
    for i, kind in enumerate(kinds):
        truth = " != 0" if types[outputs + i] == "bool" else ""
        lines.append(f"    x{i} = pointer(words[{1 + outputs + i}], type_{outputs + i})")
        if kind == "s":
            lines.append(f"    value{i} = x{i}[0]{truth}")
        elif kind == "g":
            lines.append(f"    step{i} = words[{1 + outputs + len(kinds) + i}]")
        values.append({"c": f"x{i}[k]{truth}", "s": f"value{i}", "g": f"x{i}[k * step{i}]{truth}"}[kind])
    results = ", ".join(f"result{i}" for i in range(outputs))
    lines += ["    for k in range(begin, end):", f"        {results} = scalar({', '.join(values)})"]
    lines += [f"        out{i}[k] = result{i}" for i in range(outputs)]
    return source.execute(scalar.render("\n".join(lines)), namespace, code.__name__)
