"""Gives the native functions of `native` to Python: the Buffer type, ``alloc``, ``shift``, ``coalesce``, ``launch``, and the threads.

A Buffer owns (or shows a part of) a block of the memory pool. Its life is CPython's reference count, it supports the buffer
protocol, and its making costs some 50 ns: an ndarray would cost three times as much and hide its address for a microsecond.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from typing import TYPE_CHECKING

import llvmlite.binding as llvm

from .. import config
from . import loader
from .program import Kernel

# Without the lock an object's head has 32 bytes, and with 32-bit pointers 8.
if sys.implementation.name != "cpython" or object.__basicsize__ != 16:
    raise ImportError("numod needs a 64-bit CPython with the global interpreter lock")

# Offsets in the state block, as in `native` (which cannot be imported here: it imports numba). `tests/test_runtime.py` compares them.
BUFFER_TYPE, TYPE_ERROR, NONE, LIVE, CACHED, PEAK, THREADS, PAUSES, BUSY, WORKERS = 0, 8, 16, 24, 32, 40, 48, 56, 64, 384
MAX_WORKERS, STATE_BYTES = 255, 18752
# Pauses before a worker parks. Waking it takes as long as a short step, so it waits for the next one while Python records and plans (some
# 200 us), unless others need the cores.
PATIENT, HASTY = 12000, 2000

_PYTHON_SYMBOLS = """
    PyObject_Malloc PyObject_Free PyObject_Init Py_IncRef Py_DecRef PyLong_AsLongLong PyErr_Occurred PyErr_NoMemory PyErr_SetNone
    PyBuffer_FillInfo PyTuple_New PyTuple_SetItem PyTuple_GetItem PyTuple_Size PyList_GetItem PyList_Size PyDict_Next PyDict_GetItem PyCell_Get
    PyBool_FromLong PyEval_SaveThread PyEval_RestoreThread PyThread_acquire_lock PyThread_release_lock
"""


def _add_symbols() -> None:
    """Tell LLVM where the C functions are that `native` calls."""
    for name in _PYTHON_SYMBOLS.split():
        llvm.add_symbol(name, ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value)
    if os.name == "nt":
        library, yield_name = ctypes.CDLL("kernel32"), "SwitchToThread"
        allocator = ctypes.CDLL("msvcrt")
    else:
        library = allocator = ctypes.CDLL(None)
        yield_name = "sched_yield"
    advise_name = "madvise" if sys.platform == "linux" else yield_name  # elsewhere a function that does no harm
    for symbol, name in (("numod_yield", yield_name), ("numod_advise", advise_name)):
        llvm.add_symbol(symbol, ctypes.cast(getattr(library, name), ctypes.c_void_p).value)
    for name in ("malloc", "free"):
        llvm.add_symbol(name, ctypes.cast(getattr(allocator, name), ctypes.c_void_p).value)


def _native(name: str, arguments: int, result: str = "int64") -> int:
    signature = f"{result}({','.join(['int64'] * arguments)})"
    return loader.native(Kernel(("native", name), "numod.kernel.runtime:function"), signature)


def function(name: str):
    """What the compiler compiles for a native function."""
    import importlib

    return getattr(importlib.import_module("numod.kernel.native"), name)


class _Method(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("address", ctypes.c_void_p), ("flags", ctypes.c_int), ("doc", ctypes.c_char_p)]


class _Member(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p),
        ("type", ctypes.c_int),
        ("offset", ctypes.c_ssize_t),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    ]


class _Slot(ctypes.Structure):
    _fields_ = [("slot", ctypes.c_int), ("value", ctypes.c_void_p)]


class _Spec(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p),
        ("basicsize", ctypes.c_int),
        ("itemsize", ctypes.c_int),
        ("flags", ctypes.c_uint),
        ("slots", ctypes.POINTER(_Slot)),
    ]


_state = ctypes.create_string_buffer(STATE_BYTES + 64)
_base = (ctypes.addressof(_state) + 63) // 64 * 64
_keep: list[object] = [_state]  # memory that C code points into, up to the very end of the process:
ctypes.pythonapi.Py_IncRef(ctypes.py_object(_keep))  # the interpreter may drop a builtin or a Buffer after this module


def _word(offset: int) -> ctypes.c_int64:
    return ctypes.c_int64.from_address(_base + offset)


def _make_type() -> type:
    """The Buffer type, made from its C slots (numbers of CPython's stable ABI)."""
    members = (_Member * 3)(
        _Member(b"address", 17, 16, 1, b"where the bytes are"),  # 17: long long, 1: read-only
        _Member(b"nbytes", 17, 24, 1, b"how many bytes"),
        _Member(),
    )
    doc = ctypes.c_char_p(b"Memory from numod's pool.")
    slots = (_Slot * 5)(
        _Slot(1, _native("buffer_get", 3, "int32")),
        _Slot(52, _native("buffer_dealloc", 1, "void")),
        _Slot(56, ctypes.cast(doc, ctypes.c_void_p).value),
        _Slot(72, ctypes.addressof(members)),
        _Slot(0, None),
    )
    flags = 1 << 7 | 1 << 8 | 1 << 18  # no instantiation from Python, immutable, the default flag
    spec = _Spec(b"numod.Buffer", 56, 0, flags, slots)
    _keep.extend((members, doc, slots, spec))
    make = ctypes.pythonapi.PyType_FromSpec
    make.argtypes, make.restype = [ctypes.c_void_p], ctypes.py_object
    return make(ctypes.addressof(spec))


def _make_builtin(name: str, doc: str):
    """A builtin function whose C code is the native function ``name`` and whose ``self`` is the state's address."""
    method = _Method(name.encode(), _native(name, 3), 0x80, doc.encode())  # 0x80: METH_FASTCALL
    state = _base
    _keep.append((method, state))
    make = ctypes.pythonapi.PyCFunction_NewEx
    make.argtypes, make.restype = [ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p], ctypes.py_object
    return make(ctypes.addressof(method), state, None)


_add_symbols()
if TYPE_CHECKING:

    class Buffer:
        """Memory from the pool: supports the buffer protocol."""

        address: int
        nbytes: int

        def __buffer__(self, flags: int, /) -> memoryview: ...

else:
    Buffer = _make_type()
_word(BUFFER_TYPE).value, _word(TYPE_ERROR).value, _word(NONE).value = id(Buffer), id(TypeError), id(None)
alloc = _make_builtin("alloc", "alloc(nbytes) -> Buffer with that many bytes, uninitialised")
shift = _make_builtin("shift", "shift(offset, buffer) -> Buffer showing the same memory from offset bytes on")
launch = _make_builtin("launch", "launch(program, *inputs) -> Buffer or tuple of Buffers; None if a kernel reported an error")
coalesce = _make_builtin("coalesce", "coalesce(): give memory that nobody uses back to the system")
unchanged = _make_builtin("unchanged", "unchanged(values, dicts, lists, picked) -> whether these are what is in there, in order")

_started = 0
_start_lock = threading.Lock()


def start_threads() -> None:
    """Start the worker threads that ``config.num_threads`` asks for, and let launches use them."""
    global _started
    if config.interpret:
        return
    with _start_lock:
        wanted = min(config.num_threads, MAX_WORKERS + 1)
        while _started < wanted - 1:
            _start_worker(_started)
            _started += 1
        _word(THREADS).value = wanted
        _word(PAUSES).value = PATIENT if wanted <= config.cores() else HASTY


def _start_worker(index: int) -> None:
    """A daemon thread that runs the native worker; ctypes lets go of the GIL for good."""
    new_lock, take = ctypes.pythonapi.PyThread_allocate_lock, ctypes.pythonapi.PyThread_acquire_lock
    new_lock.restype, take.argtypes = ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_int]
    lock = new_lock()
    take(lock, 1)
    _word(WORKERS + 64 * index + 16).value = lock
    run = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64)(_native("worker", 2, "void"))
    _keep.append(run)
    threading.Thread(target=run, args=(_base, index), daemon=True, name=f"numod-{index}").start()


def _after_fork() -> None:
    """A forked child has no worker threads: it works alone, until it asks for threads of its own."""
    global _started
    config.num_threads, _started = 1, 0
    _word(THREADS).value, _word(BUSY).value = 1, 0
    ctypes.memset(_base + WORKERS, 0, 64 * MAX_WORKERS)  # new workers count their jobs from 0


_word(THREADS).value = 1
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def memory() -> dict[str, int]:
    """Bytes of the pool: ``live`` (in use), ``cached`` (kept for reuse) and ``peak`` (most ever in use)."""
    return {name: _word(offset).value for name, offset in (("live", LIVE), ("cached", CACHED), ("peak", PEAK))}


def reset_peak() -> None:
    """Count ``memory()['peak']`` from here."""
    _word(PEAK).value = _word(LIVE).value
