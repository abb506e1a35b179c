"""Sorting, the largest elements, accuracy, running sums, and products with zeros."""

from oracle import differs, group

CASES = [
    group(
        "sorting",
        "x = apart(3, 4, seed=1); v = apart(5, seed=2); i = Tensor([3, 1, 2, 2]); u = Tensor([3, 1, 2], dtype='uint8'); t = Tensor([2.0, 1.0, 2.0, 1.0])",
        """
        F.sort(v)
        F.sort(v, descending=True)
        F.sort(x * 2)
        F.sort(x.T)
        F.sort(i)
        F.sort(u)
        F.sort(t)
        F.argsort(v)
        F.argsort(i)
        F.argsort(t)
        F.argsort(x, True)
        F.sort(i > 1)
        F.sort(Tensor(1.0))
        F.argsort(Tensor(1.0))
    """,
        differs("F.argsort(t, descending=True)", "equal elements stay in their order", gives="Tensor([0, 2, 1, 3])"),
        differs("F.sort(f32(2, 1, 2))[1]", "the last axis of any number of axes", gives="F.argsort(f32(2, 1, 2))"),
        differs(
            "F.sort(Tensor([1.0, np.nan, -np.inf, np.inf]))",
            "NaN is larger than all numbers; MegEngine has no order with it",
            gives="(Tensor([-np.inf, 1.0, np.inf, np.nan]), Tensor([2, 0, 3, 1]))",
        ),
    ),
    group(
        "empty rows",
        "e = f32(0); r = f32(2, 0)",
        "F.sort(e)\nF.argsort(r)\nF.cumsum(r, 1)\nF.cumsum(e, 0)\nF.topk(e, 1)",
    ),
    group(
        "topk",
        "x = apart(3, 4, seed=1); v = apart(5, seed=2); i = Tensor([3, 1, 2, 5])",
        """
        F.topk(v, 2)
        F.topk(v, 1)
        F.topk(x, 4)
        F.topk(x, 7)
        F.topk(x, -2)
        F.topk(x, -2, descending=False)
        F.topk(x, 2, kth_only=True)
        F.topk(v, 3, kth_only=True)
        F.topk(x, 2, descending=False, kth_only=True)
        F.topk(i, 2)
        F.topk(x, Tensor(2))
        F.topk(x, 2.0)
        F.topk(x, 0)
        F.topk(Tensor(1.0), 1)
        F.sort(F.topk(x, 2, no_sort=True)[0])[0]
        F.sort(F.topk(x, 3, descending=False, no_sort=True)[0])[0]
    """,
    ),
    group(
        "topk accuracy",
        "x = apart(4, 5, seed=1); y = Tensor([0, 2, 4, 1])",
        """
        F.topk_accuracy(x, y)
        F.topk_accuracy(x, y, 3)
        F.topk_accuracy(x, y, topk=(1, 2, 5))
        F.topk_accuracy(x, y, topk=[2])
        F.topk_accuracy(x, Tensor([0.0, 2.0, 4.0, 1.0]), 2)
        F.topk_accuracy(x, y, 6)
        F.topk_accuracy(x, F.expand_dims(y, 1))
    """,
        grads=False,
    ),
    group(
        "running sums",
        "x = f32(2, 3, 2, seed=1); u = Tensor([200, 100, 3], dtype='uint8'); s = f32(seed=2)",
        """
        F.cumsum(x, 0)
        F.cumsum(x, 1)
        F.cumsum(x, -1)
        F.cumsum(u, 0)
        F.cumsum(x, 3)
        F.cumsum(x, -4)
        F.cumsum(x, None)
        F.cumsum(u > 100, 0)
    """,
    ),
    group("running sums of rank 0", "s = f32(seed=2)", "F.cumsum(s, 0)", grads=False),
]
