"""matmul over all ranks and transposition flags, dot, linear."""

from oracle import group

A = "a = f32(2, 3, seed=1)"
RANKS = {"1": "(3,)", "2": "(3, 3)", "3": "(2, 3, 3)", "4": "(2, 1, 3, 3)"}


def of_ranks(flags=""):  # MegEngine refuses to broadcast batches: of different ranks they are left out
    return [
        f"F.matmul(f32(*{p}, seed=1), f32(*{q}, seed=2){flags})" for r, p in RANKS.items() for s, q in RANKS.items() if {r, s} != {"3", "4"}
    ]


CASES = [
    group("matmul ranks", "", of_ranks()),
    group("matmul ranks with the first transposed", "", [t for t in of_ranks(", transpose_a=True") if "(3,)" not in t]),
    group("matmul ranks with the second transposed", "", [t for t in of_ranks(", transpose_b=True") if "(3,)" not in t]),
    group(
        "matmul",
        "a = f32(2, 3, seed=1); b = f32(3, 4, seed=2); t = f32(4, 3, seed=3); v = f32(3, seed=4); w = f32(2, seed=5)",
        """
        F.matmul(a, b)
        a @ b
        F.matmul(a, t, transpose_b=True)
        F.matmul(a, w, transpose_a=True)
        F.matmul(b, a, transpose_a=True, transpose_b=True)
        F.matmul(a, v)
        F.matmul(w, a)
        v @ b
        F.matmul(v, v)
        F.dot(v, v)
        v @ v
        F.matmul(a, a)
        F.matmul(v, a)
        F.matmul(a, w)
        F.matmul(v, Tensor(2.0))
        F.dot(v, w)
        F.matmul(a[:0], b)
    """,
    ),
    group(
        "matmul batches",
        "a = f32(2, 2, 3, seed=1); b = f32(2, 3, 2, seed=2); c = f32(3, 1, 2, 3, seed=3); m = f32(3, 2, seed=4); v = f32(3, seed=5); w = f32(2, seed=6)",
        """
        F.matmul(a, b)
        F.matmul(a, m)
        F.matmul(m, a)
        F.matmul(a, v)
        F.matmul(v, b)
        F.matmul(c, v)
        F.matmul(a, a, transpose_b=True)
        F.matmul(a, a, transpose_a=True)
        F.matmul(b, a, transpose_a=True, transpose_b=True)
        F.matmul(m, a, transpose_a=True, transpose_b=True)
        F.matmul(f32(3, 2, 3, seed=7), b)
        a @ b
    """,
    ),
    group(
        "linear",
        "x = f32(2, 3, seed=1); w = f32(4, 3, seed=2); b = f32(4, seed=3); y = f32(2, 1, 2, 3, seed=4); v = f32(3, seed=5)",
        """
        F.linear(x, w)
        F.linear(x, w, b)
        F.linear(y, w, b)
        F.linear(y[0], w)
        F.linear(v, w, b)
        F.linear(x, w, f32(1, 4, seed=6))
        F.linear(w, x)
        F.linear(x, w, f32(3, seed=6))
        F.linear(f32(2, 4, seed=7), w)
        F.linear(x[:0], w, b)
    """,
    ),
]
