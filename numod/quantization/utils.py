"""What quantized numbers are, and rounding to them."""

from __future__ import annotations

from ..functional.quantization import fake_quant_bias, fake_quant_tensor
from ..qparams import LSQParams, QParams, QuantMode, create_qparams

__all__ = ["LSQParams", "QParams", "QuantMode", "create_qparams", "fake_quant_bias", "fake_quant_tensor"]
