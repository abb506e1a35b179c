"""Packs a Program into the block that the native launcher walks, and runs it.

The block is made once for each (op, shapes, dtypes, attributes) and used by every call after that.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Callable
from typing import Any

from .. import config
from . import loader, runtime
from .program import Kernel, Program, Ref, aligned

MAX_WORDS = 255  # what the launcher keeps on its stack
PIECES = 32  # for each thread, about: enough that none waits for long, and few to ask for
GIL_WORK = 20_000  # items of all steps' ranges from which the GIL is let go


def pack(program: Program) -> runtime.Buffer:
    """The launcher's block for ``program``; compiles what is not compiled yet."""
    scratch = max((aligned(step.scratch) for step in program.steps), default=0)
    first = {"out": 3, "in": 3 + len(program.outs), "tmp": 2}
    words: list[int] = []
    tables: dict[int, bytes] = {}  # by the index of the word that gets their address
    release = sum(step.n for step in program.steps) >= GIL_WORK
    for step in program.steps:
        if len(step.words) > MAX_WORDS:
            raise ValueError(f"a step takes at most {MAX_WORDS} words, got {len(step.words)}")
        if step.grain and step.n > step.grain:
            release = True
            runtime.start_threads()
        grain = step.grain * max(1, step.n // (max(step.grain, 1) * PIECES * config.num_threads))
        words += [loader.address(step.kernel), step.n, grain, scratch, len(step.words)]
        for word in step.words:
            if isinstance(word, Ref):
                words += [8 * (first[word.space] + word.index), word.offset]
            elif isinstance(word, bytes):
                tables[len(words) + 1] = word
                words += [0, 0]
            else:
                words += [0, loader.address(word) if isinstance(word, Kernel) else word]
    head = [program.n_in, len(program.outs), aligned(program.workspace), scratch, len(program.steps), int(release), 0, 0, 0, 0]
    values = [*head, *program.outs, *words]
    end = aligned(8 * len(values))
    block = runtime.alloc(end + sum(aligned(len(table)) for table in tables.values()))
    for index, table in tables.items():
        values[len(values) - len(words) + index] = block.address + end
        struct.pack_into(f"{len(table)}s", block, end, table)
        end += aligned(len(table))
    struct.pack_into(f"{len(values)}q", block, 0, *values)
    return block


def compile(program: Program) -> Callable:
    """``run(*input_buffers)``: the output Buffer (a tuple if there are several), or None when a kernel reported an error.

    ``run.program`` is the program, for those who put several together.
    """
    run = functools.partial(runtime.launch, pack(program))
    run.program = program  # type: ignore[attr-defined]
    return run


def error_of(run: Any) -> tuple[int, int, int]:
    """(code, value, limit) that a kernel left behind in the last failed call of ``run``."""
    return struct.unpack_from("3q", run.args[0], 48) if isinstance(run, functools.partial) else run.error


def step_of(run: Any) -> int:
    """The number of the step that failed in the last failed call of what `compile` made."""
    return struct.unpack_from("q", run.args[0], 72)[0]
