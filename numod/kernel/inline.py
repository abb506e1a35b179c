"""Puts the bodies of small helper functions where they are called, before numba sees them.

Each separately compiled function costs numba some 50 ms, and a call that LLVM does not inline keeps a loop from being vectorised. Functions that are
straight-line code (assignments and one final return) are inlined; others stay calls.
"""

from __future__ import annotations

import ast
import copy
import itertools


def is_straight(tree: ast.FunctionDef) -> bool:
    """Whether a function is assignments to plain names followed by one return of a value."""
    *body, last = tree.body
    plain = all(isinstance(s, ast.Assign) and len(s.targets) == 1 and isinstance(s.targets[0], (ast.Name, ast.Tuple)) for s in body)
    return plain and isinstance(last, ast.Return) and last.value is not None


def inline_calls(statements: list[ast.stmt], helpers: dict[str, ast.FunctionDef], counter: itertools.count | None = None) -> list[ast.stmt]:
    """``statements`` with every call of a straight-line helper replaced by the helper's body."""
    counter = counter or itertools.count()
    result: list[ast.stmt] = []
    for statement in statements:
        for field in ("body", "orelse"):
            inner = getattr(statement, field, None)
            if isinstance(inner, list):
                setattr(statement, field, inline_calls(inner, helpers, counter))
        if isinstance(statement, (ast.Assign, ast.AugAssign, ast.Return, ast.Expr, ast.If)):
            hoist = _Hoist(helpers, counter)
            # The test of an `if` is evaluated once, where it stands; the tests of loops are not, and are left alone.
            field = "test" if isinstance(statement, ast.If) else "value"
            if getattr(statement, field) is not None:
                setattr(statement, field, hoist.visit(getattr(statement, field)))
            result += hoist.before
        result.append(statement)
    return result


class _Hoist(ast.NodeTransformer):
    """Collects, in ``before``, the statements that compute the helper calls in an expression.

    Code out of a conditional expression is then computed always. Scalar code has no side effects, so that only costs time,
    and it is what a vector unit does anyway.
    """

    def __init__(self, helpers: dict[str, ast.FunctionDef], counter: itertools.count):
        self.helpers, self.counter = helpers, counter
        self.before: list[ast.stmt] = []

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        helper = self.helpers.get(node.func.id) if isinstance(node.func, ast.Name) else None
        if helper is None or not is_straight(helper):
            return node
        names: dict[str, str] = {}
        prefix = f"i{next(self.counter)}_"
        for parameter, value in zip(helper.args.args, node.args, strict=True):
            names[parameter.arg] = prefix + parameter.arg
            self.before.append(assign(names[parameter.arg], value))
        for statement in helper.body:
            for child in ast.walk(statement):
                if isinstance(child, ast.Name) and isinstance(child.ctx, ast.Store):
                    names.setdefault(child.id, prefix + child.id)
        renamed = [Rename(names).visit(copy.deepcopy(statement)) for statement in helper.body]
        self.before += inline_calls(renamed[:-1], self.helpers, self.counter)
        return self.visit(renamed[-1].value)


class Rename(ast.NodeTransformer):
    """Other names for variables."""

    def __init__(self, names: dict[str, str]):
        self.names = names

    def visit_Name(self, node: ast.Name) -> ast.Name:
        return ast.Name(self.names.get(node.id, node.id), node.ctx)


def assign(name: str, value: ast.expr) -> ast.Assign:
    """The statement ``name = value``."""
    return ast.Assign([ast.Name(name, ast.Store())], value, lineno=0)


def move_invariant(statements: list[ast.stmt], variable: str) -> list[ast.stmt]:
    """``statements`` with what does not change in loops over ``variable`` computed before them; for loops that run at least once.

    LLVM cannot do it where the loop writes to memory, which might be what the invariant reads. A kernel's output is not one of its inputs.
    """
    result: list[ast.stmt] = []
    for statement in statements:
        for field in ("body", "orelse"):
            inner = getattr(statement, field, None)
            if isinstance(inner, list):
                setattr(statement, field, move_invariant(inner, variable))
        if isinstance(statement, ast.For) and isinstance(statement.target, ast.Name) and statement.target.id == variable:
            varying = _varying(statement.body, variable)
            invariant = [s for s in statement.body if _is_plain(s) and not _names(s) & varying]
            result += invariant
            statement.body = [s for s in statement.body if s not in invariant]
        result.append(statement)
    return result


def _varying(statements: list[ast.stmt], variable: str) -> set[str]:
    """The names whose values depend on ``variable``, or that are not set by plain assignments alone."""
    varying = {variable}
    while True:
        before = len(varying)
        for statement in statements:
            if not _is_plain(statement) or _names(statement) & varying:
                varying |= {n.id for n in ast.walk(statement) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        if len(varying) == before:
            return varying


def _is_plain(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Assign) and all(isinstance(target, ast.Name) for target in statement.targets)


def _names(tree: ast.AST) -> set[str]:
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
