"""Transform, and the one that does nothing."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any


class Transform(ABC):
    """Something done to each item. A subclass defines `apply`."""

    @abstractmethod
    def apply(self, input: Any) -> Any:
        """The transformed item."""

    def apply_batch(self, inputs: Sequence[Any]) -> tuple:
        """All items of a batch, each transformed by itself."""
        return tuple(self.apply(item) for item in inputs)

    def __repr__(self) -> str:
        return type(self).__name__


class PseudoTransform(Transform):
    """Leave items as they are."""

    def apply(self, input: Any) -> Any:
        """``input``."""
        return input
