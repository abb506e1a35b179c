"""Running sums, products and recurrences along an axis, each element from those before it.

`products_before` and `recurrence` leave out the element itself; their gradients are recurrences again, in the other direction, so no rule divides and all of
them hold where elements are 0.
"""

from __future__ import annotations

import math

import numpy as np

from ..dtype import boolean, promote
from ..errors import DTypeError, check
from ..forms import casts, composite, gather
from ..kernel import scan
from ..spec import Spec
from .join import around
from .math import mul
from .view import reshape, transpose


def _infer(name: str):
    def infer(*specs: Spec, axis: int, reverse: bool):
        x = specs[0]
        if any(spec.dtype == boolean for spec in specs):
            raise DTypeError(f"{name}: takes numbers, got bool")
        check(0 <= axis < x.ndim, "{}: axis {} is out of range for shape {}", name, axis, x.shape)
        check(
            all(spec.shape == x.shape for spec in specs),
            "{}: shapes must be equal, got {}",
            name,
            " and ".join(str(s.shape) for s in specs),
        )
        return casts(specs, [promote(*[spec.dtype for spec in specs])] * len(specs)) or x.like()

    return infer


def _see(specs, attrs, out):
    seen = around(out.shape, attrs["axis"])
    return [seen] * len(specs), seen, [int(attrs["reverse"])]


def _sample(inputs: int, low: float, high: float):
    def sample(draw):
        shape = draw.shape(min_rank=1)
        attrs = {"axis": draw.integer(0, len(shape) - 1), "reverse": draw.boolean()}
        arrays = []
        for _ in range(inputs):
            x = draw.array(shape, None, low, high)
            arrays.append(np.where(draw.random().random(shape) < draw.choice([0.0, 0.5]), x.dtype.type(0), x))
        return tuple(arrays), attrs

    return sample


def _flipped(x, axis: int, reverse: bool):
    return np.flip(x, axis) if reverse else x


def _products_ref(x, axis, reverse):
    x = _flipped(x, axis, reverse)
    out = np.ones_like(x)
    if x.shape[axis] > 1:
        out[(slice(None),) * axis + (slice(1, None),)] = np.cumprod(x, axis)[(slice(None),) * axis + (slice(None, -1),)]
    return _flipped(out, axis, reverse)


def _recurrence_ref(coefficient, x, axis, reverse):
    c, b = (np.moveaxis(_flipped(each, axis, reverse), axis, 0) for each in (coefficient, x))
    out = np.zeros(c.shape, np.result_type(c, b))
    for i in range(1, len(c)):
        out[i] = c[i - 1] * out[i - 1] + b[i - 1]
    return _flipped(np.moveaxis(out, 0, axis), axis, reverse)


_ERRORS = (
    (ValueError, lambda Tensor, op: op(*[Tensor([1.0])] * len(op.inputs), axis=1, reverse=False)),
    (TypeError, lambda Tensor, op: op(*[Tensor([True])] * len(op.inputs), axis=0, reverse=False)),
)
_ATTRS = {"axis": 0, "reverse": False}


@gather(
    inputs=("x",),
    attrs=_ATTRS,
    infer=_infer("cumsum"),
    see=_see,
    vjp={"x": lambda g, axis, reverse: cumsum(g, axis=axis, reverse=not reverse)},
    ref=lambda x, axis, reverse: _flipped(np.cumsum(_flipped(x, axis, reverse), axis, dtype=x.dtype), axis, reverse),
    sample=_sample(1, -4.0, 4.0),
    errors=_ERRORS,
)
def cumsum(a, k, b, x, reverse):
    """The sum of each element and those before it along an axis (``reverse``: after it); accumulated in float64 (int64)."""
    total = 0.0
    for i in range(x.shape[1] - k if reverse else k + 1):
        total += x[a, k + i if reverse else i, b]
    return total


@cumsum.fast("cpu")
def _cumsum_pass(specs, attrs, outputs):
    return scan.program(add_step, specs, outputs[0], attrs["axis"], attrs["reverse"], 0.0)


def add_step(total, x):
    """The step of `cumsum`."""
    return total + x, total + x


@gather(
    inputs=("x",),
    attrs=_ATTRS,
    infer=_infer("products_before"),
    see=_see,
    vjp={"x": lambda g, x, out, axis, reverse: mul(out, recurrence(x, g, axis=axis, reverse=not reverse))},
    ref=_products_ref,
    sample=_sample(1, -2.0, 2.0),
    errors=_ERRORS,
)
def products_before(a, k, b, x, reverse):
    """The product of the elements before each one along an axis (``reverse``: after it), 1 at the first."""
    product = 1.0
    for i in range(x.shape[1] - 1 - k if reverse else k):
        product *= x[a, k + 1 + i if reverse else i, b]
    return product


@products_before.fast("cpu")
def _products_pass(specs, attrs, outputs):
    return scan.program(multiply_step, specs, outputs[0], attrs["axis"], attrs["reverse"], 1.0)


def multiply_step(product, x):
    """The step of `products_before`."""
    return product, product * x


def _pulled_back(memo, g, coefficient, axis, reverse):
    """The gradient of what a recurrence adds."""
    if "added" not in memo:
        memo["added"] = recurrence(coefficient, g, axis=axis, reverse=not reverse)
    return memo["added"]


@gather(
    inputs=("coefficient", "x"),
    attrs=_ATTRS,
    infer=_infer("recurrence"),
    see=_see,
    vjp={
        "coefficient": lambda g, coefficient, out, axis, reverse, memo: mul(_pulled_back(memo, g, coefficient, axis, reverse), out),
        "x": lambda g, coefficient, axis, reverse, memo: _pulled_back(memo, g, coefficient, axis, reverse),
    },
    ref=_recurrence_ref,
    sample=_sample(2, -2.0, 2.0),
    errors=_ERRORS,
)
def recurrence(a, k, b, coefficient, x, reverse):
    """``s[k]`` for ``s[k + 1] = coefficient[k] * s[k] + x[k]`` from 0, along an axis (``reverse``: from its end)."""
    n = x.shape[1]
    state = 0.0
    for i in range(n - 1 - k if reverse else k):
        j = n - 1 - i if reverse else i
        state = coefficient[a, j, b] * state + x[a, j, b]
    return state


@recurrence.fast("cpu")
def _recurrence_pass(specs, attrs, outputs):
    return scan.program(recurrence_step, specs, outputs[0], attrs["axis"], attrs["reverse"], 0.0)


def recurrence_step(state, coefficient, x):
    """The step of `recurrence`."""
    return state, coefficient * state + x


def _others_ref(x, axis):
    kept = [i for i in range(x.ndim) if i not in axis]
    rows = x.transpose([*kept, *axis])
    flat = rows.reshape([x.shape[i] for i in kept] + [math.prod(x.shape[i] for i in axis)])
    count = flat.shape[-1]
    out = [np.prod(np.delete(flat, i, -1), -1) for i in range(count)]
    stacked = np.stack(out, -1) if out else flat
    return stacked.reshape(rows.shape).transpose(np.argsort([*kept, *axis]))


def _others_sample(draw):
    shape = draw.shape(min_rank=1)
    return (with_zeros(draw, shape),), {"axis": draw.axes(len(shape))}


def with_zeros(draw, shape):
    """Numbers to multiply: none, one or more in a row are 0."""
    x = draw.array(shape, None, -2.0, 2.0)
    return np.where(draw.random().random(shape) < draw.choice([0.0, 0.1, 0.4]), x.dtype.type(0), x)


@composite(ref=_others_ref, sample=_others_sample, inputs=("x",), attrs={"axis": ()})
def prod_others(x, *, axis):
    """For each element the product of the others over ``axis`` (a tuple): the derivative of `prod`."""
    kept = [i for i in range(x.ndim) if i not in axis]
    order = (*kept, *axis)
    rows = transpose(x, axes=order)
    flat = reshape(rows, shape=(*(x.shape[i] for i in kept), math.prod(x.shape[i] for i in axis)))
    last = len(kept)
    others = mul(products_before(flat, axis=last), products_before(flat, axis=last, reverse=True))
    return transpose(reshape(others, shape=rows.shape), axes=tuple(int(i) for i in np.argsort(order)))
