"""What is saved comes back the same; files are replaced whole or not at all; a damaged file is an error and never runs code."""

import errno
import io
import json
import math
import os
import pickle
import re
from collections import OrderedDict, defaultdict, namedtuple

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as st_numpy

import numod as nm
import numod.module as M
from numod.dtype import as_dtype
from numod.serialization import FileFormatError


def saved(obj):
    file = io.BytesIO()
    nm.save(obj, file)
    return file.getvalue()


def loaded(content, **options):
    return nm.load(io.BytesIO(content), **options)


def same(a, b):
    """Equal in type, order and bits, arrays and tensors included."""
    assert type(a) is type(b), (a, b)
    if isinstance(a, (list, tuple)):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            same(x, y)
    elif isinstance(a, dict):
        same(list(a), list(b))
        same(list(a.values()), list(b.values()))
    elif isinstance(a, (nm.Tensor, np.ndarray, np.generic)):
        if isinstance(a, nm.Tensor):
            assert str(a.device) == str(b.device)
            a, b = a.numpy(), b.numpy()
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        assert a.tobytes() == b.tobytes()
    else:
        assert repr(a) == repr(b)


dtypes = st.sampled_from(["float32", "float64", "float16", "int8", "int64", "uint8", "uint16", "uint32", "bool", "complex64"])
arrays = st_numpy.arrays(dtypes, st_numpy.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3))
arrays |= arrays.filter(lambda array: array.dtype == np.uint16).map(lambda array: array.view(as_dtype("bfloat16")))
tensors = st.builds(
    lambda kind, array: kind(array, dtype=array.dtype),
    st.sampled_from([nm.Tensor, nm.Parameter]),
    st_numpy.arrays(st.sampled_from(["float32", "float64", "int32", "bool"]), st_numpy.array_shapes(min_dims=0, max_side=3)),
)
scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text())
keys = st.one_of(st.text(max_size=5), st.integers(), st.booleans(), st.none(), st.tuples(st.integers(), st.text(max_size=2)))
objects = st.recursive(
    st.one_of(scalars, arrays, tensors, arrays.filter(lambda a: a.size).map(lambda a: a.ravel()[0])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(keys, inner, max_size=3),
        st.dictionaries(keys, inner, max_size=3).map(OrderedDict),
    ),
    max_leaves=10,
)


@given(objects)
def test_round_trip(obj):
    same(loaded(saved(obj)), obj)


def test_state_dicts_round_trip_through_a_path(tmp_path):
    net = M.Sequential(M.Conv2d(1, 2, 3), M.BatchNorm2d(2))
    path = tmp_path / "model.bin"
    assert nm.save(net.state_dict(), path) is None
    state = nm.load(str(path))
    same(state, net.state_dict())
    assert all(array.flags.writeable for array in state.values())
    net.load_state_dict(state)


def test_what_is_the_same_object_is_one_again():
    weight, array = nm.Parameter([1.0]), np.ones(2)
    a, b, c, d, e = loaded(saved([weight, weight, array, array, nm.Parameter([1.0])]))
    assert a is b
    assert c is d
    assert e is not a


def test_other_programs_can_read_the_arrays():
    content = saved({"net": {"w": np.ones((2, 2), np.float32)}, "net.w": nm.Tensor([1.0]), "__metadata__": np.zeros(1)})
    arrays = safetensors.numpy.load(content)
    assert sorted(arrays) == ["__metadata__#1", "net.w", "net.w#1"]
    np.testing.assert_array_equal(arrays["net.w"], np.ones((2, 2)))


def test_other_programs_files_are_read_as_a_dict(tmp_path):
    safetensors.numpy.save_file({"b": np.ones(2), "a": np.zeros((1, 3), np.float32)}, tmp_path / "other", {"format": "np"})
    state = nm.load(tmp_path / "other")
    assert {name: array.tolist() for name, array in state.items()} == {"b": [1.0, 1.0], "a": [[0.0, 0.0, 0.0]]}


def test_layouts_and_byte_orders_come_back_as_values():
    for array in (np.arange(6).reshape(2, 3).T, np.arange(6)[::-2], np.arange(3, dtype=">i4"), np.broadcast_to(1.5, (2, 2))):
        result = loaded(saved(array))
        np.testing.assert_array_equal(result, array)
        assert result.dtype == array.dtype.newbyteorder("=")


def test_several_objects_can_follow_each_other_in_a_stream():
    file = io.BytesIO()
    for obj in ({"a": 1}, [np.ones(3)], None):
        nm.save(obj, file)
    file.seek(0)
    assert nm.load(file) == {"a": 1}
    assert nm.load(file)[0].tolist() == [1.0] * 3
    assert nm.load(file) is None


def test_map_location_moves_tensors():
    content = saved({"x": nm.Tensor([1.0]), "p": nm.Parameter([1.0], device="cpu0"), "a": np.ones(1)})

    def devices(map_location):
        state = loaded(content, map_location=map_location)
        return str(state["x"].device), str(state["p"].device)

    assert devices(None) == ("xpux:0", "cpu0:0")
    assert devices("cpu1") == ("cpu1:0", "cpu1:0")
    assert devices({"cpu0": "cpu1"})[1] == "cpu1:0"
    assert devices(lambda name: "cpu2" if name == "cpu0:0" else name) == ("xpux:0", "cpu2:0")
    with pytest.raises(TypeError, match="map_location must be a device, a dict, a function or None, got int"):
        loaded(content, map_location=3)


# Writing


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "model.bin"
    nm.save({"a": 1}, path)

    def full(descriptor):
        raise OSError(errno.ENOSPC, "no space left")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space left"):
        nm.save({"a": 2}, path)
    monkeypatch.undo()
    assert nm.load(path) == {"a": 1}
    assert os.listdir(tmp_path) == ["model.bin"]
    with pytest.raises(TypeError):
        nm.save({"a": object()}, path)
    assert nm.load(path) == {"a": 1}


def test_a_link_is_followed(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "target")
    nm.save([1], tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert nm.load(tmp_path / "target") == [1]


cycle = []
cycle.append(cycle)
UNSAVABLE = [
    ({"a": [object()]}, TypeError, "numod.save: the item at 'a.0' is of type object, accepted are arrays, tensors, numbers"),
    (M.ReLU(), TypeError, "numod.save: the object is of type ReLU, accepted are"),
    (M.ReLU(), TypeError, "; save its state_dict()"),
    (defaultdict(int), TypeError, "the object is of type defaultdict"),
    (namedtuple("Pair", "a b")(1, 2), TypeError, "the object is of type Pair"),
    (b"bytes", TypeError, "the object is of type bytes"),
    ([np.array(["text"])], TypeError, "the array at '0' has dtype <U4, accepted are bool, int8"),
    ([np.array([None])], TypeError, "the array at '0' has dtype object"),
    (cycle, ValueError, "nested too deeply, or contains itself"),
]


@pytest.mark.parametrize(("obj", "error", "message"), UNSAVABLE, ids=[message for *_, message in UNSAVABLE])
def test_what_cannot_be_saved_is_refused(obj, error, message):
    with pytest.raises(error, match=re.escape(message)):
        saved(obj)


def test_pickle_arguments_and_wrong_places_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"numod\.save: pickle_module must be None"):
        nm.save({}, tmp_path / "x", pickle_module=pickle)
    with pytest.raises(ValueError, match=r"numod\.save: pickle_protocol must be None"):
        nm.save({}, tmp_path / "x", pickle_protocol=4)
    with pytest.raises(ValueError, match=r"numod\.load: pickle_module must be None"):
        nm.load(tmp_path / "x", pickle_module=pickle)
    with pytest.raises(TypeError, match="expected a path or an object with write, got int"):
        nm.save({}, 3)
    with pytest.raises(TypeError, match="expected a path or an object with read, got int"):
        nm.load(3)
    with pytest.raises(FileNotFoundError):
        nm.load(tmp_path / "x")
    with pytest.raises(FileNotFoundError):
        nm.save({}, tmp_path / "no" / "x")


# Damage

CHECKPOINT = {"epoch": 3, "net": OrderedDict(w=np.arange(4, dtype=np.float32)), "p": nm.Parameter([1.0]), "lr": math.inf, "t": (1, "x")}


def test_every_truncation_is_an_error_that_says_so(tmp_path):
    content, path = saved(CHECKPOINT), tmp_path / "model.bin"
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(FileFormatError, match=rf"'.*model.bin' is truncated: header .* bytes, file has {length}$"):
            nm.load(path)
        with pytest.raises(FileFormatError, match=f"the file is truncated: header .* bytes, file has {length}$"):
            loaded(content[:length])


def test_truncation_names_both_sizes(tmp_path):
    path = tmp_path / "model.bin"
    nm.save(np.zeros(10_000, np.float32), path)
    size = path.stat().st_size
    os.truncate(path, size - 860)
    with pytest.raises(FileFormatError, match=f"header says {size} bytes, file has {size - 860}"):
        nm.load(path)


@given(data=st.data())
def test_every_changed_byte_is_an_error(data):
    content = bytearray(saved(CHECKPOINT))
    position = data.draw(st.integers(0, len(content) - 1))
    content[position] ^= data.draw(st.integers(1, 255))
    with pytest.raises(FileFormatError, match=r"^numod.load: the file "):
        loaded(bytes(content))


def test_every_flipped_bit_of_the_last_byte_is_an_error_in_each_position():
    content = saved(CHECKPOINT)
    for position in range(len(content)):
        damaged = bytearray(content)
        damaged[position] ^= 1
        with pytest.raises(FileFormatError):
            loaded(bytes(damaged))


@given(st.binary(max_size=200))
def test_any_other_bytes_are_an_error(content):
    with pytest.raises(FileFormatError):
        loaded(content)


def test_bytes_after_the_end_are_an_error_in_a_file(tmp_path):
    (tmp_path / "x").write_bytes(saved([1]) + b"more")
    with pytest.raises(FileFormatError, match="is damaged: header says"):
        nm.load(tmp_path / "x")


class Trap:
    def __reduce__(self):
        return os.mkdir, ("trapped",)


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_is_refused_and_not_run(protocol, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.pkl").write_bytes(pickle.dumps({"state": Trap()}, protocol))
    with pytest.raises(FileFormatError, match=r"'model.pkl' is a pickle that is not read, it asks for (posix|nt).mkdir"):
        nm.load("model.pkl")
    assert not (tmp_path / "trapped").exists()


def forged(structure):
    """A file with a structure of the forger's choice and a hash that fits."""
    import hashlib

    text = structure if isinstance(structure, str) else json.dumps(structure)
    content = safetensors.numpy.save({"a": np.ones(2)}, {"numod": text, "sha256": "0" * 64})
    return content.replace(b"0" * 64, hashlib.sha256(content).hexdigest().encode(), 1)


FORGERIES = [
    {"Trap": "a"},
    {"array": "b"},
    {"array": ["a"]},
    {"Tensor": "a"},
    {"Tensor": "a", "device": "nowhere"},
    {"Tensor": "a", "device": 3},
    {"dict": [[[1], 2]]},
    {"dict": [1]},
    {"tuple": 3},
    {"float": "os.system"},
    {},
    "not json",
    "[" * 100_000,
]


@pytest.mark.parametrize("structure", FORGERIES, ids=lambda s: str(s)[:40])
def test_a_forged_structure_is_an_error(structure):
    assert loaded(forged({"array": "a"})).tolist() == [1.0, 1.0]
    with pytest.raises(FileFormatError, match="the file cannot be read"):
        loaded(forged(structure))


HEADERS = [
    b"[]",
    b"3",
    b'{"a": 3}',
    b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0]}}',
    b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, "4"]}}',
    b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, -4]}}',
    b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 1e300]}}',
    b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 9223372036854775808]}}',
    b'{"a": {"dtype": "F99", "shape": [1], "data_offsets": [0, 4]}}',
    b'{"__metadata__": 3}',
    b'{"__metadata__": {"numod": 3, "sha256": 4}}',
    b'{"__metadata__": {"numod": "1"}}',
    b'{"__metadata__": {"sha256": ""}}',
]


@pytest.mark.parametrize("header", HEADERS, ids=lambda header: header.decode())
def test_a_forged_header_is_an_error(header):
    with pytest.raises(FileFormatError):
        loaded(len(header).to_bytes(8, "little") + header + b"\0" * 4)
