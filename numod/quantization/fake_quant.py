"""Modules that round to the numbers of a quantized dtype while they train; two of them learn the scale."""

from __future__ import annotations

import math
from abc import abstractmethod

import numpy as np

from .. import functional as F
from ..functional.quantization import fake_quant_tensor, fake_quantized
from ..module import Module
from ..ops.quantize import round_through
from ..qparams import LSQParams, QParams, QuantDtypeMeta, QuantMode, create_qparams, quantized_dtype, quantized_meta
from ..tensor import Parameter, Tensor


class FakeQuantDtypeError(ValueError, AssertionError):
    """Parameters of another dtype or mode than a module is for. (MegEngine: AssertionError.)"""


class FakeQuantize(Module):
    """`fake_quant_tensor` as a module that can be switched off.

    dtype: the quantized dtype or its name, see `create_qparams`. enable: whether it begins switched on.

    >>> import numod as nm
    >>> from numod.quantization import FakeQuantize, QuantMode, create_qparams
    >>> FakeQuantize("qint8")(nm.Tensor([0.3]), create_qparams(QuantMode.SYMMERTIC, "qint8", nm.Tensor(0.5))).tolist()
    [0.5]
    """

    def __init__(self, dtype: str | QuantDtypeMeta, enable: bool = True, name: str | None = None):
        super().__init__(name=name)
        self.dtype = quantized_meta(dtype)
        self.qmin, self.qmax = self.dtype.qmin, self.dtype.qmax
        self.enabled = enable

    def enable(self) -> None:
        """Round again."""
        self.enabled = True

    def disable(self) -> None:
        """Round nothing until `enable`."""
        self.enabled = False

    def fake_quant_forward(self, inp: Tensor, qparams: QParams | None = None) -> Tensor:
        """``inp``, rounded."""
        if qparams is None or qparams.dtype_meta != self.dtype:
            raise FakeQuantDtypeError(f"{type(self).__name__}: takes qparams of {self.dtype.name}, got {qparams}")
        return fake_quant_tensor(inp, qparams)

    def normal_forward(self, inp: Tensor, qparams: QParams | None = None) -> Tensor:
        """``inp``."""
        return inp

    def forward(self, inp: Tensor, qparams: QParams | None = None) -> Tensor:
        """``inp``, rounded with ``qparams`` if this is switched on."""
        return self.fake_quant_forward(inp, qparams) if self.enabled else self.normal_forward(inp, qparams)


class _Learned(FakeQuantize):
    """What the modules that learn their scale share."""

    @abstractmethod
    def get_qparams(self) -> QParams:
        """The present parameters, through which gradients flow."""

    def get_quantized_dtype(self) -> np.dtype:
        """The NumPy dtype of the integers; its ``metadata`` has scale and zero point."""
        return quantized_dtype(self.get_qparams())


class TQT(_Learned):
    """Rounding with a scale that is learned as a power of two (Jain et al., "Trained Quantization Thresholds", 2020); symmetric only.

    Parameters: ``scale`` (), the binary logarithm of the scale.
    """

    def __init__(self, dtype: str | QuantDtypeMeta, enable: bool = True, name: str | None = None):
        super().__init__(dtype, enable, name=name)
        self.scale = Parameter(0.0)

    def fake_quant_forward(self, inp: Tensor, qparams: QParams | None = None) -> Tensor:
        """``inp``, rounded with the learned scale, whatever ``qparams`` says."""
        return fake_quantized(inp, self.get_qparams())

    def set_qparams(self, qparams: QParams) -> None:
        """Begin with this scale."""
        if qparams.mode is not QuantMode.SYMMERTIC:
            raise FakeQuantDtypeError(f"TQT: only symmetric quantization can be learned, got {qparams}")
        if qparams.scale is None:
            raise ValueError("TQT: the qparams have no scale")
        self.scale._reset(F.log(qparams.scale) / math.log(2))

    def get_qparams(self) -> QParams:
        """The learned scale, through which gradients flow."""
        return create_qparams(QuantMode.SYMMERTIC, self.dtype, 2**self.scale)


class LSQ(_Learned):
    """Rounding with a scale that is learned (Esser et al., "Learned Step Size Quantization", 2020).

    Parameters: ``step_size`` (); the scale is its magnitude plus ``eps``. Buffers: ``zero_point``, ``grad_scale`` (the gradient of the
    step is multiplied by it) and ``eps``.
    """

    def __init__(self, dtype: str | QuantDtypeMeta, enable: bool = True, eps: float = 1e-5, name: str | None = None):
        super().__init__(dtype, enable, name=name)
        self.eps = Tensor(eps, dtype="float32")
        self.step_size = Parameter(1.0)
        self.mode: QuantMode | None = None
        self.zero_point = Tensor(0.0)
        self.grad_scale = Tensor(1.0)

    def set_qparams(self, qparams: QParams) -> None:
        """Begin with this scale and zero point, and with the ``grad_scale`` of `LSQParams`."""
        if qparams.scale is None:
            raise ValueError("LSQ: the qparams have no scale")
        self.mode = qparams.mode
        self.step_size._reset(F.maximum(qparams.scale - self.eps, 0.0))
        if qparams.mode is QuantMode.ASYMMERTIC and qparams.zero_point is not None:
            self.zero_point._reset(qparams.zero_point)
        if isinstance(qparams, LSQParams):
            self.grad_scale._reset(qparams.grad_scale)

    def fake_quant_forward(self, inp: Tensor, qparams: QParams | None = None) -> Tensor:
        """``inp``, rounded with the learned scale, whatever ``qparams`` says. Nothing flows to elements that are clipped."""
        learned = self.get_qparams().scale
        fixed = learned.detach()
        scale = fixed + self.grad_scale * (learned - fixed)  # that of before; only its gradient is scaled
        steps = F.minimum(F.maximum(inp / scale + self.zero_point, self.qmin), self.qmax)
        return (round_through(steps) - self.zero_point) * scale

    def get_qparams(self) -> LSQParams:
        """The learned parameters, through which gradients flow."""
        return LSQParams(self.mode, self.dtype, F.abs(self.step_size) + self.eps, self.zero_point, self.grad_scale)
