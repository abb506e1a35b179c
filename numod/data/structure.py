"""Batches are nested dicts, lists and tuples; what is done to each thing in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


def replaced(batch: Any, function: Callable[[Any], Any]) -> Any:
    """The batch with ``function(thing)`` for everything in it that is no mapping, list or tuple. Mappings become dicts."""
    if isinstance(batch, Mapping):
        return {key: replaced(value, function) for key, value in batch.items()}
    if isinstance(batch, (tuple, list)):
        parts = [replaced(value, function) for value in batch]
        return type(batch)(*parts) if hasattr(batch, "_fields") else type(batch)(parts)
    return function(batch)
