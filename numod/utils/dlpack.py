"""Tensors of other libraries, by DLPack (https://dmlc.github.io/dlpack)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..tensor import Tensor

_CPU = (1, 0)  # DLPack's number of the device


class _Capsule:
    """A capsule as an object that gives it away, which is what NumPy takes."""

    def __init__(self, capsule: Any):
        self.capsule = capsule

    def __dlpack__(self, **_: Any) -> Any:
        return self.capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return _CPU


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

    >>> from_dlpack(np.arange(3, dtype="int32")).tolist()
    [0, 1, 2]
    """
    if stream is not None:
        raise ValueError(f"from_dlpack: stream must be None for tensors on a CPU, got {stream!r}")
    is_capsule = type(ext_tensor).__name__ == "PyCapsule"
    if not is_capsule and not hasattr(ext_tensor, "__dlpack__"):
        raise TypeError(f"from_dlpack: expected a tensor with __dlpack__ or a capsule, got {type(ext_tensor).__name__}")
    array = np.from_dlpack(_Capsule(ext_tensor) if is_capsule else ext_tensor)
    return Tensor(array, dtype=array.dtype)
