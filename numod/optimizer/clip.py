"""Limits on gradients, between `backward` and `step`."""

from __future__ import annotations

import math
from collections.abc import Iterable

from .. import functional as F
from ..tensor import Tensor
from .update import square_length


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
    gradients = _gradients("clip_grad_norm", tensors)
    if not gradients:
        return Tensor(0.0)
    parts = F.stack([_power_sum(gradient.detach(), ord).astype("float32") for gradient in gradients])
    if ord == math.inf:
        norm = F.max(parts)
    else:
        total = F.sum(parts)
        norm = F.sqrt(total) if ord == 2 else total if ord == 1 else total ** (1 / ord)
    scale = F.minimum(max_norm / (norm + 1e-6), 1.0)
    for gradient in gradients:
        gradient._reset(gradient.detach() * scale.astype(gradient.dtype))
    return norm


def _power_sum(x: Tensor, ord: float) -> Tensor:
    if ord == 2:
        return square_length(x)
    if ord == math.inf:
        return F.max(F.abs(x)) if x.size else Tensor(0.0)
    return F.sum(F.abs(x)) if ord == 1 else F.sum(F.abs(x) ** ord)


def clip_grad_value(tensors: Tensor | Iterable[Tensor], lower: float, upper: float) -> None:
    """Clip every element of the gradients of ``tensors`` to the range from ``lower`` to ``upper``, in place.

    >>> import numod as nm, numod.optimizer as optim
    >>> x = nm.Parameter([1.0, 2.0])
    >>> x.grad = nm.Tensor([3.0, -4.0])
    >>> optim.clip_grad_value(x, -1, 2)
    >>> x.grad
    Tensor([ 2. -1.], device=xpux:0)
    """
    for gradient in _gradients("clip_grad_value", tensors):
        gradient._reset(F.clip(gradient.detach(), lower, upper))


def _gradients(name: str, tensors: Tensor | Iterable[Tensor]) -> list[Tensor]:
    """The gradients there are, each once."""
    if isinstance(tensors, Tensor):
        tensors = [tensors]
    elif not isinstance(tensors, Iterable):
        raise TypeError(f"{name}: expected a Tensor or an iterable of them, got {type(tensors).__name__}")
    found: dict[int, Tensor] = {}
    for tensor in tensors:
        if not isinstance(tensor, Tensor):
            raise TypeError(f"{name}: expected Tensors, got {type(tensor).__name__}")
        if tensor.grad is not None:
            found[id(tensor.grad)] = tensor.grad
    return list(found.values())
