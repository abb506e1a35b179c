"""What makes a program shorter and faster, each in a file of its own."""

from __future__ import annotations

from typing import Any

from ..graph import Graph
from .dead_code import remove_unused
from .fusion import fuse


def optimize(graph: Graph, options: Any) -> None:
    """Do all passes that are wanted."""
    remove_unused(graph)
    fuse(graph)
