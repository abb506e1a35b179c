"""Proving ops: ``numod.testing.check(op)`` tries everything that must hold of a row of the table, on calls that hypothesis draws.

It serves the ops of a user's own file as it serves numod's. `Draw` is what a ``sample`` function gets.
"""

from ..errors import MissingExtra

try:
    import hypothesis as _hypothesis
except ImportError as error:
    raise MissingExtra("numod.testing", "test") from error
del _hypothesis

from . import gradients as _gradients  # noqa: F401  (lists its properties)
from .checking import PropertyError, check, hold, proofs
from .draw import Draw
from .properties import PROPERTIES, Property

__all__ = ["PROPERTIES", "Draw", "Property", "PropertyError", "check", "hold", "proofs"]
