"""Attention with several heads."""

from __future__ import annotations

import numpy as np

from .. import functional as F
from ..functional.attention import AttentionError
from ..tensor import Parameter, Tensor
from . import init
from .module import Module


class MultiHeadAttention(Module):
    """``softmax(Q K^T / sqrt(d)) V`` in each of ``num_heads`` parts of projected query, key and value (Vaswani et al., 2017).

    Shape: query (N, queries, embed_dim), key (N, keys, kdim), value (N, keys, vdim) -> (N, queries, embed_dim), and the weights or None.
    kdim, vdim: ``embed_dim`` unless given. bias: whether the four projections have one.
    attn_dropout, out_dropout: probabilities of dropping weights and outputs in training mode.
    Parameters: io_weight_bias (1, size), the matrices (features, embed_dim) of the projections of query, key, value and output one after the
    other, drawn from a uniform distribution of variance ``2 / (size + 1)``, and then the four biases, zeros.
    add_bias_kv and add_zero_attn must be False, as in MegEngine.

    >>> import numod.functional as F, numod.module as M
    >>> x = F.ones((2, 5, 8))
    >>> out, weights = M.MultiHeadAttention(8, 2)(x, x, x, need_weights=True, is_causal=True)
    >>> out.shape, weights.shape
    ((2, 5, 8), (4, 5, 5))
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        attn_dropout: float = 0.0,
        out_dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        name: str | None = None,
    ):
        super().__init__(name=name)
        kdim, vdim = (embed_dim if size is None else size for size in (kdim, vdim))
        for what, size in (("embed_dim", embed_dim), ("num_heads", num_heads), ("kdim", kdim), ("vdim", vdim)):
            if size < 1:
                raise AttentionError(f"MultiHeadAttention: {what} must be at least 1, got {size}")
        if embed_dim % num_heads:
            raise AttentionError(f"MultiHeadAttention: embed_dim must be a multiple of num_heads={num_heads}, got {embed_dim}")
        for what, asked in (("add_bias_kv", add_bias_kv), ("add_zero_attn", add_zero_attn)):
            if asked:
                raise AttentionError(f"MultiHeadAttention: {what} is not supported")
        for what, probability in (("attn_dropout", attn_dropout), ("out_dropout", out_dropout)):
            if not 0 <= probability < 1:
                raise ValueError(f"MultiHeadAttention: {what} must be at least 0 and less than 1, got {probability}")
        self.embed_dim = embed_dim
        self.num_heads = num_heads
        self.head_dim = embed_dim // num_heads
        self.kdim = kdim
        self.vdim = vdim
        self.attn_dropout = attn_dropout
        self.out_dropout = out_dropout
        self.bias = bias
        self.add_bias_kv = add_bias_kv
        self.add_zero_attn = add_zero_attn
        size = embed_dim * (2 * embed_dim + kdim + vdim + 4 * bool(bias))
        self.io_weight_bias = Parameter(np.zeros((1, size), np.float32))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new values."""
        init.xavier_uniform_(self.io_weight_bias)
        if self.bias:
            self.io_weight_bias[0, -4 * self.embed_dim :] = 0.0

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        attn_mask: Tensor | None = None,
        need_weights: bool = False,
        average_attn_weights: bool = False,
        is_causal: bool = False,
        maybe_cudnn_style_mask: bool = False,
    ):
        """The output, and with ``need_weights`` the attention weights; masks are as in :func:`numod.functional.multi_head_attention`."""
        return F.multi_head_attention(
            query,
            key,
            value,
            self.embed_dim,
            self.num_heads,
            self.attn_dropout,
            self.out_dropout,
            self.io_weight_bias,
            qbias=self.bias,
            kbias=self.bias,
            vbias=self.bias,
            obias=self.bias,
            key_padding_mask=key_padding_mask,
            attn_mask=attn_mask,
            need_weights=need_weights,
            average_attn_weights=average_attn_weights,
            is_causal=is_causal,
            maybe_cudnn_style_mask=maybe_cudnn_style_mask,
            training=self.training,
        )

    def _module_info_string(self) -> str:
        names = ("embed_dim", "num_heads", "attn_dropout", "out_dropout", "bias", "kdim", "vdim")
        return ", ".join(f"{name}={getattr(self, name)}" for name in names)
