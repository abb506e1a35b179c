"""How programs are made: which passes work on them, and how much memory may be bought with time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple


class GraphOptimizationConfig:
    """Which passes are done over a program: attributes, of which None means that the ``opt_level`` of `trace` decides, and False that it is not done.

    jit_fuse_dimshuffle, jit_fuse_reduce: MegEngine's. Views cost nothing here, so that there is nothing to choose for the first; the second is
    about loops that are done with a reduction, block by block.
    The passes of `numod.jit.passes` have attributes by their names, such as ``fusion``; they are there to find out which one does what.
    """

    def __init__(self) -> None:
        self.jit_fuse_dimshuffle: bool | None = None
        self.jit_fuse_reduce: bool | None = None

    def __repr__(self) -> str:
        return f"GraphOptimizationConfig({_settings(self)})"


class SublinearMemoryConfig:
    """Keep values at some places of the way forward only, and compute those in between again on the way back (Chen et al., 2016).

    thresh_nr_try: how many distances between such places are tried, and how many again around the best of them; 0 to leave all as it is.
    genetic_nr_iter, genetic_pool_size: how often two of the best that many choices are mixed, to find a better one.
    lb_memory_mb: megabytes that a program may take; of the choices that take no more, the one with the least work is used.
    num_worker: MegEngine's threads for the search, which takes milliseconds here and has none.

    >>> SublinearMemoryConfig(lb_memory_mb=64).thresh_nr_try
    10
    """

    def __init__(
        self, thresh_nr_try: int = 10, genetic_nr_iter: int = 0, genetic_pool_size: int = 20, lb_memory_mb: int = 0, num_worker: int = 1
    ):
        _check(type(self).__name__, 0, thresh_nr_try=thresh_nr_try, genetic_nr_iter=genetic_nr_iter, genetic_pool_size=genetic_pool_size)
        _check(type(self).__name__, 1, num_worker=num_worker)
        self.thresh_nr_try, self.genetic_nr_iter, self.genetic_pool_size = thresh_nr_try, genetic_nr_iter, genetic_pool_size
        self.lb_memory_mb, self.num_worker = lb_memory_mb, num_worker

    def __repr__(self) -> str:
        return f"SublinearMemoryConfig({_settings(self)})"


class DTRConfig:
    """Let go of values one by one until a program takes no more than so much memory, and compute them again where they are needed (Kirisame et al., 2020).

    The next one is that with the least ``time ** recomp_time_factor / (bytes ** recomp_memory_factor * distance)``: time is what computing it again takes, and
    distance how many calls pass until it is needed.

    eviction_threshold: bytes up to which nothing needs to be done, above 0. evictee_minimum_size: bytes from which on a value is worth it.
    """

    def __init__(
        self,
        eviction_threshold: int = 0,
        evictee_minimum_size: int = 1 << 20,
        recomp_memory_factor: float = 1,
        recomp_time_factor: float = 1,
    ):
        _check(type(self).__name__, 1, eviction_threshold=eviction_threshold)
        _check(
            type(self).__name__,
            0,
            evictee_minimum_size=evictee_minimum_size,
            recomp_memory_factor=recomp_memory_factor,
            recomp_time_factor=recomp_time_factor,
        )
        self.eviction_threshold, self.evictee_minimum_size = eviction_threshold, evictee_minimum_size
        self.recomp_memory_factor, self.recomp_time_factor = recomp_memory_factor, recomp_time_factor

    def __repr__(self) -> str:
        return f"DTRConfig({_settings(self)})"


class Options(NamedTuple):
    """What `trace` was told about the passes. saving: configurations of the two kinds above."""

    switches: GraphOptimizationConfig
    opt_level: int = 2
    saving: Sequence[Any] = ()

    def does(self, name: str) -> bool:
        """Whether a pass is done."""
        wanted = getattr(self.switches, name, None)
        if wanted is None and name == "blocking":
            wanted = self.switches.jit_fuse_reduce
        if wanted is None:
            return bool(self.saving) if name == "recompute" else self.opt_level > 0
        return bool(wanted)


def _check(name: str, least: int, **settings: Any) -> None:
    for setting, value in settings.items():
        if not value >= least:
            raise ValueError(f"{name}: {setting} must be at least {least}, got {value!r}")


def _settings(config: Any) -> str:
    return ", ".join(f"{name}={value}" for name, value in vars(config).items())
