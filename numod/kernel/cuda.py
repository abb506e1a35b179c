"""CUDA: devices, memory and launches. The one file that imports numba.cuda.

It keeps to what all targets of that name share: the one inside numba, the numba-cuda package, and numba's simulator, which
``NUMBA_ENABLE_CUDASIM=1`` turns on. Kernels are written by `cuda_loops`; what is launched for an op is planned by `cuda_plan`.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.metadata
import linecache
import math
import os
import pathlib
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numba
import numpy as np
from numba import cuda

from ..errors import CompileError, DeviceError
from ..spec import Spec
from . import cache

SIMULATED = bool(numba.config.ENABLE_CUDASIM)
BLOCK, BLOCKS = (4, 2) if SIMULATED else (256, 65536)  # threads of a block, and at most how many blocks


# --- what kernels call ---


def inner(function: Callable) -> Callable:
    """A function that kernels call."""
    return function if SIMULATED else cuda.jit(device=True)(function)


@inner
def fold_add(left, right):
    """left + right"""
    return left + right


@inner
def fold_mul(left, right):
    """left * right"""
    return left * right


@inner
def fold_max(left, right):
    """The larger one; NaN if either is NaN."""
    return left if left > right or left != left else right


@inner
def fold_min(left, right):
    """The smaller one; NaN if either is NaN."""
    return left if left < right or left != left else right


@inner
def checked(index, size, error):
    """``index`` if it is in [0, size), else 0, with both in the one word that is written: threads may report at once."""
    if 0 <= index < size:
        return index
    error[0] = (np.int64(min(max(index, -0x80000000), 0x7FFFFFFF)) << np.int64(32)) + size + 1
    return 0


@inner
def stored(value, array):
    """``value`` as it is written to ``array``, whose dtype it is converted to; NumPy would refuse what does not fit."""
    return np.asarray(value).astype(array.dtype)[()] if SIMULATED else value


def same(value):
    """What rounding does to an integer."""
    return value


def twin(function: Callable, dtype: np.dtype | None) -> Callable | None:
    """What stands in for a function of ``math``; mostly numba's own, which keeps float32 and calls libdevice."""
    if SIMULATED:
        return getattr(np, function.__name__, None)  # it never raises
    if dtype is not None and dtype.kind in "iu" and function.__name__ in ("floor", "ceil", "trunc"):
        return same
    return None


NAMES: dict[str, Any] = {"cuda": cuda, "int64": np.int64, "inner": inner, "checked": checked, "stored": stored}
NAMES |= {"fold_add": fold_add, "fold_mul": fold_mul, "fold_max": fold_max, "fold_min": fold_min}
if SIMULATED:
    NAMES["int"] = lambda value: np.asarray(value).astype(np.int64)[()]  # Python's refuses NaN


# --- devices ---


@functools.cache
def count() -> int:
    """How many GPUs can be used."""
    return len(cuda.gpus) if cuda.is_available() else 0


def gpu(ordinal: int) -> Any:
    """The GPU of this number, as a context manager that makes it current; DeviceError if there is none."""
    if ordinal < count():
        return cuda.gpus[ordinal]
    if count():
        raise DeviceError(f"gpu{ordinal}: no such device, there are {count()}: gpu0 to gpu{count() - 1}")
    raise DeviceError(
        f"gpu{ordinal}: no CUDA device can be used; it takes an NVIDIA GPU with its driver, and an extra: "
        "pip install 'numod[cuda12]' or 'numod[cuda13]'"
    )


class DeviceProperty(NamedTuple):
    """What is known of a GPU."""

    name: str
    total_memory: int
    major: int
    minor: int


def properties(ordinal: int) -> DeviceProperty:
    """Its name, bytes of memory and compute capability."""
    device = gpu(ordinal)
    return DeviceProperty(str(getattr(device, "name", "simulator")), memory_info(ordinal)[0], *device.compute_capability)


def memory_info(ordinal: int) -> tuple[int, int]:
    """Bytes of a GPU's memory, all of it and what is free; the simulator has none of its own."""
    with gpu(ordinal):
        free, total = (0, 0) if SIMULATED else cuda.current_context().get_memory_info()
    return total, free


def versions() -> tuple[int, int]:
    """The CUDA version of the toolkit, and the latest that the driver supports, as 1000 * major + 10 * minor."""
    gpu(0)
    if SIMULATED:
        return 0, 0
    return tuple(1000 * major + 10 * minor for major, minor in (cuda.runtime.get_version(), cuda.cudadrv.driver.driver.get_version()))


@contextlib.contextmanager
def _working(ordinal: int, name: str) -> Iterator[None]:
    """On that GPU; what goes wrong in numba or CUDA is raised as ours, naming the op."""
    with gpu(ordinal):
        try:
            yield
        except Exception as error:
            if "NumbaError" in [kind.__name__ for kind in type(error).__mro__]:
                raise CompileError(f"{name}: numba cannot compile this for CUDA: {error}") from error
            if type(error).__module__.startswith(("numba.", "cuda.")):
                raise DeviceError(f"{name}: gpu{ordinal} reports: {error}") from error
            raise


# --- memory ---


class Pool:
    """The memory of one GPU: bytes in use, kept for reuse, and the most ever in use; and what is kept."""

    def __init__(self):
        self.live = self.cached = self.peak = 0
        self.spare: dict[tuple[int, np.dtype], list] = {}  # freed arrays by (elements, dtype)

    def take(self, size: int, dtype: np.dtype) -> Buffer:
        """A Buffer for ``size`` values, uninitialised. The GPU must be current."""
        kept = self.spare.get((size, dtype))
        if kept:
            array = kept.pop()
            self.cached -= array.nbytes
        else:
            try:
                array = cuda.device_array(size, dtype)
            except Exception:  # out of memory, in the words of one target or another
                if not self.cached:
                    raise
                self.release()
                array = cuda.device_array(size, dtype)
        self.live += array.nbytes
        self.peak = max(self.peak, self.live)
        return Buffer(array, self)

    def give(self, array: Any) -> None:
        """Keep an array for the next of its kind."""
        self.live -= array.nbytes
        self.cached += array.nbytes
        self.spare.setdefault((array.size, array.dtype), []).append(array)

    def release(self) -> None:
        """Give memory that nobody uses back to the driver."""
        self.spare.clear()
        self.cached = 0


class Buffer:
    """Memory of a tensor: a flat device array of a pool, or, with an ``owner``, a part of that Buffer."""

    __slots__ = ("array", "owner", "pool")

    def __init__(self, array: Any, pool: Pool, owner: Buffer | None = None):
        self.array, self.pool, self.owner = array, pool, owner

    def __del__(self):
        if self.owner is None:
            self.pool.give(self.array)


@functools.cache
def pool(ordinal: int) -> Pool:
    """The memory of the GPU of this number."""
    return Pool()


def in_memory(dtype: np.dtype) -> np.dtype:
    """The dtype of the arrays that hold values of a dtype: numba does not know bfloat16, and is shown its bits."""
    return np.dtype(np.uint16) if dtype.kind == "V" else dtype


def upload(array: np.ndarray, spec: Spec) -> Buffer:
    """A Buffer with a copy of the values."""
    with _working(spec.device.ordinal, "upload"):
        dtype = in_memory(spec.dtype)
        buffer = pool(spec.device.ordinal).take(spec.size, dtype)
        if spec.size:
            buffer.array.copy_to_device(np.ascontiguousarray(array).reshape(-1).view(dtype))
    return buffer


def download(buffer: Buffer, spec: Spec) -> np.ndarray:
    """The values as an array of the host; waits for the launches that make them."""
    if not spec.size:
        return np.empty(spec.shape, spec.dtype)
    span = 1 + sum((extent - 1) * stride for extent, stride in zip(spec.shape, spec.strides, strict=True))
    with _working(spec.device.ordinal, "download"):
        values = buffer.array[:span].copy_to_host()
    return np.ndarray(spec.shape, spec.dtype, values, strides=[spec.dtype.itemsize * stride for stride in spec.strides])


def shift(buffer: Buffer, offset: int, spec: Spec) -> Buffer:
    """The same memory from ``offset`` bytes on, as elements of ``spec``."""
    array, item = buffer.array, spec.dtype.itemsize
    if not offset and array.dtype.itemsize == item:
        return buffer
    with _working(spec.device.ordinal, "view"):
        array = array if array.dtype.itemsize == item else array.view(spec.dtype)  # the parts of complex numbers
        return Buffer(array[offset // item :], buffer.pool, buffer.owner or buffer)


# --- launches ---


class _Launch(NamedTuple):
    kernel: Any
    blocks: int
    items: int
    constants: tuple  # (words, numbers), device arrays
    arrays: tuple[tuple[int, tuple[int, ...] | None], ...]  # which slot, and its shape if not flat


class Run:
    """``run(*buffers)``: the output Buffer (a tuple if there are several), or None when a kernel reported an error, then in ``error``.

    Memory is numbered by slots: the inputs, then the outputs, then workspaces.
    """

    def __init__(self, name: str, inputs: int, outputs: Sequence[Spec], reports: bool = False):
        self.name, self.inputs, self.reports = name, inputs, reports
        self.ordinal = outputs[0].device.ordinal
        self.pool = pool(self.ordinal)
        self.outputs = range(inputs, inputs + len(outputs))
        self.made: list[tuple[int, np.dtype]] = []
        self.launches: list[_Launch] = []
        self.error = (0, 0, 0)
        for spec in outputs:
            self.memory(spec.size, spec.dtype)
        with _working(self.ordinal, name):
            self.slot = cuda.to_device(np.zeros(1, np.int64))

    def memory(self, size: int, dtype: np.dtype) -> int:
        """The slot of memory that is made for each call."""
        self.made.append((size, dtype))
        return self.inputs + len(self.made) - 1

    def add(
        self,
        key: tuple,
        build: Callable[[], Callable],
        items: int,
        arrays: Sequence[int | tuple[int, tuple[int, ...]]],
        words: Sequence[int],
        numbers: Sequence[float] = (),
        per_block: bool = False,
    ) -> None:
        """Launch a kernel over so many items; arrays are slots, or (slot, shape)."""
        if not items:
            return
        with _working(self.ordinal, self.name):
            constants = (cuda.to_device(np.array([*words, 0], np.int64)), cuda.to_device(np.array([*numbers, 0], np.float64)))
            kernel = _kernel(key, build)
        blocks = min(items if per_block else -(-items // BLOCK), BLOCKS)
        if not SIMULATED:  # the simulator has one configuration for all launches
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # numba says that small launches do not fill a GPU
                kernel = kernel[blocks, BLOCK]
        seen = tuple(each if isinstance(each, tuple) else (each, None) for each in arrays)
        self.launches.append(_Launch(kernel, blocks, items, constants, seen))

    def __call__(self, *buffers: Buffer) -> Buffer | tuple[Buffer, ...] | None:
        """Make the outputs; the launches go on after this returns."""
        with _working(self.ordinal, self.name):
            memory = [*buffers, *(self.pool.take(size, dtype) for size, dtype in self.made)]
            with warnings.catch_warnings() if SIMULATED else contextlib.nullcontext():
                if SIMULATED:
                    warnings.simplefilter("ignore", RuntimeWarning)  # NumPy's, of what overflows
                for launch in self.launches:
                    self._launch(launch, memory)
            if self.reports and not self._all_right():
                return None
        outputs = tuple(memory[slot] for slot in self.outputs)
        return outputs if len(outputs) > 1 else outputs[0]

    def _launch(self, launch: _Launch, memory: list[Buffer]) -> None:
        arrays = [memory[slot].array if shape is None else _shaped(memory[slot].array, shape) for slot, shape in launch.arrays]
        kernel = launch.kernel[launch.blocks, BLOCK] if SIMULATED else launch.kernel
        kernel(launch.items, self.slot, *launch.constants, *arrays)

    def _all_right(self) -> bool:
        report = int(self.slot.copy_to_host()[0])
        if report:
            self.error = (1, (report - 1) >> 32, (report - 1) & 0xFFFFFFFF)
            self.slot.copy_to_device(np.zeros(1, np.int64))
        return not report


def _shaped(array: Any, shape: tuple[int, ...]) -> Any:
    size = math.prod(shape)
    return array[:size].reshape(shape or (1,)) if size else cuda.device_array(shape, array.dtype)


_kernels: dict[tuple, Any] = {}


def _kernel(key: tuple, build: Callable[[], Callable]) -> Any:
    """The kernel with this key; numba compiles it for the types of the arrays at its first launch."""
    if key not in _kernels:
        function = build()
        _kernels[key] = cuda.jit(function) if SIMULATED else cuda.jit(cache=_has_file(function, key))(function)
    return _kernels[key]


def _has_file(function: Callable, key: tuple) -> bool:
    """Put a generated function into a file of its own, named by all that it is made of: numba keeps no other's machine code."""
    try:
        target = importlib.metadata.version("numba-cuda")
    except importlib.metadata.PackageNotFoundError:
        target = "numba's own"
    path = cache.folder() / ".cuda" / f"{cache.digest(('cuda', target, *key))}.py"
    text = "".join(linecache.getlines(function.__code__.co_filename))
    try:
        if not path.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=path.parent)
            with os.fdopen(handle, "w") as file:
                file.write(text)
            pathlib.Path(temporary).replace(path)
    except OSError:
        return False
    function.__code__ = function.__code__.replace(co_filename=str(path))
    return True
