"""Module: a tree of layers and tensors, found by looking at attributes, and what all layers share. The layers are in the files beside it."""

from __future__ import annotations

import itertools
import logging
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from reprlib import recursive_repr
from typing import Any, ClassVar

import numpy as np

from ..tensor import Parameter, Tensor

_logger = logging.getLogger(__name__)
_keys = itertools.count()
_HOOKS = frozenset({"_forward_pre_hooks", "_forward_hooks"})

StateDict = Mapping[str, np.ndarray] | Callable[[str, Tensor], "np.ndarray | None"]


class HookHandler:
    """What registering a hook returns; ``remove`` takes the hook off again, and does nothing the second time."""

    def __init__(self, hooks: dict[int, Callable], hook: Callable):
        if not callable(hook):
            raise TypeError(f"register hook: expected a callable, got {type(hook).__name__}")
        self._hooks, self._key = hooks, next(_keys)
        hooks[self._key] = hook

    def remove(self) -> None:
        """Take the hook off its module."""
        self._hooks.pop(self._key, None)


class Module(ABC):
    """Base class of all layers and networks.

    A subclass calls ``super().__init__()``, assigns modules, Parameters and Tensors to attributes, also inside (nested) lists, tuples and
    dicts, and defines `forward`. Parameters are what is learned; other Tensors are buffers, saved with the parameters but not learned.
    Every walk over the tree goes depth first through attributes in alphabetical order and meets a shared object once, under its first name.

    name: a label, None unless given.

    >>> import numod as nm, numod.functional as F, numod.module as M
    >>> class Net(M.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.hidden = M.Linear(4, 8)
    ...         self.out = M.Linear(8, 2)
    ...
    ...     def forward(self, x):
    ...         return self.out(F.relu(self.hidden(x)))
    >>> net = Net()
    >>> net
    Net(
      (hidden): Linear(in_features=4, out_features=8, bias=True)
      (out): Linear(in_features=8, out_features=2, bias=True)
    )
    >>> net(nm.Tensor([[1.0, 2.0, 3.0, 4.0]])).shape
    (1, 2)
    >>> [name for name, _ in net.named_parameters()]
    ['hidden.bias', 'hidden.weight', 'out.bias', 'out.weight']
    """

    _flat_state: ClassVar[bool] = False  # its tensors have one axis in a state dict
    _kind: ClassVar[str] = ""  # what stands before its name in the repr
    name: str | None
    training: bool
    quantize_disabled: bool

    def __init__(self, name: str | None = None):
        if name is not None and not (isinstance(name, str) and name):
            raise TypeError(f"{type(self).__name__}: name must be a non-empty string or None, got {name!r}")
        self.name = name
        self.training = True
        self.quantize_disabled = False
        self._forward_pre_hooks: dict[int, Callable] = {}
        self._forward_hooks: dict[int, Callable] = {}

    @abstractmethod
    def forward(self, *inputs, **kwargs):
        """What the module computes; called through ``module(...)``."""

    def __call__(self, *inputs, **kwargs):
        """Run `forward`, with the hooks before and after it."""
        for hook in tuple(self._forward_pre_hooks.values()):
            replaced = hook(self, inputs)
            if replaced is not None:
                inputs = replaced if isinstance(replaced, tuple) else (replaced,)
        outputs = self.forward(*inputs, **kwargs)
        for hook in tuple(self._forward_hooks.values()):
            replaced = hook(self, inputs, outputs)
            if replaced is not None:
                outputs = replaced
        return outputs

    def register_forward_pre_hook(self, hook: Callable[[Module, tuple], Any]) -> HookHandler:
        """Call ``hook(module, inputs)`` before `forward`; what it returns, unless None, replaces the positional inputs."""
        return HookHandler(self._forward_pre_hooks, hook)

    def register_forward_hook(self, hook: Callable[[Module, tuple, Any], Any]) -> HookHandler:
        """Call ``hook(module, inputs, outputs)`` after `forward`; what it returns, unless None, replaces the outputs."""
        return HookHandler(self._forward_hooks, hook)

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in _HOOKS and isinstance(value, _STRUCTURES):
            attributes = vars(self)
            if "_forward_hooks" not in attributes and any(_leaves(name, value)):
                raise AttributeError(f"{type(self).__name__}.{name}: call super().__init__() before assigning modules and tensors")
            if not isinstance(attributes.get(name), _STRUCTURES):
                attributes.pop(name, None)  # the repr lists children by when they became children
        super().__setattr__(name, value)

    # Walking the tree

    def _walk(self, prefix: str = "", recursive: bool = True, seen: set[int] | None = None) -> Iterator[tuple[str, Module | Tensor]]:
        """Every module and tensor below this one, each object once, with its dotted name."""
        seen = {id(self)} if seen is None else seen
        attributes = vars(self)
        for attribute in sorted(attributes.keys() - _HOOKS):
            for name, leaf in _leaves(attribute, attributes[attribute]):
                if id(leaf) in seen:
                    continue
                seen.add(id(leaf))
                yield prefix + name, leaf
                if recursive and isinstance(leaf, Module):
                    yield from leaf._walk(f"{prefix}{name}.", True, seen)

    def named_tensors(self, prefix: str | None = None, recursive: bool = True) -> Iterator[tuple[str, Tensor]]:
        """Parameters and buffers with their dotted names; only the module's own with ``recursive=False``."""
        return ((name, leaf) for name, leaf in self._walk(_dotted(prefix), recursive) if isinstance(leaf, Tensor))

    def named_parameters(self, prefix: str | None = None, recursive: bool = True) -> Iterator[tuple[str, Parameter]]:
        """Parameters with their dotted names."""
        return ((name, leaf) for name, leaf in self._walk(_dotted(prefix), recursive) if isinstance(leaf, Parameter))

    def named_buffers(self, prefix: str | None = None, recursive: bool = True) -> Iterator[tuple[str, Tensor]]:
        """Tensors that are not Parameters, with their dotted names."""
        return ((name, leaf) for name, leaf in self.named_tensors(prefix, recursive) if not isinstance(leaf, Parameter))

    def named_children(self, prefix: str | None = None) -> Iterator[tuple[str, Module]]:
        """Modules that are attributes of this one, or in its lists, tuples and dicts, with their names."""
        return ((name, leaf) for name, leaf in self._walk(_dotted(prefix), recursive=False) if isinstance(leaf, Module))

    def named_modules(self, prefix: str | None = None) -> Iterator[tuple[str, Module]]:
        """This module, named ``prefix`` or ``""``, and all modules below it with their dotted names."""
        yield prefix or "", self
        yield from ((name, leaf) for name, leaf in self._walk(_dotted(prefix)) if isinstance(leaf, Module))

    def tensors(self, recursive: bool = True) -> Iterator[Tensor]:
        """Parameters and buffers."""
        return (tensor for _, tensor in self.named_tensors(recursive=recursive))

    def parameters(self, recursive: bool = True) -> Iterator[Parameter]:
        """Parameters, as optimizers and `GradManager.attach` take them."""
        return (parameter for _, parameter in self.named_parameters(recursive=recursive))

    def buffers(self, recursive: bool = True) -> Iterator[Tensor]:
        """Tensors that are not Parameters."""
        return (buffer for _, buffer in self.named_buffers(recursive=recursive))

    def children(self) -> Iterator[Module]:
        """Modules directly below this one."""
        return (module for _, module in self.named_children())

    def modules(self) -> Iterator[Module]:
        """This module and all modules below it."""
        return (module for _, module in self.named_modules())

    # Doing something to the whole tree

    def apply(self, fn: Callable[[Module], Any]) -> None:
        """Call ``fn`` on this module and on all modules below it."""
        for module in self.modules():
            fn(module)

    def train(self, mode: bool = True, recursive: bool = True) -> None:
        """Switch to training mode (or, with ``mode=False``, out of it), which matters to Dropout and BatchNorm."""
        self.training = bool(mode)
        if recursive:
            for _, module in itertools.islice(self.named_modules(), 1, None):
                module.train(mode, recursive=False)

    def eval(self) -> None:
        """Switch to evaluation mode."""
        self.train(False)

    def disable_quantize(self, value: bool = True) -> None:
        """Leave this module and those below it out of quantization."""
        for module in self.modules():
            module.quantize_disabled = value

    def zero_grad(self) -> None:
        """Fill the gradients of all parameters with zeros. (`Optimizer.clear_grad` drops them, which costs less.)"""
        for parameter in self.parameters():
            if parameter.grad is not None:
                parameter.grad.reset_zero()

    def replace_param(self, params: Sequence[Parameter] | Mapping[int, Parameter], start_pos: int, seen: set[int] | None = None) -> int:
        """Put other Parameter objects, of the same shapes, in the place of those in the order of `parameters`.

        params: by position, the first of this module being ``start_pos``; positions that a dict lacks are left alone.
        seen: ids of parameters to skip. Returns how many parameters there are.
        """
        named = [(name, parameter) for name, parameter in self.named_parameters() if id(parameter) not in (seen or ())]
        given = params if isinstance(params, Mapping) else dict(enumerate(params))
        for position, (name, parameter) in enumerate(named, start_pos):
            if position in given and given[position].shape != parameter.shape:
                raise ValueError(f"replace_param: parameter {name!r} has shape {parameter.shape}, got {given[position].shape}")
        for position, (name, _) in enumerate(named, start_pos):
            if position in given:
                _put(self, name.split("."), given[position])
        return len(named)

    # State

    def _named_state(self, prefix: str = "", parents: tuple[Module, ...] = ()) -> Iterator[tuple[str, Tensor, bool]]:
        """Name, tensor and ``_flat_state`` in the order of a state dict: a module's own tensors, then its children's, shared ones in each."""
        leaves = list(self._walk(recursive=False))
        yield from ((prefix + name, leaf, self._flat_state) for name, leaf in leaves if isinstance(leaf, Tensor))
        for name, leaf in leaves:
            if isinstance(leaf, Module) and not any(leaf is parent for parent in parents):
                yield from leaf._named_state(f"{prefix}{name}.", (*parents, self))

    def state_dict(self, rst: MutableMapping[str, Any] | None = None, prefix: str = "", keep_var: bool = False) -> MutableMapping[str, Any]:
        """All parameters and buffers by name, as read-only NumPy arrays that later training does not change.

        Those of batch and layer normalization are saved with one axis, whatever their shape.

        rst: a mapping to add them to. prefix: put before each name as it is. keep_var: the Tensors themselves instead of arrays.
        """
        state = OrderedDict() if rst is None else rst
        for name, tensor, flat in self._named_state(prefix):
            array = tensor.numpy()
            state[name] = tensor if keep_var else array.reshape(-1) if flat else array
        return state

    def load_state_dict(self, state_dict: StateDict, strict: bool = True) -> None:
        """Give parameters and buffers the values of a `state_dict`, cast to their dtypes. Nothing is changed if anything does not fit.

        state_dict: a dict, or a function called as ``function(name, tensor)`` that returns an array, or None for "missing".
        strict: missing and unused names are a KeyError; if False they are logged and skipped. A wrong shape is always a ValueError.
        """
        load_into(self._named_state(), state_dict, strict, type(self).__name__)

    # Text

    def _module_info_string(self) -> str:
        """What stands between the parentheses of the repr; layers override it."""
        return ""

    @recursive_repr()
    def __repr__(self) -> str:
        info = self._module_info_string()
        leaves = itertools.chain.from_iterable(itertools.starmap(_leaves, vars(self).items()))
        children = [f"({name}): {leaf!r}" for name, leaf in leaves if isinstance(leaf, Module)]
        title = self._kind + type(self).__name__
        if not children and "\n" not in info:
            return f"{title}({info})"
        body = "\n".join([info, *children] if info else children).replace("\n", "\n  ")
        return f"{title}(\n  {body}\n)"


_STRUCTURES = (Module, Tensor, list, tuple, dict)


def _leaves(name: str, value: Any) -> Iterator[tuple[str, Module | Tensor]]:
    """The modules and tensors that an attribute holds, in (nested) lists, tuples and dicts too, with their dotted names."""
    if isinstance(value, (Module, Tensor)):
        yield name, value
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            yield from _leaves(f"{name}.{index}", item)
    elif isinstance(value, dict) and name not in _HOOKS:
        for key, item in sorted(value.items(), key=lambda pair: str(pair[0])):
            for path, leaf in _leaves(f"{name}.{key}", item):
                if not isinstance(key, str):
                    raise TypeError(f"Module: keys of dicts that hold modules and tensors must be strings, got {key!r} in {name!r}")
                yield path, leaf


def _dotted(prefix: str | None) -> str:
    return f"{prefix}." if prefix else ""


def load_into(named: Iterable[tuple[str, Tensor, bool]], state_dict: StateDict, strict: bool, of: str) -> None:
    """What `Module.load_state_dict` does with the tensors of a state: name, tensor, and whether an array with one axis is taken whatever the shape."""
    tensors = {name: (tensor, flat) for name, tensor, flat in named}
    if isinstance(state_dict, Mapping):
        arrays = {name: _as_array(state_dict.get(name)) for name in tensors}
        unused = [name for name in state_dict if name not in tensors]
    elif callable(state_dict):
        arrays = {name: _as_array(state_dict(name, tensor)) for name, (tensor, _) in tensors.items()}
        unused = []
    else:
        raise ValueError(f"load_state_dict: expected a dict or a function (name, tensor) -> array, got {type(state_dict).__name__}")
    missing = [name for name, array in arrays.items() if array is None]
    unfit = [misfit for name, (tensor, flat) in tensors.items() if (misfit := _misfit(name, tensor, flat, arrays[name]))]
    where = f"{of}.load_state_dict"
    report = ", ".join(f"{what}={_braced(names)}" for what, names in (("missing", missing), ("unused", unused)) if names)
    if unfit:
        raise ValueError(f"{where}: {'; '.join([*unfit, report] if report else unfit)}")
    if report and strict:
        raise KeyError(f"{where}: {report}; strict=True takes exactly the names of state_dict()")
    if report:
        _logger.warning("%s: %s", where, report)
    for name, (tensor, _) in tensors.items():
        array = arrays[name]
        if array is not None:
            tensor._reset(Tensor(array.reshape(tensor.shape), dtype=tensor.dtype, device=tensor.device))


def _as_array(value: Any) -> np.ndarray | None:
    if value is None:
        return None
    return value.numpy() if isinstance(value, Tensor) else np.asarray(value)


def _misfit(name: str, tensor: Tensor, flat: bool, array: np.ndarray | None) -> str | None:
    """Why an array cannot become the value of a tensor, or None if it can."""
    if array is None:
        return None
    if array.shape != tensor.shape and not (flat and array.shape == (tensor.size,)):
        return f"{name!r} has shape {tensor.shape}, got {array.shape}"
    if not np.can_cast(array.dtype, tensor.dtype, "same_kind"):
        return f"{name!r} has dtype {tensor.dtype}, got {array.dtype}"
    return None


def _braced(names: Sequence[str]) -> str:
    return "{" + ", ".join(map(repr, names)) + "}"


def _put(owner: Any, path: list[str], value: Parameter) -> None:
    """Replace what a dotted name of `named_parameters` refers to, through modules, lists and dicts."""
    *outer, last = path
    for part in outer:
        owner = owner[int(part)] if isinstance(owner, (list, tuple)) else owner[part] if isinstance(owner, dict) else getattr(owner, part)
    if isinstance(owner, list):
        owner[int(last)] = value
    elif isinstance(owner, dict):
        owner[last] = value
    else:
        setattr(owner, last, value)
