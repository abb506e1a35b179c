"""Convolutions and pooling: stride, padding, dilation, groups, modes, errors."""

from oracle import differs, group

ONE = "x = f32(2, 2, 6, seed=1); w = f32(3, 2, 3, seed=2); b = f32(1, 3, 1, seed=3)"
TWO = "x = f32(1, 2, 5, 4, seed=1); w = f32(3, 2, 3, 2, seed=2); b = f32(1, 3, 1, 1, seed=3)"
THREE = "x = f32(1, 2, 3, 4, 3, seed=1); w = f32(2, 2, 2, 2, 2, seed=2); b = f32(1, 2, 1, 1, 1, seed=3)"
POOL = "x = apart(1, 2, 5, 4, seed=1)"

CASES = [
    group(
        "conv1d",
        ONE,
        """
        F.conv1d(x, w)
        F.conv1d(x, w, b)
        F.conv1d(x, w, stride=2)
        F.conv1d(x, w, padding=1)
        F.conv1d(x, w, b, 2, 1, 2)
        F.conv1d(x, w, dilation=2)
    """,
        atol=1e-5,
    ),
    group(
        "conv1d groups",
        "x = f32(1, 4, 4, seed=1); w = f32(2, 1, 2, 2, seed=2); d = f32(4, 1, 1, 2, seed=3)",
        differs(
            "F.conv1d(x, w, groups=2)",
            "groups work in one dimension too",
            gives="F.squeeze(F.conv2d(F.expand_dims(x, 3), F.expand_dims(w, 4), groups=2), 3)",
        ),
        differs(
            "F.conv1d(x, d, groups=4)",
            "groups work in one dimension too",
            gives="F.squeeze(F.conv2d(F.expand_dims(x, 3), F.expand_dims(d, 4), groups=4), 3)",
        ),
        atol=1e-5,
    ),
    group(
        "conv2d",
        TWO,
        """
        F.conv2d(x, w)
        F.conv2d(x, w, b)
        F.conv2d(x, w, stride=2)
        F.conv2d(x, w, stride=(2, 1))
        F.conv2d(x, w, padding=1)
        F.conv2d(x, w, padding=(0, 2))
        F.conv2d(x, w, b, 2, 1)
        F.conv2d(x, w, stride=(1, 3), padding=(2, 1))
        F.conv2d(x, w, dilation=2)
        F.conv2d(x, w, dilation=(1, 3))
        F.conv2d(x, w, b, (2, 1), (1, 0), (1, 2))
        F.conv2d(x, w, padding=3)
        F.conv2d(x, f32(1, 2, 1, 1, seed=4), stride=2)
        F.conv2d(x, f32(4, 2, 5, 4, seed=4))
        F.conv2d(x[:0], w)
    """,
        atol=1e-5,
    ),
    group(
        "conv2d groups",
        """
        x = f32(1, 4, 4, 3, seed=1)
        w = f32(2, 3, 2, 2, 2, seed=2)
        d = f32(4, 1, 1, 3, 3, seed=3)
        e = f32(4, 2, 1, 2, 2, seed=4)
        b = f32(1, 6, 1, 1, seed=5)
        """,
        """
        F.conv2d(x, w, groups=2)
        F.conv2d(x, w, b, groups=2, padding=1, stride=2)
        F.conv2d(x, d, groups=4, padding=1)
        F.conv2d(x, d, groups=4)
        F.conv2d(x, e, groups=4, stride=(2, 1))
    """,
        atol=1e-5,
    ),
    group(
        "conv3d",
        THREE,
        """
        F.conv3d(x, w)
        F.conv3d(x, w, b)
        F.conv3d(x, w, stride=2, padding=1)
        F.conv3d(x, w, stride=(1, 2, 1), padding=(0, 1, 0), dilation=(1, 1, 2))
        F.conv3d(x, f32(2, 1, 1, 2, 2, 2, seed=4), groups=2)
    """,
        atol=1e-5,
    ),
    group(
        "conv errors",
        TWO,
        """
        F.conv2d(x, f32(3, 3, 3, 3, seed=4))
        F.conv2d(x[0], w)
        F.conv2d(x, w[0])
        F.conv2d(x, f32(3, 2, 9, 9, seed=4))
        F.conv2d(x, w, f32(1, 5, 1, 1, seed=4))
        F.conv2d(x, w, groups=2)
        F.conv1d(x, w)
    """,
        grads=False,
    ),
    group(
        "max_pool2d",
        POOL,
        """
        F.max_pool2d(x, 2)
        F.max_pool2d(x, (2, 3))
        F.max_pool2d(x, 3, stride=1)
        F.max_pool2d(x, 3, 2, 1)
        F.max_pool2d(x, (3, 2), (2, 1), (1, 0))
        F.max_pool2d(x, 2, stride=3)
        F.max_pool2d(x, 1)
        F.max_pool2d(x, 2, padding=1)
        F.max_pool2d(x, 9)
        F.max_pool2d(x[0], 2)
    """,
    ),
    group(
        "max_pool2d ties",
        "x = Tensor([[[[1.0, 1.0], [0.0, 1.0]]]])",
        differs(
            "F.max_pool2d(x, 2)",
            "the gradient goes to the first",
            gives="Tensor([[[[1.0]]]])",
            vjps={"x": [[[[0.61446244, 0.0], [0.0, 0.0]]]]},
        ),
    ),
    group(
        "avg_pool2d",
        POOL,
        """
        F.avg_pool2d(x, 2)
        F.avg_pool2d(x, (2, 3))
        F.avg_pool2d(x, 3, stride=1)
        F.avg_pool2d(x, 3, 2, 1)
        F.avg_pool2d(x, 3, 2, 1, mode='average')
        F.avg_pool2d(x, 3, 2, 1, mode='average_count_exclude_padding')
        F.avg_pool2d(x, (3, 2), (2, 1), (1, 0))
        F.avg_pool2d(x, 2, padding=1)
        F.avg_pool2d(x, 2, padding=1, mode='average')
        F.avg_pool2d(x, 2, mode='nonsense')
    """,
    ),
    group(
        "adaptive pooling",
        POOL,
        """
        F.adaptive_avg_pool2d(x, 1)
        F.adaptive_avg_pool2d(x, (2, 2))
        F.adaptive_max_pool2d(x, 1)
        F.adaptive_max_pool2d(x, (2, 2))
    """,
    ),
    group(
        "conv_transpose2d",
        "x = f32(1, 2, 3, 3, seed=1); w = f32(2, 3, 2, 3, seed=2); b = f32(1, 3, 1, 1, seed=3)",
        """
        F.conv_transpose2d(x, w)
        F.conv_transpose2d(x, w, b, stride=2, padding=1)
    """,
        atol=1e-5,
    ),
]
