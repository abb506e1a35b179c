"""One library in a process of its own: reads requests from standard input, a JSON object a line, and answers in the same way.

Requests: {"operation", "arguments", "seconds"} -> {"times": [seconds a call, ...]} or {"missing": why};
{"operation", "arguments", "save": file} -> writes the result; {"describe": true} -> versions.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
import traceback
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE / "libraries")]


def load(name):
    """The operations of a library."""
    if name in ("numod", "megengine"):
        return importlib.import_module("mge").Operations(name)
    return importlib.import_module(f"{name}_")


def measure(run, seconds):
    """Times of single calls, each the mean of as many as take about 2 ms; at least 3 times, at most for ``seconds``."""
    run()
    start = time.perf_counter()
    run()
    once = time.perf_counter() - start
    count = max(1, round(0.002 / max(once, 1e-7)))
    times, end = [], time.perf_counter() + seconds
    while len(times) < 3 or time.perf_counter() < end:
        start = time.perf_counter()
        for _ in range(count):
            run()
        times.append((time.perf_counter() - start) / count)
    return times


def main():
    """Serve until standard input ends."""
    channel = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print must not be taken for an answer
    library = load(sys.argv[1])
    library.set_threads(int(os.environ["BENCH_THREADS"]))
    ready = {}
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if "describe" in request:
                answer = library.describe()
            else:
                key = json.dumps([request["operation"], request["arguments"]])
                if key not in ready:
                    ready.clear()
                    operation = getattr(library, request["operation"], None)
                    ready[key] = operation(**request["arguments"]) if operation else None
                run = ready[key]
                if run is None:
                    answer = {"missing": "not in this library"}
                elif "save" in request:
                    import numpy as np

                    if request.get("wide"):
                        library.REAL = library.torch.float64
                        run = getattr(library, request["operation"])(**request["arguments"])
                    np.save(request["save"], library.finish(run()))
                    ready.clear()
                    if request.get("wide"):
                        library.REAL = library.torch.float32
                    answer = {}
                else:
                    answer = {"times": measure(run, request["seconds"])}
        except Exception as error:
            traceback.print_exc()
            answer = {"missing": f"{type(error).__name__}: {error}"[:200]}
        channel.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
