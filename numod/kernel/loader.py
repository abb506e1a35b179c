"""From a kernel's key to the address of its machine code: this process, then the disk, then the compiler.

A warm process reads object files and links them through llvmlite; it never imports numba.
"""

from __future__ import annotations

import ctypes
import importlib
import logging
import threading
import time
from collections.abc import Callable

import llvmlite.binding as llvm
import numpy as np

from .. import config
from . import cache, host
from .program import Kernel

SIGNATURE = "void(int64,int64,int64,int64)"  # kernel(begin, end, args, scratch)

_log = logging.getLogger("numod.kernel")  # shown by `numod.logger.set_mgb_log_level`
_addresses: dict[tuple, int] = {}
_callbacks: dict[tuple, int] = {}  # the same under `config.interpret`, which tests switch on for a while
_keep: list[object] = []  # what loaded code needs alive: the engine, callbacks of interpreted kernels
RAISED = 2  # the code that an interpreted kernel leaves in the error slot when it has raised an exception ...
raised: list[Exception] = []  # ... which waits here
_mutex = threading.RLock()
compiled = 0  # kernels this process had to compile


def target_machine(jit: bool = True) -> llvm.TargetMachine:
    """A machine for this processor, as used both to emit and to load."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    cpu, features = host.cpu()
    return llvm.Target.from_default_triple().create_target_machine(
        cpu=cpu,
        features=features,
        opt=3,
        codemodel="jitdefault",
        jit=jit,
    )


def _engine() -> llvm.ExecutionEngine:
    if not _keep:
        _keep.append(llvm.create_mcjit_compiler(llvm.parse_assembly(""), target_machine()))
    return _keep[0]


def _link(name: str, body: bytes) -> int:
    engine = _engine()
    engine.add_object_file(llvm.ObjectFileRef.from_data(body))
    engine.finalize_object()
    return engine.get_function_address(f"numod_{name}")


def _build(kernel: Kernel) -> Callable:
    if callable(kernel.build):
        return kernel.build()
    module, _, function = kernel.build.partition(":")
    return getattr(importlib.import_module(module), function)(*kernel.key[1:])


def native(kernel: Kernel, signature: str = SIGNATURE) -> int:
    """The address of compiled code for ``kernel``, whatever ``config.interpret`` says."""
    with _mutex:
        address = _addresses.get(kernel.key)
        if address is None:
            name = cache.digest(kernel.key)
            body = cache.read(name)
            if body is None:
                body = _compile(kernel, name, signature)
            address = _addresses[kernel.key] = _link(name, body)
        return address


def _compile(kernel: Kernel, name: str, signature: str) -> bytes:
    global compiled
    with cache.lock(name):
        body = cache.read(name)  # another process may have been first
        if body is None:
            compiler = importlib.import_module("numod.kernel.compiler")  # imports numba
            label, start = " ".join(map(str, kernel.key[:2])), time.perf_counter()
            body = compiler.emit(label, lambda: _build(kernel), signature, f"numod_{name}", target_machine(jit=False))
            _log.debug("compiled %s in %.0f ms", label, 1000 * (time.perf_counter() - start))
            cache.write(name, body)
            compiled += 1
    return body


def address(kernel: Kernel) -> int:
    """The address that the launcher calls for ``kernel``: machine code, or a callback into Python under ``config.interpret``."""
    if not config.interpret:
        return native(kernel)
    with _mutex:
        if kernel.key not in _callbacks:
            _callbacks[kernel.key] = interpreted(_build(kernel))
        return _callbacks[kernel.key]


def interpreted(function: Callable) -> int:
    """The address of a C callback that runs a kernel's Python function (needs the GIL, which ctypes takes)."""

    def run(begin: int, end: int, args: int, scratch: int) -> None:
        try:
            with np.errstate(all="ignore"):  # compiled code does not warn of overflow either
                function(begin, end, args, scratch)
        except Exception as error:
            raised[:] = [error]
            slot = ctypes.c_int64.from_address(args).value
            ctypes.c_int64.from_address(slot).value = RAISED

    callback = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 4)(run)
    _keep.append(callback)
    return ctypes.cast(callback, ctypes.c_void_p).value or 0
