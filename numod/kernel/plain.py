"""The flat kernel of a function of ``math`` alone, in float32: most arguments need no care for what is special, and blocks of them take a shorter way.

Which arguments these are, and what gives the same values for them, is `mathf.PLAIN`.
"""

from __future__ import annotations

import ast
import importlib
import math
from collections.abc import Callable

import numpy as np

from .. import config
from . import source

BLOCK = 1024  # values that are looked at, and then computed: they stay in the first-level cache

TEXT = """
def kernel(begin, end, args, scratch):
    words = pointer(args, int64)
    out0 = pointer(words[1], float32)
    x0 = pointer(words[2], float32)
    bits = pointer(words[2], uint32)
    while begin < end:
        stop = min(begin + BLOCK, end)
        most = uint32(0)
        for k in range(begin, stop):
            most = fold_max(most, uint32((bits[k] & MASK) - LOWEST))
        if most < COUNT:
            for k in range(begin, stop):
                out0[k] = {plain}(x0[k])
        else:
            for k in range(begin, stop):
                out0[k] = {scalar}(x0[k])
        begin = stop
"""


def build(code: Callable) -> Callable | None:
    """The kernel, with the words of `elementwise`; None if ``code`` is not such a function."""
    name = _function_of_math(code)
    if config.interpret or name is None:
        return None
    twin = importlib.import_module("numod.kernel.mathf").PLAIN.get(name)
    if twin is None:
        return None
    backend, real = source.backend(), np.dtype(np.float32)
    parts = source.merged([source.Translated(code, real, "scalar"), source.Translated(twin.function, real, "plain")])
    namespace = {name: getattr(backend, name) for name in ("inner", "pointer", "fold_max")}
    namespace |= {"int64": np.int64, "uint32": np.uint32, "float32": np.float32, "BLOCK": BLOCK, **parts.namespace}
    namespace |= {"MASK": np.uint32(twin.mask), "LOWEST": np.uint32(twin.lowest), "COUNT": np.uint32(twin.size)}
    scalar, plain = parts.names
    return source.execute(parts.render(TEXT.format(scalar=scalar, plain=plain)), namespace, code.__name__)


def _function_of_math(code: Callable) -> str | None:
    """The name of f where ``code(x)`` is ``math.f(x)``."""
    match source.parse(code).body:
        case [ast.Return(ast.Call(ast.Attribute(ast.Name("math"), name), [ast.Name()]))] if code.__globals__.get("math") is math:
            return name
    return None
