"""Tensors of other libraries, by DLPack (https://dmlc.github.io/dlpack); `numod.kernel.capsules` has what they are made of."""

from __future__ import annotations

from typing import Any

from ..kernel import capsules
from ..tensor import Tensor


def to_dlpack(tensor: Tensor, stream: int | None = None) -> Any:
    """A capsule that shares the memory of a tensor; what takes it must not write there.

    stream: must be None for tensors on a CPU.

    >>> from_dlpack(to_dlpack(Tensor([1.0, 2.0]))).tolist()
    [1.0, 2.0]
    """
    if not isinstance(tensor, Tensor):
        raise TypeError(f"to_dlpack: expected a Tensor, got {type(tensor).__name__}")
    return tensor.__dlpack__(stream=stream)


def from_dlpack(ext_tensor: Any, stream: int | None = None) -> Tensor:
    """A tensor with a copy of the values of another library's tensor in the memory of the host, or of a capsule; the dtype stays.

    stream: must be None.

    >>> import numpy as np
    >>> from_dlpack(np.arange(3, dtype="int32")).tolist()
    [0, 1, 2]
    """
    if stream is not None:
        raise ValueError(f"from_dlpack: stream must be None for tensors on a CPU, got {stream!r}")
    if type(ext_tensor).__name__ != "PyCapsule" and not hasattr(ext_tensor, "__dlpack__"):
        raise TypeError(f"from_dlpack: expected a tensor with __dlpack__ or a capsule, got {type(ext_tensor).__name__}")
    array = capsules.take(ext_tensor)
    return Tensor(array, dtype=array.dtype)
