"""Buffers to NumPy arrays and back, on every device."""

from __future__ import annotations

import ctypes
import sys

import numpy as np

from ..device import Device
from ..spec import Spec
from . import runtime


def from_numpy(array: np.ndarray, device: Device):
    """(buffer, spec) holding a copy of the values."""
    spec = Spec.of(array.shape, array.dtype, device)
    if device.is_cuda:
        from . import cuda  # the one place that imports numba.cuda, at its first use

        return cuda.upload(array, spec), spec
    buffer = runtime.alloc(spec.nbytes)
    if spec.nbytes:
        np.ndarray(array.shape, array.dtype, buffer)[...] = array
    return buffer, spec


def to_numpy(buffer, spec: Spec) -> np.ndarray:
    """The values as an array; on a CPU it shows the buffer's own memory and keeps it alive."""
    if spec.device.is_cuda:
        from . import cuda

        return cuda.download(buffer, spec)
    if not spec.size:
        return np.empty(spec.shape, spec.dtype)
    item = spec.dtype.itemsize
    return np.ndarray(spec.shape, spec.dtype, buffer, strides=[item * stride for stride in spec.strides])


def copied(buffer):
    """A CPU buffer of its own with the same bytes."""
    new = runtime.alloc(buffer.nbytes)
    ctypes.memmove(new.address, buffer.address, buffer.nbytes)
    return new


def usage(device: Device) -> dict[str, int]:
    """Bytes of numod's memory on a device: ``live`` (in use), ``cached`` (kept for reuse) and ``peak`` (most ever in use)."""
    if device.is_cuda:
        from . import cuda

        pool = cuda.pool(device.ordinal)
        return {"live": pool.live, "cached": pool.cached, "peak": pool.peak}
    return runtime.memory()


def reset_peak(device: Device) -> None:
    """Count ``usage(device)["peak"]`` from here."""
    if device.is_cuda:
        from . import cuda

        pool = cuda.pool(device.ordinal)
        pool.peak = pool.live
    else:
        runtime.reset_peak()


def release() -> None:
    """Give memory that nobody uses back, on all devices."""
    runtime.coalesce()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of glibc, which keeps what is freed
        if trim is not None:
            trim(0)
    if "numod.kernel.cuda" in sys.modules:
        from . import cuda

        for ordinal in range(cuda.count()):
            cuda.pool(ordinal).release()
