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

from .. import files, serialization
from ..op import TABLE
from ..random import rng as random
from .arguments import Hole
from .errors import TraceError
from .replay import Argument, Gradient, Replay
from .writing import KEY, VERSION, Writer

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
    """What a file of a program has in it: the number of calls, bytes of all and of the tensors, and names of what goes in, comes out and is there.

    params: the names of weights that stay as they are. state: those of tensors that each call changes.
    """

    nr_opr: int
    tot_bytes: int
    tensor_value_bytes: int
    content_hash: int
    inputs: list[str]
    outputs: list[str]
    params: list[str]
    state: list[str]


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
    writer = Writer(replay, keep_params)
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
    nbytes = sum(tensor._spec.nbytes for tensor in [*writer.constants.values(), *writer.state.values()])
    return DumpResult(len(writer.graph.calls), len(data), nbytes, hashed, arguments, outputs, writer.params, [*writer.state])


def _refuse(replay: Replay) -> None:
    """Raise for what a file cannot hold: changes of arguments, a next call that is another one, and what is not the same in another process."""
    effects, name = replay.effects, replay.name_of
    for place in [*effects.changed, *effects.graded, *effects.cleared]:
        if isinstance(place.of if isinstance(place, Gradient) else place, Argument):
            raise TraceError(
                f"trace.dump: the function changes {name(place)} or its grad; a program in a file changes only tensors of its own"
            )
    for place in [*(each for each in effects.graded if replay.grad_before(each) is None), *effects.cleared]:
        raise TraceError(
            f"trace.dump: {name(place)} has a grad before or after a call and not both, so that the next call does something else; "
            "clear the grads in the function, or call it once more"
        )
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
