"""Pickles, which MegEngine's files are: read by a machine that knows dicts, lists, arrays and tensors, and can run nothing else; or by Python's, if trusted.

A pickle names the classes and functions that make its objects. Here each name on a short list stands for a class that only keeps what it is
given, made anew for each file, so that nothing a file does to it lasts; any other name is an error.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import pickle
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np

from .tensor import Parameter, Tensor, restore

Reader = Callable[[bytes, Callable[[str], str]], tuple[Any, int]]


class UnsafePickle(ValueError):
    """A pickle that asks for something other than arrays, tensors and plain values."""


def read(content: bytes, place: Callable[[str], str]) -> tuple[Any, int]:
    """The object in a pickle, and how many bytes it takes. place: from the name of a saved device to that of the tensor's.

    Raises UnsafePickle, or whatever a damaged pickle leads to.
    """
    file = io.BytesIO(content)
    found = _Unpickler(file).load()
    return _finished(found, place, {}), file.tell()


def read_trusted(content: bytes, place: Callable[[str], str]) -> tuple[Any, int]:
    """As `read`, of any pickle, by running what it asks for. Raises whatever that leads to."""
    file = io.BytesIO(content)
    found = _TrustingUnpickler(file, place).load()
    return found, file.tell()


def write(obj: Any) -> bytes:
    """A pickle of any object."""
    return pickle.dumps(obj, protocol=4)


class _TrustingUnpickler(pickle.Unpickler):
    """Finds everything; MegEngine's classes are numod's of that name, whose attributes are the same, and tensors are placed as they are made."""

    def __init__(self, file: io.BytesIO, place: Callable[[str], str]):
        super().__init__(file)
        self._place = place

    def find_class(self, module: str, name: str) -> Any:
        if module.split(".")[0] == "megengine":
            found = _of_that_name(module, name)
        else:
            found = super().find_class(module, name)
        place = self._place
        if found is restore:
            return lambda kind, array, device, *rest: restore(kind, array, place(device), *rest)
        if found in (Tensor, Parameter) and module.split(".")[0] == "megengine":

            class Made:  # it is made by its __new__, with MegEngine's arguments
                def __new__(cls, array, dtype, device):
                    return found(array, dtype=dtype, device=place(device))

            return Made
        return found


def _of_that_name(module: str, name: str) -> Any:
    """numod's class in place of a class in a module of MegEngine; it may be in another file of the same package."""
    parts = ["numod", *module.split(".")[1:]]
    while parts:
        with contextlib.suppress(ImportError, AttributeError):
            return getattr(importlib.import_module(".".join(parts)), name)
        parts.pop()
    raise AttributeError(f"numod has no {name}, which is asked for as {module}.{name}")


class _Made:
    """What stands for an object until the whole file is read: what it is made with."""

    arguments: tuple = ()
    state: Any = None

    def __new__(cls, *arguments: Any):
        made = super().__new__(cls)
        made.arguments = arguments
        return made

    def __init__(self, *arguments: Any):
        pass

    def __setstate__(self, state: Any) -> None:
        self.state = state


def _stand_ins() -> dict[tuple[str, str], Any]:
    """For each known name, a class of its own."""

    def kind(name: str) -> type:
        return type(name, (_Made,), {})

    array, frombuffer, scalar = kind("array"), kind("frombuffer"), kind("scalar")
    known: dict[tuple[str, str], Any] = {
        ("collections", "OrderedDict"): OrderedDict,
        ("numpy", "ndarray"): kind("ndarray"),
        ("numpy", "dtype"): kind("dtype"),
        ("_codecs", "encode"): kind("encode"),
        ("__builtin__", "bytes"): kind("empty"),
    }
    for core in ("numpy.core", "numpy._core"):  # NumPy before and since 2.0
        known[f"{core}.multiarray", "_reconstruct"] = array
        known[f"{core}.multiarray", "scalar"] = scalar
        known[f"{core}.numeric", "_frombuffer"] = frombuffer
    return known


class _Unpickler(pickle.Unpickler):
    """Finds stand-ins only."""

    def __init__(self, file: io.BytesIO):
        super().__init__(file)
        self._known = _stand_ins()

    def find_class(self, module: str, name: str) -> Any:
        if module.split(".")[0] == "megengine" and name in ("Tensor", "Parameter"):
            return self._known.setdefault(("megengine", name), type(name, (_Made,), {}))
        if (module, name) not in self._known:
            hint = (
                "save its state_dict() with MegEngine" if module.split(".")[0] == "megengine" else "trust=True would run what it asks for"
            )
            raise UnsafePickle(f"it asks for {module}.{name}, accepted are dicts, lists, numbers, strings, arrays and tensors; {hint}")
        return self._known[module, name]


def _finished(value: Any, place: Callable[[str], str], done: dict[int, Any]) -> Any:
    """The value with all stand-ins replaced by what they stand for, one that is met twice by one object."""
    if id(value) in done:
        return done[id(value)]
    kind = type(value)
    if value is None or kind in (bool, int, float, complex, str, bytes, bytearray):
        return value
    result: Any
    if kind in (list, tuple):
        result = kind(_finished(item, place, done) for item in value)
    elif kind in (dict, OrderedDict):
        result = kind((_finished(key, place, done), _finished(item, place, done)) for key, item in kind.items(value))
    elif isinstance(value, _Made):
        result = _MAKERS[kind.__name__](value, lambda item: _finished(item, place, done), place)
    else:
        raise UnsafePickle(f"it has a {kind.__name__}, accepted are dicts, lists, numbers, strings, arrays and tensors")
    done[id(value)] = result
    return result


def _dtype(made: _Made, finish: Callable, place: Callable) -> np.dtype:
    code, *_ = made.arguments
    dtype = np.dtype(str(code))
    if dtype.kind not in "biufc":
        raise UnsafePickle(f"it has an array of dtype {dtype}, accepted are numbers")
    return dtype if made.state is None else dtype.newbyteorder(made.state[1])


def _encode(made: _Made, finish: Callable, place: Callable) -> bytes:
    text, encoding = made.arguments
    if encoding != "latin1":
        raise UnsafePickle(f"it has bytes encoded as {encoding!r}, accepted is 'latin1'")
    return str.encode(text, "latin1")


def _empty(made: _Made, finish: Callable, place: Callable) -> bytes:
    if made.arguments:
        raise UnsafePickle("it makes bytes of something")
    return b""


def _array(made: _Made, finish: Callable, place: Callable) -> np.ndarray:
    _, shape, dtype, fortran, raw = finish(made.state)
    return np.ndarray(shape, dtype, bytearray(_bytes(raw)), order="F" if fortran else "C")


def _from_buffer(made: _Made, finish: Callable, place: Callable) -> np.ndarray:
    raw, dtype, shape, order = finish(made.arguments)
    return np.frombuffer(bytearray(_bytes(raw)), dtype).reshape(shape, order=order)


def _scalar(made: _Made, finish: Callable, place: Callable) -> np.generic:
    dtype, raw = finish(made.arguments)
    return np.frombuffer(_bytes(raw), dtype)[0]


def _bytes(raw: Any) -> bytes:
    if not isinstance(raw, (bytes, bytearray)):
        raise UnsafePickle(f"it has an array of {type(raw).__name__}, accepted are bytes")
    return bytes(raw)


def _tensor(made: _Made, finish: Callable, place: Callable) -> Tensor:
    array, dtype, device = finish(made.arguments)
    kind = Parameter if type(made).__name__ == "Parameter" else Tensor
    return kind(array, dtype=dtype, device=place(device))


def _unfilled(made: _Made, finish: Callable, place: Callable) -> None:
    raise UnsafePickle("it has an array that was never filled")


_MAKERS: dict[str, Callable[[_Made, Callable, Callable], Any]] = {
    "ndarray": _unfilled,
    "dtype": _dtype,
    "encode": _encode,
    "empty": _empty,
    "array": _array,
    "frombuffer": _from_buffer,
    "scalar": _scalar,
    "Tensor": _tensor,
    "Parameter": _tensor,
}
