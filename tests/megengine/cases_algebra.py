"""Norms, inverses and singular values."""

import numpy as np
from oracle import cotangent, differs, group

CASES = [
    group(
        "norms",
        "x = f32(2, 3, seed=1); v = f32(4, seed=2); y = f32(2, 3, 2, seed=3); i = Tensor([3, -1, 2, 0]); s = f32(seed=4)",
        """
        F.norm(v, 2)
        F.norm(v, ord=1)
        F.norm(v, ord=2.5)
        F.norm(v, ord=-1)
        F.norm(v, ord=float('inf'))
        F.norm(v, ord=-float('inf'))
        F.norm(v, ord=0)
        F.norm(i)
        F.norm(i, ord=1)
        F.norm(i, ord=3)
        F.norm(i, ord=0)
        F.norm(x, axis=(0, 1))
        F.norm(x, axis=0, keepdims=True)
        F.norm(x, 1.5, 1)
        F.norm(y, axis=-1)
        F.norm(y, axis=1, keepdims=True)
        F.norm(y, 3, axis=1)
        F.norm(x)
        F.norm(s)
        F.norm(x, keepdims=True)
        F.norm(v, keepdims=True)
        F.norm(x, axis=2)
        F.norm(i > 0)
        F.norm(f32(0))
        F.norm(x, ord='fro', axis=1)
    """,
        differs("F.norm(x, ord=float('inf'), axis=1)", "the axis counts", gives="F.max(F.abs(x), axis=1)"),
    ),
    group(
        "normalize",
        "x = f32(2, 3, seed=1); v = f32(4, seed=2); i = Tensor([3, -1, 2, 0])",
        """
        F.normalize(v, ord=1)
        F.normalize(v, ord=3)
        F.normalize(x, axis=0)
        F.normalize(x, axis=(0, 1))
        F.normalize(x, 3, 1)
        F.normalize(v, eps=100.0)
        F.normalize(v * 1e-14)
        F.normalize(i)
        F.normalize(v, ord=float('inf'))
        F.normalize(v, ord=0)
        F.normalize(x)
    """,
    ),
    group(
        "norms of zeros",
        "z = Tensor([0.0, 0.0])",
        differs("F.norm(z)", "the gradient 0 at 0, not NaN", gives="Tensor(0.0)", vjps={"z": np.zeros(2)}),
        differs("F.normalize(z)", "a finite gradient at 0", gives="z * 1", vjps={"z": cotangent((2,), 0) * np.float32(1e12)}),
        differs(
            "F.norm(Tensor([3.0, 0.0]) + z, ord=1)",
            "abs has gradient 0 at 0",
            gives="Tensor(3.0)",
            vjps={"z": cotangent((), 0) * np.array([1.0, 0.0])},
        ),
    ),
    group(
        "inverses",
        "x = f32(3, 3, seed=1) + 3 * Tensor(np.eye(3)); b = f32(2, 2, 3, 3, seed=2) + 3 * Tensor(np.eye(3)); w = f32(2, 3, seed=3)",
        """
        F.matinv(b)
        F.matinv(x)
        F.matinv(x.T)
        F.matinv(x * 100)
        F.matinv(w)
        F.matinv(f32(3))
        F.matinv(Tensor([[2, 1], [1, 1]]))
        F.matinv(Tensor([[1.0, 2.0], [2.0, 4.0]]))
    """,
        rtol=2e-4,
        atol=2e-5,
    ),
    group(
        "singular values",
        "x = f32(3, 4, seed=1); t = f32(5, 2, seed=2); b = f32(2, 3, 3, seed=3)",
        """
        F.svd(x)[1]
        F.svd(t)[1]
        F.svd(b)[1]
        F.abs(F.svd(x)[0])
        F.abs(F.svd(x)[2])
        F.abs(F.svd(t)[0])
        F.abs(F.svd(b)[2])
        F.matmul(F.svd(x)[0], F.expand_dims(F.svd(x)[1], 1) * F.svd(x)[2])
        F.svd(f32(3))
        F.svd(Tensor([[1, 2], [3, 4]]))
    """,
        differs("F.svd(x, compute_uv=False)", "the singular values; MegEngine fails", gives="F.svd(x)[1]"),
        rtol=2e-4,
        atol=2e-5,
    ),
]
