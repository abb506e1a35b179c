"""Programs from files, run without the Python code that they come from."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from .. import serialization, tape as tapes
from ..device import as_device
from ..dtype import as_dtype
from ..module.module import StateDict, load_into
from ..op import TABLE, apply, plan_for
from ..ops.view import astype
from ..random import rng as random
from ..serialization import FileFormatError
from ..spec import Spec
from ..tensor import Tensor
from .arguments import Hole
from .config import GraphOptimizationConfig, Options
from .errors import TraceError
from .graph import Call, Graph, Operand, Value, extent
from .replay import Argument, Draw, Effects, Rate, Replay
from .state import State
from .writing import KEY, VERSION


def load(file: str | os.PathLike | BinaryIO) -> Program:
    """Read a program that `trace.dump` wrote. No code comes from the file, and none of the model's is needed.

    The ops of the program are looked up by name: those of numod are there, and a module that declares ops of your own must be imported before.

    Raises FileFormatError (a ValueError) for a file that is truncated, damaged, newer than this version of numod, or something else, and for an op that is
    not registered, or gives something else than it did.

    >>> import io, numod as nm, numod.functional as F
    >>> from numod.jit import load, trace
    >>> double = trace(lambda x: F.relu(x) * 2, capture_as_const=True)
    >>> double(nm.Tensor([-1.0, 2.0])).tolist()
    [0.0, 4.0]
    >>> file = io.BytesIO()
    >>> double.dump(file, arg_names=["x"]).inputs
    ['x']
    >>> file.seek(0)
    0
    >>> program = load(file)
    >>> program(x=nm.Tensor([3.0, -1.0])).tolist()
    [6.0, 0.0]
    """
    name = repr(os.fspath(file)) if isinstance(file, (str, os.PathLike)) else "the file"
    found = serialization.load(file)
    if not isinstance(found, dict) or KEY not in found:
        raise FileFormatError(f"numod.jit.load: {name} is no program of trace.dump; what numod.save wrote is read by numod.load")
    version = found[KEY]
    if version not in (1, VERSION):  # 1 had neither a state nor learning rates
        raise FileFormatError(
            f"numod.jit.load: {name} is a program of version {version}, this numod reads versions up to {VERSION}; another numod wrote it"
        )
    try:
        return Program(_Reader(found))
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
        if isinstance(error, FileFormatError):
            raise FileFormatError(f"numod.jit.load: {name}: {error}") from None
        raise FileFormatError(f"numod.jit.load: {name} has no program that can be run: {error}") from error


class Parameter(NamedTuple):
    """An argument of a program."""

    name: str
    spec: Spec


class Program:
    """A program that was loaded. Call it with tensors or arrays, by position or by name; it returns what the function returned.

    A program that changes tensors, such as a training step, has tensors of its own for that, which begin with the values that they had at `dump`; `state_dict`
    and `load_state_dict` are about these.

    arguments: (name, spec) of each; spec has shape, dtype and device. outputs: names of the tensors in the result.
    learning_rates: by the names of optimizers, and the number of the group of parameters if there are several: ``"solver"``, or ``"solver[0]"`` and so on.
        They may be set to other numbers at any time.
    graph: the calls, which can be printed and drawn. user_info: what was given to `dump`.
    """

    def __init__(self, reader: _Reader):
        self.arguments, self.outputs, self.user_info = reader.arguments, reader.outputs, reader.user_info
        self.learning_rates, self._rates = reader.rates, {*reader.rates}
        self._state, self._specs = reader.state, [tensor._spec for tensor in reader.state.values()]
        specs = [spec for _, spec in self.arguments]
        options = Options(GraphOptimizationConfig(), 2 if reader.optimize else 0)
        self._replay = Replay(reader.graph, reader.sources, State({}), [], reader.effects, specs, options, {})
        self._replay.prepare()

    @property
    def graph(self) -> Graph:
        """What is run."""
        return self._replay.graph

    def __call__(self, *args: Any, **named: Any) -> Any:
        """Run it."""
        tensors = self._tensors(args, named)
        for (name, tensor), spec in zip(self._state.items(), self._specs, strict=True):
            if not _like(tensor._spec, spec):
                raise ValueError(f"program: {name} must be {_text(spec)} as it was, and is {_text(tensor._spec)}")
        if self.learning_rates.keys() != self._rates or not all(isinstance(rate, (int, float)) for rate in self.learning_rates.values()):
            raise ValueError(f"program: learning_rates must be one number for each of {sorted(self._rates)}, got {self.learning_rates}")
        return self._replay(tensors)

    def state_dict(self) -> dict[str, np.ndarray]:
        """The tensors that calls change, by name, as read-only NumPy arrays that later calls do not change.

        Names are those in the function that was traced: ``net.fc.weight`` for the weight ``fc.weight`` of a module ``net``,
        ``solver.net.fc.weight.exp_avg`` for what an optimizer ``solver`` keeps for it, and ``net.fc.weight.grad`` for a grad that the next call reads.
        """
        return {name: tensor.numpy() for name, tensor in self._state.items()}

    def load_state_dict(self, state_dict: StateDict, strict: bool = True) -> None:
        """Give the tensors that calls change the values of a `state_dict`, as `Module.load_state_dict` does."""
        load_into(((name, tensor, True) for name, tensor in self._state.items()), state_dict, strict, type(self).__name__)

    def _tensors(self, args: Sequence[Any], named: dict[str, Any]) -> list[Tensor]:
        """The arguments in order, as the program takes them."""
        names = [name for name, _ in self.arguments]
        given = dict(zip(names, args, strict=False))
        twice = given.keys() & named.keys()
        given |= named
        if len(args) > len(names) or twice or given.keys() != {*names}:
            raise TypeError(
                f"program: takes {', '.join(names) or 'nothing'}, each once; got {len(args)} by position and {[*named]} by name"
            )
        return [self._tensor(name, spec, given[name]) for name, spec in self.arguments]

    def _tensor(self, name: str, spec: Spec, value: Any) -> Tensor:
        if not isinstance(value, Tensor):
            value = Tensor(value, dtype=spec.dtype if getattr(value, "dtype", None) == spec.dtype else None, device=spec.device)
        found = value._spec
        if (found.shape, found.dtype, found.device) != (spec.shape, spec.dtype, spec.device):
            raise ValueError(f"program: {name} must be {_text(spec)}, got {_text(found)}")
        if tapes.active and tapes.current().recording and tapes.source(value) is not None:
            raise TraceError(
                f"program: gradients do not flow through a program that was loaded, and {name} has some; give it {name}.detach()"
            )
        return value if found.contiguous else apply(astype, (value,), (spec.dtype,))

    def __repr__(self) -> str:
        return f"Program({', '.join(f'{name}: {_text(spec)}' for name, spec in self.arguments)}) -> {', '.join(self.outputs)}"


def _like(spec: Spec, other: Spec) -> bool:
    """Whether a tensor with one Spec, in C order, can be in the place of one with the other."""
    return spec is other or (spec.contiguous and (spec.shape, spec.dtype, spec.device) == (other.shape, other.dtype, other.device))


def _text(spec: Spec) -> str:
    return f"{spec.dtype} of shape {spec.shape} on {spec.device}"


class _Reader:
    """Makes a graph of the plain data in a file. Everything in it is checked: no operand may lie outside of its value, whoever wrote the file."""

    def __init__(self, content: dict[str, Any]):
        self._specs = [_spec(*each) for each in content["specs"]]
        self.arguments = [Parameter(name, self._spec(spec)) for name, spec in content["arguments"]]
        self.outputs, self.user_info, self.optimize = list(content["outputs"]), content["user_info"], content["optimize"]
        self.graph = Graph()
        self.sources: list[Any] = []
        self.rates: dict[str, float] = {}
        # Tensors of their own: those in a file may be one object.
        self.state = {name: Tensor._make(tensor._buffer, tensor._spec) for name, tensor in content.get("state", {}).items()}
        self._values: list[Value] = []
        for kind, *source in content["inputs"]:
            self._input(kind, *source)
        for name, tensor in content["constants"].items():
            self._values.append(Value(tensor._spec.nbytes, buffer=tensor._buffer, name="" if name.isdigit() else name))
        for call in content["calls"]:
            self._call(*call)
        self.changed: list[Tensor] = []
        for name, new in content.get("changed", []):
            self._change(name, self._operand(*new))
        leaves = [self._leaf(leaf) for leaf in content["leaves"]]
        specs = [operand.spec for operand in self.graph.results]
        self.effects = Effects(self.changed, [], leaves, [], specs, _structure(content["structure"]))  # type: ignore[arg-type]

    def _spec(self, number: int) -> Spec:
        return self._specs[_index(number, self._specs)]

    def _input(self, kind: str, *source: Any) -> None:
        if kind == "argument":
            (place,) = source
            name, spec = self.arguments[_index(place, self.arguments)]
            self._given(Argument(place), spec.nbytes, name)
        elif kind == "state":
            (name,) = source
            if any(self.state[name] is other for other in self.sources):
                raise ValueError(f"{name!r} is read as two inputs")
            self._given(self.state[name], self.state[name]._spec.nbytes, name)
        elif kind == "rate":
            name, rate, number = source
            spec = self._spec(number)
            if spec.shape or name in self.rates:
                raise ValueError(f"the learning rate {name!r} has shape {spec.shape}, or is there twice")
            self.rates[name] = float(rate)
            self._given(Rate(name, self.rates, name, spec), spec.nbytes, "lr")
        elif kind == "draw":
            count, device = source
            if count < 0:
                raise ValueError(f"the program draws {count} numbers")
            self._given(Draw(random.default(), count, as_device(device)), 24)  # a key, a salt and a position
        else:
            raise ValueError(f"an input of the kind {kind!r}")

    def _given(self, source: Any, nbytes: int, name: str = "") -> None:
        value = Value(nbytes, given=len(self.graph.inputs), name=name, argument=isinstance(source, Argument))
        self.sources.append(source)
        self.graph.inputs.append(value)
        self._values.append(value)

    def _change(self, name: str, new: Operand) -> None:
        """Let a tensor of the state get a new value: one like the old one, which the next call reads."""
        tensor = self.state[name]
        if any(tensor is other for other in self.changed) or not _like(new.spec, tensor._spec):
            raise ValueError(f"{name} of shape {tensor.shape} becomes {new.spec}, or is changed twice")
        for value, source in zip(self.graph.inputs, self.sources, strict=True):
            if source is tensor:
                self.graph.updates[len(self.changed)] = value
        self.changed.append(tensor)
        self.graph.results.append(new)

    def _leaf(self, leaf: Any) -> Argument | Tensor | None:
        """A result: the number of an argument, the name of a tensor of the state, or an operand."""
        if isinstance(leaf, str):
            return self.state[leaf]
        if isinstance(leaf, int):
            return Argument(_index(leaf, self.arguments))
        self.graph.results.append(self._operand(*leaf))
        return None

    def _operand(self, number: int, offset: int, spec: int) -> Operand:
        operand = Operand(self._values[_index(number, self._values)], offset, self._spec(spec))
        if offset < 0 or offset % operand.spec.dtype.itemsize or offset + extent(operand.spec) > operand.value.nbytes:
            raise ValueError("an operand lies outside of its value")
        return operand

    def _call(self, name: str, attrs: dict[str, Any], inputs: list, specs: list, where: str) -> None:
        op = TABLE.get(name)
        if op is None:
            raise FileFormatError(f"op {name!r} is not registered; import the module that declares it before the program is loaded")
        operands = tuple(self._operand(*each) for each in inputs)
        outputs = tuple(self._spec(each) for each in specs)
        unknown = attrs.keys() - op.attrs.keys()
        if unknown:
            raise FileFormatError(f"op {name!r} takes no {sorted(unknown)}; this is not the op that the program was made with")
        values = tuple(_attribute(attrs.get(each, default)) for each, default in op.attrs.items())
        plan = plan_for(op, tuple(operand.spec for operand in operands), values)
        if plan.convert is not None or plan.outputs != outputs:
            raise FileFormatError(f"op {name!r} gives {plan.outputs} and not {outputs}; this is not the op that the program was made with")
        program = getattr(plan.run, "program", None)
        call = Call(name, op, values, operands, outputs, program, None if program else plan.run, where)
        if program is None:  # it may show memory of its input, which ends before that of a tensor in C order would
            for value, spec in zip(call.outputs, outputs, strict=True):
                value.nbytes = extent(spec)
        self.graph.calls.append(call)
        self._values += call.outputs


def _index(number: int, within: Sequence[Any]) -> int:
    """A place in a list; negative ones are not counted from the end."""
    if not 0 <= number < len(within):
        raise IndexError(f"index {number} is out of range for {len(within)} entries")
    return number


def _spec(shape: Sequence[int], dtype: str, device: str, strides: Sequence[int] | None) -> Spec:
    if any(n < 0 for n in (*shape, *(strides or ()))) or (strides is not None and len(strides) != len(shape)):
        raise ValueError(f"a tensor of shape {shape} with strides {strides}")
    return Spec.of(tuple(shape), as_dtype(dtype), as_device(device), None if strides is None else tuple(strides))


def _attribute(value: Any) -> Any:
    return as_dtype(value["dtype"]) if isinstance(value, dict) else value


_SEQUENCES, _DICTS = {"list": list, "tuple": tuple}, {"dict": dict, "OrderedDict": OrderedDict}


def _structure(node: list) -> Any:
    kind, *rest = node
    if kind == "tensor":
        return Hole()
    if kind in _SEQUENCES:
        return _SEQUENCES[kind](map(_structure, rest))
    if kind in _DICTS:
        keys, *items = rest
        return _DICTS[kind](zip(keys, map(_structure, items), strict=True))
    return rest[0]
