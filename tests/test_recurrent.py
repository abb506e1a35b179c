"""Recurrent layers are their formulas, step by step, and their gradients are the slopes of what they compute."""

import re

import numpy as np
import pytest

import numod as nm
import numod.functional as F
import numod.module as M
from numod import Tensor
from numod.autodiff import GradManager
from numod.op import TABLE
from numod.testing.layouts import over


def array(*shape, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, shape)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def walk(layer, x, states):
    """The formulas in float64: outputs of the last layer and the last states of all layers."""
    lstm, size = isinstance(layer, M.LSTM), layer.hidden_size
    flat = layer._flatten_weights.numpy().astype(np.float64).ravel()
    last = []
    for cells in layer.cells:
        outs = []
        for backwards, cell in enumerate(cells):
            tensors = []
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")[: 4 if layer.bias else 2]:
                shape = getattr(cell, name).shape
                tensors.append(flat[: np.prod(shape)].reshape(shape))
                flat = flat[np.prod(shape) :]
            own = [state[len(last)] for state in states]
            out = np.zeros((*x.shape[:2], size))
            for step in range(len(x))[:: -1 if backwards else 1]:
                sums = x[step] @ tensors[0].T + own[0] @ tensors[1].T + sum(tensors[2:])
                if lstm:
                    i, f, g, o = np.split(sums, 4, axis=1)
                    c = sigmoid(f) * own[1] + sigmoid(i) * np.tanh(g)
                    own = [sigmoid(o) * np.tanh(c), c]
                else:
                    own = [np.maximum(sums, 0) if layer.nonlinearity == "relu" else np.tanh(sums)]
                out[step] = own[0]
            outs.append(out)
            last.append(own)
        x = np.concatenate(outs, axis=2)
    assert not flat.size
    return x, [np.stack(each) for each in zip(*last, strict=True)]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("kind", ["RNN", "LSTM", "relu"])
def test_layers_are_their_formulas(kind, layers, bidirectional, bias):
    options = {"nonlinearity": kind} if kind == "relu" else {}
    layer = getattr(M, "LSTM" if kind == "LSTM" else "RNN")(3, 4, layers, bidirectional=bidirectional, bias=bias, **options)
    x, states = array(5, 2, 3), [array(layers * (1 + bidirectional), 2, 4, seed=seed) for seed in range(1, 1 + (kind == "LSTM") + 1)]
    given = [nm.Tensor(state) for state in states]
    got, last = layer(nm.Tensor(x), tuple(given) if kind == "LSTM" else given[0])
    want, ends = walk(layer, x, states)
    np.testing.assert_allclose(got.numpy(), want, rtol=1e-4, atol=1e-6)
    for end, want_end in zip(last if kind == "LSTM" else [last], ends, strict=True):
        np.testing.assert_allclose(end.numpy(), want_end, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", ["RNN", "LSTM"])
def test_gradients_are_the_slope_along_a_direction(kind):
    layer = getattr(M, kind)(3, 4, 2, bidirectional=True)
    layer._flatten_weights._reset(nm.Tensor(layer._flatten_weights.numpy().astype(np.float64), dtype="float64"))
    x, h = nm.Tensor(array(4, 2, 3), dtype="float64"), nm.Tensor(array(4, 2, 4, seed=1), dtype="float64")
    leaves = [x, h, layer._flatten_weights]
    start = [leaf.numpy() for leaf in leaves]
    directions = [array(*leaf.shape, seed=9 + i) for i, leaf in enumerate(leaves)]

    def move(t):
        for leaf, base, direction in zip(leaves, start, directions, strict=True):
            leaf._reset(nm.Tensor(base + t * direction, dtype="float64"))
        return value()

    def value():
        out, last = layer(x, (h, h) if kind == "LSTM" else h)
        return (out * out).sum() + sum((each * each * each).sum() for each in (last if kind == "LSTM" else [last]))

    slope = (move(1e-5).item() - move(-1e-5).item()) / 2e-5
    move(0.0)
    gm = GradManager().attach(leaves)
    with gm:
        gm.backward(value())
    got = sum((leaf.grad.numpy() * direction).sum() for leaf, direction in zip(leaves, directions, strict=True))
    assert got == pytest.approx(slope, rel=1e-6)


def test_cells_begin_with_the_weights_of_their_layer():
    layer = M.LSTM(3, 4)
    x = nm.Tensor(array(1, 2, 3))
    out, (h, c) = layer(x)
    cell_h, cell_c = layer.cells[0][0](x[0])
    np.testing.assert_allclose(out[0].numpy(), cell_h.numpy(), rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(c[0].numpy(), cell_c.numpy(), rtol=1e-5, atol=1e-7)
    assert h.shape == (1, 2, 4)


def test_batch_first_swaps_the_axes_of_sequences_only():
    layer = M.RNN(3, 4, bidirectional=True)
    x = array(5, 2, 3).astype(np.float32)
    out, last = layer(nm.Tensor(x))
    layer.batch_first = True
    swapped, same = layer(nm.Tensor(x.transpose(1, 0, 2)))
    np.testing.assert_allclose(swapped.numpy(), out.numpy().transpose(1, 0, 2), rtol=1e-6)
    np.testing.assert_allclose(same.numpy(), last.numpy(), rtol=1e-6)


def test_dropout_is_between_layers_and_in_training_only():
    one, two = M.LSTM(3, 4, dropout=0.5), M.LSTM(3, 32, 2, dropout=0.5)
    x = nm.Tensor(array(5, 2, 3))
    np.testing.assert_array_equal(one(x)[0].numpy(), one(x)[0].numpy())
    assert (two(x)[0].numpy() != two(x)[0].numpy()).any()
    two.eval()
    np.testing.assert_array_equal(two(x)[0].numpy(), two(x)[0].numpy())


ROWS, SEQUENCE = F.ones((2, 3)), F.ones((5, 2, 3))


def test_gradients_flow_through_many_steps():
    layer, x = M.RNN(1, 1, nonlinearity="tanh"), nm.Tensor(array(250, 1, 1).astype("float32"))
    with GradManager().attach(x) as manager:
        manager.backward(F.sum(layer(x)[0]))
    assert x.grad.shape == x.shape and np.all(np.isfinite(x.grad.numpy())) and np.any(x.grad.numpy()[0])


REFUSED = [
    (
        lambda: M.RNN(3, 4, nonlinearity="sigmoid"),
        ValueError,
        "RNN: nonlinearity must be one of ['tanh', 'relu', 'identity'], got 'sigmoid'",
    ),
    (lambda: M.LSTM(3, 4, 0), ValueError, "LSTM: num_layers must be a positive int, got 0"),
    (lambda: M.LSTM(3, 4, dropout=1.5), ValueError, "LSTM: dropout must be at least 0 and less than 1, got 1.5"),
    (lambda: M.LSTM(3, 4, proj_size=2), ValueError, "LSTM: proj_size must be 0"),
    (lambda: M.LSTM(3, 4)(ROWS), ValueError, "LSTM: input must have 3 features, got shape (2, 3)"),
    (lambda: M.LSTM(2, 4)(SEQUENCE), ValueError, "LSTM: input must have 2 features, got shape (5, 2, 3)"),
    (lambda: M.LSTM(3, 4)(F.zeros((0, 2, 3))), ValueError, "LSTM: the sequence has no steps, got shape (0, 2, 3)"),
    (lambda: M.LSTM(3, 4)(SEQUENCE, F.zeros((1, 2, 4))), TypeError, "LSTM: hx must be a tuple of the hidden states and the cell states"),
    (lambda: M.RNN(3, 4)(SEQUENCE, F.zeros((2, 4))), ValueError, "RNN: hidden states must have shape (1, 2, 4), got (2, 4)"),
    (lambda: M.RNNCell(3, 4)(SEQUENCE), ValueError, "RNNCell: input must be (N, 3), got shape (5, 2, 3)"),
    (
        lambda: M.LSTMCell(3, 4)(ROWS, (F.zeros((2, 4)), F.zeros((1, 4)))),
        ValueError,
        "LSTMCell: a hidden state must have shape (2, 4), got (1, 4)",
    ),
]


@pytest.mark.parametrize(("make", "error", "message"), REFUSED, ids=[message for *_, message in REFUSED])
def test_what_does_not_fit_is_refused(make, error, message):
    with pytest.raises(error, match=re.escape(message)):
        make()


@pytest.mark.parametrize("size", [1, 2, 3, 33])
@pytest.mark.parametrize("reverse", [False, True])
def test_weights_of_lstms_may_lie_transposed(size, reverse):
    random = np.random.default_rng(0)
    sums, weight, h, c, dh, dc = (
        random.standard_normal(shape).astype(np.float32)
        for shape in ((3, 5, 4 * size), (4 * size, size), (5, size), (5, size), (3, 5, size), (3, 5, size))
    )
    memory = np.ascontiguousarray(weight.T)
    results = []
    for each in (Tensor(weight), over(memory, memory.T)):
        made = TABLE["lstm"](Tensor(sums), each, Tensor(h), Tensor(c), reverse=reverse)
        back = TABLE["lstm_gradient"](Tensor(dh), Tensor(dc), made[2], made[1], each, Tensor(c), reverse=reverse)
        results.append([x.numpy() for x in (*made, *back)])
    for got, expected in zip(*results, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)
