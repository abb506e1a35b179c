"""A loop over elements as the last part of a program: matrix products and convolutions call it for each part of their result as soon as it is
written, so that the loop finds it in the caches, and only one step is shared between threads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from .executor import MAX_WORDS
from .joined import room
from .program import Program, Ref, aligned, moved


def program(first: Program, loop: Program, places: Sequence[int], keep: bool, over: int | None = None) -> Program | None:
    """``first`` and then ``loop``, as one program; None if it cannot be.

    The inputs are those of ``first``, then those of ``loop`` but for its inputs ``places``, which are the (one) output of ``first``; the outputs are that
    output if it is to be kept, then those of ``loop``. over: which of these is written over what ``first`` gave, and so has its place from the beginning.
    """
    writers = [step for step in first.steps if Ref("out") in [word._replace(offset=0) for word in step.words if isinstance(word, Ref)]]
    *copies, last = loop.steps
    if (
        copies
        or len(first.outs) > 1
        or not all(step.open for step in writers)
        or any(len(step.words) + len(last.words) > MAX_WORDS for step in writers)
    ):
        return None
    result, workspace = Ref("out"), first.workspace
    if over is not None:
        result = Ref("out", over)
    elif not keep:
        result = Ref("tmp", 0, aligned(first.workspace))
        workspace = result.offset + room(first.outs[0])

    others = [i for i in range(loop.n_in) if i not in places]
    number = {i: first.n_in + at for at, i in enumerate(others)}

    def in_first(ref: Ref) -> Ref:
        return result._replace(offset=result.offset + ref.offset) if ref.space == "out" else ref

    def in_loop(ref: Ref) -> Ref:
        if ref.space == "out":
            return ref._replace(index=ref.index + keep)
        return result if ref.index in places else ref._replace(index=number[ref.index])

    words = moved(last, in_loop).words
    steps = []
    for step in first.steps:
        made = moved(step, in_first)
        steps.append(replace(made, words=(*made.words[:-1], last.kernel, *words), open=0) if step in writers else made)
    outs = (*first.outs, *loop.outs) if keep else loop.outs
    return Program(outs, first.n_in + len(others), tuple(steps), workspace)
