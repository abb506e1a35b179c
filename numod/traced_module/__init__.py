"""Modules as graphs that can be looked at, changed, saved and run: what MegEngine's `traced_module` has."""

from . import tracing as _tracing
from .checking import disable_default_checker, enable_expr_checker
from .known import register_as_builtin, wrap
from .module import TracedModule
from .optimizing import optimize
from .tree import register_supported_type

trace_module = _tracing.trace_module

__all__ = [
    "TracedModule",
    "disable_default_checker",
    "enable_expr_checker",
    "optimize",
    "register_as_builtin",
    "register_supported_type",
    "trace_module",
    "wrap",
]
