"""The arithmetic of one step: from a parameter, its gradient and its state to their new values. Nothing is changed in place."""

from __future__ import annotations

from ..functional import sqrt


def sgd(param, grad, lr, weight_decay):
    """Plain gradient descent: the new parameter."""
    return (param - lr * (grad + weight_decay * param),)


def momentum_sgd(param, grad, velocity, lr, momentum, weight_decay, nesterov):
    """Gradient descent with momentum: the new parameter and velocity. Sutskever et al., 2013."""
    grad = grad + weight_decay * param
    velocity = momentum * velocity + grad
    return param - lr * (grad + momentum * velocity if nesterov else velocity), velocity


def adam(param, grad, exp_avg, exp_avg_sq, step, lr, beta1, beta2, eps, weight_decay, decoupled):
    """Adam: the new parameter, moments and step count. Kingma and Ba, 2015; decoupled decay (AdamW): Loshchilov and Hutter, 2019."""
    if not decoupled:
        grad = grad + weight_decay * param
    step = step + 1.0
    exp_avg = beta1 * exp_avg + (1 - beta1) * grad
    exp_avg_sq = beta2 * exp_avg_sq + (1 - beta2) * grad * grad
    mean = exp_avg / (1 - beta1**step)
    deviation = sqrt(exp_avg_sq / (1 - beta2**step))
    delta = mean / (deviation + eps)
    if decoupled:
        delta = delta + weight_decay * param
    return param - lr * delta, exp_avg, exp_avg_sq, step
