"""What users call: Profiler, a context manager and decorator, and the functions under it."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Self

from . import chrome, recording
from .recording import Recording


class Profiler(contextlib.ContextDecorator):
    """Records the ops that run in a ``with`` block, or in each call of a function it decorates, and writes a trace of them when that ends.

    Each op has its name, the shapes and dtypes of its inputs and outputs, its attributes, the time that its kernels took, its thread, and the
    scope it ran in: the attributes under which modules were called, ``backward``, ``step`` and what `scope` names. A counter shows the memory
    that tensors use. Ops of all threads are recorded, those of backward too; there is one profile at a time.

    path: the folder of the trace, which is ``<path>/<process id>.<format>``; a later profile of the same process overwrites it.
    format, formats: must be "chrome_timeline.json", or a list of it.
    with_backtrace: also record the lines of Python that led to each op.
    with_scopes: functions and methods of tensors are scopes as well, if they are reached through ``numod.functional`` and ``Tensor``.
    sample_rate: the memory is looked at after every so many ops; 0: only when the profile starts and stops.
    profile_device: 1: wait for a GPU after each op, so that times are those of its kernels; 0: times of an op on a GPU are those of its launch.

    Raises ValueError for another format or value, TypeError for another option, RuntimeError if a profile is being made already.

    >>> import glob, tempfile, numod as nm, numod.module as M
    >>> folder = tempfile.TemporaryDirectory()
    >>> net = M.Sequential(M.Linear(4, 3), M.ReLU())
    >>> with Profiler(folder.name):
    ...     y = net(nm.Tensor([[1.0, 2.0, 3.0, 4.0]]))
    >>> len(glob.glob(f"{folder.name}/*.chrome_timeline.json"))
    1
    >>> folder.cleanup()
    """

    CHROME_TIMELINE: ClassVar[str] = "chrome_timeline.json"
    valid_formats: ClassVar[set[str]] = {CHROME_TIMELINE}
    valid_options: ClassVar[dict[str, int]] = {"sample_rate": 1, "profile_device": 1}

    def __init__(
        self,
        path: str = "profile",
        format: str = CHROME_TIMELINE,
        formats: Sequence[str] | None = None,
        with_backtrace: bool = False,
        with_scopes: bool = False,
        **kwargs: int,
    ) -> None:
        self.directory = os.fspath(path)
        if isinstance(formats, str):
            raise TypeError(f"Profiler: formats must be a list, got {formats!r}")
        self.formats = [format] if formats is None else list(formats)
        for each in self.formats:
            _check_format("Profiler", each)
        self._settings: dict[str, Any] = {
            **_checked_options("Profiler", kwargs),
            "with_backtrace": bool(with_backtrace),
            "with_scopes": bool(with_scopes),
        }
        self._recording: Recording | None = None

    @property
    def path(self) -> str:
        """Where the trace is written."""
        return os.path.join(self.directory, f"{os.getpid()}.{self.CHROME_TIMELINE}")

    def start(self) -> Self:
        """Start to record, forgetting what this Profiler recorded before."""
        fresh = Recording(**self._settings)
        fresh.start()
        self._recording = fresh
        return self

    def stop(self) -> None:
        """Stop recording, and write the trace. Raises RuntimeError if this Profiler is not recording."""
        self._end("stop")
        self.dump()

    def step(self) -> Self:
        """Stop recording and start anew: of a loop that steps, the trace shows what came after the last step."""
        self._end("step")
        return self.start()

    def dump(self) -> None:
        """Write the trace of what was recorded last once more; nothing if there is none, or if it is being recorded."""
        if self._recording is not None and not self._recording.running:
            chrome.write(self._recording, self.path)

    def _end(self, method: str) -> None:
        if self._recording is None or not self._recording.running:
            raise RuntimeError(f"Profiler.{method}: this Profiler is not recording; call start() or enter it first")
        self._recording.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *error: object) -> None:
        self.stop()


def profile(*args: Any, **kwargs: Any) -> Callable:
    """Decorator: profile each call of a function. ``@profile``, or with a `Profiler`'s arguments, ``@profile("folder", with_scopes=True)``.

    >>> import os, tempfile, numod as nm
    >>> folder = tempfile.TemporaryDirectory()
    >>> @profile(folder.name)
    ... def double(x):
    ...     return x + x
    >>> double(nm.Tensor([1.0])).tolist(), len(os.listdir(folder.name))
    ([2.0], 1)
    >>> folder.cleanup()
    """
    if len(args) == 1 and not kwargs and callable(args[0]):
        return Profiler()(args[0])
    return Profiler(*args, **kwargs)


@contextlib.contextmanager
def scope(name: str) -> Iterator[None]:
    """Ops in this block are shown under ``name``. Without a profile it does nothing.

    >>> with scope("augment"):
    ...     pass
    """
    current = recording.current
    with contextlib.nullcontext() if current is None else current.scope(name):
        yield


def is_profiling() -> bool:
    """Whether a profile is being made.

    >>> is_profiling()
    False
    """
    return recording.current is not None


def start_profile(options: Mapping[str, int] | None = None) -> None:
    """Start to record without a Profiler, with its options ``sample_rate`` and ``profile_device``; then call `stop_profile`."""
    settings: dict[str, Any] = _checked_options("start_profile", options or {})
    Recording(**settings).start()


def stop_profile() -> Callable[[str, str], None]:
    """Stop recording; what is returned writes the trace, as ``write(path, "chrome_timeline.json")``.

    Raises RuntimeError if no profile is being made.

    >>> import json, os, tempfile, numod as nm
    >>> start_profile({"sample_rate": 0})
    >>> y = nm.Tensor([1.0]) * 3.0
    >>> write = stop_profile()
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write(os.path.join(folder, "trace.json"), "chrome_timeline.json")
    ...     os.listdir(folder)
    ['trace.json']
    """
    current = recording.current
    if current is None:
        raise RuntimeError("stop_profile: no profile is being made; call start_profile first")
    current.stop()
    return functools.partial(_write, current)


def _write(done: Recording, path: str, format: str = Profiler.CHROME_TIMELINE) -> None:
    _check_format("stop_profile", format)
    chrome.write(done, path)


def _check_format(where: str, name: str) -> None:
    if name not in Profiler.valid_formats:
        raise ValueError(f"{where}: format {name!r} is not known, accepted is {Profiler.CHROME_TIMELINE!r}")


def _checked_options(where: str, given: Mapping[str, int]) -> dict[str, int]:
    accepted = Profiler.valid_options
    for name, value in given.items():
        if name not in accepted:
            raise TypeError(f"{where}: there is no option {name!r}, accepted are {', '.join(accepted)}")
        if not isinstance(value, int) or value < 0:
            raise ValueError(f"{where}: {name} must be 0 or a positive integer, got {value!r}")
    if given.get("profile_device", 0) > 1:
        raise ValueError(f"{where}: profile_device must be 0 or 1, got {given['profile_device']}")
    return {**accepted, **given}
