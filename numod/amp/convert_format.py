"""Formats of tensors, of which numod has one."""

from __future__ import annotations

import copy

from ..module import Module
from ..tensor import Tensor


def convert_tensor_format(x: Tensor, inplace: bool = True) -> Tensor:
    """A tensor in the format that MegEngine has for mixed precision on a GPU: here the tensor as it is.

    In MegEngine images of 4 or 5 axes go to memory as NHWC, with the shape and all values that they had. numod has one order in memory, NCHW, so
    that nothing is left to do, and `Tensor.format` says "default" before and after.

    inplace: return ``x`` itself, and not another tensor with its values.

    >>> import numod
    >>> x = numod.Tensor([[[[1.0, 2.0]]]])
    >>> convert_tensor_format(x) is x, convert_tensor_format(x, inplace=False).shape
    (True, (1, 1, 1, 2))
    """
    if not isinstance(x, Tensor):
        raise TypeError(f"convert_tensor_format: takes a Tensor, got {type(x).__name__}")
    return x if inplace else Tensor(x)


def convert_module_format(module: Module, inplace: bool = True) -> Module:
    """A module whose tensors are as `convert_tensor_format` has them: here the module as it is, or with ``inplace=False`` a copy.

    >>> import numod.module as M
    >>> layer = M.Conv2d(3, 4, 3)
    >>> convert_module_format(layer) is layer, convert_module_format(layer, inplace=False) is layer
    (True, False)
    """
    if not isinstance(module, Module):
        raise TypeError(f"convert_module_format: takes a Module, got {type(module).__name__}")
    return module if inplace else copy.deepcopy(module)
