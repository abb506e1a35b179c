"""Optimizer: groups of parameters, their state, and how it is saved. What a step does to a parameter is in the files beside this one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, Self

import numpy as np

from ..distributed.helper import bcast_list_
from ..errors import check
from ..tensor import Parameter, Tensor


class Optimizer(ABC):
    """Base class of all optimizers.

    A subclass defines `_create_state`, which makes the tensors that it keeps for each parameter, and `_updates`, which does one step.

    params: a Parameter, an iterable of them, or one or several dicts with ``"params"`` and settings that differ from ``defaults``.
    defaults: the settings of groups that do not say otherwise. They may be changed at any time in ``optimizer.param_groups``.

    >>> import numod as nm, numod.optimizer as optim
    >>> class Descent(optim.Optimizer):
    ...     def _create_state(self, param_group):
    ...         pass
    ...
    ...     def _updates(self, param_group):
    ...         for param in param_group["params"]:
    ...             param -= param_group["lr"] * param.grad
    >>> x = nm.Parameter([1.0, 2.0])
    >>> x.grad = nm.Tensor([1.0, 1.0])
    >>> Descent(x, {"lr": 0.5}).step().clear_grad()
    >>> x.tolist()
    [0.5, 1.5]
    """

    param_groups: list[dict[str, Any]]

    def __init__(self, params: Parameter | dict | Iterable[Parameter] | Iterable[dict], defaults: dict[str, Any]):
        self._defaults = defaults
        self._state: dict[Parameter, dict[str, Tensor]] = {}
        self.param_groups = []
        groups: list[Any] = [params] if isinstance(params, (Parameter, dict)) else _listed(params)
        if not groups:
            raise ValueError(f"{type(self).__name__}: the list of parameters is empty")
        if not all(isinstance(group, dict) for group in groups):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Also optimize ``param_group["params"]``, with the other entries as settings."""
        where = f"{type(self).__name__}.add_param_group"
        if not isinstance(param_group, dict) or "params" not in param_group:
            raise TypeError(f"{where}: expected a dict with 'params', got {type(param_group).__name__}")
        params = param_group["params"]
        params = [params] if isinstance(params, Parameter) else _listed(params)
        for param in params:
            if not isinstance(param, Parameter):
                raise TypeError(f"{where}: only Parameters can be optimized, got {type(param).__name__}")
            if any(param is other for group in self.param_groups for other in group["params"]):
                raise ValueError(f"{where}: a parameter of shape {param.shape} is in another group already")
        group = {**param_group, "params": list(dict.fromkeys(params))}
        self.param_groups.append({**group, **{key: value for key, value in self._defaults.items() if key not in group}})
        self._create_state(self.param_groups[-1])

    @abstractmethod
    def _create_state(self, param_group: dict[str, Any]) -> None:
        """Call `_add_state` for each tensor that each parameter of the group needs."""

    @abstractmethod
    def _updates(self, param_group: dict[str, Any]) -> None:
        """Change each parameter of the group that has a gradient."""

    def _add_state(self, param: Parameter, state_name: str, initializer: float | np.ndarray | Tensor | None = None) -> None:
        """Keep a tensor for ``param``: zeros of its shape, or what ``initializer`` holds (a number makes a tensor without axes)."""
        value, dtype = (np.zeros(param.shape, param.dtype), param.dtype) if initializer is None else (initializer, None)
        self._state.setdefault(param, {})[state_name] = Tensor(value, dtype=dtype, device=param.device)

    def step(self) -> Self:
        """Change every parameter that has a gradient; returns the optimizer, so that ``step().clear_grad()`` can follow."""
        for param in self._params():
            grad = param._grad
            if grad is not None and grad._spec.shape != param._spec.shape:
                check(False, "{}.step: gradient of shape {} for {}", type(self).__name__, grad.shape, param.shape)
        for group in self.param_groups:
            self._updates(group)
        return self

    def clear_grad(self) -> None:
        """Set the gradient of every parameter to None."""
        for param in self._params():
            param.grad = None

    def zero_grad(self) -> None:
        """Fill the gradients with zeros. (`clear_grad` drops them, which costs less.)"""
        for param in self._params():
            if param.grad is not None:
                param.grad.reset_zero()

    def bcast_param(self) -> None:
        """Give the parameters on all ranks of `numod.distributed` the values that they have on rank 0."""
        bcast_list_(self._params())

    def _params(self) -> list[Parameter]:
        return [param for group in self.param_groups for param in group["params"]]

    def state_dict(self, keep_var: bool = False) -> dict[str, Any]:
        """Settings and state, parameters standing as numbers in order: what `load_state_dict` takes and `numod.save` can write.

        keep_var: the state as Tensors instead of read-only NumPy arrays.
        """
        ids = {param: position for position, param in enumerate(self._params())}
        groups = [
            {**{key: value for key, value in group.items() if key != "params"}, "params": [ids[param] for param in group["params"]]}
            for group in self.param_groups
        ]
        state = {
            ids[param]: {name: tensor if keep_var else tensor.numpy() for name, tensor in tensors.items()}
            for param, tensors in self._state.items()
        }
        return {"param_groups": groups, "state": state}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take the settings and state of a `state_dict` of the same structure. Nothing is changed if anything does not fit."""
        where = f"{type(self).__name__}.load_state_dict"
        for key in ("param_groups", "state"):
            if key not in state:
                raise KeyError(f"{where}: {key!r} is missing")
        saved_groups = state["param_groups"]
        if len(saved_groups) != len(self.param_groups):
            raise ValueError(f"{where}: the optimizer has {len(self.param_groups)} groups, got {len(saved_groups)}")
        for group, saved in zip(self.param_groups, saved_groups, strict=True):
            if len(saved["params"]) != len(group["params"]):
                raise ValueError(f"{where}: a group has {len(group['params'])} parameters, got {len(saved['params'])}")
            if saved.keys() != group.keys():
                raise ValueError(f"{where}: a group has settings {sorted(group)}, got {sorted(saved)}")
        before = self.param_groups, self._state
        self.param_groups = [{**saved, "params": group["params"]} for group, saved in zip(self.param_groups, saved_groups, strict=True)]
        self._state = {}
        try:
            for group, saved in zip(self.param_groups, saved_groups, strict=True):
                self._create_state(group)
                for param, number in zip(group["params"], saved["params"], strict=True):
                    _restore(self._state.get(param, {}), state["state"].get(number, {}), f"{where}: parameter {number}")
        except Exception:
            self.param_groups, self._state = before
            raise


def _restore(tensors: dict[str, Tensor], arrays: dict[str, Any], where: str) -> None:
    """Give the state tensors of one parameter their saved values."""
    if tensors.keys() != arrays.keys():
        raise KeyError(f"{where} has state {sorted(tensors)}, got {sorted(arrays)}")
    for name, tensor in tensors.items():
        if tuple(arrays[name].shape) != tensor.shape:
            raise ValueError(f"{where} has {name!r} of shape {tensor.shape}, got {tuple(arrays[name].shape)}")
        tensor._reset(Tensor(arrays[name], dtype=tensor.dtype, device=tensor.device))


def _listed(params: Any) -> list:
    if isinstance(params, (str, Tensor)) or not isinstance(params, Iterable):
        raise TypeError(f"Optimizer: params must be a Parameter, a dict or an iterable of them, got {type(params).__name__}")
    return list(params)


def check_at_least(name: str, least: float, **settings: Any) -> None:
    """Raise ValueError unless every setting is a number (or a tensor without axes) of at least ``least``."""
    for setting, value in settings.items():
        if not value >= least:
            raise ValueError(f"{name}: {setting} must be at least {least}, got {value}")
