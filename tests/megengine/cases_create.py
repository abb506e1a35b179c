"""Tensors from nothing: arange, linspace, eye, full, zeros, ones and the _likes."""

from oracle import differs, group

CASES = [
    group(
        "create",
        "",
        """
        F.arange(5)
        F.arange(1, 5)
        F.arange(1, 8, 2)
        F.arange(5, 0, -1)
        F.arange(0, 1, 0.25)
        F.arange(0.5, 3)
        F.arange(5, dtype='int32')
        F.arange(start=2, stop=5)
        F.arange(0)
        F.arange(0, 3, 0.7, dtype='int32')
        F.linspace(0, 1, 5)
        F.linspace(3, 10, 4)
        F.linspace(1, 0, 3)
        F.linspace(0, 1, 1)
        F.linspace(0, 4, 5, dtype='int32')
        F.eye(3)
        F.eye(2, 4)
        F.eye(3, dtype='int32')
        F.full((2, 2), 3)
        F.full((2, 2), 3.5)
        F.full((2,), True)
        F.full((2,), 3, dtype='float32')
        F.full(3, 1.5)
        F.full((), 2.0)
        F.full((2, 0), 1.0)
        F.full((2,), 3.7, dtype='int32')
        F.zeros((2, 3))
        F.zeros(3)
        F.zeros([1, 2])
        F.zeros((2,), dtype='int32')
        F.zeros((2,), dtype='bool')
        F.zeros((0, 2))
        F.zeros(Tensor([2, 3]))
        F.ones((2, 3))
        F.ones(3)
        F.ones((2,), dtype='uint8')
        F.ones((2,), dtype=np.int32)
        F.zeros((-1,))
        F.eye(2) + F.ones((2, 2))
        F.zeros((2, 3)).device == 'xpux'
    """,
        differs("F.zeros(())", "a rank-0 tensor; MegEngine never comes back", gives="Tensor(0.0)", asked=False),
    ),
    group(
        "create like",
        "x = f32(2, 3, seed=1); i = i32(3, seed=2); m = flags(2, seed=3); u = u8(2, seed=4); p = Parameter([1.0, 2.0])",
        """
        F.zeros_like(x)
        F.ones_like(x)
        F.full_like(x, 2.5)
        F.full_like(x, 2)
        F.zeros_like(i)
        F.ones_like(i)
        F.full_like(i, 3)
        F.full_like(i, 3.0)
        F.zeros_like(m)
        F.ones_like(m)
        F.zeros_like(u)
        F.ones_like(p)
        F.zeros_like(x[:0])
    """,
        differs("F.zeros_like(Tensor(1.0))", "the rank is kept", gives="Tensor(0.0)"),
        grads=False,
    ),
]
