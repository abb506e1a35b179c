"""One step of an optimizer on one parameter, as one pass over its memory. Settings are 0-d tensors; results are the new values."""

from __future__ import annotations

import math

import numpy as np

from ..forms import elementwise


def _sample(arrays: int, settings: int, positive: tuple[int, ...] = ()):
    """Arrays of one shape, some of them positive, and settings between 0.1 and 0.9."""

    def draw_sample(draw):
        shape = draw.shape()
        values = [draw.array(shape, None, 0.1 if i in positive else -4.0, 4.0) for i in range(arrays)]
        return (*values, *(draw.array((), None, 0.1, 0.9) for _ in range(settings))), {}

    return draw_sample


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
    return param - lr * (m / correct1) / (math.sqrt(v / correct2) + eps), m, v


def _adamw_ref(p, g, m, v, lr, beta1, rest1, beta2, rest2, correct1, correct2, eps, decay):
    m, v = beta1 * m + rest1 * g, beta2 * v + rest2 * g * g
    return p - lr * ((m / correct1) / (np.sqrt(v / correct2) + eps) + decay * p), m, v


@elementwise(ref=_adamw_ref, takes="float", outputs=3, sample=_sample(4, 9, positive=(3,)))
def adamw_step(param, grad, mean, square, lr, beta1, rest1, beta2, rest2, correct1, correct2, eps, decay):
    """Adam with decoupled weight decay (Loshchilov & Hutter, 2019): the new parameter and moments."""
    m = beta1 * mean + rest1 * grad
    v = beta2 * square + rest2 * grad * grad
    return param - lr * ((m / correct1) / (math.sqrt(v / correct2) + eps) + decay * param), m, v
