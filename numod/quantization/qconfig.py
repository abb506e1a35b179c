"""QConfig: which observers and roundings a network is quantized with, and those that are ready."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from ..module import Module
from .fake_quant import TQT, FakeQuantize
from .observer import (
    ExponentialMovingAverageObserver,
    HistogramObserver,
    MinMaxObserver,
    PassiveObserver,
    SyncExponentialMovingAverageObserver,
    SyncMinMaxObserver,
)

Maker = Callable[[], Module] | None


class _Makers(NamedTuple):
    weight_observer: Maker
    act_observer: Maker
    weight_fake_quant: Maker
    act_fake_quant: Maker


class QConfig(_Makers):
    """How weights and activations are observed and rounded: four classes, or what makes modules when it is called, or None for nothing.

    Each module that is quantized makes its own, so modules are refused.

    >>> from functools import partial
    >>> from numod.quantization import FakeQuantize, MinMaxObserver, QConfig
    >>> config = QConfig(MinMaxObserver, MinMaxObserver, partial(FakeQuantize, "qint8"), partial(FakeQuantize, "qint8"))
    >>> config.act_observer()
    MinMaxObserver()
    """

    def __new__(cls, weight_observer: Maker, act_observer: Maker, weight_fake_quant: Maker, act_fake_quant: Maker) -> QConfig:
        """Refuse modules."""
        makers = (weight_observer, act_observer, weight_fake_quant, act_fake_quant)
        for what, maker in zip(_Makers._fields, makers, strict=True):
            if isinstance(maker, Module):
                raise ValueError(f"QConfig: {what} must be a class or a partial of one, which each layer calls; got the module {maker!r}")
        return super().__new__(cls, *makers)


def _config(
    weight: type | None, activation: type | None, fake_quant: type | None, weight_dtype: str = "qint8_narrow", dtype: str = "qint8"
):
    def made(kind, of):
        return kind and partial(kind, dtype=of)

    return QConfig(made(weight, weight_dtype), made(activation, dtype), made(fake_quant, weight_dtype), made(fake_quant, dtype))


min_max_fakequant_qconfig = _config(MinMaxObserver, MinMaxObserver, FakeQuantize)
ema_fakequant_qconfig = _config(MinMaxObserver, ExponentialMovingAverageObserver, FakeQuantize)
ema_lowbit_fakequant_qconfig = _config(MinMaxObserver, ExponentialMovingAverageObserver, FakeQuantize, "qint4", "qint4")
sync_ema_fakequant_qconfig = _config(SyncMinMaxObserver, SyncExponentialMovingAverageObserver, FakeQuantize)
calibration_qconfig = _config(MinMaxObserver, HistogramObserver, None)
tqt_qconfig = _config(None, None, TQT)
passive_qconfig = _config(PassiveObserver, PassiveObserver, FakeQuantize)
easyquant_qconfig = passive_qconfig
