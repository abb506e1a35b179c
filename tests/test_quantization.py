"""Quantization: rounding is to the nearest number there is, networks of integers do what the simulation says, and their state can be kept."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given, strategies as st

import numod as nm
import numod.functional as F
import numod.module as M
from numod import quantization as Q
from numod.autodiff import GradManager
from numod.functional.quantization import to_integers, to_numbers
from numod.module import qat, quantized
from numod.optimizer import SGD

S, A = Q.QuantMode.SYMMERTIC, Q.QuantMode.ASYMMERTIC


@pytest.fixture(autouse=True)
def same_weights():
    """Layers draw their weights, and how many steps a network's rounding adds up to depends on them."""
    nm.random.seed(0)


class Net(M.Module):
    def __init__(self):
        super().__init__()
        self.quant, self.dequant = M.QuantStub(), M.DequantStub()
        self.first = M.ConvBnRelu2d(1, 4, 3, padding=1)
        self.second = M.ConvBn2d(4, 4, 3, padding=1, groups=2)
        self.up = M.ConvTransposeRelu2d(4, 4, 2, stride=2)
        self.add, self.concat = M.Elemwise("fuse_add_relu"), M.Concat()
        self.hidden, self.out = M.LinearBnRelu1d(8 * 4, 6, bias=False), M.Linear(6, 3)

    def forward(self, x):
        x = self.first(self.quant(x))
        x = self.concat([self.add(x, self.second(x)), F.max_pool2d(self.up(x), 2)], 1)
        x = F.avg_pool2d(F.relu(x), 4)
        return self.dequant(self.out(self.hidden(F.flatten(x, 1))))


def draw(*shape, seed=0):
    return nm.Tensor(np.random.default_rng(seed).standard_normal(shape), dtype="float32")


def trained(config=Q.ema_fakequant_qconfig, net=Net):
    net = Q.quantize_qat(net(), qconfig=config)
    for seed in range(3):
        net(draw(4, 1, 8, 8, seed=seed))
    net.eval()
    return net


def converted(net):
    made = Q.quantize(net, inplace=False)
    made.eval()
    return made


@given(
    st.sampled_from([(S, "qint8"), (S, "qint8_narrow"), (S, "qint4"), (A, "quint8"), (A, "quint4")]),
    st.lists(st.floats(-50, 50, width=32), min_size=1, max_size=30),
)
def test_numbers_in_the_observed_range_move_by_half_a_step_at_most(kind, numbers):
    mode, dtype = kind
    x = nm.Tensor(np.asarray(numbers, np.float32))
    observer = Q.MinMaxObserver(mode, dtype=dtype)
    observer(x)
    qparams = observer.get_qparams()
    half = float(qparams.scale) / 2
    # the zero point is rounded, so an end of the range may be half a step outside
    allowed = (half if mode is S and dtype != "qint4" else 2 * half) * 1.001 + 1e-6
    rounded = Q.fake_quant_tensor(x, qparams)
    assert np.abs(rounded.numpy() - x.numpy()).max() <= allowed
    integers = to_integers(x, qparams)
    assert integers.dtype == np.dtype(qparams.dtype_meta.np_dtype_str)
    assert qparams.dtype_meta.qmin <= integers.numpy().min() and integers.numpy().max() <= qparams.dtype_meta.qmax
    np.testing.assert_allclose(to_numbers(integers).numpy(), rounded.numpy(), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(Q.fake_quant_tensor(rounded, qparams).numpy(), rounded.numpy(), rtol=1e-6, atol=1e-6)


def test_gradients_pass_rounding_and_stop_beyond_the_range():
    x = nm.Tensor([0.3, 63.6, 64.0, -64.2, -65.0])
    with GradManager().attach(x) as gm:
        gm.backward(Q.fake_quant_tensor(x, Q.create_qparams(S, "qint8", nm.Tensor(0.5))))
    assert x.grad.tolist() == [1, 1, 0, 1, 0]


def test_lsq_with_a_zero_point_has_the_gradient_of_its_values_beyond_the_range():
    f = Q.fake_quant.LSQ("qint4", eps=0.0)
    f.set_qparams(Q.create_qparams(A, "qint4", nm.Tensor(2.0), nm.Tensor(3.0)))
    with GradManager().attach(f.step_size) as gm:
        y = f(nm.Tensor([100.0, -100.0]))
        gm.backward(y)
    assert y.tolist() == [(7 - 3) * 2, (-8 - 3) * 2]
    assert f.step_size.grad.item() == (7 - 3) + (-8 - 3)


LAYERS = [
    (lambda: M.Conv2d(3, 4, 3, padding=1, padding_mode="reflect"), (2, 3, 6, 6)),
    (lambda: M.Conv2d(4, 4, 3, groups=2, bias=False), (2, 4, 6, 6)),
    (lambda: M.Conv2d(200, 2, 3), (1, 200, 4, 4)),  # its sums need float64
    (lambda: M.ConvTranspose2d(3, 4, 3, stride=2, output_padding=1), (2, 3, 4, 4)),
    (lambda: M.ConvTransposeBn2d(4, 4, 3, groups=2), (2, 4, 4, 4)),
    (lambda: M.Linear(2000, 3), (2, 2000)),
    (lambda: M.LinearBn1d(5, 3), (6, 5)),
    (lambda: M.BatchMatMulActivation(2, 3, 4), (2, 3, 5)),
    (lambda: M.BatchMatMulActivation(2, 3, 4, bias=False, nonlinear_mode="relu"), (2, 3, 5)),
]
ASYMMETRIC = Q.QConfig(
    Q.min_max_fakequant_qconfig.weight_observer,
    lambda: Q.MinMaxObserver(A, dtype="quint8"),
    Q.min_max_fakequant_qconfig.weight_fake_quant,
    lambda: Q.FakeQuantize("quint8"),
)


@pytest.mark.parametrize("config", [Q.min_max_fakequant_qconfig, ASYMMETRIC, Q.tqt_qconfig], ids=["symmetric", "asymmetric", "tqt"])
@pytest.mark.parametrize(("make", "shape"), LAYERS, ids=[make().__class__.__name__ + str(shape) for make, shape in LAYERS])
def test_integers_agree_with_the_simulation_within_a_step(make, shape, config):
    x = draw(*shape)
    net = Q.quantize_qat(M.Sequential(M.QuantStub(), make(), M.DequantStub()), qconfig=config)
    if config is Q.tqt_qconfig:  # whose scales begin at 1
        for module in net.modules():
            if isinstance(module, Q.TQT):
                module.scale[...] = -4.0
    net(x)
    net.eval()
    step = float(net[1].get_activation_qparams().scale)
    want = net(x).numpy()
    got = converted(net)(x).numpy()
    assert np.abs(got - want).max() <= step * 1.001
    if config is not ASYMMETRIC:  # there the simulation has a bias of floats
        # the least number of a symmetric range is half way between two integers
        assert np.sum(np.abs(got - want) > step / 2) <= max(2, 0.02 * got.size)


def test_integers_are_the_exact_ones():
    """Against sums in int64, rounded once."""
    rng = np.random.default_rng(0)
    layer = quantized.Conv2d(3, 2, 2, dtype=Q.create_qparams(S, "qint8", nm.Tensor(0.75)))
    weight, bias = rng.integers(-127, 128, (2, 3, 2, 2)).astype(np.int8), rng.standard_normal((1, 2, 1, 1)).astype(np.float32)
    layer.load_state_dict({"weight": weight, "bias": bias, "weight_scale": np.float32(0.0625), "act_scale": np.float32(0.75)})
    layer.eval()
    x = nm.Tensor(rng.integers(-128, 128, (1, 3, 3, 3)).astype(np.int8))
    x.qparams.update(Q.create_qparams(S, "qint8", nm.Tensor(0.125)))
    sums = np.zeros((2, 2, 2), np.int64)
    for o, i, j in np.ndindex(2, 2, 2):
        sums[o, i, j] = (x.numpy()[0, :, i : i + 2, j : j + 2].astype(np.int64) * weight[o]).sum()
    sums = sums + np.rint(bias[0] / 2.0**-7).astype(np.int64)
    exact = sums * 2.0**-7 / 0.75
    want = np.clip(np.trunc(exact + np.copysign(0.5, exact)), -128, 127)
    assert layer(x).numpy()[0].tolist() == want.tolist()
    assert layer(x).dtype == np.int8


@pytest.mark.parametrize("config", [Q.ema_fakequant_qconfig, Q.min_max_fakequant_qconfig], ids=["ema", "minmax"])
def test_a_network_of_integers_does_what_the_simulation_does(config):
    net = trained(config)
    x = draw(4, 1, 8, 8, seed=9)
    want, step = net(x).numpy(), float(net.out.get_activation_qparams().scale)
    made = converted(net)
    # pooling rounds averages to integers there, and not in the simulation
    assert np.abs(made(x).numpy() - want).max() <= 4 * step
    assert made(x).dtype == np.float32
    assert {type(child).__module__.split(".")[2] for child in made.children()} == {"quantized"}


def test_state_dicts_round_trip(tmp_path):
    net = trained()
    made, other = converted(net), converted(trained())
    x = draw(2, 1, 8, 8, seed=3)
    nm.save(made.state_dict(), tmp_path / "net.safetensors")
    state = nm.load(tmp_path / "net.safetensors")
    assert state["first.weight"].dtype == np.int8
    other.load_state_dict(state)
    assert other(x).tolist() == made(x).tolist()
    assert copy.deepcopy(made)(x).tolist() == made(x).tolist()
    fresh = Q.quantize_qat(Net())
    fresh.load_state_dict(net.state_dict())
    fresh.eval()
    assert fresh(x).tolist() == net(x).tolist()


def test_training_with_simulation_learns():
    nm.random.seed(0)
    net = Q.quantize_qat(M.Sequential(M.QuantStub(), M.LinearRelu(2, 16), M.Linear(16, 1), M.DequantStub()))
    x = draw(64, 2)
    y = F.abs(x[:, :1]) - x[:, 1:]
    gm, optimizer = GradManager().attach(net.parameters()), SGD(net.parameters(), lr=0.1)
    losses = []
    for _ in range(60):
        with gm:
            loss = ((net(x) - y) ** 2).mean()
            gm.backward(loss)
        optimizer.step().clear_grad()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 4


def test_folding_with_the_statistics_of_the_batch_moves_the_running_ones_as_batch_normalization_does():
    layer, x = M.ConvBn2d(2, 3, 3), draw(4, 2, 5, 5)
    twin = qat.ConvBn2d.from_float_module(copy.deepcopy(layer))
    want, got = layer(x), twin.calc_conv_bn_qat(x, approx=False)  # without a qconfig nothing is rounded
    np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(twin.bn.running_mean.numpy(), layer.bn.running_mean.numpy(), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(twin.bn.running_var.numpy(), layer.bn.running_var.numpy(), rtol=1e-4, atol=1e-6)


def test_moving_elements_keeps_how_they_are_quantized():
    for qparams in (Q.create_qparams(S, "qint8", nm.Tensor(0.1)), Q.create_qparams(A, "quint8", nm.Tensor(0.1), nm.Tensor(100.0))):
        x = to_integers(draw(1, 2, 4, 4), qparams)
        numbers = to_numbers(x)
        for function in (
            lambda t: F.flatten(t, 1),
            lambda t: t.transpose(0, 2, 3, 1),
            lambda t: t[:, 0],
            lambda t: F.max_pool2d(t, 2),
            lambda t: F.split(t, 2, 1)[1],
        ):
            assert function(x).qparams == qparams
            np.testing.assert_allclose(to_numbers(function(x)).numpy(), function(numbers).numpy(), rtol=1e-6)
        for function in (
            lambda t: F.avg_pool2d(t, 2),
            lambda t: F.avg_pool2d(t, 3, 1, 1, mode="average"),
            lambda t: F.adaptive_avg_pool2d(t, 1),
            lambda t: F.vision.interpolate(t, scale_factor=2),
        ):
            assert function(x).qparams == qparams and function(x).dtype == x.dtype
            assert np.abs(to_numbers(function(x)).numpy() - function(numbers).numpy()).max() <= 0.0501
        assert (x + x).qparams.scale is None
    far = to_integers(nm.Tensor([[[[-90.0, 90.0, -90.0, 90.0]]]]), Q.create_qparams(S, "qint8", nm.Tensor(0.7)))
    wide = F.vision.interpolate(far, size=(1, 16), mode="bicubic")
    assert wide.numpy().min() == -128 and wide.numpy().max() == 127  # beyond the range it is clipped
    signs = np.sign(F.vision.interpolate(to_numbers(far), size=(1, 16), mode="bicubic").numpy())
    assert np.all(np.sign(wide.numpy()) == signs)
    signed = to_integers(draw(5), Q.create_qparams(S, "qint8", nm.Tensor(0.1)))
    assert to_numbers(F.relu(signed)).tolist() == F.relu(to_numbers(signed)).tolist()
    assert F.relu(x).qparams.scale is None  # 0 is not the zero point


def test_tensors_take_their_qparams_along():
    x = nm.Tensor([1, 2], dtype="int8")
    x.qparams.update(Q.create_qparams(S, "qint8", nm.Tensor(0.5)))
    for made in (copy.copy(x), copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        assert made.qparams == x.qparams and made.qparams is not x.qparams


def test_a_shared_layer_stays_shared_and_the_input_is_not_marked():
    net = M.Sequential(M.Linear(2, 2), M.ReLU())
    net.again = net[0]
    made = Q.quantize_qat(net)
    assert made.again is made[0] and isinstance(made.again, qat.Linear)
    x = draw(3, 2)
    Q.quantize_qat(M.Sequential(M.QuantStub()), qconfig=Q.calibration_qconfig)(x)
    assert x.qparams.scale is None


def test_easy_quant_makes_results_more_like_those_in_float():
    net = Q.quantize_qat(M.Sequential(M.QuantStub(), M.Linear(8, 8), M.ReLU(), M.Linear(8, 4)), qconfig=Q.calibration_qconfig)
    x = draw(32, 8)
    want = net(x).numpy()
    Q.reset_qconfig(net, Q.easyquant_qconfig)
    for layer in (net[1], net[3]):
        layer.weight_observer.set_qparams(Q.create_qparams(S, "qint8_narrow", layer.weight_observer.scale * 3))
    before = np.abs(net(x).numpy() - want).mean()
    assert Q.apply_easy_quant(net, x, 0.2, 1.2, 11) is net
    assert np.abs(net(x).numpy() - want).mean() < before
    assert net[1].weight_observer.scale.item() < net[1].weight_observer.orig_scale * 0.6
    assert net.training and net[1].act_fake_quant.enabled


@pytest.mark.parametrize(
    ("wrong", "error", "words"),
    [
        (lambda: quantized.Linear()(draw(1, 2)), ValueError, "eval"),
        (lambda: Q.quantize(Q.quantize_qat(M.Sequential(M.Linear(2, 2)), qconfig=Q.QConfig(None, None, None, None))), ValueError, "scale"),
        (lambda: to_numbers(nm.Tensor([1], dtype="int8")), TypeError, "scale"),
        (lambda: Q.quantize_qat(Q.quantize_qat(M.Sequential(M.Linear(2, 2)))), KeyError, "twin"),
        (lambda: Q.MinMaxObserver(dtype="int3"), ValueError, "qint8"),
        (lambda: Q.fake_quant_tensor(draw(2), Q.create_qparams()), ValueError, "scale"),
        (lambda: Q.HistogramObserver().get_qparams(), ValueError, "observed"),
        (lambda: quantized.Conv2d(1, 1, 1, dtype=np.dtype("int8")), ValueError, "metadata"),
    ],
)
def test_what_is_refused(wrong, error, words):
    with pytest.raises(error, match=words):
        wrong()


def test_the_dtype_of_a_result_can_be_given_as_numpy_has_it():
    observer = Q.MinMaxObserver(A, dtype="quint8")
    observer(nm.Tensor([-1.0, 2.0]))
    dtype = observer.get_quantized_dtype()
    layer = quantized.QuantStub(dtype)
    layer.eval()
    assert layer.output_dtype.metadata == dtype.metadata
    assert layer(nm.Tensor([0.0])).tolist() == [dtype.metadata["mgb_dtype"]["zero_point"]]
