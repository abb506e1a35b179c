"""Measures of how good predictions are."""

from __future__ import annotations

import operator
from collections.abc import Iterable

from ..errors import check
from ..tensor import Tensor
from .reduction import mean
from .sorting import topk as largest
from .tensor import broadcast_to, expand_dims


def topk_accuracy(logits: Tensor, target: Tensor, topk: int | Iterable[int] = 1) -> Tensor | list[Tensor]:
    """The share of rows of ``logits`` (n, classes) whose ``target`` (n,) is among the ``topk`` largest; a list for several topk.

    >>> topk_accuracy(Tensor([[0.1, 0.9], [0.8, 0.2]]), Tensor([1, 1])).item()
    0.5
    """
    counts = [operator.index(count) for count in topk] if isinstance(topk, Iterable) else [operator.index(topk)]
    check(logits.ndim == 2, "topk_accuracy: logits must have 2 axes, got shape {}", logits.shape)
    check(target.shape == logits.shape[:1], "topk_accuracy: target must have shape {}, got {}", logits.shape[:1], target.shape)
    check(
        all(1 <= count <= logits.shape[1] for count in counts),
        "topk_accuracy: topk must be in [1, {}], the number of classes, got {}",
        logits.shape[1],
        topk,
    )
    _, order = largest(logits, max(counts))
    hits = (order == broadcast_to(expand_dims(target, 1), order.shape)).astype(logits.dtype)
    shares = [mean(hits[:, :count].sum(1)) for count in counts]
    return shares[0] if len(shares) == 1 else shares
