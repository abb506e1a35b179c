"""Recording: what happened while a profile was made. What it hooks into is told in `watching`."""

from __future__ import annotations

import contextlib
import sys
import threading
import traceback
from collections.abc import Iterator
from time import perf_counter_ns
from typing import NamedTuple

from ...device import Device, as_device
from ...kernel import memory
from . import watching

current: Recording | None = None  # the one that is running
_mutex = threading.Lock()


class Thread:
    """A thread that ran ops or scopes, and the scopes it is in now."""

    __slots__ = ("began", "name", "number", "scopes")

    def __init__(self, number: int):
        self.number, self.name = number, threading.current_thread().name
        self.scopes: tuple[str, ...] = ()
        self.began: list[int] = []  # when it entered each of the scopes


class Slice(NamedTuple):
    """Something that took time. subject: what a plan's watcher knows of an op, or the name of a scope; times are in nanoseconds."""

    subject: watching.Watched | str
    begin: int
    end: int
    thread: Thread
    scopes: tuple[str, ...]
    lines: tuple[str, ...]  # of Python that led here, the outermost first


class Sample(NamedTuple):
    """The bytes that tensors on a device used at some time."""

    device: Device
    time: int
    used: int


class Recording:
    """Ops, scopes and memory, from `start` to `stop`; the arguments are those of Profiler."""

    def __init__(self, sample_rate: int, profile_device: int, with_backtrace: bool = False, with_scopes: bool = False):
        self.sample_rate, self.with_backtrace = sample_rate, with_backtrace
        self.running = False
        self.began = 0
        self._slices: list[tuple] = []  # plain tuples cost a tenth while ops run
        self._samples: list[tuple] = []
        self.threads: list[Thread] = []
        self._local = threading.local()
        self._ops = 0
        self._watch = watching.Watch(self, wait=bool(profile_device), functions=with_scopes)

    def start(self) -> None:
        """Record from here. RuntimeError if another recording runs."""
        global current
        with _mutex:
            if current is not None:
                raise RuntimeError("Profiler: a profile is being made already, and there can be only one at a time")
            current, self.running = self, True
        self.began = perf_counter_ns()
        self._sample(as_device(None))
        self._watch.begin()

    def stop(self) -> None:
        """The end. Scopes that are still open end here."""
        global current
        self._watch.end()
        with _mutex:
            if current is self:
                current = None
            self.running = False
        now = perf_counter_ns()
        for thread in self.threads:
            for depth, (name, begin) in enumerate(zip(thread.scopes, thread.began, strict=False)):
                self._slices.append((name, begin, now, thread, thread.scopes[:depth], ()))
        for device in {sample.device for sample in self.samples()}:
            self._sample(device)

    def slices(self) -> list[Slice]:
        """All ops and scopes so far, in the order in which they ended."""
        return [Slice(*each) for each in self._slices]

    def samples(self) -> list[Sample]:
        """All samples of memory so far."""
        return [Sample(*each) for each in self._samples]

    def thread(self) -> Thread:
        """The calling thread."""
        try:
            return self._local.thread
        except AttributeError:
            with _mutex:
                thread = Thread(len(self.threads))
                self.threads.append(thread)
            self._local.thread = thread
            return thread

    @contextlib.contextmanager
    def scope(self, name: str) -> Iterator[None]:
        """What happens in this block is in a scope of that name."""
        thread = self.thread()
        outer, begin = thread.scopes, perf_counter_ns()
        thread.scopes = (*outer, name)
        thread.began.append(begin)
        try:
            yield
        finally:
            thread.scopes = outer
            thread.began.pop()
            if self.running:
                self._slices.append((name, begin, perf_counter_ns(), thread, outer, ()))

    def add(self, watched: watching.Watched, begin: int, end: int) -> None:
        """An op ran."""
        thread = self.thread()
        lines = _lines() if self.with_backtrace else ()
        self._slices.append((watched, begin, end, thread, thread.scopes, lines))
        self._ops += 1
        if self.sample_rate and self._ops % self.sample_rate == 0:
            self._sample(watched.device)

    def _sample(self, device: Device) -> None:
        self._samples.append((device, perf_counter_ns(), memory.usage(device)["live"]))


def _lines() -> tuple[str, ...]:
    """Where in Python the caller of a kernel is."""
    frames = traceback.walk_stack(sys._getframe(3))
    return tuple(f"{frame.f_code.co_filename}, line {line}, in {frame.f_code.co_qualname}" for frame, line in frames)[::-1]
