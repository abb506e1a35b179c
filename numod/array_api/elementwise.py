"""Functions of each element: arithmetic, comparison, logic, bits."""

from __future__ import annotations

from .. import functional as F
from ..dtype import complex64, is_float
from ..errors import DTypeError
from ..op import apply
from ..ops import bits, compare, complex as complex_ops, math, numbers, trigonometry
from ..tensor import Tensor
from .arguments import Operand, binary, fresh, meet, require, unary
from .dtypes import cast


def _floats(op, doc: str, name: str = ""):
    return unary(name or op.name, op, doc, kinds="f")


acos, acosh = _floats(trigonometry.acos, "The angle with this cosine."), _floats(trigonometry.acosh, "The inverse of cosh.")
asin, asinh = _floats(trigonometry.asin, "The angle with this sine."), _floats(trigonometry.asinh, "The inverse of sinh.")
atan, atanh = _floats(trigonometry.atan, "The angle with this tangent."), _floats(trigonometry.atanh, "The inverse of tanh.")
cos, cosh = _floats(trigonometry.cos, "The cosine."), _floats(trigonometry.cosh, "The hyperbolic cosine.")
sin, sinh = _floats(trigonometry.sin, "The sine."), _floats(trigonometry.sinh, "The hyperbolic sine.")
tan, tanh = _floats(trigonometry.tan, "The tangent."), _floats(math.tanh, "The hyperbolic tangent.")
exp, expm1 = _floats(math.exp, "e to this power."), _floats(math.expm1, "``exp(x) - 1``, exact where ``x`` is small.")
log, log1p = _floats(math.log, "The natural logarithm."), _floats(math.log1p, "``log(1 + x)``, exact where ``x`` is small.")
log2, log10 = _floats(numbers.log2, "The logarithm to base 2."), _floats(numbers.log10, "The logarithm to base 10.")
sqrt = _floats(math.sqrt, "The square root.")
ceil = unary("ceil", math.ceil, "The smallest integer not below.", same="i")
floor = unary("floor", math.floor, "The largest integer not above.", same="i")
trunc = unary("trunc", math.trunc, "The number without its fraction.", same="i")
round = unary("round", numbers.rint, "The nearest integer; halves go to the even one.", same="i")
sign = unary("sign", math.sign, "-1, 0 or 1 by the sign.")
square = unary("square", math.square, "The number times itself.")
signbit = _floats(numbers.signbit, "Whether the sign is set.")
logical_not = unary("logical_not", compare.logical_not, "Whether it is false.", kinds="b")

atan2 = binary("atan2", trigonometry.atan2, "The angle of the point (x2, x1).", "f")
copysign = binary("copysign", numbers.copysign, "The magnitude of x1 with the sign of x2.", "f")
divide = binary("divide", math.div, "``x1 / x2``, of floats.", "f")
hypot = binary("hypot", numbers.hypot, "``sqrt(x1 ** 2 + x2 ** 2)``, without overflow.", "f")
logaddexp = binary("logaddexp", math.logaddexp, "``log(exp(x1) + exp(x2))``, without overflow.", "f")
nextafter = binary("nextafter", numbers.nextafter, "The number next to x1 in the direction of x2.", "f")
floor_divide = binary("floor_divide", math.floor_div, "``x1 / x2``, rounded down.")
maximum = binary("maximum", math.maximum, "The larger of two; NaN if either is NaN.")
minimum = binary("minimum", math.minimum, "The smaller of two; NaN if either is NaN.")
less, less_equal = binary("less", compare.less, "``x1 < x2``."), binary("less_equal", compare.less_equal, "``x1 <= x2``.")
greater = binary("greater", compare.greater, "``x1 > x2``.")
greater_equal = binary("greater_equal", compare.greater_equal, "``x1 >= x2``.")
bitwise_and = binary("bitwise_and", bits.bitwise_and, "The bits that are set in both.", "ib", compare.logical_and)
bitwise_or = binary("bitwise_or", bits.bitwise_or, "The bits that are set in one or both.", "ib", compare.logical_or)
bitwise_xor = binary("bitwise_xor", bits.bitwise_xor, "The bits that are set in exactly one.", "ib", compare.logical_xor)
bitwise_left_shift = binary("bitwise_left_shift", math.left_shift, "``x1 << x2``.", "i")
bitwise_right_shift = binary("bitwise_right_shift", math.right_shift, "``x1 >> x2``, keeping the sign.", "i")
logical_and = binary("logical_and", compare.logical_and, "Whether both are true.", "b")
logical_or = binary("logical_or", compare.logical_or, "Whether one or both are true.", "b")
logical_xor = binary("logical_xor", compare.logical_xor, "Whether exactly one is true.", "b")


add, subtract = binary("add", math.add, "``x1 + x2``.", "ifc"), binary("subtract", math.sub, "``x1 - x2``.", "ifc")
multiply, negative = binary("multiply", math.mul, "``x1 * x2``.", "ifc"), unary("negative", math.neg, "``-x``.", "ifc")
equal = binary("equal", compare.equal, "``x1 == x2``.", "bifc")
not_equal = binary("not_equal", compare.not_equal, "``x1 != x2``.", "bifc")


def abs(x: Tensor, /) -> Tensor:
    """The magnitude.

    >>> abs(Tensor([-1, 2])).tolist()
    [1, 2]
    """
    if x.dtype == complex64:
        return apply(numbers.hypot, (F.real(x), F.imag(x)))
    require("abs", x, "if")
    return apply(math.abs, (x,))


def bitwise_invert(x: Tensor, /) -> Tensor:
    """The bits that are not set.

    >>> bitwise_invert(Tensor([0])).tolist()
    [-1]
    """
    require("bitwise_invert", x, "ib")
    return apply(compare.logical_not if x.dtype.kind == "b" else bits.bitwise_invert, (x,))


def clip(x: Tensor, /, min: Operand | None = None, max: Operand | None = None) -> Tensor:
    """The values, those below ``min`` raised to it and those above ``max`` lowered to it; the dtype stays.

    >>> clip(Tensor([1, 5]), max=3).tolist()
    [1, 3]
    """
    require("clip", x, "if")
    out = x
    for bound, op in ((min, math.maximum), (max, math.minimum)):
        if bound is not None:
            out = apply(op, tuple(meet("clip", out, bound)))
    return positive(x) if out is x else cast(out, x.dtype)


def conj(x: Tensor, /) -> Tensor:
    """The complex conjugate."""
    return apply(complex_ops.conjugate, (x,)) if x.dtype == complex64 else positive(x)


def imag(x: Tensor, /) -> Tensor:
    """The imaginary part, float32."""
    if x.dtype != complex64:
        raise DTypeError(f"imag: takes complex64, got {x.dtype}")
    return F.imag(x)


def real(x: Tensor, /) -> Tensor:
    """The real part; real numbers themselves."""
    return F.real(x) if x.dtype == complex64 else positive(x)


def _each_part(name: str, op, doc: str, parts: str):
    """A test of floats; of complex numbers, what ``parts`` (any, all) of its two parts say."""

    def function(x: Tensor, /) -> Tensor:
        if x.dtype == complex64:
            return apply(compare.logical_or if parts == "any" else compare.logical_and, (apply(op, (F.real(x),)), apply(op, (F.imag(x),))))
        require(name, x, "if")
        return apply(op, (x,))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return function


isfinite = _each_part("isfinite", numbers.isfinite, "Whether it is neither infinite nor NaN.", "all")
isinf = _each_part("isinf", compare.isinf, "Whether it is infinite.", "any")
isnan = _each_part("isnan", compare.isnan, "Whether it is NaN.", "any")


def positive(x: Tensor, /) -> Tensor:
    """``+x``: a tensor of the same values."""
    return fresh(x)


def pow(x1: Operand, x2: Operand, /) -> Tensor:
    """``x1 ** x2``; of integers an integer, which wraps around.

    >>> pow(Tensor([2, 3]), 2).tolist()
    [4, 9]
    """
    x, y = meet("pow", x1, x2)
    require("pow", x, "if")
    return apply(math.pow if is_float(x.dtype) else numbers.integer_power, (x, y))


def reciprocal(x: Tensor, /) -> Tensor:
    """``1 / x``, of floats.

    >>> reciprocal(Tensor([4.0])).tolist()
    [0.25]
    """
    return divide(1, x)


def remainder(x1: Operand, x2: Operand, /) -> Tensor:
    """The remainder of ``x1 / x2``, with the sign of ``x2``.

    >>> remainder(Tensor([-7.0]), 3).tolist()
    [2.0]
    """
    x, y = meet("remainder", x1, x2)
    require("remainder", x, "if")
    return apply(numbers.remainder if is_float(x.dtype) else math.mod, (x, y))
