"""Random numbers as table ops: each element is a function of (seed, position in the stream), so threads and order do not matter.

The generator is Philox2x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011): ten rounds of a multiplication and a key
step turn a 64-bit counter into 64 random bits. ``state`` is an int64 tensor (key, mixed seed, first counter).
"""

from __future__ import annotations

import math

import numpy as np

from ..errors import check
from ..forms import gather
from ..kernel import drawing
from ..spec import Spec

MULTIPLIER, WEYL, LOW = np.uint64(0xD256D193), np.uint64(0x9E3779B9), np.uint64(0xFFFFFFFF)
SHIFT = np.uint64(32)


def philox(key, salt, counter):
    """64 random bits for a counter: ten rounds of Philox2x32, the key bumped in each."""
    left = np.uint64(counter) & LOW
    right = ((np.uint64(counter) >> SHIFT) ^ np.uint64(salt)) & LOW
    k = np.uint64(key) & LOW
    for _ in range(10):
        product = MULTIPLIER * left
        left = ((product >> SHIFT) ^ k ^ right) & LOW
        right = product & LOW
        k = (k + WEYL) & LOW
    return (left << SHIFT) | right


def _infer(state: Spec, *, shape: tuple[int, ...], dtype: np.dtype) -> Spec:
    check(
        state.shape == (3,) and state.dtype == np.int64,
        "random: state must be 3 values of int64, got {} of shape {}",
        state.dtype,
        state.shape,
    )
    check(np.dtype(dtype) == np.float32, "random: dtype must be float32, got {}", dtype)
    return state.like(tuple(shape), np.dtype(dtype))


def _see(specs, attrs, out):
    return [(3,)], (out.size,), ()


def _ref_bits(state, shape):
    key, salt, start = (int(v) for v in state)
    out = []
    for i in range(math.prod(shape)):
        counter = (start + i) & (2**64 - 1)
        left, right, k = counter & 0xFFFFFFFF, ((counter >> 32) ^ salt) & 0xFFFFFFFF, key & 0xFFFFFFFF
        for _ in range(10):
            product = 0xD256D193 * left
            left, right, k = (product >> 32) ^ k ^ right, product & 0xFFFFFFFF, (k + 0x9E3779B9) & 0xFFFFFFFF
        out.append((left << 32) | right)
    return np.array(out, np.uint64).reshape(shape)


def _ref_uniform(state, shape, dtype):
    return (_ref_bits(state, shape) >> np.uint64(40)).astype(np.float64) * 2.0**-24


def _ref_normal(state, shape, dtype):
    bits = _ref_bits(state, shape)
    u = ((bits >> np.uint64(40)).astype(np.float64) + 1) * 2.0**-24
    v = ((bits & np.uint64(0xFFFFFF)).astype(np.float64)) * 2.0**-24
    return np.sqrt(-2 * np.log(u)) * np.cos(2 * np.pi * v)


def _sample(draw):
    shape = draw.shape()
    state = np.array([draw.integer(0, 2**32 - 1), draw.integer(0, 2**32 - 1), draw.integer(0, 2**40)], np.int64)
    return (state,), {"shape": shape, "dtype": np.dtype("float32")}


@gather(infer=_infer, ref=_ref_uniform, sample=_sample, see=_see, inputs=("state",), attrs={"shape": None, "dtype": np.dtype("float32")})
def uniform(i, state):
    """Uniform floats in [0, 1), multiples of 2**-24."""
    bits = philox(state[0], state[1], state[2] + i)
    return np.float32(np.int64(bits >> np.uint64(40))) * 5.9604644775390625e-08


def cosine_of_turns(v):
    """``cos(2 * pi * v)`` of a float32 in [0, 1), within 2 ulp of 1: a call to libm would keep the loop from being vectorised.

    The angle is taken to the nearest quarter turn exactly; what is left is in [-pi/4, pi/4] (Taylor polynomials, whose next terms are below 4e-8).
    """
    quarters = math.floor(4.0 * v + 0.5)
    r = (4.0 * v - quarters) * 1.5707963267948966
    s = r * r
    cosine = 1.0 + s * (-0.5 + s * (0.041666666666666664 + s * (-0.001388888888888889 + s * 2.48015873015873e-05)))
    sine = r * (1.0 + s * (-0.16666666666666666 + s * (0.008333333333333333 + s * (-0.0001984126984126984 + s * 2.7557319223985893e-06))))
    value = sine if quarters == 1.0 or quarters == 3.0 else cosine
    return -value if quarters == 1.0 or quarters == 2.0 else value


def box_muller(high, low):
    """A standard normal float32 by the Box-Muller transform of two uniform ones."""
    u = (np.float32(high) + 1.0) * 5.9604644775390625e-08
    v = np.float32(low) * 5.9604644775390625e-08
    return math.sqrt(-2.0 * math.log(u)) * cosine_of_turns(v)


@gather(infer=_infer, ref=_ref_normal, sample=_sample, see=_see, inputs=("state",), attrs={"shape": None, "dtype": np.dtype("float32")})
def normal(i, state):
    """Standard normal floats, by the Box-Muller transform of two uniform ones."""
    bits = philox(state[0], state[1], state[2] + i)
    return box_muller(np.int64(bits >> np.uint64(40)), np.int64(bits & np.uint64(0xFFFFFF)))


@normal.fast("cpu")
def _normal_blocks(specs, attrs, outputs):
    return drawing.program(philox, box_muller, outputs[0])
