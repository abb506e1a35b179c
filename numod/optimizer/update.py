"""One step on all parameters of a group that have a gradient: what goes into the launch, and where its results go."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ..constants import constant
from ..dtype import float32, is_half
from ..op import Op
from ..tensor import Parameter, Tensor

LAUNCH = 1 << 26  # bytes that one launch reads or makes anew at most, but for what a single parameter needs


def step(
    op: Op, params: Iterable[Parameter], state: dict[Parameter, dict[str, Tensor]], names: Sequence[str], *settings: Any, **options: Any
) -> None:
    """One step of ``op`` (of `numod.ops.steps`) on every parameter with a gradient.

    names: of the tensors in ``state`` that a row of ``op`` has beside the parameter and its gradient. settings: numbers, or tensors without axes.
    """
    rows = []
    for param in params:
        grad = param._grad
        if grad is not None:
            kept = state[param] if names else {}
            rows.append((param, grad, *[kept[name] for name in names]))
    for group, new in _launched(op, rows, settings, options):
        results = iter(new)
        for param, _, *kept in group:
            value = next(results)  # to a GradManager that is recording the parameter stays the tensor that it attached
            param._buffer, param._spec = value._buffer, value._spec
            for tensor in kept:
                tensor._reset(next(results))


def change(op: Op, tensors: Sequence[Tensor], *settings: Any) -> None:
    """Give each tensor the value that ``op`` (of `numod.ops.steps`) makes of it alone."""
    for group, new in _launched(op, [(tensor,) for tensor in tensors], settings, {}):
        for (tensor,), value in zip(group, new, strict=True):
            tensor._reset(value)


def _launched(op: Op, rows: Iterable[tuple[Tensor, ...]], settings: Sequence[Any], options: dict[str, Any]):
    """(rows, their new values) for each launch."""
    for group in _launches(rows):
        first = group[0][0]._spec
        dtype = float32 if is_half(first.dtype) else first.dtype  # a setting like 1e-8 is nothing in float16
        given = [value if isinstance(value, Tensor) else constant(float(value), dtype, first.device) for value in settings]
        yield group, op(*[tensor for row in group for tensor in row], *given, **options)


def _launches(rows: Iterable[tuple[Tensor, ...]]) -> list[list[tuple[Tensor, ...]]]:
    """Rows that one launch takes: of one dtype and device, and small enough together.

    All results of a launch are in memory beside what they replace. Those of some megabytes are written to memory that the launch before has set free,
    which is still in the cache, and what a launch costs is nothing beside its work by then.
    """
    launches: list[list] = []
    open_ones: dict[tuple, tuple[list, int]] = {}
    for row in rows:
        spec = row[0]._spec
        key = spec.dtype, spec.device
        found = open_ones.get(key)
        if found is None or found[1] > LAUNCH:
            found = [], 0
            launches.append(found[0])
        found[0].append(row)
        open_ones[key] = found[0], found[1] + len(row) * spec.nbytes
    return launches


def gradients(name: str, tensors: Tensor | Iterable[Tensor]) -> list[Tensor]:
    """The gradients there are, each once."""
    if isinstance(tensors, Tensor):
        tensors = [tensors]
    elif not isinstance(tensors, Iterable):
        raise TypeError(f"{name}: expected a Tensor or an iterable of them, got {type(tensors).__name__}")
    found: dict[int, Tensor] = {}
    for tensor in tensors:
        if not isinstance(tensor, Tensor):
            raise TypeError(f"{name}: expected Tensors, got {type(tensor).__name__}")
        if tensor.grad is not None:
            found[id(tensor.grad)] = tensor.grad
    return list(found.values())
