"""Quantized layers without weights, and where quantization begins and ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

from ... import functional as F
from ...dtype import is_float
from ...functional.quantization import to_numbers
from ...tensor import Tensor
from .. import elemwise
from .module import QuantizedModule, WithOutput, levels_of


class _Plain(WithOutput):
    def __init__(self, dtype: Any = None, name: str | None = None):
        super().__init__(name=name)
        self._set_output(dtype)

    @classmethod
    def from_qat_module(cls, qat_module: Any) -> Self:
        """The twin of a layer that was trained with simulated quantization."""
        return cls(dtype=qat_module.get_activation_qparams(), name=qat_module.name)


class Elemwise(_Plain):
    """An elementwise function of quantized tensors, computed in float32 and rounded once; see `numod.module.Elemwise`."""

    def __init__(self, method: str, dtype: Any = None, name: str | None = None):
        super().__init__(dtype, name)
        self.method = method
        self._function = elemwise.function_of(method)

    @classmethod
    def from_qat_module(cls, qat_module: Any) -> Self:
        """The twin of a layer that was trained with simulated quantization."""
        return cls(qat_module.method, qat_module.get_activation_qparams(), qat_module.name)

    def forward(self, *inps: Tensor) -> Tensor:
        """The function of ``inps``."""
        return self._quantize(self._function(*[_numbers(self, inp) for inp in inps]))


class Concat(_Plain):
    """Quantized tensors one after the other, brought to one scale."""

    def forward(self, inps: Sequence[Tensor], axis: int = 0) -> Tensor:
        """The tensors one after the other along ``axis``."""
        return self._quantize(F.concat([_numbers(self, inp) for inp in inps], axis))


class QuantStub(_Plain):
    """Where quantization begins: floats become integers of 8 bits."""

    def forward(self, inp: Tensor) -> Tensor:
        """``inp``, quantized; what is quantized already gets another scale."""
        return self._quantize(inp if is_float(inp.dtype) else _numbers(self, inp))


class DequantStub(QuantizedModule):
    """Where quantization ends: integers become floats."""

    @classmethod
    def from_qat_module(cls, qat_module: Any) -> Self:
        """The twin of a layer that was trained with simulated quantization."""
        return cls(name=qat_module.name)

    def forward(self, inp: Tensor) -> Tensor:
        """The numbers that the integers of ``inp`` stand for."""
        return _numbers(self, inp)


def _numbers(layer: QuantizedModule, inp: Tensor) -> Tensor:
    levels_of(type(layer).__name__, inp)  # refuses other tensors
    return to_numbers(inp)
