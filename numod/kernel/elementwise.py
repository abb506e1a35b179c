"""The elementwise form: one scalar function at each element of broadcast, arbitrarily strided operands.

Operands are first collapsed to as few axes as they share, so that a handful of kernels serves all ranks and layouts: along the innermost axis an
operand is contiguous ("c"), constant ("s") or strided ("g"); the outer axes are walked by index arithmetic.

Argument words: output addresses, input addresses, inner extent, number of outer axes, outer extents, then for each input
its inner stride and its outer strides (in elements).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..spec import Spec
from . import source
from .program import Kernel, Program, Ref, Step

CHEAP_GRAIN, COSTLY_GRAIN = 32768, 8192  # elements worth handing to another thread: 4-8 us of work


def program(code: Callable, inputs: Sequence[Spec], outputs: Sequence[Spec], dtype: np.dtype, offsets: Sequence[int] = ()) -> Program:
    """The launch that computes ``code`` on inputs broadcast to the (common) shape of the outputs.

    dtype: the type of literals in ``code``. offsets: bytes from an input's base at which its first element lies.
    """
    shape = outputs[0].shape
    strides = [broadcast_strides(spec, shape) for spec in inputs]
    shape, strides = collapse(shape, strides)
    inner = shape[-1] if shape else 1
    outer = shape[:-1]
    inner_strides = [s[-1] if s else 0 for s in strides]
    kinds = "".join("c" if s == 1 else "s" if s == 0 else "g" for s in inner_strides)
    if "g" in kinds:
        kinds = "g" * len(kinds)
    offsets = offsets or [0] * len(inputs)
    words: list[int | Ref] = [Ref("out", i) for i in range(len(outputs))]
    words += [Ref("in", i, offset) for i, offset in enumerate(offsets)]
    words += [inner, len(outer), *outer]
    for each in strides:
        words += [each[-1] if each else 0, *each[:-1]]
    types = tuple(str(spec.dtype) for spec in (*outputs, *inputs))
    key = ("elementwise", code.__name__, source.fingerprint(code), str(dtype), types, len(outputs), kinds)
    kernel = Kernel(key, lambda: build(code, dtype, types, len(outputs), kinds))
    grain = COSTLY_GRAIN if "math" in code.__code__.co_names else CHEAP_GRAIN
    step = Step(kernel, outputs[0].size, tuple(words), grain)
    return Program(tuple(spec.nbytes for spec in outputs), len(inputs), (step,))


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
    """The kernel of the CPU."""
    inputs = len(kinds)
    scalar = source.Translated(code, dtype, "scalar")
    backend = source.backend()
    namespace = {"inner": backend.inner, "pointer": backend.pointer, "int64": np.int64, **scalar.namespace}
    namespace |= {f"type_{i}": source.memory_type(name) for i, name in enumerate(types)}
    index = {"c": "p{0} + k", "s": "p{0}", "g": "p{0} + k * step{0}"}
    lines = ["def kernel(begin, end, args, scratch):", "    words = pointer(args, int64)"]
    for i in range(outputs):
        lines.append(f"    out{i} = pointer(words[{1 + i}], type_{i})")
    for i in range(inputs):
        lines.append(f"    x{i} = pointer(words[{1 + outputs + i}], type_{outputs + i})")
    base = 1 + outputs + inputs
    lines += [f"    inner_size = words[{base}]", f"    outer = words[{base + 1}]"]
    for i in range(inputs):
        lines.append(f"    w{i} = {base + 2} + outer + {i} * (outer + 1)")
        if kinds[i] == "g":
            lines.append(f"    step{i} = words[w{i}]")
    lines += [
        "    i = begin",
        "    while i < end:",
        "        row = i // inner_size",
        "        start = i - row * inner_size",
        "        stop = start + end - i",
        "        stop = inner_size if inner_size < stop else stop",
        "        rest = row",
        *[f"        p{i} = 0" for i in range(inputs)],
        "        for axis in range(outer - 1, -1, -1):",
        f"            extent = words[{base + 2} + axis]",
        "            left = rest // extent",
        "            at = rest - left * extent",
        "            rest = left",
        *[f"            p{i} += at * words[w{i} + 1 + axis]" for i in range(inputs)],
        "        q = row * inner_size",
        "        for k in range(start, stop):",
    ]
    truth = [" != 0" if name == "bool" else "" for name in types[outputs:]]
    values = ", ".join(f"x{i}[{index[kinds[i]].format(i)}]{truth[i]}" for i in range(inputs))
    if outputs == 1:
        lines.append(f"            out0[q + k] = scalar({values})")
    else:
        names = ", ".join(f"value{i}" for i in range(outputs))
        lines.append(f"            {names} = scalar({values})")
        lines += [f"            out{i}[q + k] = value{i}" for i in range(outputs)]
    lines.append("        i += stop - start")
    return source.execute(scalar.render("\n".join(lines)), namespace, code.__name__)
