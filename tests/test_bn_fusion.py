"""A fused layer computes what the layers did that it stands for."""

import re

import numpy as np
import pytest

import numod as nm
import numod.module as M
from numod.utils.bn_fusion import fuse_conv_bn_relu_module, fuse_linear_bn_relu_module


def filled(module):
    for seed, (name, tensor) in enumerate(module.named_tensors()):
        values = np.random.default_rng(seed).uniform(-1, 1, tensor.shape).astype(np.float32)
        tensor[...] = nm.Tensor(np.abs(values) + 0.5 if name.endswith("var") else values)
    return module


X = np.random.default_rng(0).standard_normal((2, 4, 5, 5)).astype(np.float32)
CONVS = {
    "plain": lambda: M.Conv2d(4, 6, 3),
    "groups": lambda: M.Conv2d(4, 6, 3, groups=2, bias=False),
    "transposed": lambda: M.ConvTranspose2d(4, 6, 3, stride=2, output_padding=1),
    "transposed groups": lambda: M.ConvTranspose2d(4, 6, 3, groups=2),
}


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("relu", [None, M.ReLU()], ids=["", "relu"])
@pytest.mark.parametrize("make", CONVS.values(), ids=CONVS)
def test_convolutions(make, relu, affine, training):
    conv, bn = filled(make()), filled(M.BatchNorm2d(6, affine=affine))
    for each in (conv, bn):
        each.train(training)
    before = conv.weight.numpy().copy()
    fused = fuse_conv_bn_relu_module(conv, bn, relu)
    if training and not affine:
        assert fused.bn.weight is None
    want = bn(conv(nm.Tensor(X)))
    want = want if relu is None else relu(want)
    np.testing.assert_allclose(fused(nm.Tensor(X)).numpy(), want.numpy(), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(conv.weight.numpy(), before)
    assert fused.training == training
    assert isinstance(fused, type(conv)) == (not training)
    assert [name for name, _ in fused.named_children()] == ([] if not training else sorted(name for name, _ in fused.named_children()))


def test_linear():
    linear, bn = filled(M.Linear(5, 6)), filled(M.BatchNorm1d(6))
    linear.eval()
    bn.eval()
    fused = fuse_linear_bn_relu_module(linear, bn, M.ReLU())
    assert type(fused) is M.LinearRelu
    x = nm.Tensor(X[0, :, 0])
    np.testing.assert_allclose(fused(x).numpy(), np.maximum(bn(linear(x)).numpy(), 0), rtol=1e-4, atol=1e-5)
    linear.train()
    bn.train()
    assert type(fuse_linear_bn_relu_module(linear, bn, None)) is M.LinearBn1d


def test_without_normalization():
    conv = filled(M.Conv2d(4, 6, 3))
    assert type(fuse_conv_bn_relu_module(conv, None, M.ReLU())) is M.ConvRelu2d
    same = fuse_conv_bn_relu_module(conv, None, None)
    assert type(same) is M.Conv2d
    assert same is not conv


CONV = M.Conv2d(4, 6, 3)
REFUSED = [
    (lambda: fuse_conv_bn_relu_module(M.Linear(1, 1), None, None), TypeError, "expected a Conv2d or ConvTranspose2d, got Linear"),
    (lambda: fuse_conv_bn_relu_module(CONV, M.BatchNorm1d(6), None), TypeError, "expected a BatchNorm2d or None, got BatchNorm1d"),
    (lambda: fuse_conv_bn_relu_module(CONV, M.BatchNorm2d(5), None), ValueError, "Conv2d gives 6 channels, BatchNorm2d takes 5"),
]


@pytest.mark.parametrize(("make", "error", "message"), REFUSED, ids=[message for *_, message in REFUSED])
def test_what_does_not_fit_is_refused(make, error, message):
    with pytest.raises(error, match=re.escape(message)):
        make()


def test_modes_and_statistics_must_fit():
    conv, bn = M.Conv2d(4, 6, 3), M.BatchNorm2d(6, track_running_stats=False)
    bn.eval()
    with pytest.raises(ValueError, match="both must be in training mode or neither, got True and False"):
        fuse_conv_bn_relu_module(conv, bn, None)
    conv.eval()
    with pytest.raises(ValueError, match="BatchNorm2d has no running statistics"):
        fuse_conv_bn_relu_module(conv, bn, None)
