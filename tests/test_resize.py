"""The tables by which images are resized: what they must mean, place by place."""

from fractions import Fraction
from math import floor

import numpy as np
import pytest

from numod import Tensor
from numod.autodiff import GradManager
from numod.functional.vision import interpolate
from numod.ops.resize import tables


def cubic(d):
    """Keys' kernel with a = -3/4."""
    a = Fraction(-3, 4)
    return (a + 2) * d**3 - (a + 3) * d**2 + 1 if d <= 1 else a * (d**3 - 5 * d**2 + 8 * d - 4)


def matrix(n, size, taps, corners):
    """What each of ``n`` places (columns) counts for in each of ``size`` (rows)."""
    found = np.zeros((size, n))
    for i in range(size):
        if taps == 1:
            place = Fraction(i * n // size)
        elif corners:
            place = Fraction(i * (n - 1), max(size - 1, 1))
        else:
            place = Fraction(2 * i + 1, 2) * n / size - Fraction(1, 2)
        first = floor(place) - (taps - 1) // 2
        for old in range(first, first + taps):
            distance = abs(place - old)
            found[i, min(max(old, 0), n - 1)] += float({1: lambda d: 1, 2: lambda d: 1 - d, 4: cubic}[taps](distance))
    return found


def spread(places, weights, n):
    """A table as a matrix."""
    found = np.zeros((places.shape[1], n))
    np.add.at(found, (np.arange(places.shape[1]), places), weights)
    return found


@pytest.mark.parametrize("corners", [False, True])
@pytest.mark.parametrize("taps", [1, 2, 4])
def test_tables_there_and_back(taps, corners):
    for n in (*range(1, 9), 13):
        for size in (*range(1, 9), 16, 29):
            want = matrix(n, size, taps, corners)
            places, weights, back_places, back_weights = tables(n, size, taps, corners)
            np.testing.assert_allclose(spread(places, weights, n), want, atol=1e-12)
            np.testing.assert_allclose(spread(back_places, back_weights, size), want.T, atol=1e-12)


@pytest.mark.parametrize("mode", ["nearest", "bilinear", "bicubic"])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_stays_where_it_counts(mode, bad):
    image = np.ones((1, 1, 9, 9), np.float32)
    image[..., 0, 0] = bad
    x = Tensor(image)
    with GradManager().attach(x) as gm:
        y = interpolate(x, (13, 18), mode=mode)
        gm.backward(y, Tensor(np.where(np.isfinite(y.numpy()), 1.0, bad).astype(np.float32)))
    assert not np.isfinite(y.numpy()[..., 0, 0]) and not np.isfinite(x.grad.numpy()[..., 0, 0])
    assert np.isfinite(y.numpy()[..., 6:, :]).all() and np.isfinite(y.numpy()[..., :, 8:]).all()
    assert np.isfinite(x.grad.numpy()[..., 7:, :]).all() and np.isfinite(x.grad.numpy()[..., :, 7:]).all()


def test_an_image_without_rows_is_refused():
    with pytest.raises(ValueError, match="interpolate"):
        interpolate(Tensor(np.zeros((1, 1, 0, 4), np.float32)), (2, 2))
