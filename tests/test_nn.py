"""Neural-network functions beyond what the table's proof covers: ranks of matrix products, statistics of batch norm, real sizes, cut-off values."""

import itertools

import numpy as np
import pytest

import numod.functional as F
from numod import Tensor
from numod.autodiff import GradManager
from numod.op import TABLE

RANDOM = np.random.default_rng(0)
BATCHES = [(), (3,), (1,), (2, 3), (2, 1), (2, 1, 3)]


def normal(*shape):
    return RANDOM.standard_normal(shape).astype(np.float32)


def close(got, want, scale=1.0):
    np.testing.assert_allclose(got.numpy(), want, rtol=2e-5, atol=2e-5 * scale)


@pytest.mark.parametrize(("transpose_a", "transpose_b"), list(itertools.product([False, True], repeat=2)))
def test_matmul_broadcasts_batches_as_numpy(transpose_a, transpose_b):
    for left, right in itertools.product(BATCHES, repeat=2):
        x, y = normal(*left, 4, 5), normal(*right, 5, 2)
        a, b = (np.swapaxes(m, -1, -2) if flag else m for m, flag in ((x, transpose_a), (y, transpose_b)))
        close(F.matmul(Tensor(a), Tensor(b), transpose_a, transpose_b), x @ y)


def test_matmul_of_vectors_is_numpys():
    shapes = [(5,), (4, 5), (5, 2), (2, 4, 5), (2, 5, 2), (2, 1, 4, 5), (2, 3, 5, 2)]
    for p, q in itertools.product(shapes, repeat=2):
        x, y = normal(*p), normal(*q)
        try:
            want = x @ y
        except ValueError:
            with pytest.raises(ValueError, match="matmul"):
                F.matmul(Tensor(x), Tensor(y))
        else:
            close(F.matmul(Tensor(x), Tensor(y)), want)


def gradients(function, *arrays):
    """The gradients of ``sum(function * c)`` for a fixed random c."""
    tensors = [Tensor(array) for array in arrays]
    with GradManager().attach(tensors) as manager:
        out = function(*tensors)
        manager.backward(out, Tensor(np.random.default_rng(1).standard_normal(out.shape).astype(np.float32)))
    return [tensor.grad.numpy() for tensor in tensors]


def test_matmul_gradients_of_broadcast_operands_are_those_of_whole_ones():
    x, y = normal(3, 4), normal(2, 4, 5)
    dx, dy = gradients(F.matmul, x, y)
    whole_dx, whole_dy = gradients(F.matmul, np.stack([x, x]), y)
    np.testing.assert_allclose(dx, whole_dx.sum(0), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(dy, whole_dy, rtol=1e-5, atol=1e-5)


def test_linear_is_matmul_and_add():
    x, weight, bias = normal(2, 3, 7), normal(5, 7), normal(5)
    close(F.linear(Tensor(x), Tensor(weight), Tensor(bias)), x @ weight.T + bias)
    for got, want in zip(
        gradients(F.linear, x, weight, bias), gradients(lambda a, b, c: F.matmul(a, b, transpose_b=True) + c, x, weight, bias), strict=True
    ):
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)


CONVOLUTIONS = [  # x, weight, stride, padding, dilation, groups
    ((8, 1, 28, 28), (10, 1, 5, 5), 1, 0, 1, 1),
    ((8, 10, 12, 12), (20, 10, 5, 5), 1, 0, 1, 1),
    ((2, 3, 65, 47), (16, 3, 7, 7), 2, 3, 1, 1),
    ((2, 32, 19, 21), (32, 8, 3, 3), 1, 1, 1, 4),
    ((1, 24, 17, 30), (24, 1, 3, 3), 2, 1, 1, 24),
    ((3, 16, 20, 20), (8, 16, 1, 1), 1, 0, 1, 1),
    ((2, 5, 30, 33), (7, 5, 3, 2), (3, 1), (2, 0), (2, 3), 1),
    ((20, 3, 50), (6, 3, 9), 2, 4, 2, 1),
    ((2, 4, 9, 10, 11), (6, 2, 3, 3, 3), (1, 2, 1), 1, 1, 2),
]


@pytest.mark.parametrize(("x", "weight", "stride", "padding", "dilation", "groups"), CONVOLUTIONS)
def test_convolutions_of_real_sizes(x, weight, stride, padding, dilation, groups):
    """Forward and both gradients against the definition, in float64."""
    axes = len(x) - 2
    geometry = [(each,) * axes if isinstance(each, int) else each for each in (stride, padding, dilation)]
    attrs = dict(zip(("stride", "padding", "dilation"), geometry, strict=True), groups=groups)
    bias = normal(1, weight[0], *(1,) * axes)
    arrays = normal(*x), normal(*weight), bias
    function = (F.conv1d, F.conv2d, F.conv3d)[axes - 1]
    flat = weight if groups == 1 else (groups, weight[0] // groups, *weight[1:])

    def call(a, w, b):
        return function(a, F.reshape(w, flat), b, stride, padding, dilation, groups)

    wide = [array.astype(np.float64) for array in arrays]
    want = TABLE["conv"].ref(wide[0], wide[1], **attrs) + bias
    out = call(*map(Tensor, arrays))
    close(out, want, np.abs(want).max())
    dy = np.random.default_rng(1).standard_normal(out.shape)
    wanted = (
        TABLE["conv_data_gradient"].ref(dy, wide[1], shape=x, **attrs),
        TABLE["conv_weight_gradient"].ref(dy, wide[0], shape=weight, **attrs),
        dy.sum((0, *range(2, axes + 2)), keepdims=True),
    )
    for got, truth in zip(gradients(call, *arrays), wanted, strict=True):
        np.testing.assert_allclose(got, truth, rtol=1e-4, atol=2e-5 * np.abs(truth).max())


def test_conv_transpose_is_the_transpose_of_conv():
    x, y, weight = normal(2, 6, 9, 8), normal(2, 4, 4, 7), normal(4, 6, 3, 2)
    there = F.conv2d(Tensor(x), Tensor(weight), stride=(2, 1)).numpy()
    back = F.conv_transpose2d(Tensor(y), Tensor(weight), stride=(2, 1)).numpy()
    assert back.shape == x.shape
    np.testing.assert_allclose((there * y).sum(), (back * x).sum(), rtol=1e-4)


def test_batch_norm_statistics_follow_the_batches():
    mean, var = np.zeros(3, np.float32), np.ones(3, np.float32)
    running_mean, running_var = Tensor(mean.reshape(1, 3, 1, 1)), Tensor(var.reshape(1, 3, 1, 1))
    for _ in range(5):
        x = 3 * normal(4, 3, 5, 6) + 2
        out = F.batch_norm(Tensor(x), running_mean, running_var, training=True, momentum=0.8)
        mean, var = 0.8 * mean + 0.2 * x.mean((0, 2, 3)), 0.8 * var + 0.2 * x.var((0, 2, 3), ddof=1)
        np.testing.assert_allclose(out.numpy().mean((0, 2, 3)), 0, atol=1e-5)
        np.testing.assert_allclose(out.numpy().var((0, 2, 3)), 1, rtol=1e-4)
    close(running_mean, mean.reshape(1, 3, 1, 1))
    close(running_var, var.reshape(1, 3, 1, 1))
    close(F.batch_norm(Tensor(x), running_mean, running_var), (x - mean.reshape(3, 1, 1)) / np.sqrt(var.reshape(3, 1, 1) + 1e-5))


def test_normalization_keeps_its_precision_far_from_zero():
    x = normal(4, 64) + 1000.0
    want = (x.astype(np.float64) - x.mean(1, keepdims=True, dtype=np.float64)) / np.sqrt(x.var(1, keepdims=True, dtype=np.float64) + 1e-5)
    np.testing.assert_allclose(F.layer_norm(Tensor(x), (64,), False).numpy(), want, atol=1e-4)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e4, 1e30])
def test_losses_of_large_logits_are_finite(scale):
    x, label = (scale * normal(5, 7)).astype(np.float32), RANDOM.integers(0, 7, 5)
    wide = x.astype(np.float64)
    shifted = wide - wide.max(1, keepdims=True)
    want = np.log(np.exp(shifted).sum(1)) - shifted[np.arange(5), label]
    np.testing.assert_allclose(F.nn.cross_entropy(Tensor(x), Tensor(label), reduction="none").numpy(), want, rtol=1e-5, atol=1e-6)
    binary = F.nn.binary_cross_entropy(Tensor(x), Tensor((x > 0).astype(np.float32)), reduction="none").numpy()
    np.testing.assert_allclose(binary, np.log1p(np.exp(-np.abs(wide))), rtol=1e-5, atol=1e-6)


def test_cross_entropy_ignores_minus_infinity_elsewhere():
    x = Tensor(np.array([[0.0, -np.inf, 0.0]], np.float32))
    assert F.nn.cross_entropy(x, Tensor([0])).item() == pytest.approx(np.log(2))


@pytest.mark.parametrize("label", [-1, 3])
def test_cross_entropy_refuses_labels_out_of_range(label):
    with pytest.raises(IndexError, match=f"cross_entropy: index {label} is out of range for size 3"):
        F.nn.cross_entropy(Tensor(normal(2, 3)), Tensor([0, label]))


def test_dropout_keeps_the_mean_and_its_gradient_is_the_mask():
    x = Tensor(np.ones((200, 300), np.float32))
    with GradManager().attach(x) as manager:
        out = F.dropout(x, 0.3)
        manager.backward(out.sum())
    assert out.numpy().mean() == pytest.approx(1, abs=0.02)
    np.testing.assert_array_equal(x.grad.numpy(), out.numpy())


POOLS = [
    ((2, 3, 24, 24), 2, 2, 0),
    ((2, 3, 23, 57), 3, 2, 1),
    ((1, 2, 40, 37), 3, 1, 1),
    ((1, 2, 19, 33), 2, 1, 0),
    ((2, 2, 21, 22), (5, 4), (3, 4), 2),
]


@pytest.mark.parametrize(("shape", "kernel", "stride", "padding"), POOLS)
def test_pools_of_real_sizes_agree_with_the_generic_form(shape, kernel, stride, padding):
    """In float64 pooling has no fast twin: the two dtypes run different code. Few distinct values make many ties."""
    x = np.round(2 * normal(*shape))
    for function in (F.max_pool2d, F.avg_pool2d):
        single, double = (Tensor(x, dtype=dtype) for dtype in ("float32", "float64"))
        with GradManager().attach([single, double]) as manager:
            outs = [function(each, kernel, stride, padding) for each in (single, double)]
            dy = np.round(3 * np.random.default_rng(1).standard_normal(outs[0].shape))
            manager.backward(outs, [Tensor(dy, dtype=dtype) for dtype in ("float32", "float64")])
        close(outs[0], outs[1].numpy())
        close(single.grad, double.grad.numpy(), 4)


def test_a_transposed_convolution_padded_away_is_refused():
    with pytest.raises(ValueError, match=r"conv2d: the shape \(1, 3, -2, -2\) of the input is negative"):
        F.conv_transpose2d(Tensor(np.ones((1, 2, 2, 2))), Tensor(np.ones((2, 3, 3, 3))), padding=3)


def test_no_tensor_has_a_negative_extent():
    with pytest.raises(ValueError, match=r"a tensor cannot have shape \(2, -1\): an extent is negative"):
        Tensor(1.0)._spec.like((2, -1))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_a_square_is_one_multiplication(dtype):
    x = Tensor([-3.0, -0.0, 1.5, np.inf, np.nan], dtype=dtype)
    TABLE["pow"].plans.clear()
    for got in (x**2, x**2.0, F.pow(x, 2)):
        np.testing.assert_array_equal(got.astype("float64").numpy(), (x * x).astype("float64").numpy())
        assert got.dtype == dtype
    assert not TABLE["pow"].plans
    assert (Tensor([3]) ** 2).dtype == np.float32 and (x ** Tensor(2.0, dtype=dtype)).dtype == dtype
