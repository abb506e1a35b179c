"""Random numbers by rejection: gamma and Poisson variates, each from a counter stream of its own, in float64.

An element tries again with the numbers of its next turn until one is accepted; turns are counted in the upper bits of the counter, so elements never share
numbers and do not depend on each other. Beta variates are made of two gamma ones.
"""

from __future__ import annotations

import math

import numpy as np

from ..dtype import float64
from ..errors import DTypeError, check
from ..forms import gather
from ..spec import Spec
from .random import philox

TURN = 44  # elements are counted below this bit
TRIES = 1000  # more than ever happens: a try fails with a probability below 1/2


def unit(key, salt, position, turn):
    """A uniform float64 in (0, 1]."""
    bits = philox(key, salt, position + (turn << TURN))
    return (np.float64(np.int64(bits >> np.uint64(11))) + 1.0) * 1.1102230246251565e-16


def gaussian(key, salt, position, turn):
    """A standard normal float64, of two turns (Box & Muller, 1958)."""
    return math.sqrt(-2.0 * math.log(unit(key, salt, position, turn))) * math.cos(6.283185307179586 * unit(key, salt, position, turn + 1))


def log_gamma_variate(key, salt, position, shape):
    """The logarithm of a gamma variate (Marsaglia & Tsang, "A simple method for generating gamma variables", 2000).

    Below a shape of 1 it is that of shape + 1 times ``u ** (1 / shape)``, which may be far below the smallest float: hence the logarithm.
    """
    if shape != shape or shape == math.inf:
        return shape
    if shape <= 0.0:
        return -math.inf
    boost = 0.0 if shape >= 1.0 else math.log(unit(key, salt, position, 0)) / shape
    d = (shape if shape >= 1.0 else shape + 1.0) - 0.3333333333333333
    c = 1.0 / math.sqrt(9.0 * d)
    for attempt in range(TRIES):
        x = gaussian(key, salt, position, 3 * attempt + 1)
        v = 1.0 + c * x
        if v > 0.0:
            v = v * v * v
            if math.log(unit(key, salt, position, 3 * attempt + 3)) < 0.5 * x * x + d - d * v + d * math.log(v):
                return math.log(d * v) + boost
    return math.log(d) + boost


def log_factorial(k):
    """``log(k!)`` by Stirling's series, to 1e-10 where ``k`` is at least 6; smaller ones are reduced to that."""
    shift = 0.0
    x = k + 1.0
    while x < 7.0:
        shift += math.log(x)
        x += 1.0
    r = 1.0 / (x * x)
    series = (0.08333333333333333 - r * (0.002777777777777778 - r * (0.0007936507936507937 - r * 0.0005952380952380953))) / x
    return (x - 0.5) * math.log(x) - x + 0.9189385332046727 + series - shift


def poisson_variate(key, salt, position, rate):
    """A Poisson variate.

    Below 10 it counts how many uniforms can be multiplied before the product is below ``exp(-rate)`` (Knuth); above, transformed rejection (Hörmann, "The
    transformed rejection method for generating Poisson random variables", 1993); above 1e9, where float64 cannot tell log probabilities apart, the nearest
    integer to a normal variate.
    """
    if rate != rate or rate == math.inf:
        return rate
    if rate <= 0.0:
        return 0.0
    if rate < 10.0:
        limit = math.exp(-rate)
        product = unit(key, salt, position, 0)
        found = 0
        while product > limit and found < TRIES:
            found += 1
            product *= unit(key, salt, position, found)
        return float(found)
    if rate > 1e9:
        return math.floor(rate + math.sqrt(rate) * gaussian(key, salt, position, 0) + 0.5)
    b = 0.931 + 2.53 * math.sqrt(rate)
    a = -0.059 + 0.02483 * b
    scale = 1.1239 + 1.1328 / (b - 3.4)
    sure = 0.9277 - 3.6224 / (b - 2.0)
    for attempt in range(TRIES):
        u = unit(key, salt, position, 2 * attempt) - 0.5
        v = unit(key, salt, position, 2 * attempt + 1)
        room = 0.5 - math.fabs(u)
        if room > 0.0:
            k = math.floor((2.0 * a / room + b) * u + rate + 0.43)
            if room >= 0.07 and v <= sure:
                return k
            likely = k >= 0.0 and (room >= 0.013 or v <= room)
            if likely and math.log(v * scale / (a / (room * room) + b)) <= k * math.log(rate) - rate - log_factorial(k):
                return k
    return math.floor(rate)


def _infer(name: str):
    def infer(state: Spec, parameter: Spec, *, size: tuple[int, ...]):
        check(state.shape == (3,) and state.dtype == np.int64, "{}: state must be 3 values of int64, got {}", name, state)
        if parameter.dtype != float64:
            raise DTypeError(f"{name}: the parameter must be of dtype float64, got {parameter.dtype}")
        return parameter.like((*size, *parameter.shape))

    return infer


def _see(specs, attrs, out):
    _, parameter = specs
    return [(3,), (parameter.size,)], (math.prod(attrs["size"]), parameter.size), ()


def _sample(low: float, high: float):
    def sample(draw):
        state = np.array([draw.integer(0, 2**32 - 1), draw.integer(0, 2**32 - 1), draw.integer(0, 2**40)], np.int64)
        parameter = np.exp(draw.random().uniform(math.log(low), math.log(high), draw.shape(max_rank=2, max_side=3)))
        return (state, np.asarray(parameter)), {"size": draw.shape(max_rank=1, max_side=3)}

    return sample


def _each(variate):
    """The reference: the variate of each element in turn."""

    def ref(state, parameter, size):
        key, salt, start = (int(v) for v in state)
        full = np.broadcast_to(parameter, (*size, *parameter.shape))
        with np.errstate(all="ignore"):
            values = [variate(np.int64(key), np.int64(salt), np.int64(start + i), p) for i, p in enumerate(full.ravel())]
        return np.array(values, np.float64).reshape(full.shape)

    return ref


_ERRORS = (
    (ValueError, lambda Tensor, op: op(Tensor([1, 2], dtype="int64"), Tensor([1.0], dtype="float64"), size=())),
    (TypeError, lambda Tensor, op: op(Tensor([1, 2, 3], dtype="int64"), Tensor([1.0]), size=())),
)


@gather(
    inputs=("state", "shape"),
    attrs={"size": ()},
    infer=_infer("gamma"),
    see=_see,
    ref=_each(log_gamma_variate),
    sample=_sample(1e-2, 1e3),
    errors=_ERRORS,
)
def log_gamma(r, i, state, shape):
    """Logarithms of gamma variates with these shapes and scale 1, of shape ``size`` and that of the parameter; -inf for a shape that is not positive."""
    return log_gamma_variate(state[0], state[1], state[2] + r * shape.shape[0] + i, shape[i])


@gather(
    inputs=("state", "rate"),
    attrs={"size": ()},
    infer=_infer("poisson"),
    see=_see,
    ref=_each(poisson_variate),
    sample=_sample(1e-2, 1e5),
    errors=_ERRORS,
)
def poisson(r, i, state, rate):
    """Poisson variates with these rates, of shape ``size`` and that of the parameter; 0 for a rate that is not positive."""
    return poisson_variate(state[0], state[1], state[2] + r * rate.shape[0] + i, rate[i])
