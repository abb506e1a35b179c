"""Derivatives along one direction: of the NumPy reference, numerically, and of the op, by its gradient rules."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from .. import tape as tapes
from ..op import TABLE
from ..tensor import Tensor

Arrays = Sequence[np.ndarray]
STEP = 1e-5


def leaf(array: np.ndarray) -> Tensor:
    """A tensor that gradients are asked for."""
    tensor = Tensor(array, dtype=array.dtype)
    tapes.attach(tapes.Node((), (tensor._spec,), None), (tensor,))
    return tensor


@contextlib.contextmanager
def recording() -> Iterator[None]:
    """Ops on leaves are recorded in this block."""
    tapes.current().open()
    try:
        yield
    finally:
        tapes.current().close()


def pull_back(outputs: Sequence[Tensor], cotangents: Sequence[Tensor], leaves: Sequence[Tensor]) -> list[Tensor | None]:
    """Gradients of ``sum(output * cotangent)`` with respect to the leaves, themselves recorded; None where nothing flows."""
    places = [(leaf._node, leaf._index) for leaf in leaves]
    starts = [(*origin, cotangent) for out, cotangent in zip(outputs, cotangents, strict=True) if (origin := tapes.source(out))]
    found = tapes.backward(starts, set(places), TABLE["add"])  # type: ignore[arg-type]
    return [found.get(place) for place in places]  # type: ignore[arg-type]


def dot(left: Sequence[np.ndarray | None], right: Arrays) -> float:
    """The sum of products; None is zero."""
    return float(sum(np.sum(a * b) for a, b in zip(left, right, strict=True) if a is not None))


def size(left: Sequence[np.ndarray | None], right: Arrays) -> float:
    """The sum of the magnitudes that `dot` adds up."""
    return dot([None if x is None else np.abs(x) for x in left], [np.abs(x) for x in right])


def agree(got: float, wanted: Callable[[float], float], scale: float, what: str) -> None:
    """Raise AssertionError unless ``got`` is ``wanted(scale)``, up to errors of differences of numbers of size ``scale``."""
    want = wanted(scale)
    allowed = 1e-6 * (scale + abs(want)) + 1e-8
    assert abs(got - want) <= allowed, f"{what}: {got!r} and {want!r} (allowed: {allowed:.2g} apart)"


def central(function: Callable[[float], float]) -> float:
    """The derivative at 0 by central differences, of fourth order."""
    near, far = function(STEP) - function(-STEP), function(2 * STEP) - function(-2 * STEP)
    return (8 * near - far) / (12 * STEP)


def along(
    function: Callable[[Arrays], Any], inputs: Arrays, direction: Sequence[np.ndarray | None], scale: float, trusted: bool = False
) -> float:
    """The derivative of ``function`` at ``inputs`` along ``direction`` (None: not this input).

    It is exact (by a complex step) where the function accepts complex arrays. Some do and are not analytic, like ``abs``;
    so the result must agree with that of central differences, to which it falls back, unless it is ``trusted``. ``scale`` is the size of what may
    be neglected.
    """

    def moved(t: complex) -> list[np.ndarray]:
        return [x if d is None else x + t * d for x, d in zip(inputs, direction, strict=True)]

    if trusted:
        return complex(function(moved(1e-30j))).imag / 1e-30
    coarse = central(lambda t: function(moved(t)))
    try:
        exact = complex(function(moved(1e-30j))).imag / 1e-30
    except (TypeError, ValueError, np.exceptions.ComplexWarning):
        return coarse
    return exact if abs(exact - coarse) <= 1e-5 * (abs(exact) + scale) else coarse


def off_kinks(x: np.ndarray, kinks: Sequence[float], margin: float = 0.01) -> np.ndarray:
    """``x`` with the elements that are near a kink moved away from it."""
    for kink in kinks:
        x = np.where(np.abs(x - kink) < margin, kink + np.where(x < kink, -margin, margin), x)
    return x
