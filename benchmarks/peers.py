"""The Python of each library, and the worker processes that run them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
LIBRARIES = ("numod", "numpy", "torch", "jax", "megengine")
PACKAGES = {
    "torch": ("torch==2.13.0", "numpy"),
    "jax": ("jax[cpu]",),
    "megengine": ("megengine==1.13.0", "numpy<2"),
    "numpy": ("numpy", "threadpoolctl"),
}


def find(name: str, given: dict[str, str]) -> str | None:
    """The Python that has a library: what was given, or the environment made by `install`; None if there is none."""
    if name == "numod":
        return sys.executable
    python = given.get(name) or os.environ.get(f"NUMOD_BENCH_{name.upper()}") or str(HERE / ".peers" / name / "bin" / "python")
    return python if Path(python).exists() else None


def install(name: str, base: str = sys.executable) -> None:
    """Make an environment with a library in ``benchmarks/.peers``."""
    folder = HERE / ".peers" / name
    subprocess.run([base, "-m", "venv", folder], check=True)
    subprocess.run([folder / "bin" / "python", "-m", "pip", "install", "--quiet", *PACKAGES[name]], check=True)


class Worker:
    """A process with one library at one number of threads."""

    def __init__(self, name: str, python: str, threads: int):
        environment = {**os.environ, "BENCH_THREADS": str(threads), "PYTHONPATH": str(HERE.parent) if name == "numod" else ""}
        for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMOD_NUM_THREADS"):
            environment[variable] = str(threads)
        self.process = subprocess.Popen(
            [python, str(HERE / "worker.py"), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=open(HERE / f"{name}.log", "a"),  # noqa: SIM115 - lives as long as the process
            text=True,
            env=environment,
        )

    def ask(self, **request) -> dict:
        """One request and its answer."""
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        return json.loads(line) if line else {"missing": f"its process ended with {self.process.wait()}"}

    def stop(self) -> None:
        """End the process."""
        self.process.stdin.close()
        self.process.wait(10)
