"""Products and sums with constants in a graph."""

from __future__ import annotations

from typing import Any

from .. import functional as F
from ..tensor import Parameter, Tensor
from .expr import CallFunction, CallMethod, Constant, Expr, constant_name, node_for
from .graph import InternalGraph
from .node import Node, TensorNode

_PRODUCTS = ("__mul__", "__rmul__", F.mul, "__truediv__", F.div)
_SUMS = ("__add__", "__radd__", F.add, "__sub__", F.sub)


def scaled_by(expr: Expr | None) -> tuple[TensorNode, Any] | None:
    """What an expression multiplies by a constant, and the constant: a number or a tensor. None if it does something else."""
    found = _with_constant(expr, _PRODUCTS)
    if found is None or _what(expr) not in ("__truediv__", F.div):
        return found
    node, constant, first = _place(expr)
    return None if not first or constant_of(constant) in (None, 0) else (node, 1 / constant)


def shifted_by(expr: Expr | None) -> tuple[TensorNode, Any] | None:
    """What an expression adds a constant to, and the constant."""
    found = _with_constant(expr, _SUMS)
    if found is None or _what(expr) not in ("__sub__", F.sub):
        return found
    node, constant, first = _place(expr)
    return (node, -constant) if first else None


def constant_of(constant: Any) -> float | None:
    """The number that a constant is, for all elements; None if it is several."""
    if not isinstance(constant, Tensor):
        return float(constant)
    return float(constant.item()) if constant.size == 1 else None


def with_constant(graph: InternalGraph, expr: Expr, product: bool, node: Node, constant: Any) -> None:
    """Let an expression be a product or a sum of a node and a constant."""
    if isinstance(constant, Tensor):
        source = Constant(graph, constant)
        name = constant_name(constant)
        value: Any = source.returns(node_for(graph, constant, name, f".[{name}]"))
        graph._exprs.insert(next(place for place, each in enumerate(graph._exprs) if each is expr), source)
    else:
        value = constant
    stem = "mul" if product else "add"
    if _what(expr) not in (f"__{stem}__", F.mul, F.add):
        expr.return_val._wanted = f"{stem}_out", "{}_{}"
    if isinstance(expr, CallFunction):
        expr.func = F.mul if product else F.add
    else:
        expr.method = f"__{stem}__"  # type: ignore[attr-defined]
    expr._take((node, value), {})


def _what(expr: Any) -> Any:
    return expr.func if isinstance(expr, CallFunction) else getattr(expr, "method", None)


def _with_constant(expr: Expr | None, kinds: tuple) -> tuple[TensorNode, Any] | None:
    """A node of floats and the constant beside it, if the result has the same dtype."""
    if not isinstance(expr, (CallMethod, CallFunction)) or _what(expr) not in kinds:
        return None
    node, constant, _ = _place(expr)
    if constant is None or node.dtype is None or node.dtype.kind != "f" or expr.return_val.dtype != node.dtype:
        return None
    return node, constant


def _place(expr: Any) -> tuple[Any, Any, bool]:
    """The node, the constant (None if there is none), and whether the node is the first."""
    first, second = expr.args
    for node, other, leads in ((first, second, True), (second, first, False)):
        if isinstance(node, TensorNode) and not isinstance(node.expr, Constant):
            constant = _value(other)
            return node, constant, leads
    return first, None, True


def _value(other: Any) -> Any:
    if type(other) in (int, float):
        return other
    made = getattr(other, "expr", None)
    if isinstance(made, Constant) and not isinstance(made.value, Parameter) and made.value.dtype.kind == "f":
        return made.value
    return None
