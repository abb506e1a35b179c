"""QuantizedModule: what layers that compute with integers of 8 bits share.

Their results are exact: products of such integers are added up in floats, but only where all sums are integers that these floats have (float32
up to 2**24, float64 up to 2**53), so that the order does not matter and nothing is rounded. Then the sum is brought to the scale of the result
and rounded once.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar, Self

import numpy as np

from ... import functional as F
from ...dtype import is_integer
from ...errors import DTypeError
from ...functional.quantization import to_integers
from ...op import apply
from ...ops.quantize import quantize_steps
from ...precision import as_given
from ...qparams import QUANTIZED, QParams, QuantDtypeMeta, QuantMode, create_qparams, quantized_dtype
from ...tensor import Parameter, Tensor
from ..module import Module


class QuantizedModule(Module):
    """Base class of layers that compute with quantized tensors, in evaluation mode only."""

    _kind = "Quantized."

    def __call__(self, *inputs, **kwargs):
        """Run `forward`; ValueError in training mode."""
        if self.training:
            raise ValueError(f"{self._kind}{type(self).__name__}: quantized layers do not train; call eval()")
        return super().__call__(*inputs, **kwargs)

    @classmethod
    @abstractmethod
    def from_qat_module(cls, qat_module: Any) -> Self:
        """The twin of a layer that was trained with simulated quantization."""

    @abstractmethod
    def forward(self, inputs):
        """What the layer computes of quantized tensors."""


class WithOutput(QuantizedModule):
    """A layer with a quantized result.

    Buffers: ``act_scale`` and, if the dtype has one, ``act_zero_point``.
    """

    act_scale: Tensor | None = None
    act_zero_point: Tensor | None = None
    _act_meta: QuantDtypeMeta | None = None

    def _set_output(self, dtype: QParams | np.dtype | None) -> None:
        if dtype is None:
            return
        qparams = dtype if isinstance(dtype, QParams) else _described(dtype)
        quantized_dtype(qparams)  # refuses what no tensor can have
        self._act_meta = qparams.dtype_meta
        self.act_scale = qparams.scale.detach()
        point = qparams.zero_point
        self.act_zero_point = None if point is None else point.detach().astype("float32")

    def _output(self) -> QParams:
        if self.act_scale is None:
            raise ValueError(f"{self._kind}{type(self).__name__}: the dtype of the result is not known; give dtype, or use from_qat_module")
        mode = QuantMode.SYMMERTIC if self.act_zero_point is None else QuantMode.ASYMMERTIC
        point = self.act_zero_point  # results get tensors of their own: loading others here must not change what they are
        return create_qparams(mode, self._act_meta, self.act_scale.detach(), None if point is None else point.detach())

    @property
    def output_dtype(self) -> np.dtype | None:
        """The NumPy dtype of the result, with scale and zero point in its ``metadata``; None if it is not known."""
        return None if self.act_scale is None else quantized_dtype(self._output())

    def _quantize(self, numbers: Tensor) -> Tensor:
        """Floats as integers of the result's dtype."""
        return to_integers(numbers, self._output())


class WithWeight(WithOutput):
    """A layer with a weight of integers.

    Parameters: ``weight``, int8, and ``bias``, float32 or None. Buffers: ``weight_scale``, and those of the result.
    """

    weight: Any
    bias: Any
    weight_scale: Tensor
    _sums_over: ClassVar[tuple[int, ...]]  # axes of the weight along which products are added up

    def _set_weight(self, weight: Tensor, bias: Tensor | None, qparams: QParams | None) -> None:
        if qparams is None or qparams.dtype_meta is None:
            raise ValueError(f"{self._kind}{type(self).__name__}: the weight has no scale; the layer was trained without observing it")
        if qparams.mode is not QuantMode.SYMMERTIC or qparams.dtype_meta.np_dtype_str != "int8":
            raise ValueError(f"{self._kind}{type(self).__name__}: weights are quantized symmetrically to signed dtypes, got {qparams}")
        self.weight = Parameter(to_integers(weight, qparams))
        self.weight_scale = qparams.scale.detach()
        self.bias = None if bias is None else Parameter(bias.detach())

    @as_given  # products of integers are exact in these floats
    def _accumulate(self, inp: Tensor, multiply: Any, nonlinear_mode: str) -> Tensor:
        """``multiply(levels, weight)`` plus the bias in integers, an activation, and the result in its dtype.

        multiply: any sum of products; it is given float tensors.
        """
        if nonlinear_mode.lower() not in ("identity", "relu"):
            raise ValueError(f"{type(self).__name__}: nonlinear_mode must be 'identity' or 'relu', got {nonlinear_mode!r}")
        levels, scale = levels_of(type(self).__name__, inp)
        largest = 128 * 255 * self._terms()
        exact = "float32" if largest < 2**24 else "float64"
        sums = multiply(levels.astype(exact), self.weight.astype(exact)).astype("float64")
        unit = scale.astype("float64") * self.weight_scale.astype("float64")  # what 1 in the sums stands for
        if self.bias is not None:
            sums = sums + F.round(self._placed(self.bias).astype("float64") / unit)
        if nonlinear_mode.lower() == "relu":
            sums = F.maximum(sums, 0.0)
        qparams = self._output()
        meta: Any = qparams.dtype_meta
        limits = [Tensor(x, dtype="float64", device=sums.device) for x in (float(qparams.zero_point or 0), meta.qmin, meta.qmax)]
        out = apply(quantize_steps, (sums, qparams.scale.astype("float64") / unit, *limits)).astype(meta.np_dtype_str)
        out.qparams.update(qparams)
        return out

    def _terms(self) -> int:
        """An upper bound of the number of products in a sum."""
        return int(np.prod([self.weight.shape[axis] for axis in self._sums_over]))

    def _placed(self, bias: Tensor) -> Tensor:
        """The bias, shaped to be added to the sums."""
        return bias


def levels_of(layer: str, inp: Tensor) -> tuple[Tensor, Tensor]:
    """The integers of a quantized tensor less its zero point, in float32, and its scale; DTypeError for other tensors."""
    qparams = inp.qparams
    if not is_integer(inp.dtype) or qparams.scale is None:
        raise DTypeError(f"{layer}: takes quantized tensors, as QuantStub gives them, got {inp.dtype} with {qparams}")
    levels = inp.astype("float32")
    return (levels if qparams.zero_point is None else levels - qparams.zero_point), qparams.scale


def _described(dtype: np.dtype) -> QParams:
    """The parameters in the metadata of a NumPy dtype that `QATModule.get_activation_dtype` gave."""
    described: Any = np.dtype(dtype).metadata or {}
    found = described.get("mgb_dtype")
    if found is None:
        raise ValueError(f"quantized dtype: got {dtype!r}, which has no scale in its metadata; see get_activation_dtype and QParams")
    meta = next(meta for meta in QUANTIZED.values() if meta.cname == found["name"])
    point = found.get("zero_point")
    return create_qparams(
        QuantMode.SYMMERTIC if point is None else QuantMode.ASYMMERTIC,
        meta,
        Tensor(found["scale"], dtype="float32"),
        None if point is None else Tensor(float(point)),
    )
