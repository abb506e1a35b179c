"""Adadelta."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..ops import steps
from ..tensor import Parameter
from . import update
from .optimizer import Optimizer, check_at_least


class Adadelta(Optimizer):
    """Adadelta: steps in the unit of the parameter, from running means of squares of gradients and of changes (Zeiler, 2012).

    With ``g = grad + weight_decay * param``: ``s = rho * s + (1 - rho) * g^2``, ``d = sqrt(a + eps) / sqrt(s + eps) * g``,
    ``a = rho * a + (1 - rho) * d^2`` and ``param -= lr * d``.

    >>> import numod as nm, numod.optimizer as optim
    >>> x = nm.Parameter([1.0, 2.0])
    >>> optimizer = optim.Adadelta(x, eps=0.25, rho=0.0)
    >>> x.grad = nm.Tensor([0.0, 1000.0])
    >>> optimizer.step().clear_grad()
    >>> x
    Parameter([1.  1.5], device=xpux:0)
    """

    def __init__(
        self,
        params: Parameter | dict | Iterable[Parameter] | Iterable[dict],
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0.0,
    ):
        check_at_least("Adadelta", 0, lr=lr, rho=rho, eps=eps, weight_decay=weight_decay)
        if rho > 1:
            raise ValueError(f"Adadelta: rho must be at most 1, got {rho}")
        super().__init__(params, {"lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay})

    def _create_state(self, param_group: dict[str, Any]) -> None:
        for param in param_group["params"]:
            self._add_state(param, "square_avg")
            self._add_state(param, "acc_delta")
            self._add_state(param, "step", initializer=0.0)

    def _updates(self, param_group: dict[str, Any]) -> None:
        params, lr, rho, eps, decay = (param_group[key] for key in ("params", "lr", "rho", "eps", "weight_decay"))
        update.step(steps.adadelta_steps, params, self._state, ("square_avg", "acc_delta", "step"), lr, rho, 1 - rho, eps, decay)
