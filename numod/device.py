"""Where tensors live: the CPU, or a CUDA GPU when there is one.

Names are MegEngine's: ``xpux`` is the default device, ``cpux`` and ``cpu0`` the CPU, ``gpu0``, ``gpu1``, ... CUDA devices.
Questions about the hardware and memory go to the kernel layer when they are asked; importing this module loads nothing of CUDA.
"""

from __future__ import annotations

import functools
import importlib
import os
import re
from typing import Any

from .errors import DeviceError

_NAME = re.compile(r"(xpu|cpu|gpu|cuda)(x|\d+)(?::(\d+))?\Z")


class Device:
    """A device; compares equal to its names, so that ``x.device == "cpu0"`` reads as it should."""

    __slots__ = ("is_cuda", "logical_name", "ordinal", "physical_name")

    def __init__(self, logical_name: str, physical_name: str):
        self.logical_name, self.physical_name = logical_name, physical_name
        self.is_cuda = physical_name.startswith("gpu")
        self.ordinal = int(re.findall(r"\d+", physical_name)[0])

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Device):
            return self.physical_name == other.physical_name
        if isinstance(other, str) and _NAME.match(other):
            return self.physical_name == as_device(other).physical_name
        return NotImplemented

    def __hash__(self) -> int:
        return hash(self.physical_name)

    def __str__(self) -> str:
        return self.logical_name

    def __repr__(self) -> str:
        return f'CompNode("{self.physical_name}" from "{self.logical_name}")'


@functools.lru_cache(maxsize=64)
def _named(name: str) -> Device:
    match = _NAME.match(name)
    if match is None:
        raise ValueError(f"invalid device name {name!r}: expected xpux, cpux, cpuN, gpux or gpuN")
    kind, number, stream = match.groups()
    kind = "gpu" if kind == "cuda" else kind
    ordinal = 0 if number == "x" else int(number)
    stream = stream or "0"
    logical = f"{kind}{number}:{stream}"
    physical = f"{'gpu' if kind == 'gpu' else 'cpu'}{ordinal}:{stream}"
    return Device(logical, physical)


_default = _named("xpux")


def as_device(device: object) -> Device:
    """The device of this name; None is the default device."""
    if device is None:
        return _default
    if isinstance(device, Device):
        return device
    if isinstance(device, str):
        return _named(device)
    raise TypeError(f"device: expected a name or a Device, got {device!r}")


def get_default_device() -> str:
    """The name of the device that new tensors go to."""
    return _default.logical_name.partition(":")[0]


def set_default_device(device: str = "xpux") -> None:
    """Send new tensors to this device from now on."""
    global _default
    _default = _named(device)


def _kernel(module: str) -> Any:
    return importlib.import_module(f"numod.kernel.{module}")


def is_cuda_available() -> bool:
    """Whether there is a GPU that numod can use."""
    return _kernel("cuda").count() > 0


def get_device_count(device_type: str) -> int:
    """How many devices of a type ("cpu", "gpu" or "xpu") there are; cores count as CPU devices."""
    if device_type not in ("cpu", "gpu", "xpu"):
        raise ValueError(f"get_device_count: device_type must be 'cpu', 'gpu' or 'xpu', got {device_type!r}")
    return _kernel("cuda").count() if device_type == "gpu" else os.cpu_count() or 1


def get_mem_status_bytes(device: str | None = None) -> tuple[int, int]:
    """Bytes of a device's memory: all of it, and what is free."""
    place = as_device(device)
    if place.is_cuda:
        return _kernel("cuda").memory_info(place.ordinal)
    if not hasattr(os, "sysconf") or "SC_AVPHYS_PAGES" not in os.sysconf_names:
        raise DeviceError("get_mem_status_bytes: this system does not tell of its memory")
    page = os.sysconf("SC_PAGE_SIZE")
    return page * os.sysconf("SC_PHYS_PAGES"), page * os.sysconf("SC_AVPHYS_PAGES")


def get_allocated_memory(device: str | None = None) -> int:
    """Bytes that tensors on a device use now."""
    return _kernel("memory").usage(as_device(device))["live"]


def get_max_allocated_memory(device: str | None = None) -> int:
    """The most bytes that tensors on a device used at once, since `reset_max_memory_stats`."""
    return _kernel("memory").usage(as_device(device))["peak"]


def get_reserved_memory(device: str | None = None) -> int:
    """Bytes that numod holds on a device: used by tensors, or kept for reuse."""
    usage = _kernel("memory").usage(as_device(device))
    return usage["live"] + usage["cached"]


def get_max_reserved_memory(device: str | None = None) -> int:
    """The most bytes that numod is known to have held on a device."""
    return max(get_reserved_memory(device), get_max_allocated_memory(device))


def reset_max_memory_stats(device: str | None = None) -> None:
    """Count `get_max_allocated_memory` from here."""
    _kernel("memory").reset_peak(as_device(device))


def coalesce_free_memory() -> None:
    """Give memory that no tensor uses back to the system and to the GPUs' drivers."""
    _kernel("memory").release()


def set_prealloc_config(
    alignment: int = 1, min_req: int = 32 * 1024 * 1024, max_overhead: int = 0, growth_factor: float = 2.0, device_type: str = "cuda"
) -> None:
    """Does nothing but check its arguments: memory is taken as it is needed, and kept for reuse."""
    if alignment < 1 or min_req < 1 or max_overhead < 0 or growth_factor < 1:
        raise ValueError("set_prealloc_config: alignment and min_req must be positive, max_overhead at least 0, growth_factor at least 1")


def get_cuda_compute_capability(device: int, device_type: str = "cuda") -> int:
    """The compute capability of a GPU, as 10 * major + minor. device_type: "cuda", the only one with GPUs."""
    _check_cuda("get_cuda_compute_capability", device_type)
    found = _kernel("cuda").properties(device)
    return 10 * found.major + found.minor


def get_cuda_device_property(device: int, device_type: str = "cuda") -> Any:
    """``name``, ``total_memory``, ``major`` and ``minor`` of a GPU. device_type: "cuda", the only one with GPUs."""
    _check_cuda("get_cuda_device_property", device_type)
    return _kernel("cuda").properties(device)


def _check_cuda(function: str, device_type: str) -> None:
    if device_type != "cuda":
        raise ValueError(f"{function}: device_type must be 'cuda', got {device_type!r}")


def get_cuda_version() -> int:
    """The version of the CUDA toolkit, as 1000 * major + 10 * minor."""
    return _kernel("cuda").versions()[0]


def get_cuda_driver_version() -> int:
    """The latest CUDA version that the driver supports, as 1000 * major + 10 * minor."""
    return _kernel("cuda").versions()[1]
