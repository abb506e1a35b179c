"""The Python objects that a function can reach, as they were: to see when another program is needed, and what a call left behind in them."""

from __future__ import annotations

import functools
import inspect
import itertools
import operator
import re
import sys
import types
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from ..amp import GradScaler, autocast
from ..autodiff import GradManager
from ..kernel.runtime import unchanged
from ..module import Module
from ..optimizer import LRScheduler, Optimizer
from ..qparams import QParams
from ..random import RNG
from ..tensor import Tensor

_PLAIN = (bool, int, float, complex, str, bytes, type(None))
_CONTENTS = operator.attrgetter("cell_contents")
_LEFT_ALONE = (LRScheduler, RNG, type, types.ModuleType)


class _Part(NamedTuple):
    """One container: what is in it now, as ``read()`` gives it, and what was in it."""

    label: str
    owner: Any
    names: Callable[[], Iterable]
    read: Callable[[], Iterable]
    values: list


class State:
    """What was in all containers that can be reached from ``roots`` (name -> object).

    tensors: the tensors among it, and ``names`` what they are called, by their ids; those in modules as `Module.named_tensors` calls them.
    rates: name and settings of the groups of parameters whose learning rate is a float.
    scalers: the GradScalers among it: label, object, and what it keeps of the steps, which may differ from call to call.
    """

    def __init__(self, roots: dict[str, Any]):
        self.tensors: dict[int, Tensor] = {}
        self.names: dict[int, str] = {}
        self.rates: list[tuple[str, dict[str, Any]]] = []
        self.scalers: list[tuple[str, GradScaler, dict[str, Any]]] = []
        self._inside: set[int] = set()  # ids of modules, and of the tensors in them
        self._parts: list[_Part] = []
        self._dicts: list[dict] = []  # containers that `unchanged` can look at: all that is in them,
        self._lists: list[list] = []
        self._picked: list[tuple[Any, Any]] = []  # or what a dict has under a key, or a cell, which has none
        self._others: list[_Part] = []
        self._seen: dict[int, Any] = {}
        waiting = list(roots.items())
        later: list[tuple[str, Any]] = []  # optimizers: their parameters have better names elsewhere
        while waiting or later:
            label, found = waiting.pop() if waiting else later.pop()
            if isinstance(found, _PLAIN) or id(found) in self._seen:
                continue
            if isinstance(found, Optimizer) and waiting:
                later.append((label, found))
                continue
            self._seen[id(found)] = found
            waiting += self._look(label, found)
        self._natively = tuple(self._dicts), tuple(self._lists), tuple(itertools.chain.from_iterable(self._picked))
        self._remember()

    def _look(self, label: str, found: Any) -> list[tuple[str, Any]]:
        """Remember one object; what it leads to."""
        if isinstance(found, Tensor):
            self.tensors[id(found)] = found
            self.names.setdefault(id(found), label)
            return [(f"{label}.qparams", found.__dict__.get("_qparams"))]
        if isinstance(found, QParams):
            fields = found.fields
            self._other(label, found, lambda: fields, lambda: [getattr(found, name) for name in fields])
            return [(f"{label}.{name}", getattr(found, name)) for name in fields]
        if isinstance(found, GradManager):
            self._other(label, found, lambda: ["attached tensors"], lambda: (len(found._attached),))
        elif isinstance(found, autocast):
            self._other(label, found, lambda: ["enabled"], lambda: (found.enabled,))
        elif isinstance(found, GradScaler):
            self._other(label, found, lambda: ["scale_factor", "growth_interval"], lambda: (found.scale_factor, found.growth_interval))
            self.scalers.append((label, found, dict(vars(found))))
        elif isinstance(found, Optimizer):
            self._optimizer(label, found)
            return [(f"{label}.param_groups", found.param_groups), (f"{label}._state", found._state)]
        elif isinstance(found, _LEFT_ALONE):
            pass
        elif isinstance(found, dict):
            if not any(found is group for _, group in self.rates):
                self._dict(label, found, found)
            return [(f"{label}[{self._shown(key)}]", value) for key, value in found.items()]
        elif isinstance(found, (list, tuple, set, frozenset)):
            if isinstance(found, list):
                self._lists.append(found)
                self._add(label, found, lambda: range(len(found)), lambda: found)
            elif isinstance(found, set):
                self._other(label, found, lambda: range(len(found)), lambda: found)
            return [(f"{label}[{index}]", value) for index, value in enumerate(found)]
        elif isinstance(found, types.FunctionType):
            return self._function(label, found)
        elif isinstance(found, types.MethodType):
            return [(label, found.__func__), ("self", found.__self__)]
        elif isinstance(found, functools.partial):
            return [(label, found.func), (label, found.args), (label, found.keywords)]
        elif isinstance(found, Module) or (hasattr(found, "__dict__") and _is_users(type(found))):
            inside = vars(found)
            self._dict(label, found, inside)
            if isinstance(found, Module):
                self._module(label, found)
            forward = type(found).forward if isinstance(found, Module) and _is_users(type(found)) else None
            return [(label, forward), *((f"{label}.{key}", value) for key, value in inside.items())]
        return []

    def _shown(self, key: Any) -> str:
        return self.names.get(id(key), "a tensor") if isinstance(key, Tensor) else repr(key)

    def _module(self, label: str, module: Module) -> None:
        """Name its tensors, if it is in no module that was met before."""
        if id(module) not in self._inside:
            named = [(name, tensor) for name, tensor in module.named_tensors() if id(tensor) not in self._inside]
            self.names.update((id(tensor), f"{label}.{name}") for name, tensor in named)
            self._inside.update(map(id, module.modules()), (id(tensor) for _, tensor in named))

    def _optimizer(self, label: str, optimizer: Optimizer) -> None:
        """Name what it keeps, and remember its settings but for learning rates, which are read anew in each call."""
        for number, (param, tensors) in enumerate(optimizer._state.items()):
            for name, tensor in tensors.items():
                self.names.setdefault(id(tensor), f"{label}.{self.names.get(id(param), number)}.{name}")
        groups = optimizer.param_groups
        for number, group in enumerate(groups):
            if type(group.get("lr")) is float:
                self.rates.append((f"{label}[{number}]" if len(groups) > 1 else label, group))
                self._pick(f"{label}.param_groups[{number}]", group, group, [name for name in group if name != "lr"])

    def _function(self, label: str, function: types.FunctionType) -> list[tuple[str, Any]]:
        """What the code of a function names: variables around it, and globals."""
        cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
        filled = {name: cell for name, cell in cells.items() if _contents(cell) is not cell}
        names = [name for name in _names(function.__code__) if name in function.__globals__]
        around = function.__globals__
        if filled:
            self._picked += [(cell, None) for cell in filled.values()]
            self._add(label, function, lambda: list(filled), lambda: map(_CONTENTS, filled.values()))
        if names:
            self._pick(label, function, around, names)
        followed = {name: around[name] for name in names if not isinstance(around[name], types.FunctionType) or _is_users(around[name])}
        return [*((name, cell.cell_contents) for name, cell in filled.items()), *followed.items()]

    def _add(self, label: str, owner: Any, names: Callable[[], Iterable], read: Callable[[], Iterable]) -> _Part:
        self._parts.append(_Part(label, owner, names, read, list(read())))
        return self._parts[-1]

    def _dict(self, label: str, owner: Any, inside: dict) -> None:
        self._dicts.append(inside)
        self._add(label, owner, inside.keys, inside.values)

    def _pick(self, label: str, owner: Any, inside: dict, keys: list) -> None:
        self._picked += [(inside, key) for key in keys]
        self._add(label, owner, lambda: keys, lambda: [inside[key] for key in keys])

    def _other(self, label: str, owner: Any, names: Callable[[], Iterable], read: Callable[[], Iterable]) -> None:
        self._others.append(self._add(label, owner, names, read))

    def _remember(self) -> None:
        """Keep what is there now, in the order of `unchanged`."""
        chain = itertools.chain.from_iterable
        picked = [_CONTENTS(where) if key is None else where[key] for where, key in self._picked]
        self._values = (*chain(each.values() for each in self._dicts), *chain(self._lists), *picked)

    def difference(self) -> tuple[str, Any] | None:
        """What is not as it was: a name for it, and whose it is. None if all is."""
        if unchanged(self._values, *self._natively) and all(map(_is_same, self._others)):
            return None
        for part in self._parts:
            try:
                now = list(part.read())
            except (KeyError, ValueError):
                return f"{part.label}, of which a part is gone", part.owner
            if len(now) != len(part.values):
                return f"{part.label}, of which there are now {len(now)} entries after {len(part.values)}", part.owner
            for name, before, after in zip(part.names(), part.values, now, strict=True):
                if not _same(before, after):
                    return _named(part, name), part.owner
            part.values[:] = now
        self._remember()  # equal values in other objects
        return None

    def updated(self) -> tuple[str, Any] | None:
        """What counts steps and has counted since: a name for it, and whose it is."""
        found = [(label, scaler) for label, scaler, before in self.scalers if vars(scaler) != before]
        return found[0] if found else None


def _is_same(part: _Part) -> bool:
    """Whether there are the same objects in it."""
    now = [*part.read()]
    return len(now) == len(part.values) and all(map(operator.is_, now, part.values))


def _same(before: Any, after: Any) -> bool:
    return before is after or (
        type(before) is type(after) and isinstance(before, _PLAIN) and (before == after or repr(before) == repr(after))
    )


def _named(part: _Part, name: Any) -> str:
    if isinstance(part.owner, types.FunctionType):
        return str(name)
    return f"{part.label}[{name!r}]" if isinstance(part.owner, (dict, list)) else f"{part.label}.{name}"


def _contents(cell: types.CellType) -> Any:
    """What is in a cell; the cell itself if it is empty."""
    try:
        return cell.cell_contents
    except ValueError:
        return cell


def _names(code: types.CodeType) -> list[str]:
    inner = [name for constant in code.co_consts if isinstance(constant, types.CodeType) for name in _names(constant)]
    return list(dict.fromkeys([*code.co_names, *inner]))


def _is_users(thing: Any) -> bool:
    """Whether a class or function is of the user's own program: not of this library, not installed, not of Python."""
    module = getattr(thing, "__module__", None) or ""
    top = module.partition(".")[0]
    if top in ("numod", "builtins") or top in sys.stdlib_module_names:
        return top == "__main__"
    file = getattr(sys.modules.get(module), "__file__", None) or ""
    return "site-packages" not in file


def line_of_change(name: str, owner: Any, function: Callable) -> str:
    """The line of the user's program that changes an attribute, found in the source; "" if it is not."""
    attribute = re.split(r"[.\[\]']+", name.partition(",")[0].rstrip("']"))[-1]
    pattern = re.compile(
        rf"\b{re.escape(attribute)}\b(\[[^\]]*\])?\s*([-+*/%|&^]|//|\*\*)?=[^=]|\b{re.escape(attribute)}\.(append|add|update|pop|extend|insert)\b"
    )
    methods: list[Any] = [each for each in vars(type(owner)).values() if inspect.isfunction(each) and each.__name__ != "__init__"]
    for each in (function, *methods):
        try:
            lines, first = inspect.getsourcelines(each)
        except (OSError, TypeError):
            continue
        for number, line in enumerate(lines):
            if pattern.search(line):
                return f"{inspect.getsourcefile(each)}:{first + number}"
    return ""
