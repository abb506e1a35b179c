"""Sorting of rows of every length and dtype, and what is made of it."""

import numpy as np
import pytest

import numod as nm
import numod.functional as F
from numod import config, dtype as dtypes

random = np.random.default_rng(0)


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("n", [1, 20] if config.interpret else [1, 20, 33, 700])
@pytest.mark.parametrize("name", [name for name in dtypes.NAMES if name not in ("bool", "complex64")])
def test_order_is_that_of_numpy(name, n, descending):
    x = (random.normal(size=(3, n)) * 100).astype(dtypes.as_dtype(name))
    order = np.argsort(x[:, ::-1] if descending else x, axis=1, kind="stable")
    order = n - 1 - order[:, ::-1] if descending else order
    t = nm.Tensor(x, dtype=name)
    np.testing.assert_array_equal(F.argsort(t, descending).numpy(), order)
    values, places = F.topk(t, 5, descending)  # of 33 and less the whole row is sorted, of more it is not
    np.testing.assert_array_equal(places.numpy(), order[:, :5])
    np.testing.assert_array_equal(values.numpy(), np.take_along_axis(x, order[:, :5], 1))


@pytest.mark.parametrize("n", [6] if config.interpret else [6, 198])
def test_nan_is_largest_and_zeros_are_equal(n):
    x = np.tile(np.array([0.0, np.nan, -np.inf, -0.0, np.inf, 1.0], np.float32), n // 6)
    first = [2, 0, 3, 5, 4, 1]
    expected = [k * 6 + i for i in first[:1] for k in range(n // 6)]
    assert F.argsort(nm.Tensor(x)).tolist()[: n // 6] == expected
    zeros = F.argsort(nm.Tensor(x)).tolist()[n // 6 : 3 * (n // 6)]
    assert zeros == sorted(zeros)
    assert all(np.isnan(F.sort(nm.Tensor(x))[0].tolist()[-(n // 6) :]))
    assert np.isnan(F.sort(nm.Tensor(x), descending=True)[0].tolist()[0])


def test_gradient_of_a_sort_goes_where_the_values_came_from():
    x = nm.Tensor([3.0, 1.0, 2.0])
    with nm.autodiff.GradManager().attach(x) as manager:
        manager.backward((F.sort(x)[0] * nm.Tensor([1.0, 10.0, 100.0])).sum())
    assert x.grad.tolist() == [100.0, 1.0, 10.0]


def test_second_gradient_of_a_product_with_zeros():
    x = nm.Tensor([0.0, 3.0, 0.0, 5.0])
    outer, inner = nm.autodiff.GradManager().attach(x), nm.autodiff.GradManager().attach(x)
    with outer:
        with inner:
            inner.backward(F.prod(x))
        first, x.grad = x.grad, None
        outer.backward((first * nm.Tensor([1.0, 2.0, 4.0, 8.0])).sum())
    assert first.tolist() == [0.0, 0.0, 0.0, 0.0]
    assert x.grad.tolist() == [60.0, 0.0, 15.0, 0.0]  # 15 * 4 and 15 * 1: the other zero's weight times 3 * 5
