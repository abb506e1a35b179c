"""What makes a program shorter and faster: passes over a graph, each in a file of its own, in the order in which they are done."""

from __future__ import annotations

from collections.abc import Callable

from ..config import Options
from ..graph import Graph
from .algebra import simplify
from .blocking import block
from .common import share_common
from .constants import compute_constants
from .dead_code import remove_unused
from .epilogues import close
from .fusion import fuse
from .in_place import write_over
from .placement import place
from .recompute import recompute
from .slices import join_slices

PASSES: dict[str, Callable[[Graph], None]] = {
    "constants": compute_constants,
    "algebra": simplify,
    "common": share_common,
    "slices": join_slices,
    "dead_code": remove_unused,
    "fusion": fuse,
    "blocking": block,
    "in_place": write_over,
    "epilogues": close,
    "recompute": recompute,
    "placement": place,
}


def optimize(graph: Graph, options: Options) -> None:
    """Do all passes that are not switched off."""
    graph.saving = options.saving
    for name, work in PASSES.items():
        if options.does(name):
            work(graph)
