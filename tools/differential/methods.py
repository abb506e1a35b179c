"""How calls of Tensor's methods and operators are drawn; see `functions`."""

import functions
import numpy as np
from functions import SAMPLES, axis_of, sample, vary

OPERATORS = {
    "add": "add", "sub": "sub", "mul": "mul", "truediv": "div", "floordiv": "floor_div", "mod": "mod", "pow": "pow", "lshift": "left_shift",
    "rshift": "right_shift", "and": "logical_and", "or": "logical_or", "xor": "logical_xor", "eq": "equal", "ne": "not_equal", "lt": "less",
    "le": "less_equal", "gt": "greater", "ge": "greater_equal", "neg": "neg", "abs": "abs", "invert": "logical_not", "round": "round",
    "floor": "floor", "ceil": "ceil", "matmul": "matmul",
}  # fmt: skip
PLAIN = ("eq", "ne", "lt", "le", "gt", "ge", "neg", "abs", "invert", "round", "floor", "ceil")  # have no reflected form


def method(*names):
    return sample(*names, home=":Tensor.")


def with_number(drawn, numbers):
    """Of calls with two tensors, now and then one with a number in place of the second."""

    def call(draw):
        args, kwargs = drawn(draw)
        return ((args[0], draw.choice(numbers)), kwargs) if len(args) == 2 and draw.integer(0, 3) == 0 else (args, kwargs)

    return call


def swapped(drawn, tensors):
    """Of calls with two operands, the same for the reflected operator; or with a number, as it is."""

    def call(draw):
        (x, y), kwargs = drawn(draw)
        if tensors and not isinstance(y, np.ndarray):
            y = np.full_like(x, y)
        return ((y, x) if isinstance(y, np.ndarray) else (x, y)), kwargs

    return call


def product(draw):
    return (draw.array((3, 4)), draw.array((4, 2))), {}


for name, function in OPERATORS.items():
    numbers = {"lshift": [1, 2], "rshift": [1, 2], "and": [True], "or": [True], "xor": [True]}.get(name, [2, 1.5, -3, 0.5])
    drawn = SAMPLES[f"functional.{function}"] if name != "matmul" else product
    if name not in ("neg", "abs", "invert", "round", "floor", "ceil", "matmul"):
        drawn = with_number(drawn, numbers)
    method(f"__{name}__")(drawn)
    if name not in PLAIN:
        method(f"__r{name}__")(swapped(SAMPLES[f":Tensor.__{name}__"], name in ("lshift", "rshift")))


@method("sum", "mean", "max", "min", "prod", "var")
def reduction(draw):
    x = vary(draw, draw.shape(1, 4))
    return (x, axis_of(draw, x.ndim), draw.boolean()), {}


@method("reshape")
def reshape(draw):
    (x, shape), _ = functions.reshape(draw)
    return (x, *shape) if draw.boolean() else (x, shape), {}


@method("transpose")
def transpose(draw):
    (x, pattern), _ = functions.transpose(draw)
    return draw.choice([(x, *pattern), (x, pattern), (x,)]), {}


@method("flatten")
def flatten(draw):
    return functions.flatten(draw)


@method("astype")
def astype(draw):
    return (vary(draw, draw.shape(), low=0), draw.choice(["float32", "int32", "uint8", "int8", "float16", "bool"])), {}


@method("detach", "numpy", "tolist", "__pos__")
def unchanged(draw):
    return (vary(draw, draw.shape()),), {}


@method("item", "__float__", "__int__", "__bool__", "__complex__")
def one(draw):
    return (vary(draw, draw.choice([(), (1,), (1, 1), (2,)])),), {}


@method("__index__", "__len__")
def whole(draw):
    return (draw.array(draw.choice([(), (1,), (3,)]), "int32"),), {}


def index_of(draw, shape):
    """An index as in ``x[...]``."""
    index = []
    for side in shape[: draw.integer(0, len(shape))]:
        start, stop = draw.integer(-side, side), draw.integer(-side, side)
        step = draw.choice([None, 1, 2, -1])
        index.append(draw.choice([draw.integer(-side, side - 1), slice(start, stop, step), slice(None), slice(None, None, step)]))
    if draw.integer(0, 4) == 0:
        index.insert(draw.integer(0, len(index)), draw.choice([None, Ellipsis]))
    if index and draw.integer(0, 3) == 0:
        at = next((i for i, part in enumerate(index) if isinstance(part, int)), None)
        if at is not None and None not in index and Ellipsis not in index:
            index[at] = draw.indices((draw.integer(1, 3),), shape[at])
    return index[0] if len(index) == 1 and draw.boolean() else tuple(index)


@method("__getitem__")
def getitem(draw):
    x = vary(draw, draw.shape(1, 4, 1))
    return (x, index_of(draw, x.shape)), {}


@method("__setitem__")
def setitem(draw):
    x = vary(draw, draw.shape(1, 4, 1))
    return (x, index_of(draw, x.shape), draw.choice([2.0, 3])), {}


@method("set_value")
def set_value(draw):
    x = vary(draw, draw.shape(1, 3))
    return (x, draw.array(x.shape)), {}


@method("reset_zero")
def reset_zero(draw):
    return (vary(draw, draw.shape(1, 3)),), {}


@method("to")
def to(draw):
    return (vary(draw, draw.shape(1, 3)), draw.choice(["xpux", "cpu0", "cpux"])), {}
