"""Adagrad."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..ops import steps
from ..tensor import Parameter
from . import update
from .optimizer import Optimizer, check_at_least


class Adagrad(Optimizer):
    """Adagrad: each element has a learning rate that falls with the squares of its gradients (Duchi, Hazan and Singer, 2011).

    With ``g = grad + weight_decay * param``: ``s += g^2`` and ``param -= lr / (1 + (step - 1) * lr_decay) * g / sqrt(s + eps)``.

    >>> import numod as nm, numod.optimizer as optim
    >>> x = nm.Parameter([1.0, 2.0])
    >>> optimizer = optim.Adagrad(x, lr=0.5)
    >>> x.grad = nm.Tensor([10.0, 0.1])
    >>> optimizer.step().clear_grad()
    >>> x
    Parameter([0.5 1.5], device=xpux:0)
    """

    def __init__(
        self,
        params: Parameter | dict | Iterable[Parameter] | Iterable[dict],
        lr: float = 1e-2,
        lr_decay: float = 0.0,
        eps: float = 1e-10,
        weight_decay: float = 0.0,
    ):
        check_at_least("Adagrad", 0, lr=lr, lr_decay=lr_decay, eps=eps, weight_decay=weight_decay)
        super().__init__(params, {"lr": lr, "lr_decay": lr_decay, "eps": eps, "weight_decay": weight_decay})

    def _create_state(self, param_group: dict[str, Any]) -> None:
        for param in param_group["params"]:
            self._add_state(param, "square_avg")
            self._add_state(param, "step", initializer=0.0)

    def _updates(self, param_group: dict[str, Any]) -> None:
        settings = [param_group[key] for key in ("lr", "lr_decay", "eps", "weight_decay")]
        update.step(steps.adagrad_steps, param_group["params"], self._state, ("square_avg", "step"), *settings)
