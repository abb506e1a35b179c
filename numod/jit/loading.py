"""Programs from files, run without the Python code that they come from."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, BinaryIO, NamedTuple

from .. import serialization, tape as tapes
from ..device import as_device
from ..dtype import as_dtype
from ..op import TABLE, apply, plan_for
from ..ops.view import astype
from ..random import rng as random
from ..serialization import FileFormatError
from ..spec import Spec
from ..tensor import Tensor
from .arguments import Hole, filler
from .config import GraphOptimizationConfig, Options
from .dumping import KEY, VERSION
from .errors import TraceError
from .graph import Call, Graph, Operand, Value, extent
from .lowering import Failure, lower
from .passes import optimize
from .replay import failed


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
    if version != VERSION:
        raise FileFormatError(
            f"numod.jit.load: {name} is a program of version {version}, this numod reads version {VERSION}; another numod wrote it"
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

    arguments: (name, spec) of each; spec has shape, dtype and device. outputs: names of the tensors in the result.
    graph: the calls, which can be printed and drawn. user_info: what was given to `dump`.
    """

    def __init__(self, reader: _Reader):
        self.arguments, self.outputs, self.user_info = reader.arguments, reader.outputs, reader.user_info
        self.graph = reader.graph
        self._sources, self._leaves, self._fill = reader.sources, reader.leaves, filler(reader.structure)
        optimize(self.graph, Options(GraphOptimizationConfig(), 2 if reader.optimize else 0))
        self._run = lower(self.graph)

    def __call__(self, *args: Any, **named: Any) -> Any:
        """Run it."""
        tensors = self._tensors(args, named)
        buffers = [
            tensors[source]._buffer if isinstance(source, int) else random.default()._take(*source)._buffer for source in self._sources
        ]
        try:
            made = iter(self._run(buffers))
        except Failure as failure:
            raise failed(failure) from None
        return self._fill([tensors[leaf] if isinstance(leaf, int) else Tensor._make(next(made), leaf) for leaf in self._leaves])

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


def _text(spec: Spec) -> str:
    return f"{spec.dtype} of shape {spec.shape} on {spec.device}"


class _Reader:
    """Makes a graph of the plain data in a file. Everything in it is checked: no operand may lie outside of its value, whoever wrote the file."""

    def __init__(self, content: dict[str, Any]):
        self._specs = [_spec(*each) for each in content["specs"]]
        self.arguments = [Parameter(name, self._specs[spec]) for name, spec in content["arguments"]]
        self.outputs, self.user_info, self.optimize = list(content["outputs"]), content["user_info"], content["optimize"]
        self.structure = _structure(content["structure"])
        self.graph = Graph()
        self._values: list[Value] = []
        self.sources: list[Any] = []
        for kind, *source in content["inputs"]:
            self._input(kind, source)
        for name, tensor in content["constants"].items():
            self._values.append(Value(tensor._spec.nbytes, buffer=tensor._buffer, name="" if name.isdigit() else name))
        for call in content["calls"]:
            self._call(*call)
        self.leaves: list[Any] = []
        for leaf in content["leaves"]:
            if isinstance(leaf, int):
                self.leaves.append(_index(leaf, self.arguments))
            else:
                self.graph.results.append(self._operand(*leaf))
                self.leaves.append(self.graph.results[-1].spec)

    def _input(self, kind: str, source: list) -> None:
        if kind == "draw":
            count, device = source
            self.sources.append((count, as_device(device)))
            value = Value(24, given=len(self.graph.inputs))  # a key, a salt and a position
        else:
            (place,) = source
            name, spec = self.arguments[_index(place, self.arguments)]
            self.sources.append(place)
            value = Value(spec.nbytes, given=len(self.graph.inputs), name=name, argument=True)
        self.graph.inputs.append(value)
        self._values.append(value)

    def _operand(self, number: int, offset: int, spec: int) -> Operand:
        operand = Operand(self._values[_index(number, self._values)], offset, self._specs[spec])
        if offset < 0 or offset % operand.spec.dtype.itemsize or offset + extent(operand.spec) > operand.value.nbytes:
            raise ValueError("an operand lies outside of its value")
        return operand

    def _call(self, name: str, attrs: dict[str, Any], inputs: list, specs: list, where: str) -> None:
        op = TABLE.get(name)
        if op is None:
            raise FileFormatError(f"op {name!r} is not registered; import the module that declares it before the program is loaded")
        operands = tuple(self._operand(*each) for each in inputs)
        outputs = tuple(self._specs[each] for each in specs)
        unknown = attrs.keys() - op.attrs.keys()
        if unknown:
            raise FileFormatError(f"op {name!r} takes no {sorted(unknown)}; this is not the op that the program was made with")
        values = tuple(_attribute(attrs.get(each, default)) for each, default in op.attrs.items())
        plan = plan_for(op, tuple(operand.spec for operand in operands), values)
        if plan.convert is not None or plan.outputs != outputs:
            raise FileFormatError(f"op {name!r} gives {plan.outputs} and not {outputs}; this is not the op that the program was made with")
        program = getattr(plan.run, "program", None)
        call = Call(name, op, values, operands, outputs, program, None if program else plan.run, where)
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
