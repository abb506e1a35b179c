"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..ops import steps
from ..tensor import Parameter
from . import update
from .optimizer import Optimizer, check_at_least


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum and weight decay if asked for.

    With ``g = grad + weight_decay * param``: plain is ``param -= lr * g``; with momentum ``v = momentum * v + g`` and
    ``param -= lr * v``; nesterov takes ``g + momentum * v`` for ``v``.

    >>> import numod as nm, numod.optimizer as optim
    >>> x = nm.Parameter([1.0, 2.0])
    >>> optimizer = optim.SGD(x, lr=0.5)
    >>> x.grad = nm.Tensor([1.0, 1.0])
    >>> optimizer.step().clear_grad()
    >>> x.tolist()
    [0.5, 1.5]
    """

    def __init__(
        self,
        params: Parameter | dict | Iterable[Parameter] | Iterable[dict],
        lr: float,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
    ):
        check_at_least("SGD", 0, lr=lr, momentum=momentum, weight_decay=weight_decay)
        if nesterov and momentum <= 0:
            raise ValueError(f"SGD: nesterov=True needs a momentum above 0, got {momentum}")
        self.nesterov = nesterov
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    def _create_state(self, param_group: dict[str, Any]) -> None:
        if param_group["momentum"] != 0:
            for param in param_group["params"]:
                self._add_state(param, "momentum_buffer")

    def _updates(self, param_group: dict[str, Any]) -> None:
        params, lr, momentum, decay = (param_group[key] for key in ("params", "lr", "momentum", "weight_decay"))
        if momentum == 0:
            update.step(steps.sgd_steps, params, {}, (), lr, decay)
        else:
            update.step(steps.momentum_steps, params, self._state, ("momentum_buffer",), lr, momentum, decay, nesterov=self.nesterov)
