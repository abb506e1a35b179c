"""Indexing, read and write, and the functions that gather and scatter."""

from oracle import differs, group

X = "x = f32(3, 4, seed=1); y = f32(2, 3, 4, seed=2); v = f32(5, seed=3)"
WRITE = "x = f32(3, 4, seed=1); v = f32(4, seed=2); s = f32(seed=3); w = f32(2, 4, seed=4)"


def writes(*statements):
    """x with a statement applied to a copy of it, so that x itself keeps its gradient."""
    return [f"z = x * 1; {statement}; z" for statement in statements]


CASES = [
    group(
        "read basic",
        X,
        """
        v[0]
        v[-1]
        v[1:3]
        v[1:100]
        v[-2:]
        v[::2]
        v[::-1]
        v[3:1]
        v[4:0:-2]
        v[...]
        v[()]
        v[None]
        v[:, None]
        v[None, :, None]
        x[1]
        x[1, 2]
        x[-1, -1]
        x[:, 1]
        x[..., 0]
        x[0, ...]
        x[1:, :2]
        x[:, None]
        x[..., None]
        x[::-1, ::-2]
        x[0:0]
        x[(1, 2)]
        y[:, 1]
        y[0, :, 1]
        y[..., 1]
        y[1, ..., 1:3]
        y[:, None, 1:, ::2]
        y[1][2][3]
        x[np.int64(1)]
        x[np.int32(1), 0]
        x[Tensor(1)]
        v[Tensor(1):]
        v[Tensor(1):Tensor(3)]
        x[True]
    """,
    ),
    group(
        "read advanced",
        X,
        """
        v[[0, 2, 2]]
        v[[-1]]
        v[[]]
        v[np.array([0, 2])]
        v[Tensor([3, 0])]
        v[Tensor([[0, 1], [2, 3]])]
        x[[0, 2]]
        x[[0, 0, 1]]
        x[:, [0, 2]]
        x[[0, 1], [1, 2]]
        x[[[0], [1]], [1, 2]]
        x[[0, 2], :]
        x[[0, 2], 1:3]
        x[1, [0, 2]]
        x[Tensor([0, 2]), Tensor([1, 1])]
        x[Tensor([0, 2]), 1]
        x[None, [0, 1]]
        y[0, :, [0, 1]]
        y[:, [0, 1], [0, 1]]
        y[[0, 1], :, [0, 1]]
        y[[0, 1], 1]
        y[[0, 1], [1, 2], [2, 3]]
        y[1:2, Tensor([0, 1]), ...]
        y[..., [0, 0]]
        y[:, Tensor([[0, 1], [1, 2]])]
    """,
    ),
    group(
        "read masks",
        X + "; m = Tensor(np.array([[1, 0, 0, 1], [0, 0, 0, 0], [1, 1, 1, 0]], bool))",
        """
        x[m]
        x[x > 0]
        v[v > 0]
        v[v > 100]
        x[Tensor([True, False, True])]
        x[np.array([True, False, True])]
        x[[True, False, True]]
        x[Tensor([True, False, True]), 1:3]
        x[:, Tensor([True, False, True, False])]
        y[Tensor(np.ones((2, 3), bool))]
        y[:, m]
        x[m].sum()
        F.cond_take(m, x)
        F.cond_take(x > 0, x)
    """,
    ),
    group(
        "read errors",
        X,
        """
        v[7]
        v[-7]
        x[3, 9]
        x[1, 2, 3]
        v[1.0]
        v['a']
        v[[7]].numpy()
        v[Tensor([7])].numpy()
        v[Tensor([0.0, 1.0])]
        v[Tensor([-7])].numpy()
        x[:, :, [0]]
    """,
        differs("v[5]", "an error; MegEngine reads past the end", raises=IndexError, asked=False),
        differs("x[3]", "an error; MegEngine reads past the end", raises=IndexError, asked=False),
        differs("v[Tensor([0, 2], dtype='int8')]", "any integer dtype", gives="v[[0, 2]]"),
        differs("v[Tensor([0, 2], dtype='uint8')]", "any integer dtype", gives="v[[0, 2]]"),
    ),
    group(
        "write",
        WRITE,
        writes(
            "z[0] = 5",
            "z[0, 1] = 5.5",
            "z[-1] = True",
            "z[0] = v",
            "z[:, 1] = s",
            "z[1:] = w",
            "z[1:] = v",
            "z[:, 1:3] = Tensor([[1.0], [2.0], [3.0]])",
            "z[::2] = w",
            "z[::-1] = z",
            "z[0] = z[1]",
            "z[:] = 0",
            "z[:, ::2] = -1",
            "z[0:0] = 3",
            "z[0] = [1, 2, 3, 4]",
            "z[0] = np.arange(4)",
            "z[0] = np.ones(4)",
            "z[0, 0] = [3]",
            "z[0] = s",
            "z[..., 0] = 1",
            "z[1, ...] = v",
            "z[[0, 2]] = w",
            "z[[0, 2]] = 1.5",
            "z[[0, 1], [1, 2]] = -1",
            "z[[0, 1], [1, 2]] = v[:2]",
            "z[Tensor([0, 2])] = w",
            "z[:, [0, 2]] = 1",
            "z[1, [0, 2]] = v[:2]",
            "z[z > 0] = 0",
            "z[z > 100] = 0",
            "z[Tensor([True, False, True])] = w",
            "z[Tensor([True, False, True])] = 0",
            "z[[True, False, True]] = v",
            "z[z > 0] = s",
            "z[np.array([True, False, False])] = v",
            "z[0] += 1",
            "z[:, 0] *= 2",
            "z[0] = z[0] * z[1]",
            "z[0] = 1; z[0] = v; z[1] = z[0] * 2",
            "z[0, 0] = v[0]; z[0, 0] = v[1]",
            "z[Tensor(1)] = v",
            "z[Tensor(0):Tensor(2)] = v",
        ),
    ),
    group(
        "write twice to one place", WRITE, writes("z[[0, 0]] = w", "z[[0, 1, 0], [1, 2, 1]] = v[:3]"), grads=False
    ),  # MegEngine gives the overwritten a gradient
    group(
        "write errors",
        WRITE,
        writes(
            "z[0] = [1, 2]",
            "z[5, 5] = 1",
            "z[[7]] = 1; z.numpy()",
            "z[0] = w",
            "z['a'] = 1",
            "z[0, 0, 0] = 1",
            "z[:2] = f32(3, 4)",
            "z[0] = None",
        ),
        grads=False,
    ),
    group(
        "write keeps the object, the dtype and others' values",
        "x = f32(3, seed=1)",
        """
        # an alias sees it
        y = x; x[0] = 9.0; [y is x, y]

        # a slice does not
        y = x[0:2]; x[0] = 9.0; y

        # writing to a slice leaves the rest
        y = x[0:2]; y[0] = 9.0; x

        # a reshape does not
        y = x.reshape(1, 3); y[0] = 0.0; x

        # an op's input
        y = x + 0; x[0] = 9.0; y

        # ints truncate
        i = Tensor([1, 2, 3]); i[0] = 1.7; i[1] = Tensor(-2.9); i

        # ints take float tensors
        i = Tensor([1, 2, 3]); i[:] = Tensor([1.5, 2.5, -3.5]); i

        # floats take ints and bools
        x[0] = 2; x[1] = True; x[2] = Tensor(3); x

        # bools
        m = Tensor([True, False]); m[1] = True; m

        # ellipsis with a tensor
        x[...] = Tensor([5.0, 6.0, 7.0]); x

        # parameters stay parameters
        p = Parameter([1.0, 2.0]); p[0] = 5.0; p

        # the source array stays
        a = np.ones(2, 'float32'); t = Tensor(a); t[0] = 5.0; a

        # numpy taken before
        a = x.numpy(); x[0] = 9.0; a
    """,
        differs("x[...] = 2.0; x", "the shape stays", gives="Tensor([2.0, 2.0, 2.0])", name="ellipsis with a scalar"),
        grads=False,
    ),
    group(
        "one_hot",
        "i = Tensor([0, 2, 1]); j = Tensor([[0, 1], [2, 0]]); u = Tensor([1, 2], dtype='uint8')",
        """
        F.one_hot(i, 3)
        F.one_hot(i, num_classes=4)
        F.one_hot(j, 3)
        F.one_hot(Tensor([1.0]), 3)
    """,
    ),
    group(
        "indexing_one_hot",
        "x = f32(3, 4, seed=1); i = Tensor([0, 3, 1]); y = f32(2, 3, 2, seed=2); j = Tensor([[0, 2], [1, 1]]); k = Tensor([1, 0, 2, 1])",
        """
        F.indexing_one_hot(x, i)
        F.indexing_one_hot(x, i, axis=1)
        F.indexing_one_hot(x, i, 1, keepdims=True)
        F.indexing_one_hot(x, k, axis=0)
        F.indexing_one_hot(y, j)
        F.indexing_one_hot(y, j, axis=1)
        F.indexing_one_hot(x, Tensor([0, 1]))
    """,
    ),
    group(
        "gather",
        "x = f32(3, 4, seed=1); i = Tensor([[0, 1, 2, 0], [1, 1, 0, 2]]); j = Tensor([[0, 3], [1, 1], [2, 0]]); y = f32(2, 3, 2, seed=2)",
        """
        F.gather(x, 0, i)
        F.gather(x, 1, j)
        F.gather(x, -1, j)
        F.gather(y, 1, Tensor([[[0, 1]], [[2, 2]]]))
        F.gather(x, 1, Tensor([0, 1]))
        F.gather(x, 0, j.astype('float32'))
    """,
    ),
    group(
        "scatter",
        "x = f32(3, 4, seed=1); s = f32(2, 4, seed=2); i = Tensor([[0, 1, 2, 0], [1, 2, 0, 2]]); j = Tensor([[0, 3], [1, 2], [2, 0]]); t = f32(3, 2, seed=3)",
        """
        F.scatter(x, 0, i, s)
        F.scatter(x, 1, j, t)
        F.scatter(x, -1, j, t)
        F.scatter(x, 0, i, t)
        F.scatter(x, 1, Tensor([0, 1]), t)
    """,
    ),
    group(
        "scatter writes into its input",
        "x = f32(3, 4, seed=1)",
        "r = F.scatter(x, 0, Tensor([[1, 0, 2, 1]]), F.ones((1, 4))); [r is x, x]",
        grads=False,
    ),
    group(
        "embedding",
        "w = f32(5, 3, seed=1); i = Tensor([0, 4, 4]); j = Tensor([[0, 1], [2, 2]])",
        """
        F.embedding(i, w)
        F.embedding(j, w)
        F.embedding(Tensor(2), w)
        F.embedding(Tensor([7]), w).numpy()
        F.embedding(i.astype('float32'), w)
    """,
    ),
]
