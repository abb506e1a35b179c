"""The network that the documentation begins with: its code, what it prints, and the shapes in it."""

import numpy as np
import pytest

import numod as nm
import numod.functional as F
import numod.module as M
from numod import config
from numod.autodiff import GradManager
from numod.optimizer import SGD


class ConvNet(M.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = M.Conv2d(1, 10, 5)
        self.pool1 = M.MaxPool2d(2, 2)
        self.conv2 = M.Conv2d(10, 20, 5)
        self.pool2 = M.MaxPool2d(2, 2)
        self.fc1 = M.Linear(320, 50)
        self.fc2 = M.Linear(50, 10)

    def forward(self, x):
        x = self.conv1(x)
        x = F.relu(x)
        x = self.pool1(x)
        x = self.conv2(x)
        x = F.relu(x)
        x = self.pool2(x)
        x = F.flatten(x, 1)
        x = self.fc1(x)
        x = F.relu(x)
        return self.fc2(x)


REPR = """\
ConvNet(
  (conv1): Conv2d(1, 10, kernel_size=(5, 5))
  (pool1): MaxPool2d(kernel_size=2, stride=2, padding=0)
  (conv2): Conv2d(10, 20, kernel_size=(5, 5))
  (pool2): MaxPool2d(kernel_size=2, stride=2, padding=0)
  (fc1): Linear(in_features=320, out_features=50, bias=True)
  (fc2): Linear(in_features=50, out_features=10, bias=True)
)"""


@pytest.fixture
def net():
    nm.random.seed(0)
    return ConvNet()


def test_repr(net):
    assert repr(net) == REPR


def test_shapes_of_parameters_in_alphabetical_order(net):
    assert [(name, parameter.shape) for name, parameter in net.named_parameters()] == [
        ("conv1.bias", (1, 10, 1, 1)),
        ("conv1.weight", (10, 1, 5, 5)),
        ("conv2.bias", (1, 20, 1, 1)),
        ("conv2.weight", (20, 10, 5, 5)),
        ("fc1.bias", (50,)),
        ("fc1.weight", (50, 320)),
        ("fc2.bias", (10,)),
        ("fc2.weight", (10, 50)),
    ]


def test_shapes_on_the_way(net):
    seen = []
    for name, child in net.named_children():
        child.register_forward_hook(lambda module, inputs, output, name=name: seen.append((name, output.shape)))
    assert net(F.zeros((3, 1, 28, 28))).shape == (3, 10)
    assert seen == [
        ("conv1", (3, 10, 24, 24)),
        ("pool1", (3, 10, 12, 12)),
        ("conv2", (3, 20, 8, 8)),
        ("pool2", (3, 20, 4, 4)),
        ("fc1", (3, 50)),
        ("fc2", (3, 10)),
    ]


@pytest.mark.skipif(config.interpret, reason="too much work for the Python interpreter")
def test_training_steps_bring_the_loss_down(net):
    random = np.random.default_rng(0)
    images, labels = nm.Tensor(random.standard_normal((16, 1, 28, 28))), nm.Tensor(random.integers(0, 10, 16))
    gm = GradManager().attach(net.parameters())
    optimizer = SGD(net.parameters(), lr=0.05, momentum=0.9)
    losses = []
    for _ in range(30):
        with gm:
            loss = F.loss.cross_entropy(net(images), labels)
            gm.backward(loss)
        assert all(parameter.grad.shape == parameter.shape for parameter in net.parameters())
        optimizer.step().clear_grad()
        losses.append(loss.item())
    assert losses[0] > 2
    assert losses[-1] < 0.1


def test_the_demo_trains_this_network(net):
    from numod.cli.convnet import ConvNet as DemoNet

    assert repr(DemoNet()) == REPR
    other = DemoNet()
    other.load_state_dict(net.state_dict())
    x = nm.Tensor(np.random.default_rng(0).standard_normal((2, 1, 28, 28)))
    np.testing.assert_array_equal(other(x).numpy(), net(x).numpy())
