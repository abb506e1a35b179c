"""The loss of connectionist temporal classification is that of all paths that spell the labels, one by one."""

import itertools
import math

import numpy as np
import pytest

from numod import Tensor
from numod.autodiff import GradManager
from numod.functional.loss import ctc_loss


def spelled(path, blank):
    merged = [c for c, _ in itertools.groupby(path)]
    return [c for c in merged if c != blank]


def reference(pred, times, label, blank):
    """-log of the summed probability of the paths, of one sequence."""
    paths = (path for path in itertools.product(range(pred.shape[1]), repeat=times) if spelled(path, blank) == label)
    return -math.log(sum(math.prod(pred[t, c] for t, c in enumerate(path)) for path in paths))


@pytest.fixture
def batch():
    pred = np.random.default_rng(0).dirichlet(np.ones(4), (5, 3))
    return pred, [5, 3, 4], [[1, 2, 1], [3, 3, 0], [2, 0, 0]], [3, 2, 1]


def tensors(batch, dtype="float64"):
    pred, *rest = batch
    return Tensor(pred, dtype=dtype), *(Tensor(np.array(x, np.int32)) for x in rest)


def test_paths(batch):
    pred, times, labels, sizes = batch
    want = [reference(pred[:, n], times[n], labels[n][: sizes[n]], 0) for n in range(3)]
    np.testing.assert_allclose(ctc_loss(*tensors(batch), reduction="none").numpy(), want, rtol=1e-12)
    np.testing.assert_allclose(ctc_loss(*tensors(batch, "float32"), reduction="none").numpy(), want, rtol=1e-5)
    np.testing.assert_allclose(ctc_loss(*tensors(batch)).item(), np.mean(np.array(want) / sizes))


def test_another_blank(batch):
    pred, times, _, sizes = batch
    labels = [[1, 2, 1], [0, 0, 3], [2, 3, 3]]
    want = [reference(pred[:, n], times[n], labels[n][: sizes[n]], 3) for n in range(3)]
    got = ctc_loss(*tensors((pred, times, labels, sizes)), blank=3, reduction="none")
    np.testing.assert_allclose(got.numpy(), want, rtol=1e-12)


def test_first_and_second_derivatives(batch):
    """Along a direction, against differences."""
    x, *rest = tensors(batch)
    way = np.random.default_rng(1).standard_normal(x.shape)

    def loss(t):
        return ctc_loss(Tensor(x.numpy() + t * way, dtype="float64"), *rest, reduction="sum").item()

    step = Tensor(0.0, dtype="float64")
    outer, inner = GradManager().attach(step), GradManager().attach(step)
    with outer:
        with inner:
            inner.backward(ctc_loss(x + step * Tensor(way, dtype="float64"), *rest, reduction="sum"))
        slope, step.grad = step.grad, None
        outer.backward(slope)
    h = 1e-4
    assert slope.item() == pytest.approx((loss(h) - loss(-h)) / (2 * h), rel=1e-5)
    assert step.grad.item() == pytest.approx((loss(h) - 2 * loss(0.0) + loss(-h)) / h**2, rel=1e-3)


def test_labels_that_no_path_spells_have_a_finite_loss_and_no_gradient():
    x = Tensor([[[0.5, 0.5]], [[0.5, 0.5]]])
    with GradManager().attach(x) as manager:
        loss = ctc_loss(x, Tensor([2]), Tensor([[1, 1]]), Tensor([2]), reduction="none")
        manager.backward(loss)
    assert loss.item() == pytest.approx(86.6434, abs=1e-3)
    assert not x.grad.numpy().any()
