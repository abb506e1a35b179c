"""MegEngine's own files are read; whatever else is in a pickle, nothing of it is run and nothing of it stays."""

import builtins
import os
import pickle
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import numod as nm
import numod.module as M
import numod.optimizer as optim
from numod.serialization import FileFormatError

FOLDER = Path(__file__).parent / "megengine" / "checkpoints"  # written by tools/record_checkpoints.py


def same(got, want):
    assert type(got) is type(want)
    if isinstance(want, (nm.Tensor, np.ndarray, np.generic)):
        assert got.dtype == want.dtype
        assert got.shape == want.shape
        np.testing.assert_array_equal(np.asarray(got), np.asarray(want))
    elif isinstance(want, dict):
        assert list(got) == list(want)
        same(list(got.values()), list(want.values()))
    elif isinstance(want, (list, tuple)):
        assert len(got) == len(want)
        for each in zip(got, want, strict=True):
            same(*each)
    else:
        assert got == want


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_plain_values_arrays_and_tensors(protocol):
    found = nm.load(FOLDER / f"protocol{protocol}.pkl")
    tensor = nm.Tensor([1.0, 2.0])
    want = {
        "numbers": [1, -(2**40), 2.5, float("inf"), True, None, "text", b"bytes"],
        "tuple": (np.float32(0.5), np.int64(3)),
        "arrays": [np.arange(6, dtype="int64").reshape(2, 3).T, np.zeros((0, 2)), np.array(7, ">i4"), np.array([True, False])],
        "tensors": [tensor, tensor, nm.Parameter([[1, 2]]), nm.Tensor([1, 2], dtype="uint8", device="cpux")],
    }
    same(found, want)
    assert found["tensors"][0] is found["tensors"][1]
    assert str(found["tensors"][3].device) == "cpux:0"
    assert found["arrays"][0].flags.writeable


def network():
    return M.Sequential(M.Conv2d(1, 2, 2), M.BatchNorm2d(2))


@pytest.mark.parametrize("name", ["state", "variables"])
def test_a_state_dict_fits_the_same_network(name):
    state = nm.load(FOLDER / f"{name}.pkl")
    assert type(state) is OrderedDict
    net = network()
    net.load_state_dict(state)
    assert list(state) == list(net.state_dict())
    assert net[0].weight.tolist() == np.asarray(state["0.weight"]).tolist()
    assert net[1].running_var.shape == (1, 2, 1, 1)


def test_training_goes_on_from_a_checkpoint():
    checkpoint = nm.load(FOLDER / "training.pkl")
    net = network()
    optimizer = optim.Adam(net.parameters(), lr=0.1)
    net.load_state_dict(checkpoint["net"])
    optimizer.load_state_dict(checkpoint["optimizer"])
    assert checkpoint["epoch"] == 3
    assert optimizer.param_groups[0]["lr"] == 0.5
    for parameter in net.parameters():
        parameter.grad = nm.functional.ones_like(parameter)
    optimizer.step()
    assert optimizer.state_dict()["state"][0]["step"] == 2
    np.testing.assert_allclose(net[0].weight.numpy(), np.asarray(checkpoint["net"]["0.weight"]) - 0.5, rtol=1e-5)


OPTIMIZERS = {
    "plain": (optim.SGD, {}),
    "momentum": (optim.SGD, {"momentum": 0.5}),
    "nesterov": (optim.SGD, {"momentum": 0.5, "nesterov": True}),  # which is no setting of a group, so it is not in the state
    "Adagrad": (optim.Adagrad, {}),
    "Adadelta": (optim.Adadelta, {}),
    "Adam": (optim.Adam, {}),
    "AdamW": (optim.AdamW, {}),
    "LAMB": (optim.LAMB, {}),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_goes_on_where_megengines_stopped(name):
    checkpoint = nm.load(FOLDER / "optimizers.pkl")[name]
    params = [nm.Parameter(array) for array in checkpoint["params"]]
    make, settings = OPTIMIZERS[name]
    groups = [{"params": [param], "lr": 4 * rate} for param, rate in zip(params, checkpoint["rates"], strict=True)]
    optimizer = make(groups, lr=7.0, **settings)
    schedule = optim.MultiStepLR(optimizer, [1])  # from the rates at the start, which are in neither of the states
    optimizer.load_state_dict(checkpoint["optimizer"])
    schedule.load_state_dict(checkpoint["schedule"])
    for gradients in checkpoint["gradients"]:
        for param, gradient in zip(params, gradients, strict=True):
            param.grad = nm.Tensor(gradient)
        optimizer.step()
        schedule.step()
    assert [group["lr"] for group in optimizer.param_groups] == checkpoint["rates"]
    for param, start, end in zip(params, checkpoint["params"], checkpoint["end"], strict=True):
        assert np.abs(end - start).max() > 1e-3
        np.testing.assert_allclose(param.numpy(), end, rtol=3e-6)


def test_tensors_go_where_map_location_says():
    (*_, moved) = nm.load(FOLDER / "protocol4.pkl", map_location={"cpux": "cpu0"})["tensors"]
    assert str(moved.device) == "cpu0:0"
    asked = []
    nm.load(FOLDER / "protocol4.pkl", map_location=lambda device: asked.append(device) or "xpux")
    assert sorted(set(asked)) == ["cpux:0", "xpux:0"]


def test_a_file_object_is_read_too():
    with open(FOLDER / "state.pkl", "rb") as file:
        assert list(nm.load(file)) == list(nm.load(FOLDER / "state.pkl"))


def test_a_module_is_refused_with_advice():
    with pytest.raises(FileFormatError, match=r"asks for megengine.module.*; save its state_dict\(\)"):
        nm.load(FOLDER / "module.pkl")


def test_every_cut_is_an_error(tmp_path):
    content = (FOLDER / "state.pkl").read_bytes()
    for end in range(2, len(content)):
        (tmp_path / "cut").write_bytes(content[:end])
        with pytest.raises(FileFormatError, match="truncated"):
            nm.load(tmp_path / "cut")
    (tmp_path / "cut").write_bytes(content + b"more")
    with pytest.raises(FileFormatError, match="damaged: it has 4 bytes behind the saved object"):
        nm.load(tmp_path / "cut")


def test_a_whole_module_is_written_and_read_by_those_who_trust_it(tmp_path, monkeypatch):
    net = M.Sequential(M.Conv2d(1, 2, 2, groups=1), M.BatchNorm2d(2), M.ReLU(), M.LSTM(3, 4))
    net.weights = [nm.Parameter([1.0]), {"half": nm.Tensor([2.0], dtype="float16", device="cpux")}]
    path = tmp_path / "net"
    nm.save({"net": net, "again": net}, path, trust=True)
    with pytest.raises(FileFormatError, match=r"asks for numod.module.*; trust=True would run what it asks for"):
        nm.load(path)
    found = nm.load(path, trust=True)
    assert found["net"] is found["again"]
    same(found["net"].state_dict(), net.state_dict())
    assert repr(found["net"]) == repr(net)
    assert str(found["net"].weights[1]["half"].device) == "cpux:0"
    assert str(nm.load(path, "cpu0", trust=True)["net"].weights[1]["half"].device) == "cpu0:0"
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(FileFormatError, match="truncated or damaged"):
        nm.load(path, trust=True)
    monkeypatch.chdir(tmp_path)
    Path("code").write_bytes(pickle.dumps(Call(os.mkdir, "made")))
    nm.load("code", trust=True)
    assert sorted(os.listdir()) == ["code", "made", "net"]


def test_a_whole_module_of_megengine_becomes_one_of_numod():
    net = nm.load(FOLDER / "module.pkl", "cpu0", trust=True)
    assert repr(net) == repr(network())
    assert {str(tensor.device) for tensor in net.tensors()} == {"cpu0:0"}
    same(net.state_dict(), nm.load(FOLDER / "state.pkl"))
    same_network = network()
    same_network.load_state_dict(net.state_dict())
    x = nm.random.normal(size=(3, 1, 4, 4))
    np.testing.assert_array_equal(net(x).numpy(), same_network(x).numpy())
    net.eval()
    same_network.eval()
    np.testing.assert_array_equal(net(x).numpy(), same_network(x).numpy())


def test_trust_reads_what_needs_none(tmp_path):
    nm.save({"epoch": 3}, tmp_path / "plain")
    assert nm.load(tmp_path / "plain", trust=True) == {"epoch": 3}
    nm.save({"epoch": 3, "lr": np.float32(0.5)}, tmp_path / "pickle", trust=True)
    assert nm.load(tmp_path / "pickle") == {"epoch": 3, "lr": 0.5}


PLAIN = (type(None), bool, int, float, complex, str, bytes, list, tuple, dict, OrderedDict, np.ndarray, np.generic, nm.Tensor)


@settings(deadline=None)
@given(data=st.data(), name=st.sampled_from(["protocol2", "protocol4", "protocol5", "variables"]))
def test_changed_bytes_give_plain_values_or_an_error(data, name, tmp_path_factory):
    content = bytearray((FOLDER / f"{name}.pkl").read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(2, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "changed.pkl"
    path.write_bytes(content)
    try:
        found = nm.load(path)
    except FileFormatError:
        return
    assert isinstance(found, PLAIN)


class Call:
    def __init__(self, function, *arguments):
        self.how = function, arguments

    def __reduce__(self):
        return self.how


HOSTILE = [
    Call(os.mkdir, "trapped"),
    Call(eval, "__import__('os').mkdir('trapped')"),
    Call(getattr, OrderedDict, "fromkeys"),
    Call(np.load, "trapped"),
    Call(pickle.loads, b"."),
    nm.Tensor([1.0]),
    builtins.print,
    nm.Tensor,
    np.array([1, None]),
    np.array(["text"]),
    {1, 2},
]


@pytest.mark.parametrize("value", HOSTILE, ids=[f"{number}-{type(value).__name__}" for number, value in enumerate(HOSTILE)])
def test_anything_else_is_refused_and_not_run(value, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("file.pkl").write_bytes(pickle.dumps({"state": [value]}, 4))
    with pytest.raises(FileFormatError, match="is a pickle that"):
        nm.load("file.pkl")
    assert os.listdir() == ["file.pkl"]


def test_what_a_file_does_to_its_classes_does_not_last(tmp_path):
    tensor = b"cmegengine.tensor\nTensor\n"
    poison = b"\x80\x02]" + tensor + b"N}(U\x05numpyU\x04goneU\x0b__setstate__U\x04goneu\x86ba."  # setattr on the class itself
    (tmp_path / "poison.pkl").write_bytes(poison)
    with pytest.raises(FileFormatError):
        nm.load(tmp_path / "poison.pkl")
    assert nm.load(FOLDER / "variables.pkl")["0.bias"].numpy().shape == (1, 2, 1, 1)


def test_half_precision_is_read_or_refused_by_name():
    try:
        want = nm.Tensor([1.0], dtype="float16")
    except TypeError:
        with pytest.raises(FileFormatError, match="has a tensor that cannot be made: dtype: got"):
            nm.load(FOLDER / "half.pkl")
    else:
        same(nm.load(FOLDER / "half.pkl"), {"x": want})
