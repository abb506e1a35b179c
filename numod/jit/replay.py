"""A traced function for one kind of call: what its program reads, how it is run, and what becomes of the results."""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..constants import constant
from ..kernel import loader, memory
from ..op import KernelIndexError
from ..spec import Spec
from ..tensor import Tensor
from . import passes
from .arguments import filler
from .graph import Graph
from .lowering import Executable, Failure, lower
from .state import State

_SPEC, _GRAD = operator.attrgetter("_spec"), operator.attrgetter("_grad")


class Rate:
    """A learning rate: a float under ``key`` of ``settings``, read anew in each call. ``name`` is that of the parameters that learn with it."""

    def __init__(self, name: str, settings: dict[str, Any], key: str, spec: Spec):
        self.name, self.spec = name, spec
        self._settings, self._key = settings, key

    @property
    def value(self) -> float:
        """The rate of now."""
        return self._settings[self._key]

    def read(self) -> Any:
        """The buffer of a tensor with the rate of now."""
        return constant(self.value, self.spec.dtype, self.spec.device)._buffer


@dataclass
class Argument:
    """The tensor at a place among those of the call."""

    place: int


@dataclass
class Gradient:
    """The ``grad`` of a tensor, whichever object that is at the time."""

    of: Tensor | Argument


@dataclass
class Draw:
    """The next ``count`` numbers of a stream."""

    rng: Any
    count: int
    device: Any


Place = Argument | Tensor | Gradient


@dataclass
class Effects:
    """What becomes of the results of a program, in their order.

    changed: places that get a new value. graded: tensors that get a new grad. leaves: for each tensor of what is returned, the place that
    it is, or None for a new tensor. specs: of all these results but the leaves that are places. cleared: tensors that lose their grad.
    structure: what is returned, with Holes for the leaves.
    """

    changed: list[Place]
    graded: list[Place]
    leaves: list[Place | None]
    cleared: list[Place]
    specs: list[Spec]
    structure: Any

    def __post_init__(self) -> None:
        self.fill: Callable[[Sequence[Tensor]], Any] = filler(self.structure)

    def chosen(self, kept: Sequence[bool]) -> Effects:
        """Without the other changed places, which are changed already."""
        specs = [spec for spec, each in zip(self.specs, [*kept, *[True] * len(self.specs)], strict=False) if each]
        return replace(self, specs=specs, changed=[place for place, each in zip(self.changed, kept, strict=True) if each])


_REFERENCES = 5  # to the buffer of a tensor that nobody else holds: from it, from the inputs, and three from where they are counted


class Replay:
    """Runs the program of a Graph whose inputs are ``sources``, if the Python objects around it are as they were.

    graded: which tensors had a grad, as `grads` says it. arguments: Specs of the tensors of a call. distinct: whether these are different objects.
    reshaped: Specs that tensors had before the call which have others after it, by their ids.
    captured: the graph as it was seen; `graph` is what the passes made of it. specs: of ``tensors``, which it reads beside the arguments.
    """

    def __init__(
        self,
        graph: Graph,
        sources: Sequence[Any],
        state: State,
        graded: list[Spec | None],
        effects: Effects,
        arguments: Sequence[Spec],
        options: Any,
        reshaped: dict[int, Spec],
        distinct: bool = True,
    ):
        kinds: dict[type, list[tuple[Any, Any]]] = {Argument: [], Tensor: [], Gradient: [], Rate: [], Draw: []}
        for value, source in zip(graph.inputs, sources, strict=True):
            kinds[Tensor if isinstance(source, Tensor) else type(source)].append((value, source))
        graph.inputs = [value for each in kinds.values() for value, _ in each]
        for index, value in enumerate(graph.inputs):
            value.given = index
        arguments_read, self.tensors, self.gradients, self.rates, self.draws = ([s for _, s in each] for each in kinds.values())
        self.places = [each.place for each in arguments_read]
        self.captured, self.state, self.effects, self.options = graph, state, effects, options
        self.arguments, self.distinct = arguments, distinct
        self._left = effects  # to be done with the results of a launch
        self.specs = [reshaped.get(id(tensor), tensor._spec) for tensor in self.tensors]
        self._graded = graded
        self._executable: Executable | None = None
        self._over: dict[
            int, Any
        ] = {}  # inputs that are written over: their numbers, and the buffers of the last call, which are nobody else's

    def fits(self, arguments: Sequence[Tensor]) -> bool:
        """Whether this program does for a call what the function would do."""
        return self.mismatch(arguments) == ""

    def mismatch(self, arguments: Sequence[Tensor]) -> str:
        """What this program was not made for; "" if nothing."""
        if [*map(_SPEC, self.tensors)] != self.specs:
            return "the shape or dtype of a tensor that the function uses"
        if grads(self.state, arguments) != self._graded:
            return "which tensors have a grad, or the shape or dtype of one"
        difference = self.state.difference()
        return "" if difference is None else difference[0]

    def grad_before(self, tensor: Place) -> Spec | None:
        """The Spec of the grad that a tensor had before the call; None if it had none, or cannot be reached."""
        return dict(zip(self.state.tensors, self._graded, strict=False)).get(id(tensor))

    def name_of(self, place: Place) -> str:
        """What the user's program calls a tensor."""
        if isinstance(place, Argument):
            return f"argument {place.place}"
        if isinstance(place, Gradient):
            return f"{self.name_of(place.of)}.grad"
        return self.state.names.get(id(place)) or place.name or f"a tensor of shape {place.shape}"

    @property
    def graph(self) -> Graph:
        """What is run."""
        return self.prepare().graph

    def prepare(self) -> Executable:
        """Make the program, if it is not there yet."""
        if self._executable is None:
            graph = self.captured.copy()
            passes.optimize(graph, self.options)
            self._executable = lower(graph)
            self._over = dict.fromkeys(value.given for value in graph.over.values())
            over = [graph.results[index].value in graph.over for index in range(len(self.effects.changed))]
            self._left = self.effects.chosen([not each for each in over])
        return self._executable

    def buffers(self, arguments: Sequence[Tensor]) -> list[Any]:
        """What the program reads in a call. Needs the program to be there: what it writes over must be in buffers that nobody else holds."""
        buffers = [arguments[place]._buffer for place in self.places]
        buffers += [tensor._buffer for tensor in self.tensors]
        for number in self._over:
            own = self._over[number]
            if buffers[number] is not own or sys.getrefcount(own) > _REFERENCES:
                self._over[number] = buffers[number] = self.tensors[number - len(self.places)]._buffer = memory.copied(buffers[number])
        if self.gradients:
            buffers += [tensor_at(each, arguments)._buffer for each in self.gradients]
        if self.rates:
            buffers += [rate.read() for rate in self.rates]
        if self.draws:
            buffers += [draw.rng._take(draw.count, draw.device)._buffer for draw in self.draws]
        return buffers

    def __call__(self, arguments: Sequence[Tensor]) -> Any:
        """Do for these arguments what the function would do."""
        self.prepare()
        return self.effects.fill(self.take_effect(arguments, self.run(self.buffers(arguments))))

    def run(self, buffers: Sequence[Any]) -> Sequence[Any]:
        """The buffers of the results."""
        try:
            return self.prepare()(buffers)
        except Failure as failure:
            raise failed(failure) from None

    def take_effect(self, arguments: Sequence[Tensor], made: Sequence[Any]) -> list[Tensor]:
        """Do with the results what the function did with them; the tensors of what it returned."""
        effects = self._left
        specs = effects.specs
        leaves = [None if leaf is None else tensor_at(leaf, arguments) for leaf in effects.leaves]
        at = 0
        for place in effects.changed:
            target = tensor_at(place, arguments)
            target._buffer, target._spec = made[at], specs[at]
            at += 1
        for place in effects.graded:
            tensor_at(place, arguments)._grad = Tensor._make(made[at], specs[at])
            at += 1
        for place in effects.cleared:
            tensor_at(place, arguments)._grad = None
        for index, leaf in enumerate(leaves):
            if leaf is None:
                leaves[index] = Tensor._make(made[at], specs[at])
                at += 1
        return leaves  # type: ignore[return-value]


def grads(state: State, arguments: Sequence[Tensor]) -> list[Spec | None]:
    """The Specs of the grads that the tensors have that a function can reach."""
    return [grad if grad is None else grad._spec for grad in map(_GRAD, (*state.tensors.values(), *arguments))]


def tensor_at(place: Place, arguments: Sequence[Tensor]) -> Tensor:
    """The tensor at a place, in a call with these arguments."""
    if isinstance(place, Tensor):
        return place
    return arguments[place.place] if isinstance(place, Argument) else tensor_at(place.of, arguments)._grad  # type: ignore[return-value]


def failed(failure: Failure) -> Exception:
    """What the user is told about a call that failed."""
    if failure.code == loader.RAISED:
        return loader.raised.pop()
    call = failure.call
    where = f" ({call.where})" if call.where else ""
    return KernelIndexError(f"{call.name}: index {failure.value} is out of range for size {failure.limit}{where}")
