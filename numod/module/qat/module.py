"""QATModule: what layers that train with simulated quantization share."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar, Self

import numpy as np

from ...functional.quantization import fake_quant_bias
from ...qparams import QParams
from ...tensor import Tensor
from ..module import Module

_OWN = frozenset({"name", "training", "quantize_disabled", "_forward_pre_hooks", "_forward_hooks"})


class QATModule(Module):
    """Base class of layers whose weights and activations are observed and rounded as integers will be.

    The observers and the modules that round are those of `set_qconfig`; each may be None.
    """

    _kind = "QAT."
    with_weight: ClassVar[bool] = True  # whether there is a weight to observe
    with_act: ClassVar[bool] = True  # whether its result is observed

    weight_observer: Any
    act_observer: Any
    weight_fake_quant: Any
    act_fake_quant: Any

    def __init__(self, name: str | None = None):
        super().__init__(name=name)
        self._clear()

    def _clear(self) -> None:
        self.weight_observer = self.act_observer = self.weight_fake_quant = self.act_fake_quant = None

    @classmethod
    def from_float_module(cls, float_module: Module) -> Self:
        """The twin of a float layer, with the same parameters (not copies)."""
        twin = cls.__new__(cls)
        Module.__init__(twin, name=float_module.name)
        twin._clear()
        for name, value in vars(float_module).items():
            if name not in _OWN:
                setattr(twin, name, value)
        return twin

    @abstractmethod
    def forward(self, inputs):
        """What the layer computes, with weights and results rounded."""

    def set_qconfig(self, qconfig: Any) -> None:
        """Make the observers and rounding modules that a `numod.quantization.QConfig` says."""
        if self.with_act:
            self.act_observer = _made(qconfig.act_observer)
            self.act_fake_quant = _made(qconfig.act_fake_quant)
        if self.with_weight:
            self.weight_observer = _made(qconfig.weight_observer)
            self.weight_fake_quant = _made(qconfig.weight_fake_quant)

    def set_fake_quant(self, enable: bool) -> None:
        """Switch rounding on or off."""
        _switch((self.act_fake_quant, self.weight_fake_quant), enable)

    def set_observer(self, enable: bool) -> None:
        """Switch observing on or off."""
        _switch((self.act_observer, self.weight_observer), enable)

    def apply_quant_weight(self, target: Tensor) -> Tensor:
        """A weight, observed and rounded; its ``qparams`` say how."""
        return _quantized(target, self.weight_fake_quant, self.weight_observer)

    def apply_quant_activation(self, target: Tensor) -> Tensor:
        """A result, observed and rounded; its ``qparams`` say how."""
        return _quantized(target, self.act_fake_quant, self.act_observer)

    def apply_quant_bias(self, target: Tensor | None, inp: Tensor, w_qat: Tensor) -> Tensor | None:
        """A bias, rounded with the scales of the input and of the weight if both are known and weights are rounded."""
        if self.weight_fake_quant is None or not self.weight_fake_quant.enabled:
            return target
        return fake_quant_bias(target, inp, w_qat)

    def get_weight_qparams(self) -> QParams | None:
        """How the weight is quantized, or None."""
        return _qparams(self.weight_fake_quant, self.weight_observer)

    def get_activation_qparams(self) -> QParams | None:
        """How the result is quantized, or None."""
        return _qparams(self.act_fake_quant, self.act_observer)

    def get_weight_dtype(self) -> np.dtype | None:
        """The NumPy dtype of the quantized weight, with the scale in its ``metadata``, or None."""
        source = _source(self.weight_fake_quant, self.weight_observer)
        return source and source.get_quantized_dtype()

    def get_activation_dtype(self) -> np.dtype | None:
        """The NumPy dtype of the quantized result, with scale and zero point in its ``metadata``, or None."""
        source = _source(self.act_fake_quant, self.act_observer)
        return source and source.get_quantized_dtype()


def _made(maker: Any) -> Module | None:
    return None if maker is None else maker()


def _switch(modules: tuple, enable: bool) -> None:
    for module in modules:
        if module is not None:
            (module.enable if enable else module.disable)()


def _source(fake_quant: Any, observer: Any) -> Any:
    """Who knows the parameters: rounding that learns them, or else the observer."""
    return fake_quant if hasattr(fake_quant, "get_qparams") else observer


def _qparams(fake_quant: Any, observer: Any) -> QParams | None:
    source = _source(fake_quant, observer)
    return source and source.get_qparams()


def _quantized(target: Tensor, fake_quant: Any, observer: Any) -> Tensor:
    out = target if observer is None else observer(target)
    qparams = _qparams(fake_quant, observer)
    if fake_quant is not None:
        out = fake_quant(out, qparams)
    if qparams is None:
        return out
    if out is target:
        out = target.to(target.device)  # the same value under another name: what was given is not marked
    out.qparams.update(qparams)
    return out
