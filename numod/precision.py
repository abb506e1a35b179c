"""In which dtype ops compute within `numod.amp.autocast`: the table of rules, and who casts by it.

The plans of an op are found by the Specs of its inputs. While some thread is within autocast, those of the ops in the table stand behind an `_Asking`, which
has the inputs cast first; the plans themselves are the same as ever, and without autocast nothing is in their way. A setting holds for one thread.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, ParamSpec, TypeVar

import numpy as np

from .dtype import complex64, float16, float32, float64
from .forms.common import Casts
from .op import TABLE, Op, Plan, apply
from .ops.view import astype
from .spec import Spec
from .tensor import Tensor

# The rules are MegEngine's. An op that is in no line computes in the dtypes that it is given; so do convolutions of volumes.
_LOW = ("matmul", "linear", "conv", "conv_bias", "conv_data_gradient")
_HIGH = """
    div pow exp expm1 log log1p log2 log10 logaddexp sqrt hypot
    sin cos tan asin acos atan atan2 sinh cosh asinh acosh atanh
    softplus hsigmoid logsoftmax logsumexp norm cross_entropy binary_cross_entropy
""".split()

_KEPT = {float64, complex64}

P = ParamSpec("P")
R = TypeVar("R")


class Setting(NamedTuple):
    """Whether to cast, and to what."""

    enabled: bool = False
    low: np.dtype = float16
    high: np.dtype = float32


class _Local(threading.local):
    setting = Setting()


active = 0  # threads within autocast: a cheap test for "nothing to do"
_local = _Local()
_lock = threading.Lock()


def setting() -> Setting:
    """The setting of this thread."""
    return _local.setting


def current() -> Setting | None:
    """The setting of this thread if it is within autocast."""
    return _local.setting if _local.setting.enabled else None


def put(new: Setting) -> None:
    """Let a setting hold for this thread from now on."""
    global active
    with _lock:
        before, active = active, active + new.enabled - _local.setting.enabled
        _local.setting = new
    if (before == 0) != (active == 0):
        settle()


def settle() -> None:
    """Put an `_Asking` before the plans of the ops in the table, or away, as ``active`` says."""
    for op, low in _ruled():
        plans: Any = op.plans
        if active and not isinstance(plans, _Asking):
            op.plans = _Asking(plans, low, op.name.startswith("conv"))  # type: ignore[assignment]
        elif not active and isinstance(plans, _Asking):
            op.plans = plans.plans


@functools.cache
def _ruled() -> list[tuple[Op, bool]]:
    """The ops with a rule, and whether it is the lower precision."""
    return [*((TABLE[name], True) for name in _LOW), *((TABLE[name], False) for name in _HIGH)]


class _Asking:
    """Stands for the plans of an op: its inputs are cast first where this thread's setting asks for it."""

    __slots__ = ("images", "low", "plans")

    def __init__(self, plans: dict[tuple, Plan], low: bool, images: bool):
        self.plans, self.low, self.images = plans, low, images

    def get(self, key: tuple) -> Plan | None:
        """The plan for a call, as `numod.op.apply` asks for it."""
        found = _local.setting
        if found.enabled and not (self.images and key[0].ndim > 4):
            dtype = found.low if self.low else found.high
            if _casts(key[:-1], dtype, self.low):
                return _casting(dtype, len(key) - 1)
        return self.plans.get(key)

    def __setitem__(self, key: tuple, plan: Plan) -> None:
        self.plans[key] = plan

    def __len__(self) -> int:
        return len(self.plans)

    def clear(self) -> None:
        """Forget all plans."""
        self.plans.clear()

    def items(self) -> Any:
        """All plans."""
        return self.plans.items()


def _casts(specs: Sequence[Spec], dtype: np.dtype, low: bool) -> bool:
    """Whether these inputs are to be cast. Never from float64 or complex64, which are there because someone asked for them; nor from integers
    alone to the lower precision, as products of integers are exact.
    """
    for spec in specs:
        if spec.dtype != dtype:
            break
    else:
        return False  # the usual case, in one look at each
    return _KEPT.isdisjoint([each.dtype for each in specs]) and (not low or any(each.is_float for each in specs))


@functools.lru_cache(maxsize=64)
def _casting(dtype: np.dtype, count: int) -> Plan:
    return Plan(convert=Casts([dtype] * count))


def low(x: Tensor) -> Tensor:
    """A tensor in the lower precision, if this thread is within autocast and it may be cast; for functions that are no single op."""
    found = _local.setting
    return _cast(x, found.low, True) if found.enabled else x


def high(x: Tensor) -> Tensor:
    """A tensor in the higher precision, likewise."""
    found = _local.setting
    return _cast(x, found.high, False) if found.enabled else x


def _cast(x: Tensor, dtype: np.dtype, low: bool) -> Tensor:
    return apply(astype, (x,), (dtype,)) if _casts((x._spec,), dtype, low) else x


@contextmanager
def off() -> Iterator[None]:
    """In this block, this thread computes in the dtypes that are there."""
    before = _local.setting
    _local.setting = before._replace(enabled=False)  # `active` stays: to put the plans where they were would cost more than to ask in vain
    try:
        yield
    finally:
        _local.setting = before


def as_given(function: Callable[P, R]) -> Callable[P, R]:
    """Decorator: the function computes in the dtypes that it is given, within autocast too, though it is made of ops that have rules."""

    @functools.wraps(function)
    def kept(*args: P.args, **kwargs: P.kwargs) -> R:
        if not active:
            return function(*args, **kwargs)
        with off():
            return function(*args, **kwargs)

    return kept
