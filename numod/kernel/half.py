"""Floats of 16 bits on the CPU: whatever an op is, its kernels compute in float32, and what they read and write is converted around them.

So each result is rounded once. A float16 or bfloat16 is its bits to a kernel; the conversions are integer arithmetic that every processor vectorises
(those of float16 after F. Giesen, "Half to float done quick" and "Float to half, round to nearest even", public domain).
A bfloat16 is the upper half of a float32.

Argument words of a conversion: output address, input address. The range counts elements.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import numpy as np

from ..dtype import float32, is_half
from ..errors import DTypeError
from ..spec import Spec
from . import executor, layout, source
from .program import Kernel, Program, Ref, Step, aligned, moved

GRAIN = 32768


def concerns(specs: Sequence[Spec]) -> bool:
    """Whether there is a float of 16 bits among these tensors; DTypeError if it is on a GPU."""
    found = [spec for spec in specs if is_half(spec.dtype)]
    for spec in found:
        if spec.device.is_cuda:
            raise DTypeError(f"{spec.dtype}: tensors on a GPU cannot be computed with yet")
    return bool(found)


def single(spec: Spec) -> Spec:
    """What a kernel sees of a tensor: a float of 16 bits as contiguous float32."""
    return spec.like(dtype=float32) if is_half(spec.dtype) else spec


def around(inner: Callable, inputs: Sequence[Spec], outputs: Sequence[Spec]) -> Callable:
    """What runs ``inner`` on float32 versions of 16-bit floats, and gives back such floats where they are wanted."""
    program = getattr(inner, "program", None)
    return _Around(inner, inputs, outputs) if program is None else executor.compile(_between(program, inputs, outputs))


def _between(program: Program, inputs: Sequence[Spec], outputs: Sequence[Spec]) -> Program:
    """``program`` with the conversions before and after it."""
    place: dict[tuple[str, int], int] = {}  # of a float32 version in the workspace
    end, room = aligned(program.workspace), 0
    for space, specs in (("in", inputs), ("out", outputs)):
        for index, spec in enumerate(specs):
            if is_half(spec.dtype):
                place[space, index] = end
                end += aligned(4 * spec.size + 64)  # vector code may load past the end

    def inside(ref: Ref) -> Ref:
        at = place.get((ref.space, ref.index))
        return ref if at is None else Ref("tmp", 0, at + ref.offset)

    before: list[Step] = []
    after: list[Step] = []
    for (space, index), at in place.items():
        if space == "in":
            conversion, target, given = _conversion(inputs[index], float32), Ref("tmp", 0, at), Ref("in", index)
        else:
            conversion, target, given = _conversion(single(outputs[index]), outputs[index].dtype), Ref("out", index), Ref("tmp", 0, at)
        room = max(room, aligned(conversion.workspace))
        where = _between_these(target, given, end)
        (before if space == "in" else after).extend(moved(step, where) for step in conversion.steps)
    steps = (*before, *(moved(step, inside) for step in program.steps), *after)
    return Program(tuple(spec.nbytes for spec in outputs), len(inputs), steps, end + room)


def _between_these(target: Ref, given: Ref, workspace: int) -> Callable[[Ref], Ref]:
    """Where the addresses of a conversion are."""
    return lambda ref: target if ref.space == "out" else given if ref.space == "in" else Ref("tmp", 0, ref.offset + workspace)


class _Around:
    """The same around what is not a program of kernels."""

    def __init__(self, inner: Callable, inputs: Sequence[Spec], outputs: Sequence[Spec]):
        self.inner = inner
        self.widen = [convert(spec, float32) if is_half(spec.dtype) else None for spec in inputs]
        self.narrow = [convert(single(spec), spec.dtype) if is_half(spec.dtype) else None for spec in outputs]

    def __call__(self, *buffers: Any) -> Any:
        made = self.inner(*[buffer if step is None else step(buffer) for step, buffer in zip(self.widen, buffers, strict=True)])
        if made is None:
            return None
        if len(self.narrow) == 1:
            return made if self.narrow[0] is None else self.narrow[0](made)
        return tuple(buffer if step is None else step(buffer) for step, buffer in zip(self.narrow, made, strict=True))

    @property
    def error(self) -> tuple[int, int, int]:
        """What a kernel of ``inner`` found."""
        return executor.error_of(self.inner)


def convert(spec: Spec, dtype: np.dtype) -> Callable:
    """What runs a conversion of a tensor's values from a float of 16 bits to float32, or back."""
    return executor.compile(_conversion(spec, dtype))


def _conversion(spec: Spec, dtype: np.dtype) -> Program:
    direction, name = ("widen", spec.dtype.name) if dtype == float32 else ("narrow", dtype.name)
    step = Step(Kernel(("half", direction, name), "numod.kernel.half:build"), spec.size, (Ref("out"), Ref("in", 0)), GRAIN)
    program = Program((dtype.itemsize * spec.size,), 1, (step,))
    return layout.on_contiguous([spec], program)


def build(direction: str, name: str) -> Callable:
    """The kernel of a conversion."""
    backend = source.backend()
    pointer, (widen, narrow) = backend.pointer, (_float16 if name == "float16" else _bfloat16)(backend)
    uint16, int64, real = np.uint16, np.int64, np.float32

    if direction == "widen":

        def kernel(begin, end, args, scratch):
            words = pointer(args, int64)
            out, x = pointer(words[1], real), pointer(words[2], uint16)
            for i in range(begin, end):
                out[i] = widen(x[i])

    else:

        def kernel(begin, end, args, scratch):
            words = pointer(args, int64)
            out, x = pointer(words[1], uint16), pointer(words[2], real)
            for i in range(begin, end):
                out[i] = narrow(x[i])

    return kernel


def _bfloat16(backend: ModuleType) -> tuple[Callable, Callable]:
    """(widen, narrow) of one number."""
    inner, float_of_bits, bits_of_float = backend.inner, backend.float_of_bits, backend.bits_of_float
    uint16, uint32 = np.uint16, np.uint32

    @inner
    def widen(half):
        return float_of_bits(uint32(uint32(half) << uint32(16)))

    @inner
    def narrow(value):
        bits = bits_of_float(value)
        even = uint32((bits >> uint32(16)) & uint32(1))
        nan = (bits & uint32(0x7FFFFFFF)) > uint32(0x7F800000)
        rounded = bits | uint32(0x400000) if nan else uint32(bits + even + uint32(0x7FFF))  # what rounds up past the largest is infinity
        return uint16(uint32(rounded >> uint32(16)))

    return widen, narrow


def _float16(backend: ModuleType) -> tuple[Callable, Callable]:
    """(widen, narrow) of one number."""
    inner, float_of_bits, bits_of_float = backend.inner, backend.float_of_bits, backend.bits_of_float
    uint16, uint32, real = np.uint16, np.uint32, np.float32
    bias, tiny = real(2.0**112), real(0.5)  # the exponents' difference; its last bit is worth 2**-24, the smallest float16

    @inner
    def widen(half):
        bits = uint32(half)
        magnitude = uint32((bits & uint32(0x7FFF)) << uint32(13))
        scaled = bits_of_float(float_of_bits(magnitude) * bias)
        full = uint32(scaled | uint32(0x7F800000)) if magnitude >= uint32(0x0F800000) else scaled  # infinity and NaN
        return float_of_bits(uint32(full | uint32((bits & uint32(0x8000)) << uint32(16))))

    @inner
    def narrow(value):
        bits = bits_of_float(value)
        magnitude = uint32(bits & uint32(0x7FFFFFFF))
        odd = uint32((magnitude >> uint32(13)) & uint32(1))
        normal = uint32(uint32(magnitude - uint32(0x37FFF001) + odd) >> uint32(13))
        subnormal = uint32(bits_of_float(float_of_bits(magnitude) + tiny) - uint32(0x3F000000))
        special = uint32(0x7E00) if magnitude > uint32(0x7F800000) else uint32(0x7C00)
        result = special if magnitude >= uint32(0x47800000) else subnormal if magnitude < uint32(0x38800000) else normal
        return uint16(result | uint32((bits & uint32(0x80000000)) >> uint32(16)))

    return widen, narrow
