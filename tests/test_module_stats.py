"""Counts of parameters, operations and activations are MegEngine's."""

import logging
from xml.etree import ElementTree as ET

import numpy as np
import pytest

import numod as nm
import numod.module as M
from numod.utils import stats_picture
from numod.utils.module_stats import module_stats

# layer, shape of its input, and what MegEngine 1.13 counts
COUNTS = [
    (lambda: M.ConvTranspose2d(4, 6, 3, 2), (1, 4, 5, 5), (888, 222, 6126, 2904, 726)),
    (lambda: M.ConvTranspose2d(4, 6, 3, groups=2, bias=False), (1, 4, 5, 5), (432, 108, 2700, 1176, 294)),
    (lambda: M.Conv2d(4, 6, 3, groups=2), (1, 4, 5, 5), (456, 114, 1026, 216, 54)),
    (lambda: M.Conv1d(4, 6, 3), (1, 4, 5), (312, 78, 234, 72, 18)),
    (lambda: M.Conv3d(4, 6, 3), (1, 4, 5, 5, 5), (2616, 654, 17658, 648, 162)),
    (lambda: M.AvgPool2d((2, 3)), (1, 4, 6, 6), (0, 0, 144, 96, 24)),
    (lambda: M.BatchNorm1d(4), (2, 4), (32, 8, 56, 32, 8)),
    (lambda: M.Linear(4, 3, bias=False), (2, 5, 4), (48, 12, 120, 120, 30)),
    (lambda: M.GroupNorm(2, 4), (1, 4, 5, 5), (32, 8, 700, 400, 100)),
    (lambda: M.LayerNorm(5), (2, 5), (40, 10, 70, 40, 10)),
    (lambda: M.LocalConv2d(4, 6, 5, 5, 3, groups=2), (1, 4, 5, 5), (3888, 972, 972, 216, 54)),
    (lambda: M.SyncBatchNorm(4, affine=False), (1, 4, 5, 5), (0, 0, 700, 400, 100)),
    (lambda: M.AdaptiveAvgPool2d(2), (1, 4, 5, 5), (0, 0, 16, 64, 16)),
    (lambda: M.AdaptiveMaxPool2d((2, 3)), (1, 4, 5, 6), (0, 0, 24, 96, 24)),
    (lambda: M.ConvRelu2d(4, 6, 3), (1, 4, 5, 5), (888, 222, 1998, 216, 54)),
    (lambda: M.ConvBn2d(4, 6, 3), (1, 4, 5, 5), (936, 234, 2376, 432, 108)),
]


def test_counts_of_a_layer_of_several_inputs():
    inputs = [np.zeros((1, channels, side, side), np.float32) for channels, side in ((4, 5), (18, 3), (9, 3))]
    assert module_stats(M.DeformableConv2d(4, 6, 3), inputs, logging_to_stdout=False)[0] == (888, 222, 1998, 216, 54)


@pytest.mark.parametrize(("make", "shape", "want"), COUNTS, ids=[str(want[2]) for *_, want in COUNTS])
def test_counts(make, shape, want):
    assert module_stats(M.Sequential(make()), input_shapes=[shape], logging_to_stdout=False)[0] == want


def test_counts_of_layers_that_megengine_leaves_out():
    volumes = module_stats(M.ConvTranspose3d(4, 6, 3), input_shapes=(1, 4, 3, 3, 3), logging_to_stdout=False)[0]
    assert volumes == (2616, 654, 4 * 27 * 6 * 27 + 750, 3000, 750)
    regions = np.zeros((1, 5, 5), np.int32)
    inputs = [np.zeros((1, 4, 5, 5), np.float32), regions, regions]
    by_region = module_stats(M.RegionRestrictedConv(4, 6, 3, groups=2, padding=1), inputs, logging_to_stdout=False)[0]
    assert by_region == (456, 114, 150 * 18 + 150, 600, 150)
    norm = module_stats(M.GeneralNorm((4, 5), (1, 2)), input_shapes=(1, 4, 5, 5), logging_to_stdout=False)[0]
    assert norm == (160, 40, 700, 400, 100)


class Net(M.Module):
    def __init__(self):
        super().__init__()
        self.c = M.Conv2d(3, 8, 3, padding=1)
        self.bn = M.BatchNorm2d(8)
        self.p = M.MaxPool2d(2)
        self.l = M.Linear(8 * 16, 10)

    def forward(self, x):
        x = self.p(nm.functional.relu(self.bn(self.c(x))))
        return self.l(x.reshape(x.shape[0], -1))


def test_a_network_row_by_row(caplog):
    net = Net()
    net.c.bias[...] = nm.random.normal(size=net.c.bias.shape)
    with caplog.at_level(logging.INFO):
        total, rows = module_stats(net, inputs=np.zeros((2, 3, 8, 8), np.float32))
    assert total == (6120, 1530, 39434, 9296, 2324)
    assert [(row["name"], row["flops_num"]) for row in rows.flops] == [("c", 28672), ("bn", 7168), ("p", 1024), ("l", 2570)]
    assert [row["shape"] for row in rows.activations] == [(2, 8, 8, 8), (2, 8, 8, 8), (2, 8, 4, 4), (2, 10)]
    assert {row["name"]: row["size"] for row in rows.params}["l.weight"] == 5120
    assert rows.activations[0]["mean"] == pytest.approx(net.c.bias.numpy().mean(), abs=1e-6)
    assert rows.activations[0]["std"] == pytest.approx(net.c.bias.numpy().std(), abs=1e-6)
    assert net.training
    assert net.bn.running_mean.numpy().any() == np.bool_(False)
    assert not net.c._forward_hooks


class SelfAttention(M.Module):
    def __init__(self):
        super().__init__()
        self.a = M.MultiHeadAttention(4, 2)
        self.l = M.Linear(4, 3)

    def forward(self, x):
        return self.l(self.a(x, x, x)[0])


def test_of_attention_the_parameters_are_counted():
    total, rows = module_stats(SelfAttention(), input_shapes=(2, 5, 4), logging_to_stdout=False)
    assert total.param_dims == 80 + 15
    assert [row["name"] for row in rows.flops] == ["l"]


def test_what_is_not_asked_for_is_not_counted():
    total, rows = module_stats(Net(), input_shapes=(2, 3, 8, 8), cal_params=False, cal_activations=False, logging_to_stdout=False)
    assert (total.param_size, total.act_dims, total.flops) == (0, 0, 39434)
    assert (rows.params, rows.activations) == ([], [])


def test_an_input_is_needed():
    with pytest.raises(ValueError, match="module_stats: needs inputs or input_shapes, got neither"):
        module_stats(Net())


def test_hooks_and_modes_are_put_back_when_the_network_fails():
    net = Net()
    net.bn.training = False
    with pytest.raises(ValueError, match="channels"):
        module_stats(net, input_shapes=(2, 4, 8, 8))
    assert (net.training, net.bn.training, net.c._forward_hooks) == (True, False, {})


def test_a_picture_has_a_bar_for_every_layer_in_proportion(tmp_path):
    net = M.Sequential(M.Linear(4, 8), M.ReLU(), M.Linear(8, 2, bias=False), M.PReLU())
    _, rows = module_stats(net, input_shapes=(3, 4), logging_to_stdout=False)
    rows.draw(tmp_path / "a<b>.svg")
    picture = ET.parse(tmp_path / "a<b>.svg").getroot()
    texts = [each.text for each in picture.findall("{*}text")]
    assert texts[:3] == ["0  Linear", "2  Linear", "3  "]
    assert texts[3:5] == ["parameters", "57"]
    bars = [float(each.get("width")) for each in picture.findall("{*}rect")][1:]
    assert len(bars) == 9
    np.testing.assert_allclose(bars[:3], np.array([40, 16, 1]) / 40 * bars[0], atol=0.1)
    assert (bars[5], bars[8]) == (0, 0)


def test_numbers_in_pictures_have_three_digits():
    assert [stats_picture.short(n) for n in (0, 999, 1000, 999_499, 999_500, 1_234_567, 10**14)] == [
        "0",
        "999",
        "1 k",
        "999 k",
        "1 M",
        "1.23 M",
        "100 T",
    ]
