"""Run the workloads on every library that is there, alternating, and write the measurements as JSON.

    python benchmarks/run.py                         # everything; an hour or so
    python benchmarks/run.py --only matmul --threads 1
    python benchmarks/run.py --install torch jax     # make environments for the peers, in benchmarks/.peers

Each library runs in a process and an environment of its own. For each workload the libraries take turns, ``--rounds`` times;
a turn's time is the least of its calls, the result the median of the turns, and the spread is from the least to the largest of them.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import time
from pathlib import Path

import accuracy
import floors
import peers
import report
import starting
import workloads

from numod.kernel.host import vector_bytes


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(prog="numod bench", description="Measure numod against its peers.")
    parser.add_argument("--only", nargs="*", default=[""], help="workloads whose key (group/name) contains one of these")
    parser.add_argument("--threads", type=int, nargs="*", default=[1, 2], help="numbers of threads (default: 1 2)")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each library (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=0.1, help="length of a turn (default: %(default)s)")
    parser.add_argument("--libraries", nargs="*", default=list(peers.LIBRARIES), choices=peers.LIBRARIES)
    parser.add_argument("--peer", nargs="*", default=[], metavar="NAME=PYTHON", help="the Python that has a library")
    parser.add_argument("--install", nargs="*", choices=list(peers.PACKAGES), help="make environments for these peers and stop")
    parser.add_argument("--base", default=sys.executable, help="the Python of the environments that --install makes")
    parser.add_argument("--no-start", action="store_true", help="leave out what it takes to begin: imports, first steps, memory")
    parser.add_argument("--no-accuracy", action="store_true", help="leave out how exact results are")
    parser.add_argument("--out", type=Path, default=Path("benchmark.json"), help="where to write (default: %(default)s)")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """The command."""
    options = parse(arguments)
    if options.install is not None:
        for name in options.install:
            peers.install(name, options.base)
        return 0
    given = dict(each.split("=", 1) for each in options.peer)
    pythons = {name: peers.find(name, given) for name in options.libraries}
    for name, python in pythons.items():
        if python is None:
            print(f"{name} is not installed: its columns stay blank")
    present = {name: python for name, python in pythons.items() if python}
    chosen = [w for w in workloads.every() if any(part in w.key for part in options.only)]
    found = {"machine": machine(), "libraries": {}, "floors": {}, "rows": [], "accuracy": [], "start": []}
    if not options.no_start:
        found["start"] = starting.measure(present)
    for threads in options.threads:
        found["floors"][str(threads)] = floors.measure(threads)
        workers = {name: peers.Worker(name, python, threads) for name, python in present.items()}
        for name, worker in workers.items():
            found["libraries"][name] = worker.ask(describe=True)
        for workload in chosen:
            row = measure(workers, workload, threads, options)
            found["rows"].append(row)
            print(report.line(row, found["floors"][str(threads)]), flush=True)
            options.out.write_text(json.dumps(found, indent=1))
        if threads == options.threads[0] and not options.no_accuracy:
            rows = [accuracy.measure(workers, workload) for workload in accuracy.chosen(chosen)]
            found["accuracy"] = [row for row in rows if row is not None]
            options.out.write_text(json.dumps(found, indent=1))
        for worker in workers.values():
            worker.stop()
    return 0


def machine() -> dict[str, str]:
    """What it ran on."""
    name = platform.processor()
    if Path("/proc/cpuinfo").exists():
        name = next((line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line), name)
    return {"processor": name, "vectors": str(8 * vector_bytes()), "system": platform.platform(), "date": time.strftime("%Y-%m-%d")}


def measure(workers: dict[str, peers.Worker], workload: workloads.Workload, threads: int, options: argparse.Namespace) -> dict:
    """The times of one workload by library."""
    turns: dict[str, list[float]] = {}
    missing: dict[str, str] = {}
    request = {"operation": workload.operation, "arguments": workload.arguments, "seconds": options.seconds}
    for _ in range(options.rounds):
        for name, worker in workers.items():
            if name in missing:
                continue
            answer = worker.ask(**request)
            if "times" in answer:
                turns.setdefault(name, []).append(min(answer["times"]))
            else:
                missing[name] = answer["missing"]
    times = {name: {"median": statistics.median(t), "least": min(t), "most": max(t)} for name, t in turns.items()}
    row = {"group": workload.group, "name": workload.name, "threads": threads, "flops": workload.flops, "nbytes": workload.nbytes}
    return {**row, "times": times, "missing": missing}


if __name__ == "__main__":
    sys.exit(main())
