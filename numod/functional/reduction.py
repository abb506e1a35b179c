"""Reductions over axes, and softmax and its relatives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from ..dtype import float32, is_half
from ..forms import normalize_axis
from ..op import Op, apply
from ..ops import math, reduce, view
from ..tensor import Tensor

Axis = int | Sequence[int] | None


def axes_of(name: str, inp: Tensor, axis: Axis) -> tuple[int, ...]:
    """``axis`` as a sorted tuple of distinct axes; all of them for None."""
    ndim = inp._spec.ndim
    if axis is None:
        return tuple(range(ndim))
    if isinstance(axis, int):
        if ndim == 0 and axis in (0, -1):
            return ()
        return (normalize_axis(name, axis, ndim),)
    axes = tuple(sorted(normalize_axis(name, int(each), ndim) for each in axis))
    if len(set(axes)) != len(axes):
        raise ValueError(f"{name}: axes {tuple(axis)} name an axis twice")
    return axes


class Reduction(Protocol):
    """A function that reduces axes."""

    def __call__(self, inp: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """The value for what lies along the axes."""


def _reduction(op: Op, widens: bool = False) -> Reduction:
    """The functional form of a reduction; ``widens``: of a float of 16 bits it is a float32."""

    def function(inp: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
        if axis is None and keepdims:
            raise AxisError(f"{op.name}: cannot keep dimensions without an axis; name the axes")
        if widens and is_half(inp.dtype):
            inp = apply(view.astype, (inp,), (float32,))
        return apply(op, (inp,), (axes_of(op.name, inp, axis), keepdims))

    made: Any = function
    made.__name__ = made.__qualname__ = op.name
    made.__module__ = __name__
    made.__doc__ = op.doc + ("\n\naxis: an axis, several, or None for all. keepdims: keep reduced axes with extent 1 (needs ``axis``).")
    return made


class AxisError(ValueError, AssertionError):
    """An axis argument that makes no sense here. (MegEngine: AssertionError.)"""


sum, mean, prod = _reduction(reduce.sum), _reduction(reduce.mean, widens=True), _reduction(reduce.prod)
max, min, var = _reduction(reduce.max), _reduction(reduce.min), _reduction(reduce.var, widens=True)
argmax, argmin = _reduction(reduce.argmax), _reduction(reduce.argmin)


def std(inp: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The square root of `var`.

    >>> std(Tensor([1.0, 3.0])).item()
    1.0
    """
    return apply(math.sqrt, (var(inp, axis, keepdims),))


def softmax(inp: Tensor, axis: int | None = None) -> Tensor:
    """``exp(x) / sum(exp(x))`` along ``axis`` (by default 1, or 0 for inputs of 0, 1 or 3 axes).

    >>> softmax(Tensor([0.0, 0.0])).tolist()
    [0.5, 0.5]
    """
    if axis is None:
        axis = 0 if inp.ndim in (0, 1, 3) else 1
    return apply(reduce.softmax, (inp,), (axes_of("softmax", inp, axis),))


def logsoftmax(inp: Tensor, axis: Axis) -> Tensor:
    """The logarithm of `softmax` along ``axis``, exact where the probability is tiny.

    >>> logsoftmax(Tensor([0.0, 0.0]), axis=0).tolist()
    [-0.6931471824645996, -0.6931471824645996]
    """
    return apply(reduce.logsoftmax, (inp,), (axes_of("logsoftmax", inp, axis),))


def logsumexp(inp: Tensor, axis: Axis, keepdims: bool = False) -> Tensor:
    """``log(sum(exp(x)))`` along ``axis``, without overflow.

    >>> logsumexp(Tensor([1000.0, 1000.0]), axis=0).item()
    1000.6931762695312
    """
    return apply(reduce.logsumexp, (inp,), (axes_of("logsumexp", inp, axis), keepdims))
