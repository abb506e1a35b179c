"""The search for scales after training, one layer after the other."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..module import Module
from ..module.qat import QATModule
from ..tensor import Tensor
from .convert import disable_fake_quant, enable_fake_quant
from .observer import PassiveObserver


def apply_easy_quant(module: Module, data: Tensor, start: float = 0.8, stop: float = 1.2, num: int = 40) -> Module:
    """Choose the scales for which the layers' results are most like those in float, by the cosine between them; returns ``module``.

    Of each layer, in the order in which they compute, first the scale of the weight is searched and then that of the result: ``num`` multiples,
    from ``start`` to ``stop`` times, of the scales that were set. So the network must have those: see `calibration_qconfig`, and `reset_qconfig`
    with `easyquant_qconfig`. (Wu et al., "EasyQuant: Post-training Quantization via Scale Optimization", 2020.)

    data: what the network is called with.
    """
    layers = [layer for layer in module.modules() if isinstance(layer, QATModule)]
    for layer in layers:
        for observer in (layer.weight_observer, layer.act_observer):
            if observer is not None and not (isinstance(observer, PassiveObserver) and observer.qparams is not None):
                raise EasyQuantError(f"apply_easy_quant: all layers need a PassiveObserver with qparams, got {observer!r} in {layer!r}")
    modes = [(part, part.training) for part in module.modules()]
    module.eval()  # so that the search changes no running statistics
    try:
        wanted: dict[int, np.ndarray] = {}

        def keep(layer, inputs, output):
            wanted.setdefault(id(layer), output.numpy())

        disable_fake_quant(module)
        _with_hooks(layers, keep, module, data)
        enable_fake_quant(module)
        factors = np.linspace(start, stop, num)

        def search(layer, inputs, output):
            target = wanted.pop(id(layer), None)
            if target is None:  # it was called before
                return None
            for observer in (layer.weight_observer, layer.act_observer):
                if observer is not None:
                    _search(observer, factors, lambda: _cosine(layer.forward(*inputs).numpy(), target))
            return layer.forward(*inputs)

        _with_hooks(layers, search, module, data)
    finally:
        for part, training in modes:
            part.train(training, recursive=False)
    return module


def _with_hooks(layers: list[QATModule], hook: Callable, module: Module, data: Tensor) -> None:
    handlers = [layer.register_forward_hook(hook) for layer in layers]
    try:
        module(data)
    finally:
        for handler in handlers:
            handler.remove()


def _search(observer: PassiveObserver, factors: np.ndarray, likeness: Callable[[], float]) -> None:
    """Leave the observer at the best multiple of its first scale; the first of equally good ones."""
    best, scale = -np.inf, observer.scale
    for factor in factors:
        tried = observer.scale = Tensor(observer.orig_scale * factor, dtype="float32", device=scale.device)
        found = likeness()
        if found > best:
            best, scale = found, tried
    observer.scale = scale


def _cosine(one: np.ndarray, other: np.ndarray) -> float:
    """The cosine between two results of a sample, averaged over the batch."""
    x, y = (np.reshape(part, (len(part), -1)).astype(np.float64) for part in (one, other))
    lengths = np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1)
    return float(np.mean(np.sum(x * y, axis=1) / np.maximum(lengths, 1e-30)))


class EasyQuantError(ValueError, AttributeError):
    """A network without scales to begin with. (MegEngine: AttributeError.)"""
