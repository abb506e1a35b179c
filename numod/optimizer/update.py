"""One step on one parameter: from it, its gradient and its state to their new values. Nothing is changed in place."""

from __future__ import annotations

from ..constants import constant
from ..ops import optim, reduce
from ..ops.math import mul
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


def adagrad(param, grad, square_avg, step, lr, lr_decay, eps, weight_decay):
    """Adagrad: the new parameter, sum of squares and step count."""
    rate = lr / (1 + step * lr_decay) if lr_decay != 0 else lr
    return (*optim.adagrad_step(param, grad, square_avg, *_settings(param, rate, eps, weight_decay)), step + 1.0)


def adadelta(param, grad, square_avg, acc_delta, step, lr, rho, eps, weight_decay):
    """Adadelta: the new parameter, means of squares and step count."""
    settings = _settings(param, lr, rho, 1 - rho, eps, weight_decay)
    return (*optim.adadelta_step(param, grad, square_avg, acc_delta, *settings), step + 1.0)


def lamb(param, grad, exp_avg, exp_avg_sq, step, lr, beta1, beta2, eps, weight_decay, bias_correction, adapt):
    """LAMB: the new parameter, moments and step count. adapt: scale the step to the length of the parameter."""
    step = step + 1.0
    corrections = (1 - beta1**step, 1 - beta2**step) if bias_correction else (1.0, 1.0)
    (decay,) = _settings(param, weight_decay)
    start = decay if weight_decay == 0 else mul(param, decay)
    # Adam's step from there at a rate of -1 is `start` plus its direction
    settings = _settings(param, -1.0, beta1, 1 - beta1, beta2, 1 - beta2, *corrections, eps, 0.0)
    direction, *moments = optim.adam_step(start, grad, exp_avg, exp_avg_sq, *settings)
    if adapt:
        new = optim.lamb_step(param, direction, square_length(param), square_length(direction), *_settings(param, lr))
    else:
        new = optim.sgd_step(param, direction, *_settings(param, lr, 0.0))
    return (new, *moments, step)


def square_length(x: Tensor) -> Tensor:
    """The sum of squares of all elements: first along all axes but one, which threads share, then along that one."""
    rows = optim.sum_squares(x, axis=tuple(range(1, x.ndim))) if x.ndim > 1 else None
    return optim.sum_squares(x, axis=tuple(range(x.ndim))) if rows is None else reduce.sum(rows, axis=(0,))
