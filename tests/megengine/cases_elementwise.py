"""Elementwise functions and operators: values, gradients, broadcasting, ties and kinks."""

import numpy as np
from oracle import cotangent, differs, group

X = "x = f32(2, 3, seed=1)"
XY = "x = f32(2, 3, seed=1); y = f32(2, 3, seed=2)"
MASK = np.random.RandomState(3002).randint(0, 2, (2, 3))  # what flags(2, 3, seed=3) draws
ROWS = "x = f32(2, 3, seed=1); r = f32(3, seed=2); c = f32(2, 1, seed=3); s = f32(seed=4); d = f32(4, 1, 3, seed=5)"


def each(text):
    return [f"F.{name}(x)" for name in text.split()]


CASES = [
    group(
        "unary",
        X,
        each(
            "abs ceil cos cosh exp expm1 floor gelu hsigmoid hswish leaky_relu logsigmoid neg relu relu6 round sigmoid sign"
            " silu sin sinh softplus square tan tanh atan asinh isnan isinf"
        ),
        """
        -x
        abs(x)
        F.nn.relu(x)
        F.leaky_relu(x, 0.3)
        F.prelu(x, Tensor([0.25]))
    """,
        differs("+x", "the gradient of x itself is not lost", gives="x * 1", vjps={"x": cotangent((2, 3), 0)}),
    ),
    group(
        "unary positive",
        "x = pos(2, 3, seed=1)",
        each("log log1p sqrt"),
        """
        x ** -1.5
        x ** 0
        x ** 0.5
        1 / x
        2 ** x
        F.acosh(x + 2)
    """,
    ),
    group("unary inside", "x = pos(2, 3, seed=1, lo=-0.9, hi=0.9)", each("acos asin atanh")),
    group(
        "unary rank 0 and empty",
        "x = f32(seed=1); e = f32(0, 3, seed=1)",
        """
        F.exp(x)
        x * x
        x + 1
        F.exp(e)
        e * 2
        e + e
        F.maximum(e, 0)
    """,
    ),
    group(
        "unary large",
        "x = Tensor([-100.0, -50.0, -20.0, -5.0, 5.0, 20.0, 50.0, 80.0])",
        each("sigmoid tanh silu gelu softplus logsigmoid exp expm1 relu6 hswish hsigmoid"),
    ),
    group("unary small", "x = Tensor([1e-4, -1e-4, 1e-6, -1e-6, 1e-3])", each("expm1 log1p tanh sin gelu sinh"), atol=0),
    group(
        "binary",
        XY,
        """
        x + y
        x - y
        x * y
        x / y
        x // y
        x % Tensor([[0.5, 2.0, -0.7]])
        F.maximum(x, y)
        F.minimum(x, y)
        F.pow(F.abs(x) + 0.5, y)
        F.atan2(x, y)
        F.logaddexp(x, y)
        x < y
        x <= y
        x > y
        x >= y
        x == y
        x != y
        F.add(x, y)
        F.sub(x, y)
        F.mul(x, y)
        F.div(x, y)
        F.floor_div(x, y)
        F.equal(x, y)
        F.not_equal(x, y)
        F.less(x, y)
        F.less_equal(x, y)
        F.greater(x, y)
        F.greater_equal(x, y)
        x + x
        x * x
        x - x
        x / x
    """,
    ),
    group(
        "binary with scalars",
        X,
        """
        x + 1.5
        1.5 - x
        x * 2
        2 / x
        x / 3
        x ** 2
        x ** 3
        2 ** x
        x % 1
        x // 1
        F.maximum(x, 0.25)
        F.minimum(0.25, x)
        x > 0
        0 >= x
        x == 0
        F.add(x, 1)
        F.pow(x, 2)
    """,
    ),
    group(
        "binary broadcasting",
        ROWS,
        """
        x + r
        x * c
        r - c
        x / (s + 2)
        s * x
        d * x
        F.maximum(d, r)
        x - d
        r * s
        c + c
        F.pow(F.abs(x) + 1, r)
        x * f32(5, seed=6)
        x + f32(2, seed=6)
        F.maximum(x, f32(2, 4, seed=6))
    """,
    ),
    group(
        "where",
        XY + "; m = flags(2, 3, seed=3); r = f32(3, seed=4)",
        """
        F.where(m, x, y)
        F.where(x > 0, x, y)
        F.where(x > 0, x * x, -x)
        F.where(m, x, F.zeros_like(x))
        F.where(m.astype('int32'), x, y)
    """,
        differs(
            "F.where(m, x, r)",
            "the gradient has its operand's shape",
            gives="F.where(m, x, F.broadcast_to(r, (2, 3)))",
            vjps={"x": MASK * cotangent((2, 3), 0), "r": ((1 - MASK) * cotangent((2, 3), 0)).sum(0)},
        ),
    ),
    group(
        "clip",
        X,
        """
        F.clip(x, -0.5, 0.5)
        F.clip(x, lower=0)
        F.clip(x, upper=0.25)
        F.clip(x, Tensor(-0.5), Tensor(0.5))
        F.clip(x)
    """,
    ),
    group(
        "kinks",
        "x = Tensor([-1.0, -0.5, 0.0, 0.5, 1.0])",
        each("relu leaky_relu sign"),
        """
        F.clip(x, -0.5, 0.5)
        F.maximum(x, 0)
        F.maximum(0, x)
        F.minimum(x, 0.5)
        F.relu6(x * 12)
        F.hsigmoid(x * 6)
        F.hswish(x * 6)
        F.prelu(x, Tensor([0.1]))
    """,
        differs(
            "F.abs(x)",
            "the subgradient 0 at 0",
            gives="Tensor([1.0, 0.5, 0.0, 0.5, 1.0])",
            vjps={"x": np.array([-1, -1, 0, 1, 1]) * cotangent((5,), 0)},
        ),
    ),
    group(
        "ties",
        "x = Tensor([1.0, 2.0, 3.0]); y = Tensor([1.0, 3.0, 2.0])",
        """
        F.maximum(x, y)
        F.minimum(x, y)
        F.maximum(x, x)
        F.where(x == y, x, y)
    """,
    ),
    group(
        "chains",
        XY,
        """
        F.exp(-x * x) * F.sin(y)
        (x + y) * (x - y) / (1 + x * x)
        F.sigmoid(x) * F.tanh(y) + F.sigmoid(y)
        F.log(F.exp(x) + F.exp(y))
        F.where(x > 0, F.sqrt(F.abs(x)), y * x) ** 2
    """,
    ),
]
