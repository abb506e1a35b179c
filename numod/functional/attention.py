"""Attention with several heads."""

from __future__ import annotations

import math

import numpy as np

from ..dtype import boolean, is_float
from ..precision import as_given
from ..tensor import Tensor
from .dropout import dropout
from .elemwise import add, where
from .linalg import matmul
from .reduction import mean, softmax
from .tensor import transpose


class AttentionError(ValueError, AssertionError):
    """Operands or options that attention does not take. (MegEngine: AssertionError.)"""


def _check(condition: object, message: str, *values: object) -> None:
    if not condition:
        raise AttentionError("multi_head_attention: " + message.format(*values))


def _parts(packed: Tensor, shapes: list[tuple[int, ...]]) -> list[Tensor | None]:
    """The parameters that lie one after the other in a flat tensor; None for those without elements."""
    sizes = [math.prod(shape) for shape in shapes]
    _check(packed.size == sum(sizes), "io_weight_bias must have {} elements, got shape {}", sum(sizes), packed.shape)
    flat, start = packed.reshape(packed.size), 0
    parts: list[Tensor | None] = []
    for shape, size in zip(shapes, sizes, strict=True):
        parts.append(flat[start : start + size].reshape(shape) if size else None)
        start += size
    return parts


def _project(x: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    x = x if weight is None else matmul(x, weight)
    return x if bias is None else add(x, bias)


def _as_bias(name: str, mask: Tensor) -> Tensor:
    """A mask as what is added to the logits: minus infinity where a bool one is true."""
    _check(mask.dtype == boolean or is_float(mask.dtype), "{} must be of bool or float dtype, got {}", name, mask.dtype)
    return where(mask, -math.inf, 0.0) if mask.dtype == boolean else mask


def _check_operands(query: Tensor, key: Tensor, value: Tensor, heads: int) -> None:
    shapes = query.shape, key.shape, value.shape
    _check(
        all(len(shape) == 3 for shape in shapes), "query, key and value must be (N, length, features), got shapes {}, {} and {}", *shapes
    )
    _check(len({shape[0] for shape in shapes}) == 1, "query, key and value must have one batch size, got shapes {}, {} and {}", *shapes)
    _check(key.shape[1] == value.shape[1], "key and value must have one length, got shapes {} and {}", *shapes[1:])
    _check(isinstance(heads, int) and heads >= 1, "num_heads must be a positive int, got {}", heads)


def _added(shape: tuple[int, ...], key_padding_mask, attn_mask, is_causal: bool) -> list[Tensor]:
    """What is added to the logits (N, heads, queries, keys), in shapes that broadcast to theirs."""
    n, heads, queries, keys = shape
    terms = []
    if attn_mask is not None:
        bias = _as_bias("attn_mask", attn_mask)
        wanted = ((queries, keys), (n * heads, queries, keys))
        _check(bias.shape in wanted, "attn_mask must have shape {} or {}, got {}", *wanted, bias.shape)
        terms.append(bias if bias.ndim == 2 else bias.reshape(shape))
    elif is_causal:
        terms.append(_as_bias("", Tensor(~np.tri(queries, keys, dtype=bool))))
    if key_padding_mask is not None:
        bias = _as_bias("key_padding_mask", key_padding_mask)
        _check(bias.shape == (n, keys), "key_padding_mask must have shape {}, got {}", (n, keys), bias.shape)
        terms.append(bias.reshape(n, 1, 1, keys))
    return terms


@as_given
def multi_head_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim: int,
    num_heads: int,
    attn_drop: float,
    out_drop: float,
    io_weight_bias: Tensor | None,
    qproj_size: int | None = None,
    kproj_size: int | None = None,
    vproj_size: int | None = None,
    oproj_size: int | None = None,
    qbias: bool = False,
    kbias: bool = False,
    vbias: bool = False,
    obias: bool = False,
    bias_k: Tensor | None = None,
    bias_v: Tensor | None = None,
    add_zero_attn: bool = False,
    key_padding_mask: Tensor | None = None,
    attn_mask: Tensor | None = None,
    need_weights: bool = False,
    average_attn_weights: bool = False,
    is_causal: bool = False,
    maybe_cudnn_style_mask: bool = False,
    reslink: bool = False,
    training: bool = True,
) -> tuple[Tensor, Tensor | None]:
    """``softmax(Q K^T / sqrt(d)) V`` in each of ``num_heads`` parts of projected query, key and value, d = embed_dim / num_heads (Vaswani et al., 2017).

    Shape: query (N, queries, embed_dim), key (N, keys, ...), value (N, keys, ...) -> (N, queries, oproj_size).
    io_weight_bias: the matrices of the projections of query, key, value and output, (features, size) each, then the biases that are asked for, all
    in one flat tensor. A size is ``embed_dim`` by default; with 0 there is no such projection.
    attn_mask: (queries, keys) or (N * num_heads, queries, keys); key_padding_mask: (N, keys). Where a bool mask is true nothing is seen; a
    float mask is added. is_causal: without attn_mask, a query sees the keys up to its own place.
    attn_drop, out_drop: probabilities of dropping weights and outputs while ``training``.
    bias_k, bias_v, add_zero_attn, reslink and maybe_cudnn_style_mask must be left alone, as in MegEngine.

    Returns the output, and with ``need_weights`` the attention weights, (N * num_heads, queries, keys) or with ``average_attn_weights`` their
    mean over the heads, (N, queries, keys); otherwise None.

    >>> x = Tensor([[[1.0, 0.0], [0.0, 1.0]]])
    >>> out, weights = multi_head_attention(x, x, x, 2, 1, 0.0, 0.0, Tensor([1.0, 0.0, 0.0, 1.0] * 4), is_causal=True, need_weights=True)
    >>> out[0, 0].tolist(), weights[0, 0].tolist()
    ([1.0, 0.0], [1.0, 0.0])
    """
    _check_operands(query, key, value, num_heads)
    for name, given in (("bias_k", bias_k is not None), ("bias_v", bias_v is not None), ("add_zero_attn", add_zero_attn)):
        _check(not given, "{} is not supported", name)
    _check(not reslink, "reslink is not supported")
    _check(not maybe_cudnn_style_mask, "maybe_cudnn_style_mask is not supported")
    _check(query.shape[2] == embed_dim, "query must have embed_dim = {} features, got shape {}", embed_dim, query.shape)
    if io_weight_bias is None:
        raise TypeError("multi_head_attention: io_weight_bias must be a tensor, got None")
    q_size, k_size, v_size, o_size = (embed_dim if s is None else s for s in (qproj_size, kproj_size, vproj_size, oproj_size))
    inner = v_size or value.shape[2]
    shapes: list[tuple[int, ...]] = [(query.shape[2], q_size), (key.shape[2], k_size), (value.shape[2], v_size), (inner, o_size)]
    shapes += [(size if asked else 0,) for size, asked in ((q_size, qbias), (k_size, kbias), (v_size, vbias), (o_size, obias))]
    wq, wk, wv, wo, bq, bk, bv, bo = _parts(io_weight_bias, shapes)

    def split(x: Tensor) -> Tensor:
        """(N, length, size) -> (N, heads, length, size / heads)"""
        n, length, size = x.shape
        _check(size % num_heads == 0, "{} features do not make {} heads", size, num_heads)
        return transpose(x.reshape(n, length, num_heads, size // num_heads), (0, 2, 1, 3))

    q, k, v = split(_project(query, wq, bq)), split(_project(key, wk, bk)), split(_project(value, wv, bv))
    _check(q.shape[3] == k.shape[3], "query and key must be projected to one size, got {} and {}", q.shape[3], k.shape[3])
    logits = matmul(q * (embed_dim / num_heads) ** -0.5, k, transpose_b=True)
    for term in _added(logits.shape, key_padding_mask, attn_mask, is_causal):
        logits = add(logits, term)
    weights = dropout(softmax(logits, 3), attn_drop, training)
    n, heads, queries, keys = weights.shape
    mixed = transpose(matmul(weights, v), (0, 2, 1, 3)).reshape(n, queries, inner)
    out = dropout(_project(mixed, wo, bo), out_drop, training)
    if not need_weights:
        return out, None
    return out, mean(weights, 1) if average_attn_weights else weights.reshape(n * heads, queries, keys)
