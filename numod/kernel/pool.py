"""Pooling on the CPU: which kernel runs for which windows. Plain Python; the machine code is in `pool_simd`."""

from __future__ import annotations

from ..spec import Spec
from .host import lanes_of
from .program import Kernel, Program, Ref, Step

BY_VECTORS = {(2, 2, 2), (2, 2, 1), (3, 3, 2), (3, 3, 1)}  # (height, width, stride) of windows that are done a vector at a time
WORK = 32768  # values worth handing to another thread
OPERANDS = {  # where each kernel finds dx, x and y
    "maximum": (Ref("in", 0), Ref("in", 0), Ref("out")),
    "maximum_gradient": (Ref("out"), Ref("in", 1), Ref("in", 0)),
    "average": (Ref("in", 0), Ref("in", 0), Ref("out")),
    "average_gradient": (Ref("out"), Ref("out"), Ref("in", 0)),
}


def program(name: str, specs: tuple[Spec, ...], output: Spec, attrs: dict) -> Program | None:
    """The launch of the kernel ``name`` over all planes of the images; None for other dtypes than float32."""
    if any(spec.dtype != "float32" for spec in (*specs, output)):
        return None
    x, y = (output.shape, specs[0].shape) if name.endswith("gradient") else (specs[0].shape, output.shape)
    kernel, stride = attrs["kernel"], attrs["stride"]
    window = (*kernel, stride[0]) if stride[0] == stride[1] else None
    code = Kernel(("pool", name, window if window in BY_VECTORS else None, lanes_of(4)), "numod.kernel.pool_simd:build")
    words = (*OPERANDS[name], *x[2:], *y[2:], *attrs["padding"], *kernel, *stride, int(attrs.get("count_padding", False)))
    planes = x[0] * x[1]
    spans = tuple(
        (ref, spec.nbytes // planes)
        for ref, spec in ((Ref("out"), output), *((Ref("in", i), spec) for i, spec in enumerate(specs)))
        if planes
    )
    return Program((output.nbytes,), len(specs), (Step(code, planes, words, max(1, WORK // (x[2] * x[3])), spans=spans),))
