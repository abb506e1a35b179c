"""The plain data that is written for a program. ``docs/adr/0012-programs-in-files.md`` says how it is laid out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..device import as_device
from ..spec import Spec
from ..tensor import Tensor
from .errors import TraceError
from .graph import Call, Operand, Value, extent
from .passes.dead_code import remove_unused
from .replay import Argument, Draw, Gradient, Place, Rate, Replay, tensor_at

KEY, VERSION = "numod.jit program", 2


class Writer:
    """The plain data of the graph of ``replay``.

    state: the tensors that each call changes, by names that are unique. constants: all others, weights among them, likewise.
    """

    def __init__(self, replay: Replay, keep_params: bool):
        self.graph = replay.captured.copy()
        self._replay, self._keep = replay, keep_params
        self._specs: dict[Spec, int] = {}
        self.state: dict[str, Tensor] = {}
        self.constants: dict[str, Tensor] = {}
        self._rates: dict[str, Rate] = {}
        self._state_names: dict[int, str] = {}  # by the ids of the tensors
        self._known: dict[int, Value] = {}  # what is a constant from now on, likewise
        self._old: dict[int, Value] = {}  # grads that a call replaces by others, by the ids of what has them
        made = iter(self.graph.results)
        self._changed = self._changes(made)
        self.state = dict(sorted(self.state.items()))
        everything = [*map(Argument, replay.places), *replay.tensors, *replay.gradients, *replay.rates, *replay.draws]
        sources = [self._source(*each) for each in zip(self.graph.inputs, everything, strict=True)]
        self._sources = [source for source in sources if source is not None]
        self.graph.inputs = [value for value in self.graph.inputs if value.buffer is None]
        self._leaves = [next(made) if leaf is None else self._leaf(leaf) for leaf in replay.effects.leaves]
        self.graph.results = [*(new for _, new in self._changed), *(leaf for leaf in self._leaves if isinstance(leaf, Operand))]
        remove_unused(self.graph)

    def _changes(self, made: Iterator[Operand]) -> list[tuple[str, Operand]]:
        """What is changed, and to which of the results that are ``made``. A new grad is left out unless the next call reads it."""
        replay = self._replay
        read = {id(gradient.of) for gradient in replay.gradients}
        changed = [(self._kept(place, operand.spec), operand) for place, operand in zip(replay.effects.changed, made, strict=False)]
        graded = [*zip(replay.effects.graded, made, strict=False)]
        return changed + [(self._kept(Gradient(of), new.spec), new) for of, new in graded if id(of) in read]  # type: ignore[arg-type]

    def _kept(self, place: Place, spec: Spec) -> str:
        """The name of a tensor of the state, which each call gives another value with this Spec."""
        tensor, name = tensor_at(place, ()), self._replay.name_of(place)
        before = self._replay.grad_before(place.of) if isinstance(place, Gradient) else spec
        if tensor is None or tensor._spec is not spec or before is not spec or not spec.contiguous:
            raise TraceError(
                f"trace.dump: a call makes {name} {spec}, and now it is {None if tensor is None else tensor._spec}; "
                "these must be the same, in C order; call the function once more"
            )
        return self._state_names.setdefault(id(tensor), _add(self.state, name, tensor))

    def _source(self, value: Value, source: Any) -> list | None:
        """Where an input comes from; None if it is a constant from now on."""
        if isinstance(source, Argument):
            return ["argument", source.place]
        if isinstance(source, Rate):
            return ["rate", _add(self._rates, source.name, source), float(source.value), self.spec(source.spec)]
        if isinstance(source, Draw):
            return ["draw", source.count, str(as_device(source.device))]
        tensor = tensor_at(source, ())
        if id(tensor) in self._state_names:
            if isinstance(source, Gradient) and any(source.of is place for place in self._replay.effects.graded):
                self._old[id(source.of)] = value
            return ["state", self._state_names[id(tensor)]]
        if isinstance(source, Gradient):
            raise TraceError(f"trace.dump: the function reads {self._replay.name_of(source)}, which is nobody's argument")
        value.buffer, value.given = tensor._buffer, -1
        self._known[id(tensor)] = value
        return None

    def _leaf(self, leaf: Place) -> Operand | int | str:
        """A result that was there before: the number of an argument, the name of a tensor of the state, or a constant."""
        if isinstance(leaf, Argument):
            return leaf.place
        tensor = tensor_at(leaf, ())
        if isinstance(leaf, Gradient) and id(leaf.of) in self._old:
            return Operand(self._old[id(leaf.of)], 0, tensor._spec)
        name = self._state_names.get(id(tensor))
        if name is not None:
            return name
        if isinstance(leaf, Gradient):
            raise TraceError(f"trace.dump: the function returns {self._replay.name_of(leaf)}, which is not in a file")
        value = self._known.get(id(leaf)) or Value(leaf._spec.nbytes, buffer=leaf._buffer, name=self._replay.name_of(leaf))
        return Operand(value, 0, leaf._spec)

    def content(self, keep_lines: bool) -> dict[str, Any]:
        """All but names of arguments and results."""
        graph = self.graph
        constants = self._constants()
        number = {value: n for n, value in enumerate([*graph.inputs, *constants, *(v for call in graph.calls for v in call.outputs)])}

        def operand(found: Operand) -> list[int]:
            return [number[found.value], found.offset, self.spec(found.spec)]

        def call(each: Call) -> list:
            attrs = {name: _attribute(value) for name, value in each.arguments().items()}
            return [each.name, attrs, [*map(operand, each.inputs)], [*map(self.spec, each.specs)], each.where if keep_lines else ""]

        calls = [call(each) for each in graph.calls]
        return {
            "inputs": self._sources,
            "constants": self.constants,
            "state": self.state,
            "calls": calls,
            "changed": [[name, operand(new)] for name, new in self._changed],
            "leaves": [operand(leaf) if isinstance(leaf, Operand) else leaf for leaf in self._leaves],
            "specs": [[spec.shape, spec.dtype.name, str(spec.device), None if spec.contiguous else spec.strides] for spec in self._specs],
        }

    def spec(self, spec: Spec) -> int:
        """The number of a Spec in the table of Specs."""
        return self._specs.setdefault(spec, len(self._specs))

    def _constants(self) -> list[Value]:
        """The constants of the graph; they are put into ``constants`` in the same order."""
        shown: dict[Value, list[Operand]] = {}
        for operand in self.graph.operands():
            if operand.value.buffer is not None:
                shown.setdefault(operand.value, []).append(operand)
        for value, operands in shown.items():
            whole = next((operand.spec for operand in operands if operand.offset == 0 and operand.spec.contiguous), None)
            end = max(operand.offset + extent(operand.spec) for operand in operands)
            if whole is None or whole.nbytes < end:
                whole = Spec.of((end,), np.dtype("uint8"), operands[0].spec.device)
            name = value.name if self._keep and value.name else str(len(self.constants))
            _add(self.constants, name, Tensor._make(value.buffer, whole))
        return list(shown)

    @property
    def params(self) -> list[str]:
        """The names that weights have in the file, where they are kept."""
        return [name for name in self.constants if not name.isdigit()]


def _add(to: dict[str, Any], name: str, value: Any) -> str:
    """Put a value into a dict under a name that nothing else in it has; the name."""
    stem = name
    while name in to:
        name = f"{stem}#{len(to)}"
    to[name] = value
    return name


def _attribute(value: Any) -> Any:
    return {"dtype": value.name} if isinstance(value, np.dtype) else value
