"""Tensors from nothing: zeros, ones, full, arange, linspace, eye, and the ``_like`` forms."""

from __future__ import annotations

import operator

import numpy as np

from ..constants import constant
from ..device import Device, as_device
from ..dtype import as_dtype, default_dtype
from ..errors import check
from ..op import apply
from ..ops import compare, math, view
from ..tensor import Tensor
from .tensor import Shape, as_shape

Place = str | Device | None


def full(shape: Shape, value: bool | int | float | Tensor, *, dtype=None, device: Place = None) -> Tensor:
    """A tensor with ``value`` everywhere; its dtype is the value's (int32, float32 or bool) unless one is given.

    >>> full((2, 2), 3).tolist()
    [[3, 3], [3, 3]]
    """
    extents = as_shape("full", shape)
    check(all(extent >= 0 for extent in extents), "full: extents must not be negative, got {}", extents)
    if isinstance(value, Tensor):
        filling = value if device is None else value.to(device)
    elif isinstance(value, (bool, int, float, np.generic)):
        value = value.item() if isinstance(value, np.generic) else value
        wanted = default_dtype(np.asarray(value).dtype) if dtype is None else as_dtype(dtype)
        filling = constant(value, wanted, as_device(device))
    else:
        raise TypeError(f"full: value must be a number or a tensor, got {type(value).__name__}: {value!r}")
    wanted = filling.dtype if dtype is None else as_dtype(dtype)
    return apply(view.astype, (apply(view.broadcast_to, (filling,), (extents,)),), (wanted,))


def zeros(shape: Shape, *, dtype="float32", device: Place = None) -> Tensor:
    """Zeros.

    >>> zeros((2,)).tolist()
    [0.0, 0.0]
    """
    return full(shape, 0, dtype=dtype, device=device)


def ones(shape: Shape, *, dtype="float32", device: Place = None) -> Tensor:
    """Ones.

    >>> ones((2,), dtype="int32").tolist()
    [1, 1]
    """
    return full(shape, 1, dtype=dtype, device=device)


def zeros_like(inp: Tensor) -> Tensor:
    """Zeros of the shape, dtype and device of ``inp``.

    >>> zeros_like(Tensor([1, 2])).tolist()
    [0, 0]
    """
    return apply(compare.zeros_like, (inp,))


def ones_like(inp: Tensor) -> Tensor:
    """Ones of the shape, dtype and device of ``inp``.

    >>> ones_like(Tensor([3.0, 4.0])).tolist()
    [1.0, 1.0]
    """
    return apply(math.ones_like, (inp,))


def full_like(inp: Tensor, value: int | float) -> Tensor:
    """``value`` everywhere, in the shape, dtype and device of ``inp``.

    >>> full_like(Tensor([1.0, 2.0]), 3).tolist()
    [3.0, 3.0]
    """
    return full(inp.shape, value, dtype=inp.dtype, device=inp.device)


def arange(
    start: int | float = 0, stop: int | float | None = None, step: int | float = 1, *, dtype="float32", device: Place = None
) -> Tensor:
    """Values from ``start`` on, ``step`` apart, up to but not including ``stop``; with one argument, from 0 up to it.

    >>> arange(1, 7, 2).tolist()
    [1.0, 3.0, 5.0]
    """
    if stop is None:
        start, stop = 0, start
    first, last, distance = (_number("arange", value) for value in (start, stop, step))
    if distance == 0:
        raise ValueError("arange: step must not be 0")
    wanted = as_dtype(dtype)
    exact = all(isinstance(value, int) for value in (first, last, distance))
    return Tensor(np.arange(first, last, distance, dtype="int64" if exact else "float64").astype(wanted), dtype=wanted, device=device)


def linspace(start: int | float, stop: int | float, num: int, *, dtype="float32", device: Place = None) -> Tensor:
    """``num`` values from ``start`` to ``stop``, both included, at equal distances.

    >>> linspace(0, 1, 5).tolist()
    [0.0, 0.25, 0.5, 0.75, 1.0]
    """
    count = operator.index(num)
    if count < 1:
        raise ValueError(f"linspace: num must be at least 1, got {num}")
    wanted = as_dtype(dtype)
    values = np.linspace(_number("linspace", start), _number("linspace", stop), count)
    return Tensor(values.astype(wanted), dtype=wanted, device=device)


def _number(name: str, value: int | float | Tensor) -> int | float:
    """A number, or the one in a tensor, as a Python number."""
    if isinstance(value, (Tensor, np.generic)):
        value = value.item()
    if not isinstance(value, (int, float)):
        raise TypeError(f"{name}: takes numbers, got {type(value).__name__}: {value!r}")
    return value


def eye(N: int, M: int | None = None, *, dtype="float32", device: Place = None) -> Tensor:
    """Ones on the diagonal of an N by M matrix (N by N without ``M``), zeros elsewhere.

    >>> eye(2).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    rows, columns = operator.index(N), operator.index(N if M is None else M)
    check(rows >= 0 and columns >= 0, "eye: extents must not be negative, got {}", (rows, columns))
    wanted = as_dtype(dtype)
    return Tensor(np.eye(rows, columns, dtype=wanted), dtype=wanted, device=device)
