"""What must hold of the gradient rules of an op, in float64 and along random directions (after autograd's ``check_grads``)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .. import dtype as dtypes
from ..op import Op
from ..tensor import Tensor
from . import derivatives
from .calls import Call, Trial, as_list
from .properties import proves


def _differentiable(op: Op) -> bool:
    return bool(op.vjp) or op.form == "composite"


def _smooth(trial: Trial) -> Call:
    """A call at inputs where the op has a derivative."""
    call = trial.call(dtype=dtypes.float64, distinct=True)
    call.change(lambda x: derivatives.off_kinks(x, trial.op.kinks))
    return call


def _wanted(call: Call) -> list[int]:
    """Numbers of the inputs that a gradient flows to."""
    op = call.op
    rules: list = [True] * len(call.inputs) if op.function else op.rules * len(call.inputs) if op.variadic else op.rules
    return [at for at, (x, rule) in enumerate(zip(call.inputs, rules, strict=False)) if rule and x.dtype == dtypes.float64]


def _recorded(call: Call, wanted: Sequence[int]) -> tuple[list[Tensor], list[Tensor]]:
    """(leaves, float outputs) of the call, run while it is recorded."""
    tensors = [derivatives.leaf(x) if at in wanted else Tensor(x, dtype=x.dtype) for at, x in enumerate(call.inputs)]
    outputs = as_list(call.op(*tensors, **call.attrs))
    return [tensors[at] for at in wanted], [out for out in outputs if out._spec.is_float]


def _constants(arrays: Sequence[np.ndarray]) -> list[Tensor]:
    return [Tensor(x, dtype=x.dtype) for x in arrays]


def _arrays(tensors: Sequence[Tensor | None]) -> list[np.ndarray | None]:
    return [None if tensor is None else tensor.numpy() for tensor in tensors]


@proves(_differentiable)
def gradient(trial: Trial) -> None:
    """The gradient rules agree with the derivative of the reference."""
    call = _smooth(trial)
    wanted = _wanted(call)
    random = trial.draw().random()
    with derivatives.recording():
        leaves, outs = _recorded(call, wanted)
        if not outs:  # complex ones, which are not real functions
            return
        weights = [random.uniform(-1, 1, out.shape) for out in outs]
        found = derivatives.pull_back(outs, _constants(weights), leaves)
    for at, tensor in zip(wanted, found, strict=True):
        if tensor is not None:
            got, want = (tensor.shape, tensor.dtype), (call.inputs[at].shape, call.inputs[at].dtype)
            assert got == want, f"the gradient of input {at} has shape and dtype {got}, expected {want}"
    directions = [random.uniform(-1, 1, call.inputs[at].shape) for at in wanted]

    def weighted(arrays: Sequence[np.ndarray]) -> complex:
        floats = [out for out in call.reference(arrays) if out.dtype.kind in "fc"]
        return sum(np.sum(w * out) for w, out in zip(weights, floats, strict=True))

    every: list[np.ndarray | None] = [None] * len(call.inputs)
    for at, direction in zip(wanted, directions, strict=True):
        every[at] = direction
    derivatives.agree(
        derivatives.dot(_arrays(found), directions),
        lambda scale: derivatives.along(weighted, call.inputs, every, scale, call.op.straight_through),
        derivatives.size(_arrays(found), directions),
        "the derivative along a direction, by the gradient rules and by the reference",
    )


@proves(_differentiable, share=0.5)
def second_order(trial: Trial) -> None:
    """The gradient of the gradient agrees with differences of the gradient."""
    call = _smooth(trial)
    wanted = _wanted(call)
    random = trial.draw().random()
    cotangents = [random.uniform(-1, 1, out.shape) for out in call.run() if dtypes.is_float(out.dtype)]
    across = [random.uniform(-1, 1, call.inputs[at].shape) for at in wanted]
    directions = [random.uniform(-1, 1, x.shape) for x in (*(call.inputs[at] for at in wanted), *cotangents)]

    def gradients(t: float) -> tuple[list[Tensor | None], list[Tensor]]:
        """The gradients ``t`` along the directions, recorded, and what they depend on."""
        arrays = list(call.inputs)
        for at, direction in zip(wanted, directions, strict=False):
            arrays[at] = arrays[at] + t * direction
        leaves, outs = _recorded(Call(call.op, tuple(arrays), call.attrs), wanted)
        given = [derivatives.leaf(c + t * d) for c, d in zip(cotangents, directions[len(wanted) :], strict=True)]
        return derivatives.pull_back(outs, given, leaves), [*leaves, *given]

    def crossed(t: float) -> float:
        with derivatives.recording():
            return derivatives.dot(_arrays(gradients(t)[0]), across)

    with derivatives.recording():
        first, sources = gradients(0.0)
        flows = [(g, w) for g, w in zip(first, across, strict=True) if g is not None]
        second = _arrays(derivatives.pull_back([g for g, _ in flows], _constants([w for _, w in flows]), sources))
    derivatives.agree(
        derivatives.dot(second, directions),
        lambda scale: derivatives.central(crossed),
        derivatives.size(second, directions),
        "the second derivative along directions, by the gradient rules and by differences of the first",
    )
