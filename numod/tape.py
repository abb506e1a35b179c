"""What is recorded while a GradManager is recording, and how gradients flow back through it.

A Node is one recorded op. It hangs on the tensors that the op made and points to the nodes its inputs came from, so a branch that nobody
uses is freed by reference counting. The thread's Tape lists its nodes, so that all of them can be cut when
the outermost recording ends, even those that tensors still hold.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import sys
import threading
from collections.abc import Callable, Iterator, Sequence

from .spec import Spec
from .tensor import Tensor

_order = itertools.count()


class Node:
    """One recorded op, or a leaf (a tensor that a manager attached).

    inputs: for each input, ``(node, output index)`` it came from, or None where no gradient flows.
    pull:   ``pull(node, output gradients) -> input gradients``, or None for a leaf.
    call:   what pull needs to know: which op, and what was saved for its rules.
    """

    __slots__ = ("alive", "call", "inputs", "order", "outputs", "pull")

    def __init__(self, inputs: tuple, outputs: tuple[Spec, ...], pull: Callable | None, call=None):
        self.inputs, self.outputs, self.pull = inputs, outputs, pull
        self.call = call
        self.order = next(_order)
        self.alive = True

    def cut(self) -> None:
        """Forget the history, freeing what was saved."""
        self.inputs, self.call, self.pull, self.alive = (), None, None, False


class Leaf(Node):
    """Stands for a tensor that managers attached; alive as long as one of them records."""

    __slots__ = ("users",)

    def __init__(self, spec: Spec):
        super().__init__((), (spec,), None)
        self.users = 0

    def hold(self) -> None:
        """One more manager records with it."""
        with _count_lock:
            self.users += 1

    def let_go(self) -> None:
        """A manager that held it is done."""
        with _count_lock:
            self.users -= 1
            self.alive = self.users > 0


class Tape:
    """The recording state of a thread.

    shared: what `backward` comes to in any case, since another process takes part: (node, output index, 0 as its gradient).
    """

    __slots__ = ("managers", "nodes", "recording", "shared", "sweep_at")

    def __init__(self):
        self.recording = False  # ops on tracked tensors are recorded
        self.managers = 0  # how many managers are recording
        self.nodes: list[Node] = []
        self.shared: list[tuple[Node, int, Tensor]] = []
        self.sweep_at = SWEEP

    def add(self, node: Node) -> None:
        """List a node. Now and then drop those that nothing but this list refers to."""
        self.nodes.append(node)
        if len(self.nodes) >= self.sweep_at:
            self._sweep()

    def _sweep(self) -> None:
        nodes = self.nodes
        for index in range(len(nodes) - 2, -1, -1):  # consumers first: dropping one may free its producers
            if sys.getrefcount(nodes[index]) == 2:
                nodes[index] = None  # type: ignore[call-overload]
        self.nodes = [node for node in nodes if node is not None]
        self.sweep_at = max(SWEEP, 2 * len(self.nodes))

    def open(self) -> None:
        """One more manager records."""
        global active
        with _count_lock:
            active += 1
        self.managers += 1
        self.recording = True

    def close(self) -> None:
        """A manager stops; when it was the last one, all history is cut."""
        global active
        with _count_lock:
            active -= 1
        self.managers -= 1
        if self.managers == 0:
            self.recording = False
            for node in self.nodes:
                node.cut()
            self.nodes, self.shared, self.sweep_at = [], [], SWEEP


SWEEP = 512  # nodes between two looks for dead ones
active = 0  # managers recording in any thread: a cheap test for "nothing to do"
_count_lock = threading.Lock()
_local = threading.local()


def current() -> Tape:
    """This thread's tape."""
    try:
        return _local.tape
    except AttributeError:
        _local.tape = Tape()
        return _local.tape


@contextlib.contextmanager
def paused() -> Iterator[None]:
    """Nothing is recorded in this block."""
    tape = current()
    before, tape.recording = tape.recording, False
    try:
        yield
    finally:
        tape.recording = before


def source(tensor: Tensor) -> tuple[Node, int] | None:
    """Where a tensor's gradient would flow to, or None if it is not tracked."""
    node = tensor._node
    return (node, tensor._index) if node is not None and node.alive else None


def attach(node: Node, outputs: Sequence[Tensor]) -> None:
    """Make ``outputs`` the outputs of a recorded node."""
    for index, tensor in enumerate(outputs):
        tensor._node, tensor._index = node, index
    current().add(node)


def backward(
    outputs: Sequence[tuple[Node, int, Tensor]], wanted: set[tuple[Node, int]], add: Callable[[Tensor, Tensor], Tensor]
) -> dict[tuple[Node, int], Tensor]:
    """Gradients of ``sum(output * gradient)`` with respect to the ``wanted`` (node, output index) pairs.

    Nodes are visited from the latest to the earliest, each once, from a heap: the length of a chain is not limited.
    """
    pending: dict[Node, list[Tensor | None]] = {}
    heap: list[tuple[int, Node]] = []
    found: dict[tuple[Node, int], Tensor] = {}

    def arrive(node: Node, index: int, gradient: Tensor) -> None:
        if node.pull is None:  # nothing comes before a leaf
            place = node, index
            if place in wanted:
                present = found.get(place)
                found[place] = gradient if present is None else add(present, gradient)
            return
        slots = pending.get(node)
        if slots is None:
            slots = pending[node] = [None] * len(node.outputs)
            heapq.heappush(heap, (-node.order, node))
        present = slots[index]
        slots[index] = gradient if present is None else add(present, gradient)

    for node, index, gradient in outputs:
        arrive(node, index, gradient)
    while heap:
        _, node = heapq.heappop(heap)
        gradients = pending.pop(node)
        for index, total in enumerate(gradients):
            if total is not None and (node, index) in wanted:
                found[node, index] = total
        for origin, share in zip(node.inputs, node.pull(node, gradients), strict=True):  # type: ignore[misc]
            if origin is not None and share is not None:
                arrive(origin[0], origin[1], share)
    return found
