"""How calls of `functional` are drawn: elementwise functions by the samples of the op table, the rest by samples of their own.

A sample is a function of numod.testing's Draw that gives arguments and keyword arguments; arrays stand for tensors.
"""

import numpy as np

from numod.op import TABLE

SAMPLES = {}  # place in the library -> sample


def sample(*names, home="functional."):
    """Decorator: the sample of these functions."""

    def register(function):
        SAMPLES.update({f"{home}{name}": function for name in names})
        return function

    return register


ELEMENTWISE = """
    abs acos acosh add asin asinh atan atan2 atanh ceil cos cosh div equal exp expm1 floor floor_div gelu greater greater_equal hsigmoid hswish
    isinf isnan left_shift less less_equal log log1p logaddexp logical_and logical_not logical_or logical_xor maximum minimum mod mul neg
    not_equal ones_like pow prelu relu relu6 right_shift round sigmoid sign silu sin sinh softplus sqrt square sub tan tanh where zeros_like
""".split()
DTYPES = ["float32"] * 6 + ["int32", "uint8", "int8", "float16", "bool"]
SPECIAL = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1e30, -1e30, 1e-30], np.float32)


def salted(draw, array):
    """The array, or now and then one with infinities, NaN and the like at some places."""
    if array.dtype == np.float32 and array.size and draw.integer(0, 9) == 0:
        random = draw.random()
        return np.where(random.random(array.shape) < 0.3, random.choice(SPECIAL, array.shape), array).astype(np.float32)
    return array


def of_table(name):
    def drawn(draw):
        fixed = name in ("where", "left_shift", "right_shift") or name.startswith("logical")
        if not fixed:
            draw.dtype = np.dtype(draw.choice(DTYPES))
        inputs, _ = TABLE[name].sample(draw)
        return tuple(salted(draw, np.asarray(x)) for x in inputs), {}

    return drawn


SAMPLES.update({f"functional.{name}": of_table(name) for name in ELEMENTWISE})


def options(draw, **choices):
    """Keyword arguments: each is left out, or drawn from what is given."""
    return {name: draw.choice(given) for name, given in choices.items() if draw.boolean()}


def axis_of(draw, rank, several=True):
    """An axis in one of the ways to write one: an int, a negative one, a tuple or list of some."""
    if several and rank and draw.integer(0, 2) == 0:
        axes = draw.permutation(rank)[: draw.integer(1, rank)]
        return list(axes) if draw.boolean() else tuple(axes)
    return draw.integer(-rank, rank - 1) if rank else 0


def vary(draw, shape, **bounds):
    """An array of a drawn dtype."""
    return salted(draw, draw.array(shape, draw.choice(DTYPES[2:]), **bounds))


@sample("sum", "mean", "max", "min", "prod", "var", "std", "argmax", "argmin")
def reduction(draw):
    x = vary(draw, draw.shape(0, 4))
    if draw.boolean():
        return (x,), {"axis": axis_of(draw, x.ndim), "keepdims": draw.boolean()}
    return (x,), {}


@sample("logsumexp", "logsoftmax", "softmax")
def along(draw):
    x = salted(draw, draw.array(draw.shape(1, 4, 1)))
    return (x,), {"axis": axis_of(draw, x.ndim, several=False)}


@sample("norm", "normalize")
def norm(draw):
    x = draw.array(draw.shape(1, 3, 1))
    kwargs = options(draw, ord=[1.0, 2.0, 3.0, 0.5])
    return (x,), kwargs | ({"axis": axis_of(draw, x.ndim, several=False)} if draw.boolean() else {})


@sample("clip")
def clip(draw):
    low = draw.integer(-3, 1) / 2
    return (vary(draw, draw.shape()),), {"lower": low, "upper": low + draw.integer(0, 4) / 2}


@sample("leaky_relu")
def leaky_relu(draw):
    return (salted(draw, draw.array(draw.shape())), draw.choice([0.01, 0.5, 0.0, 2.0])), {}


@sample("logsigmoid")
def one_float(draw):
    return (salted(draw, draw.array(draw.shape(), low=-30, high=30)),), {}


@sample("complex")
def pair(draw):
    shape = draw.shape(1, 3)
    return (draw.array(shape), draw.array(shape)), {}


@sample("polar")
def polar(draw):
    shape = draw.shape(1, 3)
    return (draw.array(shape, low=0.1), draw.array(shape)), {}


# -- shapes --------------------------------------------------------------------------------------------------------------


@sample("reshape")
def reshape(draw):
    x = vary(draw, draw.shape(0, 4, 1))
    sides = [x.shape[i] for i in draw.permutation(x.ndim)]
    if sides and draw.boolean():
        sides = [-1, *sides[1:]] if draw.boolean() else [int(np.prod(sides))]
    return (x, draw.choice([tuple(sides), list(sides)]) if sides else (1,)), {}


@sample("transpose")
def transpose(draw):
    x = vary(draw, draw.shape(1, 4))
    pattern = list(draw.permutation(x.ndim))
    if draw.integer(0, 3) == 0:
        pattern.insert(draw.integer(0, x.ndim), "x")
    return (x, tuple(pattern)), {}


@sample("swapaxes")
def swapaxes(draw):
    x = vary(draw, draw.shape(1, 4))
    return (x, draw.integer(0, x.ndim - 1), draw.integer(0, x.ndim - 1)), {}


@sample("flatten")
def flatten(draw):
    x = vary(draw, draw.shape(1, 4))
    start = draw.integer(0, x.ndim - 1)
    return (x,), draw.choice(
        [{}, {"start_axis": start}, {"start_axis": start, "end_axis": draw.integer(start, x.ndim - 1)}, {"end_axis": -1}]
    )


@sample("expand_dims")
def expand_dims(draw):
    x = vary(draw, draw.shape(0, 3))
    return (x, draw.choice([draw.integer(-x.ndim - 1, x.ndim), [0, x.ndim + 1], (0,)])), {}


@sample("squeeze")
def squeeze(draw):
    x = vary(draw, draw.shape(1, 4, 1, 2))
    ones = [axis for axis, side in enumerate(x.shape) if side == 1]
    return (x,), {"axis": draw.choice([ones[0], ones[0] - x.ndim, ones])} if ones and draw.boolean() else {}


@sample("broadcast_to")
def broadcast_to(draw):
    small, large = draw.broadcast_pair()
    return (vary(draw, small), large), {}


@sample("concat")
def concat(draw):
    shape, axis = list(draw.shape(1, 4)), 0
    axis = draw.integer(0, len(shape) - 1)
    dtypes = [draw.choice(["float32", "int32"])] * 3 if draw.boolean() else ["float32", "int32", "float16"]
    parts = [draw.array((*shape[:axis], draw.integer(0, 3), *shape[axis + 1 :]), dtype) for dtype in dtypes[: draw.integer(1, 3)]]
    return (parts,), {"axis": axis - len(shape) * draw.boolean()} if axis or draw.boolean() else {}


@sample("stack")
def stack(draw):
    shape = draw.shape(1, 3)
    return ([draw.array(shape) for _ in range(draw.integer(1, 3))],), {"axis": draw.integer(-len(shape) - 1, len(shape))}


@sample("split")
def split(draw):
    x = vary(draw, draw.shape(1, 3, 1, 6))
    axis = draw.integer(0, x.ndim - 1)
    side = x.shape[axis]
    cuts = sorted({draw.integer(0, side) for _ in range(2)})
    return (x, draw.choice([draw.integer(1, side), cuts])), {"axis": axis - x.ndim * draw.boolean()}


@sample("tile")
def tile(draw):
    x = vary(draw, draw.shape(1, 3))
    return (x, draw.choice([draw.integer(1, 3), tuple(draw.integer(1, 3) for _ in range(x.ndim))])), {}


@sample("repeat")
def repeat(draw):
    x = vary(draw, draw.shape(1, 3))
    return (x, draw.integer(1, 3)), {"axis": draw.integer(-x.ndim, x.ndim - 1)} if draw.boolean() else {}


@sample("roll")
def roll(draw):
    x = vary(draw, draw.shape(1, 3, 1))
    axes = tuple(draw.permutation(x.ndim)[: draw.integer(1, x.ndim)])
    shifts = tuple(draw.integer(-4, 4) for _ in axes)
    return draw.choice([((x, shifts, axes), {}), ((x, shifts[0], axes[0]), {}), ((x, shifts[0]), {})])


@sample("pad")
def pad(draw):
    x = draw.array(draw.shape(1, 4, 2))
    mode = draw.choice(["constant", "edge", "replicate", "reflect"])
    widths = tuple((draw.integer(0, 1), draw.integer(0, 1)) for _ in range(x.ndim))
    return (x, widths), {"mode": mode} | ({"constant_value": draw.choice([0.0, 1.5])} if draw.boolean() else {})


@sample("meshgrid")
def meshgrid(draw):
    return tuple(draw.array((draw.integer(1, 4),)) for _ in range(draw.integer(1, 3))), options(draw, indexing=["xy", "ij"])


@sample("cumsum")
def cumsum(draw):
    x = draw.array(draw.shape(1, 4), draw.choice(["float32", "int32", "float16", "uint8"]))
    return (x, draw.integer(-x.ndim, x.ndim - 1)), {}


@sample("diag")
def diag(draw):
    return (vary(draw, draw.shape(1, 2, 1)), draw.integer(-2, 2)), {}


# -- places --------------------------------------------------------------------------------------------------------------


@sample("gather")
def gather(draw):
    x = vary(draw, draw.shape(1, 3, 1))
    axis = draw.integer(0, x.ndim - 1)
    shape = tuple(draw.integer(1, 3) if i == axis else side for i, side in enumerate(x.shape))
    return (x, axis, draw.indices(shape, x.shape[axis])), {}


@sample("scatter")
def scatter(draw):
    x = draw.array(draw.shape(1, 3, 1))
    axis = draw.integer(0, x.ndim - 1)
    index = np.argsort(draw.random().random(x.shape), axis).astype(np.int32)  # no place twice
    count = draw.integer(1, x.shape[axis])
    part = tuple(slice(count) if i == axis else slice(None) for i in range(x.ndim))
    return (x, axis, index[part], draw.array(index[part].shape)), {}


@sample("indexing_one_hot")
def indexing_one_hot(draw):
    x = vary(draw, draw.shape(2, 4, 1))
    axis = draw.integer(0, x.ndim - 1)
    index = draw.indices((*x.shape[:axis], *x.shape[axis + 1 :]), x.shape[axis])
    return (x, index), {"axis": axis, "keepdims": draw.boolean()}


@sample("one_hot")
def one_hot(draw):
    classes = draw.integer(1, 5)
    return (draw.indices(draw.shape(1, 3), classes), classes), {}


@sample("cond_take")
def cond_take(draw):
    shape = draw.shape(1, 3)
    return (draw.array(shape, bool), vary(draw, shape)), {}


@sample("embedding")
def embedding(draw):
    weight = draw.array((draw.integer(1, 5), draw.integer(1, 4)))
    return (draw.indices(draw.shape(1, 3), len(weight)), weight), {}


@sample("sort", "argsort")
def sort(draw):
    draw.distinct = True
    dtype = draw.choice(["float32", "float32", "int32"])
    shape = draw.shape(1, 3, 1)
    x = draw.array(shape) if dtype == "float32" else np.argsort(draw.random().random(shape), -1).astype(dtype)
    return (x,), options(draw, descending=[False, True])


@sample("topk")
def topk(draw):
    draw.distinct = True
    x = draw.array(draw.shape(1, 2, 1, 6))
    return (x, draw.integer(1, x.shape[-1])), options(draw, descending=[False, True], kth_only=[False, True])


@sample("topk_accuracy")
def topk_accuracy(draw):
    draw.distinct = True
    x = draw.array((draw.integer(1, 5), draw.integer(2, 6)))
    return (x, draw.indices((len(x),), x.shape[1])), options(draw, topk=[1, 2, (1, 2)])


# -- algebra -------------------------------------------------------------------------------------------------------------


@sample("matmul")
def matmul(draw):
    rows, inner, columns = (draw.integer(1, 5) for _ in range(3))
    batch = draw.shape(0, 2, 1, 3)
    ta, tb = draw.boolean(), draw.boolean()
    x = draw.array((*batch, *((inner, rows) if ta else (rows, inner))))
    y = draw.array((*(batch if draw.boolean() else ()), *((columns, inner) if tb else (inner, columns))))
    return (x, y), {"transpose_a": ta, "transpose_b": tb}


@sample("dot")
def dot(draw):
    n = draw.integer(1, 6)
    return (draw.array((n,)), draw.array((n,))), {}


@sample("matinv")
def matinv(draw):
    n = draw.integer(1, 4)
    return (draw.array((*draw.shape(0, 2, 1, 3), n, n), low=-1, high=1) + 3 * np.eye(n, dtype=np.float32),), {}


@sample("svd")
def svd(draw):
    draw.distinct = True
    return (draw.array((draw.integer(1, 4), draw.integer(1, 4))),), {}


@sample("linear")
def linear(draw):
    inner, outer = draw.integer(1, 5), draw.integer(1, 4)
    x, weight = draw.array((*draw.shape(1, 3, 1), inner)), draw.array((outer, inner))
    return (x, weight), {"bias": draw.array((outer,))} if draw.boolean() else {}
