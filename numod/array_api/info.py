"""What `__array_namespace_info__` tells of this package."""

from __future__ import annotations

import numpy as np

from ..device import Device, as_device, get_device_count
from ..dtype import complex64, float32, int32
from .arguments import Place
from .dtypes import DTYPES, isdtype


class Info:
    """The namespace's capabilities, defaults, devices and dtypes."""

    def capabilities(self) -> dict:
        """Data-dependent shapes and boolean indexing are there; ranks have no limit."""
        return {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": None}

    def default_device(self) -> Device:
        """Where new tensors go."""
        return as_device(None)

    def default_dtypes(self, *, device: Place = None) -> dict[str, np.dtype]:
        """The dtypes of numbers for which none is named."""
        return {"real floating": float32, "complex floating": complex64, "integral": int32, "indexing": int32}

    def dtypes(self, *, device: Place = None, kind: str | tuple[str, ...] | None = None) -> dict[str, np.dtype]:
        """The dtypes by name, all or those of a kind."""
        return {name: dtype for name, dtype in DTYPES.items() if kind is None or isdtype(dtype, kind)}

    def devices(self) -> list[Device]:
        """The CPU and the GPUs that there are."""
        return [as_device("cpu0"), *[as_device(f"gpu{i}") for i in range(get_device_count("gpu"))]]


def __array_namespace_info__() -> Info:
    """What the namespace can do, which dtypes and devices it has."""
    return Info()
