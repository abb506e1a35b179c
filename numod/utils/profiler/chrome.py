"""A recording as a file in the Trace Event Format, which chrome://tracing and Perfetto load."""

from __future__ import annotations

import json
import os
import platform
from typing import TYPE_CHECKING, Any

import numpy as np

from ... import files
from ...spec import Spec

if TYPE_CHECKING:
    from .recording import Recording, Sample, Slice


def write(recording: Recording, path: str | os.PathLike) -> None:
    """Write the trace to ``path``, whose folder is made if it is not there."""
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    with files.replacing(path) as file:
        file.write(json.dumps(_trace(recording), separators=(",", ":")).encode())


def _trace(recording: Recording) -> dict[str, Any]:
    process = os.getpid()
    events: list[dict[str, Any]] = [{"ph": "M", "name": "process_name", "pid": process, "args": {"name": "numod"}}]
    for thread in recording.threads:
        events.append({"ph": "M", "name": "thread_name", "pid": process, "tid": thread.number, "args": {"name": thread.name}})
    # Where two slices begin together, viewers take the first for the outer one.
    slices = sorted(recording.slices(), key=lambda each: (each.begin, -each.end))
    events += [_slice(each, recording.began, process) for each in slices]
    events += [_counter(each, recording.began, process) for each in recording.samples()]
    return {"traceEvents": events, "displayTimeUnit": "ms", "metadata": {"process": process, "python": platform.python_version()}}


def _slice(each: Slice, origin: int, process: int) -> dict[str, Any]:
    """A complete event ("X"); times are microseconds."""
    event = {
        "ph": "X",
        "ts": (each.begin - origin) / 1000,
        "dur": (each.end - each.begin) / 1000,
        "pid": process,
        "tid": each.thread.number,
    }
    if isinstance(each.subject, str):
        return {"name": each.subject, "cat": "scope", **event}
    op, plan = each.subject.op, each.subject.plan
    about: dict[str, Any] = {
        "inputs": [_described(spec) for spec in plan.inputs],
        "outputs": [_described(spec) for spec in plan.outputs],
        "attributes": {name: _plain(value) for name, value in zip(op.attrs, each.subject.attrs, strict=True)},
        "device": each.subject.device.physical_name,
        "scope": "/".join(each.scopes),
    }
    if each.lines:
        about["backtrace"] = list(each.lines)
    return {"name": op.name, "cat": "op", **event, "args": about}


def _counter(sample: Sample, origin: int, process: int) -> dict[str, Any]:
    return {
        "ph": "C",
        "name": f"{sample.device.physical_name}_alloc_mem",
        "ts": (sample.time - origin) / 1000,
        "pid": process,
        "args": {"value": sample.used},
    }


def _described(spec: Spec) -> dict[str, Any]:
    return {"shape": list(spec.shape), "dtype": spec.dtype.name}


def _plain(value: Any) -> Any:
    """An op's attribute as JSON has it: infinities and all but plain values are written out."""
    if isinstance(value, (bool, int, str, type(None))) or (isinstance(value, float) and np.isfinite(value)):
        return value
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    return str(value)
