"""What the ranks of a group do together with arrays. Sums are taken in the order of the ranks, so that all have the same bits."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from .. import config
from ..dtype import is_half
from ..kernel import runtime
from .group import session

_SMALL = 1 << 15  # bytes that every rank sends to every other one, instead of a part to each and then the result of its part
_REDUCE: dict[str, Callable] = {"sum": np.add, "max": np.maximum, "min": np.minimum}


def label(op: str, array: np.ndarray, ranks: Sequence[int]) -> str:
    """What the ranks call what they do: it must be the same for all of them."""
    return f"{op} of {array.dtype.name} {list(array.shape)} in ranks {[*ranks]}"


def all_reduce(x: np.ndarray, out: np.ndarray, ranks: Sequence[int], mode: str) -> None:
    """``out`` becomes the sum, maximum or minimum of what all ranks have."""
    name, mesh, size = label(f"all_reduce_{mode}", x, ranks), session("all_reduce").mesh, len(ranks)
    others, flat, result = _others(ranks), x.reshape(-1), out.reshape(-1)
    if x.nbytes <= _SMALL:
        rows = {rank: _room(flat) for rank in others}
        mesh.exchange(name, dict.fromkeys(others, flat), rows)
        _reduce([rows.get(rank, flat) for rank in ranks], result, mode)
        return
    bounds = [flat.size * place // size for place in range(size + 1)]
    parts = {rank: slice(*bounds[place : place + 2]) for place, rank in enumerate(ranks)}
    mine = parts[config.rank]
    rows = {rank: _room(flat[mine]) for rank in others}
    mesh.exchange(name, {rank: flat[parts[rank]] for rank in others}, rows)
    _reduce([rows.get(rank, flat[mine]) for rank in ranks], result[mine], mode)
    mesh.exchange(name, dict.fromkeys(others, result[mine]), {rank: result[parts[rank]] for rank in others})


def exchange(name: str, x: np.ndarray, parts: Sequence[np.ndarray], ranks: Sequence[int]) -> list[np.ndarray]:
    """Send each rank its part; what all ranks have sent to this one, in their order."""
    mesh = session(name).mesh
    mine = np.ascontiguousarray(parts[ranks.index(config.rank)])
    rows = {rank: _room(mine) for rank in _others(ranks)}
    sent = {rank: part for rank, part in zip(ranks, parts, strict=True) if rank != config.rank}
    mesh.exchange(label(name, x, ranks), sent, rows)
    return [rows.get(rank, mine) for rank in ranks]


def all_gather(x: np.ndarray, out: np.ndarray, ranks: Sequence[int], axis: int) -> None:
    """``out`` becomes what all ranks have, one after the other along an axis."""
    np.concatenate(exchange("all_gather", x, [x] * len(ranks), ranks), axis, out=out)


def reduce_scatter(x: np.ndarray, out: np.ndarray, ranks: Sequence[int], axis: int) -> None:
    """``out`` becomes this rank's part, along an axis, of the sum of what all have."""
    _reduce(exchange("reduce_scatter_sum", x, np.split(x, len(ranks), axis), ranks), out, "sum")


def all_to_all(x: np.ndarray, out: np.ndarray, ranks: Sequence[int], split_axis: int, concat_axis: int) -> None:
    """``out`` becomes the parts that all ranks have for this one."""
    np.concatenate(exchange("all_to_all", x, np.split(x, len(ranks), split_axis), ranks), concat_axis, out=out)


def _room(like: np.ndarray) -> np.ndarray:
    """An array of this shape and dtype in memory from the pool, which need not be cleared by the system each time."""
    return np.ndarray(like.shape, like.dtype, runtime.alloc(like.nbytes) if like.nbytes else None)


def _others(ranks: Sequence[int]) -> list[int]:
    return [rank for rank in ranks if rank != config.rank]


def _reduce(rows: Sequence[np.ndarray], out: np.ndarray, mode: str) -> None:
    """The sum of rows (or what ``mode`` says), from the first to the last. Floats of 16 bits are rounded once."""
    work = _REDUCE[mode]
    if len(rows) == 1:
        out[...] = rows[0]
    elif is_half(out.dtype):
        total = rows[0].astype(np.float32)
        for row in rows[1:]:
            work(total, row.astype(np.float32), out=total)
        out[...] = total.astype(out.dtype)
    else:
        work(rows[0], rows[1], out=out)
        for row in rows[2:]:
            work(out, row, out=out)
