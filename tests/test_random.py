"""Random numbers have the distributions that they claim (Kolmogorov-Smirnov and chi-squared tests, fixed seeds), whatever the number of threads."""

import math

import numpy as np
import pytest

import numod as nm
from numod import config
from numod.random import RNG

N = 300 if config.interpret else 40_000

erf = np.vectorize(math.erf)
CONTINUOUS = {  # draw, distribution function
    "uniform": (lambda rng, size: rng.uniform(size=size), lambda x: x),
    "uniform between": (lambda rng, size: rng.uniform(-1, 3, size=size), lambda x: (x + 1) / 4),
    "normal": (lambda rng, size: rng.normal(size=size), lambda x: (1 + erf(x / math.sqrt(2))) / 2),
    "normal of mean and std": (lambda rng, size: rng.normal(5, 2, size=size), lambda x: (1 + erf((x - 5) / math.sqrt(8))) / 2),
    "gamma 1": (lambda rng, size: rng.gamma(1, size=size), lambda x: 1 - np.exp(-x)),
    "gamma 1/2": (lambda rng, size: rng.gamma(0.5, size=size), lambda x: erf(np.sqrt(x))),
    "gamma 3 scaled": (lambda rng, size: rng.gamma(3, 2, size=size), lambda x: 1 - np.exp(-x / 2) * (1 + x / 2 + x * x / 8)),
    "gamma 400": (
        lambda rng, size: rng.gamma(400, size=size),
        lambda x: (1 + erf((((x / 400) ** (1 / 3) - 1 + 1 / 3600) * 60) / math.sqrt(2))) / 2,
    ),
    "beta 1 1": (lambda rng, size: rng.beta(1, 1, size=size), lambda x: x),
    "beta 3 1": (lambda rng, size: rng.beta(3, 1, size=size), lambda x: x**3),
    "beta 1 4": (lambda rng, size: rng.beta(1, 4, size=size), lambda x: 1 - (1 - x) ** 4),
    "beta 1/2 1/2": (lambda rng, size: rng.beta(0.5, 0.5, size=size), lambda x: 2 / np.pi * np.arcsin(np.sqrt(x))),
}


@pytest.mark.parametrize("name", CONTINUOUS)
def test_distribution_function(name):
    draw, distribution = CONTINUOUS[name]
    p = np.sort(distribution(draw(RNG(seed=1), (N,)).numpy().astype(np.float64)))
    steps = np.arange(N + 1) / N
    distance = max((steps[1:] - p).max(), (p - steps[:-1]).max())
    assert distance * math.sqrt(N) < 1.95  # exceeded by one seed in a thousand


@pytest.mark.parametrize("rate", [0.3, 4.0, 9.99, 10.0, 55.5, 3000.0])
def test_frequencies_of_poisson(rate):
    drawn = RNG(seed=2).poisson(rate, size=(N,)).numpy()
    assert np.all(drawn == np.floor(drawn))
    low, high = max(0, math.floor(rate - 6 * math.sqrt(rate))), math.ceil(rate + 6 * math.sqrt(rate)) + 3
    k = np.arange(low, high)
    mass = np.exp(k * math.log(rate) - rate - np.array([math.lgamma(n + 1) for n in k])) * N
    edges, total = [low], 0.0
    for n, m in zip(k, mass, strict=True):  # classes in which at least 10 are expected
        total += m
        if total >= 10:
            edges.append(n + 1)
            total = 0.0
    edges[-1] = high
    expected = np.add.reduceat(mass, np.array(edges[:-1]) - low)
    observed = np.histogram(drawn, np.array(edges) - 0.5)[0]
    degrees = len(expected) - 1
    chi = ((observed - expected) ** 2 / expected).sum()
    limit = degrees * (1 - 2 / (9 * degrees) + 3.09 * math.sqrt(2 / (9 * degrees))) ** 3  # Wilson-Hilferty, one seed in a thousand
    assert chi < limit


@pytest.mark.parametrize("rate", [1e6, 1e12])
def test_moments_of_large_poisson(rate):
    drawn = RNG(seed=3).poisson(nm.Tensor(np.full(N, rate), dtype="float64")).numpy().astype(np.float64)
    z = (drawn - rate) / math.sqrt(rate)
    slack = 5 / math.sqrt(N) + rate * 2**-24 / math.sqrt(rate)  # float32 results
    assert abs(z.mean()) < slack
    assert abs(z.var() - 1) < 2 * slack


def test_parameters_at_the_ends():
    rng, inf, nan = RNG(seed=4), math.inf, math.nan
    assert np.array_equal(rng.gamma(nm.Tensor([0.0, -1.0, inf, nan])).numpy(), [0, 0, inf, nan], equal_nan=True)
    assert np.array_equal(rng.poisson(nm.Tensor([0.0, -1.0, inf, nan])).numpy(), [0, 0, inf, nan], equal_nan=True)
    tiny = rng.beta(nm.Tensor([1e-4] * 200), 1e-4).numpy()  # the gamma variates are below the smallest float
    assert np.isfinite(tiny).all() and 20 < (tiny > 0.5).sum() < 180


@pytest.mark.skipif(config.interpret, reason="interpreted kernels run on one thread")
@pytest.mark.parametrize("draw", ["uniform", "normal", "gamma", "beta", "poisson"])
def test_numbers_do_not_depend_on_threads(draw):
    parameters = {"gamma": (0.7,), "beta": (2.0, 0.3), "poisson": (20.0,)}.get(draw, ())
    before = nm.get_num_threads()
    try:
        drawn = []
        for threads in (1, 2):
            nm.set_num_threads(threads)
            drawn.append(getattr(RNG(seed=5), draw)(*parameters, size=(50_000,)).numpy())
    finally:
        nm.set_num_threads(before)
    np.testing.assert_array_equal(*drawn)


def test_elements_are_independent_of_their_neighbours():
    x = RNG(seed=6).gamma(2.0, size=(N,)).numpy().astype(np.float64)
    z = (x - x.mean()) / x.std()
    for lag in (1, 2, 64):
        assert abs((z[lag:] * z[:-lag]).mean()) < 4 / math.sqrt(N)


def test_wrong_parameters_are_refused():
    rng = RNG(seed=7)
    for call in (
        lambda: rng.gamma(0),
        lambda: rng.gamma(1, -1),
        lambda: rng.beta(1, 0),
        lambda: rng.poisson(-1),
        lambda: rng.gamma(1, size=(-1,)),
    ):
        with pytest.raises(ValueError, match=r"must"):
            call()
    with pytest.raises(TypeError, match="float dtype"):
        rng.gamma(nm.Tensor([1, 2]))
    with pytest.raises(ValueError, match="broadcast"):
        rng.beta(nm.Tensor([1.0, 2.0]), nm.Tensor([1.0, 2.0, 3.0]))
