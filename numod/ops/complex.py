"""complex64: a tensor of pairs of float32, whose parts are views of the same memory.

The gradient of a real number by a complex one is the number of its derivatives by the real and by the imaginary part, as in MegEngine.
"""

from __future__ import annotations

import numpy as np

from ..dtype import complex64, float32
from ..errors import DTypeError, check
from ..forms import elementwise, view
from ..spec import Spec
from ..tensor import Tensor
from .compare import zeros_like


def _sample(draw):
    shape = draw.shape()
    return (draw.array(shape, complex64),), {}


def _doubled(name: str, x: Spec) -> tuple[int, ...]:
    """The strides of complex numbers in units of float32."""
    if x.dtype != complex64:
        raise DTypeError(f"{name}: takes complex64, got {x.dtype}")
    return tuple(2 * stride for stride in x.strides)


_ERRORS = ((DTypeError, lambda Tensor, op: op(Tensor([1.0, 2.0]))),)


@view(ref=lambda x: x.real, attrs={}, vjp={"x": lambda g: pair(g, zeros_like(g))}, sample=_sample, errors=_ERRORS)
def real(x):
    """The real parts of complex numbers, as float32."""
    return Spec.of(x.shape, float32, x.device, _doubled("real", x)), 0


@view(ref=lambda x: x.imag, attrs={}, vjp={"x": lambda g: pair(zeros_like(g), g)}, sample=_sample, errors=_ERRORS)
def imag(x):
    """The imaginary parts of complex numbers, as float32."""
    return Spec.of(x.shape, float32, x.device, _doubled("imag", x)), 4


@view(ref=lambda x: np.stack([x.real, x.imag], -1), attrs={}, vjp={"x": lambda g: as_complex(g)}, sample=_sample, errors=_ERRORS)
def as_real(x):
    """Complex numbers (...) as float32 (..., 2): the real and the imaginary parts."""
    return Spec.of((*x.shape, 2), float32, x.device, (*_doubled("as_real", x), 1)), 0


@view(
    ref=lambda x: x[..., 0] + 1j * x[..., 1],
    attrs={},
    vjp={"x": lambda g: as_real(g)},
    sample=lambda draw: ((draw.array((*draw.shape(max_rank=3), 2), float32),), {}),
    errors=((DTypeError, lambda Tensor, op: op(Tensor([1, 2]))), (ValueError, lambda Tensor, op: op(Tensor([1.0])))),
)
def as_complex(x):
    """float32 (..., 2), real and imaginary parts, as complex numbers (...)."""
    if x.dtype != float32:
        raise DTypeError(f"as_complex: takes float32, got {x.dtype}")
    check(x.ndim > 0 and x.shape[-1] == 2, "as_complex: the last axis must have 2 values, got shape {}", x.shape)
    *steps, last = x.strides
    if last != 1 or any(step % 2 for step in steps):
        return None
    return Spec.of(x.shape[:-1], complex64, x.device, tuple(step // 2 for step in steps)), 0


def _pair_ref(x, y):
    out = np.zeros(np.broadcast_shapes(x.shape, y.shape), np.complex128)
    out.real, out.imag = x, y
    return out


@elementwise(
    ref=_pair_ref,
    takes="float",
    gives="complex64",
    vjp={"x": lambda g: real(g), "y": lambda g: imag(g)},
)
def pair(x, y):
    """The complex numbers with these real and imaginary parts."""
    return complex(x, y)


@elementwise(ref=np.conjugate, takes="complex", vjp={"x": lambda g: conjugate(g)})
def conjugate(x):
    """Complex numbers with the other sign of the imaginary part; others as they are."""
    return x.conjugate()


def conjugated(x: Tensor) -> Tensor:
    """The conjugate, which costs nothing for what is real."""
    return conjugate(x) if x._spec.dtype == complex64 else x
