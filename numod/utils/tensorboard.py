"""Records for TensorBoard: the writer of the package tensorboardX, with what MegEngine adds to it. It needs the extra ``tensorboard``."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import MissingExtra
from ..tensor import Tensor

try:
    from tensorboardX import SummaryWriter
    from tensorboardX.proto.attr_value_pb2 import AttrValue
    from tensorboardX.proto.graph_pb2 import GraphDef
    from tensorboardX.proto.node_def_pb2 import NodeDef
    from tensorboardX.proto.plugin_text_pb2 import TextPluginData
    from tensorboardX.proto.summary_pb2 import Summary, SummaryMetadata
    from tensorboardX.proto.tensor_pb2 import TensorProto
    from tensorboardX.proto.tensor_shape_pb2 import TensorShapeProto
    from tensorboardX.proto.versions_pb2 import VersionDef
except ModuleNotFoundError as error:
    raise MissingExtra("numod.utils.tensorboard", "tensorboard") from error

GRAPH_VERSION = 22  # of TensorFlow's format of graphs, which TensorBoard reads


@dataclass
class NodeRaw:
    """A node of a graph: its name, what it does, the names of the nodes that it reads, and what else there is to say."""

    name: str
    op: str = "UnSpecified"
    input: list[str] = field(default_factory=list)
    outputshape: Sequence[int] | None = None
    dtype: str | None = None
    attributes: dict[str, Any] = field(default_factory=dict)

    def proto(self, shown: dict[str, str]) -> NodeDef:
        """The node as TensorBoard reads it. shown: the names that other nodes are shown with, where they differ."""
        values = {name: _text(value) for name, value in self.attributes.items()}
        if self.outputshape is not None:
            values["_output_shapes"] = AttrValue(list=AttrValue.ListValue(shape=[_shape(self.outputshape)]))
        if self.dtype is not None:
            values["dtype"] = _text(self.dtype)
        return NodeDef(name=self.name, op=self.op, input=[shown.get(each, each) for each in self.input], attr=values)


def _text(value: Any) -> AttrValue:
    return AttrValue(s=str(value).encode())


def _shape(sides: Sequence[int]) -> TensorShapeProto:
    return TensorShapeProto(dim=[TensorShapeProto.Dim(size=side) for side in sides])


def _array(value: Any) -> Any:
    """Tensors as NumPy arrays, also inside a dict."""
    if isinstance(value, dict):
        return {name: _array(each) for name, each in value.items()}
    return value.numpy() if isinstance(value, Tensor) else value


class SummaryWriterExtend(SummaryWriter):
    """Writes what TensorBoard shows: scalars, histograms, images, ... of tensorboardX's ``SummaryWriter``, texts and graphs.

    The arguments are those of ``SummaryWriter``; ``logdir`` is the folder that ``tensorboard --logdir`` reads. All ``add_`` methods take Tensors
    where they take arrays and numbers.

    >>> import numod as nm, tempfile
    >>> with tempfile.TemporaryDirectory() as folder, SummaryWriterExtend(folder) as writer:
    ...     for step in range(3):
    ...         writer.add_scalar("loss", nm.Tensor(1 / (step + 1)), step)
    ...     writer.add_text("notes", ["learns", "well"], 2)
    """

    def __init__(
        self,
        logdir: str | None = None,
        comment: str = "",
        purge_step: int | None = None,
        max_queue: int = 10,
        flush_secs: int = 120,
        filename_suffix: str = "",
        write_to_disk: bool = True,
        log_dir: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(logdir, comment, purge_step, max_queue, flush_secs, filename_suffix, write_to_disk, log_dir, **kwargs)
        self._nodes: dict[str, NodeRaw] = {}

    def add_text(
        self, tag: str, text_string_list: str | Iterable[str], global_step: int | None = None, walltime: float | None = None
    ) -> None:
        """Write texts, which TensorBoard shows in groups by the parts of ``tag`` between slashes. A single string is one text.

        >>> writer = SummaryWriterExtend(write_to_disk=False)
        >>> writer.add_text("run/settings", ["lr: 0.1", "batch: 64"], 0)
        """
        texts = [text_string_list] if isinstance(text_string_list, str) else list(text_string_list)
        tensor = TensorProto(dtype="DT_STRING", string_val=[text.encode() for text in texts], tensor_shape=_shape([len(texts)]))
        plugin = SummaryMetadata.PluginData(plugin_name="text", content=TextPluginData(version=0).SerializeToString())
        value = Summary.Value(tag=tag, metadata=SummaryMetadata(plugin_data=plugin), tensor=tensor)
        self._get_file_writer().add_summary(Summary(value=[value]), global_step, walltime)

    def add_node_raw(
        self,
        name: str,
        op: str = "UnSpecified",
        input: str | Sequence[str] = (),
        outputshape: Sequence[int] | None = None,
        dtype: str | None = None,
        attributes: dict[str, Any] | None = None,
    ) -> None:
        """Note a node, for `add_graph_by_node_raw_list`. A node of the same name is replaced.

        op: what the node does. input: the names of the nodes that it reads. outputshape, dtype: of its result. attributes: whatever else is to be
        shown, by name.
        """
        read = [input] if isinstance(input, str) else list(input)
        self._nodes[name] = NodeRaw(name, op, read, outputshape, dtype, dict(attributes or {}))

    def add_node_raw_name_suffix(self, name: str, suffix: str) -> None:
        """Append ``suffix`` to the name that a noted node is shown with, so that TensorBoard finds it by that. Here it keeps its name."""
        self._node(name).name += suffix

    def add_node_raw_attributes(self, name: str, attributes: dict[str, Any]) -> None:
        """Give a noted node further attributes, or other values of those it has."""
        self._node(name).attributes.update(attributes)

    def _node(self, name: str) -> NodeRaw:
        if name not in self._nodes:
            raise KeyError(f"SummaryWriterExtend: there is no node {name!r}; add_node_raw notes one")
        return self._nodes[name]

    def add_graph_by_node_raw_list(self) -> None:
        """Write the graph of all noted nodes.

        >>> writer = SummaryWriterExtend(write_to_disk=False)
        >>> writer.add_node_raw("x", "Input", outputshape=[64, 784])
        >>> writer.add_node_raw("y", "Linear", "x", outputshape=[64, 10], attributes={"parameters": 7850})
        >>> writer.add_graph_by_node_raw_list()
        """
        shown = {name: node.name for name, node in self._nodes.items()}
        graph = GraphDef(node=[node.proto(shown) for node in self._nodes.values()], versions=VersionDef(producer=GRAPH_VERSION))
        self._get_file_writer().add_onnx_graph(graph)  # which writes any graph, without times


def _taking_tensors(method: Callable) -> Callable:
    @functools.wraps(method)
    def call(self, *args, **kwargs):
        return method(self, *map(_array, args), **_array(kwargs))

    return call


for _name in (
    *("add_scalar", "add_scalars", "add_histogram", "add_image", "add_images", "add_image_with_boxes", "add_video", "add_audio"),
    *("add_embedding", "add_pr_curve", "add_mesh"),
):
    setattr(SummaryWriterExtend, _name, _taking_tensors(getattr(SummaryWriter, _name)))
