"""How programs are shown: as text, and as pictures in which nothing covers anything."""

import itertools
from xml.etree import ElementTree as ET

import numpy as np

import numod as nm
import numod.functional as F
import numod.module as M
import numod.optimizer as optim
from numod.autodiff import GradManager
from numod.jit import trace


def called(function, *args):
    call = trace(function)
    call(*args)
    return call


def test_the_text_of_a_program_names_tensors_ops_and_lines():
    net = M.Linear(2, 3)
    text = str(called(lambda x: F.exp(net(F.broadcast_to(x, (4, 2)))) * 2, nm.Tensor([1.0])).graph)
    first, *lines, last = text.splitlines()
    assert first == "given arg_0 (4 bytes), net.weight (24 bytes), net.bias (12 bytes)"
    assert lines[0].startswith("%3: float32[4, 3] = linear(arg_0 as float32[4, 2] strides [0, 0], net.weight, net.bias")
    assert "test_jit_shown.py:" in lines[0]
    assert any("mul(%4, 2)" in line for line in lines)
    assert last == "return %5"


class Net(M.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.out = M.Conv2d(1, 4, 3, padding=1), M.BatchNorm2d(4), M.Linear(4, 5)

    def forward(self, x):
        x = F.relu(self.norm(self.conv(x)))
        return self.out(F.mean(x + F.exp(x), (2, 3)))


def test_a_picture_has_a_box_for_each_call_and_no_two_overlap(tmp_path):
    net = Net()
    manager, solver = GradManager().attach(net.parameters()), optim.Adam(net.parameters(), lr=0.01)

    def step(x, y):
        with manager:
            loss = F.loss.cross_entropy(net(x), y)
            manager.backward(loss)
        solver.step().clear_grad()
        return loss

    x, y = nm.Tensor(np.ones((2, 1, 6, 6), np.float32)), nm.Tensor([1, 2])
    graph = called(step, x, y).graph
    graph.draw(tmp_path / "step.svg")
    picture = ET.parse(tmp_path / "step.svg").getroot()
    kind = "{http://www.w3.org/2000/svg}"
    boxes = [[float(each.get(name)) for name in ("x", "y", "width", "height")] for each in picture.findall(f"{kind}rect")[1:]]
    assert len(boxes) == len(graph.calls) + len(graph.results) + 2
    for (x, y, width, height), (x2, y2, width2, height2) in itertools.combinations(boxes, 2):
        assert x + width <= x2 or x2 + width2 <= x or y + height <= y2 or y2 + height2 <= y
    texts = [each.text for each in picture.findall(f"{kind}text")]
    assert [*map(texts.count, ("arg_0", "arg_1"))] == [1, 1]
    assert "net.conv.weight (4, 1, 3, 3)" in texts
    assert {call.name for call in graph.calls} <= {*texts}
    for x, y, width, height in boxes:
        assert x >= 0 and y >= 0 and x + width <= float(picture.get("width")) and y + height <= float(picture.get("height"))


def test_a_picture_of_nothing(tmp_path):
    called(lambda x: 3, nm.Tensor([1.0])).graph.draw(tmp_path / "nothing.svg")
    assert len(ET.parse(tmp_path / "nothing.svg").getroot()) == 1
