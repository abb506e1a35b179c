"""From a float network to one that trains with simulated quantization, and the switches of such a network."""

from __future__ import annotations

import copy
from typing import Any

from .. import module as float_modules
from ..module import Module, qat, quantized
from ..module.qat import QATModule
from .qconfig import QConfig, ema_fakequant_qconfig

_NAMES = [name for name in qat.__all__ if name != "QATModule"]
_TO_QAT: dict[type, type] = {getattr(float_modules, name): getattr(qat, name) for name in _NAMES}
_TO_QUANTIZED: dict[type, type] = {getattr(qat, name): getattr(quantized, name) for name in _NAMES}


def _converted(module: Module, wanted: tuple[type, ...], convert: Any, inplace: bool) -> Module:
    """The network with every layer of these types, of which quantization is not disabled, replaced by what ``convert`` makes of it."""
    network = module if inplace else copy.deepcopy(module)
    twins: dict[int, Module] = {}

    def twin(layer: Module) -> Module:
        if id(layer) not in twins:  # a layer that stands in several places stays one layer
            twins[id(layer)] = convert(layer)
        return twins[id(layer)]

    def replaced(value: Any) -> Any:
        if isinstance(value, Module):
            if isinstance(value, wanted) and not value.quantize_disabled:
                return twin(value)
            visit(value)
        elif isinstance(value, (list, tuple)):
            items = [replaced(item) for item in value]
            if any(new is not old for new, old in zip(items, value, strict=True)):
                if isinstance(value, tuple):
                    return type(value)(items)
                value[:] = items
        elif isinstance(value, dict):
            value.update({key: new for key, item in value.items() if (new := replaced(item)) is not item})
        return value

    seen: set[int] = set()

    def visit(parent: Module) -> None:
        if id(parent) in seen:
            return
        seen.add(id(parent))
        attributes = vars(parent)
        for name, value in list(attributes.items()):
            new = replaced(value)
            if new is not value:
                attributes[name] = new  # in its place, so that the repr keeps the order

    visit(network)
    return network


def _twin_of(layer: Module, mapping: dict[type, type]) -> type:
    if type(layer) not in mapping:
        known = ", ".join(sorted({kind.__name__ for kind in mapping}))
        raise KeyError(f"quantize: no twin is known for {type(layer).__module__}.{type(layer).__name__}, but for {known}; see mapping")
    return mapping[type(layer)]


def quantize_qat(
    module: Module,
    inplace: bool = True,
    qconfig: QConfig = ema_fakequant_qconfig,
    mapping: dict[type, type] | None = None,
) -> Module:
    """Replace the layers in a float network by their twins in `numod.module.qat`, and return it.

    Layers with ``disable_quantize`` are left alone, and so is ``module`` itself. What is between `QuantStub` and `DequantStub` should be
    made of layers that have a twin; other functions compute with rounded floats.

    inplace: change ``module`` itself; otherwise a copy. qconfig: how to observe and round. mapping: more pairs of a float class and its twin.
    KeyError: a layer's class derives from one that has a twin, but has none itself.
    """
    twins = {**_TO_QAT, **(mapping or {})}

    def convert(layer: Module) -> Module:
        made = _twin_of(layer, twins).from_float_module(layer)  # type: ignore[attr-defined]
        made.set_qconfig(qconfig)
        return made

    return _converted(module, tuple(twins), convert, inplace)


def quantize(module: Module, inplace: bool = True, mapping: dict[type, type] | None = None) -> Module:
    """Replace the layers that simulate quantization by their twins in `numod.module.quantized`, and return the network, to be used after ``eval()``.

    Between them, functions that only move elements keep what `Tensor.qparams` says, and so do `relu`, pooling and `interpolate`.

    inplace: change ``module`` itself; otherwise a copy. mapping: more pairs of a class that simulates and its twin.
    KeyError: a layer's class derives from one that has a twin, but has none itself.
    """
    twins = {**_TO_QUANTIZED, **(mapping or {})}
    return _converted(module, tuple(twins), lambda layer: _twin_of(layer, twins).from_qat_module(layer), inplace)  # type: ignore[attr-defined]


def _each(module: Module, call: Any) -> None:
    for layer in module.modules():
        if isinstance(layer, QATModule):
            call(layer)


def propagate_qconfig(module: QATModule, qconfig: QConfig) -> None:
    """Give all layers that simulate quantization new observers and rounding."""
    _each(module, lambda layer: layer.set_qconfig(qconfig))


def reset_qconfig(module: Module, qconfig: QConfig, inplace: bool = True) -> Module:
    """The network with other observers and rounding; those that take parameters get the ones that were in use."""
    network = module if inplace else copy.deepcopy(module)

    def reset(layer: QATModule) -> None:
        known = (layer.get_weight_qparams(), layer.get_activation_qparams())
        layer.set_qconfig(qconfig)
        for qparams, modules in zip(
            known,
            ((layer.weight_observer, layer.weight_fake_quant), (layer.act_observer, layer.act_fake_quant)),
            strict=True,
        ):
            for taker in modules:
                if qparams is not None and hasattr(taker, "set_qparams"):
                    taker.set_qparams(qparams)

    _each(network, reset)
    return network


def enable_fake_quant(module: Module) -> None:
    """Round in all layers that simulate quantization."""
    _each(module, lambda layer: layer.set_fake_quant(True))


def disable_fake_quant(module: Module) -> None:
    """Round nowhere."""
    _each(module, lambda layer: layer.set_fake_quant(False))


def enable_observer(module: Module) -> None:
    """Observe in all layers that simulate quantization."""
    _each(module, lambda layer: layer.set_observer(True))


def disable_observer(module: Module) -> None:
    """Observe nowhere."""
    _each(module, lambda layer: layer.set_observer(False))
