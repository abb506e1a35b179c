"""Floats of 16 bits on the CPU, for what computes in float32 and cannot convert itself: what it reads and writes is converted around it.

That is the fast twins and all forms but those whose templates read and write 16 bits (`half`). It costs two more passes over memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..dtype import float32, is_half
from ..errors import DTypeError
from ..spec import Spec
from . import elementwise, executor, layout
from .program import Program, Ref, Step, aligned, moved

NATIVE = ("elementwise", "rowwise", "gather", "together")  # the forms that read and write 16 bits


def concerns(specs: Sequence[Spec]) -> bool:
    """Whether there is a float of 16 bits among these tensors; DTypeError if it is on a GPU."""
    found = [spec for spec in specs if is_half(spec.dtype)]
    for spec in found:
        if spec.device.is_cuda:
            raise DTypeError(f"{spec.dtype}: tensors on a GPU cannot be computed with yet")
    return bool(found)


def single(spec: Spec) -> Spec:
    """What a kernel sees of a tensor: a float of 16 bits as contiguous float32."""
    return spec.like(dtype=float32) if is_half(spec.dtype) else spec


def around(inner: Callable, inputs: Sequence[Spec], outputs: Sequence[Spec]) -> Callable:
    """What runs ``inner`` on float32 versions of 16-bit floats, and gives back such floats where they are wanted."""
    program = getattr(inner, "program", None)
    return _Around(inner, inputs, outputs) if program is None else executor.compile(_between(program, inputs, outputs))


def _between(program: Program, inputs: Sequence[Spec], outputs: Sequence[Spec]) -> Program:
    """``program`` with the conversions before and after it."""
    place: dict[tuple[str, int], int] = {}  # of a float32 version in the workspace
    end = aligned(program.workspace)
    for space, specs in (("in", inputs), ("out", outputs)):
        for index, spec in enumerate(specs):
            if is_half(spec.dtype):
                place[space, index] = end
                end += aligned(4 * spec.size + 64)  # vector code may load past the end

    def inside(ref: Ref) -> Ref:
        at = place.get((ref.space, ref.index))
        return ref if at is None else Ref("tmp", 0, at + ref.offset)

    before: list[Step] = []
    after: list[Step] = []
    for (space, index), at in place.items():
        if space == "in":
            steps, target, given = _conversion(inputs[index], float32).steps, Ref("tmp", 0, at), Ref("in", index)
        else:
            steps, target, given = _conversion(single(outputs[index]), outputs[index].dtype).steps, Ref("out", index), Ref("tmp", 0, at)
        (before if space == "in" else after).extend(moved(step, _between_these(target, given)) for step in steps)
    steps = (*before, *(moved(step, inside) for step in program.steps), *after)
    return Program(tuple(spec.nbytes for spec in outputs), len(inputs), steps, end)


def _between_these(target: Ref, given: Ref) -> Callable[[Ref], Ref]:
    """Where the addresses of a conversion are."""
    return lambda ref: target if ref.space == "out" else given


class _Around:
    """The same around what is not a program of kernels."""

    def __init__(self, inner: Callable, inputs: Sequence[Spec], outputs: Sequence[Spec]):
        self.inner = inner
        self.widen = [_converting(spec, float32) if is_half(spec.dtype) else None for spec in inputs]
        self.narrow = [_converting(single(spec), spec.dtype) if is_half(spec.dtype) else None for spec in outputs]

    def __call__(self, *buffers: Any) -> Any:
        made = self.inner(*[buffer if step is None else step(buffer) for step, buffer in zip(self.widen, buffers, strict=True)])
        if made is None:
            return None
        if len(self.narrow) == 1:
            return made if self.narrow[0] is None else self.narrow[0](made)
        return tuple(buffer if step is None else step(buffer) for step, buffer in zip(self.narrow, made, strict=True))

    @property
    def error(self) -> tuple[int, int, int]:
        """What a kernel of ``inner`` found."""
        return executor.error_of(self.inner)


def _converting(spec: Spec, dtype: np.dtype) -> Callable:
    """What runs a conversion."""
    return executor.compile(_conversion(spec, dtype))


def _conversion(spec: Spec, dtype: np.dtype) -> Program:
    """From a float of 16 bits to float32, or back."""
    return elementwise.program(layout.identity, [spec], [spec.like(dtype=dtype)], float32)
