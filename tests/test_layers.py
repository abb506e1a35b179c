"""Layers have the parameters, text and settings they should, and pass them to their functions; expected text and shapes are MegEngine's."""

import pickle
import re

import numpy as np
import pytest

import numod as nm
import numod.functional as F
import numod.module as M


def array(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


LAYERS = [
    (M.Conv1d(4, 8, 3), "Conv1d(4, 8, kernel_size=3)", {"bias": (1, 8, 1), "weight": (8, 4, 3)}),
    (M.Conv1d(4, 8, 3, groups=2, bias=False), "Conv1d(4, 8, kernel_size=3, groups=2, bias=False)", {"weight": (2, 4, 2, 3)}),
    (M.Conv2d(4, 8, 3), "Conv2d(4, 8, kernel_size=(3, 3))", {"bias": (1, 8, 1, 1), "weight": (8, 4, 3, 3)}),
    (
        M.Conv2d(4, 8, (3, 5), stride=2, padding=1, dilation=2, groups=2, bias=False),
        "Conv2d(4, 8, kernel_size=(3, 5), stride=(2, 2), padding=(1, 1), dilation=(2, 2), groups=2, bias=False)",
        {"weight": (2, 4, 2, 3, 5)},
    ),
    (M.Conv3d(4, 8, 3), "Conv3d(4, 8, kernel_size=(3, 3, 3))", {"bias": (1, 8, 1, 1, 1), "weight": (8, 4, 3, 3, 3)}),
    (M.Linear(3, 4, bias=False), "Linear(in_features=3, out_features=4, bias=False)", {"weight": (4, 3)}),
    (M.MaxPool2d((2, 3), 1, (1, 0)), "MaxPool2d(kernel_size=(2, 3), stride=1, padding=(1, 0))", {}),
    (M.AvgPool2d(2), "AvgPool2d(kernel_size=2, stride=2, padding=0, mode=average_count_exclude_padding)", {}),
    (
        M.BatchNorm1d(3),
        "BatchNorm1d(3, eps=1e-05, momentum=0.9, affine=True, track_running_stats=True)",
        dict.fromkeys(["bias", "running_mean", "running_var", "weight"], (1, 3, 1, 1)),
    ),
    (
        M.BatchNorm2d(3, affine=False, track_running_stats=False),
        "BatchNorm2d(3, eps=1e-05, momentum=0.9, affine=False, track_running_stats=False)",
        {},
    ),
    (M.LayerNorm(4), "LayerNorm(normalized_shape=(4,), eps=1e-05, affine=True)", {"bias": (4,), "weight": (4,)}),
    (M.LayerNorm((4, 3), affine=False), "LayerNorm(normalized_shape=(4, 3), eps=1e-05, affine=False)", {}),
    (M.GroupNorm(2, 4), "GroupNorm(groups=2, channels=4, eps=1e-05, affine=True)", {"bias": (4,), "weight": (4,)}),
    (
        M.SyncBatchNorm(3, 0.1),
        "SyncBatchNorm(3, eps=0.1, momentum=0.9, affine=True, track_running_stats=True)",
        dict.fromkeys(["bias", "running_mean", "running_var", "weight"], (1, 3, 1, 1)),
    ),
    (
        M.GeneralNorm((4, 3), (1, 3)),
        "GeneralNorm(normalized_shape=(4, 3), normalized_axis=(1, 3), eps=1e-05, affine=True)",
        {"bias": (4, 3), "weight": (4, 3)},
    ),
    (M.LocalResponseNorm(), "LocalResponseNorm()", {}),
    (
        M.ConvTranspose3d(4, 6, 3, stride=2, groups=2),
        "ConvTranspose3d(4, 6, kernel_size=(3, 3, 3), stride=(2, 2, 2), groups=2)",
        {"bias": (1, 6, 1, 1, 1), "weight": (2, 2, 3, 3, 3, 3)},
    ),
    (
        M.DeformableConv2d(4, 6, (3, 2), 2, groups=2, bias=False),
        "DeformableConv2d(4, 6, kernel_size=(3, 2), stride=(2, 2), groups=2, bias=False)",
        {"weight": (2, 3, 2, 3, 2)},
    ),
    (M.DeformablePSROIPooling(False, 3, 3, 3, 2, 0.5), "DeformablePSROIPooling()", {}),
    (
        M.LocalConv2d(4, 6, 7, 8, (3, 2), 2, 1, 2),
        "LocalConv2d(4, 6, kernel_size=(3, 2), stride=(2, 2), padding=(1, 1), dilation=(2, 2), bias=False)",
        {"weight": (1, 3, 4, 4, 3, 2, 6)},
    ),
    (
        M.RegionRestrictedConv(4, 6, 3, padding=1),
        "RegionRestrictedConv(4, 6, kernel_size=(3, 3), padding=(1, 1))",
        {"bias": (1, 6, 1, 1), "weight": (1, 6, 4, 3, 3)},
    ),
    (
        M.MultiHeadAttention(4, 2, 0.1, kdim=6),
        "MultiHeadAttention(embed_dim=4, num_heads=2, attn_dropout=0.1, out_dropout=0.0, bias=True, kdim=6, vdim=4)",
        {"io_weight_bias": (1, 88)},
    ),
    (M.AdaptiveAvgPool2d(2), "AdaptiveAvgPool2d()", {}),
    (M.AdaptiveMaxPool2d((2, 3)), "AdaptiveMaxPool2d()", {}),
    (M.SlidingWindow(2), "SlidingWindow()", {}),
    (M.SlidingWindowTranspose(3, 2), "SlidingWindowTranspose()", {}),
    (M.PixelShuffle(2), "PixelShuffle()", {}),
    (M.Dropout(0.3), "Dropout(drop_prob=0.3)", {}),
    (M.Embedding(3, 4), "Embedding()", {"weight": (3, 4)}),
    (M.ReLU(), "ReLU()", {}),
    (M.GELU(), "GELU()", {}),
    (M.SiLU(), "SiLU()", {}),
    (M.Sigmoid(), "Sigmoid()", {}),
    (M.Softmax(), "Softmax(axis=None)", {}),
    (M.Softmax(1), "Softmax(axis=1)", {}),
    (M.Identity(), "Identity()", {}),
]


@pytest.mark.parametrize(("layer", "text", "shapes"), LAYERS, ids=[text for _, text, _ in LAYERS])
def test_layer_text_shapes_pickle_and_doc(layer, text, shapes):
    assert repr(layer) == text
    assert {name: tensor.shape for name, tensor in layer.named_tensors()} == shapes
    assert repr(pickle.loads(pickle.dumps(layer))) == text
    assert type(layer).__doc__


def test_convolutions_pass_their_settings_on():
    x = nm.Tensor(array(2, 4, 7, 8))
    layer = M.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 2), dilation=(1, 2), groups=2)
    layer.bias += 1
    expected = F.conv2d(x, layer.weight, layer.bias, (2, 1), (1, 2), (1, 2), 2)
    np.testing.assert_array_equal(layer(x).numpy(), expected.numpy())
    assert M.Conv1d(4, 6, 3, stride=2, padding=1)(nm.Tensor(array(2, 4, 9))).shape == (2, 6, 5)
    assert M.Conv3d(4, 6, 3)(nm.Tensor(array(1, 4, 3, 4, 5))).shape == (1, 6, 1, 2, 3)


@pytest.mark.parametrize(("mode", "numpy_mode"), [("zeros", "constant"), ("reflect", "reflect"), ("replicate", "edge")])
def test_padding_mode(mode, numpy_mode):
    x = array(1, 2, 5, 6)
    layer = M.Conv2d(2, 3, 3, padding=(1, 2), padding_mode=mode)
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (2, 2)), mode=numpy_mode)
    expected = F.conv2d(nm.Tensor(padded), layer.weight, layer.bias)
    np.testing.assert_allclose(layer(nm.Tensor(x)).numpy(), expected.numpy(), rtol=1e-5, atol=1e-6)


def test_batch_norm_uses_and_updates_statistics():
    x = array(4, 3, 5, 6) * 3 + 1
    layer = M.BatchNorm2d(3)
    mean = layer.running_mean
    y = layer(nm.Tensor(x)).numpy()
    np.testing.assert_allclose(y.mean((0, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(y.var((0, 2, 3)), 1, rtol=1e-4)
    assert layer.running_mean is mean
    np.testing.assert_allclose(mean.numpy().ravel(), 0.1 * x.mean((0, 2, 3)), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(layer.running_var.numpy().ravel(), 0.9 + 0.1 * x.var((0, 2, 3), ddof=1), rtol=1e-4)
    layer.eval()
    before = layer.state_dict()
    y = layer(nm.Tensor(x)).numpy()
    mean, var = (before[name].reshape(3, 1, 1) for name in ("running_mean", "running_var"))
    expected = (x - mean) / np.sqrt(var + 1e-5)
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-5)
    layer.reset_running_stats()
    assert (layer.running_mean.numpy().ravel().tolist(), layer.running_var.numpy().ravel().tolist()) == ([0.0] * 3, [1.0] * 3)


def test_batch_norm_without_statistics_uses_the_batch_in_both_modes():
    x = nm.Tensor(array(4, 3, 5, 6) * 3 + 1)
    layer = M.BatchNorm2d(3, track_running_stats=False)
    y = layer(x).numpy()
    layer.eval()
    np.testing.assert_array_equal(layer(x).numpy(), y)
    np.testing.assert_allclose(y.mean((0, 2, 3)), 0, atol=1e-5)


def test_frozen_batch_norm_keeps_its_statistics_and_learns_nothing():
    x = nm.Tensor(array(4, 3, 5, 6) * 3 + 1)
    layer = M.BatchNorm2d(3, freeze=True)
    gm = nm.autodiff.GradManager().attach([x, *layer.parameters()])
    with gm:
        y = layer(x)
        gm.backward(y.sum())
    np.testing.assert_allclose(y.numpy(), x.numpy(), rtol=1e-4, atol=1e-5)
    assert layer.running_mean.numpy().ravel().tolist() == [0.0] * 3
    assert layer.weight.grad is None
    assert x.grad is not None
    with pytest.raises(ValueError, match="freeze=True needs running statistics"):
        M.BatchNorm2d(3, freeze=True, track_running_stats=False)


def test_batch_norm_1d_takes_vectors_and_sequences():
    layer = M.BatchNorm1d(3)
    assert layer(nm.Tensor(array(4, 3))).shape == (4, 3)
    assert layer(nm.Tensor(array(4, 3, 5))).shape == (4, 3, 5)
    with pytest.raises(ValueError, match=r"BatchNorm1d: input must have 2 or 3 axes and 3 channels, got shape \(4, 3, 5, 1\)"):
        layer(nm.Tensor(array(4, 3, 5, 1)))
    with pytest.raises(ValueError, match="3 channels"):
        layer(nm.Tensor(array(3, 4)))


def test_sync_batch_norm_is_batch_norm_in_one_process():
    x = nm.Tensor(array(4, 3, 5, 6) * 3 + 1)
    alone, together = M.BatchNorm2d(3), M.SyncBatchNorm(3)
    np.testing.assert_array_equal(together(x).numpy(), alone(x).numpy())
    np.testing.assert_array_equal(together.running_var.numpy(), alone.running_var.numpy())
    with pytest.raises(ValueError, match=r"SyncBatchNorm: input must have 2 or 3 or 4 axes and 3 channels, got shape \(3, 5, 6\)"):
        together(x[0])


def test_general_norm_names_the_sides_that_do_not_fit():
    message = "GeneralNorm: input must have sides (4, 3) along axes (1, 3), got shape (2, 4, 3, 5)"
    with pytest.raises(ValueError, match=re.escape(message)):
        M.GeneralNorm((4, 3), (1, 3))(nm.Tensor(array(2, 4, 3, 5)))


def test_transposed_convolutions_of_volumes_pass_their_settings_on():
    x = nm.Tensor(array(2, 4, 3, 2, 3))
    layer = M.ConvTranspose3d(4, 6, (3, 2, 1), stride=(2, 1, 3), padding=(1, 0, 0), output_padding=(1, 0, 2), dilation=(1, 2, 1), groups=2)
    layer.bias += 1
    expected = F.conv_transpose3d(x, layer.weight, layer.bias, (2, 1, 3), (1, 0, 0), (1, 0, 2), (1, 2, 1), 2)
    np.testing.assert_array_equal(layer(x).numpy(), expected.numpy())


def test_layer_and_group_norm():
    x = array(2, 4, 3, 5) * 2 + 1
    y = M.LayerNorm((3, 5))(nm.Tensor(x)).numpy()
    np.testing.assert_allclose(y, (x - x.mean((2, 3), keepdims=True)) / np.sqrt(x.var((2, 3), keepdims=True) + 1e-5), rtol=1e-4, atol=1e-5)
    groups = x.reshape(2, 2, -1)
    expected = (groups - groups.mean(-1, keepdims=True)) / np.sqrt(groups.var(-1, keepdims=True) + 1e-5)
    layer = M.GroupNorm(2, 4)
    layer.bias += 1
    np.testing.assert_allclose(layer(nm.Tensor(x)).numpy(), expected.reshape(x.shape) + 1, rtol=1e-4, atol=1e-5)


def test_dropout_scales_in_training_and_rests_in_evaluation():
    x = nm.Tensor(np.ones(10_000, np.float32))
    layer = M.Dropout(0.25)
    y = layer(x).numpy()
    assert set(np.unique(y).tolist()) == {0.0, np.float32(1 / 0.75)}
    assert abs((y == 0).mean() - 0.25) < 0.03
    layer.eval()
    assert layer(x) is x


@pytest.mark.parametrize("which", ["attn_dropout", "out_dropout"])
def test_attention_drops_in_training_only(which):
    x = nm.Tensor(array(2, 30, 8))
    layer = M.MultiHeadAttention(8, 2, **{which: 0.25})
    out, weights = (each.numpy() for each in layer(x, x, x, need_weights=True))
    dropped = weights if which == "attn_dropout" else out
    assert abs((dropped == 0).mean() - 0.25) < 0.08
    assert (weights if dropped is out else out).all()
    layer.eval()
    calm, sums = layer(x, x, x, need_weights=True)
    np.testing.assert_array_equal(calm.numpy(), layer(x, x, x)[0].numpy())
    np.testing.assert_allclose(sums.numpy().sum(-1), 1, rtol=1e-5)


def test_embedding_looks_up_and_a_frozen_one_learns_nothing():
    table = nm.Parameter(array(5, 3))
    indices = nm.Tensor([[0, 4], [2, 2]])
    for layer, learns in ((M.Embedding(5, 3, initial_weight=table), True), (M.Embedding.from_pretrained(table), False)):
        gm = nm.autodiff.GradManager().attach(layer.parameters())
        with gm:
            y = layer(indices)
            gm.backward(y.sum())
        np.testing.assert_array_equal(y.numpy(), table.numpy()[indices.numpy()])
        assert (layer.weight.grad is not None) == learns
        assert layer.weight is not table


def test_activations_are_their_functions():
    x = nm.Tensor(array(3, 4))
    for layer, function in ((M.ReLU, F.relu), (M.GELU, F.gelu), (M.SiLU, F.silu), (M.Sigmoid, F.sigmoid)):
        np.testing.assert_array_equal(layer()(x).numpy(), function(x).numpy())
    np.testing.assert_array_equal(M.Softmax(0)(x).numpy(), F.softmax(x, 0).numpy())


REFUSED = [
    (lambda: M.Conv2d(3, 4, 3, groups=2), "Conv2d: in_channels must be a multiple of groups=2, got 3"),
    (lambda: M.Conv2d(4, 3, 3, groups=2), "Conv2d: out_channels must be a multiple of groups=2, got 3"),
    (lambda: M.Conv2d(4, 4, (1, 2, 3)), "Conv2d: kernel_size must be an int or 2 ints, got (1, 2, 3)"),
    (lambda: M.Conv1d(4, 4, "3"), "Conv1d: kernel_size must be an int, got '3'"),
    (lambda: M.Conv2d(4, 4, 3, padding_mode="foo"), "padding_mode must be one of ['zeros', 'reflect', 'replicate'], got 'foo'"),
    (lambda: M.GroupNorm(3, 4), "GroupNorm: num_channels must be a multiple of num_groups=3, got 4"),
    (lambda: M.LocalConv2d(4, 6, 4, 3, 5), "LocalConv2d: kernel (5, 5) with dilation (1, 1) does not fit an image of (4, 3)"),
    (lambda: M.RegionRestrictedConv(4, 6, 3, padding_mode="foo"), "RegionRestrictedConv: padding_mode must be one of"),
    (lambda: M.DeformableConv2d(4, 6, 3, groups=4), "DeformableConv2d: out_channels must be a multiple of groups=4, got 6"),
    (lambda: M.MultiHeadAttention(4, 3), "MultiHeadAttention: embed_dim must be a multiple of num_heads=3, got 4"),
    (lambda: M.MultiHeadAttention(4, 0), "MultiHeadAttention: num_heads must be at least 1, got 0"),
    (lambda: M.MultiHeadAttention(4, 2, add_zero_attn=True), "MultiHeadAttention: add_zero_attn is not supported"),
    (lambda: M.MultiHeadAttention(4, 2, 1.0), "MultiHeadAttention: attn_dropout must be at least 0 and less than 1, got 1.0"),
    (lambda: M.GeneralNorm(), "GeneralNorm: normalized_shape is needed if affine, got None"),
    (lambda: M.GeneralNorm(4, 1), "GeneralNorm: normalized_shape must be a tuple, a list or None, got 4"),
    (lambda: M.GeneralNorm((4, 3), 1), "normalized_shape must have a side for each of the axes [1], got (4, 3)"),
    (lambda: M.SyncBatchNorm(3, freeze=True, track_running_stats=False), "SyncBatchNorm: freeze=True needs running statistics"),
    (lambda: M.Dropout(1.5), "Dropout: drop_prob must be at least 0 and less than 1, got 1.5"),
    (lambda: M.Embedding(3, 4, padding_idx=1), "Embedding: padding_idx must be None, got 1"),
    (lambda: M.Embedding(3, 4, initial_weight=nm.Parameter(array(2, 4))), "initial_weight must have shape (3, 4), got (2, 4)"),
    (lambda: M.Embedding.from_pretrained(nm.Parameter(array(2))), "the table must have 2 axes, got shape (2,)"),
]


@pytest.mark.parametrize(("make", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_wrong_settings_are_refused(make, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        make()
