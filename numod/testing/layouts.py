"""Tensors whose elements do not lie in C order."""

from __future__ import annotations

import numpy as np

from ..forms import shift
from ..spec import Spec
from ..tensor import Tensor
from .draw import Draw


def drawn(draw: Draw, x: np.ndarray) -> Tensor:
    """The values of ``x`` in some memory layout; in one of them some of the values repeat."""
    if not x.size:
        return Tensor(x, dtype=x.dtype)
    way = draw.choice(["strided", "transposed", "offset", "repeated"] if x.ndim else ["offset"])
    if way == "strided":  # between its elements lie others, which must not be read
        memory = np.full([2 * side + 1 for side in x.shape], 77).astype(x.dtype)
        view = memory[(slice(1, None, 2),) * x.ndim]
        view[...] = x
    elif way == "transposed":
        axes = draw.permutation(x.ndim)
        memory = np.ascontiguousarray(x.transpose(axes))
        view = memory.transpose(np.argsort(axes))
    elif way == "offset":
        memory = np.full(x.size + 3, 77).astype(x.dtype)
        view = memory[3:].reshape(x.shape)
        view[...] = x
    else:
        memory = x.take([0], axis=draw.integer(0, x.ndim - 1))
        view = np.broadcast_to(memory, x.shape)
    return over(memory, view)


def over(memory: np.ndarray, view: np.ndarray) -> Tensor:
    """The tensor that sees a copy of ``memory`` (in C order) as ``view`` does, which is a NumPy view of it."""
    whole = Tensor(memory, dtype=memory.dtype)
    offset = view.__array_interface__["data"][0] - memory.__array_interface__["data"][0]
    spec = Spec.of(view.shape, view.dtype, whole.device, tuple(stride // view.itemsize for stride in view.strides))
    return Tensor._make(shift(whole._buffer, offset, whole._spec), spec)
