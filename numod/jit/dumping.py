"""Programs as files: what `trace.dump` writes.

A file is one of `numod.save`: arrays, and around them plain data, which is described in ``docs/adr/0012-programs-in-files.md``. It holds the graph as it was
captured: ops by their names in the table, attributes, Specs. Kernels and all that passes do are made anew by the process that loads it.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from .. import files, serialization
from ..device import as_device
from ..op import TABLE
from ..random import rng as random
from ..spec import Spec
from ..tensor import Tensor
from .arguments import Hole
from .errors import TraceError
from .graph import Call, Operand, Value, extent
from .passes.dead_code import remove_unused
from .replay import Argument, Replay

KEY, VERSION = "numod.jit program", 1

# How MegEngine lays out and fuses, which changes no result; here that is decided where the file is loaded.
_LAYOUTS = """hwcd4 nchw88 nchw44 nchw44_dot nchw4 nchw32 chwn4 nchw64
    fuse_conv_bias_nonlinearity fuse_conv_bias_with_z fuse_preprocess fuse_grain optimize_for_inference""".split()
OTHER_OPTIONS = {  # what only makes sense for MegEngine's own files, with what leaves it out
    "append": False,
    "keep_opr_priority": False,
    "strip_info_file": None,
    "append_json": False,
    "input_data": None,
    "repeat": 1,
    "silent": False,
    "no_assert": False,
    "maxerr": 1e-4,
    "resize_input": False,
    "input_transform": None,
    "dump_format": None,
    "model_version": 2,
}


class DumpResult(NamedTuple):
    """What a file of a program has in it: the number of calls, bytes of all and of the weights, and the names of what goes in and comes out."""

    nr_opr: int
    tot_bytes: int
    tensor_value_bytes: int
    content_hash: int
    inputs: list[str]
    outputs: list[str]
    params: list[str]


def check_options(options: dict[str, Any], layouts: dict[str, Any]) -> None:
    """Refuse MegEngine's options of `dump` that ask for what these files have not."""
    for name, value in options.items():
        if value != OTHER_OPTIONS[name]:
            raise ValueError(f"trace.dump: {name} must be {OTHER_OPTIONS[name]!r}, it is about MegEngine's own files; got {value!r}")
    for name, value in layouts.items():
        if name in ("enable_io16xc32", "enable_ioc16") and value:
            raise ValueError(f"trace.dump: {name} would change the results; cast to float16 in the function that is traced")
        if name.removeprefix("enable_") not in [*_LAYOUTS, "io16xc32", "ioc16"]:
            raise ValueError(f"trace.dump: unknown options: [{name!r}]")


def dump(
    replay: Replay,
    file: str | os.PathLike | BinaryIO,
    arg_names: Sequence[str] | str | None,
    output_names: Sequence[str] | str | None,
    optimize: bool,
    keep_lines: bool,
    keep_params: bool,
    user_info: Any,
) -> DumpResult:
    """Write the program of ``replay``; see `trace.dump`."""
    _refuse(replay)
    arguments = _named("arg_names", arg_names, "arg", len(replay.arguments))
    outputs = _named("output_names", output_names, "output", len(replay.effects.leaves))
    writer = _Writer(replay, keep_params)
    content = {
        KEY: VERSION,
        "arguments": [[name, writer.spec(spec)] for name, spec in zip(arguments, replay.arguments, strict=True)],
        "outputs": outputs,
        **writer.content(keep_lines),
        "structure": _plain(replay.effects.structure),
        "optimize": bool(optimize),
        "user_info": user_info,
    }
    stream = io.BytesIO()
    serialization.save(content, stream)
    data = stream.getvalue()
    if isinstance(file, (str, os.PathLike)):
        with files.replacing(file) as out:
            out.write(data)
    else:
        file.write(data)
    hashed = int.from_bytes(hashlib.sha256(data).digest()[:8], "little")
    return DumpResult(len(writer.graph.calls), len(data), writer.nbytes, hashed, arguments, outputs, writer.params)


def _refuse(replay: Replay) -> None:
    """Raise for what a file cannot hold: all that a call does beside returning something, and what it reads that is not the same in another process."""
    effects, name = replay.effects, replay.name_of
    for place in effects.changed:
        raise TraceError(
            f"trace.dump: the function changes {name(place)}; a program in a file only returns results (is a module in training?)"
        )
    for place in [*effects.graded, *effects.cleared]:
        raise TraceError(f"trace.dump: the function sets the grad of {name(place)}; a program in a file only returns results")
    for gradient in replay.gradients:
        raise TraceError(f"trace.dump: the function reads {name(gradient)}, which is nobody's argument")
    for _ in replay.rates:
        raise TraceError("trace.dump: the function reads the learning rate of an optimizer, which is not in a file")
    if len(replay.captured.results) != len(effects.specs):
        raise TraceError("trace.dump: the function was traced while a GradManager recorded; call it once outside of that")
    if not replay.distinct:
        raise TraceError("trace.dump: the function was traced with one tensor for several arguments; call it once with different ones")
    for number, spec in enumerate(replay.arguments):
        if not spec.contiguous:
            raise TraceError(
                f"trace.dump: argument {number} was a view with strides {spec.strides}; call the function once with a copy of it"
            )
    for draw in replay.draws:
        if draw.rng is not random.default():
            raise TraceError(
                "trace.dump: the function draws from an RNG of its own; a program in a file draws from the functions of numod.random"
            )
    for tensor, spec in zip(replay.tensors, replay.specs, strict=True):
        if tensor._spec is not spec:
            raise TraceError(f"trace.dump: {name(tensor)} has become {tensor._spec} after {spec}; call the function once more")
    for call in replay.captured.calls:
        if call.op is None or TABLE.get(call.op.name) is not call.op:
            raise TraceError(f"trace.dump: {call.name} ({call.where}) is not in the table of ops, where it would be looked up")


def _named(option: str, names: Sequence[str] | str | None, default: str, count: int) -> list[str]:
    names = [names] if isinstance(names, str) else [f"{default}_{n}" for n in range(count)] if names is None else list(names)
    if len(names) != count or len({*names}) != count or not all(isinstance(name, str) for name in names):
        raise ValueError(f"trace.dump: wrong number of {option}, should be {count} values, all different strings; got {names}")
    return names


def _plain(structure: Any) -> list:
    """The structure of a result as lists that begin with the kind of a node."""
    kind = type(structure)
    if kind is Hole and structure.qparams is not None:
        raise TraceError("trace.dump: a result is quantized, which a file does not say; dequantize it first")
    if kind is Hole:
        return ["tensor"]
    if kind in (list, tuple):
        return [kind.__name__, *map(_plain, structure)]
    if kind in (dict, OrderedDict):
        return [kind.__name__, list(structure), *map(_plain, structure.values())]
    if isinstance(structure, (list, tuple, dict)):
        raise TraceError(f"trace.dump: the result has a {kind.__name__}; a file can hold lists, tuples, dicts and OrderedDicts")
    return ["value", structure]


class _Writer:
    """The plain data of the graph of ``replay``.

    named: the constants, weights among them, by names that are unique.
    """

    def __init__(self, replay: Replay, keep_params: bool):
        self.graph = replay.captured.copy()
        self._replay, self._keep = replay, keep_params
        self._specs: dict[Spec, int] = {}
        self.named: dict[str, Tensor] = {}
        places, tensors = len(replay.places), len(replay.tensors)
        self._known: dict[int, Value] = {}
        for value, tensor in zip(self.graph.inputs[places : places + tensors], replay.tensors, strict=True):
            value.buffer, value.given = tensor._buffer, -1
            self._known[id(tensor)] = value
        self.graph.inputs = [value for value in self.graph.inputs if value.buffer is None]
        made = iter(self.graph.results)
        self._leaves = [next(made) if leaf is None else self._leaf(leaf) for leaf in replay.effects.leaves]
        self.graph.results = [leaf for leaf in self._leaves if isinstance(leaf, Operand)]
        remove_unused(self.graph)

    def _leaf(self, leaf: Any) -> Operand | int:
        """A result that is an argument, or a tensor that was there before and is a constant now."""
        if isinstance(leaf, Argument):
            return leaf.place
        if not isinstance(leaf, Tensor):
            raise TraceError(f"trace.dump: the function returns {self._replay.name_of(leaf)}, which is not in a file")
        value = self._known.get(id(leaf)) or Value(leaf._spec.nbytes, buffer=leaf._buffer, name=self._replay.name_of(leaf))
        return Operand(value, 0, leaf._spec)

    def content(self, keep_lines: bool) -> dict[str, Any]:
        """All but names."""
        graph, replay = self.graph, self._replay
        sources = [*(["argument", place] for place in replay.places), *(["draw", d.count, str(as_device(d.device))] for d in replay.draws)]
        constants = self._constants()
        number = {value: n for n, value in enumerate([*graph.inputs, *constants, *(v for call in graph.calls for v in call.outputs)])}

        def operand(found: Operand) -> list[int]:
            return [number[found.value], found.offset, self.spec(found.spec)]

        def call(each: Call) -> list:
            attrs = {name: _attribute(value) for name, value in each.arguments().items()}
            return [each.name, attrs, [*map(operand, each.inputs)], [*map(self.spec, each.specs)], each.where if keep_lines else ""]

        calls = [call(each) for each in graph.calls]
        leaves = [leaf if isinstance(leaf, int) else operand(leaf) for leaf in self._leaves]
        return {
            "inputs": sources,
            "constants": self.named,
            "calls": calls,
            "leaves": leaves,
            "specs": [[spec.shape, spec.dtype.name, str(spec.device), None if spec.contiguous else spec.strides] for spec in self._specs],
        }

    def spec(self, spec: Spec) -> int:
        """The number of a Spec in the table of Specs."""
        return self._specs.setdefault(spec, len(self._specs))

    def _constants(self) -> list[Value]:
        """The constants of the graph; they are put into ``named`` in the same order."""
        shown: dict[Value, list[Operand]] = {}
        for operand in self.graph.operands():
            if operand.value.buffer is not None:
                shown.setdefault(operand.value, []).append(operand)
        for value, operands in shown.items():
            whole = next((operand.spec for operand in operands if operand.offset == 0 and operand.spec.contiguous), None)
            end = max(operand.offset + extent(operand.spec) for operand in operands)
            if whole is None or whole.nbytes < end:
                whole = Spec.of((end,), np.dtype("uint8"), operands[0].spec.device)
            stem = name = value.name if self._keep and value.name else str(len(self.named))
            while name in self.named:
                name = f"{stem}#{len(self.named)}"
            self.named[name] = Tensor._make(value.buffer, whole)
        return list(shown)

    @property
    def params(self) -> list[str]:
        """The names that weights have in the file, where they are kept."""
        return [name for name in self.named if not name.isdigit()]

    @property
    def nbytes(self) -> int:
        """Of all constants."""
        return sum(tensor._spec.nbytes for tensor in self.named.values())


def _attribute(value: Any) -> Any:
    return {"dtype": value.name} if isinstance(value, np.dtype) else value
