"""Where tensors live: the CPU, or a CUDA GPU when there is one.

Names are MegEngine's: ``xpux`` is the default device, ``cpux`` and ``cpu0`` the CPU, ``gpu0``, ``gpu1``, ... CUDA devices.
"""

from __future__ import annotations

import functools
import re

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
