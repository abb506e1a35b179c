"""The float32 functions of `numod.kernel.mathf` keep the error bounds that they state, over the whole range of float32."""

import inspect
import math
import re

import numpy as np
import pytest
from launching import each

from numod import Tensor, config, functional

pytestmark = pytest.mark.skipif(config.interpret, reason="interpreted kernels use NumPy's functions")

EVERY = np.arange(0, 2**32, 4099, dtype=np.uint64).astype(np.uint32).view(np.float32)  # a million, in all binades of both signs
SPECIAL = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1e-45, -1e-45, 1.17549435e-38, 3.4028235e38, -3.4028235e38, 1.0, -1.0], np.float32)
X = np.concatenate([EVERY, SPECIAL])

EXACT = {"exp": np.exp, "log": np.log, "tanh": np.tanh, "erf": np.vectorize(math.erf)}


def compute(name, x):
    """What kernels compute for a function of ``math``."""
    function = getattr(math, name)
    return each(lambda x: function(x), x)


def bound_of(name):
    """The number of ulp that the function's docstring promises."""
    mathf = pytest.importorskip("numod.kernel.mathf")
    return int(re.search(r"within (\d+) ulp", inspect.getdoc(getattr(mathf, name)))[1])


def exact(name):
    with np.errstate(all="ignore"):
        return EXACT[name](X.astype(np.float64))


@pytest.mark.parametrize("name", EXACT)
def test_error_is_within_the_stated_bound(name):
    got, want = compute(name, X), exact(name)
    with np.errstate(all="ignore"):
        rounded = want.astype(np.float32)
        unit = np.spacing(np.abs(rounded)).astype(np.float64)
        ulps = np.where(np.isfinite(rounded), np.abs(got - want) / unit, 0.0)
    worst = np.nanargmax(ulps)
    assert ulps[worst] <= bound_of(name), f"{name}({X[worst]!r}) is {got[worst]!r}, exactly {want[worst]!r}"
    np.testing.assert_array_equal(np.isfinite(got), np.isfinite(rounded))


@pytest.mark.parametrize("name", EXACT)
def test_special_values(name):
    got, want = compute(name, SPECIAL), exact(name)[-len(SPECIAL) :].astype(np.float32)
    special = ~np.isfinite(want) | (want == 0)
    np.testing.assert_array_equal(got[special], want[special])
    np.testing.assert_array_equal(np.signbit(got[want == 0]), np.signbit(want[want == 0]))


@pytest.mark.parametrize("name", ["tanh", "erf"])
def test_odd_functions_are_odd_exactly(name):
    x = np.abs(EVERY[np.isfinite(EVERY)])
    np.testing.assert_array_equal(compute(name, -x), -compute(name, x))


@pytest.mark.parametrize("name", ["exp", "log", "sqrt"])
def test_short_ways_give_the_same_values(name):
    """Blocks of values that are nothing special take a way of their own; a special value among them makes a block take the way of all others."""
    mathf = pytest.importorskip("numod.kernel.mathf")
    plain, function = mathf.PLAIN[name], getattr(functional, name)
    x = np.arange(0x3F000000, 0x40000000, 37, dtype=np.uint32).view(np.float32)  # two binades: all mantissas, exponents even and odd
    x = np.concatenate([EVERY, x, -x])
    place = (x.view(np.uint32) & np.uint32(plain.mask)) - np.uint32(plain.lowest)
    x = np.concatenate([x[place < plain.size], x[place >= plain.size]])
    with np.errstate(all="ignore"):
        want = np.sqrt(x) if name == "sqrt" else compute(name, x)
    np.testing.assert_array_equal(function(Tensor(x)).numpy(), want)
    mixed = np.random.default_rng(0).permutation(len(x))
    np.testing.assert_array_equal(function(Tensor(x[mixed])).numpy(), want[mixed])


def test_every_function_is_tested():
    mathf = pytest.importorskip("numod.kernel.mathf")
    stated = {name for name, value in vars(mathf).items() if inspect.isfunction(value) and "ulp" in (value.__doc__ or "")}
    assert stated == set(EXACT)
