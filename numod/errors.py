"""The exceptions numod raises, all of them subclasses of a builtin one."""

from __future__ import annotations


class ShapeError(ValueError, RuntimeError):
    """Operands whose shapes, dtypes or devices do not fit an op. (MegEngine raises RuntimeError here.)"""


class DTypeError(TypeError, RuntimeError):
    """An op was given a dtype that it does not take."""


class CompileError(RuntimeError):
    """The code of an op could not be turned into machine code; the message says which op and why."""


class DeviceError(RuntimeError):
    """A device that is not there, or that failed."""


class MissingExtra(ImportError):
    """An optional dependency is not installed."""

    def __init__(self, feature: str, extra: str):
        super().__init__(f"{feature} needs the extra: pip install 'numod[{extra}]'")


def check(condition: object, message: str, *values: object) -> None:
    """Raise ShapeError with ``message.format(*values)`` unless ``condition`` holds."""
    if not condition:
        raise ShapeError(message.format(*values))
