"""`save` and `load`: nested dicts, lists and tuples of arrays, tensors and plain values, in files that cannot run code when loaded; and pickles, for those
who say that they trust them.

A file is a safetensors file, so that other programs can read the arrays in it, which are stored under their path in the object. The
structure around them is JSON in its metadata, under ``numod``; ``sha256`` beside it is the hash of the whole file with that hash zeroed.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import math
import operator
import os
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

import numpy as np
from safetensors import SafetensorError, deserialize, numpy as safetensors

from . import files, pickles
from .device import as_device
from .dtype import as_dtype
from .errors import DeviceError, DTypeError
from .tensor import Parameter, Tensor

_STRUCTURE, _HASH = "numod", "sha256"
_BLANK = "0" * 64
_LARGEST_HEADER = 100_000_000  # the limit of the safetensors format
_CHUNK = 1 << 24
_KINDS = {"Tensor": Tensor, "Parameter": Parameter}
_ELSEWHERE = {"TracedModule": "numod.traced_module.saving"}  # above here in the house, and not loaded unless there is one
_DICTS = {"dict": dict, "OrderedDict": OrderedDict}

MapLocation = str | Mapping[str, str] | Callable[[str], str] | None


class FileFormatError(ValueError, RuntimeError):
    """A file that `load` cannot read: truncated, damaged, or of another format."""


def save(
    obj: Any, f: str | os.PathLike | BinaryIO, pickle_module: None = None, pickle_protocol: None = None, *, trust: bool = False
) -> None:
    """Write ``obj`` to a file that `load` reads back.

    obj: None, bools, numbers, strings, NumPy arrays, Tensors and Parameters, in any nesting of lists, tuples, dicts and OrderedDicts, such
    as the state dicts of modules and optimizers; and modules that `numod.traced_module` made. An array or tensor that is met twice is stored
    once, and is one object again once loaded.
    f: a path, or an object with ``write``. A path gets the new content at once and as a whole, or stays as it was.
    pickle_module, pickle_protocol: must be None, nobody need choose; they are here because MegEngine has them.
    trust: write any object, such as a whole Module, as a pickle. Its classes must be there when it is loaded, and whoever loads it must trust the
        file, since a pickle can run any code: prefer state dicts.

    >>> import io, numod as nm, numod.module as M
    >>> file = io.BytesIO()
    >>> nm.save({"net": M.Linear(2, 1).state_dict(), "epoch": 3}, file)
    >>> file.seek(0)
    0
    >>> nm.load(file)["epoch"]
    3
    """
    _refuse_pickle("numod.save", pickle_module=pickle_module, pickle_protocol=pickle_protocol)
    parts = [pickles.write(obj)] if trust else _to_bytes(obj)
    if not isinstance(f, (str, os.PathLike)):
        if not hasattr(f, "write"):
            raise TypeError(f"numod.save: expected a path or an object with write, got {type(f).__name__}")
        f.writelines(parts)
        return
    with files.replacing(f) as file:
        file.writelines(parts)


def load(f: str | os.PathLike | BinaryIO, map_location: MapLocation = None, pickle_module: None = None, *, trust: bool = False) -> Any:
    """Read what `save` wrote, or MegEngine's; or any other safetensors file, as a dict of NumPy arrays. Unless ``trust``, no code from the file is run.

    Of MegEngine's files, which are pickles, those are read that hold state dicts and the like: arrays, tensors, numbers, strings, None, lists,
    tuples and dicts. A pickle has no checksum: one that is cut is refused, one with other numbers in it is not.

    f: a path, or an object with ``read``, which is read up to the end of the saved object (of a pickle: to its end).
    map_location: where Tensors go: a device for all, a dict from saved device to device, or a function of the saved device's name.
    pickle_module: must be None, no library may unpickle what could run code.
    trust: unpickle whatever is in a pickle, such as a whole Module, also one of MegEngine's layers. This runs whatever code the file asks for, so it is
        for files whose origin is known.
    """
    _refuse_pickle("numod.load", pickle_module=pickle_module)
    read = pickles.read_trusted if trust else pickles.read
    place = _mapper(map_location)
    if isinstance(f, (str, os.PathLike)):
        name = repr(os.fspath(f))
        with open(f, "rb") as file:
            return _load(file, name, os.fstat(file.fileno()).st_size, place, read)
    if not hasattr(f, "read"):
        raise TypeError(f"numod.load: expected a path or an object with read, got {type(f).__name__}")
    return _load(f, "the file", None, place, read)


def _load(file: BinaryIO, name: str, size: int | None, place: Callable[[str], str], read: pickles.Reader) -> Any:
    start = _read_up_to(file, 8)
    if _is_pickle(start):
        return _from_pickle(name, start + file.read(), place, read)
    return _from_bytes(name, *_read(start, file, name, size), place)


def _is_pickle(start: bytes) -> bool:
    """Whether a file begins as a pickle of protocol 2 or later, and not as safetensors (which would have a huge header then)."""
    return start[:1] == b"\x80" and int.from_bytes(start.ljust(8, b"\0"), "little") > _LARGEST_HEADER


def _from_pickle(name: str, content: bytes, place: Callable[[str], str], read: pickles.Reader) -> Any:
    try:
        found, used = read(content, place)
    except pickles.UnsafePickle as error:
        raise FileFormatError(f"numod.load: {name} is a pickle that is not read, {error}") from None
    except (DTypeError, DeviceError) as error:
        raise FileFormatError(f"numod.load: {name} has a tensor that cannot be made: {error}") from error
    except (Exception, RecursionError) as error:  # unpickling broken bytes may raise anything
        raise FileFormatError(f"numod.load: {name} is a pickle that is truncated or damaged: {error}") from error
    if used != len(content):
        raise FileFormatError(f"numod.load: {name} is damaged: it has {len(content) - used} bytes behind the saved object")
    return found


def _refuse_pickle(function: str, **arguments: Any) -> None:
    for name, value in arguments.items():
        if value is not None:
            raise ValueError(f"{function}: {name} must be None, how a pickle is written and read is not chosen; got {value!r}")


# Bytes


def _to_bytes(obj: Any) -> tuple[bytes, memoryview]:
    """The header and the arrays of a file."""
    arrays: dict[str, np.ndarray] = {}
    try:
        structure = json.dumps(_encode(obj, (), arrays, {}), separators=(",", ":"))
    except RecursionError:
        raise ValueError("numod.save: the object is nested too deeply, or contains itself") from None
    content = memoryview(safetensors.save(arrays, {_STRUCTURE: structure, _HASH: _BLANK}))
    end = 8 + int.from_bytes(content[:8], "little")
    header, body = bytes(content[:end]), content[end:]
    return _with_hash(header, _BLANK, _digest(header, body)), body


def _with_hash(header: bytes, old: str, new: str) -> bytes:
    """The header with another hash in it. Quotes inside of strings are escaped, so nothing else in a header can look like it."""
    return header.replace(f'"{_HASH}":"{old}"'.encode(), f'"{_HASH}":"{new}"'.encode(), 1)


def _digest(header: bytes, body: bytes | memoryview) -> str:
    digest = hashlib.sha256(header)
    digest.update(body)
    return digest.hexdigest()


def _read(start: bytes, file: BinaryIO, name: str, size: int | None) -> tuple[bytes, bytes, dict[str, str]]:
    """Header, arrays and metadata of one saved object, complete and unchanged. start: its first 8 bytes. size: of a file that must hold nothing else."""
    if len(start) < 8:
        raise FileFormatError(f"numod.load: {name} is truncated: header takes at least 8 bytes, file has {len(start)}")
    length = int.from_bytes(start, "little")
    if length > _LARGEST_HEADER:
        raise FileFormatError(f"numod.load: {name} is neither a file of numod.save nor any safetensors file")
    text = _read_up_to(file, length)
    if len(text) < length:
        raise FileFormatError(f"numod.load: {name} is truncated: header takes {8 + length} bytes, file has {8 + len(text)}")
    try:
        header = json.loads(text)
        metadata = dict(header.pop("__metadata__", {}))
        total = 8 + length + max((operator.index(entry["data_offsets"][1]) for entry in header.values()), default=0)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
        raise FileFormatError(f"numod.load: {name} is damaged, or neither a file of numod.save nor any safetensors file") from None
    body = _read_up_to(file, total - 8 - length)
    found = size or 8 + length + len(body)
    if found != total:
        trouble = "truncated" if found < total else "damaged"
        raise FileFormatError(f"numod.load: {name} is {trouble}: header says {total} bytes, file has {found}")
    start += text
    if _HASH in metadata or _STRUCTURE in metadata:
        stated = metadata.get(_HASH, "")
        if _STRUCTURE not in metadata or _digest(_with_hash(start, stated, _BLANK), body) != stated:
            raise FileFormatError(f"numod.load: {name} is damaged: its content does not fit its {_HASH}")
    return start, body, metadata


def _read_up_to(file: BinaryIO, count: int) -> bytes:
    """``count`` bytes, fewer if the file ends; in chunks, so that a wrong count in a file cannot ask for all memory."""
    chunks = []
    while count > 0 and (chunk := file.read(min(count, _CHUNK))):
        chunks.append(chunk)
        count -= len(chunk)
    return b"".join(chunks)


def _from_bytes(name: str, header: bytes, body: bytes, metadata: dict[str, str], place: Callable[[str], str]) -> Any:
    try:
        arrays = _arrays(header + body)
        if _STRUCTURE not in metadata:
            return arrays
        return _decode(json.loads(metadata[_STRUCTURE]), arrays, {}, place)
    except (SafetensorError, ValueError, TypeError, KeyError, IndexError, RecursionError) as error:
        raise FileFormatError(f"numod.load: {name} cannot be read: {error}") from error


def _arrays(content: bytes) -> dict[str, np.ndarray]:
    """The arrays of a file, by name. (safetensors' own function knows no bfloat16.)"""
    arrays = {}
    for name, entry in deserialize(content):
        dtype = _DTYPES[entry["dtype"]]
        array = np.frombuffer(entry["data"], as_dtype(dtype) if dtype == "bfloat16" else dtype)
        arrays[name] = array.reshape(entry["shape"])
    return arrays


# Structure: None, bools, strings, ints and finite floats stand for themselves, lists for lists; anything else is an object with one key.


def _encode(obj: Any, path: tuple[str, ...], arrays: dict[str, np.ndarray], seen: dict[int, Any]) -> Any:
    """``obj`` as JSON; the arrays in it go to ``arrays``."""
    kind = type(obj)
    if obj is None or kind in (bool, int, str) or (kind is float and math.isfinite(obj)):
        return obj
    if kind is float:
        return {"float": repr(obj)}
    if kind is list:
        return [_encode(item, (*path, str(index)), arrays, seen) for index, item in enumerate(obj)]
    if kind is tuple:
        return {"tuple": [_encode(item, (*path, str(index)), arrays, seen) for index, item in enumerate(obj)]}
    if kind in (dict, OrderedDict):
        keys = [_encode(key, (*path, "key"), arrays, seen) for key in obj]
        return {kind.__name__: [[key, _encode(obj[name], (*path, str(name)), arrays, seen)] for key, name in zip(keys, obj, strict=True)]}
    if kind.__name__ in _ELSEWHERE and kind.__module__.startswith("numod."):
        return {kind.__name__: _encode(importlib.import_module(_ELSEWHERE[kind.__name__]).to_plain(obj), path, arrays, seen)}
    if id(obj) not in seen:
        seen[id(obj)] = _encode_array(obj, path, arrays)
    return seen[id(obj)]


def _encode_array(obj: Any, path: tuple[str, ...], arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    kind = type(obj)
    if kind in (Tensor, Parameter):
        array, node = obj.numpy(), {kind.__name__: None, "device": str(obj.device)}
    elif kind is np.ndarray:
        array, node = obj, {"array": None}
    elif isinstance(obj, np.generic):
        array, node = np.asarray(obj), {"scalar": None}
    else:
        where = "the object" if not path else f"the item at {'.'.join(path)!r}"
        hint = "; save its state_dict(), or all of it with trust=True" if hasattr(obj, "state_dict") else ""
        raise TypeError(
            f"numod.save: {where} is of type {kind.__name__}, accepted are arrays, tensors, numbers, strings, None, lists, tuples and dicts{hint}"
        )
    name = stem = ".".join(path).encode("utf-8", "backslashreplace").decode() or "value"
    count = 0
    while name in arrays or name == "__metadata__":
        count += 1
        name = f"{stem}#{count}"
    if array.dtype.name not in _DTYPES.values():
        accepted = ", ".join(_DTYPES.values())
        raise TypeError(f"numod.save: the array at {'.'.join(path)!r} has dtype {array.dtype}, accepted are {accepted}")
    arrays[name] = np.array(array, dtype=array.dtype.newbyteorder("="), order="C", copy=None)
    return {key: name if value is None else value for key, value in node.items()}


_DTYPES = {  # by their names in safetensors files
    "BOOL": "bool",
    **{f"I{bits}": f"int{bits}" for bits in (8, 16, 32, 64)},
    **{f"U{bits}": f"uint{bits}" for bits in (8, 16, 32, 64)},
    "BF16": "bfloat16",
    **{f"F{bits}": f"float{bits}" for bits in (16, 32, 64)},
    "C64": "complex64",
}


def _decode(node: Any, arrays: dict[str, np.ndarray], made: dict[str, Any], place: Callable[[str], str]) -> Any:
    """The object that `_encode` made ``node`` from. ``made`` has the tensors and scalars made so far, by the name of their array."""
    if isinstance(node, list):
        return [_decode(item, arrays, made, place) for item in node]
    if not isinstance(node, dict):
        return node
    (kind, value), *_ = node.items()
    if kind == "float":
        return float(value)
    if kind == "tuple":
        return tuple(_decode(item, arrays, made, place) for item in value)
    if kind in _DICTS:
        return _DICTS[kind]((_decode(key, arrays, made, place), _decode(item, arrays, made, place)) for key, item in value)
    if kind in _ELSEWHERE:
        return importlib.import_module(_ELSEWHERE[kind]).from_plain(_decode(value, arrays, made, place))
    array = arrays[value]
    if kind == "array":
        return array
    if value not in made:
        if kind == "scalar":
            made[value] = array[()]
        else:
            made[value] = _KINDS[kind](array, dtype=array.dtype, device=place(node["device"]))
    return made[value]


def _mapper(map_location: MapLocation) -> Callable[[str], str]:
    """``map_location`` as a function from saved device to device."""
    if map_location is None:
        return lambda device: device
    if isinstance(map_location, str):
        return lambda device: map_location
    if isinstance(map_location, Mapping):
        devices = {as_device(key): value for key, value in map_location.items()}
        return lambda device: devices.get(as_device(device), device)
    if callable(map_location):
        return map_location
    raise TypeError(f"numod.load: map_location must be a device, a dict, a function or None, got {type(map_location).__name__}")
