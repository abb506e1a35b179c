"""init fills tensors in place with the distribution that the shape asks for; expected figures are MegEngine's."""

import math
import re

import numpy as np
import pytest

import numod as nm
import numod.module as M
from numod.module import init


def zeros(*shape, dtype=np.float32):
    return nm.Tensor(np.zeros(shape, dtype))


@pytest.fixture(autouse=True)
def seed():
    nm.random.seed(1)


FANS = [
    ((100, 80), (80, 100)),
    ((20, 10, 5), (50, 100)),
    ((40, 30, 3, 3), (270, 360)),
    ((2, 20, 15, 3, 3), (135, 180)),
    ((10, 8, 3, 3, 3), (27, 72)),
    ((2, 10, 8, 3, 3, 3), (216, 270)),
]


@pytest.mark.parametrize(("shape", "fans"), FANS)
def test_fan(shape, fans):
    assert init.calculate_fan_in_and_fan_out(zeros(*shape)) == fans
    assert (init.calculate_correct_fan(zeros(*shape), "fan_in"), init.calculate_correct_fan(zeros(*shape), "FAN_OUT")) == fans


GAINS = [
    (("linear",), 1),
    (("conv_transpose3d",), 1),
    (("sigmoid",), 1),
    (("tanh",), 5 / 3),
    (("relu",), math.sqrt(2)),
    (("leaky_relu",), 1.4141428569978354),
    (("leaky_relu", 0.2), 1.3867504905630728),
]


@pytest.mark.parametrize(("arguments", "gain"), GAINS)
def test_gain(arguments, gain):
    assert init.calculate_gain(*arguments) == pytest.approx(gain, rel=1e-12)


REFUSED = [
    (lambda: init.calculate_gain("selu"), "calculate_gain: nonlinearity must be one of"),
    (lambda: init.calculate_gain("leaky_relu", True), "the slope of leaky_relu must be a number, got True"),
    (lambda: init.calculate_gain("leaky_relu", "a"), "the slope of leaky_relu must be a number, got 'a'"),
    (lambda: init.calculate_correct_fan(zeros(3, 4), "foo"), "mode must be one of ['fan_in', 'fan_out'], got 'foo'"),
    (lambda: init.xavier_uniform_(zeros(3)), "the tensor must have at least 2 axes, got shape (3,)"),
]


@pytest.mark.parametrize(("call", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_wrong_use_is_refused(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call()


def test_constants_fill_in_place_and_keep_the_dtype():
    x, whole = zeros(2, 3), zeros(2, dtype=np.int32)
    for fill, value in ((init.ones_, 1), (init.zeros_, 0), (lambda t: init.fill_(t, 3), 3)):
        assert fill(x) is None
        fill(whole)
        assert (x.tolist(), whole.tolist()) == ([[value] * 3] * 2, [value] * 2)
    assert (x.dtype, whole.dtype) == (np.float32, np.int32)


# what, how it fills a (300, 200) tensor: bounds of a uniform distribution, or a standard deviation
FILLS = {
    "uniform": (lambda t: init.uniform_(t, 2, 3), (2, 3), None),
    "normal": (lambda t: init.normal_(t, 5, 0.5), None, (5, 0.5)),
    "xavier uniform": (init.xavier_uniform_, (-0.109545, 0.109545), None),
    "xavier normal": (init.xavier_normal_, None, (0, 0.063246)),
    "xavier gain": (lambda t: init.xavier_normal_(t, gain=2.0), None, (0, 0.126491)),
    "msra uniform": (init.msra_uniform_, (-0.173205, 0.173205), None),
    "msra normal": (init.msra_normal_, None, (0, 0.1)),
    "msra fan_out": (lambda t: init.msra_uniform_(t, 0.5, "fan_out", "relu"), (-0.141421, 0.141421), None),
    "msra leaky": (lambda t: init.msra_normal_(t, a=5**0.5), None, (0, 0.040825)),
}


@pytest.mark.parametrize(("fill", "bounds", "moments"), FILLS.values(), ids=FILLS)
def test_distribution(fill, bounds, moments):
    x = zeros(300, 200)
    assert fill(x) is None
    values = x.numpy()
    if bounds:
        low, high = bounds
        assert values.min() >= low - 1e-6
        assert values.max() <= high + 1e-6
        mean, std = (low + high) / 2, (high - low) / math.sqrt(12)
    else:
        mean, std = moments
    assert values.mean() == pytest.approx(mean, abs=4 * std / math.sqrt(values.size))
    assert values.std() == pytest.approx(std, rel=0.02)


LAYERS = [
    (lambda: M.Linear(300, 200), 1 / math.sqrt(300)),
    (lambda: M.Conv1d(30, 200, 3, groups=2), 1 / math.sqrt(90)),
    (lambda: M.Conv2d(30, 40, 3), 1 / math.sqrt(270)),
    (lambda: M.Conv2d(30, 40, 3, groups=2), 1 / math.sqrt(270)),
    (lambda: M.Conv3d(30, 20, 3), 1 / math.sqrt(810)),
    (lambda: M.Embedding(300, 200), 1),
]


@pytest.mark.parametrize(("make", "std"), LAYERS)
def test_layers_begin_normal_with_biases_of_zero(make, std):
    layer = make()
    weight = layer.weight.numpy()
    assert weight.mean() == pytest.approx(0, abs=5 * std / math.sqrt(weight.size))
    assert weight.std() == pytest.approx(std, rel=0.05)
    if getattr(layer, "bias", None) is not None:
        assert not layer.bias.numpy().any()


def test_a_seed_makes_the_same_layer():
    nm.random.seed(7)
    first = M.Conv2d(3, 4, 3).state_dict()
    nm.random.seed(7)
    second = M.Conv2d(3, 4, 3).state_dict()
    np.testing.assert_array_equal(first["weight"], second["weight"])
    assert (M.Conv2d(3, 4, 3).weight.numpy() != first["weight"]).any()
