"""Reductions, arg-reductions, cumulative sums, softmax and its kin, norms of vectors, sorting."""

import numpy as np
from oracle import cotangent, differs, group

X = "x = f32(2, 3, 4, seed=1); v = f32(5, seed=2); s = f32(seed=3)"
REDUCTIONS = ("sum", "mean", "prod", "max", "min", "var", "std")
WAYS = """
    F.{0}(x)
    F.{0}(v)
    F.{0}(x, axis=0)
    F.{0}(x, axis=1)
    F.{0}(x, axis=-1)
    F.{0}(x, axis=(0, 2))
    F.{0}(x, axis=[1, -1])
    F.{0}(x, axis=1, keepdims=True)
    F.{0}(x, axis=(0, 1), keepdims=True)
    F.{0}(x, keepdims=True)
    F.{0}(x, axis=3)
    F.{0}(x, axis=(0, 0))
"""

CASES = [
    *(group(f"reduce {name}", X, WAYS.format(name), atol=1e-5) for name in REDUCTIONS),
    group(
        "reduce rank 0 and empty",
        "s = f32(seed=3); e = F.zeros((0, 3))",
        [f"F.{name}({x})" for name in ("sum", "mean", "prod", "max", "min") for x in ("s", "s, axis=0")],
        """
        F.sum(e)
        F.prod(e)
        F.sum(e, axis=0)
        F.sum(e, axis=1)
        F.prod(e, axis=0)
        F.mean(e, axis=0)
        F.max(e, axis=1)
        F.max(e)
        F.max(e, axis=0)
        F.argmax(e)
        F.sum(Tensor([]))
        F.var(Tensor([1.0]), axis=0)
    """,
    ),
    group(
        "reduce axes",
        "x = f32(2, 3, seed=1)",
        """
        F.sum(x, 1, True)
        F.sum(x, axis=-3)
        F.sum(x, axis=(1, -1))
        x.sum()
        x.sum(1)
        x.sum(axis=0, keepdims=True)
        x.mean(axis=1)
        x.prod(axis=0)
        x.max(axis=1)
        x.min()
    """,
        differs("F.sum(x, axis=())", "the gradient is not lost", gives="x * 1", vjps={"x": cotangent((2, 3), 0)}),
        differs("x.var()", "it works", gives="F.var(x)"),
        differs("x.var(axis=1)", "it works", gives="F.var(x, axis=1)"),
    ),
    group(
        "reduce with ties and zeros",
        "x = Tensor([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]]); z = Tensor([2.0, 0.0, 3.0]); zz = Tensor([0.0, 0.0, 3.0])",
        differs(
            "F.max(x, axis=1)",
            "tied elements share the gradient evenly",
            gives="Tensor([3.0, 2.0])",
            vjps={"x": np.array([[0, 1 / 2, 1 / 2], [1 / 3] * 3]) * cotangent((2,), 0)[:, None]},
        ),
        differs(
            "F.min(x)",
            "tied elements share the gradient evenly",
            gives="Tensor(1.0)",
            vjps={"x": np.array([[1, 0, 0], [0, 0, 0]]) * cotangent((), 0)},
        ),
        """
        F.argmax(x, axis=1)
        F.argmin(x, axis=1)
        F.argmax(x)
        F.argmax(x, axis=0)
        F.sum(x == 3.0)
    """,
        differs(
            "F.prod(z)",
            "the product of the others, also at a zero",
            gives="Tensor(0.0)",
            vjps={"z": np.array([0, 6, 0]) * cotangent((), 0)},
        ),
        differs("F.prod(zz)", "the product of the others, also at a zero", gives="Tensor(0.0)", vjps={"zz": np.zeros(3)}),
    ),
    group(
        "reduce special values",
        "x = Tensor([[1.0, float('nan'), 2.0], [float('inf'), -float('inf'), 0.0], [float('inf'), 1.0, 2.0]])",
        "F.sum(x, axis=1)\nF.mean(x, axis=1)\nF.max(x, axis=1)\nF.min(x, axis=1)\nF.argmax(x, axis=1)",
        grads=False,
    ),
    group(
        "argmax",
        "x = apart(3, 4, seed=1); y = apart(2, 3, 4, seed=2)",
        """
        F.argmax(x)
        F.argmax(x, axis=0)
        F.argmax(x, axis=1)
        F.argmax(x, axis=-1, keepdims=True)
        F.argmax(y, axis=1)
        F.argmin(x)
        F.argmin(x, axis=0)
        F.argmin(y, axis=-1)
        F.argmin(y, axis=1, keepdims=True)
        F.argmax(x, axis=2)
        F.argmax(x, keepdims=True)
    """,
        grads=False,
    ),
    group(
        "cumsum",
        "x = f32(2, 3, seed=1); i = i32(4, seed=2)",
        "F.cumsum(x, axis=0)\nF.cumsum(x, 1)\nF.cumsum(x, axis=-1)\nF.cumsum(i, axis=0)",
    ),
    group(
        "softmax",
        "x = f32(2, 3, seed=1); y = f32(2, 3, 2, seed=2); z = f32(1, 2, 2, 2, seed=3); v = f32(4, seed=4)",
        """
        F.softmax(x)
        F.softmax(x, axis=1)
        F.softmax(x, axis=0)
        F.softmax(x, axis=-1)
        F.softmax(y)
        F.softmax(y, axis=1)
        F.softmax(z)
        F.softmax(v)
        F.logsoftmax(x, axis=1)
        F.logsoftmax(x, axis=-1)
        F.logsoftmax(y, axis=0)
        F.logsoftmax(x * 1000, axis=1)
        F.logsumexp(x, axis=1)
        F.logsumexp(x, axis=0, keepdims=True)
        F.logsumexp(y, axis=(1, 2))
        F.logsumexp(x * 1000, axis=1)
        F.logsumexp(x, axis=-1)
        F.logsoftmax(x)
        F.logsumexp(x)
        F.softmax(x, axis=2)
    """,
        differs(
            "F.softmax(x * 1000, axis=1)",
            "no overflow; MegEngine gives NaN",
            gives="Tensor([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0]])",
            vjps={"x": np.zeros((2, 3))},
        ),
    ),
    group(
        "softmax of special values",
        """
        x = Tensor([[-float('inf'), 1.0, 1.0], [-float('inf'), -float('inf'), 3.0]])
        a = Tensor([[-float('inf'), -float('inf')]])
        n = Tensor([[float('nan'), 1.0]])
        """,
        """
        F.softmax(x, axis=1)
        F.logsoftmax(x, axis=1)
        F.logsumexp(x, axis=1)
        F.logsumexp(a, axis=1)
        F.softmax(n, axis=1)
        F.softmax(a, axis=1)
    """,
        grads=False,
    ),
    group(
        "norm",
        "x = f32(2, 3, seed=1); v = f32(4, seed=2)",
        """
        F.norm(v)
        F.norm(x, axis=1)
        F.norm(x, ord=1, axis=0)
        F.norm(v, ord=3)
        F.norm(x, axis=1, keepdims=True)
        F.normalize(v)
        F.normalize(x, axis=1)
        F.normalize(x, ord=1, axis=0)
    """,
    ),
    group(
        "sort",
        "x = apart(3, 4, seed=1)",
        """
        F.sort(x)
        F.sort(x, descending=True)
        F.argsort(x)
        F.argsort(x, descending=True)
        F.topk(x, 2)
        F.topk(x, 2, descending=False)
    """,
    ),
]
