"""The decorators that declare ops: elementwise, rowwise, gather, scatter, view, composite, joint, each, host.

Each turns a short function into a row of the table. What they have in common: ``ref`` is the truth in NumPy, ``vjp`` maps input names to gradient
rules, ``sample(draw)`` draws inputs and attributes for the tests (see `numod.testing.draw`), ``kinks`` are inputs without a gradient, ``errors`` are calls
to be refused. The function's docstring documents the op.
"""

from .common import alias, broadcast, casts, normalize_axis, shift, working_dtype
from .elements import elementwise, run_elementwise
from .gathering import gather, run_gather, scatter
from .host import host
from .joint import each, joint
from .rows import rowwise
from .views import composite, view

__all__ = [
    "alias",
    "broadcast",
    "casts",
    "composite",
    "each",
    "elementwise",
    "gather",
    "host",
    "joint",
    "normalize_axis",
    "rowwise",
    "run_elementwise",
    "run_gather",
    "scatter",
    "shift",
    "view",
    "working_dtype",
]
