"""Checks that a graph does what the module did."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..module import Module
from ..random import rng
from ..tensor import Tensor
from .tree import pairs

each_expr = False
_result = True


class CheckError(RuntimeError, AssertionError):
    """A graph gives something else than the module. (MegEngine: AssertionError.)"""


def enable_expr_checker() -> None:
    """Do each call twice while a module is traced, from now on, and raise an error at the first one that does not give the same both times."""
    global each_expr
    each_expr = True


def disable_default_checker() -> None:
    """Do not compare what a new graph returns with what the module returned, from now on.

    `trace_module` compares them with the same random numbers. They differ if what `forward` does depends on more than its arguments, the tensors of the module
    and random numbers, such as a counter.
    """
    global _result
    _result = False


def _state(tensor: Tensor) -> tuple:
    return tensor._buffer, tensor._spec, tensor._node, tensor._index


def _set(tensors: list[Tensor], states: list[tuple], stream: tuple[int, int, int]) -> None:
    for tensor, state in zip(tensors, states, strict=True):
        tensor._buffer, tensor._spec, tensor._node, tensor._index = state
    source = rng.default()
    source._key, source._salt, source._position = stream


class Before:
    """What a call may depend on beside its arguments, as it is before it: the tensors of a module, and the stream of random numbers."""

    def __init__(self, module: Module):
        self._tensors = list(module.tensors())
        self._states = [_state(tensor) for tensor in self._tensors]
        self._stream = _stream()

    def same_again(self, call: Any, args: tuple, kwargs: dict[str, Any], result: Any) -> bool:
        """Whether a call gives this result with everything as it was before. It is as it is now afterwards."""
        after, stream = [_state(tensor) for tensor in self._tensors], _stream()
        _set(self._tensors, self._states, self._stream)
        try:
            return _same(result, call(*args, **kwargs))
        finally:
            _set(self._tensors, after, stream)


def check_result(before: Before, call: Any, args: tuple, kwargs: dict[str, Any], result: Any) -> None:
    """Raise CheckError unless a graph gives what the module gave."""
    if _result and not before.same_again(call, args, kwargs, result):
        raise CheckError(
            "trace_module: the graph gives something else than the module did with the same arguments, tensors and random numbers, so forward "
            "depends on something else; disable_default_checker() leaves this check out"
        )


def _stream() -> tuple[int, int, int]:
    source = rng.default()
    return source._key, source._salt, source._position


def _same(result: Any, again: Any) -> bool:
    for one, other in pairs(result, again):
        if isinstance(one, Tensor) and not (
            one.dtype == other.dtype and np.array_equal(one.numpy(), other.numpy(), equal_nan=one.dtype.kind in "fc")
        ):
            return False
        if not isinstance(one, Tensor) and one != other:
            return False
    return True
