"""``numod bench``: the benchmark, which lives in a checkout and not in the installed package."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

PROGRAM = Path("benchmarks", "run.py")


def run(arguments: argparse.Namespace) -> int:
    """The verb."""
    folders = (Path.cwd(), Path(__file__).parents[2])
    program = next((folder / PROGRAM for folder in folders if (folder / PROGRAM).exists()), None)
    if program is None:
        raise FileNotFoundError(f"bench: {PROGRAM} is neither here nor beside the package; run it in a checkout of numod")
    return subprocess.run([sys.executable, program, *arguments.rest], check=False).returncode
