"""Random tensors. The same seed gives the same numbers on one machine, whatever the number of threads."""

from .rng import RNG, beta, gamma, normal, permutation, poisson, seed, shuffle, uniform

__all__ = ["RNG", "beta", "gamma", "normal", "permutation", "poisson", "seed", "shuffle", "uniform"]
