"""From an author's function to kernel source: literals, helpers, constants and lambdas mean what they mean in Python, and the fingerprint
of a function changes exactly when its meaning may."""

import math
import types

import numpy as np
import pytest
from launching import each, fresh_process

from numod import config
from numod.errors import CompileError
from numod.kernel import source

compiling = pytest.mark.skipif(config.interpret, reason="nothing is compiled")

SCALE = 3.0
COUNT = 2
COEFFICIENTS = (0.5, 0.25)
LIMITS = types.ModuleType("limits")
LIMITS.TOP = 4.0


def halved(x):
    return x / 2.0


def smooth_step(x):
    t = 0.0 if x < 0.0 else 1.0 if x > 1.0 else x
    return t * t * (3.0 - 2.0 * t)


def clamped(x, low, high):
    if x < low:
        return low
    if x > high:
        return high
    return x


def nested(x):
    y = halved(smooth_step(halved(x)))
    return y + smooth_step(y) if x > 0.5 else halved(y)


def branching(x):
    return clamped(x * SCALE, -halved(COUNT), LIMITS.TOP) + COEFFICIENTS[1]


def horner(x):
    p = COEFFICIENTS[0]
    p = p * x + COEFFICIENTS[1]
    return math.exp(p)


def rounded_ways(x):
    return math.floor(x) + 10.0 * math.ceil(x) + 100.0 * math.trunc(x) + math.sqrt(math.fabs(x))


X = np.linspace(-3, 3, 41, dtype=np.float32)


@pytest.mark.parametrize("function", [halved, smooth_step, nested, branching, horner, rounded_ways], ids=lambda f: f.__name__)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_kernels_compute_what_python_does(function, dtype):
    want = np.array([function(float(x)) for x in X])
    np.testing.assert_allclose(each(function, X.astype(dtype), dtype=dtype), want, rtol=1e-6 if dtype == "float32" else 1e-12)


def test_literals_have_the_kernels_dtype():
    x = np.arange(1, 100, dtype=np.float32)
    want = x * np.float32(0.1)
    assert (want != (x.astype(np.float64) * 0.1).astype(np.float32)).any()
    np.testing.assert_array_equal(each(lambda x: x * 0.1, x), want)


@pytest.mark.parametrize("function", [math.exp, math.log, math.tanh, math.erf, math.sqrt, math.sin], ids=lambda f: f.__name__)
def test_functions_of_math_take_what_mixing_with_integers_gives(function):
    """To numba, float32 times an int is a float64."""
    for code in (lambda x: function(x * 2), lambda x: function(COEFFICIENTS[0] * x)):
        assert each(code, [0.3]) == pytest.approx(code(0.3), rel=1e-6)


def test_literals_that_look_alike_are_kept_apart():
    assert each(lambda x: (x * 1e20) * 1e-20, [2.0]) == pytest.approx(2.0)
    assert each(lambda x: x * 1.5 + 15.0 + (-1.5), [2.0]) == 16.5
    assert np.signbit(each(lambda x: x * -0.0 if x > 1.0 else 0.0, [2.0]))


def test_integer_decides_by_dtype():
    def code(x):
        return x // 2 if INTEGER else x / 2.0

    assert each(code, [7], dtype="int32") == 3
    assert each(code, [7.0]) == 3.5


def test_infinity_and_nan_are_literals():
    assert each(lambda x: math.inf if x > 0.0 else -math.inf, [1.0, -1.0]).tolist() == [math.inf, -math.inf]
    assert math.isnan(each(lambda x: x * math.nan, [1.0])[0])


def test_closures_are_constants():
    def scaled(by):
        def code(x):
            return x * by

        return code

    assert each(scaled(2.0), [3.0]) == 6.0
    assert each(scaled(5.0), [3.0]) == 15.0


def test_lambdas_are_found_in_their_expression():
    functions = {
        "a": lambda x: x + 1.0,
        "b": lambda y: y * 2.0,
    }
    assert each(functions["a"], [3.0]) == 4.0
    assert each(functions["b"], [3.0]) == 6.0
    over_lines = (
        lambda x, y: x
        - y
    )  # fmt: skip
    assert each(over_lines, [3.0], [1.0]) == 2.0


def test_lambdas_of_one_line_are_told_apart():
    first, second = lambda x: x + 1.0, lambda x: x * 2.0
    assert each(first, [3.0]) == 4.0
    assert each(second, [3.0]) == 6.0
    outer = lambda x: lambda x: x * x
    assert each(outer(None), [3.0]) == 9.0
    assert each(lambda x: x if x > 0.0 else -x, [-3.0]) == 3.0
    assert each(lambda x: 1.0, [-3.0]) == 1.0


def test_a_function_without_source_is_refused():
    namespace = {}
    exec("def lost(x):\n    return x", namespace)
    with pytest.raises(CompileError, match="lost: its source cannot be read"):
        source.parse(namespace["lost"])


@compiling
def test_what_numba_cannot_compile_is_a_compile_error_that_names_the_function():
    def reads_a_file(x):
        return open("x")

    with pytest.raises(CompileError, match="reads_a_file"):
        each(reads_a_file, [1.0])


@compiling
def test_a_kernel_that_may_raise_is_refused():
    def raises(x):
        if x < 0.0:
            raise ValueError("negative")
        return x

    with pytest.raises(CompileError, match="raises"):
        each(raises, [1.0])


def build(text, **names):
    """A function from text, with these globals; it has a fingerprint though it could not be parsed."""
    namespace = {"math": math, **names}
    exec(text, namespace)
    return namespace["f"]


BASE = "def f(x):\n    return x * 2.0 + K"


def test_fingerprint_ignores_what_does_not_change_the_meaning():
    first = source.fingerprint(build(BASE, K=1.0))
    assert source.fingerprint(build("\n\n" + BASE, K=1.0)) == first
    assert source.fingerprint(build(BASE + "  # and adds", K=1.0)) == first
    documented = [f'def f(x):\n    "{doc}"\n    return x' for doc in ("Same.", "The same.")]
    assert source.fingerprint(build(documented[0])) == source.fingerprint(build(documented[1]))
    assert source.fingerprint(build(BASE, K=1.0, UNUSED=7)) == first


MODULE = types.ModuleType("settings")
OTHER = types.ModuleType("settings")
MODULE.EPS, OTHER.EPS = 1.0, 2.0

CHANGES = {
    "literal": (build(BASE, K=1.0), build(BASE.replace("2.0", "3.0"), K=1.0)),
    "operator": (build(BASE, K=1.0), build(BASE.replace("*", "-"), K=1.0)),
    "constant": (build(BASE, K=1.0), build(BASE, K=2.0)),
    "sign of zero": (build(BASE, K=0.0), build(BASE, K=-0.0)),
    "type of constant": (build(BASE, K=1), build(BASE, K=1.0)),
    "type of NumPy constant": (build(BASE, K=np.float32(1)), build(BASE, K=np.float64(1))),
    "tuple": (build(BASE.replace("K", "K[0]"), K=(1.0,)), build(BASE.replace("K", "K[0]"), K=(2.0,))),
    "helper": (build(BASE.replace("K", "K(x)"), K=build(BASE, K=1.0)), build(BASE.replace("K", "K(x)"), K=build(BASE, K=2.0))),
    "function of math": (build(BASE.replace("K", "math.exp(x)")), build(BASE.replace("K", "math.log(x)"))),
    "constant of a module": (build(BASE.replace("K", "K.EPS"), K=MODULE), build(BASE.replace("K", "K.EPS"), K=OTHER)),
    "argument order": (build("def f(x, y):\n    return x - y"), build("def f(y, x):\n    return x - y")),
}


@pytest.mark.parametrize(("before", "after"), CHANGES.values(), ids=CHANGES)
def test_fingerprint_sees(before, after):
    assert source.fingerprint(before) != source.fingerprint(after)


def test_fingerprint_sees_closures_and_recursion():
    def scaled(by):
        return lambda x: x * by

    assert source.fingerprint(scaled(2.0)) == source.fingerprint(scaled(2.0))
    assert source.fingerprint(scaled(2.0)) != source.fingerprint(scaled(3.0))
    assert source.fingerprint(build("def f(x):\n    return f(x - 1.0) if x > 0 else x"))


def test_fingerprint_is_the_same_in_every_process():
    code = "import test_source as t; from numod.kernel import source; print(*[source.fingerprint(f) for f in (t.nested, t.branching, t.horner)])"
    first = fresh_process(code, PYTHONHASHSEED=1)
    assert first == fresh_process(code, PYTHONHASHSEED=2)
    assert first == " ".join(source.fingerprint(f) for f in (nested, branching, horner))
