"""A traced function within a recording: one program forward, one backward, and one node on the tape for both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from .. import tape as tapes
from ..constants import constant
from ..device import as_device
from ..distributed.ops import kept_apart
from ..op import apply
from ..ops.math import add
from ..ops.view import astype, broadcast_to
from ..precision import off
from ..spec import Spec
from ..tape import Leaf, Node
from ..tensor import Tensor
from .capture import Capture
from .errors import TraceError
from .graph import Graph, Operand, Value
from .lowering import Executable, lower
from .passes import optimize
from .replay import Replay


def tracked(tensors: Sequence[Tensor]) -> list[bool]:
    """To which of these tensors gradients would flow; where one comes twice, to the first."""
    seen: set[int] = set()
    found = []
    for tensor in tensors:
        found.append(id(tensor) not in seen and tapes.source(tensor) is not None)
        seen.add(id(tensor))
    return found


@contextmanager
def leaves_of(tensors: Sequence[Tensor]) -> Iterator[list[Leaf]]:
    """In this block these tensors are leaves, whatever they come from."""
    before = [(tensor._node, tensor._index) for tensor in tensors]
    leaves = [Leaf(tensor._spec) for tensor in tensors]
    for tensor, leaf in zip(tensors, leaves, strict=True):
        leaf.hold()
        tensor._node, tensor._index = leaf, 0
    try:
        yield leaves
    finally:
        for tensor, leaf, (node, index) in zip(tensors, leaves, before, strict=True):
            leaf.let_go()
            if tensor._node is leaf:
                tensor._node, tensor._index = node, index


class Backward:
    """What a capture has seen of the way back from its results to ``leaves``.

    effects: the calls before it that others see. places: which of the results it starts from, which are ``outputs``.
    operands: the gradient of each leaf, None where none flows.
    """

    def __init__(self, capture: Capture, results: Sequence[Tensor], leaves: Sequence[Leaf]):
        self._leaves = leaves
        if any(node.order > min(leaf.order for leaf in leaves) for node, *_ in tapes.current().shared):
            raise TraceError(
                "trace: what only one rank sends or receives cannot be traced within a recording; let the recording and `backward` be part of "
                "what is traced"
            )
        self.effects = {call for call in capture.graph.calls if call.has_effect}
        self.places = [index for index, tensor in enumerate(results) if tensor._spec.is_float and tapes.source(tensor) is not None]
        outputs = [results[index] for index in self.places]
        self._outputs = [(tensor, tensor._node, tensor._index) for tensor in outputs]
        self.specs = [tensor._spec for tensor in outputs]
        seeds = []
        with tapes.paused(), kept_apart(), off():
            for index, tensor in enumerate(outputs):
                seed = Tensor(np.zeros(tensor.shape), dtype=tensor.dtype, device=tensor.device)
                capture.give(seed, index)
                seeds.append((tensor._node, tensor._index, seed))
            found = tapes.backward(seeds, {(leaf, 0) for leaf in leaves}, lambda a, b: apply(add, (a, b)))  # type: ignore[arg-type]
            gradients = [found.get((leaf, 0)) for leaf in leaves]
        self.operands = [None if gradient is None else capture.operand(gradient) for gradient in gradients]
        self.gradient_specs = [None if gradient is None else gradient._spec for gradient in gradients]

    def attach(self, origins: Sequence[tuple[Node, int] | None]) -> None:
        """For the call that was captured: lead gradients from the results to what the leaves stood for, by what was recorded between them."""
        outputs = self._outputs

        def pull(node: Node, gradients: list[Tensor | None]) -> list[Tensor | None]:
            seeds = [(inner, index, g) for (_, inner, index), g in zip(outputs, gradients, strict=True) if g is not None]
            found = tapes.backward(seeds, {(leaf, 0) for leaf in self._leaves}, lambda a, b: apply(add, (a, b)))  # type: ignore[arg-type]
            return [found.get((leaf, 0)) for leaf in self._leaves]

        if outputs:
            tapes.attach(Node(tuple(origins), tuple(self.specs), pull), [tensor for tensor, *_ in outputs])


def split(graph: Graph, sources: list[Any], backward: Backward) -> tuple[list[Any], list[Value], Graph]:
    """Take the way back out of a graph: (sources of what stays, values kept for the way back, the graph of the way back).

    The inputs of that graph are the gradients of the outputs, then the kept values. The kept ones that the graph makes become its last results.
    """
    seeds = {value: source for value, source in zip(graph.inputs, sources, strict=True) if isinstance(source, int)}
    wanted = {operand.value for operand in graph.results}
    forward, back = [], []
    for call in reversed(graph.calls):
        if any(value in wanted for value in call.outputs) or call in backward.effects:
            forward.append(call)
            wanted |= {operand.value for operand in call.inputs}
        else:
            back.append(call)
    graph.calls, back = forward[::-1], back[::-1]
    graph.updates = {}  # the way back may read the old values
    results = [operand for operand in backward.operands if operand is not None]
    inside = {value for call in back for value in call.outputs}
    kept: dict[Value, Value] = {}
    for operand in [*(o for call in back for o in call.inputs), *results]:
        if operand.value not in inside and operand.value not in seeds and operand.value.buffer is None:
            kept.setdefault(operand.value, Value(operand.value.nbytes))
    other = Graph(back, [*sorted(seeds, key=lambda value: seeds[value]), *kept.values()], results)
    other.replace({old: Operand(new, 0, _bytes(new)) for old, new in kept.items()})
    for index, value in enumerate(other.inputs):
        value.given = index
    graph.results += [Operand(value, 0, _bytes(value)) for value in kept if value.call is not None]
    graph.inputs = [value for value in graph.inputs if value not in seeds]
    return [source for source in sources if not isinstance(source, int)], list(kept), other


def _bytes(value: Value) -> Spec:
    return Spec.of((value.nbytes,), np.dtype("uint8"), as_device(None))


class Recorded:
    """A program within a recording, for calls in which gradients flow to the same tensors: ``pattern`` is what `tracked` says of them."""

    def __init__(self, forward: Replay, pattern: list[bool]):
        self.forward, self.pattern = forward, pattern

    def _tensors(self, arguments: Sequence[Tensor]) -> list[Tensor]:
        return [*arguments, *self.forward.state.tensors.values()]

    def fits(self, arguments: Sequence[Tensor]) -> bool:
        """Whether it does for a call what the function would do."""
        return tracked(self._tensors(arguments)) == self.pattern and self.forward.fits(arguments)

    def mismatch(self, arguments: Sequence[Tensor]) -> str:
        """What it was not made for; "" if nothing."""
        return self.forward.mismatch(arguments) or ("" if self.fits(arguments) else "to which tensors gradients flow")

    def __call__(self, arguments: Sequence[Tensor]) -> Any:
        """Do what the function would do."""
        return self.forward(arguments)


class Differentiable(Recorded):
    """One program forward and one back, and the node that they are on the tape.

    kept, back: what `split` gives.
    """

    def __init__(self, forward: Replay, pattern: list[bool], kept: Sequence[Value], back: Graph, backward: Backward):
        super().__init__(forward, pattern)
        self._back = back
        self._executable: Executable | None = None
        self._kept = [value.given if value.call is None else -1 for value in kept]  # among the inputs, or -1 among the results
        self._places, self._specs, self._gradient_specs = backward.places, backward.specs, backward.gradient_specs
        self._new = [index for index, leaf in enumerate(forward.effects.leaves) if leaf is None]

    def __call__(self, arguments: Sequence[Tensor]) -> Any:
        """Do what the function would do, and remember how to come back."""
        forward = self.forward
        forward.prepare()
        buffers = forward.buffers(arguments)
        made = forward.run(buffers)
        results = forward.take_effect(arguments, made)
        outputs = [results[self._new[place]] for place in self._places]
        if outputs:
            rest = iter(made[len(forward.effects.specs) :])
            kept = [next(rest) if given < 0 else buffers[given] for given in self._kept]
            origins = tuple(tapes.source(t) for t, wanted in zip(self._tensors(arguments), self.pattern, strict=True) if wanted)
            tapes.attach(Node(origins, tuple(self._specs), self._pull, kept), outputs)
        return forward.effects.fill(results)

    def _pull(self, node: Node, gradients: list[Tensor | None]) -> list[Tensor | None]:
        if tapes.current().recording:
            raise TraceError("trace: gradients of gradients do not flow through a traced function; call the function that was traced")
        if self._executable is None:
            optimize(self._back, self.forward.options)
            self._executable = lower(self._back)
        seeds = [_zeros(spec) if gradient is None else _packed(gradient) for gradient, spec in zip(gradients, self._specs, strict=True)]
        made = iter(self._executable([*(seed._buffer for seed in seeds), *node.call]))
        return [None if spec is None else Tensor._make(next(made), spec) for spec in self._gradient_specs]


def _zeros(spec: Spec) -> Tensor:
    return _packed(apply(broadcast_to, (constant(0.0, spec.dtype, spec.device),), (spec.shape,)))


def _packed(tensor: Tensor) -> Tensor:
    """In C order, as the program expects it."""
    return tensor if tensor._spec.contiguous else apply(astype, (tensor,), (tensor.dtype,))
