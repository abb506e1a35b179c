"""The functions, methods and classes of modules that a graph may call, and the names that they have in it and in files."""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable
from typing import Any

from .. import functional, random
from ..functional import loss, metric, nn, vision
from ..module import Module, Sequential
from ..tensor import Tensor

_METHODS = "astype flatten max mean min prod reshape sum transpose var set_value reset_zero to detach".split()
IN_PLACE = frozenset({"__setitem__", "set_value", "reset_zero"})  # they return None, and the tensor is another value after them
_BINARY = "add sub mul truediv floordiv mod pow matmul lshift rshift and or xor".split()
_NUMBERS = "add sub mul truediv floordiv mod pow".split()
_RANDOM = "beta gamma normal permutation poisson shuffle uniform".split()

# The files that MegEngine has a function in, by which graphs name it, where numod has it in another one.
_HOMES = {
    **dict.fromkeys("pooling norm conv deformable dropout attention".split(), "nn"),
    **dict.fromkeys("reduction sorting linalg".split(), "math"),
    **dict.fromkeys("create complex gathering".split(), "tensor"),
    **dict.fromkeys("warping color".split(), "vision"),
}
_OTHER_HOMES = {
    **dict.fromkeys("gelu hsigmoid hswish leaky_relu logsigmoid prelu relu relu6 sigmoid silu softplus".split(), "nn"),
    **dict.fromkeys("softmax logsoftmax logsumexp embedding one_hot indexing_one_hot pad".split(), "nn"),
    **dict.fromkeys("isinf isnan sign".split(), "math"),
    "where": "tensor",
}


def _public_functions() -> dict[str, Callable]:
    """numod's own, by their names in files."""
    found = {f"functional.{name}": vars(functional)[name] for name in functional.__all__}
    for module in (loss, metric, nn, vision):
        short = f"functional.{module.__name__.rpartition('.')[2]}"
        found |= {f"{short}.{name}": value for name, value in vars(module).items() if not name.startswith("_")}
    found |= {f"random.{name}": vars(random)[name] for name in _RANDOM}
    return {
        name: value
        for name, value in found.items()
        if inspect.isfunction(value) and value.__module__.startswith(("numod.functional", "numod.random"))
    }


FUNCTIONS: dict[str, Callable] = {**_public_functions(), "Tensor": Tensor}
_names: dict[Any, str] = {function: name for name, function in reversed(FUNCTIONS.items())}
MODULES: dict[str, type[Module]] = {}  # that were registered
METHODS = frozenset(
    _METHODS
    + [f"__{kind}{name}__" for name in _BINARY for kind in ("", "r", "i")]
    + [f"__{name}__" for name in "eq ne lt le gt ge neg pos abs invert round floor ceil getitem setitem".split()]
).intersection(vars(Tensor))


def number_operator(name: str) -> Callable | None:
    """What an operator of numbers does, by the name of its method: ``__rsub__`` is ``lambda number, other: other - number``."""
    stem = name.strip("_")
    if stem in _NUMBERS:
        return vars(operator)[stem]
    if stem.startswith("r") and stem[1:] in _NUMBERS:
        function = vars(operator)[stem[1:]]
        return lambda number, other: function(other, number)
    others: dict[str, Callable] = {"neg": operator.neg, "getitem": operator.getitem}
    return others.get(stem)


NUMBER_OPERATORS = [f"__{kind}{name}__" for name in _NUMBERS for kind in ("", "r")] + ["__neg__"]


def wrap(func: Callable) -> Callable:
    """Let a function be one call in graphs of modules that are traced later, instead of the calls that it makes; returns the function.

    It is found where it is a global name of a module, so decorate functions that are. A graph with such a call can be saved; whoever loads it must have
    wrapped the function before.

    >>> import numod as nm, numod.module as M, numod.traced_module as tm
    >>> @tm.wrap
    ... def shift(x, by=1):
    ...     return x + by
    >>> shift(nm.Tensor([1.0])).tolist()
    [2.0]
    """
    if not inspect.isfunction(func):
        raise TypeError(f"wrap: expected a function, got {type(func).__name__}: {func!r}")
    name = f"{func.__module__}.{func.__qualname__}"
    FUNCTIONS[name] = func
    _names[func] = name
    return func


def register_as_builtin(mod_cls: type[Module]) -> None:
    """Let calls of modules of this class be one call in graphs of modules that are traced later, as those of the layers of `numod.module` are.

    A graph with such a module can be saved; whoever loads it must have registered the class before.
    """
    if not (isinstance(mod_cls, type) and issubclass(mod_cls, Module)):
        raise TypeError(f"register_as_builtin: expected a class of modules, got {mod_cls!r}")
    MODULES[f"{mod_cls.__module__}.{mod_cls.__qualname__}"] = mod_cls


def is_builtin(kind: type[Module]) -> bool:
    """Whether modules of this very class are one call in graphs."""
    return kind is not Sequential and (class_name(kind) in MODULES or kind.__module__.startswith(("numod.module.", "numod.quantization.")))


def class_name(kind: type) -> str:
    """The name of a class in files."""
    return f"{kind.__module__}.{kind.__qualname__}"


def function_name(function: Any) -> str | None:
    """The name of a function in files; None if it is not known."""
    return _names.get(function)


def shown_name(function: Any) -> str:
    """The name of a function in a printed graph."""
    home, _, file = function.__module__.rpartition(".")
    if home in ("numod.functional", "numod.random", "numod"):
        return f"{_OTHER_HOMES.get(function.__name__, _HOMES.get(file, file))}.{function.__name__}"
    return f"{function.__module__}.{function.__name__}"
