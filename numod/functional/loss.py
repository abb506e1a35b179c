"""Loss functions: how far a prediction is from what is wanted, by default averaged over all elements."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable

from ..dtype import int32, is_float
from ..errors import check
from ..forms import normalize_axis
from ..op import apply
from ..ops import loss as ops, view
from ..tensor import Tensor
from .ctc import sequence_losses
from .elemwise import abs, log, maximum, pow
from .gathering import indexing_one_hot
from .reduction import mean, sum

_REDUCTIONS = {"mean": mean, "sum": sum, "none": lambda loss: loss}


def _reduced(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Give a loss of each element the argument ``reduction``."""
    signature = inspect.signature(function)
    reduction = inspect.Parameter("reduction", inspect.Parameter.POSITIONAL_OR_KEYWORD, default="mean", annotation="str")
    signature = signature.replace(parameters=[*signature.parameters.values(), reduction])
    place = len(signature.parameters) - 1

    @functools.wraps(function)
    def loss(*args, **kwargs):
        args, how = (args[:place], args[place]) if len(args) > place else (args, kwargs.pop("reduction", "mean"))
        if how not in _REDUCTIONS:
            raise ValueError(f"{function.__name__}: reduction must be one of {', '.join(_REDUCTIONS)}, got {how!r}")
        return _REDUCTIONS[how](function(*args, **kwargs))

    loss.__signature__ = signature  # type: ignore[attr-defined]
    return loss


@_reduced
def l1_loss(pred: Tensor, label: Tensor) -> Tensor:
    """The absolute difference.

    >>> l1_loss(Tensor([1.0, 4.0]), Tensor([2.0, 2.0])).item()
    1.5
    """
    return abs(pred - label)


@_reduced
def square_loss(pred: Tensor, label: Tensor) -> Tensor:
    """The squared difference.

    >>> square_loss(Tensor([1.0, 4.0]), Tensor([2.0, 2.0])).item()
    2.5
    """
    return pow(pred - label, 2)


@_reduced
def cross_entropy(pred: Tensor, label: Tensor, axis: int = 1, with_logits: bool = True, label_smooth: float = 0) -> Tensor:
    """``-log(p)`` of the class that ``label`` names (an integer for each place of the other axes).

    pred: logits, or probabilities with ``with_logits=False``; classes along ``axis``.
    label_smooth: what part of the wanted probability is spread evenly over all classes.

    >>> cross_entropy(Tensor([[0.0, 0.0]]), Tensor([1])).item()
    0.6931471824645996
    """
    axis = normalize_axis("cross_entropy", axis, pred.ndim)
    rows = pred.shape[:axis] + pred.shape[axis + 1 :]
    check(
        label.shape == rows,
        "cross_entropy: label must have shape {} for predictions of shape {} along axis {}, got {}",
        rows,
        pred.shape,
        axis,
        label.shape,
    )
    if is_float(label.dtype):
        label = apply(view.astype, (label,), (int32,))
    if with_logits:
        return apply(ops.cross_entropy, (pred, label), ((axis,), float(label_smooth)))[0]
    chosen = indexing_one_hot(pred, label, axis)
    if not label_smooth:
        return -log(chosen)
    return -log(chosen) * (1 - label_smooth) - mean(log(pred), axis) * label_smooth


@_reduced
def binary_cross_entropy(pred: Tensor, label: Tensor, with_logits: bool = True) -> Tensor:
    """``-label * log(p) - (1 - label) * log(1 - p)``, for logits with ``p = sigmoid(pred)``, else with ``p = pred``.

    >>> binary_cross_entropy(Tensor([0.0]), Tensor([1.0])).item()
    0.6931471824645996
    """
    check(
        pred.shape == label.shape, "binary_cross_entropy: prediction and label must have one shape, got {} and {}", pred.shape, label.shape
    )
    if with_logits:
        return apply(ops.binary_cross_entropy, (pred, label))
    return -(label * log(pred) + (1 - label) * log(1 - pred))


@_reduced
def hinge_loss(pred: Tensor, label: Tensor, norm: str = "L1") -> Tensor:
    """``max(0, 1 - pred * label)`` summed over the last axis, squared first with ``norm="L2"``; labels are -1 and 1.

    >>> hinge_loss(Tensor([[0.5, -0.5]]), Tensor([[1.0, -1.0]])).item()
    1.0
    """
    if norm not in ("L1", "L2"):
        raise ValueError(f"hinge_loss: norm must be 'L1' or 'L2', got {norm!r}")
    distance = maximum(1 - pred * label, 0.0)
    return sum(pow(distance, 2) if norm == "L2" else distance, 1)


def ctc_loss(pred: Tensor, pred_lengths: Tensor, label: Tensor, label_lengths: Tensor, blank: int = 0, reduction: str = "mean") -> Tensor:
    """``-log`` of the probability that a sequence spells its labels: connectionist temporal classification (Graves et al., 2006).

    A path of classes in time spells the labels that are left when neighbours that are equal are merged, and then blanks dropped.

    pred: probabilities (T, N, classes), as `softmax` gives them. pred_lengths: (N,), how many of the T count.
    label: (N, longest), or all labels one after the other. label_lengths: (N,), how many of them count, at least one.
    reduction: "mean" divides the loss of each sequence by its label length, then takes the mean.
    A probability below 1e-38 counts as that; the loss of labels that no path spells is 86.6.

    >>> ctc_loss(Tensor([[[0.5, 0.5]], [[0.5, 0.5]]]), Tensor([2]), Tensor([[1]]), Tensor([1]))
    Tensor(0.28768..., device=xpux:0)
    """
    if reduction not in _REDUCTIONS:
        raise ValueError(f"ctc_loss: reduction must be one of {', '.join(_REDUCTIONS)}, got {reduction!r}")
    losses, sizes = sequence_losses(pred, pred_lengths, label, label_lengths, blank)
    if reduction == "mean":
        losses = losses / Tensor(sizes, dtype=losses.dtype, device=losses.device)
    return _REDUCTIONS[reduction](losses)
