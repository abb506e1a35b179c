"""What the README shows runs as it stands, and does what it says."""

import importlib.util
import re
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

import numod as nm
import numod.functional as F
from numod.autodiff import GradManager
from numod.op import TABLE

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """A module with the blocks of the README, run one after the other. (A file, because an op's source is read.)"""
    path = tmp_path_factory.mktemp("readme") / "readme_blocks.py"
    path.write_text("\n".join(BLOCKS))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = sys.modules[path.stem] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules[path.stem], TABLE["squared_relu"]


def test_the_network_learns(shown):
    random = np.random.default_rng(0)
    images, labels = random.standard_normal((8, 1, 28, 28)), random.integers(0, 10, 8)
    losses = [shown.step(images, labels) for _ in range(30)]
    assert losses[-1] < losses[0] / 10


def test_the_op_is_differentiated_twice(shown):
    x = nm.Tensor([-1.0, 0.5, 3.0])
    outer, inner = GradManager().attach(x), GradManager().attach(x)
    with outer:
        with inner:
            y = F.sum(shown.squared_relu(x))
            inner.backward(y)
        np.testing.assert_array_equal(x.grad.numpy(), [0.0, 1.0, 6.0])
        first, x.grad = x.grad, None
        outer.backward(F.sum(first))
    np.testing.assert_array_equal(x.grad.numpy(), [0.0, 2.0, 2.0])


def test_the_op_works_in_a_module(shown):
    block = shown.Block()
    gm = GradManager().attach(block.parameters())
    with gm:
        gm.backward(F.sum(block(F.ones((4, 16)))))
    assert all(np.abs(parameter.grad.numpy()).max() > 0 for parameter in block.parameters())


def test_an_op_of_the_table_cannot_be_declared_again(shown):
    path = Path(shown.__file__).with_name("again.py")
    path.write_text("from numod.forms import elementwise\n\n@elementwise(ref=None)\ndef relu(x):\n    return x\n")
    spec = importlib.util.spec_from_file_location("again", path)
    with pytest.raises(ValueError, match="'relu' is in the table"):
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


def test_the_commands_are_those_of_tox():
    commands = re.findall(r"^    (pip install .*)$", README, re.MULTILINE)
    assert commands == ["pip install tox && tox -e demo", "pip install tox && tox"]
    assert "[testenv:demo]" in (ROOT / "tox.ini").read_text()


def test_the_pythons_are_those_of_the_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    claimed = re.findall(r"Python :: (3\.\d+)", " ".join(project["classifiers"]))
    assert f"CPython {', '.join(claimed[:-1])} or {claimed[-1]}" in README
    assert project["requires-python"] == f">={claimed[0]}"
