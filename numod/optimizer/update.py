"""One step on one parameter: from it, its gradient and its state to their new values. Nothing is changed in place."""

from __future__ import annotations

from ..constants import constant
from ..ops import optim
from ..tensor import Tensor


def _settings(like: Tensor, *values: float | Tensor) -> list[Tensor]:
    return [value if isinstance(value, Tensor) else constant(float(value), like.dtype, like.device) for value in values]


def sgd(param, grad, lr, weight_decay):
    """Plain gradient descent: the new parameter."""
    return (optim.sgd_step(param, grad, *_settings(param, lr, weight_decay)),)


def momentum_sgd(param, grad, velocity, lr, momentum, weight_decay, nesterov):
    """Gradient descent with momentum: the new parameter and velocity."""
    op = optim.nesterov_step if nesterov else optim.momentum_step
    return op(param, grad, velocity, *_settings(param, lr, momentum, weight_decay))


def adam(param, grad, exp_avg, exp_avg_sq, step, lr, beta1, beta2, eps, weight_decay, decoupled):
    """Adam, with L2 or decoupled weight decay: the new parameter, moments and step count."""
    step = step + 1.0
    corrections = (1 - beta1**step, 1 - beta2**step)
    op = optim.adamw_step if decoupled else optim.adam_step
    settings = _settings(param, lr, beta1, 1 - beta1, beta2, 1 - beta2, *corrections, eps, weight_decay)
    return (*op(param, grad, exp_avg, exp_avg_sq, *settings), step)
