"""The networks of the gallery train as programs of `jit.trace` as they do in Python, to the last bit."""

import numpy as np
import pytest
from test_examples import NAMES, loaded

import numod as nm
import numod.functional as F
import numod.module as M
from numod.autodiff import GradManager
from numod.jit import trace
from numod.optimizer import SGD, Adam, AdamW, clip_grad_norm


def entropy(net, x, labels):
    return F.loss.cross_entropy(net(x), labels)


def square(net, x, y):
    return F.loss.square_loss(net(x), y)


def advantage(net, states, pushes, worth):
    logits = net(states)[:, 0]
    return -F.mean(F.logsigmoid(F.where(pushes, logits, -logits)) * worth)


def residual(example):
    def loss_of(net, x, t):
        u_t, u_xx = example.derivatives(net, x, t)
        return F.mean((u_t - u_xx) ** 2)

    return loss_of


def language():
    def loss_of(net, x, y):
        logits = net(x)
        return F.loss.cross_entropy(logits.reshape(-1, logits.shape[2]), y.reshape(-1))

    return loss_of


def perceptron():
    return M.Sequential(M.Linear(784, 24), M.ReLU(), M.Dropout(0.3), M.Linear(24, 16), M.ReLU(), M.Linear(16, 10))


# For each example: its network, small; its loss; its optimizer; what a batch is made of, "labels" of so many classes or normal numbers of a shape.
MODELS = {
    "char_transformer": lambda e: (e.Transformer(20, 8, 16, 2, 2), language(), AdamW, [("labels", 20, 4, 8), ("labels", 20, 4, 8)]),
    "convnet": lambda e: (e.ConvNet(), entropy, SGD, [(8, 1, 28, 28), ("labels", 10, 8)]),
    "custom_layer": lambda e: (M.Sequential(M.Linear(1, 8), e.Snake(8, 8.0), M.Linear(8, 1)), square, Adam, [(16, 1), (16, 1)]),
    "diffusion": lambda e: (
        e.Denoiser(16),
        lambda net, x, time, digits, images: F.loss.square_loss(net(x, time, digits), images),
        Adam,
        [(8, 784), (8,), ("labels", 10, 8), (8, 784)],
    ),
    "lstm_adding": lambda e: (e.Adder(8), square, Adam, [(6, 8, 2), (8,)]),
    "mlp": lambda e: (perceptron(), entropy, AdamW, [(8, 784), ("labels", 10, 8)]),
    "physics_informed": lambda e: (e.Rod(8), residual(e), Adam, [(16,), (16,)]),
    "policy_gradient": lambda e: (M.Sequential(M.Linear(4, 8), M.ReLU(), M.Linear(8, 1)), advantage, Adam, [(12, 4), ("pushes",), (12,)]),
    "resnet_patches": lambda e: (e.ResNet18(5, 4), entropy, SGD, [(4, 3, 16, 16), ("labels", 5, 4)]),
    "vae": lambda e: (e.Autoencoder(4, 16), e.loss_of, Adam, [(8, 784)]),
}


def drawn(random, what):
    if what[0] == "labels":
        return nm.Tensor(random.integers(0, what[1], what[2:]).astype(np.int32))
    if what[0] == "pushes":
        return nm.Tensor(random.uniform(size=12) < 0.5)
    return nm.Tensor(random.uniform(0, 1, what).astype(np.float32))


def trained(name, traced):
    """The losses of some steps, and the network and the optimizer after them."""
    nm.random.seed(3)
    net, loss_of, optimizer, batch = MODELS[name](loaded(name))
    solver = optimizer(net.parameters(), lr=0.01)
    manager = GradManager().attach(net.parameters())

    def step(*inputs):
        with manager:
            loss = loss_of(net, *inputs)
            manager.backward(loss)
        clip_grad_norm(net.parameters(), 1.0)
        solver.step().clear_grad()
        return loss

    run, random = trace(step) if traced else step, np.random.default_rng(5)
    losses = [run(*(drawn(random, what) for what in batch)).item() for _ in range(4)]
    return losses, net.state_dict(), solver.state_dict()["state"]


@pytest.mark.parametrize("name", NAMES)
def test_a_model_trains_as_a_program(name):
    (losses, weights, state), (traced_losses, traced_weights, traced_state) = (trained(name, traced) for traced in (False, True))
    assert len(set(losses)) == 4
    assert losses == traced_losses
    assert all(np.array_equal(weights[key], traced_weights[key]) for key in weights)
    for number, each in state.items():
        assert all(np.array_equal(each[key], traced_state[number][key]) for key in each)
