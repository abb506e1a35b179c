"""What it takes to begin: importing, the first training step with an empty and with a full cache of kernels, memory, and space on disk."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
IMPORTS = {"numod": "numod", "torch": "torch", "jax": "jax.numpy", "megengine": "megengine"}
DISTRIBUTIONS = {
    "numod": "numod numba llvmlite numpy ml_dtypes platformdirs safetensors tqdm",
    "torch": "torch numpy",
    "jax": "jax jaxlib numpy scipy ml_dtypes opt_einsum",
    "megengine": "megengine numpy",
}
STEPS = (("model_step", "ConvNet", 64), ("model_step", "ResNet18", 16), ("traced_step", "ResNet18", 16))
MEMORY = (("ConvNet", 64), ("ResNet18", 16), ("AlexNet", 8), ("Transformer", 16), ("LSTM", 32))

PREPARE = """
import sys
sys.path[:0] = {folders!r}
import worker
library = worker.load({library!r})
library.set_threads({threads})
step = library.{operation}(name={name!r}, batch={batch})
"""
# The highest use of memory in the third and fourth step, beside what the process held before the first; a small model has been there before, so that
# the library is ready. (Linux forgets the highest use on demand.)
PEAK = """
import gc, pathlib
held = lambda name: next(int(line.split()[1]) for line in pathlib.Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
release = getattr(getattr(library, "nm", None), "coalesce_free_memory", lambda: None)
library.model_step(name="ConvNet", batch=1)()
before = held("VmRSS")
step(), step()
gc.collect()
release()
pathlib.Path("/proc/self/clear_refs").write_text("5")
step(), step()
print((held("VmHWM") - before) * 1024)
"""
SIZE = """
import importlib.metadata as metadata, pathlib
total = 0
for name in {names!r}.split():
    try:
        total += sum(f.size or 0 for f in metadata.files(name) or ())
    except metadata.PackageNotFoundError:
        pass
import {package} as package
if {names!r}.startswith("numod"):
    total += sum(f.stat().st_size for f in pathlib.Path(package.__file__).parent.rglob("*.py"))
print(total)
"""


def _run(python: str, program: str, cache: str | None = None) -> tuple[float, str]:
    """(seconds, what it printed) of a process."""
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent) if python == sys.executable else ""}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # what is installed has its bytecode
    if cache is not None:
        environment["NUMOD_CACHE_DIR"] = cache
    start = time.perf_counter()
    ran = subprocess.run([python, "-c", program], env=environment, capture_output=True, text=True, check=True)
    return time.perf_counter() - start, ran.stdout


def _program(library: str, operation: str, name: str, batch: int, threads: int) -> str:
    """Makes ``step``."""
    folders = [str(HERE), str(HERE / "libraries")]
    return PREPARE.format(folders=folders, library=library, operation=operation, name=name, batch=batch, threads=threads)


def _seconds(python: str, program: str, cache: str | None = None, rounds: int = 3) -> float:
    return statistics.median(_run(python, program, cache)[0] for _ in range(rounds))


def measure(pythons: dict[str, str], threads: int = 1) -> list[dict]:
    """Rows {"what", "unit", "values": {library: value}}."""
    rows: list[dict] = []

    def row(what: str, unit: str, values: dict[str, float]) -> None:
        rows.append({"what": what, "unit": unit, "values": values})
        print(f"{what:<60} {json.dumps(values)} {unit}", flush=True)

    libraries = {name: python for name, python in pythons.items() if name in IMPORTS}
    row(
        "import, beyond that of NumPy",
        "s",
        {name: _seconds(python, f"import {IMPORTS[name]}") - _seconds(python, "import numpy") for name, python in libraries.items()},
    )
    for operation, name, batch in STEPS:
        how = "traced " if operation == "traced_step" else ""
        label = f"from the start of the process to the end of the first {how}step, {name}"
        programs = {library: _program(library, operation, name, batch, threads) + "step()" for library in libraries}
        with tempfile.TemporaryDirectory() as cache:
            cold = _run(libraries["numod"], programs["numod"], cache)[0]
            kernels = sum(each.is_file() and not each.suffix for each in Path(cache).rglob("*"))
            warm = _seconds(libraries["numod"], programs["numod"], cache)
        row(f"{label}, with {kernels} kernels to compile", "s", {"numod": cold})
        peers = {} if how else {library: _seconds(python, programs[library]) for library, python in libraries.items() if library != "numod"}
        row(label, "s", {"numod": warm, **peers})
    for name, batch in MEMORY if Path("/proc/self/clear_refs").exists() else ():
        values = {}
        for library, python in libraries.items():
            for operation in ("model_step", "traced_step") if library == "numod" else ("model_step",):
                source = _program(library, operation, name, batch, threads) + PEAK
                used = min(float(_run(python, source)[1]) for _ in range(2))  # the first one may compile kernels
                values[library if operation == "model_step" else "numod traced"] = used / 2**20
        row(f"memory of training steps beside the model, {name}", "MiB", values)
    sizes = {}
    for name, python in libraries.items():
        sizes[name] = float(_run(python, SIZE.format(names=DISTRIBUTIONS[name], package=IMPORTS[name].split(".")[0]))[1]) / 2**20
    row("on disk, with what it needs", "MiB", sizes)
    return rows


def table(rows: list[dict]) -> list[str]:
    """As they stand in the report."""
    columns = list(dict.fromkeys(name for row in rows for name in row["values"]))
    lines = [f"| what | unit | {' | '.join(columns)} |", "| --- " * (2 + len(columns)) + "|"]
    for row in rows:
        values = [f"{row['values'][name]:.3g}" if name in row["values"] else "" for name in columns]
        lines.append(f"| {row['what']} | {row['unit']} | {' | '.join(values)} |")
    return lines
