"""Random tensors. The same seed gives the same numbers on one machine, whatever the number of threads."""

from .rng import RNG, normal, permutation, seed, shuffle, uniform

__all__ = ["RNG", "normal", "permutation", "seed", "shuffle", "uniform"]
