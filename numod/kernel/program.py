"""What a launch is made of: kernels, their argument words, and the steps that call them in order.

Plain data, written by the planners (elementwise, rowwise, gemm, conv, ...) and packed by `executor` into the flat block that
the native launcher walks. Nothing here touches memory or machine code.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple


class Kernel(NamedTuple):
    """Names one piece of machine code, by content: equal keys mean equal code.

    key:   hashable, with a deterministic repr; all that the code depends on besides the files of ``numod.kernel``.
    build: called on a cache miss only; returns the Python function ``kernel(begin, end, args, scratch)`` to compile,
           or the ``"module:function"`` that does when called with ``key[1:]`` (so that numba is imported on a miss only).
    """

    key: tuple
    build: Callable[[], Callable] | str


class Ref(NamedTuple):
    """An address known only at launch: ``offset`` bytes into input, output or workspace memory."""

    space: str  # "in", "out" or "tmp"
    index: int = 0  # type: ignore[assignment]  # a tuple has a method of this name
    offset: int = 0


Word = int | Ref | bytes | Kernel


@dataclass(frozen=True)
class Step:
    """One call ``kernel(begin, end, args, scratch)`` over the range ``[0, n)``.

    ``args`` points to int64 words: word 0 is the address of the launch's error slot, the words after it are ``words``;
    for bytes, the address of a copy of them (tables that a planner made), for a Kernel its own address.
    A range longer than ``grain`` is cut into pieces of ``grain`` that threads take in any order (0: never cut), so a kernel's result must not
    depend on where the range is cut. ``scratch`` is the bytes of 64-byte aligned private memory that each thread gets.
    ``spans`` are the operands that the range walks in step: (address, bytes), where item i reads or writes, of what is there, only the bytes
    from ``i * bytes`` on to those of the next item (see `blockwise`).
    ``open``, if not 0: the words end with a 0, in whose place may stand the address of a loop over the elements of output 0 and its words; the
    kernel calls it for what it has just written, about so many elements at a time (see `epilogue`).
    """

    kernel: Kernel
    n: int
    words: tuple[Word, ...]
    grain: int = 0
    scratch: int = 0
    spans: tuple[tuple[Ref, int], ...] = ()
    open: int = 0


def moved(step: Step, where: Callable[[Ref], Word]) -> Step:
    """The step with each address that is known only at launch replaced by ``where(address)``."""
    return replace(step, words=tuple(where(word) if isinstance(word, Ref) else word for word in step.words))


def aligned(size: int) -> int:
    """Bytes rounded up to whole cache lines."""
    return -(-size // 64) * 64


@dataclass(frozen=True)
class Program:
    """Steps run one after the other by one native call; memory of outputs and workspace comes from the pool."""

    outs: tuple[int, ...]  # bytes of each output
    n_in: int
    steps: tuple[Step, ...]
    workspace: int = 0  # bytes shared by the steps, addressed with Ref("tmp", 0, offset)
    strided: tuple[int, ...] = ()  # inputs that are read with the strides they have, where a fast twin reads others in C order
    chain: Any = None  # of an elementwise program: what its loop does, an `elementwise.Chain`


def divide(count: int, by: int) -> int:
    """Rounded up: how many pieces of ``by`` make ``count``."""
    return -(-count // by)
