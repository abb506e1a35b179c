"""Tensors from data and from nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import functional as F
from ..device import as_device
from ..dtype import as_dtype, boolean, complex64, float32, int32, int64
from ..errors import DTypeError, check
from ..kernel import capsules
from ..tensor import Tensor
from .arguments import Place
from .dtypes import astype

_INT32 = np.iinfo(np.int32)


def asarray(obj: Any, /, *, dtype: np.dtype | None = None, device: Place = None, copy: bool | None = None) -> Tensor:
    """Data as a tensor. Arrays and tensors keep their dtype; Python's numbers become bool, int32 (int64 where they need it), float32 or complex64.

    copy: True for another tensor, False for a ValueError where memory had to be copied.

    >>> asarray([1, 2]).dtype
    dtype('int32')
    """
    if isinstance(obj, Tensor):
        moves = device is not None and as_device(device) != obj.device
        if copy is False and (moves or (dtype is not None and as_dtype(dtype) != obj.dtype)):
            raise ValueError("asarray: another dtype or device takes a copy")
        return astype(obj, obj.dtype if dtype is None else dtype, copy=bool(copy), device=device)
    if copy is False:
        raise ValueError(f"asarray: a tensor of what is in a {type(obj).__name__} is always a copy")
    if hasattr(obj, "__dlpack__") and not isinstance(obj, np.ndarray | np.generic):
        obj = capsules.take(obj)
    is_array = isinstance(obj, np.ndarray | np.generic)
    array = np.asarray(_arrays(obj))
    if dtype is None and not is_array:
        dtype = _of_numbers(array)
    return Tensor(array, dtype=array.dtype if dtype is None else dtype, device=device)


def _arrays(obj: Any) -> Any:
    """Tensors inside of sequences as arrays, so that NumPy can stack them."""
    if isinstance(obj, Tensor):
        return obj.numpy()
    return [_arrays(item) for item in obj] if isinstance(obj, (list, tuple)) else obj


def _of_numbers(array: np.ndarray) -> np.dtype:
    """The dtype for Python's numbers, given what NumPy made of them."""
    if array.dtype == np.int64:
        fits = not array.size or (_INT32.min <= array.min() and array.max() <= _INT32.max)
        return int32 if fits else int64
    if array.dtype == np.uint64 or (array.dtype == object and all(isinstance(item, int) for item in array.flat)):
        raise OverflowError("asarray: an integer does not fit in int64")
    return {"f": float32, "c": complex64, "b": boolean}.get(array.dtype.kind) or as_dtype(array.dtype)


def from_dlpack(x: Any, /, *, device: Place = None, copy: bool | None = None) -> Tensor:
    """A tensor with the values of another library's. They are always copied.

    >>> from_dlpack(np.ones(2)).tolist()
    [1.0, 1.0]
    """
    if copy is False:
        raise ValueError("from_dlpack: values are always copied")
    array = capsules.take(x)
    return Tensor(array, dtype=array.dtype, device=device)


def arange(start: float, /, stop: float | None = None, step: float = 1, *, dtype: np.dtype | None = None, device: Place = None) -> Tensor:
    """Numbers from ``start`` on, ``step`` apart, before ``stop``; int32 if all three are integers (int64 where they need it), else float32.

    >>> arange(1, 7, 2).tolist()
    [1, 3, 5]
    """
    if stop is None:
        start, stop = 0, start
    if dtype is None:
        whole = all(isinstance(value, (int, np.integer)) for value in (start, stop, step))
        fits = all(_INT32.min <= value <= _INT32.max for value in (start, stop))
        dtype = (int32 if fits else int64) if whole else float32
    return F.arange(start, stop, step, dtype=dtype, device=device)


def linspace(
    start: complex, stop: complex, /, num: int, *, dtype: np.dtype | None = None, device: Place = None, endpoint: bool = True
) -> Tensor:
    """``num`` numbers at equal distances from ``start`` to ``stop``, which is among them if ``endpoint``.

    >>> linspace(0, 1, 4, endpoint=False).tolist()
    [0.0, 0.25, 0.5, 0.75]
    """
    values = np.linspace(start, stop, num, endpoint=endpoint)
    wanted = (complex64 if np.iscomplexobj(values) else float32) if dtype is None else as_dtype(dtype)
    return Tensor(values.astype(wanted), dtype=wanted, device=device)


def full(shape: int | Sequence[int], fill_value: complex, *, dtype: np.dtype | None = None, device: Place = None) -> Tensor:
    """A number everywhere; its dtype is the number's unless one is given.

    >>> full(2, 1.5).tolist()
    [1.5, 1.5]
    """
    value = asarray(fill_value, dtype=dtype, device=device)
    return F.copy(F.broadcast_to(value, shape))


def full_like(x: Tensor, /, fill_value: complex, *, dtype: np.dtype | None = None, device: Place = None) -> Tensor:
    """A number everywhere, in the shape of ``x``, and of its dtype and on its device unless others are given."""
    return full(x.shape, fill_value, dtype=x.dtype if dtype is None else dtype, device=x.device if device is None else device)


def zeros(shape: int | Sequence[int], *, dtype: np.dtype | None = None, device: Place = None) -> Tensor:
    """Zeros, float32 by default.

    >>> zeros(2).tolist()
    [0.0, 0.0]
    """
    return full(shape, 0, dtype=float32 if dtype is None else dtype, device=device)


def zeros_like(x: Tensor, /, *, dtype: np.dtype | None = None, device: Place = None) -> Tensor:
    """Zeros in the shape of ``x``, and of its dtype and on its device unless others are given."""
    return full_like(x, 0, dtype=dtype, device=device)


def ones(shape: int | Sequence[int], *, dtype: np.dtype | None = None, device: Place = None) -> Tensor:
    """Ones, float32 by default.

    >>> ones(2).tolist()
    [1.0, 1.0]
    """
    return full(shape, 1, dtype=float32 if dtype is None else dtype, device=device)


def ones_like(x: Tensor, /, *, dtype: np.dtype | None = None, device: Place = None) -> Tensor:
    """Ones in the shape of ``x``, and of its dtype and on its device unless others are given."""
    return full_like(x, 1, dtype=dtype, device=device)


def empty(shape: int | Sequence[int], *, dtype: np.dtype | None = None, device: Place = None) -> Tensor:
    """Any values; here they are zeros."""
    return zeros(shape, dtype=dtype, device=device)


def empty_like(x: Tensor, /, *, dtype: np.dtype | None = None, device: Place = None) -> Tensor:
    """Any values in the shape of ``x``; here they are zeros."""
    return zeros_like(x, dtype=dtype, device=device)


def eye(n_rows: int, n_cols: int | None = None, /, *, k: int = 0, dtype: np.dtype | None = None, device: Place = None) -> Tensor:
    """Ones on the ``k``-th diagonal above the main one, zeros elsewhere.

    >>> eye(2, k=1).tolist()
    [[0.0, 1.0], [0.0, 0.0]]
    """
    wanted = float32 if dtype is None else as_dtype(dtype)
    return Tensor(np.eye(n_rows, n_cols, k).astype(wanted), dtype=wanted, device=device)


def meshgrid(*arrays: Tensor, indexing: str = "xy") -> list[Tensor]:
    """Coordinate grids from coordinates along each axis; with "xy" the first two axes are exchanged.

    >>> [x.tolist() for x in meshgrid(Tensor([1, 2]), Tensor([3]), indexing="ij")]
    [[[1], [2]], [[3], [3]]]
    """
    if len({x.dtype for x in arrays}) > 1:
        raise DTypeError(f"meshgrid: tensors must have one dtype, got {', '.join(str(x.dtype) for x in arrays)}")
    return list(F.meshgrid(*arrays, indexing=indexing))


def tril(x: Tensor, /, *, k: int = 0) -> Tensor:
    """The matrices with zeros above the ``k``-th diagonal.

    >>> tril(Tensor([[1, 2], [3, 4]])).tolist()
    [[1, 0], [3, 4]]
    """
    return _triangle("tril", x, lambda over: over <= k)


def triu(x: Tensor, /, *, k: int = 0) -> Tensor:
    """The matrices with zeros below the ``k``-th diagonal.

    >>> triu(Tensor([[1, 2], [3, 4]])).tolist()
    [[1, 2], [0, 4]]
    """
    return _triangle("triu", x, lambda over: over >= k)


def _triangle(name: str, x: Tensor, kept: Any) -> Tensor:
    check(x.ndim >= 2, "{}: takes tensors with at least two axes, got shape {}", name, x.shape)
    rows, columns = (F.arange(n, dtype=int32, device=x.device) for n in x.shape[-2:])
    return F.where(kept(F.expand_dims(columns, 0) - F.expand_dims(rows, 1)), x, F.zeros_like(x))
