"""Places for values in one block of memory: each takes the smallest gap that holds it, or the end."""

from __future__ import annotations

from collections.abc import Hashable


class MemoryPlan:
    """Hands out ranges of bytes and takes them back. ``size`` is what all of them needed at once."""

    def __init__(self) -> None:
        self.size = 0
        self._gaps: list[tuple[int, int]] = []  # (begin, end), in order
        self._taken: dict[Hashable, tuple[int, int]] = {}

    def take(self, owner: Hashable, size: int) -> int:
        """A place of ``size`` bytes for ``owner``."""
        fitting = [(end - begin, begin) for begin, end in self._gaps if end - begin >= size]
        if fitting:
            length, begin = min(fitting)
            at = self._gaps.index((begin, begin + length))
            self._gaps[at : at + 1] = [(begin + size, begin + length)] if length > size else []
        else:
            begin = self._gaps.pop()[0] if self._gaps and self._gaps[-1][1] == self.size else self.size
            self.size = begin + size
        self._taken[owner] = begin, begin + size
        return begin

    def give(self, owner: Hashable) -> None:
        """Take back the place of ``owner``, if it has one."""
        if owner not in self._taken:
            return
        begin, end = self._taken.pop(owner)
        at = next((i for i, gap in enumerate(self._gaps) if gap[0] > begin), len(self._gaps))
        if at < len(self._gaps) and self._gaps[at][0] == end:
            end = self._gaps.pop(at)[1]
        if at and self._gaps[at - 1][1] == begin:
            at -= 1
            begin = self._gaps.pop(at)[0]
        self._gaps.insert(at, (begin, end))
