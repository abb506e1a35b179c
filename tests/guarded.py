"""Runs the programs that planners write, in memory that the test owns and watches.

Everything a kernel may write (outputs, workspace, each thread's scratch) is filled with signalling NaN first and lies between guards, and
so do the inputs, which must stay as they were. Nor may a kernel compute with such garbage where the result does not count: the processor says
whether it met any, and if it is denormal that is a hundred times slower. `outcome` also cuts the ranges of all steps and shares them between threads.
"""

import ctypes
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from numod import config
from numod.kernel import executor, runtime
from numod.kernel.program import Program, Ref

GUARD = 256  # bytes on each side; a multiple of the memory pool's alignment
POISON = {4: (0x7FA00001).to_bytes(4, "little"), 8: (0x7FF4000000000001).to_bytes(8, "little")}  # signalling NaN, by size
INVALID = 1  # FE_INVALID of x86 and ARM
FLAGS = ctypes.CDLL("libm.so.6") if sys.platform == "linux" else None


def _bytes(buffer) -> np.ndarray:
    return np.frombuffer(buffer, np.uint8)


def _garbage(length: int, size: int) -> np.ndarray:
    return np.resize(np.frombuffer(POISON[size], np.uint8), length)


class _Block:
    """``size`` bytes between guards, ``start`` bytes from where the pool's blocks start; values have ``item`` bytes."""

    def __init__(self, size: int, item: int, start: int = 0):
        self._all = runtime.alloc(GUARD + start + size + GUARD)
        self._garbage = _garbage(self._all.nbytes, item)
        _bytes(self._all)[:] = self._garbage
        self._inside = slice(GUARD + start, GUARD + start + size)
        self.buffer = runtime.shift(GUARD + start, self._all)

    @property
    def inside(self) -> np.ndarray:
        return _bytes(self._all)[self._inside]

    def check(self, name: str) -> None:
        same = _bytes(self._all) == self._garbage
        assert same[: self._inside.start].all() and same[self._inside.stop :].all(), f"a kernel wrote outside of {name}"


@contextmanager
def threads(count: int) -> Iterator[None]:
    before, config.num_threads = config.num_threads, count
    runtime.start_threads()
    try:
        yield
    finally:
        config.num_threads = before
        runtime.start_threads()


def _moved(program: Program) -> Program:
    """The program with outputs and workspace as further inputs, and a guard behind each thread's scratch."""
    outputs = len(program.outs)

    def move(word):
        if not isinstance(word, Ref) or word.space == "in":
            return word
        return Ref("in", program.n_in + (word.index if word.space == "out" else outputs), word.offset)

    steps = [
        replace(step, words=tuple(move(word) for word in step.words), scratch=step.scratch + GUARD if step.scratch else 0)
        for step in program.steps
    ]
    return Program((), program.n_in + outputs + 1, tuple(steps))


def run(program: Program, inputs: Sequence[np.ndarray], start: int = 0) -> list[bytes]:
    """The outputs' bytes. Inputs begin ``start`` values after an aligned address, as those of a sliced tensor may."""
    moved = _moved(program)
    run = executor.compile(moved)
    item = inputs[0].itemsize
    given = [_Block(x.nbytes, item, start * item) for x in inputs]
    for block, x in zip(given, inputs, strict=True):
        block.inside[:] = np.frombuffer(x.tobytes(), np.uint8)
    made = [_Block(size, item) for size in program.outs]
    workspace = _Block(program.workspace, item)
    used = max(step.scratch for step in program.steps)
    stride = (max(step.scratch for step in moved.steps) + 63) // 64 * 64
    scratch = runtime.alloc(max(1, stride * config.num_threads))
    garbage = _garbage(scratch.nbytes, item)
    _bytes(scratch)[:] = garbage
    address = scratch.address
    del scratch  # the launch gets this block: the last one given back is the first one taken
    if FLAGS:
        FLAGS.feclearexcept(INVALID)
    run(*(block.buffer for block in (*given, *made, workspace)))
    met = FLAGS and FLAGS.fetestexcept(INVALID)  # at once: NumPy takes such flags away
    assert not (met and all(np.isfinite(x).all() for x in inputs)), "a kernel computed with garbage"
    if stride:
        scratch = runtime.alloc(stride * config.num_threads)
        assert scratch.address == address
        same = (_bytes(scratch) == garbage).reshape(-1, stride)[:, used:]
        assert same.all(), "a kernel wrote outside of its scratch"
    for block, x in zip(given, inputs, strict=True):
        block.check("an input")
        assert block.inside.tobytes() == x.tobytes(), "a kernel wrote to an input"
    for block in (*made, workspace):
        block.check("an output or the workspace")
    return [block.inside.tobytes() for block in made]


def outcome(program: Program, inputs: Sequence[np.ndarray], random: np.random.Generator) -> list[bytes]:
    """`run` whole, cut finely and cut at random on several threads: all must agree in every bit."""
    with threads(1):
        whole = run(program, inputs)
    with threads(3):
        finely = replace(program, steps=tuple(replace(step, grain=1) for step in program.steps))
        assert run(finely, inputs, start=1) == whole
        somehow = replace(program, steps=tuple(replace(step, grain=int(random.integers(1, step.n + 1))) for step in program.steps))
        assert run(somehow, inputs, start=3) == whole
    return whole
