"""Collator: from a list of items to a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


class Collator:
    """Stack items: arrays and numbers along a new first axis, dicts, tuples and lists entry by entry; strings and bytes stay a list.

    >>> Collator().apply([(1, "a"), (2, "b")])
    [array([1, 2]), ['a', 'b']]
    """

    def apply(self, inputs: Sequence[Any]) -> Any:
        """The batch of these items."""
        if len(inputs) == 0:
            raise ValueError("Collator: expected at least one item, got none")
        first = inputs[0]
        if isinstance(first, (str, bytes)):
            return list(inputs)
        if isinstance(first, (np.ndarray, np.generic, int, float, complex)):
            try:
                return np.stack(inputs) if isinstance(first, np.ndarray) else np.array(inputs)
            except ValueError:
                shapes = sorted({np.shape(item) for item in inputs})
                raise ValueError(f"Collator: arrays of one batch must have one shape, got {shapes}") from None
        if isinstance(first, Mapping):
            return {key: self.apply([item[key] for item in inputs]) for key in first}
        if isinstance(first, (tuple, list)):
            lengths = {len(item) for item in inputs}
            if len(lengths) > 1:
                raise ValueError(f"Collator: tuples and lists of one batch must have one length, got {sorted(lengths)}")
            parts = [self.apply(part) for part in zip(*inputs, strict=True)]
            return type(first)(*parts) if hasattr(first, "_fields") else parts
        raise TypeError(
            f"Collator: items must be arrays, numbers, strings, bytes, dicts, tuples or lists of them, got {type(first).__name__}"
        )
