"""Pooling on the CPU: which kernel runs for which windows. Plain Python; the machine code is in `pool_kernels`."""

from __future__ import annotations

from collections.abc import Sequence

from ..spec import Spec
from .program import Kernel, Program, Ref, Step

UNROLLED = {(2, 2, 2, 2), (2, 2, 1, 1), (3, 3, 2, 2), (3, 3, 1, 1)}  # windows (and strides) that have kernels of their own
WORK = 32768  # values worth handing to another thread


def program(name: str, inputs: Sequence[Spec], output: Spec, x_shape: tuple[int, ...], y_shape: tuple[int, ...], attrs: dict) -> Program | None:
    """The launch of the kernel ``name`` over the planes of images ``x_shape`` pooled to ``y_shape``; None for other dtypes than float32."""
    if any(spec.dtype != "float32" for spec in (*inputs, output)):
        return None
    window = (*attrs["kernel"], *attrs["stride"])
    code = Kernel(("pool", name, window if window in UNROLLED else None, "float32"), "numod.kernel.pool_kernels:build")
    addresses = (Ref("out"), *(Ref("in", i) for i in range(len(inputs))))
    words = (*addresses, *x_shape[2:], *y_shape[2:], *attrs["padding"], int(attrs.get("count_padding", False)), *window)
    grain = max(1, WORK // (x_shape[2] * x_shape[3]))
    return Program((output.nbytes,), len(inputs), (Step(code, x_shape[0] * x_shape[1], words, grain),))
