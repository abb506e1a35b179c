"""Tensor and Parameter: values that never change, and names for them that can be rebound.

A tensor is a buffer and a Spec. Buffers are never written after they are made: ``x += 1`` and ``x[i] = v`` make a new buffer and rebind
``x`` to it, so what the tape saved, a view or an alias of the old value can never be changed behind its back.
Operators and methods that compute are table ops, and are attached to the class in `numod.functional.methods`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, Self

import numpy as np

from . import dtype as dtypes
from .device import Device, as_device
from .kernel import capsules, memory
from .qparams import QParams, QuantMode
from .spec import Spec

_new = object.__new__
watch: Callable[[Tensor], None] | None = None  # while a function is traced: sees each tensor whose elements are read
_FORMATS = ("default", "nchw")
_STANDARDS = ("2021.12", "2022.12", "2023.12", "2024.12")
_NO_MARK = "requires_grad: tensors have no such mark; attach them to a GradManager"


class Tensor:
    """A multi-dimensional array on a device.

    data: a nested list, scalar, NumPy array, anything with ``__dlpack__`` or ``__array__``, or a Tensor; it is copied.
    dtype: float64 data become float32 and int64 data int32 unless a dtype is given.
    device: a device name; the default device if None.

    >>> Tensor([[1, 2], [3, 4]], dtype="float32").shape
    (2, 2)
    """

    __slots__ = ("__dict__", "__weakref__", "_buffer", "_grad", "_index", "_name", "_node", "_spec")
    __array_ufunc__ = None  # so that numpy_array + tensor reaches Tensor.__radd__
    __hash__ = object.__hash__  # by identity, although == compares elements

    def __init__(self, data, dtype=None, device=None, is_const=False, no_cache=False, name=None, format="default"):
        if format not in _FORMATS:
            raise FormatError(f"Tensor: format must be one of {', '.join(_FORMATS)}, got {format!r}")
        self._grad = None
        self._name = name or ""
        if isinstance(data, Tensor):
            target = data
            if dtype is not None and dtypes.as_dtype(dtype) != data.dtype:
                target = data.astype(dtype)
            if device is not None and as_device(device) != data.device:
                target = target.to(device)
            self._bind(target)
            return
        array = as_array(data, dtype)
        place = as_device(device)
        self._buffer, self._spec = memory.from_numpy(array, place)
        self._node = None
        self._index = 0

    @classmethod
    def _make(cls, buffer, spec: Spec) -> Tensor:
        """A tensor over a buffer that is already there."""
        tensor = _new(cls)
        tensor._buffer = buffer
        tensor._spec = spec
        tensor._node = tensor._grad = None
        tensor._index = 0
        tensor._name = ""
        return tensor

    def _bind(self, other: Tensor) -> None:
        """Become the value of ``other``, its place in the gradient graph included."""
        self._buffer, self._spec = other._buffer, other._spec
        self._node, self._index = other._node, other._index

    def _reset(self, other: Tensor) -> None:
        """Become the value of ``other``, detached from any gradient graph."""
        self._buffer, self._spec = other._buffer, other._spec
        self._node, self._index = None, 0

    _spec: Spec
    _index: int

    @property
    def shape(self) -> tuple[int, ...]:
        """The extents, a tuple of ints."""
        return self._spec.shape

    @property
    def dtype(self) -> np.dtype:
        """The element type, a NumPy dtype."""
        return self._spec.dtype

    @property
    def device(self) -> Device:
        """Where the values are."""
        return self._spec.device

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self._spec.ndim

    @property
    def size(self) -> int:
        """The number of elements."""
        return self._spec.size

    @property
    def format(self) -> str:
        """The order of the axes of images: always (n, c, h, w), which MegEngine calls default."""
        return "default"

    @property
    def requires_grad(self) -> NoReturn:
        """Not there, nor can it be set: what is differentiated is said by ``GradManager.attach``."""
        raise AttributeError(_NO_MARK)

    @requires_grad.setter
    def requires_grad(self, value) -> None:
        raise AttributeError(_NO_MARK)

    @property
    def T(self) -> Tensor:
        """The tensor with its axes reversed."""
        return self.transpose()

    @property
    def mT(self) -> Tensor:
        """With its last two axes exchanged."""
        return self.transpose(*range(self.ndim - 2), self.ndim - 1, self.ndim - 2)

    @property
    def qparams(self) -> QParams:
        """How the elements are quantized. It begins without dtype and scale, and is changed by its `update`."""
        found = self.__dict__.get("_qparams")
        if found is None:
            found = self.__dict__["_qparams"] = QParams(QuantMode.SYMMERTIC, None, None, None)
        return found

    @property
    def name(self) -> str:
        """A label for messages and graphs; empty unless set."""
        return self._name

    @name.setter
    def name(self, name: str) -> None:
        self._name = name

    @property
    def grad(self) -> Any:
        """What the last `GradManager.backward` calls have added up, or None."""
        return self._grad

    @grad.setter
    def grad(self, grad) -> None:
        self._grad = grad

    @grad.deleter
    def grad(self) -> None:
        self._grad = None

    def numpy(self) -> np.ndarray:
        """The values as a read-only NumPy array (sharing the memory on a CPU)."""
        if watch is not None:
            watch(self)
        array = memory.to_numpy(self._buffer, self._spec)
        array.flags.writeable = False
        return array

    def detach(self) -> Tensor:
        """The same value without its history: no gradient flows back through it."""
        return Tensor._make(self._buffer, self._spec)

    def to(self, device, *, _borrow: bool = False) -> Tensor:
        """The value on another device."""
        place = as_device(device)
        if place == self.device:
            copy = Tensor._make(self._buffer, Spec.of(self.shape, self.dtype, place, self._spec.strides))
            copy._node, copy._index = self._node, self._index
            return copy
        return Tensor._make(*memory.from_numpy(self.numpy(), place))

    def to_device(self, device, /, *, stream: None = None) -> Tensor:
        """The value on another device, as the array API standard has it; ``stream`` must be None."""
        if stream is not None:
            raise ValueError(f"to_device: stream must be None, got {stream!r}")
        return self.to(device)

    def __array_namespace__(self, /, *, api_version: str | None = None) -> Any:
        """The package with the functions of the array API standard."""
        if api_version not in (None, *_STANDARDS):
            raise ValueError(f"__array_namespace__: api_version must be one of {', '.join(_STANDARDS)}, got {api_version!r}")
        return importlib.import_module("numod.array_api")  # above tensors in the house, and not loaded unless it is wanted

    def item(self, *index: Any) -> Any:
        """The only element as a Python scalar; ValueError if there are several. With an index for each axis, that element."""
        return self[index].item() if index else self._only("item").item()

    def tolist(self) -> Any:
        """The values as nested Python lists (a scalar for a tensor without axes)."""
        return self.numpy().tolist()

    if TYPE_CHECKING:  # attached in `numod.functional.methods`

        def __add__(self, other: Any) -> Tensor: ...
        def __radd__(self, other: Any) -> Tensor: ...
        def __iadd__(self, other: Any) -> Self: ...
        def __sub__(self, other: Any) -> Tensor: ...
        def __rsub__(self, other: Any) -> Tensor: ...
        def __isub__(self, other: Any) -> Self: ...
        def __mul__(self, other: Any) -> Tensor: ...
        def __rmul__(self, other: Any) -> Tensor: ...
        def __imul__(self, other: Any) -> Self: ...
        def __truediv__(self, other: Any) -> Tensor: ...
        def __rtruediv__(self, other: Any) -> Tensor: ...
        def __itruediv__(self, other: Any) -> Self: ...
        def __floordiv__(self, other: Any) -> Tensor: ...
        def __rfloordiv__(self, other: Any) -> Tensor: ...
        def __ifloordiv__(self, other: Any) -> Self: ...
        def __mod__(self, other: Any) -> Tensor: ...
        def __rmod__(self, other: Any) -> Tensor: ...
        def __imod__(self, other: Any) -> Self: ...
        def __pow__(self, other: Any) -> Tensor: ...
        def __rpow__(self, other: Any) -> Tensor: ...
        def __ipow__(self, other: Any) -> Self: ...
        def __matmul__(self, other: Any) -> Tensor: ...
        def __rmatmul__(self, other: Any) -> Tensor: ...
        def __imatmul__(self, other: Any) -> Self: ...
        def __lshift__(self, other: Any) -> Tensor: ...
        def __rlshift__(self, other: Any) -> Tensor: ...
        def __ilshift__(self, other: Any) -> Self: ...
        def __rshift__(self, other: Any) -> Tensor: ...
        def __rrshift__(self, other: Any) -> Tensor: ...
        def __irshift__(self, other: Any) -> Self: ...
        def __and__(self, other: Any) -> Tensor: ...
        def __rand__(self, other: Any) -> Tensor: ...
        def __iand__(self, other: Any) -> Self: ...
        def __or__(self, other: Any) -> Tensor: ...
        def __ror__(self, other: Any) -> Tensor: ...
        def __ior__(self, other: Any) -> Self: ...
        def __xor__(self, other: Any) -> Tensor: ...
        def __rxor__(self, other: Any) -> Tensor: ...
        def __ixor__(self, other: Any) -> Self: ...
        def __eq__(self, other: Any) -> Tensor: ...  # type: ignore[override]
        def __ne__(self, other: Any) -> Tensor: ...  # type: ignore[override]
        def __lt__(self, other: Any) -> Tensor: ...
        def __le__(self, other: Any) -> Tensor: ...
        def __gt__(self, other: Any) -> Tensor: ...
        def __ge__(self, other: Any) -> Tensor: ...
        def __neg__(self) -> Tensor: ...
        def __pos__(self) -> Tensor: ...
        def __abs__(self) -> Tensor: ...
        def __invert__(self) -> Tensor: ...
        def __round__(self) -> Tensor: ...
        def __floor__(self) -> Tensor: ...
        def __ceil__(self) -> Tensor: ...
        def __getitem__(self, index: Any) -> Tensor: ...
        def __setitem__(self, index: Any, value: Any) -> None: ...
        def __iter__(self) -> Iterator[Tensor]: ...
        def __contains__(self, value: Any) -> bool: ...
        def astype(self, dtype: Any) -> Tensor: ...
        def reshape(self, *shape: Any) -> Tensor: ...
        def transpose(self, *pattern: Any) -> Tensor: ...
        def flatten(self, start_axis: int = 0, end_axis: int = -1) -> Tensor: ...
        def set_value(self, value: Any) -> None: ...
        def reset_zero(self) -> None: ...
        def sum(self, axis: int | Sequence[int] | None = None, keepdims: bool = False) -> Tensor: ...
        def mean(self, axis: int | Sequence[int] | None = None, keepdims: bool = False) -> Tensor: ...
        def max(self, axis: int | Sequence[int] | None = None, keepdims: bool = False) -> Tensor: ...
        def min(self, axis: int | Sequence[int] | None = None, keepdims: bool = False) -> Tensor: ...
        def prod(self, axis: int | Sequence[int] | None = None, keepdims: bool = False) -> Tensor: ...
        def var(self, axis: int | Sequence[int] | None = None, keepdims: bool = False) -> Tensor: ...

    def _only(self, what: str) -> np.ndarray:
        if self._spec.size != 1:
            raise ElementCountError(f"{what}: the tensor must have one element, got shape {self.shape}")
        return self.numpy()

    def __bool__(self) -> bool:
        return bool(self._only("bool").item())

    def __int__(self) -> int:
        return int(self._only("int").item())

    def __float__(self) -> float:
        return float(self._only("float").item())

    def __complex__(self) -> complex:
        return complex(self._only("complex").item())

    def __index__(self) -> int:
        if not dtypes.is_integer(self.dtype):
            raise TypeError(f"index: the tensor must be of an integer dtype, got {self.dtype}")
        return int(self)

    def __len__(self) -> int:
        if self._spec.ndim == 0:
            raise TypeError("len: the tensor has no axes")
        return self._spec.shape[0]

    def __array__(self, dtype=None, copy=None):
        array = self.numpy()
        if dtype is not None and np.dtype(dtype) != array.dtype:
            if copy is False:
                raise ValueError(f"__array__: {array.dtype} to {np.dtype(dtype)} needs a copy")
            return array.astype(dtype)
        return array.copy() if copy else array

    def __dlpack__(self, **options):
        """Share the memory with another library (see the DLPack specification)."""
        if watch is not None:
            watch(self)
        return capsules.give(memory.to_numpy(self._buffer, self._spec), **options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return memory.to_numpy(self._buffer, self._spec).__dlpack_device__()

    def __deepcopy__(self, memo) -> Tensor:
        copy = memo[id(self)] = self.__copy__()
        return copy

    def __copy__(self) -> Tensor:
        copy = type(self)._make(self._buffer, self._spec)
        if "_qparams" in self.__dict__:
            copy.qparams.update(self.qparams)
        return copy

    def __reduce__(self):
        return restore, (type(self), self.numpy().copy(), str(self.device), self.__dict__.get("_qparams"))

    def __repr__(self) -> str:
        array = self.numpy()
        with np.printoptions(precision=4, suppress=False):
            text = str(array.astype(np.float32) if array.dtype.kind == "V" else array)
        kind = "" if self.dtype == dtypes.float32 else f"dtype={self.dtype}, "
        return f"{type(self).__name__}({text}, {kind}device={self.device})"

    __str__ = __repr__

    def __format__(self, specification: str) -> str:
        if specification:
            raise TypeError(f"format: tensors take no format, got {specification!r}; use .item()")
        return repr(self)


class Parameter(Tensor):
    """A Tensor that a Module counts among its parameters, to be learned."""

    __slots__ = ()


class FormatError(ValueError, RuntimeError):
    """A format that is not known. (MegEngine: RuntimeError.)"""


class ElementCountError(ValueError, AssertionError):
    """A conversion to a Python scalar of a tensor that has not one element. (MegEngine: AssertionError.)"""


def restore(kind: type, array: np.ndarray, device: str, qparams: QParams | None = None) -> Tensor:
    """The tensor that a pickle has."""
    tensor = kind(array, dtype=array.dtype, device=device)
    if qparams is not None:
        tensor.qparams.update(qparams)
    return tensor


def as_array(data, dtype=None) -> np.ndarray:
    """``data`` as a NumPy array of a supported dtype."""
    if data is None:
        data = []
    if isinstance(data, (list, tuple)):
        data = _plain(data)
    elif hasattr(data, "__dlpack__") and not isinstance(data, (np.ndarray, np.generic)):
        data = capsules.take(data)
    array = np.asarray(data)
    if dtype is not None:
        return array.astype(dtypes.as_dtype(dtype), copy=False)
    if array.size == 0 and array.dtype == np.float64:
        return array.astype(np.float32)
    return array.astype(dtypes.default_dtype(array.dtype), copy=False)


def _plain(data):
    """Tensors inside lists as arrays, so that NumPy can stack them."""
    return [item.numpy() if isinstance(item, Tensor) else _plain(item) if isinstance(item, (list, tuple)) else item for item in data]
