"""`optimize`: graphs that do the same with fewer calls, for inference."""

from __future__ import annotations

import copy
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from .. import functional as F, module as M
from ..tensor import Parameter
from ..utils.bn_fusion import fuse_conv_bn_relu_module, fuse_linear_bn_relu_module
from .constants import constant_of, scaled_by, shifted_by, with_constant
from .expr import CallFunction, CallMethod, Expr, GetAttr
from .graph import InternalGraph
from .module import TracedModule
from .node import ModuleNode, Node, TensorNode
from .tree import leaves

_logger = logging.getLogger(__name__)
_CONVOLUTIONS = (M.Conv2d, M.ConvTranspose2d)

# What commutes with a scale, and what does if the scale is positive.
_LINEAR = {
    F.avg_pool2d,
    F.adaptive_avg_pool2d,
    F.reshape,
    F.flatten,
    F.transpose,
    F.squeeze,
    F.expand_dims,
    M.AvgPool2d,
    M.AdaptiveAvgPool2d,
    M.Identity,
}
_LINEAR |= {"reshape", "flatten", "transpose"}
_POSITIVE = {F.relu, F.leaky_relu, F.max_pool2d, F.adaptive_max_pool2d, M.ReLU, M.LeakyReLU, M.MaxPool2d, M.AdaptiveMaxPool2d}


def optimize(module: TracedModule, enabled_pass: str | Sequence[str] = ("FuseConvBn",)) -> TracedModule:
    """A copy of a traced module with fewer calls, for inference: results are equal to those in evaluation mode up to rounding.

    enabled_pass: a list of these, which are done in this order.
        FuseConvBn: batch normalization becomes part of the convolution (or Linear) before it.
        FuseAddMul: constants that are added one after the other become one, and so do those that are multiplied.
        BackwardFoldScale: a constant factor becomes part of the weights before it, through ReLU, pooling, `concat` and the like.
            It needs FuseConvBn, which is done then too.

    >>> import numod as nm, numod.module as M, numod.traced_module as tm
    >>> net = M.Sequential(M.Conv2d(1, 2, 3), M.BatchNorm2d(2))
    >>> net.eval()
    >>> fused = tm.optimize(tm.trace_module(net, nm.Tensor([[[[1.0] * 4] * 4]])))
    >>> print(str(fused.graph).expandtabs(4))
    Sequential.Graph (self, inp) {
        %2: _0 = getattr(self, "0") -> (Conv2d)
        %3: _0_out = _0(inp, )
        return _0_out
    }
    """
    if not isinstance(module, TracedModule):
        raise TypeError(f"optimize: expected a TracedModule, got {type(module).__name__}")
    wanted = [enabled_pass] if isinstance(enabled_pass, str) else list(enabled_pass)
    unknown = [name for name in wanted if name not in _PASSES]
    if unknown:
        raise ValueError(f"optimize: unknown passes {unknown}, known are {[*_PASSES]}")
    if "BackwardFoldScale" in wanted and "FuseConvBn" not in wanted:
        _logger.warning("optimize: BackwardFoldScale needs FuseConvBn, which is done too")
        wanted.append("FuseConvBn")
    made = copy.deepcopy(module)
    for name, change in _PASSES.items():
        if name in wanted:
            layers = _Layers(made)
            for graph in layers.graphs:
                for expr in list(graph._exprs):
                    change(graph, expr, layers)
    for graph in _Layers(made).graphs:
        graph.compile()
    made.graph.number_anew(type(made.graph.numbers)())
    return made


class _Layers:
    """The graphs of a module, and how often each layer is called in them."""

    def __init__(self, root: TracedModule):
        self.graphs = [graph for module in root.modules() if isinstance(module, TracedModule) for graph in module.argdef_graph_map.values()]
        self._calls: dict[int, int] = {}
        self._counted: tuple[InternalGraph, int] | None = None  # the graph, as it was, whose nodes are in
        self._reads: Counter[Node] = Counter()
        self._read_alone: set[int] = set()  # ids of tensors that graphs read, whatever layer they are in
        for graph in self.graphs:
            for expr in graph._exprs:
                if isinstance(expr, CallMethod) and isinstance(expr.args[0], ModuleNode):
                    owner = id(expr.args[0].owner)
                    self._calls[owner] = self._calls.get(owner, 0) + 1
                elif isinstance(expr, GetAttr) and isinstance(expr.return_val, TensorNode):
                    self._read_alone.add(id(expr.owner))

    def read_once(self, graph: InternalGraph, node: Node) -> bool:
        """Whether a node is read once."""
        if self._counted != (graph, graph.owner._changes):
            self._counted = graph, graph.owner._changes
            self._reads = Counter([*graph.outputs, *(read for expr in graph._exprs for read in expr.inputs)])
        return self._reads[node] == 1

    def replace(self, expr: CallMethod, layer: M.Module) -> None:
        """Let a call be one of another layer, in the place of the old one if nobody else calls that, or reads its tensors."""
        graph, node = expr.top_graph, expr.args[0]
        found = node.expr
        *path, last = found.name.split(".")
        owner: Any = graph.owner
        for part in path:
            owner = getattr(owner, part)
        self._calls[id(layer)] = 1
        old = node.owner
        if self._calls[id(old)] == 1 and not any(id(tensor) in self._read_alone for tensor in old.tensors()):
            setattr(owner, last, layer)
            return
        self._calls[id(old)] -= 1
        count = 1
        while hasattr(owner, f"{last}_{count}"):
            count += 1
        setattr(owner, f"{last}_{count}", layer)
        new = GetAttr(graph, found.args[0], ".".join([*path, f"{last}_{count}"]))
        twin = ModuleNode(graph, f"{node.name}_{count}", f".{new.name}")
        twin.module_type = node.module_type
        new.returns(twin)
        graph._exprs.insert(graph._exprs.index(found) + 1, new)
        expr.replace_inputs({node: twin})


def _layer(expr: Expr, kinds: tuple[type, ...]) -> Any:
    """The layer that an expression calls, if it is of one of these very classes."""
    if isinstance(expr, CallMethod) and isinstance(expr.args[0], ModuleNode) and type(expr.args[0].owner) in kinds:
        return expr.args[0].owner
    return None


def _bypass(graph: InternalGraph, expr: Expr, node: Node) -> None:
    """Let everyone read a node in the place of what an expression makes, and drop the expression."""
    (old,) = expr.outputs
    for each in graph._exprs:
        if any(read is old for read in each.inputs):
            each.replace_inputs({old: node})
    graph._outputs = [node if each is old else each for each in graph._outputs]
    graph._exprs.remove(expr)
    graph.changed()


def _fuse_norm(graph: InternalGraph, expr: Expr, layers: _Layers) -> None:
    norm = _layer(expr, (M.BatchNorm2d, M.SyncBatchNorm, M.BatchNorm1d))
    if norm is None or norm.running_mean is None:
        return
    source = expr.args[1]
    before = source.expr
    layer = _layer(before, (M.Linear,) if isinstance(norm, M.BatchNorm1d) else _CONVOLUTIONS)
    if isinstance(norm, M.BatchNorm1d) and len(source.shape) != 2:
        return  # it normalizes along the second axis, Linear gives the last one
    if layer is None or not layers.read_once(graph, source) or before.top_graph is not graph:
        return
    layer, norm = copy.deepcopy(layer), copy.deepcopy(norm)
    layer.eval()
    norm.eval()
    fuse: Any = fuse_linear_bn_relu_module if isinstance(norm, M.BatchNorm1d) else fuse_conv_bn_relu_module
    layers.replace(before, fuse(layer, norm, None))
    _bypass(graph, expr, source)


def _fuse_constants(graph: InternalGraph, expr: Expr, layers: _Layers) -> None:
    if any(each.kept for each in graph._exprs):
        return  # what is changed in place is another value before and after, and calls are moved here
    for read in (scaled_by, shifted_by):
        found = read(expr)
        if found is None:
            continue
        source, constant = found
        before = read(source.expr)
        if before is not None and layers.read_once(graph, source):
            inner, other = before
            constant = constant * other if read is scaled_by else constant + other
            graph._exprs.remove(source.expr)
            graph.changed()
            source = inner
            with_constant(graph, expr, read is scaled_by, source, constant)
        neutral = 1 if read is scaled_by else 0
        if constant_of(constant) == neutral and source.shape == expr.return_val.shape:
            _bypass(graph, expr, source)


def _fold_scale(graph: InternalGraph, expr: Expr, layers: _Layers) -> None:
    found = scaled_by(expr)
    if found is None:
        return
    source, constant = found
    scale = constant_of(constant)
    if scale is None or source.shape != expr.return_val.shape:
        return
    changes: list[Callable[[], None]] = []
    if _absorb(graph, source, scale, layers, changes):
        for change in changes:
            change()
        _bypass(graph, expr, source)


def _absorb(graph: InternalGraph, node: Any, scale: float, layers: _Layers, changes: list[Callable[[], None]]) -> bool:
    """Find what must be changed to scale a node; False if it cannot be done."""
    expr = node.expr
    if not layers.read_once(graph, node):
        return False
    layer = _layer(expr, (*_CONVOLUTIONS, M.Linear))
    if layer is not None:
        changes.append(lambda: layers.replace(expr, _scaled(layer, scale)))
        return True
    what = expr.func if isinstance(expr, CallFunction) else getattr(expr, "method", None)
    shifted = shifted_by(expr)
    if shifted is not None:
        source, constant = shifted
        changes.append(lambda: with_constant(graph, expr, False, source, constant * scale))
        return _absorb(graph, source, scale, layers, changes)
    if what in (F.concat, F.add, "__add__") and all(
        isinstance(each, Node) for each in leaves(expr.args[0] if what is F.concat else expr.args)
    ):
        return all(_absorb(graph, each, scale, layers, changes) for each in expr.inputs)
    if what == "__call__":
        what = type(expr.args[0].owner)
    if what in _LINEAR or (what in _POSITIVE and scale > 0):
        return _absorb(graph, next(each for each in expr.inputs if not isinstance(each, ModuleNode)), scale, layers, changes)
    return False


def _scaled(layer: Any, scale: float) -> Any:
    """A copy of a layer that gives results times a number."""
    layer = copy.deepcopy(layer)
    layer.weight = Parameter(layer.weight.detach() * scale)
    if layer.bias is not None:
        layer.bias = Parameter(layer.bias.detach() * scale)
    return layer


_PASSES: dict[str, Callable[[InternalGraph, Expr, _Layers], None]] = {
    "FuseConvBn": _fuse_norm,
    "FuseAddMul": _fuse_constants,
    "BackwardFoldScale": _fold_scale,
}
