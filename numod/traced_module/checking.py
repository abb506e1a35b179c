"""Checks that a graph does what the module did."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..module import Module
from ..random import rng
from ..tensor import Tensor
from .expr import Expr
from .known import IN_PLACE
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


@contextmanager
def _as_before(tensors: list[Tensor], before: list[tuple]) -> Iterator[None]:
    """Let tensors be what they were, for a time."""
    after = [_state(tensor) for tensor in tensors]
    _set(tensors, before)
    try:
        yield
    finally:
        _set(tensors, after)


def _state(tensor: Tensor) -> tuple:
    return tensor._buffer, tensor._spec, tensor._node, tensor._index


def _set(tensors: list[Tensor], states: list[tuple]) -> None:
    for tensor, (tensor._buffer, tensor._spec, tensor._node, tensor._index) in zip(tensors, states, strict=True):
        pass


class Before:
    """What a call may depend on beside its arguments: the tensors of a module, and the stream of random numbers."""

    def __init__(self, module: Module):
        self._tensors = list(module.tensors())
        self._states = [_state(tensor) for tensor in self._tensors]
        self._stream = _stream()

    def check(self, call: Any, args: tuple, kwargs: dict[str, Any], result: Any) -> None:
        """Raise CheckError unless a call gives this result again."""
        if not _result:
            return
        after = _stream()
        with _as_before(self._tensors, self._states):
            _set_stream(self._stream)
            try:
                again = call(*args, **kwargs)
            finally:
                _set_stream(after)
        if not _same(result, again):
            raise CheckError(
                "trace_module: the graph gives something else than the module did with the same arguments, tensors and random numbers, so forward depends on "
                "something else; disable_default_checker() leaves this check out"
            )


def _stream() -> tuple[int, int, int]:
    source = rng.default()
    return source._key, source._salt, source._position


def _set_stream(state: tuple[int, int, int]) -> None:
    source = rng.default()
    source._key, source._salt, source._position = state


def check_expr(expr: Expr, args: tuple, kwargs: dict[str, Any], result: Any) -> None:
    """Raise CheckError unless an expression gives this result again; calls that draw numbers or change tensors are left out."""
    changes = expr.kept or getattr(expr, "method", "") in IN_PLACE or any(isinstance(value, Module) and value.training for value in args)
    before = _stream()
    if changes:
        return
    again = expr.interpret(args, kwargs)
    if _stream() != before:
        return
    if not _same(result, again):
        raise CheckError(f"trace_module: {expr} does not give the same twice")


def _same(result: Any, again: Any) -> bool:
    for one, other in pairs(result, again):
        if isinstance(one, Tensor) and not (one.dtype == other.dtype and np.array_equal(one.numpy(), other.numpy(), equal_nan=one.dtype.kind in "fc")):
            return False
        if not isinstance(one, Tensor) and one != other:
            return False
    return True
