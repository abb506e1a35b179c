"""Arguments by signature: each call is written down with all of its arguments in one way, however it was made."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import FunctionType
from typing import Any

from ..op import Op

_KINDS = inspect.Parameter


def signature_of(function: Callable) -> inspect.Signature | None:
    """The signature without parameters whose default is a function or an op, and with those behind them by keyword; None if there is none to be found."""
    try:
        found = inspect.signature(function)
    except (TypeError, ValueError):
        return None
    kept: list[inspect.Parameter] = []
    gap = False
    for each in found.parameters.values():
        if isinstance(each.default, (FunctionType, Op)):
            gap = True
        elif gap and each.kind is _KINDS.POSITIONAL_OR_KEYWORD:
            kept.append(each.replace(kind=_KINDS.KEYWORD_ONLY))
        elif not gap or each.kind in (_KINDS.KEYWORD_ONLY, _KINDS.VAR_KEYWORD):
            kept.append(each)
    return found.replace(parameters=kept)


def normalized(signature: inspect.Signature | None, args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict[str, Any]]:
    """The same call with every default filled in, and by position whatever can be. TypeError if the arguments do not fit."""
    if signature is None:
        return args, kwargs
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError as error:
        functions = [value.__name__ for value in (*args, *kwargs.values()) if isinstance(value, FunctionType)]
        if not functions:
            raise
        raise TypeError(f"trace_module: arguments of modules cannot be functions, got {functions[0]}; keep it in an attribute") from error
    bound.apply_defaults()
    positional: list[Any] = []
    named: dict[str, Any] = {}
    for parameter in signature.parameters.values():
        value = bound.arguments[parameter.name]
        if parameter.kind is _KINDS.VAR_POSITIONAL:
            positional += value
        elif parameter.kind is _KINDS.VAR_KEYWORD:
            named |= {name: value[name] for name in sorted(value)}
        elif parameter.kind is _KINDS.KEYWORD_ONLY:
            named[parameter.name] = value
        else:
            positional.append(value)
    return tuple(positional), named


def by_name(signature: inspect.Signature, args: tuple, kwargs: dict[str, Any]) -> list[tuple[str, Any]]:
    """What each parameter gets: (name, value), those of ``*args`` and ``**kwargs`` numbered."""
    found: list[tuple[str, Any]] = []
    for name, value in signature.bind(*args, **kwargs).arguments.items():
        kind = signature.parameters[name].kind
        if kind is _KINDS.VAR_POSITIONAL:
            found += [(f"{name}_{number}", item) for number, item in enumerate(value)]
        elif kind is _KINDS.VAR_KEYWORD:
            found += [(f"{name}_{number}", value[key]) for number, key in enumerate(sorted(value))]
        else:
            found.append((name, value))
    return found
