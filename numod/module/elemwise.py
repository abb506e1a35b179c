"""Elemwise: an elementwise function, chosen by name, as a layer."""

from __future__ import annotations

from collections.abc import Callable

from .. import functional as F
from ..tensor import Tensor
from .module import Module


def _compare(function: Callable) -> Callable:
    return lambda x, y: function(x, y).astype("float32")


_METHODS: dict[str, Callable] = {
    **{
        name: getattr(F, name)
        for name in (
            "abs acos acosh add asin asinh atan2 atanh ceil cos cosh erf exp expm1 floor floor_div gelu hsigmoid log log1p logsigmoid mod mul "
            "pow prelu relu relu6 round sigmoid sign silu sin sinh softplus sqrt square sub tan tanh"
        ).split()
    },
    "clip": lambda x, lower, upper: F.minimum(F.maximum(x, lower), upper),
    "eq": _compare(F.equal),
    "fuse_add_h_swish": lambda x, y: F.hswish(x + y),
    "fuse_add_relu": lambda x, y: F.relu(x + y),
    "fuse_add_sigmoid": lambda x, y: F.sigmoid(x + y),
    "fuse_add_tanh": lambda x, y: F.tanh(x + y),
    "fuse_mul_add3": lambda x, y, z: x * y + z,
    "fuse_mul_add4": lambda x, y, z, w: x * y + z * w,
    "h_swish": F.hswish,
    "leq": _compare(F.less_equal),
    "log_sum_exp": F.logaddexp,
    "lt": _compare(F.less),
    "max": F.maximum,
    "min": F.minimum,
    "negate": F.neg,
    "true_div": F.div,
}


def function_of(method: str) -> Callable:
    """The function of that name; ValueError if there is none."""
    if method.lower() not in _METHODS:
        raise ValueError(f"Elemwise: method must be one of {', '.join(sorted(_METHODS))}, got {method!r}")
    return _METHODS[method.lower()]


class Elemwise(Module):
    """An elementwise function by name, so that quantization can replace it.

    method: a function's name in `numod.functional` (``"add"``, ``"mul"``, ``"relu"``, ...), or ``"max"``, ``"min"``, ``"negate"``, ``"true_div"``,
    ``"fuse_add_relu"``, ``"fuse_add_sigmoid"``, ``"fuse_add_tanh"``, ``"fuse_mul_add3"`` (``x * y + z``), ...; in any case.

    >>> import numod as nm, numod.module as M
    >>> M.Elemwise("fuse_add_relu")(nm.Tensor([1.0, -2.0]), nm.Tensor([1.0, 1.0])).tolist()
    [2.0, 0.0]
    """

    def __init__(self, method: str, name: str | None = None):
        super().__init__(name=name)
        function_of(method)  # refuses others
        self.method = method

    def forward(self, *inps: Tensor) -> Tensor:
        """The function of ``inps``."""
        return function_of(self.method)(*inps)
