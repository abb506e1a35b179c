"""Adam."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from ..ops import steps
from ..tensor import Parameter
from . import update
from .optimizer import Optimizer, check_at_least


class Adam(Optimizer):
    """Adam: steps scaled by running means of the gradient and of its square (Kingma and Ba, 2015).

    With ``g = grad + weight_decay * param``: ``m = beta1 * m + (1 - beta1) * g``, ``v = beta2 * v + (1 - beta2) * g^2``, both corrected
    for their start at zero, and ``param -= lr * m / (sqrt(v) + eps)``.

    >>> import numod as nm, numod.optimizer as optim
    >>> x = nm.Parameter([1.0, 2.0])
    >>> optimizer = optim.Adam(x, lr=0.5)
    >>> x.grad = nm.Tensor([10.0, 0.1])
    >>> optimizer.step().clear_grad()
    >>> x
    Parameter([0.5 1.5], device=xpux:0)
    """

    decoupled: ClassVar[bool] = False

    def __init__(
        self,
        params: Parameter | dict | Iterable[Parameter] | Iterable[dict],
        lr: float,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ):
        name = type(self).__name__
        check_at_least(name, 0, lr=lr, eps=eps, weight_decay=weight_decay)
        check_betas(name, betas)
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "betas": betas, "eps": eps})

    def _create_state(self, param_group: dict[str, Any]) -> None:
        for param in param_group["params"]:
            self._add_state(param, "exp_avg")
            self._add_state(param, "exp_avg_sq")
            self._add_state(param, "step", initializer=0.0)

    def _updates(self, param_group: dict[str, Any]) -> None:
        params, lr, (beta1, beta2), eps, decay = (param_group[key] for key in ("params", "lr", "betas", "eps", "weight_decay"))
        settings = lr, beta1, 1 - beta1, beta2, 1 - beta2, eps, decay
        update.step(steps.adam_steps, params, self._state, ("exp_avg", "exp_avg_sq", "step"), *settings, decoupled=self.decoupled)


def check_betas(name: str, betas: tuple[float, float]) -> None:
    """Raise ValueError unless ``betas`` are two numbers in [0, 1)."""
    if len(betas) != 2 or not all(0 <= beta < 1 for beta in betas):
        raise ValueError(f"{name}: betas must be two numbers, at least 0 and less than 1, got {betas}")
