"""autocast: where to compute in which precision."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import numpy as np

from .. import dtype as dtypes, precision

_FLOATS = ("float16", "bfloat16", "float32")

P = ParamSpec("P")
R = TypeVar("R")


def float_named(name: str, setting: str, value: Any) -> np.dtype:
    """The dtype that a setting names."""
    try:
        found = dtypes.as_dtype(value)
    except dtypes.DTypeError:
        found = None
    if found is None or found.name not in _FLOATS:
        raise ValueError(f"{name}: {setting} must be one of {', '.join(_FLOATS)}, got {value!r}")
    return found


def truth(name: str, value: Any) -> bool:
    """A flag as a bool."""
    if not isinstance(value, (bool, int, np.bool_)):
        raise TypeError(f"{name}: enabled must be a bool, got {value!r}")
    return bool(value)


class autocast:
    """Context manager and decorator: compute in the lower precision what bears it, and in the higher one what does not.

    enabled: False for nothing to happen, so that a block in another one is cast as that says.
    low_prec_dtype: for matrix products, `linear`, convolutions of sequences and images, transposed ones of images, deformable ones, and what `batch_norm`
        normalizes. high_prec_dtype: for division, powers, exponentials, logarithms, roots and functions of angles, for `layer_norm`, `group_norm`, norms,
        and losses made of these. Both are "float16", "bfloat16" or "float32".

    Inputs of these functions are cast. All others compute in the dtypes that they are given, and promote as always. Parameters, running statistics and
    optimizers keep their dtypes, and gradients have the dtypes of what they are for: `GradManager.backward` is never cast. float64, complex64 and products of
    integers alone are left as they are. Blocks may be nested, and hold for one thread.

    >>> import numod, numod.functional as F
    >>> x = numod.Tensor([[3.0]])
    >>> with autocast():
    ...     y = F.matmul(x, x)
    ...     z = F.exp(y)
    >>> y.dtype, z.dtype
    (dtype('float16'), dtype('float32'))
    >>> @autocast(low_prec_dtype="bfloat16")
    ... def product(x):
    ...     return F.matmul(x, x)
    >>> product(x).dtype.name
    'bfloat16'
    """

    def __init__(self, enabled: bool = True, low_prec_dtype: str = "float16", high_prec_dtype: str = "float32"):
        self.enabled = truth("autocast", enabled)
        self._setting = precision.Setting(
            True, float_named("autocast", "low_prec_dtype", low_prec_dtype), float_named("autocast", "high_prec_dtype", high_prec_dtype)
        )
        self._before: list[precision.Setting] = []

    @property
    def low_prec_dtype(self) -> str:
        """The name of the lower precision."""
        return self._setting.low.name

    @property
    def high_prec_dtype(self) -> str:
        """The name of the higher precision."""
        return self._setting.high.name

    def __enter__(self) -> None:
        if self.enabled:
            self._before.append(precision.setting())
            precision.put(self._setting)

    def __exit__(self, *error: object) -> None:
        if self.enabled:
            precision.put(self._before.pop())

    def __call__(self, func: Callable[P, R]) -> Callable[P, R]:
        """``func``, which computes so whenever it is called."""

        @functools.wraps(func)
        def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
            with self:
                return func(*args, **kwargs)

        return wrapper
