"""numod: MegEngine's way of defining models, on kernels that numba compiles in your own process.

>>> import numod
>>> x = numod.Tensor([1.0, 2.0])
>>> (x * x).sum().item()
5.0
"""

from typing import TYPE_CHECKING, Any

from . import autodiff, distributed, functional, logger, module, optimizer, random
from .device import (
    coalesce_free_memory,
    get_allocated_memory,
    get_cuda_compute_capability,
    get_cuda_device_property,
    get_cuda_driver_version,
    get_cuda_version,
    get_default_device,
    get_device_count,
    get_max_allocated_memory,
    get_max_reserved_memory,
    get_mem_status_bytes,
    get_reserved_memory,
    is_cuda_available,
    reset_max_memory_stats,
    set_default_device,
    set_prealloc_config,
)
from .errors import DTypeError, MissingExtra, ShapeError
from .logger import get_logger, set_log_file, set_log_level
from .serialization import load, save
from .tensor import Parameter, Tensor
from .threads import get_num_threads, set_num_threads

if TYPE_CHECKING:
    from . import amp, data, hub, jit, quantization, traced_module, utils

tensor = Tensor
__version__ = "0.1.0"

__all__ = [
    "DTypeError",
    "MissingExtra",
    "Parameter",
    "ShapeError",
    "Tensor",
    "amp",
    "autodiff",
    "coalesce_free_memory",
    "data",
    "distributed",
    "functional",
    "get_allocated_memory",
    "get_cuda_compute_capability",
    "get_cuda_device_property",
    "get_cuda_driver_version",
    "get_cuda_version",
    "get_default_device",
    "get_device_count",
    "get_logger",
    "get_max_allocated_memory",
    "get_max_reserved_memory",
    "get_mem_status_bytes",
    "get_num_threads",
    "get_reserved_memory",
    "hub",
    "is_cuda_available",
    "jit",
    "load",
    "logger",
    "module",
    "optimizer",
    "quantization",
    "random",
    "reset_max_memory_stats",
    "save",
    "set_default_device",
    "set_log_file",
    "set_log_level",
    "set_num_threads",
    "set_prealloc_config",
    "tensor",
    "traced_module",
    "utils",
]

# What these import (sockets, processes, XML) would be a fifth of the time that `import numod` takes.
_ON_FIRST_USE = {"amp", "data", "hub", "jit", "quantization", "traced_module", "utils"}


def __getattr__(name: str) -> Any:
    if name not in _ON_FIRST_USE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return import_module(f".{name}", __name__)


def __dir__() -> list[str]:
    return sorted({*globals(), *_ON_FIRST_USE})
