"""Elementwise functions: arithmetic, comparison, logic, selection, activations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeGuard

import numpy as np

from .. import dtype as dtypes, precision
from ..constants import constant
from ..op import Op, apply
from ..ops import activation, compare, math, trigonometry, view
from ..tensor import Tensor

Scalar = bool | int | float | complex
Operand = Tensor | Scalar | np.ndarray | list


def operands(*values: Operand) -> list[Tensor]:
    """Values as tensors that can meet in an op. Python scalars are weak, arrays and lists go to the first tensor's device."""
    tensors = [value for value in values if isinstance(value, Tensor)]
    device = tensors[0].device if tensors else None
    known = [tensor.dtype for tensor in tensors]
    arrays: dict[int, Tensor] = {}
    for i, value in enumerate(values):
        if isinstance(value, (list, tuple, np.ndarray)) or _typed(value):
            arrays[i] = Tensor(value, dtype=_beside(value, known), device=device)
            known.append(arrays[i].dtype)
    results = []
    for i, value in enumerate(values):
        if isinstance(value, Tensor):
            results.append(value)
        elif i in arrays:
            results.append(arrays[i])
        elif isinstance(value, (bool, int, float, complex, np.generic)):
            results.append(_weak(value, known, device))
        else:
            raise TypeError(f"expected a tensor, a number, an array or a list, got {type(value).__name__}: {value!r}")
    return results


def _typed(value: object) -> TypeGuard[np.generic]:
    """Whether this is a NumPy scalar of a dtype that Python's own numbers do not have, which counts as an array of that dtype."""
    return isinstance(value, np.generic) and value.dtype not in (np.float64, np.int64, np.bool_)


def _beside(value: np.ndarray | np.generic | list | tuple, known: Sequence[np.dtype]) -> np.dtype | None:
    """The dtype of an array or a list beside tensors of known dtypes; None for its own."""
    if not known:
        return None
    if isinstance(value, (np.ndarray, np.generic)):
        weak = value.dtype == np.float64 and dtypes.is_float(known[0])
        return known[0] if weak else dtypes.common(known[0], dtypes.default_dtype(value.dtype))
    kind = np.asarray(value).dtype.type
    return dtypes.scalar_dtype(kind(), known[0]) if issubclass(kind, (np.bool_, np.number)) else None


def _weak(value, known, device) -> Tensor:
    if isinstance(value, np.generic):
        value = value.item()
    if known:
        floats = [dtype for dtype in known if dtypes.is_float(dtype)]
        dtype = dtypes.scalar_dtype(value, (floats or known)[0])
    else:
        dtype = dtypes.default_dtype(np.asarray(value).dtype)
    place = Tensor([]).device if device is None else device
    return constant(value, dtype, place)


def as_tensor(value: Operand) -> Tensor:
    """``value`` itself if it is a tensor, else a new one of it."""
    return value if isinstance(value, Tensor) else Tensor(value)


class Unary(Protocol):
    """A function of one operand."""

    def __call__(self, x: Operand) -> Tensor:
        """The value for each element."""


class Binary(Protocol):
    """A function of two operands, which are broadcast."""

    def __call__(self, x: Operand, y: Operand) -> Tensor:
        """The value for each pair of elements."""


def unary(op: Op) -> Unary:
    """The functional form of an op on one tensor."""

    def function(x: Operand) -> Tensor:
        return apply(op, (x if isinstance(x, Tensor) else operands(x)[0],))

    return _named(function, op)


def binary(op: Op) -> Binary:
    """The functional form of an op on two operands."""

    def function(x: Operand, y: Operand) -> Tensor:
        if isinstance(x, Tensor) and isinstance(y, Tensor):
            return apply(op, (x, y))
        return apply(op, operands(x, y))

    return _named(function, op)


def _power() -> Binary:
    """`binary` of pow, but for squares of floats, which most powers are: they are one multiplication, a fiftieth of the time.

    Within autocast they are cast as powers are, unlike `square`.
    """
    general = binary(math.pow)

    def function(x: Operand, y: Operand) -> Tensor:
        if type(y) in (int, float) and y == 2 and isinstance(x, Tensor) and x._spec.is_float:
            return apply(math.square, (precision.high(x) if precision.active else x,))
        return general(x, y)

    return _named(function, math.pow)


def _named(function: Callable, op: Op) -> Any:
    function.__name__ = function.__qualname__ = op.name
    function.__doc__ = op.doc
    function.__module__ = __name__
    return function


add, sub, mul, div = binary(math.add), binary(math.sub), binary(math.mul), binary(math.div)
floor_div, mod = binary(math.floor_div), binary(math.mod)
pow = _power()
maximum, minimum = binary(math.maximum), binary(math.minimum)
left_shift, right_shift = binary(math.left_shift), binary(math.right_shift)
neg, abs, sign, square = unary(math.neg), unary(math.abs), unary(math.sign), unary(math.square)
floor, ceil, round = unary(math.floor), unary(math.ceil), unary(math.round)
exp, log, sqrt, tanh, erf = unary(math.exp), unary(math.log), unary(math.sqrt), unary(math.tanh), unary(math.erf)
sigmoid, relu, gelu, silu = (unary(op) for op in (math.sigmoid, math.relu, math.gelu, math.silu))
expm1, log1p, logaddexp = unary(math.expm1), unary(math.log1p), binary(math.logaddexp)
sin, cos, tan = unary(trigonometry.sin), unary(trigonometry.cos), unary(trigonometry.tan)
asin, acos, atan = unary(trigonometry.asin), unary(trigonometry.acos), unary(trigonometry.atan)
sinh, cosh = unary(trigonometry.sinh), unary(trigonometry.cosh)
asinh, acosh, atanh = unary(trigonometry.asinh), unary(trigonometry.acosh), unary(trigonometry.atanh)
relu6, hsigmoid, hswish = unary(activation.relu6), unary(activation.hsigmoid), unary(activation.hswish)
prelu = binary(activation.prelu)
equal, not_equal = binary(compare.equal), binary(compare.not_equal)
less, less_equal = binary(compare.less), binary(compare.less_equal)
greater, greater_equal = binary(compare.greater), binary(compare.greater_equal)
logical_and, logical_or, logical_xor = binary(compare.logical_and), binary(compare.logical_or), binary(compare.logical_xor)
logical_not = unary(compare.logical_not)


def _number(value: Operand) -> Tensor:
    """A tensor of it; True and False as 1 and 0."""
    tensor = operands(value)[0]
    return apply(view.astype, (tensor,), (dtypes.float32,)) if tensor.dtype == dtypes.boolean else tensor


def isnan(inp: Operand) -> Tensor:
    """Whether each element is NaN (bool).

    >>> isnan(Tensor([1.0, float("nan")])).tolist()
    [False, True]
    """
    return apply(compare.isnan, (_number(inp),))


def isinf(inp: Operand) -> Tensor:
    """Whether each element is infinite (bool).

    >>> isinf(Tensor([1.0, -float("inf")])).tolist()
    [False, True]
    """
    return apply(compare.isinf, (_number(inp),))


def softplus(inp: Operand) -> Tensor:
    """``log(1 + exp(x))``, without overflow (Dugas et al., 2001).

    >>> softplus(Tensor([0.0, 1000.0])).tolist()
    [0.6931471824645996, 1000.0]
    """
    return apply(math.softplus, tuple(operands(inp)))


def atan2(y: Operand, x: Operand) -> Tensor:
    """The angle in [-pi, pi] of the point (x, y), as C's atan2 has it for zeros and infinities.

    >>> atan2(Tensor([0.0]), Tensor([-1.0])).tolist()
    [3.1415927410125732]
    """
    return apply(trigonometry.atan2, tuple(operands(y, x)))


def where(mask: Tensor, x: Operand, y: Operand) -> Tensor:
    """``x`` where ``mask`` (bool) is true, else ``y``; all three are broadcast.

    >>> where(Tensor([True, False]), Tensor([1.0, 2.0]), 0.0).tolist()
    [1.0, 0.0]
    """
    if not isinstance(mask, Tensor):
        raise TypeError(f"where: mask must be a bool tensor, got {type(mask).__name__}")
    if mask.dtype != dtypes.boolean:
        raise ValueError(f"where: mask must be of dtype bool, got {mask.dtype}")
    x, y = operands(x, y)
    dtype = dtypes.common(x.dtype, y.dtype)
    return apply(compare.where, (mask, *(each if each.dtype == dtype else view.astype(each, dtype=dtype) for each in (x, y))))


def clip(x: Tensor, lower: Operand | None = None, upper: Operand | None = None) -> Tensor:
    """``x`` with values below ``lower`` raised to it and values above ``upper`` lowered to it; bounds count as inside for the gradient.

    >>> clip(Tensor([-2.0, 0.5, 2.0]), -1.0, 1.0).tolist()
    [-1.0, 0.5, 1.0]
    """
    if lower is None and upper is None:
        raise ValueError("clip: at least one of lower and upper is needed")
    if isinstance(lower, (int, float)) and isinstance(upper, (int, float)) and lower > upper:
        raise ValueError(f"clip: lower {lower} is above upper {upper}")
    if lower is not None:
        x = maximum(x, lower)
    return x if upper is None else minimum(x, upper)


def logsigmoid(inp: Tensor) -> Tensor:
    """``log(1 / (1 + exp(-x)))``, without overflow.

    >>> logsigmoid(Tensor([0.0])).tolist()
    [-0.6931471824645996]
    """
    return neg(softplus(neg(inp)))


def leaky_relu(inp: Tensor, negative_slope: float = 0.01) -> Tensor:
    """``x`` where it is not negative, else ``x * negative_slope`` (Maas, Hannun & Ng, 2013). The slope at 0 is 1.

    >>> leaky_relu(Tensor([-2.0, 3.0]), 0.5).tolist()
    [-1.0, 3.0]
    """
    return prelu(inp, float(negative_slope))
