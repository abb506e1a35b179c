"""What moves or repeats elements: reshape, flatten, transpose, squeeze, broadcast_to, concat, stack, split, pad, ..."""

from oracle import differs, group

X = "x = f32(2, 3, 4, seed=1)"

CASES = [
    group(
        "reshape",
        X,
        """
        F.reshape(x, (4, 6))
        F.reshape(x, (-1,))
        F.reshape(x, (2, -1))
        F.reshape(x, [-1, 2, 2])
        x.reshape(3, 8)
        x.reshape((3, 8))
        x.reshape(-1, 12)
        x.reshape(-1)
        x.reshape(Tensor([6, 4]))
        F.reshape(x, Tensor([6, 4]))
        F.reshape(x[:1, :1, :1], ())
        F.reshape(x, (5, 5))
        F.reshape(x, (-1, -1))
        F.reshape(x, (5, -1))
        F.reshape(x, (-2, 12))
        F.reshape(F.zeros((0, 3)), (3, 0))
        x.reshape(x.shape[0], -1)
    """,
    ),
    group(
        "flatten",
        X,
        """
        F.flatten(x)
        F.flatten(x, 1)
        F.flatten(x, 0, 1)
        F.flatten(x, start_axis=1, end_axis=2)
        F.flatten(x, -2)
        x.flatten()
        F.flatten(Tensor([1.0]))
    """,
    ),
    group(
        "transpose",
        X,
        """
        F.transpose(x, (2, 0, 1))
        F.transpose(x, [0, 2, 1])
        F.transpose(x, (1, 'x', 0, 2))
        F.transpose(x, ('x', 0, 1, 2, 'x'))
        F.transpose(x[0], (1, 0))
        F.transpose(x[0, 0], ('x', 0))
        F.transpose(x[:, :1], (2, 0))
        x.transpose(2, 0, 1)
        x.transpose((2, 0, 1))
        x.transpose(0, 'x', 1, 2)
        x.transpose()
        x.T
        x[0].T
        x[0, 0].T
        F.transpose(x, (-1, 0, 1))
        F.transpose(x, (0, 0, 1))
        F.transpose(x, (0, 1))
        F.transpose(x, (0, 1, 3))
        F.swapaxes(x, 0, 2)
    """,
    ),
    group(
        "squeeze",
        "x = f32(1, 2, 1, 3, seed=1)",
        """
        F.squeeze(x)
        F.squeeze(x, 0)
        F.squeeze(x, axis=2)
        F.squeeze(x, axis=-2)
        F.squeeze(x, axis=(0, 2))
        F.squeeze(x, axis=[0, -2])
        F.squeeze(x, 1)
        F.squeeze(x, 5)
        F.expand_dims(x, 0)
        F.expand_dims(x, -1)
        F.expand_dims(x, [0, 2])
        F.expand_dims(x, (1, -1))
        F.expand_dims(x[0, 0, 0, 0], 0)
        F.expand_dims(x, 6)
    """,
    ),
    group(
        "broadcast_to",
        "x = f32(2, 1, seed=1); v = f32(3, seed=2); s = f32(seed=3)",
        """
        F.broadcast_to(x, (2, 3))
        F.broadcast_to(v, (2, 3))
        F.broadcast_to(x, (2, 2, 3))
        F.broadcast_to(s, (2, 2))
        F.broadcast_to(x, Tensor([2, 3]))
        F.broadcast_to(v, [4, 3])
        F.broadcast_to(v, (4,))
        F.broadcast_to(x, (3, 3))
        F.broadcast_to(x, (2,))
        F.broadcast_to(v, (0, 3))
    """,
    ),
    group(
        "concat",
        "x = f32(2, 3, seed=1); y = f32(2, 3, seed=2); z = f32(1, 3, seed=3)",
        """
        F.concat([x, y])
        F.concat([x, y], axis=1)
        F.concat([x, y], -1)
        F.concat((x, y, z))
        F.concat([x])
        F.concat([x, x, y], axis=0)
        F.concat([x, F.zeros((0, 3))])
        F.concat([x, z], axis=1)
        F.concat([x, y], axis=2)
        F.concat([x, Tensor(1.0)])
        F.concat([])
        F.concat([x, f32(3, seed=4)])
        F.stack([x, y])
        F.stack([x, y], axis=1)
        F.stack([x, y], axis=-1)
        F.stack([x])
        F.stack([x, z])
        F.stack([x, y], axis=3)
        F.stack([])
    """,
        differs("F.stack([Tensor(1.0), Tensor(2.0)])", "rank 0 becomes rank 1, not 2", gives="Tensor([1.0, 2.0])"),
    ),
    group(
        "split",
        "x = f32(4, 3, seed=1)",
        """
        F.split(x, 2)
        F.split(x, 4)
        F.split(x, 3, axis=1)
        F.split(x, [1, 3])
        F.split(x, [1, 1, 3])
        F.split(x, (2,), axis=0)
        F.split(x, [1], axis=-1)
        F.split(x, [1, 6])
        type(F.split(x, 2))
        F.split(x, 2)[0] * F.split(x, 2)[1]
        F.split(x, 3)
        F.split(x, 2, axis=5)
        F.split(x, [3, 1])
    """,
    ),
    group(
        "pad",
        "x = f32(2, 3, seed=1); i = i32(3, seed=2)",
        """
        F.pad(x, ((1, 0), (0, 2)))
        F.pad(x, ((0, 0), (1, 1)), mode='constant', constant_value=2.5)
        F.pad(x, ((1, 1),))
        F.pad(x, [[1, 1], [0, 0]])
        F.pad(x, ((1, 1), (2, 2)), mode='reflect')
        F.pad(x, ((0, 1), (2, 1)), mode='replicate')
        F.pad(i, ((1, 2),), constant_value=7)
        F.pad(x, ((1, 0), (0, 2)), 'edge')
        F.pad(x, ((0, 0), (0, 0)))
    """,
    ),
    group(
        "repeat and roll",
        "x = f32(2, 3, seed=1)",
        """
        F.tile(x, (2, 1))
        F.repeat(x, 2)
        F.repeat(x, 2, axis=0)
        F.repeat(x, 2, axis=1)
        F.roll(x, 1, 0)
        F.roll(x, -1, axis=1)
        F.roll(x, (1, 1), (0, 1))
        F.roll(x, 1)
        F.diag(x)
        F.diag(x[0])
        F.meshgrid(x[0], x[1])
        F.copy(x)
    """,
    ),
    group(
        "order of elements",
        "x = f32(2, 3, seed=1)",
        """
        F.reshape(x.T, (2, 3))
        F.reshape(F.broadcast_to(x[:, :1], (2, 3)), (3, 2))
        F.flatten(F.transpose(x, (1, 'x', 0)))
        x[:, ::-1].reshape(-1) * x.T.flatten()
        F.concat([x.T, x.reshape(3, 2)], axis=1)
        F.sum(x.T, axis=0) * F.max(x[::-1], axis=1)
    """,
    ),
]
