"""Some of the models in JAX: a training step is one jitted function."""

from __future__ import annotations

import math

import inputs
import jax
import jax.numpy as jnp
from jax import lax
from mge_models import _input


def _weights(*shapes):
    return [jnp.asarray(inputs.array(f"w{i}", *shape)) * (0.1 if len(shape) > 1 else 0.0) for i, shape in enumerate(shapes)]


def _convolve(x, w, b):
    return lax.conv_general_dilated(x, w, (1, 1), "VALID") + b[:, None, None]


def _pool(x):
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")


def _convnet(weights, x):
    w1, b1, w2, b2, w3, b3, w4, b4 = weights
    x = _pool(jax.nn.relu(_convolve(x, w1, b1)))
    x = _pool(jax.nn.relu(_convolve(x, w2, b2)))
    return jax.nn.relu(x.reshape(x.shape[0], -1) @ w3 + b3) @ w4 + b4


def _mlp(weights, x):
    w1, b1, w2, b2, w3, b3 = weights
    return jax.nn.relu(jax.nn.relu(x @ w1 + b1) @ w2 + b2) @ w3 + b3


def _normalized(x, scale, shift):
    centered = x - x.mean(-1, keepdims=True)
    return centered * lax.rsqrt((centered * centered).mean(-1, keepdims=True) + 1e-5) * scale + shift


LAYER = ((128,), (128,), (128, 384), (384,), (128, 128), (128,), (128,), (128,), (128, 512), (512,), (512, 128), (128,))


def _transformer(weights, tokens):
    embedding, places, *rest = weights
    x = embedding[tokens] + places[: tokens.shape[1]]
    mask = jnp.triu(jnp.full((64, 64), -1e9, jnp.float32), 1)
    for layer in (rest[:12], rest[12:24]):
        s1, b1, qkv, qkv_b, out, out_b, s2, b2, up, up_b, down, down_b = layer
        n, length, width = x.shape
        q, k, v = jnp.transpose((_normalized(x, s1, b1) @ qkv + qkv_b).reshape(n, length, 3, 4, 32), (2, 0, 3, 1, 4))
        scores = jax.nn.softmax(q @ jnp.swapaxes(k, -1, -2) / math.sqrt(32) + mask, -1)
        x = x + jnp.transpose(scores @ v, (0, 2, 1, 3)).reshape(n, length, width) @ out + out_b
        x = x + jax.nn.gelu(_normalized(x, s2, b2) @ up + up_b, approximate=False) @ down + down_b
    scale, shift, head, head_b = rest[24:]
    return (_normalized(x, scale, shift) @ head + head_b).reshape(-1, 256)


def lstm(x, wx, wh, b):
    """The hidden states of all steps."""

    def cell(state, row):
        h, c = state
        i, f, g, o = jnp.split(row + h @ wh, 4, -1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h

    zeros = jnp.zeros((x.shape[1], wh.shape[0]), jnp.float32)
    return lax.scan(cell, (zeros, zeros), x @ wx + b)[1]


def _lstm(weights, x):
    return lstm(x, *weights[:3])[-1] @ weights[3] + weights[4]


MODELS = {
    "ConvNet": (_convnet, ((10, 1, 5, 5), (10,), (20, 10, 5, 5), (20,), (320, 50), (50,), (50, 10), (10,))),
    "MLP": (_mlp, ((784, 512), (512,), (512, 256), (256,), (256, 10), (10,))),
    "Transformer": (_transformer, ((256, 128), (64, 128), *LAYER, *LAYER, (128,), (128,), (128, 256), (256,))),
    "LSTM": (_lstm, ((64, 512), (128, 512), (512,), (128, 10), (10,))),
}


def step(name, batch):
    """Forward, backward and optimizer (SGD with momentum for the ConvNet, else Adam)."""
    if name not in MODELS:
        return None
    model, shapes = MODELS[name]
    weights = _weights(*shapes)
    x, labels = (jnp.asarray(each) for each in _input(name, batch))
    state = [[jnp.zeros_like(w) for w in weights] for _ in range(2)]

    def loss(weights):
        return -jnp.take_along_axis(jax.nn.log_softmax(model(weights, x), -1), labels[:, None], 1).mean()

    @jax.jit
    def update(weights, state):
        value, gradients = jax.value_and_grad(loss)(weights)
        first, second = state
        if name == "ConvNet":
            first = [0.9 * m + g for m, g in zip(first, gradients, strict=True)]
            return value, [w - 1e-3 * m for w, m in zip(weights, first, strict=True)], [first, second]
        first = [0.9 * m + 0.1 * g for m, g in zip(first, gradients, strict=True)]
        second = [0.999 * v + 0.001 * g * g for v, g in zip(second, gradients, strict=True)]
        return value, [w - 1e-4 * m / (jnp.sqrt(v) + 1e-8) for w, m, v in zip(weights, first, second, strict=True)], [first, second]

    def run():
        nonlocal weights, state
        value, weights, state = jax.block_until_ready(update(weights, state))
        return value

    return run


def inference(name):
    """One example."""
    if name not in MODELS:
        return None
    model, shapes = MODELS[name]
    weights, x, call = _weights(*shapes), jnp.asarray(_input(name, 1)[0]), jax.jit(model)
    return lambda: jax.block_until_ready(call(weights, x))
