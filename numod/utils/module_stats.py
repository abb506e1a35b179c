"""module_stats: how large a network and its activations are, and how many operations it does."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from .. import module as M
from ..logger import get_logger
from ..module.conv import _Conv
from ..module.conv_transpose import _ConvTranspose
from ..tensor import Tensor
from . import stats_picture

_logger = get_logger(__name__)


class TotalStats(NamedTuple):
    """Sums over the network: bytes and elements of parameters, operations, bytes and elements of activations."""

    param_size: int
    param_dims: int
    flops: int
    act_size: int
    act_dims: int


class ModuleStats(NamedTuple):
    """A list of rows, which are dicts, for each kind of statistics."""

    params: list[dict[str, Any]]
    flops: list[dict[str, Any]]
    activations: list[dict[str, Any]]

    def draw(self, path: str | os.PathLike) -> None:
        """Write a picture of what each layer costs, an SVG file: its parameters, operations and activations as bars.

        Layers are those with parameters and those that were counted, in the order in which they run; the others come last.

        >>> import numod.module as M
        >>> _, rows = module_stats(M.Linear(3, 2), input_shapes=(1, 3), logging_to_stdout=False)
        >>> rows.draw("network.svg")  # doctest: +SKIP
        """
        kinds = {row["name"]: row["class_name"] for row in (*self.flops, *self.activations)}
        owned: dict[str, int] = {}
        for row in self.params:
            owner = row["name"].rpartition(".")[0]
            owned[owner] = owned.get(owner, 0) + row["param_dim"]
        layers = [(name, kinds.get(name, "")) for name in dict.fromkeys((*kinds, *owned))]
        columns = {}
        for title, counts in (
            ("parameters", owned),
            ("operations", _sums(self.flops, "flops_num")),
            ("activations", _sums(self.activations, "act_dim")),
        ):
            columns[title] = [counts.get(name, 0) for name, _ in layers], sum(counts.values())
        stats_picture.write(path, layers, columns)


def _sums(rows: list[dict[str, Any]], what: str) -> dict[str, int]:
    """By layer, over all its calls."""
    sums: dict[str, int] = {}
    for row in rows:
        sums[row["name"]] = sums.get(row["name"], 0) + row[what]
    return sums


def module_stats(
    model: M.Module,
    inputs: Iterable[np.ndarray] | np.ndarray | Tensor | None = None,
    input_shapes: Sequence | None = None,
    cal_params: bool = True,
    cal_flops: bool = True,
    cal_activations: bool = True,
    logging_to_stdout: bool = True,
    bar_length_max: int = 20,
) -> tuple[TotalStats, ModuleStats]:
    """Count the parameters, operations and activations of a network, by running it once in evaluation mode.

    inputs: one input, or several. input_shapes: instead, the shape of one input of zeros, or a list of shapes.
    cal_params, cal_flops, cal_activations: what to count. logging_to_stdout: log it as tables. bar_length_max: of the bars in them.

    Counted are convolutions (a multiplication and an addition as one operation, biases as one more), fully connected layers, pooling
    (adaptive: 1 for each result) and normalizations (7 for each element), as in MegEngine; the activations are these layers' outputs.
    `ModuleStats.draw` makes a picture of it.

    >>> import numod.module as M
    >>> total, rows = module_stats(M.Linear(3, 2), input_shapes=(1, 3), logging_to_stdout=False)
    >>> total
    TotalStats(param_size=32, param_dims=8, flops=8, act_size=8, act_dims=2)
    """
    if inputs is None and input_shapes is None:
        raise ValueError("module_stats: needs inputs or input_shapes, got neither")
    arguments = _arguments(inputs, input_shapes)
    params = [{"name": name, **_about(parameter, "param_dim")} for name, parameter in _parameters(model)] if cal_params else []
    flops, activations = _run(model, arguments) if cal_flops or cal_activations else ([], [])
    rows = ModuleStats(params, flops if cal_flops else [], activations if cal_activations else [])
    total = TotalStats(
        sum(row["size"] for row in rows.params),
        sum(row["param_dim"] for row in rows.params),
        sum(row["flops_num"] for row in rows.flops),
        sum(row["size"] for row in rows.activations),
        sum(row["act_dim"] for row in rows.activations),
    )
    if logging_to_stdout:
        for title, table, weight in (
            ("param", rows.params, "size"),
            ("flops", rows.flops, "flops_num"),
            ("activations", rows.activations, "size"),
        ):
            if table:
                _logger.info("%s stats:\n%s", title, _table(table, weight, bar_length_max))
        _logger.info("summary:\n%s", "\n".join(f"{name:12}{value:>16,}" for name, value in total._asdict().items()))
    return total, rows


def _arguments(inputs: Any, shapes: Any) -> list[Any]:
    if inputs is None:
        single = isinstance(shapes[0], (int, np.integer))
        return [Tensor(np.zeros(tuple(shape), np.float32)) for shape in ([shapes] if single else shapes)]
    several = isinstance(inputs, (list, tuple)) and not isinstance(inputs[0], (int, float))
    return [each if isinstance(each, Tensor) else Tensor(each) for each in (inputs if several else [inputs])]


def _parameters(model: M.Module) -> Iterable[tuple[str, Tensor]]:
    """Weights before biases, by layer."""
    for name, layer in model.named_modules():
        own = sorted(layer.named_parameters(recursive=False), key=lambda item: item[0] == "bias")
        yield from ((f"{name}.{each}" if name else each, parameter) for each, parameter in own)


def _about(tensor: Tensor, count: str) -> dict[str, Any]:
    """What a row says of a tensor. count: the name of the number of elements."""
    values = tensor.numpy()
    return {
        "dtype": values.dtype,
        "shape": values.shape,
        "mean": float(values.mean()) if values.size else 0.0,
        "std": float(values.std()) if values.size else 0.0,
        count: values.size,
        "nbits": values.dtype.itemsize * 8,
        "size": values.nbytes,
    }


def _conv(layer: Any, x: Tensor, y: Tensor) -> int:
    sides = layer.kernel_size if isinstance(layer.kernel_size, tuple) else (layer.kernel_size,)
    if isinstance(layer, _ConvTranspose):
        products = x.size * (layer.out_channels // layer.groups)
    else:
        products = y.size * (layer.in_channels // layer.groups)
    return products * math.prod(sides) + (y.size if layer.bias is not None else 0)


def _norm(layer: Any, x: Tensor, y: Tensor) -> int:
    return 7 * x.size


def _pool(layer: Any, x: Tensor, y: Tensor) -> int:
    sides = layer.kernel_size if isinstance(layer.kernel_size, (tuple, list)) else (layer.kernel_size,) * 2
    return y.size * math.prod(sides)


_COUNTS: dict[type, Callable[[Any, Tensor, Tensor], int]] = {
    _Conv: _conv,
    M.Linear: lambda layer, x, y: y.size * layer.in_features + (layer.out_features if layer.bias is not None else 0),
    **dict.fromkeys((M.BatchNorm1d, M.BatchNorm2d, M.SyncBatchNorm), _norm),
    **dict.fromkeys((M.GeneralNorm, M.GroupNorm, M.InstanceNorm, M.LayerNorm), _norm),
    **dict.fromkeys((M.MaxPool2d, M.AvgPool2d), _pool),
    **dict.fromkeys((M.AdaptiveMaxPool2d, M.AdaptiveAvgPool2d), lambda layer, x, y: y.size),
}


def _run(model: M.Module, arguments: list[Any]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    flops: list[dict[str, Any]] = []
    activations: list[dict[str, Any]] = []
    handles = []

    def watch(name: str, count: Callable[[Any, Tensor, Tensor], int]) -> Callable:
        def hook(layer, inputs, output):
            kind, (x, *_) = type(layer).__name__, inputs
            flops.append(
                {
                    "name": name,
                    "class_name": kind,
                    "input_shapes": [each.shape for each in inputs],
                    "output_shapes": [output.shape],
                    "flops_num": count(layer, x, output),
                }
            )
            activations.append({"name": name, "class_name": kind, **_about(output, "act_dim")})

        return hook

    modes = [(layer, layer.training) for layer in model.modules()]
    try:
        for name, layer in model.named_modules():
            for kind, count in _COUNTS.items():
                if isinstance(layer, kind):
                    handles.append(layer.register_forward_hook(watch(name, count)))
                    break
        model.eval()
        model(*arguments)
    finally:
        for handle in handles:
            handle.remove()
        for layer, mode in modes:
            layer.training = mode
    return flops, activations


def _table(rows: list[dict[str, Any]], weight: str, bar_length: int) -> str:
    """Columns of text; the last two are each row's share of the total, as a number and as a bar."""
    total, most = sum(row[weight] for row in rows) or 1, max(row[weight] for row in rows) or 1
    lines = [[*rows[0], "share", ""]]
    for row in rows:
        cells = [f"{value:.3g}" if isinstance(value, float) else str(value) for value in row.values()]
        lines.append([*cells, f"{row[weight] / total:.2%}", "#" * (bar_length * row[weight] // most)])
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines)
