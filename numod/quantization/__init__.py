"""Quantization: training with the rounding of integers of 8 bits, and networks that compute with them."""

from . import fake_quant, observer, qconfig, utils
from .convert import (
    disable_fake_quant,
    disable_observer,
    enable_fake_quant,
    enable_observer,
    propagate_qconfig,
    quantize,
    quantize_qat,
    reset_qconfig,
)
from .easy_quant import apply_easy_quant
from .fake_quant import LSQ, TQT, FakeQuantize
from .observer import (
    ExponentialMovingAverageObserver,
    HistogramObserver,
    MinMaxObserver,
    Observer,
    PassiveObserver,
    SyncExponentialMovingAverageObserver,
    SyncMinMaxObserver,
)
from .qconfig import (
    QConfig,
    calibration_qconfig,
    easyquant_qconfig,
    ema_fakequant_qconfig,
    ema_lowbit_fakequant_qconfig,
    min_max_fakequant_qconfig,
    passive_qconfig,
    sync_ema_fakequant_qconfig,
    tqt_qconfig,
)
from .utils import QParams, QuantMode, create_qparams, fake_quant_bias, fake_quant_tensor

__all__ = [
    "LSQ",
    "TQT",
    "ExponentialMovingAverageObserver",
    "FakeQuantize",
    "HistogramObserver",
    "MinMaxObserver",
    "Observer",
    "PassiveObserver",
    "QConfig",
    "QParams",
    "QuantMode",
    "SyncExponentialMovingAverageObserver",
    "SyncMinMaxObserver",
    "apply_easy_quant",
    "calibration_qconfig",
    "create_qparams",
    "disable_fake_quant",
    "disable_observer",
    "easyquant_qconfig",
    "ema_fakequant_qconfig",
    "ema_lowbit_fakequant_qconfig",
    "enable_fake_quant",
    "enable_observer",
    "fake_quant",
    "fake_quant_bias",
    "fake_quant_tensor",
    "min_max_fakequant_qconfig",
    "observer",
    "passive_qconfig",
    "propagate_qconfig",
    "qconfig",
    "quantize",
    "quantize_qat",
    "reset_qconfig",
    "sync_ema_fakequant_qconfig",
    "tqt_qconfig",
    "utils",
]
