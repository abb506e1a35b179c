"""Records for TensorBoard are what MegEngine writes, and take tensors."""

import importlib
import struct
import sys

import numpy as np
import pytest

import numod as nm
from numod.errors import MissingExtra

pytest.importorskip("tensorboardX", reason="needs the extra tensorboard")
from tensorboardX.proto.event_pb2 import Event
from tensorboardX.proto.graph_pb2 import GraphDef

from numod.utils.tensorboard import SummaryWriterExtend


@pytest.fixture
def written(tmp_path):
    """A writer, and a function that closes it and gives the events it wrote."""
    writer = SummaryWriterExtend(str(tmp_path))

    def events():
        writer.close()
        (path,) = tmp_path.iterdir()
        data, found = path.read_bytes(), []
        while data:  # length, its checksum, the event, its checksum
            (length,) = struct.unpack("<Q", data[:8])
            found.append(Event.FromString(data[12 : 12 + length]))
            data = data[16 + length :]
        assert found[0].file_version == "brain.Event:2"
        return found[1:]

    return writer, events


def nodes(event):
    """{name: (op, inputs, shape, other attributes)} of a graph."""
    graph = GraphDef.FromString(event.graph_def)
    assert graph.versions.producer == 22
    found = {}
    for node in graph.node:
        attributes = dict(node.attr)
        shapes = [tuple(side.size for side in shape.dim) for shape in attributes.pop("_output_shapes").list.shape] if attributes else []
        found[node.name] = node.op, list(node.input), shapes, {name: value.s.decode() for name, value in attributes.items()}
    return found


def test_texts(written):
    writer, events = written
    writer.add_text("level1.0/level2.0", ["text0"], 0)
    writer.add_text("level1.0/level2.0", ["text1", "more"], 1)
    writer.add_text("a", "plain", 3)
    writer.add_text("b", np.array(["x", "y"]))
    found = [
        (event.step, value.tag, value.tensor.string_val, value.metadata.plugin_data.plugin_name)
        for event in events()
        for value in event.summary.value
    ]
    assert found == [
        (0, "level1.0/level2.0", [b"text0"], "text"),
        (1, "level1.0/level2.0", [b"text1", b"more"], "text"),
        (3, "a", [b"plain"], "text"),
        (0, "b", [b"x", b"y"], "text"),
    ]


def test_a_graph(written):
    writer, events = written
    writer.add_node_raw("n1", "opr1", outputshape=[6, 2, 3], dtype="float32", attributes={"peak_size": "12MB", "count": 2})
    writer.add_node_raw("n2", "opr2", outputshape=(6, 2), input="n1")
    writer.add_node_raw("n3", input=["n1", "n2"])
    writer.add_graph_by_node_raw_list()
    (event,) = events()
    assert nodes(event) == {
        "n1": ("opr1", [], [(6, 2, 3)], {"dtype": "float32", "peak_size": "12MB", "count": "2"}),
        "n2": ("opr2", ["n1"], [(6, 2)], {}),
        "n3": ("UnSpecified", ["n1", "n2"], [], {}),
    }


def test_nodes_are_changed_until_the_graph_is_written(written):
    writer, events = written
    shared = {"a": "b"}
    writer.add_node_raw("n1", "old")
    writer.add_node_raw("n1", "opr1", outputshape=[1], attributes=shared)
    writer.add_node_raw("n2", "opr2", input="n1")
    writer.add_node_raw_name_suffix("n1", ".max")
    writer.add_node_raw_name_suffix("n1", "!")
    writer.add_node_raw_attributes("n1", {"c": "d", "a": "e"})
    writer.add_graph_by_node_raw_list()
    (event,) = events()
    assert nodes(event) == {"n1.max!": ("opr1", [], [(1,)], {"a": "e", "c": "d"}), "n2": ("opr2", ["n1.max!"], [], {})}
    assert shared == {"a": "b"}


def test_an_unknown_node(written):
    writer, _ = written
    with pytest.raises(KeyError, match="no node 'q'"):
        writer.add_node_raw_name_suffix("q", "x")
    with pytest.raises(KeyError, match="no node 'q'"):
        writer.add_node_raw_attributes("q", {"a": "b"})


def test_tensors_are_taken_like_arrays(written):
    writer, events = written
    image = np.linspace(0, 1, 48, dtype="float32").reshape(3, 4, 4)
    for kind in (np.float32, nm.Tensor):
        writer.add_scalar("scalar", kind(2.5), 1)
        writer.add_scalar("scalar", global_step=2, scalar_value=kind(3.5))
    for kind in (np.asarray, nm.Tensor):
        writer.add_histogram("histogram", kind(np.float32([1, 2, 2])), 1)
        writer.add_image("image", kind(image), 1)
    found = [event.summary for event in events()]
    assert [each.value[0].tag for each in found] == ["scalar"] * 4 + ["histogram", "image"] * 2
    assert [each.value[0].simple_value for each in found[:2]] == [2.5, 3.5]
    assert found[:2] == found[2:4]
    assert found[4:6] == found[6:8]


def test_a_missing_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    monkeypatch.delitem(sys.modules, "numod.utils.tensorboard")
    with pytest.raises(MissingExtra, match=r"numod\.utils\.tensorboard needs the extra: pip install 'numod\[tensorboard\]'"):
        importlib.import_module("numod.utils.tensorboard")
