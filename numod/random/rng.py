"""RNG, a stream of random numbers, and the functions that draw from the default one."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable, Iterable

import numpy as np

from ..constants import constant
from ..errors import DTypeError
from ..forms import broadcast
from ..op import apply
from ..ops import distributions, random as ops
from ..ops.math import add, exp, mul, sigmoid, sub
from ..ops.view import astype, broadcast_to, reshape
from ..tensor import Tensor

watch: Callable[[tuple, Tensor], None] | None = (
    None  # while a function is traced: sees who draws how many numbers where, and from which state
)
_FLOAT, _WIDE = np.dtype("float32"), np.dtype("float64")


def _mix(value: int) -> int:
    """SplitMix64: near seeds become far apart (Steele, Lea & Flood, 2014)."""
    value = (value + 0x9E3779B97F4A7C15) & (2**64 - 1)
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & (2**64 - 1)
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & (2**64 - 1)
    return value ^ (value >> 31)


def _affine(x: Tensor, scale: float, offset: float) -> Tensor:
    """``x * scale + offset``."""
    return add(mul(x, constant(scale, x.dtype, x.device)), constant(offset, x.dtype, x.device))


def _shape(size: Iterable[int] | int) -> tuple[int, ...]:
    shape = (int(size),) if isinstance(size, (int, np.integer)) else tuple(int(n) for n in size)
    if any(extent < 0 for extent in shape):
        raise ValueError(f"random: size must not be negative, got {shape}")
    return shape


class RNG:
    """A stream of random numbers of its own.

    seed: a non-negative int; drawn from the operating system if None. device: where the tensors are made.

    >>> RNG(seed=1).uniform(size=(2,)).tolist() == RNG(seed=1).uniform(size=(2,)).tolist()
    True
    """

    def __init__(self, seed: int | None = None, device: str | None = None):
        self._device = device
        self._lock = threading.Lock()
        self.seed(int.from_bytes(os.urandom(8), "little") if seed is None else seed)

    def seed(self, seed: int) -> None:
        """Start the stream anew."""
        if not isinstance(seed, (int, np.integer)) or isinstance(seed, bool):
            raise TypeError(f"random: seed must be an int, got {seed!r}")
        if seed < 0:
            raise ValueError(f"random: seed must not be negative, got {seed}")
        mixed = _mix(int(seed))
        self._key, self._salt, self._position = mixed & 0xFFFFFFFF, mixed >> 32, 0

    def _take(self, count: int, device=None) -> Tensor:
        """The state from which ``count`` numbers are drawn; the stream moves past them."""
        with self._lock:
            start = self._position
            self._position += count
        device = self._device if device is None else device
        state = Tensor(np.array([self._key, self._salt, start], np.int64), dtype="int64", device=device)
        if watch is not None:
            watch((self, count, device), state)
        return state

    def _draw(self, op, size: Iterable[int] | int | None) -> Tensor:
        shape = (1,) if size is None else _shape(size)
        return apply(op, (self._take(math.prod(shape)),), (shape, _FLOAT))

    def uniform(self, low: float = 0, high: float = 1, size: Iterable[int] | None = None) -> Tensor:
        """float32 values uniform in [low, high), of shape ``size`` ((1,) for None).

        >>> 2 <= RNG(0).uniform(2, 3).item() < 3
        True
        """
        if not low < high:
            raise ValueError(f"uniform: low must be below high, got low={low}, high={high}")
        drawn = self._draw(ops.uniform, size)
        return drawn if (low, high) == (0, 1) else _affine(drawn, high - low, low)

    def normal(self, mean: float = 0, std: float = 1, size: Iterable[int] | None = None) -> Tensor:
        """float32 values from a normal distribution, of shape ``size``.

        >>> RNG(0).normal(size=(2, 3)).shape
        (2, 3)
        """
        drawn = self._draw(ops.normal, size)
        return drawn if (mean, std) == (0, 1) else _affine(drawn, std, mean)

    def gamma(self, shape: Tensor | float, scale: Tensor | float = 1, size: Iterable[int] | None = None) -> Tensor:
        """float32 values from gamma distributions with these shapes and scales, which are broadcast; no gradient flows through them.

        The result is of shape ``size`` followed by that of the parameters, or (1,) if both are empty.

        >>> RNG(0).gamma(Tensor([1.0, 2.0]), size=(3,)).shape
        (3, 2)
        """
        shape, scale = self._parameters("gamma", {"shape": shape, "scale": scale}, size)
        return self._finish(mul(exp(self._vary(distributions.log_gamma, shape, size)), scale))

    def beta(self, alpha: Tensor | float, beta: Tensor | float, size: Iterable[int] | None = None) -> Tensor:
        """float32 values from beta distributions with these parameters, which are broadcast; of a shape as `gamma` has it.

        >>> 0 <= RNG(0).beta(2.0, 3.0).item() <= 1
        True
        """
        alpha, beta = self._parameters("beta", {"alpha": alpha, "beta": beta}, size)
        first, second = (self._vary(distributions.log_gamma, each, size) for each in (alpha, beta))
        return self._finish(sigmoid(sub(first, second)))

    def poisson(self, lam: float | Tensor, size: Iterable[int] | None = None) -> Tensor:
        """float32 whole numbers from Poisson distributions with these rates; of a shape as `gamma` has it.

        >>> RNG(0).poisson(4.0, size=(2, 3)).shape
        (2, 3)
        """
        (lam,) = self._parameters("poisson", {"lam": lam}, size)
        return self._finish(self._vary(distributions.poisson, lam, size))

    def _parameters(self, name: str, values: dict[str, Tensor | float], size: Iterable[int] | int | None) -> list[Tensor]:
        """The parameters as float64 tensors of one shape; numbers must be positive."""
        found = []
        device = next((value.device for value in values.values() if isinstance(value, Tensor)), self._device)
        for label, value in values.items():
            if not isinstance(value, Tensor):
                if not value > 0:
                    raise ValueError(f"{name}: {label} must be positive, got {value!r}")
                value = Tensor(float(value), device=device)
            if not value._spec.is_float:
                raise DTypeError(f"{name}: {label} must be of a float dtype, got {value.dtype}")
            found.append(astype(value.detach(), dtype=_WIDE))
        shape = broadcast(name, [value.shape for value in found])
        return [value if value.shape == shape else broadcast_to(value, shape=shape) for value in found]

    def _vary(self, op, parameter: Tensor, size: Iterable[int] | int | None) -> Tensor:
        shape = () if size is None else _shape(size)
        return apply(op, (self._take(math.prod(shape) * parameter.size, parameter.device), parameter), (shape,))

    @staticmethod
    def _finish(drawn: Tensor) -> Tensor:
        return astype(drawn if drawn.ndim else reshape(drawn, shape=(1,)), dtype=_FLOAT)

    def _numpy(self) -> np.random.Generator:
        with self._lock:
            start = self._position
            self._position += 1
        return np.random.Generator(np.random.Philox(key=np.array([self._key << 32 | self._salt, start], np.uint64)))

    def permutation(self, n: int | Tensor, *, dtype: str = "int32") -> Tensor:
        """The numbers below ``n`` in random order, or a tensor with its rows in random order.

        >>> sorted(RNG(0).permutation(4).tolist())
        [0, 1, 2, 3]
        """
        if isinstance(n, Tensor):
            return Tensor(self._numpy().permutation(np.atleast_1d(n.numpy())), dtype=n.dtype, device=n.device)
        if n < 0:
            raise ValueError(f"permutation: n must not be negative, got {n}")
        return Tensor(self._numpy().permutation(n), dtype=dtype, device=self._device)

    def shuffle(self, inp: Tensor) -> None:
        """Put the rows of a tensor in random order, in place."""
        if inp.size and inp.ndim:
            inp._reset(self.permutation(inp))


_default = RNG()


def default() -> RNG:
    """The stream behind the functions of `numod.random`."""
    return _default


def seed(seed: int) -> None:
    """Start the default stream anew: everything drawn after this call is the same in every run.

    >>> seed(7); first = uniform(size=(3,)).tolist(); seed(7); first == uniform(size=(3,)).tolist()
    True
    """
    _default.seed(seed)


def uniform(low: float = 0, high: float = 1, size: Iterable[int] | None = None) -> Tensor:
    """See `RNG.uniform`."""
    return _default.uniform(low, high, size)


def normal(mean: float = 0, std: float = 1, size: Iterable[int] | None = None) -> Tensor:
    """See `RNG.normal`."""
    return _default.normal(mean, std, size)


def gamma(shape: Tensor | float, scale: Tensor | float = 1, size: Iterable[int] | None = None) -> Tensor:
    """See `RNG.gamma`."""
    return _default.gamma(shape, scale, size)


def beta(alpha: Tensor | float, beta: Tensor | float, size: Iterable[int] | None = None) -> Tensor:
    """See `RNG.beta`."""
    return _default.beta(alpha, beta, size)


def poisson(lam: float | Tensor, size: Iterable[int] | None = None) -> Tensor:
    """See `RNG.poisson`."""
    return _default.poisson(lam, size)


def permutation(n: int | Tensor, *, dtype: str = "int32") -> Tensor:
    """See `RNG.permutation`."""
    return _default.permutation(n, dtype=dtype)


def shuffle(inp: Tensor) -> None:
    """See `RNG.shuffle`."""
    _default.shuffle(inp)
