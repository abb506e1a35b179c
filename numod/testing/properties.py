"""What must hold of every op: a property is a function of a `Trial` that raises AssertionError where it does not hold.

Those of gradients are in `gradients`.
"""

from __future__ import annotations

import ctypes.util
import functools
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import config, dtype as dtypes
from ..op import Op
from ..tensor import Tensor
from . import calls, layouts as memory_layouts
from .calls import Trial
from .compare import match, match_each, match_reference

SIMULATED = os.environ.get("NUMBA_ENABLE_CUDASIM", "0") != "0"
SPECIAL = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e4, -1e4, -100.0, 90.0, 1e-40])


@dataclass(frozen=True)
class Property:
    """holds: the function. applies: whether there is anything to prove of an op. share: how many examples it takes, as a part of the others'."""

    name: str
    holds: Callable[[Trial], None]
    applies: Callable[[Op], Any]
    share: float


PROPERTIES: dict[str, Property] = {}


def proves(applies: Callable[[Op], Any] = lambda op: True, share: float = 1.0) -> Callable[[Callable], Callable]:
    """Decorator: list a property under its function's name."""

    def register(holds: Callable[[Trial], None]) -> Callable[[Trial], None]:
        PROPERTIES[holds.__name__] = Property(holds.__name__, holds, applies, share)
        return holds

    return register


@proves()
def forward(trial: Trial) -> None:
    """In float32, the values are those of the reference in float64, and shape and dtype fit."""
    call = trial.call()
    outs = call.run()
    floats = {x.dtype for x in call.inputs if dtypes.is_float(x.dtype)}
    if len(floats) == 1 and "dtype" not in call.attrs:
        found = {out.dtype for out in outs if dtypes.is_float(out.dtype)}
        assert found <= floats, f"inputs of {floats} gave outputs of {found}"
    match_reference(call, outs)


@proves(share=0.25)
def every_dtype(trial: Trial) -> None:
    """Each dtype is refused with a DTypeError or gives what the reference gives."""
    for name in dtypes.NAMES:
        call = trial.call(dtype=dtypes.as_dtype(name), plain=True)
        if call.accepted():
            match_reference(call, call.run(), f"output for {name}")


@proves()
def edges(trial: Trial) -> None:
    """Tensors without elements and without axes give what the reference gives."""
    call = trial.call(edge=trial.draw().choice(["zero", "scalar"]))
    match_reference(call, call.run())


@proves(lambda op: op.form in ("elementwise", "rowwise"))
def special_values(trial: Trial) -> None:
    """NaN, infinities, negative zero and large magnitudes give what NumPy gives.

    Of ops with many inputs (gradients, optimizers' steps) only NaN: what overflows first there depends on the order of operations. Rowwise ops may
    square their inputs, which makes 0 of the smallest.
    """
    call = trial.call()
    random = trial.draw().random()
    special = SPECIAL if trial.op.form == "elementwise" else SPECIAL[:-1]
    some = random.choice(special, 3) if len(call.inputs) < 3 else [np.nan]
    call.change(lambda x: np.where(random.random(x.shape) < 0.3, random.choice(some, x.shape), x))
    outs = call.run()
    wants = match_reference(call, outs)
    if trial.op.form == "elementwise" and len(call.inputs) == 1 and dtypes.is_float(outs[0].dtype):
        zeros = (call.inputs[0] == 0) & (wants[0] == 0)
        match(np.signbit(outs[0]) & zeros, np.signbit(wants[0]) & zeros, 0.0, "sign of zero")


@proves(lambda op: op.inputs)
def layouts(trial: Trial) -> None:
    """Strided, transposed, repeated and offset inputs give what contiguous ones do."""
    call, draw = trial.call(), trial.draw()
    tensors = [memory_layouts.drawn(draw, x) if draw.boolean() else Tensor(x, dtype=x.dtype) for x in call.inputs]
    call.inputs = tuple(tensor.numpy() for tensor in tensors)
    try:
        wants = call.run()
    except ValueError as refusal:  # of the values, like a singular matrix
        try:
            call.run(tensors)
        except type(refusal):
            return
        raise AssertionError(f"what is refused when contiguous ({refusal}) was accepted") from refusal
    match_each(call, call.run(tensors), wants)


@proves(share=0.5)
def refusals(trial: Trial) -> None:
    """What the op declares as errors is refused with that class and a message; so is one input too many."""
    op, call = trial.op, trial.call(plain=True)
    cases = list(op.errors)
    if not op.variadic and op.function is None:
        surplus = [Tensor(1.0)] * (len(op.inputs) + 1 - len(call.inputs))
        cases.append((ValueError, lambda *_: op(*call.tensors(), *surplus, **call.attrs)))
    for kind, wrong in cases:
        try:
            wrong(Tensor, op)
        except kind as error:
            assert len(str(error)) > len(op.name), f"the error {error!r} does not say what is wrong"
        else:
            raise AssertionError(f"a call that must raise {kind} did not")


@proves(lambda op: op.twins.get("cpu"))
def fast_twin(trial: Trial) -> None:
    """The hand-written kernels give what the generic form does."""
    call = trial.call()
    outs = call.run()
    with calls.generic(trial.op):
        wants = call.run()
    match_each(call, outs, wants)


@proves(lambda op: not config.interpret, share=0.5)
def pieces(trial: Trial) -> None:
    """Threads that share the work give to the last bit what one gives."""
    call = trial.call()
    outs = call.run()
    with calls.in_pieces(trial.draw().integer(1, 20)):
        shared = call.run()
    for out, want in zip(shared, outs, strict=True):
        match(out, want, 0.0, "output of two threads")


@proves(share=0.5)
def interpreted(trial: Trial) -> None:
    """Kernels run by the Python interpreter give what compiled ones do."""
    call = trial.call(most=3)
    outs = call.run()
    with calls.interpreted():
        wants = call.run()
    match_each(call, outs, wants)


@functools.cache
def _has_gpu() -> bool:
    """Whether there is a CUDA device, or numba's simulator of one. (Without a driver numba is not asked: importing it takes a second.)"""
    if not SIMULATED and ctypes.util.find_library("nvcuda" if os.name == "nt" else "cuda") is None:
        return False
    from ..kernel import cuda

    return cuda.count() > 0


@proves(lambda op: _has_gpu(), share=0.5)
def gpu(trial: Trial) -> None:
    """A GPU gives what the CPU does."""
    call = trial.call(most=3 if SIMULATED else 64)
    if not call.has_half():
        outs = call.run()
        match_each(call, call.run(call.tensors("gpu0")), outs)
