"""Shapes, dtypes and refusals of random numbers; the numbers themselves are each library's own."""

from oracle import group

CASES = [
    group(
        "random shapes",
        "a = Tensor([1.0, 2.0]); b = Tensor([[1.0], [3.0]])",
        """
        random.uniform().shape
        random.normal().dtype
        random.uniform(size=(2, 3)).shape
        random.uniform(size=(0, 2)).shape
        random.gamma(2).shape
        random.gamma(2.0, 3.0).dtype
        random.gamma(2, size=(2, 3)).shape
        random.gamma(2, size=[3]).shape
        random.gamma(2, size=3).shape
        random.gamma(2, size=()).shape
        random.gamma(a, 2).shape
        random.gamma(a, b).shape
        random.gamma(a, size=(3,)).shape
        random.gamma(a, 2, (3, 1)).shape
        random.gamma(Tensor(2.0)).shape
        random.beta(1, 2).shape
        random.beta(1, 2, (2,)).shape
        random.beta(a, b).shape
        random.beta(a, 1.0, (3,)).shape
        random.beta(a, 1.0).dtype
        random.poisson(3).shape
        random.poisson(3.0, (2,)).dtype
        random.poisson(a).shape
        random.poisson(a, (3,)).shape
        random.RNG(1).gamma(2, size=(2,)).shape
        random.gamma(Tensor([0.0, -1.0]))
        random.poisson(Tensor([0.0, -1.0]))
        random.permutation(0)
        random.permutation(5, dtype='float32').dtype
        random.shuffle(a)
    """,
        grads=False,
    ),
    group(
        "random refusals",
        "i = Tensor([1, 2])",
        """
        random.uniform(1, 0)
        random.gamma(0)
        random.gamma(-1)
        random.gamma(2, -1)
        random.gamma(2, 0)
        random.gamma(i)
        random.gamma('a')
        random.beta(0, 1)
        random.beta(1, -2)
        random.beta(i, 1)
        random.poisson(0)
        random.poisson(-1)
        random.poisson(i)
        random.permutation(5.0)
        random.permutation([1, 2])
    """,
        grads=False,
    ),
]
