"""Pooling on the CPU: which kernel runs for which windows. Plain Python; the machine code is in `pool_kernels`.

A kernel is made for one window and stride, so that the window is unrolled and neighbouring windows of a row make a vector. Windows that reach
over the border of their image are done one by one.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..spec import Spec
from .program import Kernel, Program, Ref, Step

WORK = 32768  # values worth handing to another thread
LARGEST = 49  # places of a window that are still unrolled


def program(name: str, inputs: Sequence[Spec], output: Spec, x_shape: tuple[int, ...], y_shape: tuple[int, ...], attrs: dict) -> Program | None:
    """The launch of `pool_kernels.name` over the planes of images ``x_shape`` pooled to ``y_shape``."""
    kernel, stride, padding = attrs["kernel"], attrs["stride"], attrs["padding"]
    if output.dtype.kind != "f" or any(spec.dtype != output.dtype for spec in inputs) or kernel[0] * kernel[1] > LARGEST:
        return None
    code = Kernel(("pool", name, *kernel, *stride, str(output.dtype)), "numod.kernel.pool_kernels:build")
    words = (Ref("out"), *(Ref("in", i) for i in range(len(inputs))), *x_shape[2:], *y_shape[2:], *padding, attrs.get("count_padding", 0))
    grain = max(1, WORK // (x_shape[2] * x_shape[3]))
    return Program((output.nbytes,), len(inputs), (Step(code, x_shape[0] * x_shape[1], words, grain),))
