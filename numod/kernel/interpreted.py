"""The names of `intrinsics` that kernels use, in plain Python: for debugging a kernel, and for proving that compiled code means the same."""

from __future__ import annotations

import ctypes

import numpy as np


def inner(function):
    """Nothing to compile."""
    return function


class pointer:
    """``pointer(address, dtype)[i]`` reads and writes the i-th value."""

    def __init__(self, address, dtype):
        self.dtype = np.dtype(dtype)
        self.address = int(address)

    def _at(self, index):
        memory = (ctypes.c_char * self.dtype.itemsize).from_address(self.address + int(index) * self.dtype.itemsize)
        return np.frombuffer(memory, self.dtype)

    def __getitem__(self, index):
        value = self._at(index)[0]
        return int(value) if self.dtype == np.int64 else value

    def __setitem__(self, index, value):
        self._at(index)[0] = np.asarray(value).astype(self.dtype)


def view(address, shape, dtype):
    """A C-contiguous array over memory that somebody else owns."""
    count = int(np.prod(shape))
    if count == 0:
        return np.empty(shape, dtype)
    memory = (ctypes.c_char * (count * np.dtype(dtype).itemsize)).from_address(int(address))
    return np.frombuffer(memory, dtype).reshape(shape)


def float_of_bits(bits):
    """The float32 with these bits."""
    return np.uint32(bits).view(np.float32)


def bits_of_float(value):
    """The bits of a float32."""
    return np.float32(value).view(np.uint32)


def widen_float16(bits):
    """The float32 that is the float16 with these bits."""
    return np.float32(np.uint16(bits).view(np.float16))


def narrow_float16(value):
    """The bits of the float16 that is nearest to a float32."""
    with np.errstate(all="ignore"):
        return np.float16(np.float32(value)).view(np.uint16)


def fold_add(left, right):
    """left + right"""
    return left + right


def fold_mul(left, right):
    """left * right"""
    return left * right


def fold_max(left, right):
    """The larger one; NaN if either is NaN."""
    return np.maximum(left, right)


def fold_min(left, right):
    """The smaller one; NaN if either is NaN."""
    return np.minimum(left, right)


quick_max, quick_min = fold_max, fold_min


def checked(index, size, error):
    """See `intrinsics.checked`."""
    if 0 <= index < size:
        return index
    slot = pointer(error, np.int64)
    slot[0], slot[1], slot[2] = 1, index, size
    return 0


def load(address):
    """The int64 at ``address``."""
    return ctypes.c_int64.from_address(address).value


def store(address, value):
    """Write an int64."""
    ctypes.c_int64.from_address(address).value = value


class stack(int):
    """The address of so many int64 words that live as long as this object."""

    memory: object

    def __new__(cls, words):
        """Make room for them."""
        memory = (ctypes.c_int64 * words)()
        address = super().__new__(cls, ctypes.addressof(memory))
        address.memory = memory
        return address


def call_kernel(address, begin, end, args, scratch):
    """Call the kernel at ``address``."""
    ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 4)(address)(begin, end, args, scratch)
