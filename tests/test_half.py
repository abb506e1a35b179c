"""float16 and bfloat16: exact conversions, one rounding for each op, and gradients of their own dtype."""

import copy
import pickle

import ml_dtypes
import numpy as np
import pytest

import numod as nm
import numod.functional as F
import numod.module as M
from numod import config
from numod.data.sharing import Slot
from numod.kernel import half as conversions, interpreted
from numod.op import TABLE
from numod.utils.dlpack import from_dlpack, to_dlpack

HALVES = pytest.mark.parametrize("dtype", [np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16)], ids=str)
BITS = np.arange(0, 65536, 257 if config.interpret else 1).astype(np.uint16)
random = np.random.default_rng(0)


def half(dtype, *shape):
    return random.normal(size=shape).astype(dtype)


def wide(x):
    with np.errstate(invalid="ignore"):  # NumPy may warn of NaN
        return x.astype(np.float32)


def finite(dtype):
    every = wide(BITS.view(dtype))
    return np.sort(every[np.isfinite(every)])


@HALVES
def test_every_one_becomes_its_float32(dtype):
    every = BITS.view(dtype)
    got, want = nm.Tensor(every).astype("float32").numpy(), wide(every)
    np.testing.assert_array_equal(got, want)
    numbers = ~np.isnan(want)
    np.testing.assert_array_equal(np.signbit(got)[numbers], np.signbit(want)[numbers])


@HALVES
@pytest.mark.parametrize("name", ["themselves", "halfway", "above halfway", "below halfway", "anything", "special"])
def test_float32_is_rounded_to_the_nearest_even(name, dtype):
    numbers = finite(dtype)
    middle = ((numbers[1:].astype(np.float64) + numbers[:-1]) / 2).astype(np.float32)
    special = [np.inf, -np.inf, np.nan, 0.0, -0.0, 65504, 65519.99, 65520, -65520, 1e-8, 2.0**-25, 2.0**-24, 1e30]
    x = {
        "themselves": numbers,
        "halfway": middle,
        "above halfway": np.nextafter(middle, np.float32(np.inf)),
        "below halfway": np.nextafter(middle, np.float32(-np.inf)),
        "anything": random.integers(0, 2**32, len(BITS), dtype=np.uint32).view(np.float32),
        "special": np.array([*special, 3.3895e38, 3.3962e38, -3.4e38, 1e-40, 2.0**-133, 2.0**-134], np.float32),
    }[name]
    with np.errstate(all="ignore"):
        want = x.astype(dtype)
    got = nm.Tensor(x).astype(dtype).numpy()
    numbers = ~np.isnan(x)
    np.testing.assert_array_equal(got.view(np.uint16)[numbers], want.view(np.uint16)[numbers])
    assert np.isnan(wide(got[~numbers])).all()


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")  # integers of C wrap
def test_float16_is_converted_by_integers_where_there_are_no_instructions():
    widen, narrow = conversions.conversions("float16", interpreted, instructions=False)
    every = BITS[::31].view(np.float16)
    np.testing.assert_array_equal([widen(bits) for bits in BITS[::31]], wide(every))
    numbers = finite(np.float16)[::31]
    middle = (numbers[1:] + numbers[:-1]) / 2
    x = np.concatenate(
        [numbers, middle, np.nextafter(middle, np.float32(9)), np.float32([65519.99, 65520, -65520, 1e30, np.inf, 2.0**-25])]
    )
    with np.errstate(all="ignore"):
        want = x.astype(np.float16).view(np.uint16)
    np.testing.assert_array_equal([narrow(value) for value in x], want)
    assert np.isnan(np.uint16(narrow(np.float32(np.nan))).view(np.float16))


@HALVES
def test_kernels_read_and_write_16_bits(dtype):
    x, index = nm.Tensor(half(dtype, 30, 40)), nm.Tensor([3, 1])
    calls = {
        "relu": (F.relu, x),
        "add": (lambda x: x.T + x[0, :30], x),
        "astype": (lambda x: x.astype("float32"), x),
        "sum": (lambda x: F.sum(x, 1), x),
        "logsumexp": (lambda x: F.logsumexp(x, 0), x),
        "take": (lambda x: x[index], x),
    }
    for name, (function, *inputs) in calls.items():
        TABLE[name].plans.clear()
        function(*inputs)
        for plan in TABLE[name].plans.values():
            assert [step.words[0] for step in plan.run.program.steps] and plan.run.program.workspace == 0, name
            assert len(plan.run.program.steps) == 1, name


@HALVES
def test_a_traced_chain_is_one_loop_and_rounds_each_op(dtype):
    x, y = nm.Tensor(half(dtype, 50, 40)), nm.Tensor(half(dtype, 40))

    def chain(x, y):
        return F.relu(x * 3.3 + y) / 1.7, F.exp(x) > y

    traced = nm.jit.trace(chain)
    for got, want in zip([*traced(x, y), *traced(x, y)], [*chain(x, y)] * 2, strict=True):
        np.testing.assert_array_equal(got.numpy(), want.numpy())


@HALVES
def test_an_op_rounds_once(dtype):
    x, y = half(dtype, 40, 30), half(dtype, 30)
    got = (nm.Tensor(x).T * nm.Tensor(y)[:, None] + 1.5).numpy()
    step = (x.T.astype(np.float32) * y[:, None].astype(np.float32)).astype(dtype)
    np.testing.assert_array_equal(got, (step.astype(np.float32) + 1.5).astype(dtype))
    assert got.dtype == dtype


@HALVES
def test_sums_and_products_are_accumulated_wide(dtype):
    ones = nm.Tensor(np.full(4096, 0.5, dtype))
    assert F.sum(ones).item() == 2048.0  # added up one by one in 16 bits it ends at 1024, or at 128
    x, y = half(dtype, 20, 500), half(dtype, 500, 10)
    want = x.astype(np.float64) @ y.astype(np.float64)
    eps = float(ml_dtypes.finfo(dtype).eps)
    np.testing.assert_allclose(F.matmul(nm.Tensor(x), nm.Tensor(y)).astype("float64").numpy(), want, rtol=eps, atol=1e-4)


@HALVES
def test_gradients_are_of_the_same_dtype(dtype):
    x, w = nm.Tensor(half(dtype, 3, 4)), nm.Tensor(half(dtype, 4, 2))
    with nm.autodiff.GradManager().attach([x, w]) as manager:
        manager.backward(F.sum(F.relu(F.matmul(x, w)) * 2.0))
    assert x.grad.dtype == w.grad.dtype == dtype
    wide, weight = x.numpy().astype(np.float32), w.numpy().astype(np.float32)
    eps = float(ml_dtypes.finfo(dtype).eps)
    np.testing.assert_allclose(w.grad.astype("float32").numpy(), 2 * wide.T @ (wide @ weight > 0), rtol=2 * eps, atol=2 * eps)


@HALVES
def test_a_network_learns(dtype):
    nm.random.seed(0)
    net = M.Sequential(M.Conv2d(1, 4, 3, padding=1), M.BatchNorm2d(4), M.ReLU(), M.MaxPool2d(2), M.Linear(4, 2))
    for parameter in net.parameters():
        parameter.set_value(parameter.astype(dtype))
    x, y = nm.Tensor(half(dtype, 4, 1, 8, 8)), nm.Tensor([0, 1, 1, 0])
    optimizer = nm.optimizer.SGD(net.parameters(), lr=0.2, momentum=0.9)
    losses = []
    manager = nm.autodiff.GradManager().attach(net.parameters())
    for _ in range(12):
        with manager:
            loss = F.nn.cross_entropy(F.mean(net(x), (1, 2)).astype(dtype), y)
            manager.backward(loss)
        optimizer.step().clear_grad()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2
    assert {parameter.dtype for parameter in net.parameters()} == {dtype}


@HALVES
def test_indexing_keeps_bits_and_reports_errors(dtype):
    every = BITS.view(dtype)
    x = nm.Tensor(every[:100])
    for got, want in ((x[nm.Tensor([3, 1])], every[[3, 1]]), (x[10:20:3], every[10:20:3]), (x.reshape(10, 10).T.flatten(), every[:100])):
        want = want.reshape(10, 10).T.ravel() if want.size == 100 else want
        np.testing.assert_array_equal(got.numpy().view(np.uint16), want.view(np.uint16))
    with pytest.raises(IndexError, match="100"):
        x[nm.Tensor([100])]
    x[2] = 7.0
    assert x[2].item() == 7.0


@HALVES
def test_it_is_made_saved_sent_and_shown(dtype, tmp_path):
    x = nm.Tensor(half(dtype, 3, 2))
    nm.save({"x": x}, tmp_path / "file")
    copies = [
        nm.load(tmp_path / "file")["x"],
        pickle.loads(pickle.dumps(x)),
        copy.deepcopy(x),
        from_dlpack(to_dlpack(x.T)).T,
        nm.Tensor(x.tolist(), dtype),
    ]
    slot = Slot()
    copies.append(nm.Tensor(slot.read(slot.write(x.numpy()), slot.used)))
    slot.close()
    for each in copies:
        assert each.dtype == dtype
        np.testing.assert_array_equal(each.numpy(), x.numpy())
    for each in (
        F.zeros((2, 2), dtype=dtype),
        F.arange(3, dtype=str(dtype)),
        F.eye(2, dtype=dtype),
        F.linspace(0, 1, 3, dtype=dtype),
        F.full(2, 0.5, dtype=dtype),
    ):
        assert each.dtype == dtype
    assert repr(nm.Tensor([1.0, 2.5], dtype=dtype)) == f"Tensor([1.  2.5], dtype={dtype}, device=xpux:0)"


@HALVES
def test_promotion(dtype):
    h = nm.Tensor([1.0, 2.0], dtype=dtype)
    assert (h + 1).dtype == (h * 1.5).dtype == dtype
    assert (h + nm.Tensor([1.0, 2.0])).dtype == (h + nm.Tensor([1, 2])).dtype == np.float32
    assert (h + nm.Tensor([1.0], dtype="float64")).dtype == np.float64
    assert F.mean(h).dtype == F.var(h).dtype == np.float32
    other = h.astype("float16" if str(dtype) == "bfloat16" else "bfloat16")
    assert (h + other).dtype == F.concat([other, h]).dtype == F.matmul(h, other).dtype == np.float32
