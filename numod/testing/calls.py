"""The calls of an op that are tried, and the ways to run one: as users do, by its generic form, interpreted, and by its NumPy reference."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .. import config, dtype as dtypes
from ..errors import DTypeError
from ..kernel import executor, runtime
from ..kernel.program import Program
from ..op import TABLE, Op, Plan
from ..tensor import Tensor
from .draw import Draw

_WIDER = {"int8": "int32", "uint8": "int32", "int16": "int32", "complex64": "complex128", **dict.fromkeys(dtypes.FLOATS, "float64")}


@dataclass
class Call:
    """An op with the arrays and attributes that it is called with."""

    op: Op
    inputs: tuple[np.ndarray, ...]
    attrs: dict[str, Any]

    def change(self, how: Callable[[np.ndarray], np.ndarray]) -> None:
        """Change the float inputs; their dtypes stay."""
        self.inputs = tuple(changed(self.inputs, how))

    def tensors(self, device: str | None = None) -> list[Tensor]:
        """The inputs as tensors."""
        return [Tensor(x, dtype=x.dtype, device=device) for x in self.inputs]

    def run(self, tensors: Sequence[Tensor] | None = None) -> list[np.ndarray]:
        """What the op gives for the inputs, or for tensors in their place."""
        outputs = self.op(*(self.tensors() if tensors is None else tensors), **self.attrs)
        return [out.numpy() for out in as_list(outputs)]

    def accepted(self) -> bool:
        """Whether the op takes inputs of these dtypes."""
        try:
            self.run() if self.op.function else self.converted()
        except DTypeError:
            return False
        return True

    def has_half(self) -> bool:
        """Whether it has to do with floats of 16 bits, which GPUs do not compute with yet."""
        return not {*(str(x.dtype) for x in self.inputs), str(self.attrs.get("dtype"))}.isdisjoint(dtypes.HALVES)

    def converted(self) -> tuple[np.ndarray, ...]:
        """The inputs in the dtypes that the op computes in."""
        tensors = self.tensors()
        found = self.op.infer(*[tensor._spec for tensor in tensors], **{**self.op.attrs, **self.attrs})
        return tuple(tensor.numpy() for tensor in found.convert(tensors)) if isinstance(found, Plan) and found.convert else self.inputs

    def reference(self, inputs: Sequence[np.ndarray] | None = None) -> list[np.ndarray]:
        """What the NumPy reference gives for the inputs, or for arrays in their place; narrow numbers are widened first."""
        arrays = self.converted() if inputs is None else inputs
        arrays = [x.astype(_WIDER.get(str(x.dtype), x.dtype)) for x in arrays]
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore", RuntimeWarning)  # NumPy warns of empty means
            warnings.simplefilter("error", np.exceptions.ComplexWarning)
            return [np.asarray(out) for out in as_list(self.op.ref(*arrays, **self.attrs))]  # type: ignore[misc]

    def __str__(self) -> str:
        names = self.op.inputs * len(self.inputs) if self.op.variadic else self.op.inputs
        arrays = [f"  {name}: {x.dtype} {x.shape} = {np.array_repr(x)}" for name, x in zip(names, self.inputs, strict=False)]
        return "\n".join([*arrays, *(f"  {name} = {value!r}" for name, value in self.attrs.items())])


@dataclass
class Trial:
    """An op, and the calls of it that a property draws; the latest is kept for messages."""

    op: Op
    data: Any  # hypothesis' data()
    latest: Call | None = None

    def draw(self, **narrowed: Any) -> Draw:
        """What samples draw from; see `Draw` for how it may be narrowed."""
        return Draw(self.data, **narrowed)

    def call(self, **narrowed: Any) -> Call:
        """A call from the op's own sample."""
        self.latest = None
        inputs, attrs = self.op.sample(self.draw(**narrowed))  # type: ignore[misc]
        self.latest = Call(self.op, tuple(np.asarray(x) for x in inputs), attrs)
        return self.latest


def as_list(outputs: Any) -> list:
    """One output or several, as a list."""
    return list(outputs) if isinstance(outputs, (tuple, list)) else [outputs]


@contextlib.contextmanager
def _fresh_plans() -> Iterator[None]:
    """In this block no op has a plan yet, and what it plans is forgotten afterwards."""
    before = {op: op.plans for op in TABLE.values()}
    for op in before:
        op.plans = {}
    try:
        yield
    finally:
        for op, plans in before.items():
            op.plans = plans


@contextlib.contextmanager
def generic(op: Op) -> Iterator[None]:
    """In this block ``op`` runs by its generic form."""
    twins, op.twins = op.twins, {}
    try:
        with _fresh_plans():
            yield
    finally:
        op.twins = twins


@contextlib.contextmanager
def interpreted() -> Iterator[None]:
    """In this block kernels are run by the Python interpreter, as they are in a process with ``NUMBA_DISABLE_JIT=1``."""
    before, config.interpret = config.interpret, True
    try:
        with _fresh_plans():
            yield
    finally:
        config.interpret = before


@contextlib.contextmanager
def in_pieces(size: int) -> Iterator[None]:
    """In this block two threads share the work of every kernel that may be cut, in pieces of ``size`` items."""
    before, pack = config.num_threads, executor.pack

    def cut(program: Program) -> runtime.Buffer:
        steps = tuple(replace(step, grain=size) if step.grain else step for step in program.steps)
        return pack(replace(program, steps=steps))

    executor.pack, config.num_threads = cut, max(before, 2)
    try:
        with _fresh_plans():
            yield
    finally:
        executor.pack, config.num_threads = pack, before
        runtime.start_threads()


def changed(arrays: Sequence[np.ndarray], how: Callable[[np.ndarray], np.ndarray]) -> list[np.ndarray]:
    """The arrays, the float ones changed."""
    return [how(x).astype(x.dtype) if dtypes.is_float(x.dtype) else x for x in arrays]
