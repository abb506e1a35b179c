"""The layer of attention: outputs, gradients, its one parameter, masks, refusals."""

from cases_module_more import LEARN
from cases_windows import ATTENTION
from oracle import differs, group

GIVEN = (
    LEARN
    + ATTENTION
    + """
six = f32(2, 5, 6, seed=9)
five = f32(2, 5, 5, seed=10)

def attend(m, *xs, **options):
    fill(m)
    gm = GradManager().attach(list(m.parameters()))
    with gm:
        out, weights = m(*xs, **options)
        gm.backward(out, Tensor(np.random.RandomState(5).uniform(0.5, 2.0, out.shape).astype("float32")))
    return [out, weights, {"gradient": m.io_weight_bias.grad}]

def tensors_of(m):
    return [[(name, t.shape) for name, t in m.named_parameters()], [(name, a.shape) for name, a in m.state_dict().items()]]

def drawn(m, biases):
    values = m.io_weight_bias.numpy()[0]
    matrices, limit = values[: values.size - biases], (6 / (values.size + 1)) ** 0.5
    spread = float(matrices.std()) / limit * 3**0.5
    return [bool(np.abs(matrices).max() <= limit), abs(spread - 1) < 0.03, bool((values[values.size - biases :] == 0).all())]
"""
)

CASES = [
    group(
        "MultiHeadAttention",
        GIVEN,
        """
        attend(M.MultiHeadAttention(4, 2), q, k, v)
        attend(M.MultiHeadAttention(4, 1), q, k, v)
        attend(M.MultiHeadAttention(4, 4, bias=False), q, k, v)
        attend(M.MultiHeadAttention(4, 2, kdim=6, vdim=5), q, six, five)
        attend(M.MultiHeadAttention(4, 2, 0.0, 0.0, False, False, False, 6, 5), q, six, five)
        attend(M.MultiHeadAttention(4, 2), q, k, v, padding)
        attend(M.MultiHeadAttention(4, 2), q, k, v, None, mask)
        attend(M.MultiHeadAttention(4, 2), q, k, v, padding, masks)
        attend(M.MultiHeadAttention(4, 2), q, k, v, attn_mask=seen, is_causal=True)
        m = fill(M.MultiHeadAttention(4, 2, 0.5, 0.5)); m.eval(); m(q, k, v)
        M.MultiHeadAttention(4, 2)(q, six, v)
        M.MultiHeadAttention(4, 2)(q, k[:1], v)
        M.MultiHeadAttention(4, 2)(q, k, v, attn_mask=masks[:2])
        M.MultiHeadAttention(4, 2)(q, k, v, maybe_cudnn_style_mask=True)
        M.MultiHeadAttention(4, 2)(q)
        tensors_of(M.MultiHeadAttention(4, 2))
        tensors_of(M.MultiHeadAttention(4, 2, bias=False))
        tensors_of(M.MultiHeadAttention(4, 2, kdim=6, vdim=5))
        [getattr(M.MultiHeadAttention(4, 2, kdim=6, name='a'), s) for s in ('embed_dim', 'num_heads', 'head_dim', 'kdim', 'vdim', 'bias', 'name')]
        [getattr(M.MultiHeadAttention(4, 2), s) for s in ('attn_dropout', 'out_dropout', 'add_bias_kv', 'add_zero_attn', 'training')]
        drawn(M.MultiHeadAttention(40, 4), 160)
        drawn(M.MultiHeadAttention(40, 4, bias=False, kdim=60), 0)
        M.MultiHeadAttention(4, 3)
        M.MultiHeadAttention(4, 2, add_bias_kv=True)
        M.MultiHeadAttention(4, 2, add_zero_attn=True)
    """,
        differs(
            "fill(M.MultiHeadAttention(4, 2))(q, k, v, is_causal=True)",
            "a causal mask needs no attn_mask",
            gives="fill(M.MultiHeadAttention(4, 2))(q, k, v, attn_mask=seen)",
        ),
        differs(
            "repr(M.MultiHeadAttention(4, 2, 0.1, kdim=6))",
            "it has a repr",
            gives="'MultiHeadAttention(embed_dim=4, num_heads=2, attn_dropout=0.1, out_dropout=0.0, bias=True, kdim=6, vdim=4)'",
        ),
        differs(
            "[getattr(M.MultiHeadAttention(4, 2, 0.1, 0.2), s) for s in ('attn_dropout', 'out_dropout')]",
            "dropout works on CPUs",
            gives="[0.1, 0.2]",
        ),
        grads="q k v six five",
        rtol=2e-4,
        atol=2e-5,
    ),
    group(
        "MultiHeadAttention weights",
        GIVEN,
        """
        attend(M.MultiHeadAttention(4, 2), q, k, v, need_weights=True)
        attend(M.MultiHeadAttention(4, 2), q, k, v, None, seen, True, True)
        attend(M.MultiHeadAttention(4, 2), q, k, v, padding, need_weights=True, average_attn_weights=True)
    """,
        grads=False,
        rtol=2e-4,
        atol=2e-5,
    ),
]
