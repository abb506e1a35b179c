"""What a user's type checker sees: this program runs, and mypy checks what it asserts of types (`mypy` reads this file as well).

Where an ignore comment stands, mypy finds a mistake; it would complain of an ignore that nothing needs.
"""

from typing import Any, assert_type

import numpy as np
import pytest

import numod as nm
import numod.functional as F
import numod.module as M
import numod.optimizer as optim
from numod.autodiff import GradManager
from numod.device import Device


class Net(M.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = M.Conv2d(1, 2, 3)
        self.out = M.Linear(in_features=8, out_features=2)

    def forward(self, x: nm.Tensor) -> nm.Tensor:
        x = F.relu(self.conv.forward(x))
        return self.out.forward(x.reshape(len(x), -1))


def test_functions() -> None:
    x = nm.Tensor([[1.0, 2.0], [3.0, 4.0]])
    assert_type(F.relu(x), nm.Tensor)
    assert_type(F.relu(x=2.0), nm.Tensor)
    assert_type(F.add(x, y=1), nm.Tensor)
    assert_type(F.maximum(x, np.ones(2)), nm.Tensor)
    assert_type(F.sum(x, axis=1, keepdims=True), nm.Tensor)
    assert_type(F.topk(x, 1), tuple[nm.Tensor, nm.Tensor])
    assert_type(F.split(x, 2), tuple[nm.Tensor, ...])
    assert_type(F.loss.cross_entropy(x, nm.Tensor([0, 1])), nm.Tensor)
    assert_type(F.vision.interpolate(x.reshape(1, 1, 2, 2), 4), nm.Tensor)
    assert_type(nm.random.normal(size=(2,)), nm.Tensor)


def test_tensors() -> None:
    x = nm.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert_type(x, nm.Tensor)
    for y in (x + 1, 1 - x, x @ x, -x, abs(x), x == 1, x[0], x[:, None], x.T, x.sum(), x.reshape(-1), x.astype("int32"), x.detach()):
        assert_type(y, nm.Tensor)
    assert_type(x.shape, tuple[int, ...])
    assert_type(x.ndim, int)
    assert_type(x.size, int)
    assert_type(x.dtype, np.dtype)
    assert_type(x.device, Device)
    assert_type(float(x[0, 0]), float)
    assert_type(x.sum().item(), Any)
    assert isinstance(x.numpy(), np.ndarray)


def test_layers_and_training() -> None:
    net = Net()
    assert_type(net.conv, M.Conv2d)
    assert_type(net.conv.weight, nm.Parameter)
    optimizer = optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    manager = GradManager().attach(net.parameters())
    assert_type(manager, GradManager)
    with manager:
        loss = F.loss.cross_entropy(net(F.ones((2, 1, 4, 4))), nm.Tensor([0, 1]))
        manager.backward(loss)
    assert_type(optimizer.step(), optim.SGD)
    optimizer.clear_grad()
    assert set(net.state_dict()) == {"conv.bias", "conv.weight", "out.bias", "out.weight"}


def test_mistakes_are_seen() -> None:
    x = nm.Tensor([1.0])
    with pytest.raises(TypeError):
        F.relu("x")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        F.add(x, z=1)  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        F.sum(x, axes=1)  # type: ignore[call-arg]
    with pytest.raises(AttributeError):
        x.sigmoid()  # type: ignore[attr-defined]
    with pytest.raises(TypeError):
        M.Conv2d(1, 2)  # type: ignore[call-arg]
    with pytest.raises(AttributeError):
        x.shape = (1, 1)  # type: ignore[misc]
