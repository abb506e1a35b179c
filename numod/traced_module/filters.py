"""What finds expressions and nodes in a graph: collections that can be filtered further."""

from __future__ import annotations

import fnmatch
import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Generic, Self, TypeVar

from ..module import Module
from .expr import CallFunction, CallMethod, Expr, stand_ins
from .node import ModuleNode, Node

T = TypeVar("T", Expr, Node)


class FoundCountError(ValueError, AssertionError):
    """Not one was found where there should be one. (MegEngine: AssertionError.)"""


class _Filter(Generic[T]):
    """Expressions or nodes, in order. They are looked for anew by each method, so a filter sees later changes of the graph."""

    def __init__(self, source: Callable[[], Iterable[T]]):
        self._source: Callable[[], Iterable[T]] = source

    def __iter__(self) -> Iterator[T]:
        return iter(list(self._source()))

    def as_list(self) -> list[T]:
        """All of them."""
        return list(self)

    def as_dict(self) -> OrderedDict[int, T]:
        """All of them by id."""
        return OrderedDict((found.id, found) for found in self)

    def as_count(self) -> int:
        """How many there are."""
        return len(self.as_list())

    def as_unique(self) -> T:
        """The only one; an error if there are more or none."""
        found = self.as_list()
        if len(found) != 1:
            raise FoundCountError(f"as_unique: {len(found)} elements found")
        return found[0]

    def _where(self, condition: Callable[[Any], bool]) -> Self:
        return type(self)(lambda: filter(condition, self._source()))


class ExprFilter(_Filter[Expr]):
    """Expressions."""

    def call_function(self, func: Callable | None = None) -> ExprFilter:
        """Calls of a function; of all functions if it is None."""
        return self._where(lambda expr: isinstance(expr, CallFunction) and func in (None, expr.func, stand_ins.get(expr.func)))

    def call_method(self, method: str | None = None) -> ExprFilter:
        """Calls of methods of this name, ``"__call__"`` for calls of modules; of all methods if it is None."""
        return self._where(lambda expr: isinstance(expr, CallMethod) and method in (None, expr.method))

    def expr_id(self, expr_id: int | Sequence[int]) -> ExprFilter:
        """Those with these ids."""
        wanted = _ids(expr_id)
        return self._where(lambda expr: expr.id in wanted)


class NodeFilter(_Filter[Node]):
    """Nodes."""

    def type(self, module_cls: type[Module]) -> NodeFilter:
        """Modules of a class; those with graphs of their own are of the class that they were made from."""
        return self._where(lambda node: isinstance(node, ModuleNode) and issubclass(node.module_type, module_cls))

    def node_id(self, node_id: int | Sequence[int]) -> NodeFilter:
        """Those with these ids."""
        wanted = _ids(node_id)
        return self._where(lambda node: node.id in wanted)

    def name(self, name: str, ignorecase: bool = True) -> NodeFilter:
        """Those whose name after that of the graph, as ``Net_block_conv_out``, fits a pattern with ``*`` and ``?``."""
        pattern = re.compile(fnmatch.translate(name), re.IGNORECASE if ignorecase else 0)
        return self._where(lambda node: pattern.match(format(node, "p")) is not None)


def _ids(wanted: int | Sequence[int]) -> set[int]:
    return {wanted} if isinstance(wanted, int) else {*wanted}
