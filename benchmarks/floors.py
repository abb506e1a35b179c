"""What the machine can do at most: operations a second in fused multiply-adds, and bytes a second through memory.

Run as a program it prints both for ``NUMOD_NUM_THREADS`` threads; `measure` runs it in a process of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

CHAINS, ROUNDS, TASKS = 12, 20_000, 64  # independent sums in registers; steps of each; pieces that threads share
BYTES = 1 << 27  # of an array that no cache holds


def measure(threads: int) -> dict[str, float]:
    """{"flops": operations a second, "bytes": bytes a second}."""
    environment = {**os.environ, "NUMOD_NUM_THREADS": str(threads)}
    environment["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parents[1]), str(Path(__file__).parent)])
    ran = subprocess.run([sys.executable, __file__], env=environment, check=True, capture_output=True, text=True)
    flops, nbytes = map(float, ran.stdout.split())
    return {"flops": flops, "bytes": nbytes}


def peak(lanes: int):
    """The kernel of the multiply-adds: nothing but registers."""
    from numod.kernel.simd import Vectors, native, word

    def emit(builder, arguments):
        (out,) = arguments
        v = Vectors(builder, lanes)
        factor, addend = v.broadcast(out), v.load(out)
        sums = v.loop(word(ROUNDS), [addend] * CHAINS, lambda state: [v.fma(each, factor, addend) for each in state])
        total = sums[0]
        for each in sums[1:]:
            total = builder.fadd(total, each)
        v.store(total, out)

    work = native(f"peak.{lanes}", 1, emit)

    def kernel(begin, end, args, scratch):
        for _ in range(begin, end):
            work((scratch,))

    return kernel


def _best(run, seconds: float = 1.0) -> float:
    best, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - start)
    return best


def main() -> None:
    """Measure in this process."""
    import numpy as np

    import numod.functional as F
    from numod import Tensor
    from numod.kernel import executor
    from numod.kernel.host import lanes_of
    from numod.kernel.program import Kernel, Program, Step

    lanes = lanes_of(4)
    run = executor.compile(Program((64,), 0, (Step(Kernel(("peak", lanes), "floors:peak"), TASKS, (), 1, 64),)))
    run()
    flops = TASKS * ROUNDS * CHAINS * lanes * 2 / _best(run)
    x = Tensor(np.ones(BYTES // 4, np.float32))
    print(flops, max(2 * BYTES / _best(lambda: F.relu(x)), 3 * BYTES / _best(lambda: x + x)))


if __name__ == "__main__":
    main()
