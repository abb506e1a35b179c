"""What is measured: every workload names an operation of `libraries`, its arguments, and what it must at least do (operations and bytes).

Bytes are those that must cross the memory bus if nothing is in a cache: each input read once, each output written once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import prod
from typing import Any


@dataclass(frozen=True)
class Workload:
    """One row of the report."""

    group: str
    name: str
    operation: str  # a function of every file in `libraries`
    arguments: dict[str, Any]
    flops: float = 0.0
    nbytes: float = 0.0
    threads: tuple[int, ...] = field(default=(1, 2))

    @property
    def key(self) -> str:
        """How ``--only`` and the JSON call it."""
        return f"{self.group}/{self.name}"


SQUARES = (32, 64, 128, 256, 512, 1024, 2048)
ODD = (17, 33, 100, 257, 1000)
SKINNY = ((1, 1000, 1000), (1000, 1, 1000), (1000, 1000, 1), (64, 10, 50), (64, 50, 320), (128, 256, 784), (8, 4096, 512), (4096, 8, 512))
BATCHED = ((16, 64, 64, 64), (64, 64, 32, 64), (8, 197, 197, 64), (512, 16, 16, 16))


def matmul() -> Iterator[Workload]:
    """Matrix products: A @ B (NN), A^T @ B (TN), A @ B^T (NT)."""
    shapes = [(n, n, n) for n in (*SQUARES, *ODD)] + list(SKINNY)
    for m, n, k in shapes:
        for letters in ("NN", "TN", "NT"):
            arguments = {"m": m, "n": n, "k": k, "transpose_a": letters[0] == "T", "transpose_b": letters[1] == "T"}
            label = str(m) if m == n == k else f"{m}x{n}x{k}"
            yield Workload("matmul", f"{label} {letters}", "matmul", arguments, 2.0 * m * n * k, 4.0 * (m * k + k * n + m * n))
    for batch, m, n, k in BATCHED:
        arguments = {"m": m, "n": n, "k": k, "batch": batch}
        yield Workload(
            "matmul", f"{batch} of {m}x{n}x{k}", "matmul", arguments, 2.0 * batch * m * n * k, 4.0 * batch * (m * k + k * n + m * n)
        )


# network, channels, side, outputs, kernel, stride, padding, groups
LAYERS = (
    ("LeNet", 1, 28, 10, 5, 1, 0, 1),
    ("LeNet", 10, 12, 20, 5, 1, 0, 1),
    ("AlexNet", 3, 224, 64, 11, 4, 2, 1),
    ("AlexNet", 64, 27, 192, 5, 1, 2, 1),
    ("AlexNet", 192, 13, 384, 3, 1, 1, 1),
    ("ResNet", 3, 224, 64, 7, 2, 3, 1),
    ("ResNet", 64, 56, 64, 3, 1, 1, 1),
    ("ResNet", 64, 56, 64, 1, 1, 0, 1),
    ("ResNet", 64, 56, 256, 1, 1, 0, 1),
    ("ResNet", 128, 56, 128, 3, 2, 1, 1),
    ("ResNet", 128, 28, 128, 3, 1, 1, 1),
    ("ResNet", 256, 14, 256, 3, 1, 1, 1),
    ("ResNet", 1024, 14, 256, 1, 1, 0, 1),
    ("ResNet", 512, 7, 512, 3, 1, 1, 1),
    ("MobileNetV2", 3, 224, 32, 3, 2, 1, 1),
    ("MobileNetV2", 32, 112, 32, 3, 1, 1, 32),
    ("MobileNetV2", 96, 112, 96, 3, 2, 1, 96),
    ("MobileNetV2", 144, 56, 24, 1, 1, 0, 1),
    ("MobileNetV2", 384, 14, 384, 3, 1, 1, 384),
    ("VGG", 64, 112, 128, 3, 1, 1, 1),
    ("VGG", 256, 28, 512, 3, 1, 1, 1),
)
LARGE = 6e9  # no more operations than this in one call


def convolution() -> Iterator[Workload]:
    """Convolutions and both their gradients, and the transposed convolutions of a U-Net."""
    for net, channels, side, outputs, kernel, stride, padding, groups in LAYERS:
        for batch in (1, 8, 32):
            out = (side + 2 * padding - kernel) // stride + 1
            flops = 2.0 * batch * outputs * out * out * channels // groups * kernel * kernel
            if flops > LARGE:
                continue
            nbytes = 4.0 * (batch * (channels * side * side + outputs * out * out) + outputs * channels // groups * kernel * kernel)
            arguments = {"x": (batch, channels, side, side), "weight": (outputs, channels // groups, kernel, kernel)}
            arguments |= {"stride": stride, "padding": padding, "groups": groups}
            label = f"{net} {channels}-{outputs} {kernel}x{kernel}{f'/{stride}' if stride > 1 else ''} {side}x{side}{' depthwise' if groups > 1 else ''}"
            for direction in ("forward", "data", "weight"):
                yield Workload(
                    "convolution", f"{label} batch {batch} {direction}", "conv", {"direction": direction, **arguments}, flops, nbytes
                )
    for channels, side in ((128, 16), (64, 32)):
        x, weight = (8, channels, side, side), (channels, channels // 2, 2, 2)
        flops = 2.0 * prod(x) * prod(weight[1:])
        nbytes = 4.0 * (prod(x) + prod(weight) + 8 * (channels // 2) * 4 * side * side)
        arguments = {"x": x, "weight": weight, "stride": 2}
        yield Workload(
            "convolution", f"UNet transposed {channels}-{channels // 2} {side}x{side} batch 8", "conv_transpose", arguments, flops, nbytes
        )
    arguments = {"x": (16, 64, 512), "weight": (64, 64, 3)}
    flops = 2.0 * 16 * 64 * 510 * 64 * 3
    yield Workload("convolution", "1-D 64-64 3 512 batch 16 forward", "conv1d", arguments, flops, 4.0 * 2 * 16 * 64 * 512)


def bytes_moved() -> Iterator[Workload]:
    """What reads and writes more than it computes. "step" is the function, recorded, and its gradient."""
    big = 1 << 22
    for name, reads in (
        ("add", 2),
        ("mul", 2),
        ("relu", 1),
        ("exp", 1),
        ("tanh", 1),
        ("sigmoid", 1),
        ("gelu", 1),
        ("sqrt", 1),
        ("log", 1),
        ("erf", 1),
    ):
        for size in (1000, 65536, big):
            yield Workload("elementwise", f"{name} {size}", "elementwise", {"function": name, "size": size}, 0, 4.0 * size * (reads + 1))
    yield Workload("elementwise", f"relu(x * 2 + y) {big}", "chain", {"size": big}, 0, 4.0 * big * 3)
    yield Workload("elementwise", f"gelu {big} step", "training", {"layer": "gelu", "shape": (1024, 4096)}, 0, 4.0 * big * 5)
    for label, x, y in (
        ("row", (2048, 1024), (1024,)),
        ("column", (2048, 1024), (2048, 1)),
        ("channel", (32, 64, 32, 32), (64, 1, 1)),
        ("scalar", (2048, 1024), ()),
    ):
        yield Workload("broadcast", f"add {label}", "broadcast", {"x": x, "y": y}, 0, 8.0 * prod(x))
    for shape, axis in (
        ((4096, 1024), None),
        ((4096, 1024), 0),
        ((4096, 1024), 1),
        ((64, 64, 32, 32), (0, 2, 3)),
        ((64, 64, 1024), 1),
        ((100, 10), 1),
    ):
        for name in ("sum", "max", "mean", "argmax"):
            if name == "argmax" and not isinstance(axis, int):
                continue
            yield Workload(
                "reduction",
                f"{name} {shape} axis {axis}",
                "reduction",
                {"function": name, "shape": shape, "axis": axis},
                0,
                4.0 * prod(shape),
            )
    for label, shape, axes in (
        ("matrix", (2048, 2048), (1, 0)),
        ("NCHW to NHWC", (32, 64, 32, 32), (0, 2, 3, 1)),
        ("heads", (16, 64, 8, 64), (0, 2, 1, 3)),
        ("copy", (2048, 2048), (0, 1)),
    ):
        yield Workload("movement", f"transpose {label}", "transpose", {"shape": shape, "axes": axes}, 0, 8.0 * prod(shape))
    yield Workload(
        "movement", "concat 4 of (64, 32, 28, 28) axis 1", "concat", {"shape": (64, 32, 28, 28), "count": 4}, 0, 8.0 * 4 * 64 * 32 * 784
    )
    yield Workload(
        "movement", "embedding 32768 of (10000, 128)", "embedding", {"rows": 10000, "width": 128, "count": 32768}, 0, 8.0 * 32768 * 128
    )
    yield Workload(
        "movement", "embedding step", "training", {"layer": "embedding", "shape": (10000, 128)}, 0, 4.0 * (4 * 8192 * 128 + 2 * 1280000)
    )
    arguments = {"shape": (1024, 512), "count": 128}
    yield Workload("movement", "gather (1024, 512) axis 1", "gather", arguments, 0, 12.0 * 1024 * 128)
    yield Workload("movement", "scatter (1024, 512) axis 1", "scatter", arguments, 0, 4.0 * 1024 * (2 * 512 + 3 * 128))
    for shape in ((64, 10), (128, 1000), (4096, 1024), (16 * 8 * 64, 64)):
        yield Workload("rows", f"softmax {shape}", "rows", {"function": "softmax", "shape": shape}, 0, 8.0 * prod(shape))
        yield Workload("rows", f"softmax {shape} step", "training", {"layer": "softmax", "shape": shape}, 0, 20.0 * prod(shape))
        yield Workload("rows", f"cross entropy {shape} step", "training", {"layer": "cross_entropy", "shape": shape}, 0, 12.0 * prod(shape))
    for shape in ((64, 128), (4096, 1024)):
        yield Workload("norm", f"layer {shape} step", "training", {"layer": "layer_norm", "shape": shape}, 0, 20.0 * prod(shape))
    for shape in ((64, 10, 12, 12), (32, 64, 32, 32), (32, 256, 14, 14)):
        yield Workload("norm", f"batch {shape} step", "training", {"layer": "batch_norm", "shape": shape}, 0, 20.0 * prod(shape))
    yield Workload(
        "norm", "group (32, 64, 32, 32) step", "training", {"layer": "group_norm", "shape": (32, 64, 32, 32)}, 0, 20.0 * 32 * 64 * 1024
    )
    for kind in ("max", "avg"):
        for shape in ((64, 10, 24, 24), (32, 64, 56, 56)):
            nbytes = 4.0 * prod(shape) * 1.25
            yield Workload(
                "pooling", f"{kind} 2x2 {shape}", "pool", {"kind": kind, "shape": shape, "kernel": 2, "stride": 2, "padding": 0}, 0, nbytes
            )
            yield Workload("pooling", f"{kind} 2x2 {shape} step", "training", {"layer": f"{kind}_pool", "shape": shape}, 0, 2.4 * nbytes)
    arguments = {"kind": "max", "shape": (32, 64, 112, 112), "kernel": 3, "stride": 2, "padding": 1}
    yield Workload("pooling", "max 3x3/2 (32, 64, 112, 112)", "pool", arguments, 0, 5.0 * 32 * 64 * 112 * 112)
    yield Workload("optimizer", "Adam, 1.1M values in 12 tensors", "optimizer", {"name": "Adam"}, 0, 28.0 * 1_105_000)
    yield Workload("optimizer", "SGD with momentum, the same", "optimizer", {"name": "SGD"}, 0, 20.0 * 1_105_000)


def sequences() -> Iterator[Workload]:
    """Attention and LSTMs of small sizes. "step" is the function, recorded, and its gradient, which costs twice the function's operations."""
    for batch, heads, length, each in ((16, 4, 64, 32), (4, 8, 197, 64)):
        shape, name = (batch, heads, length, each), f"attention {(batch, heads, length, each)}"
        flops, nbytes = 4.0 * prod(shape) * length, 16.0 * prod(shape)
        yield Workload("sequence", name, "attention", {"shape": shape, "step": False}, flops, nbytes)
        yield Workload("sequence", f"{name} step", "attention", {"shape": shape, "step": True}, 3 * flops, 2 * nbytes)
    for length, batch, size, hidden in ((20, 8, 32, 64), (50, 32, 64, 128)):
        shape, name = (length, batch, size), f"LSTM {size}-{hidden}, {length} steps, batch {batch}"
        flops = 8.0 * length * batch * hidden * (size + hidden)
        nbytes = 4.0 * (length * batch * (size + hidden) + 4 * hidden * (size + hidden))
        arguments = {"shape": shape, "hidden": hidden}
        yield Workload("sequence", name, "lstm", {**arguments, "step": False}, flops, nbytes)
        yield Workload("sequence", f"{name} step", "lstm", {**arguments, "step": True}, 3 * flops, 2 * nbytes)


# name, batch, multiply-adds for an example (as `utils.module_stats` counts them, and the products of attention and of the LSTM), parameters,
# how often a step of the optimizer reads or writes them
MODELS = (
    ("ConvNet", 64, 0.495e6, 21_840, 5),
    ("MLP", 128, 0.536e6, 535_818, 7),
    ("ResNet18", 16, 560e6, 11_173_962, 5),
    ("MobileNetV2", 8, 28.3e6, 2_236_682, 5),
    ("AlexNet", 8, 711e6, 57_044_810, 5),
    ("Transformer", 16, 29.6e6, 470_784, 7),
    ("LSTM", 32, 4.92e6, 199_946, 7),
)


def models() -> Iterator[Workload]:
    """Whole networks: a training step, and the inference of one example.

    A step does three times the operations of a forward pass, and reads the parameters forward and backward beside what the optimizer does.
    """
    for name, batch, products, parameters, touched in MODELS:
        step, inference = {"name": name, "batch": batch}, {"name": name}
        steps, once = (6 * products * batch, 4.0 * parameters * (2 + touched)), (2 * products, 4.0 * parameters)
        for group, how in (("model", "model"), ("traced model", "traced")):
            yield Workload(group, f"{name} training step, batch {batch}", f"{how}_step", step, *steps)
            yield Workload(group, f"{name} inference, batch 1", f"{how}_inference", inference, *once)


def every() -> list[Workload]:
    """All workloads, in the order of the report."""
    return [*models(), *matmul(), *convolution(), *bytes_moved(), *sequences()]
