"""Runs kernels below the op table: a scalar function or a Program on NumPy arrays."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from numod.device import as_device
from numod.kernel import elementwise, executor, memory
from numod.spec import Spec

CPU = as_device("cpu0")


def spec_of(array):
    return Spec.of(array.shape, array.dtype, CPU)


def launch(program, inputs, outputs):
    """The outputs of a Program, seen with these Specs; None if a kernel reported an error."""
    buffers = executor.compile(program)(*[memory.from_numpy(x, CPU)[0] for x in inputs])
    if buffers is None:
        return None
    buffers = buffers if isinstance(buffers, tuple) else (buffers,)
    arrays = [memory.to_numpy(buffer, spec) for buffer, spec in zip(buffers, outputs, strict=True)]
    return arrays[0] if len(arrays) == 1 else arrays


def each(code, *inputs, dtype="float32", out=None, grain=None):
    """``code`` at each element of the inputs, computed in ``dtype``; in pieces of ``grain`` elements if that is given."""
    inputs = [np.asarray(x, None if hasattr(x, "dtype") else dtype) for x in inputs]
    spec = Spec.of(np.broadcast_shapes(*[x.shape for x in inputs]), np.dtype(out or dtype), CPU)
    program = elementwise.program(code, [spec_of(x) for x in inputs], [spec], np.dtype(dtype))
    if grain:
        program = replace(program, steps=tuple(replace(step, grain=grain) for step in program.steps))
    return launch(program, inputs, [spec])


def tripled(x):
    """For tests in other processes: a kernel's function must be in a file."""
    return x * 3.0


def halved(x):
    """Another one."""
    return x * 0.5


def fresh_process(code, **environment):
    """What a new Python process prints; it must succeed, and warnings are errors there too."""
    run = start_process(code, **environment)
    out, error = run.communicate(timeout=300)
    assert run.returncode == 0, error
    return out.strip()


def start_process(code, **environment):
    """A new Python process that runs ``code``, with numod and this folder on its path."""
    paths = [str(Path(__file__).parent), str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), **{name: str(value) for name, value in environment.items()}}
    return subprocess.Popen([sys.executable, "-W", "error", "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)
