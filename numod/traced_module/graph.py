"""InternalGraph: the expressions of a module's `forward`, and how they are found, changed and run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from ..dtype import as_dtype
from ..module import Module
from ..tensor import Tensor
from .expr import CallMethod, Expr, GetAttr, Input
from .filters import ExprFilter, NodeFilter
from .node import GraphError, Node, TensorNode
from .running import Plan
from .tree import leaves, pairs, rebuild

if TYPE_CHECKING:
    from .module import TracedModule

begin_insert: Callable[[InternalGraph, Expr | None], AbstractContextManager] | None = None  # set by `tracing`, which sees what is inserted


class Numbers:
    """The ids of a graph and of those inside of it."""

    def __init__(self) -> None:
        self.exprs = self.nodes = 0

    def next_expr(self) -> int:
        """The id of a new expression."""
        self.exprs += 1
        return self.exprs - 1

    def next_node(self) -> int:
        """The id of a new node."""
        self.nodes += 1
        return self.nodes - 1


class InternalGraph:
    """What a module does for one kind of arguments, as a list of expressions, in order.

    name: printed with it. qualname: where the module is, from the root: ``Net.block``. inputs: nodes of the arguments, the module itself first.
    outputs: nodes of the tensors that are returned. owner: the module.
    """

    def __init__(self, owner: TracedModule, qualname: str, numbers: Numbers):
        self._exprs: list[
            Expr
        ] = []  # the first attribute: whoever copies or pickles a graph meets each expression after those that it reads
        self.owner, self.qualname, self.numbers = owner, qualname, numbers
        self.name = qualname.replace(".", "_")
        self.names: set[str] = set()
        self.key = ""  # by which the owner knows it
        self.pattern: tuple[tuple, dict[str, Any]] = (), {}  # the arguments, with nodes for tensors
        self.inputs: list[Node] = []
        self._outputs: list[Node] = []
        self.seen: Callable[[Node, Any], None] | None = None  # while nodes are watched: sees each value
        self._plan = Plan([], [])

    @property
    def outputs(self) -> list[Node]:
        """The nodes that are returned."""
        return self._outputs

    @property
    def top_graph(self) -> InternalGraph | None:
        """Itself for the graph of the root; None for one inside of another, which has a root that it does not know."""
        return self if self.owner._is_top else None

    def free_name(self, name: str, numbered: str = "{}_{}") -> str:
        """A name that no node has yet, this one if possible."""
        found, count = name, 0
        while found in self.names:
            count += 1
            found = numbered.format(name, count)
        return found

    def changed(self) -> None:
        """Say that it is not what it was."""
        self.owner._changes += 1

    # Finding

    def _walk(self, recursive: bool, seen: set[int]) -> Iterator[Expr]:
        seen.add(id(self))
        for expr in self._exprs:
            yield expr
            inner = expr.graph if recursive and isinstance(expr, CallMethod) else None
            if inner is not None and id(inner) not in seen:
                yield from inner._walk(True, seen)

    def exprs(self, recursive: bool = True) -> ExprFilter:
        """The expressions; ``recursive``: also those of the graphs of modules that are called."""
        return ExprFilter(lambda: self._walk(recursive, set()))

    def nodes(self, recursive: bool = True) -> NodeFilter:
        """The nodes, in the order in which they are made."""
        return NodeFilter(lambda: (node for expr in self._walk(recursive, set()) for node in expr.outputs))

    def get_function_by_type(self, func: Callable | None = None, recursive: bool = True) -> ExprFilter:
        """Calls of a function, such as ``F.relu``."""
        return self.exprs(recursive).call_function(func)

    def get_method_by_type(self, method: str | None = None, recursive: bool = True) -> ExprFilter:
        """Calls of a method, such as ``"__add__"``; ``"__call__"`` for modules."""
        return self.exprs(recursive).call_method(method)

    def get_expr_by_id(self, expr_id: int | Sequence[int], recursive: bool = True) -> ExprFilter:
        """Expressions by their ids."""
        return self.exprs(recursive).expr_id(expr_id)

    def get_node_by_id(self, node_id: int | Sequence[int], recursive: bool = True) -> NodeFilter:
        """Nodes by their ids."""
        return self.nodes(recursive).node_id(node_id)

    def get_node_by_name(self, name: str, ignorecase: bool = True, recursive: bool = True) -> NodeFilter:
        """Nodes by their names after that of the graph, with ``*`` and ``?`` for any text."""
        return self.nodes(recursive).name(name, ignorecase)

    def get_module_by_type(self, module_cls: type[Module], recursive: bool = True) -> NodeFilter:
        """Modules of a class."""
        return self.nodes(recursive).type(module_cls)

    def get_dep_exprs(self, nodes: Node | Sequence[Node]) -> list[Expr]:
        """The expressions that must be done for some nodes, the last one first."""
        needed = {id(node) for node in ([nodes] if isinstance(nodes, Node) else nodes)}
        found = []
        for expr in reversed(self._exprs):
            if any(id(node) in needed for node in expr.outputs):
                found.append(expr)
                needed.update(map(id, expr.inputs))
        return found

    # Changing

    def compile(self) -> None:
        """Drop the expressions that nobody needs. Those in place and inputs stay."""
        needed = {*map(id, self._outputs)}
        kept: list[Expr] = []
        for expr in reversed(self._exprs):
            if isinstance(expr, Input) or expr.kept or any(id(node) in needed for node in expr.outputs):
                kept.append(expr)
                needed.update(map(id, expr.inputs))
            else:
                self.names.difference_update(node.name for node in expr.outputs)
        self._exprs = kept[::-1]
        self.changed()

    def changes_more(self) -> bool:
        """Whether it changes tensors that were there before: its inputs, or those of the module."""

        def was_there(node: Node) -> bool:
            while node.expr.in_place:
                node = node.expr.inputs[0]
            return isinstance(node.expr, (Input, GetAttr))

        return any(was_there(expr.inputs[0]) if expr.in_place else expr.kept for expr in self._exprs if not isinstance(expr, Input))

    def number_anew(self, numbers: Numbers) -> None:
        """Give new ids, and names, to everything here and in the graphs that are called, in order."""
        self.numbers, self.names = numbers, set()
        for expr in self._exprs:
            expr._id = numbers.next_expr()
            for node in expr.outputs:
                node._id = numbers.next_node()
                node.take_name()
            inner = expr.graph if isinstance(expr, CallMethod) else None
            if inner is not None and inner.numbers is not numbers:
                inner.number_anew(numbers)

    def insert_exprs(self, expr: Expr | None = None) -> AbstractContextManager:
        """Add calls to the graph: within ``with graph.insert_exprs():``, functions, operators and modules take nodes and give nodes.

        expr: after which they come; None for after what they need. They become part of the graph at the end, and nothing does if an error comes out.

        >>> import numod as nm, numod.functional as F, numod.module as M, numod.traced_module as tm
        >>> traced = tm.trace_module(M.Sequential(M.Linear(2, 2), M.ReLU()), nm.Tensor([[1.0, 2.0]]))
        >>> graph = traced.graph
        >>> with graph.insert_exprs():
        ...     gated = F.sigmoid(graph.outputs[0]) * 2
        >>> graph.replace_node({graph.outputs[0]: gated})
        >>> print(str(graph).expandtabs(4))
        Sequential.Graph (self, inp) {
            %2: _0 = getattr(self, "0") -> (Linear)
            %3: _1 = getattr(self, "1") -> (ReLU)
            %4: _0_out = _0(inp, )
            %5: _1_out = _1(_0_out, )
            %6: sigmoid_out = nn.sigmoid(_1_out, )
            %7: mul_out = sigmoid_out.__mul__(2, )
            return mul_out
        }
        """
        if expr is not None and not any(each is expr for each in self._exprs):
            raise GraphError(f"insert_exprs: expected an expression of this graph or None, got {expr!r}")
        assert begin_insert is not None
        return begin_insert(self, expr)

    def replace_node(self, repl_dict: Mapping[Node, Node]) -> None:
        """Let everything after a new node read it in place of an old one: ``{old: new}``. What makes the new node may still read the old one."""
        for old, new in repl_dict.items():
            if not isinstance(old, Node) or type(new) is not type(old):
                raise GraphError(
                    f"replace_node: expected nodes of one kind, got {old!r} ({type(old).__name__}) and {new!r} ({type(new).__name__})"
                )
            self._own("replace_node", old, new)
            after = self._exprs.index(new.expr) + 1
            for expr in self._exprs[after:]:
                expr.replace_inputs({old: new})
            self._outputs = [new if node is old else node for node in self._outputs]
        self.changed()

    def add_input_node(self, shape: tuple[int, ...], dtype: Any = "float32", name: str = "args") -> TensorNode:
        """Give the root one more argument, the last by position; its node. Another one of the same name gets a number."""
        self._only_root("add_input_node")
        expr = Input(self, "")
        node = TensorNode(self, name, "")
        node._what, expr.name = f".[{node.name}]", node.name
        node.shape, node.dtype = tuple(shape), as_dtype(dtype)
        expr.returns(node)
        self._exprs.insert(len(self.inputs), expr)
        self.inputs.append(node)
        self.owner.add_parameter(self, node)
        return node

    def add_output_node(self, node: TensorNode) -> None:
        """Let the root return a pair: what it returned before, and this node's value."""
        before = rebuild(lambda place: self._outputs[place], self.owner.argdef_outdef_map[self.key])
        self._returns("add_output_node", (before, node))

    def reset_outputs(self, outputs: Any) -> None:
        """Let the root return something else: a node, or lists, tuples and dicts of nodes."""
        self._returns("reset_outputs", outputs)

    def _returns(self, function: str, outputs: Any) -> None:
        self._only_root(function)
        nodes = list(leaves(outputs))
        for node in nodes:
            if not isinstance(node, TensorNode):
                raise GraphError(f"{function}: expected nodes of tensors, in lists, tuples and dicts, got {node!r}")
        self._own(function, *nodes)
        self.set_outputs(outputs)

    def set_outputs(self, outputs: Any) -> None:
        """Return this structure of nodes."""
        self._outputs = []

        def place(leaf: Any) -> Any:
            if not isinstance(leaf, Node):
                return leaf
            self._outputs.append(leaf)
            return len(self._outputs) - 1

        self.owner.argdef_outdef_map[self.key] = rebuild(place, outputs)
        self.changed()

    def _only_root(self, function: str) -> None:
        if not self.owner._is_top:
            raise GraphError(
                f"{function}: {self.name} is inside of another graph, which calls it as it is; flatten() makes one graph of all"
            )

    def _own(self, function: str, *nodes: Node) -> None:
        for node in nodes:
            if node.top_graph is not self or not any(expr is node.expr for expr in self._exprs):
                raise GraphError(f"{function}: {node!r} is no node of this graph")

    # Running

    def eval(self, *inputs: Tensor) -> list[Any]:
        """The values of `outputs` for values of ``inputs[1:]``."""
        if len(inputs) != len(self.inputs) - 1:
            raise GraphError(f"eval: {self.name} has the inputs {self.inputs[1:]}, got {len(inputs)} values")
        return self.interpret(self.owner, *inputs)

    def interpret(self, *inputs: Any) -> list[Any]:
        """The values of `outputs` for a module and values of the other inputs."""
        values: dict[Node, Any] = dict(zip(self.inputs, inputs, strict=True))
        if self.seen is not None:
            for node, given in values.items():
                self.seen(node, given)
        if not self._plan.fits(self._exprs, self._outputs):
            self._plan = Plan(self._exprs, self._outputs)
        for step in self._plan.steps:
            made = step.expr.interpret(
                tuple([argument(values) for argument in step.args]), {name: value(values) for name, value in step.kwargs}
            )
            if isinstance(step.returns, Node):
                values[step.returns] = made
            else:
                values.update((node, result) for node, result in pairs(step.returns, made) if isinstance(node, Node))
            if self.seen is not None:
                for node in step.expr.outputs:
                    self.seen(node, values[node])
            for node in step.dropped:
                del values[node]
        return [values[node] for node in self._outputs]

    def __format__(self, style: str) -> str:
        inputs = ", ".join(f"{node:{style}}" for node in self.inputs)
        body = "\n\t".join(f"{expr:{style}}" for expr in self._exprs if not isinstance(expr, Input))
        outputs = ", ".join(f"{node:{style}}" for node in self._outputs)
        return f"{self.name}.Graph ({inputs}) {{\n\t{body}\n\treturn {outputs}\n}}"

    def __repr__(self) -> str:
        return format(self, "")
