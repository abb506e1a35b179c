"""Elementwise functions and operators at NaN, infinities and signed zeros, and of integers that divide and wrap."""

from oracle import differs, group

SPECIAL = "x = Tensor([float('nan'), float('inf'), -float('inf'), -0.0, 0.0, 1.0, -1.0, 1e30, -1e30, 1e-30])"
FINITE = "x = Tensor([-0.0, 0.0, 1.0, -1.0, 1e10, -1e10, 1e-30])"
PAIRS = """
    x = Tensor([float('nan'), 1.0, float('nan'), float('inf'), -float('inf'), 0.0, -0.0, float('inf'), 1.0, 0.0, -1.0, 5.0])
    y = Tensor([1.0, float('nan'), float('nan'), float('inf'), float('inf'), -0.0, 0.0, 0.0, 0.0, 0.0, 0.0, -float('inf')])
"""


def each(text):
    return [f"F.{name}(x)" for name in text.split()]


CASES = [
    group(
        "special unary",
        SPECIAL,
        each("abs neg sqrt log log1p exp expm1 floor ceil round tanh atan asin acos atanh asinh sinh cosh"),
        """
        -x
        1 / x
        x ** 2
        x ** -1
        x * 0
        x - x
    """,
        grads=False,
        zero_signs=True,
    ),
    group(
        "special activations",
        SPECIAL,
        each("sigmoid logsigmoid softplus hsigmoid isnan isinf square leaky_relu"),
        """
        x > 0
        x == x
        x != x
        F.logical_not(x == x)
    """,
        grads=False,
    ),
    group("special finite", FINITE, each("relu relu6 gelu silu hswish sign acosh tan"), "F.clip(x, -2, 2)", "x ** 0.5", grads=False),
    group(
        "special infinite",
        "x = Tensor([float('nan'), float('inf'), -float('inf'), 1.0])",
        differs("F.cos(x)", "NaN, not an error", gives="Tensor([np.nan, np.nan, np.nan, 0.5403023])"),
        differs("F.sin(x)", "NaN, not an error", gives="Tensor([np.nan, np.nan, np.nan, 0.84147098])"),
        differs("F.relu(x)", "NaN stays NaN", gives="Tensor([np.nan, np.inf, 0.0, 1.0])"),
        differs("F.maximum(x, 0)", "NaN stays NaN", gives="Tensor([np.nan, np.inf, 0.0, 1.0])"),
        differs("F.minimum(0, x)", "NaN stays NaN", gives="Tensor([np.nan, 0.0, -np.inf, 0.0])"),
        differs("F.clip(x, -2, 2)", "NaN stays NaN", gives="Tensor([np.nan, 2.0, -2.0, 1.0])"),
        grads=False,
    ),
    group(
        "special binary",
        PAIRS,
        """
        x + y
        x - y
        x * y
        x / y
        x < y
        x <= y
        x > y
        x >= y
        x == y
        x != y
        x % y
        x // y
        F.atan2(x, y)
        F.pow(x, y)
    """,
        grads=False,
        zero_signs=True,
    ),
    group("special where", PAIRS, "F.where(x > y, x, y)", grads=False),
    group(
        "integers",
        "i = Tensor([-7, -1, 0, 1, 7]); j = Tensor([2, 3, 4, 5, 3])",
        """
        i // j
        i % j
        i / j
        i // 2
        i % 3
        i // -2
        i % -3
        7 // j
        -7 % j
        i ** 2
        abs(i)
        i << 2
        i >> 1
        F.left_shift(i, 1)
        F.right_shift(i, 1)
        F.sign(i)
        F.clip(i, -2, 2)
        i / F.zeros_like(i)
    """,
    ),
    group(
        "integers wrap",
        "u = Tensor([250, 3], dtype='uint8'); b = Tensor([120, -128], dtype='int8'); i = Tensor([2147483647, -2147483648])",
        """
        u + u
        u - Tensor([251, 4], dtype='uint8')
        u * u
        -u
        u // Tensor([7, 2], dtype='uint8')
        u % Tensor([7, 2], dtype='uint8')
        b + b
        b * b
        -b
        i + 1
        i * 2
        -i
        F.sum(u)
        F.sum(b * 0 + 100)
        F.prod(i)
    """,
    ),
    group(
        "floats modulo",
        "x = Tensor([-7.0, 7.0, 5.5, -5.5, 0.3]); y = Tensor([3.0, -3.0, 2.0, 2.0, 0.1])",
        """
        x % y
        x // y
        x % 3
        x // 3
        -7.0 % y
        x % 0.5
    """,
        grads=False,
    ),
    group(
        "rounding",
        "x = Tensor([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 0.4999, -0.2])",
        """
        F.round(x)
        round(x)
        F.floor(x)
        F.ceil(x)
        x.astype('int32')
        x // 1
    """,
    ),
]
