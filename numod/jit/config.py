"""How programs are made."""

from __future__ import annotations


class GraphOptimizationConfig:
    """Which passes are done over a program: attributes, of which None means that the ``opt_level`` of `trace` decides.

    jit_fuse_dimshuffle, jit_fuse_reduce: known from MegEngine; here views cost nothing, and the second stands for fusion with reductions.
    """

    def __init__(self) -> None:
        self.jit_fuse_dimshuffle: bool | None = None
        self.jit_fuse_reduce: bool | None = None

    def __repr__(self) -> str:
        return f"GraphOptimizationConfig({', '.join(f'{name}={value}' for name, value in vars(self).items())})"
