"""One step of an optimizer on one parameter, as one pass over its memory. Settings are 0-d tensors; results are the new values."""

from __future__ import annotations

import math

import numpy as np

from ..forms import elementwise, rowwise
from .math import add, mul
from .reduce import spread


def _sample(arrays: int, settings: int, positive: tuple[int, ...] = ()):
    """Arrays of one shape, some of them positive, and settings between 0.1 and 0.9."""

    def draw_sample(draw):
        shape = draw.shape()
        values = [draw.array(shape, None, 0.1 if i in positive else -4.0, 4.0) for i in range(arrays)]
        return (*values, *(draw.array((), None, 0.1, 0.9) for _ in range(settings))), {}

    return draw_sample


@elementwise(ref=lambda step: step + 1, takes="float", sample=_sample(0, 1))
def count_step(step):
    """The number of steps after another one."""
    return step + 1.0


@elementwise(
    ref=lambda step, beta1, beta2: (step + 1, 1 - beta1 ** (step + 1), 1 - beta2 ** (step + 1)),
    takes="float",
    outputs=3,
    sample=_sample(0, 3),
)
def bias_corrections(step, beta1, beta2):
    """The number of steps after another one, and how much of their weights means that began at zero have by then."""
    count = step + 1.0
    return count, 1.0 - beta1**count, 1.0 - beta2**count


@elementwise(ref=lambda step, lr, decay: (step + 1, lr / (1 + step * decay)), takes="float", outputs=2, sample=_sample(0, 3))
def decayed_rate(step, lr, decay):
    """The number of steps after another one, and its learning rate."""
    return step + 1.0, lr / (1.0 + step * decay)


@elementwise(ref=lambda p, g, lr, decay: p - lr * (g + decay * p), takes="float", sample=_sample(2, 2))
def sgd_step(param, grad, lr, decay):
    """Gradient descent with weight decay: the new parameter."""
    return param - lr * (grad + decay * param)


def _momentum_ref(p, g, v, lr, momentum, decay):
    v = momentum * v + g + decay * p
    return p - lr * v, v


@elementwise(ref=_momentum_ref, takes="float", outputs=2, sample=_sample(3, 3))
def momentum_step(param, grad, velocity, lr, momentum, decay):
    """Gradient descent with momentum (Sutskever et al., 2013): the new parameter and velocity."""
    v = momentum * velocity + (grad + decay * param)
    return param - lr * v, v


def _nesterov_ref(p, g, v, lr, momentum, decay):
    g = g + decay * p
    v = momentum * v + g
    return p - lr * (g + momentum * v), v


@elementwise(ref=_nesterov_ref, takes="float", outputs=2, sample=_sample(3, 3))
def nesterov_step(param, grad, velocity, lr, momentum, decay):
    """Gradient descent with Nesterov's momentum: the new parameter and velocity."""
    g = grad + decay * param
    v = momentum * velocity + g
    return param - lr * (g + momentum * v), v


def _scaled_root(square, correct1, correct2, eps):
    """What Adam divides the mean by, its correction included: one division for each element, which take longer than all else."""
    return correct1 * (math.sqrt(square) * (1.0 / math.sqrt(correct2)) + eps)


def _adam_ref(p, g, m, v, lr, beta1, rest1, beta2, rest2, correct1, correct2, eps, decay):
    g = g + decay * p
    m, v = beta1 * m + rest1 * g, beta2 * v + rest2 * g * g
    return p - lr * (m / correct1) / (np.sqrt(v / correct2) + eps), m, v


@elementwise(ref=_adam_ref, takes="float", outputs=3, sample=_sample(4, 9, positive=(3,)))
def adam_step(param, grad, mean, square, lr, beta1, rest1, beta2, rest2, correct1, correct2, eps, decay):
    """Adam (Kingma & Ba, 2015) with L2 decay: the new parameter and moments. rest = 1 - beta, correct = 1 - beta**step."""
    g = grad + decay * param
    m = beta1 * mean + rest1 * g
    v = beta2 * square + rest2 * g * g
    return param - lr * m / _scaled_root(v, correct1, correct2, eps), m, v


def _adamw_ref(p, g, m, v, lr, beta1, rest1, beta2, rest2, correct1, correct2, eps, decay):
    m, v = beta1 * m + rest1 * g, beta2 * v + rest2 * g * g
    return p - lr * ((m / correct1) / (np.sqrt(v / correct2) + eps) + decay * p), m, v


@elementwise(ref=_adamw_ref, takes="float", outputs=3, sample=_sample(4, 9, positive=(3,)))
def adamw_step(param, grad, mean, square, lr, beta1, rest1, beta2, rest2, correct1, correct2, eps, decay):
    """Adam with decoupled weight decay (Loshchilov & Hutter, 2019): the new parameter and moments."""
    m = beta1 * mean + rest1 * grad
    v = beta2 * square + rest2 * grad * grad
    return param - lr * (m / _scaled_root(v, correct1, correct2, eps) + decay * param), m, v


def _adagrad_ref(p, g, s, rate, eps, decay):
    g = g + decay * p
    s = s + g * g
    return p - rate * g / np.sqrt(s + eps), s


@elementwise(ref=_adagrad_ref, takes="float", outputs=2, sample=_sample(3, 3, positive=(2,)))
def adagrad_step(param, grad, square, rate, eps, decay):
    """Adagrad (Duchi et al., 2011) with L2 decay: the new parameter and sum of squares. ``rate`` is the decayed learning rate."""
    g = grad + decay * param
    s = square + g * g
    return param - rate * g / math.sqrt(s + eps), s


def _adadelta_ref(p, g, s, d, lr, rho, rest, eps, decay):
    g = g + decay * p
    s = rho * s + rest * g * g
    delta = np.sqrt(d + eps) / np.sqrt(s + eps) * g
    return p - lr * delta, s, rho * d + rest * delta * delta


@elementwise(ref=_adadelta_ref, takes="float", outputs=3, sample=_sample(4, 5, positive=(2, 3)))
def adadelta_step(param, grad, square, change, lr, rho, rest, eps, decay):
    """Adadelta (Zeiler, 2012) with L2 decay: the new parameter and means of squares, of the gradient and of the change. rest = 1 - rho."""
    g = grad + decay * param
    s = rho * square + rest * g * g
    delta = math.sqrt(change + eps) / math.sqrt(s + eps) * g
    return param - lr * delta, s, rho * change + rest * delta * delta


def _direction_ref(p, g, m, v, beta1, rest1, beta2, rest2, correct1, correct2, eps, decay):
    m, v = beta1 * m + rest1 * g, beta2 * v + rest2 * g * g
    return m / correct1 / (np.sqrt(v / correct2) + eps) + decay * p, m, v


@elementwise(ref=_direction_ref, takes="float", outputs=3, sample=_sample(4, 8, positive=(3,)))
def adam_direction(param, grad, mean, square, beta1, rest1, beta2, rest2, correct1, correct2, eps, decay):
    """Adam's direction with decoupled decay, at a rate of 1, and the new moments."""
    m = beta1 * mean + rest1 * grad
    v = beta2 * square + rest2 * grad * grad
    return decay * param + m / _scaled_root(v, correct1, correct2, eps), m, v


@elementwise(ref=lambda p, u, lr: p - lr * u, takes="float", sample=_sample(2, 1))
def plain_step(param, direction, lr):
    """One step in a direction."""
    return param - lr * direction


@elementwise(ref=lambda norm, most: np.minimum(most / (norm + 1e-6), 1), takes="float", sample=_sample(0, 2))
def clip_factor(norm, most):
    """What to multiply by so that a norm is at most ``most``; NaN stays NaN."""
    factor = most / (norm + 1e-6)
    return 1.0 if factor > 1.0 else factor


@elementwise(ref=lambda x, power: x ** (1 / power), takes="float", sample=_sample(0, 2))
def root(x, power):
    """``x ** (1 / power)``."""
    return x ** (1.0 / power)


def _lamb_step_ref(p, u, pp, uu, lr):
    return p - lr * np.where(pp * uu > 0, np.sqrt(pp / np.where(uu > 0, uu, 1)), 1) * u


@elementwise(ref=_lamb_step_ref, takes="float", sample=_sample(2, 3))
def lamb_step(param, direction, param_square, direction_square, lr):
    """One step in LAMB's direction, as long as the parameter times ``lr``: the new parameter. The squares are sums over the tensors."""
    adapted = param_square > 0.0 and direction_square > 0.0
    return param - lr * (math.sqrt(param_square / direction_square) if adapted else 1.0) * direction


@rowwise(
    ref=lambda x, axis, keepdims=False: np.sum(x * x, axis=axis, keepdims=keepdims),
    per="row",
    takes="float",
    vjp={"x": lambda g, x, x_spec, axis: mul(spread(add(g, g), x_spec, axis), x)},
)
def sum_squares(x):
    """The sum of squares over ``axis``, accumulated in float64."""
    return fold(add, x * x)
