"""Observers: modules that return their input as it is, and remember of its values what scale and zero point follow from."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from .. import functional as F
from ..module import Module
from ..qparams import QParams, QuantDtypeMeta, QuantMode, create_qparams, quantized_dtype, quantized_meta
from ..tensor import Tensor
from .histogram import best_range, extended, extremes

LARGEST = float(np.finfo(np.float32).max)


class Observer(Module):
    """Base class of observers.

    dtype: the quantized dtype or its name, see `create_qparams`.
    """

    def __init__(self, dtype: str | QuantDtypeMeta, name: str | None = None):
        super().__init__(name=name)
        self.dtype = quantized_meta(dtype)
        self.qmin, self.qmax = self.dtype.qmin, self.dtype.qmax
        self.enabled = True

    def enable(self) -> None:
        """Observe again."""
        self.enabled = True

    def disable(self) -> None:
        """Observe nothing until `enable`."""
        self.enabled = False

    def get_quantized_dtype(self) -> np.dtype:
        """The NumPy dtype of the integers; its ``metadata`` has scale and zero point."""
        return quantized_dtype(self.get_qparams())

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """``x``, after a look at it."""

    @abstractmethod
    def get_qparams(self) -> QParams:
        """The parameters that fit what has been observed."""

    def train(self, mode: bool = True, recursive: bool = True) -> None:
        """Switch to training mode, in which observers observe, or out of it."""
        super().train(mode, recursive)
        if mode:
            self.enable()
        else:
            self.disable()


class MinMaxObserver(Observer):
    """The least and greatest value seen.

    mode: symmetric ranges have 0 in the middle; asymmetric ones have a zero point, and contain 0.
    eps: the least scale.

    >>> import numod as nm
    >>> from numod.quantization import MinMaxObserver
    >>> observer = MinMaxObserver(dtype="qint8")
    >>> _ = observer(nm.Tensor([-1.0, 3.0]))
    >>> round(observer.get_qparams().scale.item(), 4)
    0.0235
    """

    def __init__(
        self,
        mode: QuantMode = QuantMode.SYMMERTIC,
        eps: float = 1e-5,
        dtype: str | QuantDtypeMeta = "qint8",
        name: str | None = None,
    ):
        super().__init__(dtype, name=name)
        self.mode = mode
        self.min_val = Tensor(LARGEST, dtype="float32")
        self.max_val = Tensor(-LARGEST, dtype="float32")
        self.scale_limit = eps

    def get_qparams(self) -> QParams:
        """Scale and, in asymmetric mode, zero point of the range that was seen."""
        return self._fitting(self.min_val, self.max_val)

    def _fitting(self, least: Tensor, greatest: Tensor) -> QParams:
        low, high = F.minimum(least, 0.0), F.maximum(greatest, 0.0)
        if self.mode is QuantMode.SYMMERTIC:
            # the farther end, in half of the steps
            scale = F.maximum(F.maximum(-low, high) / ((self.qmax - self.qmin) / 2), self.scale_limit)
            return create_qparams(self.mode, self.dtype, scale)
        scale = F.maximum((high - low) / (self.qmax - self.qmin), self.scale_limit)
        return create_qparams(self.mode, self.dtype, scale, self.qmin - F.round(low / scale))

    def forward(self, x_orig: Tensor) -> Tensor:
        """``x_orig``; when enabled, the range grows to contain it."""
        if self.enabled:
            x = x_orig.detach()
            self.min_val._reset(F.minimum(x.min().astype("float32"), self.min_val))
            self.max_val._reset(F.maximum(x.max().astype("float32"), self.max_val))
        return x_orig


class SyncMinMaxObserver(MinMaxObserver):
    """`MinMaxObserver` for training in several processes; in one it is the same."""


class ExponentialMovingAverageObserver(MinMaxObserver):
    """Moving averages of the least and the greatest value of what is seen: ``old * momentum + new * (1 - momentum)``, beginning with the first."""

    def __init__(
        self,
        momentum: float = 0.9,
        mode: QuantMode = QuantMode.SYMMERTIC,
        eps: float = 1e-5,
        dtype: str | QuantDtypeMeta = "qint8",
        name: str | None = None,
    ):
        super().__init__(mode, eps, dtype, name=name)
        self.momentum = Tensor(momentum, dtype="float32")
        self.runtime_momentum = Tensor(0.0)  # of the first observation, which has nothing before it

    def set_momentum(self, momentum: float) -> None:
        """Set the momentum of later observations."""
        self.momentum = Tensor(momentum, dtype="float32")

    def forward(self, x_orig: Tensor) -> Tensor:
        """``x_orig``; when enabled, the averages move."""
        if self.enabled:
            x, kept = x_orig.detach(), self.runtime_momentum
            self.min_val._reset(self.min_val * kept + x.min() * (1 - kept))
            self.max_val._reset(self.max_val * kept + x.max() * (1 - kept))
            self.runtime_momentum._reset(self.momentum)
        return x_orig


class SyncExponentialMovingAverageObserver(ExponentialMovingAverageObserver):
    """`ExponentialMovingAverageObserver` for training in several processes; in one it is the same."""


class HistogramObserver(MinMaxObserver):
    """A histogram of what is seen, of which the range is taken whose quantization has the least squared error.

    The ends of the range move inwards as long as the error falls; what is beyond them is clipped.

    bins: of the histogram. upsample_rate: into so many parts each bin is cut when the histogram is widened.
    """

    def __init__(
        self,
        bins: int = 2048,
        upsample_rate: int = 128,
        mode: QuantMode = QuantMode.SYMMERTIC,
        eps: float = 1e-5,
        dtype: str | QuantDtypeMeta = "qint8",
        name: str | None = None,
    ):
        super().__init__(mode, eps, dtype, name=name)
        self.bins = bins
        self.upsample_rate = upsample_rate
        self.dst_nbins = self.qmax - self.qmin + 1
        self.histogram = Tensor([-1.0] + [0.0] * (bins - 1))  # -1: nothing was seen yet

    def get_qparams(self) -> QParams:
        """Scale and zero point of the range with the least error; ValueError if nothing was seen."""
        counts = self.histogram.numpy()
        if counts[0] == -1:
            raise ValueError("HistogramObserver: nothing was observed yet")
        low, high = best_range(counts, float(self.min_val), float(self.max_val), self.dst_nbins)
        return self._fitting(*[Tensor(end, dtype="float32", device=self.min_val.device) for end in (low, high)])

    def sideeffect_forward(self, x_orig: Tensor) -> None:
        """Count the values of ``x_orig``."""
        values = x_orig.numpy()
        low, high = extremes(values)
        counts = self.histogram.numpy()
        if counts[0] == -1:
            counts = np.histogram(values, self.bins, (low, high))[0]
        else:
            counts, low, high = extended(counts, float(self.min_val), float(self.max_val), values, self.upsample_rate)
        for buffer, value in ((self.histogram, counts), (self.min_val, low), (self.max_val, high)):
            buffer._reset(Tensor(value, dtype="float32", device=buffer.device))

    def forward(self, x_orig: Tensor) -> Tensor:
        """``x_orig``; when enabled, it is counted."""
        if self.enabled:
            self.sideeffect_forward(x_orig)
        return x_orig


class PassiveObserver(Observer):
    """It observes nothing: its parameters are what `set_qparams` says, and its scale can be set."""

    def __init__(self, dtype: str | QuantDtypeMeta, name: str | None = None):
        super().__init__(dtype, name=name)
        self.qparams: QParams | None = None
        self.orig_scale: np.ndarray | None = None

    @property
    def scale(self) -> Tensor:
        """The scale, a positive Tensor."""
        return self._known().scale

    @scale.setter
    def scale(self, value: Tensor) -> None:
        if not np.all(value.numpy() > 0):
            raise PassiveObserverError(f"PassiveObserver: scale must be positive, got {value}")
        self._known().scale = value

    def _known(self) -> QParams:
        if self.qparams is None:
            raise AttributeError("PassiveObserver: it has no scale before set_qparams")
        return self.qparams

    def set_qparams(self, qparams: QParams) -> None:
        """Use these parameters; their dtype must be the observer's."""
        if qparams.dtype_meta != self.dtype:
            raise PassiveObserverError(f"PassiveObserver: takes qparams of {self.dtype.name}, got {qparams}")
        if qparams.scale is None:
            raise ValueError("PassiveObserver: the qparams have no scale")
        self.qparams = QParams(qparams.mode, qparams.dtype_meta, qparams.scale, qparams.zero_point)
        self.orig_scale = qparams.scale.numpy()

    def get_qparams(self) -> QParams | None:  # type: ignore[override]
        """What was set, or None."""
        return self.qparams

    def forward(self, x: Tensor) -> Tensor:
        """``x``."""
        return x


class PassiveObserverError(ValueError, AssertionError):
    """A scale or parameters that cannot be set. (MegEngine: AssertionError.)"""
