"""What the processes of a group do together with tensors, under MegEngine's names. It is `numod.functional.distributed` as well.

All ranks of a group call the same functions in the same order. ``group`` is a `Group`, or a list of ranks of which the first is the root; None means
WORLD. Gradients flow through all of them to the rank that a value came from, where `backward` is called on every rank. In a group of one, a tensor comes
back as it is.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import config
from ..device import as_device
from ..dtype import float32
from ..errors import check
from ..op import Op, apply
from ..ops.join import along, join_all
from ..ops.math import add
from ..spec import Spec
from ..tensor import Tensor
from . import ops
from .group import WORLD, Group, as_group

Ranks = Group | Sequence[int] | None
_MODES = "all_reduce_sum all_reduce_max all_reduce_min reduce_sum broadcast all_gather reduce_scatter_sum gather scatter all_to_all".split()


def collective_comm(inp: Any, mode: str, group: Ranks, device: str | None) -> Tensor | None:
    """One of the functions below, by its name; along axis 0 where there is one to choose."""
    name = str(getattr(mode, "name", mode)).lower()
    if name not in _MODES:
        raise ValueError(f"collective_comm: mode must be one of {', '.join(_MODES)}, got {mode!r}")
    return globals()[name](inp, group, device)


def _together(op: Op, inp: Any, group: Ranks, device: str | None, *attrs: Any) -> Tensor:
    """An op of all ranks, on a device."""
    inp, ranks = _tensor(inp, device), tuple(as_group(group).proc_ranks)
    return apply(op, (inp,), (ranks, *attrs)) if len(ranks) > 1 else inp


def _tensor(inp: Any, device: str | None) -> Tensor:
    inp = inp if isinstance(inp, Tensor) else Tensor(inp)
    return inp if device is None or inp.device == as_device(device) else inp.to(device)


def _place(device: str | None) -> Spec:
    """Where what is received goes to."""
    return Spec.of((), float32, as_device(device))


def all_reduce_sum(inp: Tensor, group: Ranks = WORLD, device: str | None = None) -> Tensor:
    """The sum of the tensors of all ranks, on each of them: added up in the order of the group, with the same bits everywhere.

    Shape: the same on all ranks. device: where it is computed, that of ``inp`` if None.

    >>> all_reduce_sum(Tensor([1.0, 2.0])).tolist()
    [1.0, 2.0]
    """
    return _together(ops.all_reduce, inp, group, device, "sum")


def all_reduce_max(inp: Tensor, group: Ranks = WORLD, device: str | None = None) -> Tensor:
    """The largest values that any rank has, on each of them. All else is as in `all_reduce_sum`; values that tie share the gradient.

    >>> all_reduce_max(Tensor([1.0, 2.0])).tolist()
    [1.0, 2.0]
    """
    return _together(ops.all_reduce, inp, group, device, "max")


def all_reduce_min(inp: Tensor, group: Ranks = WORLD, device: str | None = None) -> Tensor:
    """The smallest values that any rank has, on each of them. All else is as in `all_reduce_max`.

    >>> all_reduce_min(Tensor([1.0, 2.0])).tolist()
    [1.0, 2.0]
    """
    return _together(ops.all_reduce, inp, group, device, "min")


def all_gather(inp: Tensor, group: Ranks = WORLD, device: str | None = None, axis: int = 0) -> Tensor:
    """The tensors of all ranks, one after the other along ``axis``, on each of them.

    Shape: the same on all ranks -> as often longer along ``axis`` as there are ranks.

    >>> all_gather(Tensor([1.0, 2.0])).tolist()
    [1.0, 2.0]
    """
    return _together(ops.all_gather, inp, group, device, axis)


def reduce_scatter_sum(inp: Tensor, group: Ranks = WORLD, device: str | None = None, axis: int = 0) -> Tensor:
    """The sum of the tensors of all ranks, of which each rank gets its part along ``axis``.

    Shape: the same on all ranks, a multiple of their number along ``axis``.

    >>> reduce_scatter_sum(Tensor([1.0, 2.0])).tolist()
    [1.0, 2.0]
    """
    return _together(ops.reduce_scatter_sum, inp, group, device, axis)


def all_to_all(inp: Tensor, group: Ranks = WORLD, device: str | None = None, split_axis: int = 0, concat_axis: int = 0) -> Tensor:
    """Each rank cuts its tensor along ``split_axis`` into a part for each rank, and joins the parts that it gets along ``concat_axis``.

    >>> all_to_all(Tensor([1.0, 2.0])).tolist()
    [1.0, 2.0]
    """
    return _together(ops.all_to_all, inp, group, device, split_axis, concat_axis)


def broadcast(inp: Tensor | None, group: Ranks = WORLD, device: str | None = None) -> Tensor:
    """The root's tensor, on all ranks; what the others pass is not looked at, and may be None.

    >>> broadcast(Tensor([1.0, 2.0])).tolist()
    [1.0, 2.0]
    """
    group = as_group(group)
    if group.rank:
        return ops.receive(group.proc_ranks[0], _where(inp, device))
    inp = _tensor(inp, device)
    for rank in group.proc_ranks[1:]:
        ops.send(inp, rank)
    return inp


def _where(inp: Any, device: str | None) -> Spec:
    """Where a rank that passes ``inp`` wants what it receives."""
    return _place(device) if device is not None or not isinstance(inp, Tensor) else inp._spec


def reduce_sum(inp: Tensor, group: Ranks = WORLD, device: str | None = None) -> Tensor | None:
    """The sum of the tensors of all ranks, in their order, on the root; None on the others.

    >>> reduce_sum(Tensor([1.0, 2.0])).tolist()
    [1.0, 2.0]
    """
    parts = _collected("reduce_sum", inp, group, device)
    return None if parts is None else functools.reduce(lambda total, part: apply(add, (total, part)), parts)


def gather(inp: Tensor, group: Ranks = WORLD, device: str | None = None, axis: int = 0) -> Tensor | None:
    """The tensors of all ranks, one after the other along ``axis``, on the root; None on the others.

    >>> gather(Tensor([1.0, 2.0])).tolist()
    [1.0, 2.0]
    """
    parts = _collected("gather", inp, group, device)
    if parts is None:
        return None
    check(parts[0].ndim >= 1, "gather: takes tensors with axes, got shape {}", parts[0].shape)
    return join_all(parts, axis % parts[0].ndim) if len(parts) > 1 else parts[0]


def _collected(name: str, inp: Any, group: Ranks, device: str | None) -> list[Tensor] | None:
    """The tensors of all ranks, on the root; None on the others."""
    group, inp = as_group(group), _tensor(inp, device)
    if group.rank:
        ops.send(inp, group.proc_ranks[0])
        return None
    parts = [inp, *(ops.receive(rank, inp._spec) for rank in group.proc_ranks[1:])]
    for rank, part in zip(group.proc_ranks, parts, strict=True):
        check(
            (part.shape, part.dtype) == (inp.shape, inp.dtype),
            "{}: rank {} has {} of shape {}, and rank {} {} of shape {}",
            *(name, group.proc_ranks[0], inp.dtype, inp.shape, rank, part.dtype, part.shape),
        )
    return parts


def scatter(inp: Tensor | None, group: Ranks = WORLD, device: str | None = None, axis: int = 0) -> Tensor:
    """The root's tensor, of which each rank gets its part along ``axis``; what the others pass is not looked at, and may be None.

    Shape: of the root's tensor, a multiple of the number of ranks along ``axis``.

    >>> scatter(Tensor([1.0, 2.0])).tolist()
    [1.0, 2.0]
    """
    group = as_group(group)
    if group.rank:
        return ops.receive(group.proc_ranks[0], _where(inp, device))
    inp = _tensor(inp, device)
    if group.size == 1:
        return inp
    axis, extent = ops.part_of("scatter", inp._spec, axis, group.size)
    parts = [along(inp, axis, place * extent, extent) for place in range(group.size)]
    for rank, part in zip(group.proc_ranks[1:], parts[1:], strict=True):
        ops.send(part, rank)
    return parts[0]


def remote_send(inp: Tensor, dest_rank: int) -> None:
    """Send a tensor to another rank, which calls `remote_recv`.

    While gradients are recorded, `GradManager.backward` waits for that of ``inp``, also if it is called with nothing else to go back from.
    """
    _check_rank("remote_send: dest_rank", dest_rank)
    ops.send(_tensor(inp, None), int(dest_rank))


def remote_recv(src_rank: int, device: str | None = None, inp: Tensor | None = None) -> Tensor:
    """The tensor that another rank sends with `remote_send`, of whatever shape and dtype.

    inp: not looked at; MegEngine takes it. If the sender has recorded the tensor, and this rank records, `GradManager.backward` sends its gradient back.
    """
    _check_rank("remote_recv: src_rank", src_rank)
    return ops.receive(int(src_rank), _where(inp, device))


def _check_rank(what: str, rank: int) -> None:
    if isinstance(rank, bool) or not isinstance(rank, (int, np.integer)) or not 0 <= rank < config.world_size or rank == config.rank:
        raise ValueError(f"{what} must be another rank than {config.rank} below {config.world_size}, got {rank!r}")


__all__ = [
    "all_gather",
    "all_reduce_max",
    "all_reduce_min",
    "all_reduce_sum",
    "all_to_all",
    "broadcast",
    "collective_comm",
    "gather",
    "reduce_scatter_sum",
    "reduce_sum",
    "remote_recv",
    "remote_send",
    "scatter",
]
