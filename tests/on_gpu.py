"""What holds on a GPU, real or simulated. `test_cuda` runs it in a process of its own: the simulator is chosen before numba is imported."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies

import numod
import numod.functional as F
import numod.module as M
from numod import Tensor
from numod.autodiff import GradManager
from numod.dtype import HALVES, NAMES, as_dtype
from numod.kernel import cuda, memory
from numod.op import TABLE, KernelIndexError
from numod.ops import index, reduce, view
from numod.testing import PROPERTIES, hold
from numod.testing.calls import Trial
from numod.testing.compare import match_each

COMPUTED = [name for name in NAMES if name not in HALVES]  # what GPUs compute with
OPS = pytest.mark.parametrize("op", TABLE.values(), ids=lambda op: f"{op.form}-{op.name}")


@OPS
def test_row(op):
    @settings(max_examples=3)
    @given(strategies.data())
    def holds(data):
        hold(op, PROPERTIES["gpu"], data)

    holds()


@OPS
def test_row_in_other_dtypes(op):
    @settings(max_examples=2)
    @given(strategies.data(), strategies.sampled_from(COMPUTED))
    def holds(data, dtype):
        call = Trial(op, data).call(most=2, plain=True, dtype=as_dtype(dtype))
        if call.accepted() and not call.has_half():
            match_each(call, call.run(call.tensors("gpu0")), call.run())

    holds()


@pytest.mark.parametrize("dtype", NAMES)
@pytest.mark.parametrize("shape", [(), (0,), (2, 3), (2, 0, 3)])
def test_values_come_back_from_the_gpu(dtype, shape):
    values = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(as_dtype(dtype))
    there = Tensor(values, dtype=dtype, device="gpu0")
    back = there.to("cpu0")
    assert (there.device, back.device, back.dtype) == ("gpu0", "cpu0", as_dtype(dtype))
    np.testing.assert_array_equal(there.numpy(), values)
    np.testing.assert_array_equal(back.to("gpu0").numpy(), values)


@pytest.mark.parametrize("dtype", HALVES)
def test_floats_of_16_bits_are_kept_but_not_computed_with(dtype):
    x = Tensor([1.0, 2.0, 3.0, 4.0], dtype=dtype, device="gpu0")
    assert x.reshape(2, 2).T.reshape(4).tolist() == [1.0, 3.0, 2.0, 4.0]
    assert F.copy(x).tolist() == [1.0, 2.0, 3.0, 4.0]
    with pytest.raises(TypeError, match=f"{dtype}: tensors on a GPU cannot be computed with yet"):
        F.exp(x)


def test_a_view_copies_nothing():
    x = Tensor(np.arange(24.0).reshape(4, 6), device="gpu0")
    before = memory.usage(x.device)["live"]
    y = view.transpose(view.slice_view(x, start=(1, 0), count=(2, 3), step=(1, 2)), axes=(1, 0))
    assert memory.usage(x.device)["live"] == before
    del x
    np.testing.assert_array_equal(y.numpy(), np.arange(24.0).reshape(4, 6)[1:3, ::2].T)
    np.testing.assert_array_equal((y * y).numpy(), y.numpy() ** 2)


def test_more_elements_than_threads():
    values = np.arange(4 * cuda.BLOCK * min(cuda.BLOCKS, 8) + 3, dtype=np.float32)
    x = Tensor(values, device="gpu0")
    np.testing.assert_array_equal((x + x).numpy(), values + values)


@pytest.mark.parametrize(
    ("shape", "axis"),
    [((3, 2 * cuda.BLOCK + 1), (1,)), ((2 * cuda.BLOCK + 1, 3), (0,)), ((2 * cuda.BLOCK, 3, 2), (0, 2)), ((40 * cuda.BLOCK, 2), (1,))],
)
def test_rows_by_blocks_and_by_threads(shape, axis):
    values = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    x = Tensor(values, device="gpu0")
    np.testing.assert_allclose(reduce.sum(x, axis=axis).numpy(), values.sum(axis), rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(reduce.max(x, axis=axis).numpy(), values.max(axis))
    np.testing.assert_allclose(reduce.centered(x, axis=axis).numpy(), values - values.mean(axis, keepdims=True), rtol=1e-4, atol=1e-5)
    if len(axis) == 1:
        np.testing.assert_array_equal(reduce.argmax(x, axis=axis).numpy(), values.argmax(axis[0]))


def test_sums_are_kept_in_float64():
    x = Tensor(np.array([1e8, 1.0, 1.0, -1e8], np.float32), device="gpu0")
    assert reduce.sum(x, axis=(0,)).item() == 2.0


def test_an_index_out_of_range_is_reported_and_forgotten():
    x = Tensor(np.arange(5.0), device="gpu0")
    for wrong in (5, -6, 2**31 - 1):
        with pytest.raises(KernelIndexError, match=f"index {wrong} is out of range for size 5"):
            index.take(x, Tensor([0, wrong, 1], device="gpu0"), axis=0)
    assert index.take(x, Tensor([4, 0], device="gpu0"), axis=0).tolist() == [4.0, 0.0]


@pytest.mark.parametrize("dtype", ["float32", "int32", "int8", "uint8"])
def test_writes_that_meet(dtype):
    """Added, they all count, in small integers modulo their size; written, the last one stays."""

    def write(device):
        x, values = Tensor(np.zeros(3), dtype=dtype, device=device), Tensor(np.arange(100, 112), dtype=dtype, device=device)
        places = Tensor(np.arange(12) % 2, dtype="int32", device=device)
        return index.put(x, values, places, axis=0).tolist(), index.add_at(values, places, axis=0, size=3).tolist()

    assert write("gpu0") == write("cpu0")


def test_a_training_step_is_that_of_the_cpu():
    def step(device):
        random = np.random.default_rng(0)
        net = M.Sequential(M.Conv2d(1, 2, 3), M.ReLU(), M.MaxPool2d(2), M.BatchNorm2d(2))
        last = M.Linear(2 * 2 * 2, 3)
        parameters = [*net.parameters(), *last.parameters()]
        for parameter in [*parameters, *net.buffers()]:
            parameter._reset(Tensor(random.uniform(0.1, 1, parameter.shape), device=device))
        x = Tensor(random.normal(size=(2, 1, 6, 6)), device=device)
        label = Tensor([0, 2], device=device)
        gm = GradManager().attach(parameters)
        with gm:
            loss = F.nn.cross_entropy(last(F.flatten(net(x), 1)), label)
            gm.backward(loss)
        return [loss.numpy(), *(parameter.grad.numpy() for parameter in parameters)]

    for there, here in zip(step("gpu0"), step("cpu0"), strict=True):
        np.testing.assert_allclose(there, here, rtol=1e-4, atol=1e-5)


def test_memory_is_counted_and_reused():
    place = Tensor(0.0, device="gpu0").device
    before = memory.usage(place)
    x = Tensor(np.zeros(1000), device="gpu0")
    assert numod.device.get_allocated_memory("gpu0") == before["live"] + 4000
    array = x._buffer.array
    del x
    assert memory.usage(place)["live"] == before["live"]
    assert Tensor(np.ones(1000), device="gpu0")._buffer.array is array
    assert numod.device.get_max_allocated_memory("gpu0") >= before["live"] + 4000
    numod.device.reset_max_memory_stats("gpu0")
    assert numod.device.get_max_allocated_memory("gpu0") == numod.device.get_allocated_memory("gpu0")
    numod.coalesce_free_memory()
    assert numod.device.get_reserved_memory("gpu0") == numod.device.get_allocated_memory("gpu0")


def test_a_device_is_described():
    assert numod.device.is_cuda_available()
    assert numod.device.get_device_count("gpu") >= 1
    found = numod.device.get_cuda_device_property(0)
    assert numod.device.get_cuda_compute_capability(0) == 10 * found.major + found.minor
    assert len(numod.device.get_mem_status_bytes("gpu0")) == 2
    assert numod.device.get_cuda_driver_version() >= 0 <= numod.device.get_cuda_version()


def test_a_device_that_is_not_there_is_refused():
    with pytest.raises(RuntimeError, match=r"gpu99: no such device, there are \d+"):
        Tensor([1.0], device="gpu99")


def test_devices_do_not_mix():
    with pytest.raises(ValueError, match="add: operands on gpu0:0 and cpu0:0"):
        Tensor([1.0], device="gpu0") + Tensor([1.0], device="cpu0")


def test_complex_numbers_and_their_parts():
    x = Tensor([1.0, 2.0], device="gpu0")
    z = F.complex(x, x + 1)
    assert (z * z)[1:].tolist() == [(2 + 3j) ** 2]
    assert F.imag(z * 2).tolist() == [4.0, 6.0]
    with GradManager().attach(x) as gm:
        gm.backward(F.imag(F.complex(x, x) * F.complex(x, x)).sum())  # 2 x^2
    assert x.grad.tolist() == [4.0, 8.0]
