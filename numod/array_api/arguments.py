"""What the functions of this package do with their arguments: numbers beside tensors, dtypes that must meet, axes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..constants import constant
from ..device import Device
from ..dtype import is_float, is_integer, scalar_dtype
from ..errors import DTypeError
from ..forms import normalize_axis
from ..op import Op, apply
from ..ops import view
from ..tensor import Tensor
from .dtypes import Scalar, cast, joined

Place = str | Device | None
Axis = int | Sequence[int] | None
Operand = Tensor | Scalar


def meet(name: str, *values: Operand) -> list[Tensor]:
    """Tensors and numbers as tensors of one dtype, that of the tensors."""
    known = [value for value in values if isinstance(value, Tensor)]
    if not known:
        raise TypeError(f"{name}: takes at least one tensor, got {', '.join(type(value).__name__ for value in values)}")
    dtype = known[0].dtype
    for tensor in known[1:]:
        dtype = joined(dtype, tensor.dtype)
    for value in values:
        if not isinstance(value, Tensor):
            if not isinstance(value, (int, float, complex)):
                raise TypeError(f"{name}: takes tensors and numbers, got {type(value).__name__}")
            dtype = joined(dtype, scalar_dtype(value, dtype))
    return [cast(value, dtype) if isinstance(value, Tensor) else constant(value, dtype, known[0].device) for value in values]


def require(name: str, x: Tensor, kinds: str) -> None:
    """DTypeError unless the dtype is of one of these kinds: letters of "b", "i" (integers), "f" and "c"."""
    kind = "f" if is_float(x.dtype) else "i" if is_integer(x.dtype) else x.dtype.kind
    if kind not in kinds:
        words = {"b": "bool", "i": "integers", "f": "floats", "c": "complex numbers"}
        raise DTypeError(f"{name}: takes {' or '.join(words[each] for each in kinds)}, got {x.dtype}")


def unary(name: str, op: Op, doc: str, kinds: str = "if", same: str = "") -> Callable[[Tensor], Tensor]:
    """A function of one tensor. same: kinds of dtypes whose values stay as they are."""

    def function(x: Tensor, /) -> Tensor:
        if not isinstance(x, Tensor):
            raise TypeError(f"{name}: takes a tensor, got {type(x).__name__}")
        require(name, x, kinds)
        return fresh(x) if same and not is_float(x.dtype) else apply(op, (x,))

    return _named(function, name, doc)


def binary(name: str, op: Op, doc: str, kinds: str = "if", of_bool: Op | None = None) -> Callable[[Operand, Operand], Tensor]:
    """A function of two tensors, or of a tensor and a number. of_bool: the op for bools, if it is another one."""

    def function(x1: Operand, x2: Operand, /) -> Tensor:
        x, y = meet(name, x1, x2)
        require(name, x, kinds)
        return apply(of_bool if of_bool and x.dtype.kind == "b" else op, (x, y))

    return _named(function, name, doc)


def fresh(x: Tensor) -> Tensor:
    """The same values as another tensor."""
    return apply(view.reshape, (x,), (x._spec.shape,))


def _named(function: Callable, name: str, doc: str) -> Callable:
    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return function


def axes_of(name: str, axis: Axis, ndim: int) -> tuple[int, ...]:
    """``axis`` as distinct axes that are not negative; all for None."""
    if axis is None:
        return tuple(range(ndim))
    given = (axis,) if isinstance(axis, (int, np.integer)) else tuple(axis)
    axes = tuple(normalize_axis(name, int(each), ndim) for each in given)
    if len(set(axes)) != len(axes):
        raise ValueError(f"{name}: axes {given} name an axis twice")
    return axes
