"""Calls by keyword, and methods that take the place of a layer's own weight."""

from oracle import group

CASES = [
    group(
        "calls: layers by keyword",
        "x = f32(1, 2, 5, 5)",
        """
        M.Sigmoid()(inputs=x)
        M.ReLU()(x=x)
        M.Softmax(axis=1)(inputs=x)
        M.LeakyReLU(0.1)(inputs=x)
        M.MaxPool2d(2)(inp=x)
        M.AdaptiveAvgPool2d(2)(inp=x)
        M.Pad(((0, 0), (0, 0), (1, 1), (1, 1)))(src=x)
        M.BatchNorm2d(2)(inp=x)
        M.Conv2d(2, 3, 3)(inp=x).shape
        M.Sigmoid()(x=x)
        """,
    ),
    group(
        "calls: layers with other weights",
        "x = f32(1, 2, 5, 5)\nw = f32(3, 2, 3, 3, seed=1)\nb = f32(1, 3, 1, 1, seed=2)\nv = f32(2, 3, 3, 3, seed=3)\nrows = f32(4, 3)\nu = f32(2, 3)",
        """
        M.Conv2d(2, 3, 3, padding=1, stride=2).calc_conv(x, w, b)
        M.Conv2d(2, 3, 3, padding=1, padding_mode="reflect").calc_conv(x, w, None)
        M.ConvTranspose2d(2, 3, 3, stride=2).calc_conv_transpose2d(x, v, b)
        M.Linear(3, 2).calc_linear(rows, u, None)
        """,
    ),
    group(
        "calls: numbers",
        "x = f32(2, 3)",
        """
        __import__("math").floor(x)
        __import__("math").ceil(x)
        x.item(1)
        f32(3).item(1) == f32(3).numpy()[1]
        x.item(1, 0) == x.numpy()[1, 0]
        x.item()
        """,
        grads=False,
    ),
]
