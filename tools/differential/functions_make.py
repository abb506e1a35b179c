"""How calls are drawn of functions that make tensors, random ones among them; see `functions`."""

from functions import options, sample, vary


@sample("arange")
def arange(draw):
    start, count, step = draw.integer(-5, 5), draw.integer(0, 9), draw.choice([1, 2, -1, 0.5, 0.3])
    stop = start + count * step
    return draw.choice([(start, stop, step), (abs(stop),)]), options(draw, dtype=["float32", "int32"])


@sample("linspace")
def linspace(draw):
    return (draw.integer(-5, 5), draw.integer(-5, 5) + 0.5, draw.integer(1, 9)), {}


@sample("eye")
def eye(draw):
    return (draw.integer(1, 6),), options(draw, M=[1, 3, 6], dtype=["float32", "int32", "float16", "bool"])


@sample("full")
def full(draw):
    return (draw.shape(1, 3), draw.choice([1.5, 2, True, -1])), options(draw, dtype=["float32", "int32", "float16", "uint8"])


@sample("ones", "zeros")
def ones(draw):
    shape = draw.shape(1, 3)
    return (shape if draw.boolean() else draw.integer(1, 4),), options(draw, dtype=["float32", "int32", "float16", "uint8", "bool"])


@sample("full_like")
def full_like(draw):
    return (vary(draw, draw.shape(1, 3)), draw.choice([1.5, 2, 0])), {}


@sample("copy")
def copied(draw):
    return (vary(draw, draw.shape()),), {}


# -- random numbers: only shapes and dtypes are compared -----------------------------------------------------------------


@sample("uniform", home="random.")
def uniform(draw):
    return (0.0, draw.choice([1.0, 3])), {"size": draw.shape(1, 3)}


@sample("normal", home="random.")
def normal(draw):
    return (), {"size": draw.shape(1, 3), **options(draw, mean=[0.5, 2], std=[0.1, 3])}


@sample("gamma", "beta", home="random.")
def gamma(draw):
    shape = draw.shape(1, 3, 1)
    return (draw.array(shape, low=0.5), draw.array(shape, low=0.5)), options(draw, size=[(2,), (3, 1)])


@sample("poisson", home="random.")
def poisson(draw):
    return (draw.array(draw.shape(1, 3, 1), low=0.5),), options(draw, size=[(2,), (3, 1)])


@sample("permutation", home="random.")
def permutation(draw):
    return (draw.choice([draw.integer(1, 6), draw.array(draw.shape(1, 3, 1))]),), {}


@sample("shuffle", home="random.")
def shuffle(draw):
    return (draw.array(draw.shape(1, 3, 1)),), {}
