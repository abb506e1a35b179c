"""numod: MegEngine's way of defining models, on kernels that numba compiles in your own process.

>>> import numod
>>> x = numod.Tensor([1.0, 2.0])
>>> (x * x).sum().item()
5.0
"""

from . import autodiff, data, functional, module, optimizer, random
from .device import get_default_device, set_default_device
from .errors import DTypeError, MissingExtra, ShapeError
from .kernel.runtime import coalesce as coalesce_free_memory
from .serialization import load, save
from .tensor import Parameter, Tensor
from .threads import get_num_threads, set_num_threads

tensor = Tensor
__version__ = "0.1.0"

__all__ = [
    "DTypeError",
    "MissingExtra",
    "Parameter",
    "ShapeError",
    "Tensor",
    "autodiff",
    "coalesce_free_memory",
    "data",
    "functional",
    "get_default_device",
    "get_num_threads",
    "load",
    "module",
    "optimizer",
    "random",
    "save",
    "set_default_device",
    "set_num_threads",
    "tensor",
]
