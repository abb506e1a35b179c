"""Adaptive pooling, windows, transposed, local and region restricted convolutions, further norms and attention."""

from oracle import differs, group

IMAGE = "x = apart(2, 2, 5, 7, seed=1)"

ATTENTION = """
q = f32(2, 3, 4, seed=1)
k = f32(2, 5, 4, seed=2)
v = f32(2, 5, 4, seed=3)
w = f32(64, seed=4)
b = f32(80, seed=5)
p = f32(96, seed=6)
mask = f32(3, 5, seed=7)
masks = f32(4, 3, 5, seed=8)
seen = Tensor(np.triu(np.ones((3, 5)), 1).astype("bool"))
padding = Tensor([[False, False, False, True, True], [False, True, False, False, False]])
"""

CASES = [
    group(
        "adaptive pooling sides",
        IMAGE,
        """
        F.adaptive_avg_pool2d(x, 3)
        F.adaptive_avg_pool2d(x, (4, 5))
        F.adaptive_avg_pool2d(x, (5, 7))
        F.adaptive_avg_pool2d(x, Tensor([2, 3]))
        F.adaptive_max_pool2d(x, 3)
        F.adaptive_max_pool2d(x, (4, 5))
        F.adaptive_max_pool2d(x, (5, 2))
        F.adaptive_avg_pool2d(x[0], 2)
    """,
    ),
    group(
        "pixel_shuffle",
        "x = f32(2, 8, 2, 3, seed=1)",
        """
        F.pixel_shuffle(x, 1)
        F.pixel_shuffle(x, 2)
        F.pixel_shuffle(x[0], 2)
        F.pixel_shuffle(F.reshape(x, (2, 1, 8, 2, 3)), 2)
        F.pixel_shuffle(i32(1, 4, 2, 1), 2)
        F.pixel_shuffle(x, 3)
        F.pixel_shuffle(x, 0)
        F.pixel_shuffle(x, 2.0)
        F.pixel_shuffle(x[0, 0], 1)
    """,
    ),
    group(
        "sliding_window",
        "x = f32(1, 2, 4, 5, seed=1)",
        """
        F.sliding_window(x, 2)
        F.sliding_window(x, (3, 1))
        F.sliding_window(x, (2, 3), padding=(1, 2), stride=(2, 1), dilation=(2, 1))
        F.sliding_window(x, 3, 1, 2, 1)
        F.sliding_window(i32(1, 1, 3, 3), 2)
        F.sliding_window(u8(1, 1, 3, 3), 2, 1)
        F.sliding_window(x, 6)
        F.sliding_window(x[0], 2)
    """,
    ),
    group(
        "sliding_window_transpose",
        "x = f32(1, 2, 3, 4, 2, 2, seed=1); y = f32(1, 2, 3, 3, 3, 2, seed=2)",
        """
        F.sliding_window_transpose(x, (4, 5), 2)
        F.sliding_window_transpose(x, (2, 3), 2, padding=1)
        F.sliding_window_transpose(y, (5, 4), (3, 2), padding=(1, 1), stride=(2, 2))
        F.sliding_window_transpose(y, (5, 4), (3, 2), (2, 0), (2, 1), (2, 1))
        F.sliding_window_transpose(i32(1, 1, 2, 2, 2, 2), 3, 2)
        F.sliding_window_transpose(x, 5, 2)
    """,
    ),
    group(
        "conv_transpose2d output_padding",
        """
        x = f32(1, 4, 3, 2, seed=1)
        w = f32(4, 3, 2, 3, seed=2)
        g = f32(2, 2, 3, 2, 2, seed=3)
        b = f32(1, 3, 1, 1, seed=4)
        """,
        """
        F.conv_transpose2d(x, g, groups=2)
        F.conv_transpose2d(x, w, stride=(2, 2), output_padding=(2, 2))
        F.conv_transpose2d(x, w, padding=3)
    """,
        differs(
            "F.conv_transpose2d(x, w, b, (2, 3), (1, 0), (1, 2))",
            "output_padding works",
            gives="F.conv_transpose2d(x, F.pad(w, ((0, 0), (0, 0), (0, 1), (0, 2))), b, (2, 3))[:, :, 1:-1]",
        ),
        differs(
            "F.conv_transpose2d(x, w, stride=(2, 3), output_padding=(0, 1))",
            "output_padding is not ignored",
            gives="F.conv_transpose2d(x, F.pad(w, ((0, 0), (0, 0), (0, 0), (0, 1))), stride=(2, 3))",
        ),
        atol=1e-5,
    ),
    group(
        "conv_transpose3d",
        """
        x = f32(1, 2, 2, 3, 2, seed=1)
        w = f32(2, 3, 2, 2, 2, seed=2)
        g = f32(2, 1, 2, 2, 1, 2, seed=3)
        b = f32(1, 3, 1, 1, 1, seed=4)
        """,
        """
        F.conv_transpose3d(x, w)
        F.conv_transpose3d(x, w, b, 2, 1)
        F.conv_transpose3d(x, w, stride=(1, 2, 1), padding=(0, 1, 0), dilation=(2, 1, 1))
        F.conv_transpose3d(x, g, groups=2)
        F.conv_transpose3d(x, w, None, (2, 2, 2), 1, (1, 1, 2))
        F.conv_transpose3d(x[0], w)
    """,
        differs(
            "F.conv_transpose3d(x, w, stride=(2, 2, 2), output_padding=(1, 0, 1))",
            "output_padding works",
            gives="F.conv_transpose3d(x, F.pad(w, ((0, 0), (0, 0), (0, 1), (0, 0), (0, 1))), stride=2)",
        ),
        atol=1e-5,
    ),
    group(
        "local_conv2d",
        """
        x = f32(2, 4, 3, 3, seed=1)
        w = f32(1, 2, 2, 4, 2, 2, 3, seed=2)
        g = f32(2, 2, 2, 2, 2, 2, 1, seed=3)
        p = f32(1, 4, 2, 4, 2, 1, 1, seed=4)
        b = f32(1, 3, 2, 2, seed=5)
        c = f32(1, 3, 1, 1, seed=6)
        """,
        """
        F.local_conv2d(x, w)
        F.local_conv2d(x, w, b)
        F.local_conv2d(x, w, c)
        F.local_conv2d(x, g)
        F.local_conv2d(x, w, c, stride=2, padding=1)
        F.local_conv2d(x, p, stride=(1, 2), padding=(1, 0))
        F.local_conv2d(x, w[0])
    """,
        differs(
            "F.local_conv2d(x, f32(1, 1, 1, 4, 2, 2, 3, seed=7), dilation=2)",
            "dilation works too",
            gives="F.local_conv2d(x[:, :, ::2, ::2], f32(1, 1, 1, 4, 2, 2, 3, seed=7))",
        ),
        differs("F.local_conv2d(x, f32(1, 3, 2, 4, 2, 2, 3, seed=7))", "a weight for other places is refused", raises=ValueError),
        atol=1e-5,
    ),
    group(
        "region_restricted_conv",
        """
        x = f32(2, 4, 4, 3, seed=1)
        d = f32(4, 1, 1, 3, 3, seed=2)
        e = f32(2, 1, 2, 2, 2, seed=3)
        w = f32(1, 3, 4, 2, 2, seed=4)
        b = f32(1, 4, 1, 1, seed=5)
        r = flags(2, 4, 3, seed=6).astype("int32")
        u = flags(2, 4, 3, seed=6).astype("uint8")
        s = flags(2, 3, 2, seed=7).astype("int32")
        """,
        """
        F.region_restricted_conv(x, d, r, r, padding=1, groups=4)
        F.region_restricted_conv(x, d, r, r, b, padding=1, groups=4)
        F.region_restricted_conv(x, d, u, u, padding=1, groups=4)
        F.region_restricted_conv(x, e, r, s, groups=2)
        F.region_restricted_conv(x, w, r, s)
        F.region_restricted_conv(x, e, r, r[:, :2, :1], dilation=2, groups=2)
        F.region_restricted_conv(x, d, r, s, padding=1, groups=4)
        F.region_restricted_conv(x, d, r, u, padding=1, groups=4)
        F.region_restricted_conv(x, d, x[:, 0], x[:, 0], padding=1, groups=4)
        F.region_restricted_conv(x, w[0], r, s)
    """,
        atol=1e-5,
    ),
    group(
        "local_response_norm",
        "x = f32(2, 6, 2, 3, seed=1)",
        """
        F.local_response_norm(x)
        F.local_response_norm(x, 3, 1.0, 0.5, 2.0)
        F.local_response_norm(x, kernel_size=1, alpha=2.0)
        F.local_response_norm(x, 11, 1.5, 0.1, 0.5)
    """,
    ),
    group(
        "general_norm",
        "x = f32(2, 4, 3, 3, seed=1); w = f32(4, 3, seed=2); b = f32(4, 3, seed=3); v = f32(4, seed=4); c = f32(4, seed=5)",
        """
        F.general_norm(x, (1, 3), True, w, b)
        F.general_norm(x, [1, 2], True, w, b, eps=0.1)
        F.general_norm(x, (1,), True, v, c)
        F.general_norm(x, 1, affine=False)
        F.general_norm(x, (0, 3), affine=False)
        F.general_norm(x, (-2, -1), affine=False)
        F.general_norm(x, (1,), False, v, c)
        F.general_norm(x, (1,))
        F.general_norm(x, (1,), True, v)
        F.general_norm(x, (3, 1), True, w, b)
        F.general_norm(x, (1, 1), affine=False)
        F.general_norm(x, (4,), affine=False)
        F.general_norm(x, (), affine=False)
    """,
        differs("F.general_norm(x, (1,), True, w, b)", "weights of another shape are refused", raises=ValueError),
        atol=1e-5,
    ),
    group(
        "sync_batch_norm",
        """
        x = f32(2, 3, 2, 2, seed=1)
        w = f32(1, 3, 1, 1, seed=2)
        b = f32(1, 3, 1, 1, seed=3)
        m = f32(1, 3, 1, 1, seed=4)
        v = pos(1, 3, 1, 1, seed=5)
        """,
        """
        F.sync_batch_norm(x, m, v)
        F.sync_batch_norm(x, m, v, w, b)
        F.sync_batch_norm(x, m, v, w, b, training=True)
        F.sync_batch_norm(x, m, v, w, b, training=True, momentum=0.5, eps=0.1)
        F.sync_batch_norm(x, None, None, w, b, training=True)
        F.sync_batch_norm(x, m, v, w, b, eps_mode='max', eps=1.0)
        F.sync_batch_norm(x, None, None, w, b, training=True, eps_mode='max', eps=0.5)
        F.sync_batch_norm(x, m, v, eps_mode='least')
        F.sync_batch_norm(x, None, None)
    """,
        grads="x w b",
        atol=1e-5,
    ),
    group(
        "sync_batch_norm statistics",
        "x = f32(2, 3, 2, 2, seed=1); m = f32(1, 3, 1, 1, seed=4); v = pos(1, 3, 1, 1, seed=5)",
        """
        F.sync_batch_norm(x, m, v, training=True); (m, v)
        F.sync_batch_norm(x, m, v, training=True, momentum=Tensor(0.5)); (m, v)
        F.sync_batch_norm(x, m, v, training=True, eps_mode='max', eps=0.5); (m, v)
    """,
        grads=False,
    ),
    group(
        "multi_head_attention",
        ATTENTION,
        """
        F.multi_head_attention(q, k, v, 4, 2, 0.0, 0.0, w)
        F.multi_head_attention(q, k, v, 4, 2, 0.0, 0.0, b, 4, 4, 4, 4, True, True, True, True)
        F.multi_head_attention(q, k, v, 4, 2, 0.0, 0.0, b[:72], qbias=True, obias=True)
        F.multi_head_attention(q, k, v, 4, 2, 0.0, 0.0, p, 6, 6, 6, 4)
        F.multi_head_attention(q, k, v, 4, 2, 0.0, 0.0, w[:48], oproj_size=0)
        F.multi_head_attention(q, k, v, 4, 2, 0.0, 0.0, w, attn_mask=mask)
        F.multi_head_attention(q, k, v, 4, 2, 0.0, 0.0, w, key_padding_mask=padding)
        F.multi_head_attention(q, k, v, 4, 2, 0.0, 0.0, w, key_padding_mask=mask[:2], attn_mask=mask)
        F.multi_head_attention(q, k, v, 4, 2, 0.0, 0.0, w, attn_mask=seen, is_causal=True)
        F.multi_head_attention(q, k, v, 4, 2, 0.5, 0.5, w, training=False)
        F.multi_head_attention(q, k, v, 4, 2, 0.0, 0.0, None)
        F.multi_head_attention(q, k, v, 4, 2, 0.0, 0.0, w[:60])
        F.multi_head_attention(q, k, v, 4, 3, 0.0, 0.0, w)
        F.multi_head_attention(q, k[:1], v, 4, 2, 0.0, 0.0, w)
        F.multi_head_attention(q, k, v[:, :4], 4, 2, 0.0, 0.0, w)
        F.multi_head_attention(q, k, v, 4, 2, 0.0, 0.0, w, attn_mask=i32(3, 5))
        F.multi_head_attention(q, k, v, 4, 2, 0.0, 0.0, w, attn_mask=masks[:2])
        F.multi_head_attention(q, k, v, 4, 2, 0.0, 0.0, w, bias_k=q)
        F.multi_head_attention(q, k, v, 4, 2, 0.0, 0.0, w, add_zero_attn=True)
        F.multi_head_attention(q, k, v, 4, 2, 0.0, 0.0, w, reslink=True)
    """,
        differs(
            "F.multi_head_attention(q, k, v, 4, 2, 0.0, 0.0, w, is_causal=True)",
            "a causal mask needs no attn_mask",
            gives="F.multi_head_attention(q, k, v, 4, 2, 0.0, 0.0, w, attn_mask=seen)",
        ),
        grads="q k v w b p",
        rtol=1e-4,
        atol=2e-5,
    ),
    group(
        "multi_head_attention weights",
        ATTENTION,
        """
        F.multi_head_attention(q, k, v, 4, 1, 0.0, 0.0, w, need_weights=True)
        F.multi_head_attention(q, k, v, 4, 4, 0.0, 0.0, w, need_weights=True, average_attn_weights=True)
        F.multi_head_attention(q, k, v, 4, 2, 0.0, 0.0, w, attn_mask=masks, need_weights=True)
        F.multi_head_attention(q, k, v, 4, 2, 0.0, 0.0, w, attn_mask=seen, need_weights=True)
    """,
        grads=False,
        atol=1e-5,
    ),
    group(
        "multi_head_attention gradients beside weights",
        ATTENTION,
        "F.multi_head_attention(q, k, v, 4, 2, 0.0, 0.0, w, attn_mask=masks, need_weights=True)[0]",
        grads="q k v w",
        rtol=1e-4,
        atol=2e-5,
    ),
    group(
        "embedding refusals",
        "w = f32(4, 2)",
        """
        F.embedding(Tensor([1, 0]), w, padding_idx=0)
        F.embedding(Tensor([1, 0]), w, max_norm=1.0)
        F.embedding(Tensor([1, 0]), w, norm_type=2.0)
    """,
    ),
]
