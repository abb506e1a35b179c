"""The operations in JAX, compiled by ``jit``."""

from __future__ import annotations

import os

if "BENCH_THREADS" in os.environ:  # XLA sizes its pool when it starts
    os.environ["XLA_FLAGS"] = f"--xla_cpu_multi_thread_eigen={'false' if os.environ['BENCH_THREADS'] == '1' else 'true'}"

import inputs
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

_UNARY = {
    "relu": jax.nn.relu,
    "gelu": lambda x: jax.nn.gelu(x, approximate=False),
    "exp": jnp.exp,
    "tanh": jnp.tanh,
    "sigmoid": jax.nn.sigmoid,
    "sqrt": jnp.sqrt,
    "log": jnp.log,
    "erf": jax.scipy.special.erf,
    "add": jnp.add,
    "mul": jnp.multiply,
    "softmax": jax.nn.softmax,
}


def set_threads(count):
    if count == 1:
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def describe():
    return {"version": jax.__version__}


def finish(result):
    return np.asarray(result, np.float64)


def _ready(function, *arguments):
    compiled = jax.jit(function)
    return lambda: jax.block_until_ready(compiled(*arguments))


def _arrays(*arrays):
    return [jnp.asarray(each) for each in arrays]


def matmul(m, n, k, transpose_a=False, transpose_b=False, batch=None):
    lead = () if batch is None else (batch,)
    a, b = _arrays(
        inputs.array("a", *lead, *((k, m) if transpose_a else (m, k))), inputs.array("b", *lead, *((n, k) if transpose_b else (k, n)))
    )
    return _ready(lambda a, b: jnp.matmul(a.swapaxes(-1, -2) if transpose_a else a, b.swapaxes(-1, -2) if transpose_b else b), a, b)


def conv(direction, x, weight, stride, padding, groups):
    x, w = _arrays(inputs.array("x", *x), inputs.array("w", *weight))
    call = lambda x, w: lax.conv_general_dilated(x, w, (stride,) * 2, [(padding,) * 2] * 2, feature_group_count=groups)
    if direction == "forward":
        return _ready(call, x, w)
    (dy,) = _arrays(inputs.array("dy", *jax.eval_shape(call, x, w).shape))
    if direction == "data":
        return _ready(lambda w, dy: jax.vjp(lambda x: call(x, w), x)[1](dy)[0], w, dy)
    return _ready(lambda x, dy: jax.vjp(lambda w: call(x, w), w)[1](dy)[0], x, dy)


def elementwise(function, size):
    arrays = _arrays(inputs.positive("x", size), inputs.positive("y", size))
    return _ready(_UNARY[function], *arrays[: 2 if function in ("add", "mul") else 1])


def chain(size):
    return _ready(lambda x, y: jax.nn.relu(x * 2 + y), *_arrays(inputs.array("x", size), inputs.array("y", size)))


def broadcast(x, y):
    return _ready(jnp.add, *_arrays(inputs.array("x", *x), inputs.array("y", *y)))


def reduction(function, shape, axis):
    axis = tuple(axis) if isinstance(axis, list) else axis
    return _ready(lambda x: getattr(jnp, function)(x, axis), *_arrays(inputs.array("x", *shape)))


def transpose(shape, axes):
    return _ready(lambda x: jnp.transpose(x, axes) + 0, *_arrays(inputs.array("x", *shape)))


def rows(function, shape):
    return _ready(lambda x: _UNARY[function](x, -1), *_arrays(inputs.array("x", *shape)))


def embedding(rows, width, count):
    return _ready(lambda w, i: w[i], *_arrays(inputs.array("w", rows, width), inputs.integers("i", rows, count)))


def training(layer, shape):
    x, dy = _arrays(inputs.array("x", *shape), inputs.array("dy", *shape))
    if layer == "cross_entropy":
        (label,) = _arrays(inputs.integers("l", shape[1], shape[0]))
        entropy = lambda x: -jnp.take_along_axis(jax.nn.log_softmax(x, -1), label[:, None], 1).mean()
        return _ready(jax.grad(entropy), x)
    if layer not in ("gelu", "softmax"):
        return None
    return _ready(lambda x, dy: jax.vjp(_UNARY[layer], x)[1](dy)[0], x, dy)


def attention(shape, step):
    q, k, v, dy = _arrays(*(inputs.array(name, *shape) for name in ("q", "k", "v", "dy")))

    def call(q, k, v):
        scores = q @ k.swapaxes(-1, -2) / np.sqrt(shape[3])
        return jax.nn.softmax(jnp.where(jnp.tri(shape[2], dtype=bool), scores, -jnp.inf), -1) @ v

    if step:
        return _ready(lambda dy, *wanted: jax.vjp(call, *wanted)[1](dy), dy, q, k, v)
    return _ready(call, q, k, v)


def lstm(shape, hidden, step):
    import jax_models

    sizes = ((shape[2], 4 * hidden), (hidden, 4 * hidden), (4 * hidden,))
    x, dy, *weights = _arrays(
        inputs.array("x", *shape), inputs.array("dy", *shape[:2], hidden), *(inputs.array("w", *size) for size in sizes)
    )
    if step:
        return _ready(lambda dy, *wanted: jax.vjp(jax_models.lstm, *wanted)[1](dy), dy, x, *weights)
    return _ready(jax_models.lstm, x, *weights)


def model_step(name, batch):
    import jax_models

    return jax_models.step(name, batch)


def model_inference(name):
    import jax_models

    return jax_models.inference(name)


traced_step, traced_inference = model_step, model_inference  # they are compiled whole
