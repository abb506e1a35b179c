"""A library in a process of its own, in another Python: it is asked through pipes, and started again when it dies or hangs."""

import contextlib
import dataclasses
import os
import select
import subprocess
import sys
from pathlib import Path

import calls

SERVER = Path(calls.__file__)


class Dead(Exception):
    """The process died of a call, or did not answer in time."""


class Process:
    """The library `name` in the interpreter `python`; `answer` asks it."""

    def __init__(self, python=sys.executable, name="megengine", patience=20.0):
        self.command = [python, str(SERVER), name]
        self.patience = patience
        self.restarts = -1
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            self.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        self.restarts += 1
        self.wait(120.0)
        if calls.receive(self.process.stdout) != "ready":
            raise RuntimeError(f"{' '.join(self.command)} does not answer")

    def wait(self, seconds):
        if not select.select([self.process.stdout], [], [], seconds)[0]:
            raise Dead(f"no answer in {seconds:.0f} s")

    def answer(self, call):
        """What the library answers; {"dies": how} if it is lost over it, and then there is a new one."""
        parts = [getattr(call, part.name) for part in dataclasses.fields(call)]
        try:
            calls.send(self.process.stdin, parts)
            self.wait(self.patience)
            return calls.receive(self.process.stdout)
        except Dead as error:
            how = str(error)
        except (EOFError, BrokenPipeError):
            how = f"exit code {self.process.wait(5.0)}"
        self.stop()
        self.start()
        return {"dies": how}

    def stop(self):
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
