"""Limits on gradients, between `backward` and `step`."""

from __future__ import annotations

import math
from collections.abc import Iterable

from ..constants import constant
from ..dtype import float32
from ..ops import steps
from ..tensor import Tensor
from . import update


def clip_grad_norm(tensors: Tensor | Iterable[Tensor], max_norm: float, ord: float = 2.0) -> Tensor:
    """Scale the gradients of ``tensors`` so that the norm of all of them together is at most ``max_norm`` (Pascanu et al., 2013).

    Gradients change in place, those that are None stay so. Returns the norm before, a tensor without axes.

    ord: which norm: ``sum(|x|^ord)^(1/ord)``, or the largest ``|x|`` for infinity.

    >>> import numod as nm, numod.optimizer as optim
    >>> x = nm.Parameter([1.0, 2.0])
    >>> x.grad = nm.Tensor([3.0, 4.0])
    >>> optim.clip_grad_norm(x, 1.0)
    Tensor(5.0, device=xpux:0)
    >>> x.grad
    Tensor([0.6 0.8], device=xpux:0)
    """
    if not ord > 0:
        raise ValueError(f"clip_grad_norm: ord must be above 0, got {ord}")
    gradients = update.gradients("clip_grad_norm", tensors)
    if not gradients:
        return Tensor(0.0)
    kind = {1: "1", 2: "2", math.inf: "max"}.get(ord, "power")
    settings = [constant(float(value), float32, gradients[0].device) for value in (max_norm, 1.0 if kind == "max" else ord)]
    if kind == "max":
        gradients = [gradient for gradient in gradients if gradient.size]
    norm, factor = steps.norm_of_all(*settings, *gradients, kind=kind)
    update.change(steps.scale_all, gradients, factor)
    return norm


def clip_grad_value(tensors: Tensor | Iterable[Tensor], lower: float, upper: float) -> None:
    """Clip every element of the gradients of ``tensors`` to the range from ``lower`` to ``upper``, in place.

    >>> import numod as nm, numod.optimizer as optim
    >>> x = nm.Parameter([1.0, 2.0])
    >>> x.grad = nm.Tensor([3.0, -4.0])
    >>> optim.clip_grad_value(x, -1, 2)
    >>> x.grad
    Tensor([ 2. -1.], device=xpux:0)
    """
    if lower > upper:
        raise ValueError(f"clip_grad_value: lower {lower} is above upper {upper}")
    update.change(steps.clip_all, update.gradients("clip_grad_value", tensors), lower, upper)
