"""AdamW."""

from __future__ import annotations

from collections.abc import Iterable

from ..tensor import Parameter
from .adam import Adam


class AdamW(Adam):
    """Adam whose weight decay does not pass through the running means (Loshchilov and Hutter, 2019).

    As `Adam` without weight decay, and then ``param -= lr * weight_decay * param``, with the parameter as it was before the step.

    >>> import numod as nm, numod.optimizer as optim
    >>> x = nm.Parameter([1.0, 2.0])
    >>> optimizer = optim.AdamW(x, lr=0.5, weight_decay=0.5)
    >>> x.grad = nm.Tensor([10.0, 0.1])
    >>> optimizer.step().clear_grad()
    >>> x
    Parameter([0.25 1.  ], device=xpux:0)
    """

    decoupled = True

    def __init__(
        self,
        params: Parameter | dict | Iterable[Parameter] | Iterable[dict],
        lr: float,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
    ):
        super().__init__(params, lr, betas, eps, weight_decay)
