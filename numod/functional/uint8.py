"""Images of uint8, which are computed in float32 and rounded."""

from __future__ import annotations

from ..dtype import is_float, uint8
from ..errors import DTypeError
from ..tensor import Tensor
from .elemwise import clip, round


def in_float(name: str, inp: Tensor) -> Tensor:
    """An image in a float dtype; of the integers, uint8 is one for images."""
    if not (is_float(inp.dtype) or inp.dtype == uint8):
        raise DTypeError(f"{name}: takes images of floats or uint8, got {inp.dtype}")
    return inp if is_float(inp.dtype) else inp.astype("float32")


def in_dtype_of(inp: Tensor, out: Tensor) -> Tensor:
    """``out`` in the dtype of ``inp``, rounded if that is uint8."""
    return out if out.dtype == inp.dtype else clip(round(out), 0, 255).astype(inp.dtype)
