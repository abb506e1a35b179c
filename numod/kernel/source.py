"""From a scalar Python function to source that every template can include, and to a fingerprint of it.

What an author writes is plain Python: ``0.5 * x``, ``math.exp(x)``, helper functions, constants of the module. What a kernel needs is one dtype:
numba would compute ``0.5 * x`` in float64 whatever ``x`` is, and calls to libm would keep loops from being vectorised. So
literals are wrapped in the kernel's dtype, functions of ``math`` are replaced by twins that keep it, and ``a if INTEGER else b`` is decided by it.
"""

from __future__ import annotations

import ast
import builtins
import copy
import importlib
import inspect
import itertools
import linecache
import math
import types
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import config
from ..errors import CompileError
from . import inline

_KEPT = {"abs", "min", "max", "range", "len", "int", "float", "bool", "round", "divmod"}
_PROVIDED = ("floor", "ceil", "trunc", "sqrt", "fmod")  # by `intrinsics`, for all dtypes
_LABEL = str.maketrans({".": "_", "-": "m", "+": None, "(": None, ")": None})  # 1e-05 -> 1em05
_numbers = itertools.count()


def backend() -> types.ModuleType:
    """`intrinsics`, or its plain Python twin under ``config.interpret``. Not for import at the top: it imports numba."""
    return importlib.import_module("numod.kernel.interpreted" if config.interpret else "numod.kernel.intrinsics")


def memory_type(name: str) -> type:
    """The NumPy scalar type with which a kernel reads and writes a dtype: bool is bytes, compared with 0 where they are read, floats of 16 bits are these."""
    return {"bool": np.uint8, "float16": np.uint16, "bfloat16": np.uint16}.get(name) or np.dtype(name).type


def fingerprint(function: Callable) -> str:
    """A text that is equal for functions that compute the same: bytecode, constants, and those of what they refer to."""
    return repr(_facts(function, set()))


def _facts(function: Callable, seen: set[int]) -> tuple:
    if id(function) in seen:
        return ("seen", function.__name__)
    seen.add(id(function))
    names = _names(function.__code__)
    used = [(name, _value_facts(_lookup(function, name), names, seen)) for name in names]
    return (*_code(function.__code__), tuple(used))


def _value_facts(value: Any, names: list[str], seen: set[int]) -> Any:
    """What a function may know of a value that it refers to; of a module, the attributes among its ``names``."""
    value = getattr(value, "py_func", value)  # a function that the author compiled with numba
    if isinstance(value, types.FunctionType):
        return _facts(value, seen)
    if isinstance(value, types.ModuleType):
        if id(value) in seen:
            return value.__name__
        seen.add(id(value))
        return (value.__name__, tuple((name, _value_facts(getattr(value, name), names, seen)) for name in names if hasattr(value, name)))
    if isinstance(value, tuple):
        return tuple(_value_facts(item, names, seen) for item in value)
    if isinstance(value, (bool, int, float, np.generic)):
        return repr(value)
    return getattr(value, "__qualname__", type(value).__qualname__)


def _code(code: types.CodeType) -> tuple:
    constants = tuple(_code(c) if isinstance(c, types.CodeType) else repr(c) for c in code.co_consts if not _is_doc(code, c))
    return (code.co_code.hex(), constants, code.co_names, code.co_varnames, code.co_freevars)


def _is_doc(code: types.CodeType, constant: object) -> bool:
    return isinstance(constant, str) and code.co_consts[0] is constant


def _names(code: types.CodeType) -> list[str]:
    inner = [name for c in code.co_consts if isinstance(c, types.CodeType) for name in _names(c)]
    return sorted({*code.co_names, *code.co_freevars, *inner})


def _lookup(function: Callable, name: str) -> Any:
    """What a global or closed-over name of ``function`` stands for; None if it is not bound."""
    if name in function.__code__.co_freevars:
        return (function.__closure__ or ())[function.__code__.co_freevars.index(name)].cell_contents
    return function.__globals__.get(name, getattr(builtins, name, None))


class Translated:
    """Source text of a function and its helpers for one dtype, and the objects that the text refers to."""

    def __init__(
        self,
        function: Callable,
        dtype: np.dtype | None,
        name: str,
        rewrite: ast.NodeTransformer | None = None,
        twin: Callable | None = None,
    ):
        """dtype: what literals become; None leaves them alone. rewrite: applied to the function's own body first.

        twin: ``twin(function, dtype)`` is what stands in for a function of ``math``, or None; by default the CPU's.
        """
        self.dtype, self.twin = dtype, twin or _twin
        self.names: list[str] = []
        self.namespace: dict[str, Any] = {}
        self.functions: list[ast.FunctionDef] = []
        self._done: dict[int, str] = {}
        if dtype is not None:
            self.namespace[f"to_{dtype}"] = dtype.type
        self.definition = self._include(function, name, rewrite)

    def render(self, template: str, loop: str = "") -> str:
        """The text of a kernel: ``template``, with the functions that it calls written into it, or before it as ``inner`` functions.

        loop: the variable of the loops from which what does not depend on it is moved out.
        """
        helpers = {tree.name: tree for tree in self.functions}
        module = ast.parse(template)
        module.body = [self._finish(helpers, tree) for tree in (*self.functions, *module.body) if isinstance(tree, ast.FunctionDef)]
        if loop:
            for tree in module.body:
                tree.body = inline.move_invariant(tree.body, loop)  # type: ignore[attr-defined]
        called = {
            node.func.id
            for tree in module.body
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        module.body = [tree for tree in module.body if tree.name in called or tree.name not in helpers]  # type: ignore[attr-defined]
        for tree in module.body:
            if tree.name in helpers:  # type: ignore[attr-defined]
                tree.decorator_list = [ast.Name("inner", ast.Load())]  # type: ignore[attr-defined]
        return ast.unparse(ast.fix_missing_locations(module))

    @staticmethod
    def _finish(helpers: dict[str, ast.FunctionDef], tree: ast.FunctionDef) -> ast.FunctionDef:
        body = inline.inline_calls(copy.deepcopy(tree.body), helpers)
        return ast.FunctionDef(tree.name, tree.args, body, [], lineno=0)

    def _include(self, function: Callable, name: str, rewrite: ast.NodeTransformer | None = None) -> ast.FunctionDef:
        self._done[id(function)] = name
        tree = parse(function)
        tree.name = name
        if rewrite is not None:
            tree = rewrite.visit(tree)
        local = {arg.arg for arg in tree.args.args} | {
            n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
        }
        tree = _Resolve(self, function, local).visit(tree)
        self.functions.append(tree)
        return tree

    def reference(self, name: str, value: Any) -> ast.expr:
        """The expression that stands for a global value in the generated text."""
        if isinstance(value, (bool, np.bool_)):
            return ast.Constant(bool(value))
        if isinstance(value, int):
            return ast.Constant(value)
        if isinstance(value, float):
            return self.literal(value)
        of_math = getattr(math, getattr(value, "__name__", ""), None) is value
        twin = self.twin(value, self.dtype) if of_math else None
        if twin is not None:
            value = twin
        elif of_math:
            self.namespace["math"] = math
            return ast.Attribute(ast.Name("math", ast.Load()), value.__name__, ast.Load())
        if isinstance(value, types.FunctionType):
            label = self._done.get(id(value))
            if label is None:
                label = f"{value.__name__.strip('<>')}_{len(self._done)}"
                self._include(value, label)
            return ast.Name(label, ast.Load())
        label = f"global_{getattr(value, '__name__', name)}"
        while self.namespace.get(label, value) is not value:  # another object of that name
            label += "_"
        self.namespace[label] = value
        return ast.Name(label, ast.Load())

    def literal(self, value: int | float) -> ast.expr:
        """A number in the kernel's dtype."""
        return ast.Constant(value) if self.dtype is None else self.typed(self.dtype.type(value))

    def typed(self, value: np.generic) -> ast.Name:
        """A NumPy scalar as a global of the generated text. (A call like ``float32(0.5)`` would cost numba milliseconds to resolve.)"""
        label = f"{value.dtype}_{str(value).translate(_LABEL)}"
        self.namespace[label] = value
        return ast.Name(label, ast.Load())


def merged(parts: Sequence[Translated]) -> Translated:
    """Several translated functions, and all that they need, in one; ``names`` has what each is called there."""
    one = copy.copy(parts[0])
    one.functions, one.namespace, one.names = [], {}, []
    for number, part in enumerate(parts):
        local = {name: f"s{number}_{name}" for name in (*part.namespace, *(tree.name for tree in part.functions))}
        for tree in part.functions:
            named = inline.Rename(local).visit(copy.deepcopy(tree))
            named.name = local[tree.name]
            one.functions.append(named)
        one.namespace |= {local[name]: value for name, value in part.namespace.items()}
        one.names.append(local[part.definition.name])
    return one


class _Resolve(ast.NodeTransformer):
    """Replaces global names by what they stand for, and float literals by typed ones."""

    def __init__(self, target: Translated, function: Callable, local: set[str]):
        self.target, self.function, self.local = target, function, local

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        return self.target.literal(node.value) if isinstance(node.value, float) else node

    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        """``a if INTEGER else b`` is decided here, by the dtype that the code is for."""
        if isinstance(node.test, ast.Name) and node.test.id == "INTEGER":
            return self.visit(node.body if self.target.dtype is not None and self.target.dtype.kind in "iu" else node.orelse)
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """``float32(0.5)`` is a constant, not a call."""
        kind = _lookup(self.function, node.func.id) if isinstance(node.func, ast.Name) and node.func.id not in self.local else None
        if isinstance(kind, type) and issubclass(kind, np.generic) and len(node.args) == 1:
            try:
                return self.target.typed(kind(ast.literal_eval(node.args[0])))
            except ValueError:
                pass  # not a literal
        return self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        if isinstance(node.value, ast.Name) and node.value.id not in self.local:
            owner = _lookup(self.function, node.value.id)
            if isinstance(owner, types.ModuleType):
                return self.target.reference(node.attr, getattr(owner, node.attr))
        return self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id in self.local or node.id in _KEPT or isinstance(node.ctx, ast.Store):
            return node
        value = _lookup(self.function, node.id)
        if value is None:
            return node  # a name that the template provides
        return self.target.reference(node.id, value)


def _twin(value: Callable, dtype: np.dtype | None) -> Callable | None:
    """What stands in for a function of ``math``: one that keeps the dtype, can be vectorised, and never raises."""
    name = value.__name__
    if config.interpret:
        return getattr(np, name, value)
    if dtype == np.float32:
        twin = getattr(importlib.import_module("numod.kernel.mathf"), name, None)
        if twin is not None:
            return twin
    return getattr(backend(), name) if name in _PROVIDED else None


def parse(function: Callable) -> ast.FunctionDef:
    """The definition of a function or lambda, without decorators, defaults, annotations and docstring."""
    try:
        lines, _ = inspect.findsource(function)
    except OSError as error:
        raise CompileError(f"{function.__name__}: its source cannot be read; write it in a file or a notebook cell") from error
    code, found = function.__code__, None
    for node in ast.walk(ast.parse("".join(lines))):
        if isinstance(node, ast.FunctionDef) and node.name == code.co_name:
            first, *_ = (*node.decorator_list, node)
            if first.lineno == code.co_firstlineno:
                documented = isinstance(node.body[0], ast.Expr) and isinstance(node.body[0].value, ast.Constant)
                return ast.FunctionDef("f", _plain_arguments(node.args), node.body[1:] if documented else node.body, [])
        if isinstance(node, ast.Lambda) and code.co_name == "<lambda>" and _is_of(node, code):
            found = node  # the last one is the innermost
    if found is not None:
        return ast.FunctionDef("f", _plain_arguments(found.args), [ast.Return(found.body)], [])
    raise CompileError(f"{function.__name__}: its definition was not found in its source")


def _is_of(node: ast.Lambda, code: types.CodeType) -> bool:
    """Whether this is the lambda that ``code`` was compiled from: what the code computes lies in its body."""
    body = (node.body.lineno, node.body.col_offset), (node.body.end_lineno, node.body.end_col_offset)
    places = [((line, column), (last, end)) for line, last, column, end in code.co_positions() if None not in (line, last, column, end)]
    places = [(start, end) for start, end in places if start != end]  # an empty range is of no expression
    if not places:  # Python 3.12 says nothing of a constant
        return isinstance(node.body, ast.Constant) and node.lineno == code.co_firstlineno and node.body.value in code.co_consts
    return all(body[0] <= start and end <= body[1] for start, end in places)


def _plain_arguments(arguments: ast.arguments) -> ast.arguments:
    names = [ast.arg(a.arg) for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    return ast.arguments(posonlyargs=[], args=names, kwonlyargs=[], kw_defaults=[], defaults=[])


def execute(text: str, namespace: dict[str, Any], name: str) -> Callable:
    """Define ``kernel`` from source text; the text stays readable in tracebacks and numba's messages."""
    filename = f"<numod kernel {name} {next(_numbers)}>"
    linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
    exec(compile(text, filename, "exec"), namespace)
    return namespace["kernel"]
