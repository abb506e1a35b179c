"""The step of the recursion of connectionist temporal classification, on logarithms of probabilities."""

from __future__ import annotations

import math

import numpy as np

from ..forms import elementwise
from .compare import keep, where
from .math import mul, neg, sub


def _share_ref(x, total):
    return np.where(total.real == -np.inf, 0.0, np.exp(x - total))


@elementwise(
    ref=_share_ref,
    takes="float",
    vjp={"x": lambda g, out: mul(g, out), "total": lambda g, out: neg(mul(g, out))},
)
def log_share(x, total):
    """``exp(x - total)``: what part of a sum a term is, from their logarithms; 0 of a sum that is 0."""
    return 0.0 if total == -np.inf else math.exp(x - total)


def _step_ref(stay, move, skip, emit, allowed, active):
    terms = np.stack(np.broadcast_arrays(stay, move, np.where(allowed, skip, -np.inf)))
    top = terms.real.max(0)
    total = np.where(top == -np.inf, -np.inf, top + np.log(np.exp(terms - top).sum(0)))
    return np.where(active, total + emit, stay)


def _part(g, term, out, emit, active):
    """The gradient of one of the terms that are added up."""
    return keep(active, mul(g, log_share(term, sub(out, emit))))


@elementwise(
    ref=_step_ref,
    takes="float",
    masks=("allowed", "active"),
    vjp={
        "stay": lambda g, stay, emit, active, out: where(active, mul(g, log_share(stay, sub(out, emit))), g),
        "move": lambda g, move, emit, active, out: _part(g, move, out, emit, active),
        "skip": lambda g, skip, emit, allowed, active, out: keep(allowed, _part(g, skip, out, emit, active)),
        "emit": lambda g, active: keep(active, g),
    },
)
def ctc_step(stay, move, skip, emit, allowed, active):
    """``log(exp(stay) + exp(move) + exp(skip)) + emit``, without skip where that is not ``allowed``; ``stay`` itself where not ``active``."""
    if not active:
        return stay
    top = stay
    if move > top or move != move:
        top = move
    if allowed and (skip > top or skip != skip):
        top = skip
    total = top
    if top != -np.inf:
        parts = math.exp(stay - top) + math.exp(move - top)
        if allowed:
            parts += math.exp(skip - top)
        total = top + math.log(parts)
    return total + emit
