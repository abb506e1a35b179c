"""Strided inputs for kernels that want C order: steps that copy them first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..dtype import is_half
from ..spec import Spec
from . import copying, elementwise
from .program import Program, Ref, Step, Word, moved


def identity(x):
    """The scalar code of a copy or a cast."""
    return x


def copy_step(spec: Spec, index: int, target: Ref) -> Step:
    """Copies input ``index``, seen as ``spec``, to C order at ``target``."""
    fast = copying.step(spec, Ref("in", index), target)
    if fast:
        return fast
    bits = np.dtype("uint16") if is_half(spec.dtype) else spec.dtype
    seen = Spec.of(spec.shape, bits, spec.device, spec.strides)
    (step,) = elementwise.program(identity, [seen], [seen.like()], bits).steps
    return relocate(step, target, first_input=index)


def relocate(step: Step, out: Ref, first_input: int) -> Step:
    """The step with its output at ``out`` and its inputs numbered from ``first_input``."""
    return moved(step, lambda ref: out if ref.space == "out" else Ref(ref.space, ref.index + first_input, ref.offset))


def contiguous(inputs: Sequence[Spec], first: int = 0) -> tuple[list[Step], list[Ref], int]:
    """(steps, where, bytes): copies of the strided inputs into a workspace, and where each input is after them."""
    steps: list[Step] = []
    where: list[Ref] = []
    workspace = 0
    for i, spec in enumerate(inputs, first):
        if spec.contiguous:
            where.append(Ref("in", i))
            continue
        steps.append(copy_step(spec, i, Ref("tmp", 0, workspace)))
        where.append(Ref("tmp", 0, workspace))
        workspace += (spec.nbytes + 127) // 64 * 64
    return steps, where, workspace


def on_contiguous(inputs: Sequence[Spec], program: Program) -> Program:
    """``program``, which was made for inputs that are C-contiguous but for its ``strided`` ones, on inputs of any strides."""
    steps, where, extra = contiguous([spec.like() if i in program.strided else spec for i, spec in enumerate(inputs)])
    if not steps:
        return program

    def place(ref: Ref) -> Word:
        if ref.space == "out":
            return ref
        if ref.space == "tmp":
            return Ref("tmp", 0, ref.offset + extra)
        at = where[ref.index]
        return Ref(at.space, at.index, at.offset + ref.offset)

    steps += [moved(step, place) for step in program.steps]
    return replace(program, steps=tuple(steps), workspace=program.workspace + extra)
