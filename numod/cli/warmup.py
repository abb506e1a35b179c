"""``numod warmup``: fill the kernel cache, so that later processes compile nothing. Compiling is done by using: each piece is run once."""

from __future__ import annotations

import argparse
import functools
import sys
import time
from collections.abc import Callable, Iterable

import numpy as np
from tqdm import tqdm

from .. import functional as F, module as M, optimizer as optim
from ..autodiff import GradManager
from ..kernel import cache, loader as kernels
from ..op import TABLE, Op
from ..tensor import Tensor
from . import demo

LAYERS: dict[str, tuple[Callable[[], M.Module], tuple[int, ...]]] = {
    "Linear": (lambda: M.Linear(16, 8), (4, 16)),
    "Conv1d": (lambda: M.Conv1d(4, 8, 3), (2, 4, 32)),
    "Conv2d": (lambda: M.Conv2d(4, 8, 3, padding=1), (2, 4, 16, 16)),
    "Conv2d with stride": (lambda: M.Conv2d(4, 8, 3, stride=2, padding=1), (2, 4, 16, 16)),
    "Conv2d 1x1": (lambda: M.Conv2d(16, 8, 1), (2, 16, 8, 8)),
    "Conv3d": (lambda: M.Conv3d(2, 4, 3), (2, 2, 8, 8, 8)),
    "MaxPool2d": (lambda: M.MaxPool2d(2), (2, 4, 8, 8)),
    "AvgPool2d": (lambda: M.AvgPool2d(2), (2, 4, 8, 8)),
    "BatchNorm1d": (lambda: M.BatchNorm1d(4), (8, 4)),
    "BatchNorm2d": (lambda: M.BatchNorm2d(4), (2, 4, 8, 8)),
    "LayerNorm": (lambda: M.LayerNorm(16), (4, 16)),
    "GroupNorm": (lambda: M.GroupNorm(2, 4), (2, 4, 8, 8)),
    "Dropout": (lambda: M.Dropout(0.5), (4, 16)),
    "ReLU": (M.ReLU, (4, 16)),
    "GELU": (M.GELU, (4, 16)),
    "SiLU": (M.SiLU, (4, 16)),
    "Sigmoid": (M.Sigmoid, (4, 16)),
    "Softmax": (lambda: M.Softmax(axis=1), (4, 16)),
}
OPTIMIZERS: dict[str, Callable[[Iterable], optim.Optimizer]] = {
    "SGD": lambda parameters: optim.SGD(parameters, lr=0.1),
    "SGD with momentum": lambda parameters: optim.SGD(parameters, lr=0.1, momentum=0.9, weight_decay=1e-4),
    "Adam": lambda parameters: optim.Adam(parameters, lr=0.1),
    "AdamW": lambda parameters: optim.AdamW(parameters, lr=0.1),
}


def use_demo() -> None:
    """One step of the demo's training, and its evaluation."""
    demo.rehearse(np.zeros((demo.BATCH, 1, 28, 28), np.float32), np.zeros(demo.BATCH, np.int32))


def use_layer(make: Callable[[], M.Module], shape: tuple[int, ...]) -> None:
    """A layer forward and backward, and forward in evaluation mode."""
    layer, x = make(), Tensor(np.ones(shape, np.float32))
    manager = GradManager().attach([x, *layer.parameters()])
    with manager:
        manager.backward(layer(x).sum())
    layer.eval()
    layer(x)


def use_embedding() -> None:
    """A table of vectors, and its gradient."""
    layer = M.Embedding(8, 4)
    manager = GradManager().attach(layer.parameters())
    with manager:
        manager.backward(layer(Tensor([[1, 2, 3]])).sum())


def use_losses() -> None:
    """The losses with their gradients."""
    logits, target = Tensor(np.ones((4, 10), np.float32)), Tensor(np.zeros((4, 10), np.float32))
    manager = GradManager().attach(logits)
    for loss in (F.loss.l1_loss, F.loss.square_loss, F.loss.binary_cross_entropy):
        with manager:
            manager.backward(loss(logits, target))
    with manager:
        manager.backward(F.loss.cross_entropy(logits, Tensor([1, 2, 3, 4])))


def use_optimizer(make: Callable[[Iterable], optim.Optimizer]) -> None:
    """Two steps, as the first may differ from those after it."""
    layer = M.Linear(16, 8)
    optimizer = make(layer.parameters())
    for _ in range(2):
        for parameter in layer.parameters():
            parameter.grad = Tensor(np.ones(parameter.shape, np.float32))
        optimizer.step().clear_grad()


def use_op(op: Op) -> None:
    """An op on a float32 sample of its own, and its gradient."""
    from ..testing.calls import Trial  # isort: skip; needs an extra, and says so
    from hypothesis import Phase, given, settings, strategies

    @settings(max_examples=1, database=None, deadline=None, derandomize=True, phases=[Phase.generate])
    @given(strategies.data())
    def once(data) -> None:
        call = Trial(op, data).call(plain=True)
        tensors = call.tensors()
        manager = GradManager().attach([tensor for tensor in tensors if tensor.dtype == np.float32])
        with manager:
            outputs = op(*tensors, **call.attrs)
            manager.backward(list(outputs) if isinstance(outputs, tuple) else outputs)

    once()


def tasks(everything: bool) -> list[tuple[str, Callable[[], None]]]:
    """(name, what to run) for each piece."""
    found: list[tuple[str, Callable[[], None]]] = [("the demo's network", use_demo)]
    found += [(name, functools.partial(use_layer, *piece)) for name, piece in LAYERS.items()]
    found += [("Embedding", use_embedding), ("losses", use_losses)]
    found += [(name, functools.partial(use_optimizer, make)) for name, make in OPTIMIZERS.items()]
    if everything:
        found += [(f"op {op.name}", functools.partial(use_op, op)) for op in TABLE.values()]
    return found


def run(arguments: argparse.Namespace) -> int:
    """The verb."""
    start = time.perf_counter()
    with tqdm(tasks(arguments.all), unit="piece", file=sys.stdout) as bar:
        for name, use in bar:
            bar.set_description(f"{name:<20}"[:20])
            use()
    files = cache.kernels()
    size = sum(file.stat().st_size for file in files)
    print(f"{kernels.compiled} kernels compiled in {time.perf_counter() - start:.1f} s")
    print(f"{cache.folder()}: {len(files)} kernels, {size / 1e6:.1f} MB")
    return 0
