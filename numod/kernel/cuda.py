"""CUDA: memory on a GPU, and the launches that stand there for the programs of the CPU. The one file that imports numba.cuda.

It keeps to what all targets of that name share (the one inside numba, the numba-cuda package, and numba's simulator, which
``NUMBA_ENABLE_CUDASIM=1`` turns on). A launch is planned once for each (op, Specs, attributes) as a `Run`: kernels one after the other on
flat typed memory. Kernels are written by `cuda_loops`.
"""

from __future__ import annotations

import functools
import hashlib
import linecache
import math
import os
import pathlib
import tempfile
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numba
import numpy as np
from numba import cuda

from ..errors import CompileError, DeviceError
from ..spec import Spec
from . import cache, cuda_loops, elementwise as cpu_elementwise, gather as cpu_gather, layout, rowwise as cpu_rowwise, source

SIMULATED = bool(numba.config.ENABLE_CUDASIM)
BLOCK, BLOCKS = (4, 2) if SIMULATED else (256, 65536)  # threads of a block, and at most how many blocks
ATOMIC = ("int32", "int64", "float32", "float64")  # what atomic addition takes


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


NAMES: dict[str, Any] = {"cuda": cuda, "int64": np.int64, "inner": inner, "checked": checked}
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
        f"gpu{ordinal}: no CUDA device can be used; it takes an NVIDIA GPU, its driver, and an extra: pip install 'numod[cuda12]' or 'numod[cuda13]'"
    )


def _explained(error: Exception, name: str) -> Exception:
    """The exception to raise for one of numba's."""
    kinds = [kind.__name__ for kind in type(error).__mro__]
    if "NumbaError" in kinds:
        return CompileError(f"{name}: numba cannot compile this for CUDA: {error}")
    if type(error).__module__.startswith(("numba.", "cuda.")):
        return DeviceError(f"{name}: CUDA reports: {error}")
    return error


# --- memory ---


class _Usage:
    """Bytes of one GPU: in use, kept for reuse, and the most ever in use."""

    def __init__(self):
        self.live = self.cached = self.peak = 0


_usage: dict[int, _Usage] = {}
_spare: dict[tuple[int, int, np.dtype], list] = {}  # freed arrays by (GPU, elements, dtype)


class Buffer:
    """Memory of a tensor: a flat device array, and the Buffer that it is a part of, if it is. Freed memory is kept for the next of its kind."""

    __slots__ = ("array", "ordinal", "owner")

    def __init__(self, array: Any, ordinal: int, owner: Buffer | None = None):
        self.array, self.ordinal, self.owner = array, ordinal, owner

    def __del__(self):
        if self.owner is None:
            usage = _usage[self.ordinal]
            usage.live -= self.array.nbytes
            usage.cached += self.array.nbytes
            _spare.setdefault((self.ordinal, self.array.size, self.array.dtype), []).append(self.array)


def allocate(ordinal: int, size: int, dtype: np.dtype) -> Buffer:
    """A Buffer for ``size`` values, uninitialised."""
    usage = _usage.setdefault(ordinal, _Usage())
    try:
        array = _spare[ordinal, size, dtype].pop()
        usage.cached -= array.nbytes
    except (KeyError, IndexError):
        try:
            array = cuda.device_array(size, dtype)
        except Exception:  # out of memory, in the words of one target or another
            if not usage.cached:
                raise
            release(ordinal)
            array = cuda.device_array(size, dtype)
    usage.live += array.nbytes
    usage.peak = max(usage.peak, usage.live)
    return Buffer(array, ordinal)


def release(ordinal: int) -> None:
    """Give memory that nobody uses back to the driver."""
    for key in [key for key in _spare if key[0] == ordinal]:
        del _spare[key]
    _usage.setdefault(ordinal, _Usage()).cached = 0


def usage(ordinal: int) -> dict[str, int]:
    """Bytes on a GPU: ``live`` (in use), ``cached`` (kept for reuse) and ``peak`` (most ever in use)."""
    return dict(vars(_usage.setdefault(ordinal, _Usage())))


def reset_peak(ordinal: int) -> None:
    """Count ``usage(ordinal)['peak']`` from here."""
    found = _usage.setdefault(ordinal, _Usage())
    found.peak = found.live


def upload(array: np.ndarray, spec: Spec) -> Buffer:
    """A Buffer with a copy of the values."""
    with gpu(spec.device.ordinal):
        try:
            buffer = allocate(spec.device.ordinal, spec.size, spec.dtype)
            if spec.size:
                buffer.array.copy_to_device(np.ascontiguousarray(array).reshape(-1))
        except Exception as error:
            raise _explained(error, "upload") from error
    return buffer


def download(buffer: Buffer, spec: Spec) -> np.ndarray:
    """The values as an array of the host; waits for the launches that make them."""
    if not spec.size:
        return np.empty(spec.shape, spec.dtype)
    span = 1 + sum((extent - 1) * stride for extent, stride in zip(spec.shape, spec.strides, strict=True))
    with gpu(buffer.ordinal):
        try:
            values = buffer.array[:span].copy_to_host()
        except Exception as error:
            raise _explained(error, "download") from error
    return np.ndarray(spec.shape, spec.dtype, values, strides=[spec.dtype.itemsize * stride for stride in spec.strides])


def shift(buffer: Buffer, offset: int, spec: Spec) -> Buffer:
    """The same memory from ``offset`` bytes on."""
    if not offset:
        return buffer
    with gpu(buffer.ordinal):
        return Buffer(buffer.array[offset // spec.dtype.itemsize :], buffer.ordinal, buffer.owner or buffer)


# --- launches ---


class _Launch(NamedTuple):
    kernel: Any
    items: int
    per_block: bool
    constants: tuple  # (words, numbers), device arrays
    arrays: tuple[tuple[int, tuple[int, ...] | None], ...]  # which slot, and its shape if not flat


class Run:
    """``run(*buffers)``: the output Buffer (a tuple if there are several), or None when a kernel reported an error, then in ``error``.

    Memory is numbered by slots: the inputs, then the outputs, then workspaces.
    """

    def __init__(self, name: str, inputs: int, outputs: Sequence[Spec], reports: bool = False):
        self.name, self.inputs, self.reports = name, inputs, reports
        self.ordinal = outputs[0].device.ordinal
        self.outputs = range(inputs, inputs + len(outputs))
        self.made: list[tuple[int, np.dtype]] = []
        self.launches: list[_Launch] = []
        self.error = (0, 0, 0)
        for spec in outputs:
            self.memory(spec.size, spec.dtype)
        with gpu(self.ordinal):
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
        with gpu(self.ordinal):
            constants = (cuda.to_device(np.array([*words, 0], np.int64)), cuda.to_device(np.array([*numbers, 0], np.float64)))
            kernel = _kernel(key, build)
        seen = tuple(each if isinstance(each, tuple) else (each, None) for each in arrays)
        self.launches.append(_Launch(kernel, items, per_block, constants, seen))

    def __call__(self, *buffers: Buffer):
        with gpu(self.ordinal):
            try:
                memory = [*buffers, *(allocate(self.ordinal, size, dtype) for size, dtype in self.made)]
                with warnings.catch_warnings() if SIMULATED else _nothing:
                    if SIMULATED:
                        warnings.simplefilter("ignore", RuntimeWarning)  # NumPy's, of what overflows
                    for launch in self.launches:
                        self._launch(launch, memory)
                if self.reports and not self._all_right():
                    return None
            except Exception as error:
                raise _explained(error, self.name) from error
        outputs = tuple(memory[slot] for slot in self.outputs)
        return outputs if len(outputs) > 1 else outputs[0]

    def _launch(self, launch: _Launch, memory: list[Buffer]) -> None:
        arrays = [memory[slot].array if shape is None else _shaped(memory[slot].array, shape) for slot, shape in launch.arrays]
        blocks = launch.items if launch.per_block else -(-launch.items // BLOCK)
        launch.kernel[min(blocks, BLOCKS), BLOCK](launch.items, self.slot, *launch.constants, *arrays)

    def _all_right(self) -> bool:
        report = int(self.slot.copy_to_host()[0])
        if report:
            self.error = (1, (report - 1) >> 32, (report - 1) & 0xFFFFFFFF)
            self.slot.copy_to_device(np.zeros(1, np.int64))
        return not report


class _Nothing:
    def __enter__(self) -> None:
        """Nothing to set up."""

    def __exit__(self, *error: object) -> None:
        """Nothing to undo."""


_nothing = _Nothing()


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
    """Put a generated function into a file of its own, named by all that it is made of: numba keeps the machine code of such functions only."""
    name = hashlib.sha256(cache.digest(("cuda", *key)).encode() + numba.cuda.__file__.encode()).hexdigest()[:40]
    path = cache.folder() / ".cuda" / f"{name}.py"
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


# --- plans ---

Operand = tuple[int, Spec]  # a slot and how it is seen


def elementwise(code: Callable, specs: Sequence[Spec], outs: Sequence[Spec], dtype: np.dtype) -> Run:
    """The elementwise form; operands may have any strides."""
    run = Run(code.__name__, len(specs), outs)
    _elementwise(run, code, dtype, list(enumerate(specs)), list(zip(run.outputs, outs, strict=True)))
    return run


def _elementwise(run: Run, code: Callable, dtype: np.dtype, inputs: Sequence[Operand], outputs: Sequence[Operand]) -> None:
    shape = outputs[0][1].shape
    extents, strides = cpu_elementwise.collapse(shape, [cpu_elementwise.broadcast_strides(spec, shape) for _, spec in inputs])
    key = ("elementwise", source.fingerprint(code), str(dtype), len(outputs), len(inputs), len(extents))
    run.add(
        key,
        lambda: cuda_loops.elementwise(code, NAMES, twin, dtype, len(outputs), len(inputs), len(extents)),
        math.prod(shape),
        [slot for slot, _ in (*outputs, *inputs)],
        [*extents, *(step for each in strides for step in each)],
    )


def _contiguous(run: Run, slot: int, spec: Spec) -> int:
    """The slot, or that of a copy in C order."""
    if spec.contiguous:
        return slot
    copy = run.memory(spec.size, spec.dtype)
    _elementwise(run, layout.identity, spec.dtype, [(slot, spec)], [(copy, spec.like())])
    return copy


def rowwise(
    code: Callable,
    specs: Sequence[Spec],
    outs: Sequence[Spec],
    axes: tuple[int, ...],
    dtype: np.dtype,
    per_row: tuple[str, ...] = (),
    numbers: Sequence[float] = (),
) -> Run:
    """The rowwise form: a thread for each row, or a block where rows are long or few."""
    run = Run(code.__name__, len(specs), outs, "checked" in code.__code__.co_names)
    order, (a, r1, b, r2) = cpu_rowwise.arrange(specs[0].shape, axes)
    names = code.__code__.co_varnames
    slots = [_contiguous(run, i, spec if names[i] in per_row else cpu_rowwise.moved(spec, order)) for i, spec in enumerate(specs)]
    place = "next" if r1 == 1 else "apart" if r2 == 1 else "both"
    per_block = r1 * r2 > BLOCK // 2 and (place != "apart" or a * b < 32 * BLOCK)
    key = ("row", source.fingerprint(code), str(dtype), len(specs), per_row, place, per_block)
    run.add(
        key,
        lambda: cuda_loops.row(code, NAMES, twin, dtype, len(specs), per_row, place, BLOCK if per_block else 1),
        a * b,
        [*run.outputs, *slots],
        [r1, b, r2],
        numbers,
        per_block,
    )
    return run


def gather(
    code: Callable,
    specs: Sequence[Spec],
    out: Spec,
    dtype: np.dtype,
    integers: Sequence[int] = (),
    shapes: Sequence[tuple[int, ...]] | None = None,
    space: tuple[int, ...] | None = None,
) -> Run:
    """The gather form; see `gather.gather_program` for the arguments."""
    run = Run(code.__name__, len(specs), [out], "checked" in code.__code__.co_names)
    inputs = _shaped_inputs(run, 0, specs, shapes)
    _walk(run, code, dtype, "gather", out.dtype, out.shape if space is None else space, [*run.outputs], inputs, integers)
    return run


def scatter(
    code: Callable,
    specs: Sequence[Spec],
    out: Spec,
    dtype: np.dtype,
    space: tuple[int, ...],
    mode: str,
    integers: Sequence[int] = (),
    shapes: Sequence[tuple[int, ...]] | None = None,
    onto_first: bool = False,
) -> Run:
    """The scatter form; see `gather.scatter_program` for the arguments. Floats that meet are added in no fixed order."""
    run = Run(code.__name__, len(specs), [out], "checked" in code.__code__.co_names)
    (result,) = run.outputs
    sums = out if mode == "set" or out.dtype.name in ATOMIC else out.like(dtype=np.dtype("int32"))
    target = result if sums is out else run.memory(sums.size, sums.dtype)
    if onto_first:
        _elementwise(run, layout.identity, specs[0].dtype, [(0, specs[0])], [(target, sums)])
    else:
        _elementwise(run, cpu_gather.zero, sums.dtype, [], [(target, sums)])
    inputs = _shaped_inputs(run, int(onto_first), specs[int(onto_first) :], shapes)
    if mode == "add":
        _walk(run, code, dtype, "add", sums.dtype, space, [target], inputs, integers)
    else:
        owners = out.like(dtype=np.dtype("int64"))
        owner = run.memory(owners.size, owners.dtype)
        _elementwise(run, cpu_gather.zero, owners.dtype, [], [(owner, owners)])
        for store in ("claim", "set"):
            _walk(run, code, dtype, store, out.dtype, space, [target, owner], inputs, integers)
    if target != result:
        _elementwise(run, layout.identity, sums.dtype, [(target, sums)], [(result, out)])
    return run


def _shaped_inputs(
    run: Run, first: int, specs: Sequence[Spec], shapes: Sequence[tuple[int, ...]] | None
) -> list[tuple[int, tuple[int, ...]]]:
    shapes = [spec.shape for spec in specs] if shapes is None else shapes
    return [(_contiguous(run, i, spec), tuple(shape)) for i, (spec, shape) in enumerate(zip(specs, shapes, strict=True), first)]


def _walk(
    run: Run,
    code: Callable,
    dtype: np.dtype,
    store: str,
    out_type: np.dtype,
    space: Sequence[int],
    targets: Sequence[int],
    inputs: Sequence[tuple[int, tuple[int, ...]]],
    integers: Sequence[int],
) -> None:
    key = (store, source.fingerprint(code), str(dtype), str(out_type), len(space), len(inputs), len(integers))
    run.add(
        key,
        lambda: cuda_loops.gather_or_scatter(code, NAMES, twin, dtype, store, str(out_type), len(space), len(inputs), len(integers)),
        math.prod(space),
        [*targets, *inputs],
        [*space, *integers],
    )
