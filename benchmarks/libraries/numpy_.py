"""The operations that NumPy has."""

from __future__ import annotations

import inputs
import numpy as np


def set_threads(count):
    from threadpoolctl import threadpool_limits

    threadpool_limits(count)


def describe():
    return {"version": np.__version__}


def finish(result):
    return np.asarray(result, np.float64)


def matmul(m, n, k, transpose_a=False, transpose_b=False, batch=None):
    lead = () if batch is None else (batch,)
    a = inputs.array("a", *lead, *((k, m) if transpose_a else (m, k)))
    b = inputs.array("b", *lead, *((n, k) if transpose_b else (k, n)))
    a, b = (a.swapaxes(-1, -2) if transpose_a else a), (b.swapaxes(-1, -2) if transpose_b else b)
    return lambda: np.matmul(a, b)


def broadcast(x, y):
    x, y = inputs.array("x", *x), inputs.array("y", *y)
    return lambda: x + y


def transpose(shape, axes):
    x = inputs.array("x", *shape).transpose(axes)
    return lambda: np.copy(x, "C")


def reduction(function, shape, axis):
    x, call = inputs.array("x", *shape), getattr(np, function)
    axis = tuple(axis) if isinstance(axis, list) else axis
    return lambda: call(x, axis)
