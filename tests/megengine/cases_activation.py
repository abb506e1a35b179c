"""Trigonometric, hyperbolic and piecewise functions: dtypes, the ends of their domains, and operands that broadcast."""

from oracle import differs, group

NAMES = "acos acosh asin asinh atan atanh cos cosh sin sinh tan expm1 log1p hsigmoid leaky_relu relu6".split()

CASES = [
    group(
        "elementary functions of integers and numbers",
        "i = Tensor([-1, 0, 1, 2]); u = Tensor([0, 1, 7], dtype='uint8')",
        [f"F.{name}({x})" for name in NAMES for x in ("i", "u", "0.5", "1")],
        """
        F.atan2(i, i)
        F.atan2(i, 1.5)
        F.atan2(1, 2)
        F.logaddexp(i, i)
        F.logaddexp(i, 1.5)
        F.prelu(i, i)
        F.prelu(i, 1.5)
        F.prelu(u, 2)
        F.prelu(1, 2)
        F.hswish(0.5)
        F.sin([0.5, 1.0])
    """,
        [f"F.{name}(i > 0)" for name in "acos cos expm1 log1p hsigmoid relu6".split()],
        grads=False,
    ),
    group(
        "activations at their bends",
        "x = Tensor([-7.0, -4.0, -3.0, -0.5, 0.0, 0.5, 3.0, 4.0, 6.0, 7.0])",
        """
        F.relu6(x)
        F.hsigmoid(x)
        F.hswish(x)
        F.leaky_relu(x)
        F.leaky_relu(x, 0.5)
        F.leaky_relu(x, negative_slope=2)
        F.leaky_relu(x, -0.5)
        F.prelu(x, 0.1)
    """,
    ),
    group(
        "ends of domains",
        "x = Tensor([-1.0, -0.999, 0.0, 0.999, 1.0]); y = Tensor([1.0, 1.001, 2.0, 1e10]); z = Tensor([-0.999, 0.0, 1e-8, 1e10])",
        """
        F.acos(x * 0.5)
        F.asin(x * 0.5)
        F.atanh(x * 0.5)
        F.acosh(y + 0.5)
        F.log1p(z)
        F.asinh(z)
        F.atan(z)
    """,
    ),
    group(
        "beyond domains",
        "x = Tensor([-2.0, -1.0, 1.0, 2.0])",
        [f"F.{name}(x)" for name in "acos asin acosh atanh log1p".split()],
        grads=False,
        zero_signs=True,
    ),
    group(
        "prelu",
        "x = f32(2, 3, 2, seed=1); w = pos(seed=2); c = pos(1, 3, 1, seed=3); r = pos(2, seed=4); b = pos(3, seed=5)",
        """
        F.prelu(x, w)
        F.prelu(x, c)
        F.prelu(x, r)
        F.prelu(r, x)
        F.prelu(x, b)
    """,
    ),
    group(
        "two operands",
        "x = f32(2, 3, seed=1); y = f32(3, seed=2); s = f32(seed=3)",
        """
        F.atan2(x, y)
        F.atan2(y, x)
        F.atan2(x, s)
        F.logaddexp(x, y)
        F.logaddexp(s, x)
        F.logaddexp(x * 200, y)
    """,
    ),
    group(
        "logaddexp of infinities",
        "x = Tensor([float('inf'), -float('inf'), float('nan'), 3.0]); y = Tensor([1.0, 1.0, 1.0, -float('inf')])",
        "F.logaddexp(x, y)\nF.logaddexp(y, x)",
        differs(
            "F.logaddexp(x, x)", "the sum of two infinities is one", gives="Tensor([np.inf, -np.inf, np.nan, np.float32(3 + np.log(2))])"
        ),
        grads=False,
    ),
]
