"""The operators and computing methods of Tensor. They are table ops, so they live above the table and are attached here."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator

import numpy as np

from .. import dtype as dtypes
from ..constants import beside
from ..op import Op, apply
from ..ops import bits, compare, math, view
from ..tensor import Tensor
from . import elemwise, indexing, linalg, reduction, tensor as shapes

_ROUNDED = (("round", math.round), ("floor", math.floor), ("ceil", math.ceil))
_NUMBERS = (float, int, bool)


def _forward(op: Op) -> Callable:
    def method(self, other):
        if isinstance(other, Tensor):
            return apply(op, (self, other))
        if other.__class__ in _NUMBERS:
            return apply(op, (self, beside(other, self._spec)))
        return apply(op, elemwise.operands(self, other))

    return method


def _reflected(op: Op) -> Callable:
    def method(self, other):
        if other.__class__ in _NUMBERS:
            return apply(op, (beside(other, self._spec), self))
        return apply(op, elemwise.operands(other, self))

    return method


def _of_bits(logical: Op, bitwise: Op) -> Callable:
    """Of bools the one op, of integers the other; either commutes."""

    def method(self, other):
        x, y = elemwise.operands(self, other)
        return apply(bitwise if dtypes.is_integer(x.dtype) and dtypes.is_integer(y.dtype) else logical, (x, y))

    return method


def _in_place(name: str) -> Callable:
    """``x += y``: the object stays the same and becomes the new value."""
    function = getattr(operator, name)

    def method(self, other):
        self._bind(function(self, other))
        return self

    return method


def _attach_operators() -> None:
    for name, op in (
        ("add", math.add),
        ("sub", math.sub),
        ("mul", math.mul),
        ("truediv", math.div),
        ("floordiv", math.floor_div),
        ("mod", math.mod),
        ("pow", math.pow),
        ("lshift", math.left_shift),
        ("rshift", math.right_shift),
    ):
        setattr(Tensor, f"__{name}__", _forward(op))
        setattr(Tensor, f"__r{name}__", _reflected(op))
        setattr(Tensor, f"__i{name}__", _in_place(name))
    Tensor.__pow__ = lambda self, other: elemwise.pow(self, other)  # type: ignore[method-assign]
    for name, logical, bitwise in (
        ("and", compare.logical_and, bits.bitwise_and),
        ("or", compare.logical_or, bits.bitwise_or),
        ("xor", compare.logical_xor, bits.bitwise_xor),
    ):
        setattr(Tensor, f"__{name}__", _of_bits(logical, bitwise))
        setattr(Tensor, f"__r{name}__", _of_bits(logical, bitwise))
        setattr(Tensor, f"__i{name}__", _in_place(f"{name}_" if name in ("and", "or") else name))
    for name, op in (
        ("eq", compare.equal),
        ("ne", compare.not_equal),
        ("lt", compare.less),
        ("le", compare.less_equal),
        ("gt", compare.greater),
        ("ge", compare.greater_equal),
    ):
        setattr(Tensor, f"__{name}__", _forward(op))
    for name, op in (("neg", math.neg), ("abs", math.abs), *_ROUNDED):
        setattr(Tensor, f"__{name}__", lambda self, op=op: apply(op, (self,)))


def _method(function: Callable) -> Callable:
    """Attach a function to Tensor under its own name."""
    setattr(Tensor, function.__name__, function)
    return function


@_method
def __invert__(self: Tensor) -> Tensor:
    return apply(bits.bitwise_invert if dtypes.is_integer(self.dtype) else compare.logical_not, (self,))


@_method
def __pos__(self: Tensor) -> Tensor:
    return self


@_method
def __matmul__(self: Tensor, other) -> Tensor:
    return linalg.matmul(self, elemwise.as_tensor(other))


@_method
def __rmatmul__(self: Tensor, other) -> Tensor:
    return linalg.matmul(elemwise.as_tensor(other), self)


@_method
def __imatmul__(self: Tensor, other) -> Tensor:
    self._bind(self @ other)
    return self


@_method
def __getitem__(self: Tensor, index) -> Tensor:
    return indexing.getitem(self, index)


@_method
def __setitem__(self: Tensor, index, value) -> None:
    self._bind(indexing.setitem(self, index, value))


@_method
def __iter__(self: Tensor) -> Iterator[Tensor]:
    if self.ndim == 0:
        raise TypeError("iteration over a tensor without axes")
    return (self[i] for i in range(len(self)))


@_method
def __contains__(self: Tensor, value) -> bool:
    return bool((self == value).numpy().any())


@_method
def astype(self: Tensor, dtype) -> Tensor:
    """The values in another dtype; the tensor itself if it has it already."""
    wanted = dtypes.as_dtype(dtype)
    return self if wanted == self.dtype else apply(view.astype, (self,), (wanted,))


@_method
def reshape(self: Tensor, *shape) -> Tensor:
    """The elements in another shape: ``reshape(2, 3)``, ``reshape((2, 3))``; one extent may be -1."""
    return shapes.reshape(self, shape[0] if len(shape) == 1 and not isinstance(shape[0], (int, np.integer)) else shape)


@_method
def transpose(self: Tensor, *pattern) -> Tensor:
    """The axes in another order (reversed without arguments); ``'x'`` in the pattern makes a new axis of extent 1."""
    if not pattern:
        pattern = tuple(range(self.ndim))[::-1]
    elif len(pattern) == 1 and not isinstance(pattern[0], (int, str, np.integer)):
        pattern = tuple(pattern[0])
    return shapes.transpose(self, pattern)


@_method
def flatten(self: Tensor, start_axis: int = 0, end_axis: int = -1) -> Tensor:
    """The axes from ``start_axis`` to ``end_axis`` as one."""
    return shapes.flatten(self, start_axis, end_axis)


@_method
def set_value(self: Tensor, value) -> None:
    """Become ``value`` (array, list, scalar or tensor), detached from any gradient graph; numbers take this tensor's dtype."""
    if not isinstance(value, Tensor):
        value = Tensor(value, dtype=self.dtype, device=self.device)
    self._reset(value if value.device == self.device else value.to(self.device))


@_method
def reset_zero(self: Tensor) -> None:
    """Become zeros, detached from any gradient graph."""
    self._reset(apply(compare.zeros_like, (self,)))


def _attach_reductions() -> None:
    for name in ("sum", "mean", "max", "min", "prod", "var"):
        function = getattr(reduction, name)

        def method(self, axis=None, keepdims=False, _function=function):
            return _function(self, axis, keepdims)

        method.__name__, method.__doc__ = name, function.__doc__
        setattr(Tensor, name, method)


_attach_operators()
_attach_reductions()
