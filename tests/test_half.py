"""float16: exact conversions, one rounding for each op, and gradients of its own dtype."""

import numpy as np
import pytest

import numod as nm
import numod.functional as F
from numod import config

EVERY = np.arange(0, 65536, 257 if config.interpret else 1).astype(np.uint16).view(np.float16)
FINITE = np.sort(EVERY[np.isfinite(EVERY)]).astype(np.float32)
random = np.random.default_rng(0)


def half(*shape):
    return random.normal(size=shape).astype(np.float16)


def test_every_float16_becomes_its_float32():
    got = nm.Tensor(EVERY).astype("float32").numpy()
    np.testing.assert_array_equal(got, EVERY.astype(np.float32))
    numbers = ~np.isnan(EVERY)
    np.testing.assert_array_equal(np.signbit(got)[numbers], np.signbit(EVERY)[numbers])


@pytest.mark.parametrize("name", ["themselves", "halfway", "above halfway", "below halfway", "anything", "special"])
def test_float32_is_rounded_to_the_nearest_even(name):
    middle = ((FINITE[1:].astype(np.float64) + FINITE[:-1]) / 2).astype(np.float32)
    x = {
        "themselves": FINITE,
        "halfway": middle,
        "above halfway": np.nextafter(middle, np.float32(np.inf)),
        "below halfway": np.nextafter(middle, np.float32(-np.inf)),
        "anything": random.integers(0, 2**32, len(EVERY), dtype=np.uint32).view(np.float32),
        "special": np.array(
            [np.inf, -np.inf, np.nan, 0.0, -0.0, 65504, 65519.99, 65520, -65520, 1e-8, 2.0**-25, 2.0**-24, 1e30], np.float32
        ),
    }[name]
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(nm.Tensor(x).astype("float16").numpy(), x.astype(np.float16))


def test_an_op_rounds_once():
    x, y = half(40, 30), half(30)
    got = (nm.Tensor(x).T * nm.Tensor(y)[:, None] + 1.5).numpy()
    step = (x.T.astype(np.float32) * y[:, None]).astype(np.float16)
    np.testing.assert_array_equal(got, (step.astype(np.float32) + 1.5).astype(np.float16))
    assert got.dtype == np.float16


def test_sums_and_products_are_accumulated_wide():
    assert (
        F.sum(nm.Tensor(np.full(4097, 0.5, np.float16))).item() == 2048.0
    )  # 2048.5, of which float16 keeps the integer part; one by one it ends at 1024
    x, y = half(20, 500), half(500, 10)
    want = (x.astype(np.float64) @ y.astype(np.float64)).astype(np.float16)
    np.testing.assert_allclose(F.matmul(nm.Tensor(x), nm.Tensor(y)).numpy(), want, rtol=2e-3, atol=1e-2)


def test_gradients_are_float16():
    x, w = nm.Tensor(half(3, 4)), nm.Tensor(half(4, 2))
    with nm.autodiff.GradManager().attach([x, w]) as manager:
        manager.backward(F.sum(F.relu(F.matmul(x, w)) * 2.0))
    assert x.grad.dtype == w.grad.dtype == np.float16
    mask = (x.numpy().astype(np.float32) @ w.numpy().astype(np.float32)) > 0
    np.testing.assert_allclose(w.grad.numpy(), 2 * x.numpy().T.astype(np.float32) @ mask, rtol=2e-3, atol=2e-3)


def test_indexing_keeps_bits_and_reports_errors():
    x = nm.Tensor(EVERY[:100])
    np.testing.assert_array_equal(x[nm.Tensor([3, 1])].numpy(), EVERY[[3, 1]])
    np.testing.assert_array_equal(x[10:20:3].numpy(), EVERY[10:20:3])
    with pytest.raises(IndexError, match="100"):
        x[nm.Tensor([100])]
    x[2] = 7.0
    assert x[2].item() == 7.0


def test_it_is_saved_and_loaded(tmp_path):
    x = nm.Tensor(half(3, 2))
    nm.save({"x": x}, tmp_path / "file")
    loaded = nm.load(tmp_path / "file")["x"]
    assert loaded.dtype == np.float16
    np.testing.assert_array_equal(loaded.numpy(), x.numpy())


def test_promotion():
    h = nm.Tensor([1.0, 2.0], dtype="float16")
    assert (h + 1).dtype == (h * 1.5).dtype == np.float16
    assert (h + nm.Tensor([1.0, 2.0])).dtype == (h + nm.Tensor([1, 2])).dtype == np.float32
    assert (h + nm.Tensor([1.0], dtype="float64")).dtype == np.float64
    assert F.mean(h).dtype == F.var(h).dtype == np.float32
    assert repr(h) == "Tensor([1. 2.], dtype=float16, device=xpux:0)"
