"""Steps of optimizers on all parameters that have a gradient, in one launch. What a step does to one parameter is said in `numod.ops.optim`.

Settings are tensors without axes. Results are the new values, in the order of the row: the parameter, its state, the count of steps; each has the dtype
of what it replaces, whatever the step was computed in.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np

from ..dtype import is_float, is_half
from ..errors import DTypeError
from ..forms import each, joint
from . import math as maths, optim, reduce
from .view import astype


def _kept(call: Callable, new, old) -> tuple:
    """New values in the dtypes of the old ones."""
    _check_floats(*old)
    return tuple(a if a.dtype == b.dtype else call(astype, a, dtype=b.dtype) for a, b in zip(new, old, strict=True))


def _check_floats(*tensors) -> None:
    for tensor in tensors:
        if not is_float(tensor.dtype):
            raise DTypeError(f"a step of an optimizer changes tensors of floats, got {tensor.dtype}")


def _sample(states: int, settings: int, positive: tuple[int, ...] = (), counted: bool = True, **options):
    """A parameter, its gradient and states of one shape, the count of steps, and settings between 0.1 and 0.9. options: values of attributes."""

    def draw_sample(draw):
        shape = draw.shape()
        row = [draw.array(shape, None, 0.1 if i - 2 in positive else -4.0, 4.0) for i in range(2 + states)]
        count = [np.array(draw.integer(0, 5), draw.dtype if draw.dtype.kind == "f" else np.float32)] if counted else []
        return (*row, *count, *(draw.array((), None, 0.1, 0.9) for _ in range(settings))), {
            name: draw.choice(values) for name, values in options.items()
        }

    return draw_sample


@each(ref=lambda p, g, lr, decay: (p - lr * (g + decay * p),), sample=_sample(0, 2, counted=False))
def sgd_steps(call, param, grad, *, lr, decay):
    """Plain gradient descent on each parameter."""
    return _kept(call, [call(optim.sgd_step, param, grad, lr, decay)], [param])


def _momentum_ref(*arrays, nesterov):
    return (optim.nesterov_step if nesterov else optim.momentum_step).ref(*arrays)


@each(ref=_momentum_ref, sample=_sample(1, 3, counted=False, nesterov=(False, True)))
def momentum_steps(call, param, grad, velocity, *, lr, momentum, decay, nesterov=False):
    """Gradient descent with momentum on each parameter."""
    op = optim.nesterov_step if nesterov else optim.momentum_step
    return _kept(call, call(op, param, grad, velocity, lr, momentum, decay), [param, velocity])


def _adam_ref(p, g, m, v, step, lr, beta1, rest1, beta2, rest2, eps, decay, decoupled):
    step = step + 1
    op = optim.adamw_step if decoupled else optim.adam_step
    return *op.ref(p, g, m, v, lr, beta1, rest1, beta2, rest2, 1 - beta1**step, 1 - beta2**step, eps, decay), step


@each(ref=_adam_ref, sample=_sample(2, 7, positive=(1,), decoupled=(False, True)))
def adam_steps(call, param, grad, mean, square, step, *, lr, beta1, rest1, beta2, rest2, eps, decay, decoupled=False):
    """Adam on each parameter, with L2 or decoupled decay."""
    count, correct1, correct2 = call(optim.bias_corrections, step, beta1, beta2)
    op = optim.adamw_step if decoupled else optim.adam_step
    new = call(op, param, grad, mean, square, lr, beta1, rest1, beta2, rest2, correct1, correct2, eps, decay)
    return _kept(call, (*new, count), (param, mean, square, step))


def _adagrad_ref(p, g, s, step, lr, lr_decay, eps, decay):
    return *optim.adagrad_step.ref(p, g, s, lr / (1 + step * lr_decay), eps, decay), step + 1


@each(ref=_adagrad_ref, sample=_sample(1, 4, positive=(0,)))
def adagrad_steps(call, param, grad, square, step, *, lr, lr_decay, eps, decay):
    """Adagrad on each parameter."""
    count, rate = call(optim.decayed_rate, step, lr, lr_decay)
    return _kept(call, (*call(optim.adagrad_step, param, grad, square, rate, eps, decay), count), (param, square, step))


def _adadelta_ref(p, g, s, d, step, *settings):
    return *optim.adadelta_step.ref(p, g, s, d, *settings), step + 1


@each(ref=_adadelta_ref, sample=_sample(2, 5, positive=(0, 1)))
def adadelta_steps(call, param, grad, square, change, step, *, lr, rho, rest, eps, decay):
    """Adadelta on each parameter."""
    new = call(optim.adadelta_step, param, grad, square, change, lr, rho, rest, eps, decay)
    return _kept(call, (*new, call(optim.count_step, step)), (param, square, change, step))


def _lamb_ref(p, g, m, v, step, lr, beta1, rest1, beta2, rest2, fade1, fade2, eps, decay, adapted):
    step = step + 1
    direction, m, v = optim.adam_direction.ref(p, g, m, v, beta1, rest1, beta2, rest2, 1 - fade1**step, 1 - fade2**step, eps, decay)
    lengths = [np.sum(p * p), np.sum(direction * direction)] if adapted else [1, 1]
    return optim.lamb_step.ref(p, direction, *lengths, lr), m, v, step


def _lamb(call, param, grad, mean, square, step, lr, beta1, rest1, beta2, rest2, fade1, fade2, eps, decay, adapted):
    count, correct1, correct2 = call(optim.bias_corrections, step, fade1, fade2)
    direction, *moments = call(optim.adam_direction, param, grad, mean, square, beta1, rest1, beta2, rest2, correct1, correct2, eps, decay)
    if adapted:
        new = call(optim.lamb_step, param, direction, _square_length(call, param), _square_length(call, direction), lr)
    else:
        new = call(optim.plain_step, param, direction, lr)
    return _kept(call, (new, *moments, count), (param, mean, square, step))


_LAMB_SAMPLE = _sample(2, 9, positive=(1,), adapted=(False, True))


@each(ref=_lamb_ref, sample=_LAMB_SAMPLE)
def lamb_steps(call, param, grad, mean, square, step, *, lr, beta1, rest1, beta2, rest2, fade1, fade2, eps, decay, adapted=True):
    """LAMB on each parameter.

    fade: the betas, or 0 for means that are not corrected for their start at zero. adapted: whether a step is as long as the parameter, times ``lr``.
    """
    return _lamb(call, param, grad, mean, square, step, lr, beta1, rest1, beta2, rest2, fade1, fade2, eps, decay, adapted)


def _lamb_copy_ref(p, g, m, v, step, exact, *settings, adapted):
    new, *state = _lamb_ref(exact, g, m, v, step, *settings, adapted=adapted)
    return new, *state, new


def _lamb_copy_sample(draw):
    (p, g, m, v, step, *settings), options = _LAMB_SAMPLE(draw)
    return (p, g, m, v, step, draw.array(p.shape), *settings), options


@each(ref=_lamb_copy_ref, sample=_lamb_copy_sample)
def lamb_copy_steps(
    call, param, grad, mean, square, step, exact, *, lr, beta1, rest1, beta2, rest2, fade1, fade2, eps, decay, adapted=True
):
    """`lamb_steps` on a copy of each parameter that is ``exact``; the parameter becomes the rounded copy."""
    settings = (lr, beta1, rest1, beta2, rest2, fade1, fade2, eps, decay, adapted)
    new, *state = _lamb(call, exact, grad, mean, square, step, *settings)
    return *_kept(call, [call(astype, new, dtype=param.dtype)], [param]), *state, new


def _square_length(call: Callable, x):
    """The sum of squares of all elements: first along all axes but one, which threads share, then along that one."""
    if x.ndim < 2:
        return call(optim.sum_squares, x, axis=tuple(range(x.ndim)))
    return call(reduce.sum, call(optim.sum_squares, x, axis=tuple(range(1, x.ndim))), axis=(0,))


def _clip_ref(g, lower, upper):
    return (np.minimum(np.maximum(g, lower), upper),)


@each(ref=_clip_ref, sample=lambda draw: ((draw.array(draw.shape()), draw.array((), None, 0.0, 0.4), draw.array((), None, 0.5, 4.0)), {}))
def clip_all(call, grad, *, lower, upper):
    """Each gradient with its elements between two bounds."""
    return _kept(call, [call(maths.minimum, call(maths.maximum, grad, lower), upper)], [grad])


@each(ref=lambda g, by: (g * by,), sample=lambda draw: ((draw.array(draw.shape()), draw.array((), None, 0.1, 0.9)), {}))
def scale_all(call, grad, *, by):
    """Each gradient times one number."""
    return _kept(call, [call(maths.mul, grad, by)], [grad])


def _norm_ref(max_norm, power, *gradients, kind):
    flat = np.concatenate([np.abs(g).ravel() for g in gradients])
    if kind == "max":
        norm = flat.max(initial=0.0)
    else:
        norm = {"1": np.sum(flat), "2": np.sqrt(np.sum(flat**2)), "power": np.sum(flat**power) ** (1 / power)}[kind]
    return norm, np.minimum(max_norm / (norm + 1e-6), 1)


def _norm_sample(draw):
    gradients = [draw.array(draw.shape(min_side=1)) for _ in range(draw.integer(1, 3))]
    return (draw.array((), np.float32, 0.1, 4.0), draw.array((), np.float32, 1.5, 3.0), *gradients), {
        "kind": draw.choice(["1", "2", "power", "max"])
    }


@joint(ref=_norm_ref, sample=_norm_sample, attrs={"kind": "2"})
def norm_of_all(call, max_norm, power, *gradients, kind):
    """The norm of all gradients together, in float32, and what they must be multiplied by so that it is at most ``max_norm``.

    kind: "1", "2", "max", or "power" for ``sum(|x|^power)^(1/power)``.
    """
    parts = []
    for gradient in gradients:
        _check_floats(gradient)
        if is_half(gradient.dtype):  # sums of squares are soon too large for float16
            gradient = call(astype, gradient, dtype=max_norm.dtype)
        if kind == "2":
            part = _square_length(call, gradient)
        else:
            sizes = call(maths.abs, gradient)
            sizes = call(maths.pow, sizes, power) if kind == "power" else sizes
            part = call(reduce.max if kind == "max" else reduce.sum, sizes, axis=tuple(range(gradient.ndim)))
        parts.append(call(astype, part, dtype=np.dtype("float64")))
    total = functools.reduce(functools.partial(call, maths.maximum if kind == "max" else maths.add), parts)
    total = call(astype, total, dtype=max_norm.dtype)
    if kind == "2":
        total = call(maths.sqrt, total)
    elif kind == "power":
        total = call(optim.root, total, power)
    return total, call(optim.clip_factor, total, max_norm)
