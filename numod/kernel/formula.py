"""What the formula of a row says (see `rowwise`): the passes over the row, one for each fold, and what is given back."""

from __future__ import annotations

import ast
import dis
import functools
from collections.abc import Callable, Sequence
from typing import Any, TypeGuard


@functools.cache
def stages_of(code: Callable) -> int:
    """At most how many values of a row ``code`` computes: its variables and its folds."""
    folds = sum(i.opname.startswith("LOAD_GLOBAL") and i.argval in ("fold", "first") for i in dis.get_instructions(code))
    return folds + code.__code__.co_nlocals - code.__code__.co_argcount


class Folds(ast.NodeTransformer):
    """``fold(max, e)`` -> ``fold_max(e)``, so that the operation's name is not taken for a global."""

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id == "fold":
            operation, value = node.args
            assert isinstance(operation, ast.Name)
            return ast.Call(ast.Name(f"fold_{operation.id}", ast.Load()), [value], [])
        return node


class RowProgram:
    """The statements of a row function, each fold taken out into a pass of its own.

    stages: ("fold", name, operation, expression), ("let", name, expression) and ("check", name, expression), in order; then the ``results``.
    """

    def __init__(self, tree: ast.FunctionDef, names: Sequence[str], per_row: tuple[str, ...]):
        self.stages: list[tuple] = []
        self.elements = [name for name in names if name not in per_row]
        for statement in Folds().visit(tree).body:
            if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
                if any(stage[1] == statement.targets[0].id for stage in self.stages):
                    raise TypeError(f"{tree.name}: a row function gives each value a name of its own, got: {ast.unparse(statement)}")
                kind, value = (
                    ("check", statement.value.args[0]) if _is_check(statement.value) else ("let", self._take_folds(statement.value))
                )
                self.stages.append((kind, statement.targets[0].id, value))
            elif isinstance(statement, ast.Return) and statement.value is not None:
                results = statement.value.elts if isinstance(statement.value, ast.Tuple) else [statement.value]
                self.results = [self._take_folds(result) for result in results]
            else:
                raise TypeError(f"{tree.name}: a row function is assignments and a return, got: {ast.unparse(statement)}")

    def keep(self, exact: Sequence[bool]) -> None:
        """Where a result of each element uses what a fold before it computed of each element, that is written to the output and read again.

        ``exact``: for each result whether the output keeps values as they are. The stage gets the number of the output; in the result the name
        ``kept`` stands for the value.
        """
        for number, result in enumerate(self.results):
            for at, (kind, *stage) in enumerate(self.stages):
                if (
                    kind != "fold"
                    or stage[1] == "first"
                    or not exact[number]
                    or not any(isinstance(n, ast.Call) for n in ast.walk(stage[2]))
                ):
                    continue
                if not self.per_element(stage[2]) or not (replaced := _Replace(stage[2], "kept")).found_in(result):
                    continue
                self.results[number] = replaced.visit(result)
                self.stages[at] = (kind, *stage, number)
                break

    def passes(self) -> list[tuple[list[tuple], list[tuple]]]:
        """What is done one after the other: values of the row that need no further pass, and the folds of the next pass over it.

        Folds that do not need each other share a pass, but for ``first``, whose loop the compiler would not vectorise.
        """
        level: dict[str, int] = {}  # of a value: after how many passes it is there
        done: list[tuple[list[tuple], list[tuple]]] = [([], [])]
        for stage in self.stages:
            used = {node.id for node in ast.walk(stage[3 if stage[0] == "fold" else 2]) if isinstance(node, ast.Name)}
            at = max((level[name] for name in used if name in level), default=0)
            if stage[0] == "fold":
                while any("first" in (stage[2], other[2]) for other in done[at][1]):
                    at += 1
                done[at][1].append(stage)
                level[stage[1]] = at + 1
                if at + 1 == len(done):
                    done.append(([], []))
            else:
                done[at][0].append(stage)
                level[stage[1]] = at
        return done

    def per_element(self, result: ast.expr) -> bool:
        """Whether a result speaks of elements; otherwise it is one value of the row."""
        return any(isinstance(node, ast.Name) and node.id in (*self.elements, "index", "kept") for node in ast.walk(result))

    def _take_folds(self, expression: ast.expr) -> ast.expr:
        stages = self.stages

        class Take(ast.NodeTransformer):
            def visit_Call(self, node: ast.Call) -> ast.expr:
                self.generic_visit(node)
                if isinstance(node.func, ast.Name) and node.func.id in ("fold_add", "fold_mul", "fold_max", "fold_min", "first"):
                    name = f"fold{len(stages)}"
                    stages.append(("fold", name, node.func.id, node.args[0]))
                    return ast.Name(name, ast.Load())
                return node

        return Take().visit(expression)


class _Replace(ast.NodeTransformer):
    """An expression's occurrences by a name."""

    def __init__(self, expression: ast.expr, name: str):
        self.wanted, self.name = ast.dump(expression), name

    def found_in(self, node: ast.expr) -> bool:
        return any(ast.dump(part) == self.wanted for part in ast.walk(node))

    def visit(self, node: ast.AST) -> Any:
        return ast.Name(self.name, ast.Load()) if ast.dump(node) == self.wanted else self.generic_visit(node)


def _is_check(node: ast.expr) -> TypeGuard[ast.Call]:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id.removeprefix("global_") == "checked"
