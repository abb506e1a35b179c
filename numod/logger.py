"""Loggers with MegEngine's names: messages in colour on a terminal, and in plain text in a file where one is set.

The loggers are Python's own (`logging`); those from `get_logger` print to stderr by themselves and pass nothing on to the loggers above them.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Iterator
from typing import Any, TextIO

_GREEN, _YELLOW, _CYAN, _RED, _RED_LINE, _PLAIN = ("\x1b[32m", "\x1b[33m", "\x1b[36m", "\x1b[1;31m", "\x1b[1;4;31m", "\x1b[0m")
_LABELS = ((logging.ERROR, "ERR ", _RED_LINE), (logging.WARNING, "WRN ", _RED), (logging.INFO, "", ""), (0, "DBG ", _CYAN))
_DATE = "%d %H:%M:%S"

_known: dict[str | None, logging.Logger] = {}
_level: int | str = logging.INFO
_file: _File | None = None


class MegEngineLogFormatter(logging.Formatter):
    """The day and time, a label for the level, and the message; ``colored`` None means if stderr is a terminal."""

    source, shade = "", _GREEN

    def __init__(self, fmt=None, datefmt=None, style="%", validate=True, *, defaults=None, colored: bool | None = None):
        super().__init__(fmt, datefmt or _DATE, style, validate, defaults=defaults)
        self.colored = colored

    def format(self, record: logging.LogRecord) -> str:
        """The line (or lines, of an exception) for a record."""
        colored = sys.stderr.isatty() if self.colored is None else self.colored
        label, shade = next((label, shade) for level, label, shade in _LABELS if record.levelno >= level)
        head, text = f"{self.formatTime(record, self.datefmt)}{self.source} ", label + _body(self, record)
        return f"{self.shade}{head}{_PLAIN}{shade}{text}{_PLAIN if shade else ''}" if colored else head + text


class MegBrainLogFormatter(MegEngineLogFormatter):
    """The same for messages of the kernel layer, which are marked as such."""

    source, shade = "[mgb]", _YELLOW


class _FileFormatter(logging.Formatter):
    """Where a message comes from as well: ``[day time line@file:logger] message``."""

    def format(self, record: logging.LogRecord) -> str:
        label = next(label for level, label, _ in _LABELS if record.levelno >= level)
        place = f"{record.lineno}@{record.filename}:{record.name}"
        return f"[{self.formatTime(record, _DATE)} {place}] {label}{_body(self, record)}"


def _body(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    """The message, and the traceback of an exception below it."""
    lines = [record.getMessage()]
    if record.exc_info:
        lines.append(formatter.formatException(record.exc_info))
    if record.stack_info:
        lines.append(formatter.formatStack(record.stack_info))
    return "\n".join(lines)


class _Stderr(logging.StreamHandler):
    """Prints to what ``sys.stderr`` is at the time of the message."""

    def __init__(self):
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:
        return sys.stderr


class _File(logging.StreamHandler):
    """Writes to the log file, which it closes if it has opened it."""

    def __init__(self, stream: Any, owned: bool):
        super().__init__(stream)
        self.owned = owned
        self.setFormatter(_FileFormatter())

    def close(self) -> None:
        if self.owned:
            self.stream.close()
        super().close()


def get_logger(name: str | None = None, formatter: type[logging.Formatter] = MegEngineLogFormatter) -> logging.Logger:
    """The logger with this name (None: the root one), set up to print to stderr at the level of `set_log_level`.

    formatter: the class that makes the lines, for a logger that is asked for the first time.

    >>> get_logger("numod.example").propagate
    False
    """
    if name in _known:
        return _known[name]
    logger = logging.getLogger(name)
    logger.propagate = False
    logger.setLevel(_level)
    handler = _Stderr()
    handler.setFormatter(formatter(datefmt=_DATE))
    for old in logger.handlers[:]:
        logger.removeHandler(old)
    logger.addHandler(handler)
    if _file is not None:
        logger.addHandler(_file)
    _known[name] = logger
    return logger


def set_log_file(fout: str | os.PathLike | TextIO, mode: str = "a") -> None:
    """Write what all loggers of `get_logger` print to a file as well, without colours and with where it comes from.

    fout: a path, opened with ``mode``, or something with ``write`` and ``flush``. It takes the place of the file that was set before.
    """
    global _file
    if isinstance(fout, (str, os.PathLike)):
        handler = _File(open(fout, mode, encoding="utf-8"), owned=True)  # noqa: SIM115  (closed by the handler)
    elif hasattr(fout, "write") and hasattr(fout, "flush"):
        handler = _File(fout, owned=False)
    else:
        raise TypeError(f"set_log_file: expected a path or a file, got {type(fout).__name__}")
    before, _file = _file, handler
    for logger in _known.values():
        if before is not None:
            logger.removeHandler(before)
        logger.addHandler(handler)
    if before is not None:
        before.close()


def set_log_level(level: int | str, update_existing: bool = True) -> int | str:
    """Set the level of loggers that will be made and, with ``update_existing``, of those that are there; returns the level before.

    ValueError for a name that `logging` does not know.

    >>> before = set_log_level("WARNING"); set_log_level(before)
    'WARNING'
    """
    global _level
    logging.NullHandler().setLevel(level)  # refuses what is not a level
    before, _level = _level, level
    if update_existing:
        for logger in _known.values():
            logger.setLevel(level)
    return before


KERNELS = "numod.kernel"  # what the kernel layer has to say, at the level DEBUG: which kernels it compiles


def _kernel_logger() -> logging.Logger:
    if KERNELS not in _known:
        get_logger(KERNELS, MegBrainLogFormatter).setLevel(logging.WARNING)
    return _known[KERNELS]


def set_mgb_log_level(level: int | str) -> int:
    """Set the level of messages of the kernel layer, and return the level before. At DEBUG it tells which kernels are compiled."""
    logger = _kernel_logger()
    before = logger.level
    logger.setLevel(level)
    return before


@contextlib.contextmanager
def replace_mgb_log_level(level: int | str) -> Iterator[None]:
    """In this block the messages of the kernel layer have another level."""
    before = set_mgb_log_level(level)
    try:
        yield
    finally:
        set_mgb_log_level(before)


def enable_debug_log() -> None:
    """Set the level of all loggers to DEBUG, those of the kernel layer too."""
    set_log_level("DEBUG")
    set_mgb_log_level("DEBUG")
