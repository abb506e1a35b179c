"""``numod info``: what is running where, as it should stand in a report of a problem."""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform

import llvmlite.binding as llvm

from .. import __version__, config
from ..kernel import cache, host


def facts() -> dict[str, str]:
    """Each line's label and value."""
    files = cache.kernels()
    size = sum(file.stat().st_size for file in files)
    libraries = ("numba", "llvmlite", "numpy", "safetensors")
    return {
        "numod": __version__,
        "Python": f"{platform.python_version()} on {platform.platform()}",
        "libraries": ", ".join(f"{name} {importlib.metadata.version(name)}" for name in libraries),
        "processor": f"{llvm.get_host_cpu_name()}, {platform.machine()}, vectors of {8 * host.vector_bytes()} bits",
        "threads": f"{config.num_threads} of {os.cpu_count()} (NUMOD_NUM_THREADS)",
        "threading layer": "numod's own pool: native threads that wait without the interpreter lock",
        "kernels": "interpreted as plain Python (NUMBA_DISABLE_JIT)" if config.interpret else "compiled",
        "kernel cache": f"{cache.folder()} (NUMOD_CACHE_DIR): {len(files)} kernels, {size / 1e6:.1f} MB",
        "CUDA": cuda(),
    }


def cuda() -> str:
    """What there is of CUDA."""
    try:
        package = importlib.metadata.version("numba-cuda")
    except importlib.metadata.PackageNotFoundError:
        return "not installed: pip install 'numod[cuda12]' or 'numod[cuda13]'"
    return f"numba-cuda {package}"


def run(arguments: argparse.Namespace) -> int:
    """The verb."""
    for label, value in facts().items():
        print(f"{label:<16} {value}")
    return 0
