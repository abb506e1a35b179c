"""When two results count as the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..dtype import kind_of
from .calls import Call, changed

ULPS = 16  # rounding errors allowed, for a few operations after one another


def match(got: np.ndarray, want: np.ndarray, allowed: np.ndarray | float, what: str) -> None:
    """Raise AssertionError unless ``got`` is ``want``: the shape, NaN and infinity exactly, the rest within ``allowed``."""
    assert got.shape == want.shape, f"{what}: shape {got.shape}, expected {want.shape}"
    if kind_of(got.dtype) not in "fc":
        wrong = got != want
    else:
        with np.errstate(all="ignore"):
            wrong = ~((got == want) | (np.isnan(got) & np.isnan(want)) | (np.abs(got - want) <= allowed))
    if wrong.any():
        at = tuple(int(i) for i in np.argwhere(wrong)[0])
        near = f" (allowed: {np.broadcast_to(allowed, got.shape)[at]:.2g})" if kind_of(got.dtype) in "fc" else ""
        raise AssertionError(
            f"{what}: element {at} is {got[at]!r}, expected {want[at]!r}{near}; {wrong.sum()} of {wrong.size} elements differ"
        )


def finfo(dtype: np.dtype) -> Any:
    """What NumPy's ``finfo`` says, of bfloat16 too."""
    if dtype.kind != "V":
        return np.finfo(dtype)
    import ml_dtypes

    return ml_dtypes.finfo(dtype)


def rounding(call: Call, wants: list[np.ndarray], dtype: np.dtype) -> list[np.ndarray | float]:
    """For each output, how far rounding may take it from the exact result.

    An elementwise op answers for each element alone, others for the largest. Where many terms may cancel, results may be off by what they
    would move if the inputs were rounded; no method does better.
    """
    info = finfo(dtype)
    eps, tiny = float(info.eps), float(info.smallest_subnormal)
    if call.op.form == "view":
        return [0.0] * len(wants)
    inputs = [_wide(x) for x in call.converted()]
    if call.op.form == "elementwise":
        shape = wants[0].shape
        size = np.max(
            [np.broadcast_to(np.minimum(np.abs(np.nan_to_num(x, nan=0.0, posinf=0.0, neginf=0.0)), 1.0), shape) for x in inputs], axis=0
        )
        moves = _moves(call, wants, lambda x: eps * np.abs(x)) if len(inputs) > 1 else [0.0] * len(wants)
        return [ULPS * (eps * (np.abs(want) + size) + move + tiny) for want, move in zip(wants, moves, strict=True)]
    most = min(max((_largest(x) for x in inputs), default=0.0), 1.0)
    moves = _moves(call, wants, lambda x: eps * _largest(x))
    return [ULPS * (eps * (_largest(want) + most) + _largest(move) + tiny) for want, move in zip(wants, moves, strict=True)]


def _moves(call: Call, wants: list[np.ndarray], how_far: Callable[[np.ndarray], Any]) -> list[np.ndarray]:
    """How much the reference's results move when the float inputs are moved so far, up or down."""
    random = np.random.default_rng(0)
    inputs = [_wide(x) if kind_of(x.dtype) in "fc" else x for x in call.converted()]
    moves = [np.zeros(want.shape) for want in wants]
    with np.errstate(all="ignore"):
        for _ in range(4):
            moved = call.reference(changed(inputs, lambda x: x + how_far(x) * random.choice((-1.0, 1.0), x.shape)))
            for i, (want, result) in enumerate(zip(wants, moved, strict=True)):
                moves[i] = np.fmax(moves[i], np.abs(result - _wide(want)))
    return moves


def _wide(x: np.ndarray) -> np.ndarray:
    return x.astype(np.complex128 if x.dtype.kind == "c" else np.float64)


def _largest(x: np.ndarray) -> float:
    """The largest finite magnitude in an array."""
    return float(np.abs(x[np.isfinite(x)], dtype=np.float64).max(initial=0.0))


def match_each(call: Call, gots: list[np.ndarray], wants: list[np.ndarray]) -> None:
    """Raise AssertionError unless the outputs of a call are those of another way to run it."""
    floats = [want.dtype for want in wants if kind_of(want.dtype) in "fc"]
    limits = rounding(call, wants, floats[0]) if floats else [0.0] * len(wants)
    for i, (got, want, allowed) in enumerate(zip(gots, wants, limits, strict=True)):
        assert got.dtype == want.dtype, f"output {i}: dtype {got.dtype}, expected {want.dtype}"
        match(got, want, allowed, f"output {i}")


def match_reference(call: Call, gots: list[np.ndarray], what: str = "output") -> list[np.ndarray]:
    """Raise AssertionError unless the outputs are the reference's, in kind of dtype, shape and values; returns the reference's."""
    exact = call.reference()
    assert len(gots) == len(exact), f"{len(gots)} outputs, expected {len(exact)}"
    floats = {got.dtype for got in gots if kind_of(got.dtype) in "fc"}
    limits = rounding(call, exact, floats.pop()) if floats else [0.0] * len(exact)
    wants = []
    for i, (got, want, allowed) in enumerate(zip(gots, exact, limits, strict=True)):
        label = what if len(gots) == 1 else f"{what} {i}"
        kinds = {"f": "f", "c": "fc", "b": "b"}.get(kind_of(got.dtype), "iu")
        assert want.dtype.kind in kinds or not want.size, f"{label}: dtype {got.dtype}, expected something like {want.dtype}"
        with np.errstate(all="ignore"):
            wants.append(want.astype(got.dtype))
        match(got, wants[-1], allowed, label)
    return wants
