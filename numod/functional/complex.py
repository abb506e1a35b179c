"""Complex numbers: made of their parts, and parted again."""

from __future__ import annotations

from ..dtype import float32
from ..errors import DTypeError, check
from ..op import apply
from ..ops import complex as complex_ops
from ..tensor import Tensor
from .elemwise import as_tensor, cos, mul, sin


def complex(real: Tensor, imag: Tensor) -> Tensor:
    """The complex numbers (complex64) with these real and imaginary parts, two float32 tensors of one shape.

    Addition, subtraction, multiplication and negation take complex tensors, as does all that moves values; other functions refuse them
    with a DTypeError.

    >>> complex(Tensor([1.0]), Tensor([2.0])).tolist()
    [(1+2j)]
    """
    real, imag = as_tensor(real), as_tensor(imag)
    _check_parts("complex", real, imag)
    check(real.shape == imag.shape, "complex: takes two tensors of one shape, got {} and {}", real.shape, imag.shape)
    return apply(complex_ops.pair, (real, imag))


def polar(abs: Tensor, angle: Tensor) -> Tensor:
    """The complex numbers (complex64) with these magnitudes and angles in radians, two tensors that are broadcast and whose product is float32.

    >>> polar(Tensor([2.0]), Tensor([0.0])).tolist()
    [(2+0j)]
    """
    parts = mul(abs, cos(angle)), mul(abs, sin(angle))
    _check_parts("polar", *parts)
    return apply(complex_ops.pair, parts)


def real(complex: Tensor) -> Tensor:
    """The real parts of a complex64 tensor, as float32.

    >>> real(complex(Tensor([1.0]), Tensor([2.0]))).tolist()
    [1.0]
    """
    return apply(complex_ops.real, (complex,))


def imag(complex: Tensor) -> Tensor:
    """The imaginary parts of a complex64 tensor, as float32.

    >>> imag(complex(Tensor([1.0]), Tensor([2.0]))).tolist()
    [2.0]
    """
    return apply(complex_ops.imag, (complex,))


def _check_parts(name: str, x: Tensor, y: Tensor) -> None:
    if not x.dtype == y.dtype == float32:
        raise DTypeError(f"{name}: takes two tensors of float32, got {x.dtype} and {y.dtype}")


__all__ = ["complex", "imag", "polar", "real"]
