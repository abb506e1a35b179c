"""Connectionist temporal classification: the loss of a sequence of labels whose places in time are not known."""

from __future__ import annotations

import math

import numpy as np

from ..constants import constant
from ..dtype import float32, is_float
from ..op import apply
from ..ops import ctc as ctc_ops, index as indexed, recurrent, view
from ..tensor import Tensor
from .elemwise import equal, log, maximum, neg, where
from .tensor import concat

_LEAST = float(np.finfo(np.float32).tiny)  # probabilities below count as this


class SequenceError(ValueError, AssertionError):
    """Lengths or labels that are not those of a batch of sequences. (MegEngine: AssertionError.)"""


def _check(condition: object, message: str, *values: object) -> None:
    if not condition:
        raise SequenceError("ctc_loss: " + message.format(*values))


def _lengths(name: str, given, count: int, most: int) -> np.ndarray:
    lengths = np.asarray(given.numpy() if isinstance(given, Tensor) else given)
    _check(lengths.shape == (count,), "{} must have shape {}, got {}", name, (count,), lengths.shape)
    _check(((lengths >= 1) & (lengths <= most)).all(), "{} must be from 1 to {}, got {}", name, most, lengths)
    return lengths.astype(np.int64)


def _padded(labels: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Labels (N, most) from rows, or from labels one after the other."""
    if labels.ndim == 2:
        return labels
    _check(labels.size == lengths.sum(), "label must have {} elements, the sum of label_lengths, got {}", lengths.sum(), labels.size)
    rows = np.zeros((len(lengths), lengths.max(initial=0)), labels.dtype)
    rows[np.arange(rows.shape[1]) < lengths[:, None]] = labels
    return rows


def _states(labels: np.ndarray, lengths: np.ndarray, blank: int) -> tuple[np.ndarray, np.ndarray]:
    """The classes of the states (N, 2 * most + 1), which are the labels with a blank around each, and which states may be reached from two before."""
    count, most = labels.shape
    classes = np.full((count, 2 * most + 1), blank, np.int32)
    classes[:, 1::2] = np.where(np.arange(most) < lengths[:, None], labels, blank)
    skips = np.zeros(classes.shape, bool)
    skips[:, 1::2] = True
    skips[:, 3::2] = classes[:, 3::2] != classes[:, 1:-2:2]
    return classes, skips


def sequence_losses(pred: Tensor, pred_lengths: Tensor, label: Tensor, label_lengths: Tensor, blank: int) -> tuple[Tensor, np.ndarray]:
    """``-log(p)`` of each sequence of labels, and the lengths of these."""
    _check(pred.ndim == 3, "pred must be (T, N, classes), got shape {}", pred.shape)
    pred = pred if is_float(pred.dtype) else pred.astype(float32)
    times, count, classes = pred.shape
    _check(0 <= blank < classes, "blank must be in [0, {}), got {}", classes, blank)
    ends = _lengths("pred_lengths", pred_lengths, count, times)
    labels = np.asarray(label.numpy() if isinstance(label, Tensor) else label)
    fits = labels.ndim == 1 or (labels.ndim == 2 and len(labels) == count)
    _check(fits, "label must have shape ({}, longest) or one axis, got shape {}", count, labels.shape)
    sizes = _lengths("label_lengths", label_lengths, count, labels.shape[-1])
    labels = _padded(labels, sizes)
    states, skips = _states(labels, sizes, blank)
    width = states.shape[1]

    def fixed(array: np.ndarray) -> Tensor:
        return Tensor(array, dtype=array.dtype, device=pred.device)

    def picked(x: Tensor, places: np.ndarray, shape: tuple[int, ...]) -> Tensor:
        """Elements of ``x`` at flat places."""
        return apply(indexed.take, (x.reshape(x.size), fixed(places.reshape(-1))), (0,)).reshape(shape)

    if ((states < 0) | (states >= classes)).any():
        raise IndexError(f"ctc_loss: labels must be in [0, {classes}), got {labels}")
    rows = np.arange(count, dtype=np.int64)[:, None]
    places = np.arange(times, dtype=np.int64)[:, None, None] * (count * classes) + rows * classes + states
    emitted = picked(log(maximum(pred, _LEAST)), places.astype(indexed.index_dtype(pred.size)), (times, count, width))
    never, certain = (constant(value, pred.dtype, pred.device) for value in (-math.inf, 0.0))
    margin, start = (apply(view.broadcast_to, (x,), ((count, n),)) for x, n in ((never, 2), (never, width)))
    allowed = fixed(skips)
    # before the first step all is in the place left of the first state
    before = concat([margin[:, :1], apply(view.broadcast_to, (certain,), ((count, 1),)), start], 1)
    steps = apply(recurrent.parts, (emitted,), (0, (1,) * times))
    for t, emit in enumerate(steps if times > 1 else [steps]):
        active = fixed((ends > t)[:, None])
        reached = (before[:, 2:], before[:, 1:-1], before[:, :-2], emit.reshape(count, width), allowed, active)
        before = concat([margin, apply(ctc_ops.ctc_step, reached)], 1)
    final = picked(before, (rows * (width + 2) + 2 + 2 * sizes[:, None] - np.arange(2)).astype(np.int32), (count, 2))
    yes, no = fixed(np.ones(count, bool)), fixed(np.zeros(count, bool))
    total = apply(ctc_ops.ctc_step, (final[:, 0], final[:, 1], never, certain, no, yes))
    return where(equal(total, -math.inf), -math.log(2 * _LEAST), neg(total)), sizes
