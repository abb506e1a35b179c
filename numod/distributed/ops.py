"""The ops that take other processes: rows of the table, with gradient rules in which the others take part as well.

Without others, in a group of one, each gives back what it gets; sending to no rank sends nothing, and what comes from none is 0.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from .. import tape as tapes
from ..constants import constant
from ..dtype import as_dtype, boolean, float32, is_float
from ..errors import DTypeError, check
from ..forms.common import add_row, normalize_axis
from ..kernel import memory, runtime
from ..op import Op, Plan, apply
from ..ops.compare import equal
from ..ops.math import div, mul
from ..ops.view import astype, broadcast_to
from ..spec import Spec
from ..tape import Node
from ..tensor import Tensor
from . import collectives
from .errors import DistributedError
from .group import session

_local = threading.local()


@contextlib.contextmanager
def kept_apart() -> Iterator[None]:
    """In this block nothing is exchanged, and what would have come is 0: for a program that is looked at and whose results nobody wants."""
    _local.apart = True
    try:
        yield
    finally:
        _local.apart = False


def together(*, infer: Callable, ref: Callable, sample: Callable, vjp: dict[str, Callable], attrs: dict[str, Any], name: str = "x") -> Any:
    """Declare an op by what the ranks do with arrays, ``code(x, out, **attrs)``. Every call of it counts, so programs do all of them, in order."""

    def declare(code: Callable) -> Op:
        def plan(op: Op, specs: Sequence[Spec], named: dict, outs: tuple[Spec, ...]) -> Plan:
            (spec,), (made,) = specs, outs

            def run(buffer):
                out = None if made.device.is_cuda else runtime.alloc(made.nbytes)
                result = np.ndarray(made.shape, made.dtype, out if made.nbytes else None)
                if getattr(_local, "apart", False):
                    result[...] = 0
                else:
                    code(np.ascontiguousarray(memory.to_numpy(buffer, spec)).reshape(spec.shape), result, **named)
                return memory.from_numpy(result, made.device)[0] if out is None else out

            return Plan(outs, run)

        return add_row("together", code, (name,), attrs, infer, plan, takes_complex=False, vjp=vjp, ref=ref, sample=sample, effect=True)

    return declare


def _alone(ranks: Sequence[int]) -> bool:
    return len(ranks) <= 1


# All ranks do the same


def _numbers(name: str, spec: Spec) -> Spec:
    if spec.dtype == boolean:
        raise DTypeError(f"{name}: takes numbers, got bool")
    return spec.like()


def _all_reduce_infer(x: Spec, *, ranks: tuple[int, ...], mode: str) -> Spec:
    check(mode in ("sum", "max", "min"), "all_reduce: mode must be sum, max or min, got {!r}", mode)
    return _numbers(f"all_reduce_{mode}", x)


def _all_reduce_gradient(g, x, out, ranks, mode):
    """For a maximum, what ties shares the gradient evenly, on whichever ranks it is."""
    total = all_reduce(g, ranks=ranks)
    if mode == "sum":
        return total
    chosen = astype(equal(x, out), dtype=x.dtype)
    return mul(total, div(chosen, all_reduce(chosen, ranks=ranks)))


@together(
    infer=_all_reduce_infer,
    ref=lambda x, **_: x,
    vjp={"x": _all_reduce_gradient},
    sample=lambda draw: ((draw.array(draw.shape()),), {"mode": draw.choice(["sum", "max", "min"])}),
    attrs={"ranks": (), "mode": "sum"},
)
def all_reduce(x, out, *, ranks, mode):
    """The sum, the maximum or the minimum of the tensors of all ranks, on each of them."""
    if _alone(ranks):
        out[...] = x
    else:
        collectives.all_reduce(x, out, ranks, mode)


def part_of(name: str, x: Spec, axis: int, count: int) -> tuple[int, int]:
    """The axis, and how long one of ``count`` parts along it is."""
    check(x.ndim >= 1, "{}: takes tensors with axes, got shape {}", name, x.shape)
    axis = normalize_axis(name, axis, x.ndim)
    check(
        x.shape[axis] % count == 0,
        "{}: {} values along axis {} of shape {} do not make {} equal parts",
        name,
        x.shape[axis],
        axis,
        x.shape,
        count,
    )
    return axis, x.shape[axis] // count


def _with_axis(draw, *names: str):
    shape = draw.shape(min_rank=1)
    return (draw.array(shape),), {name: draw.integer(-len(shape), len(shape) - 1) for name in names}


def _extended(x: Spec, axis: int, extent: int) -> Spec:
    return x.like((*x.shape[:axis], extent, *x.shape[axis + 1 :]))


def _all_gather_infer(x: Spec, *, ranks: tuple[int, ...], axis: int) -> Spec:
    check(x.ndim >= 1, "all_gather: takes tensors with axes, got shape {}", x.shape)
    axis = normalize_axis("all_gather", axis, x.ndim)
    return _extended(x, axis, x.shape[axis] * max(len(ranks), 1))


@together(
    infer=_all_gather_infer,
    ref=lambda x, **_: x,
    vjp={"x": lambda g, ranks, axis: reduce_scatter_sum(g, ranks=ranks, axis=axis)},
    sample=lambda draw: _with_axis(draw, "axis"),
    attrs={"ranks": (), "axis": 0},
)
def all_gather(x, out, *, ranks, axis):
    """The tensors of all ranks, one after the other along an axis, on each of them."""
    if _alone(ranks):
        out[...] = x
    else:
        collectives.all_gather(x, out, ranks, axis)


def _reduce_scatter_infer(x: Spec, *, ranks: tuple[int, ...], axis: int) -> Spec:
    axis, extent = part_of("reduce_scatter_sum", _numbers("reduce_scatter_sum", x), axis, max(len(ranks), 1))
    return _extended(x, axis, extent)


@together(
    infer=_reduce_scatter_infer,
    ref=lambda x, **_: x,
    vjp={"x": lambda g, ranks, axis: all_gather(g, ranks=ranks, axis=axis)},
    sample=lambda draw: _with_axis(draw, "axis"),
    attrs={"ranks": (), "axis": 0},
)
def reduce_scatter_sum(x, out, *, ranks, axis):
    """The sum of the tensors of all ranks, of which each has its part along an axis."""
    if _alone(ranks):
        out[...] = x
    else:
        collectives.reduce_scatter(x, out, ranks, axis)


def _all_to_all_infer(x: Spec, *, ranks: tuple[int, ...], split_axis: int, concat_axis: int) -> Spec:
    split_axis, extent = part_of("all_to_all", x, split_axis, max(len(ranks), 1))
    part = _extended(x, split_axis, extent)
    concat_axis = normalize_axis("all_to_all", concat_axis, x.ndim)
    return _extended(part, concat_axis, part.shape[concat_axis] * max(len(ranks), 1))


def _all_to_all_gradient(g, ranks, split_axis, concat_axis):
    return all_to_all(g, ranks=ranks, split_axis=concat_axis, concat_axis=split_axis)


@together(
    infer=_all_to_all_infer,
    ref=lambda x, **_: x,
    vjp={"x": _all_to_all_gradient},
    sample=lambda draw: _with_axis(draw, "split_axis", "concat_axis"),
    attrs={"ranks": (), "split_axis": 0, "concat_axis": 0},
)
def all_to_all(x, out, *, ranks, split_axis, concat_axis):
    """Each rank cuts its tensor into a part for each rank, and joins the parts that it gets."""
    if _alone(ranks):
        out[...] = x
    else:
        collectives.all_to_all(x, out, ranks, split_axis, concat_axis)


# One sends and one receives


def _label(shape: Sequence[int], dtype: np.dtype, tracked: bool) -> str:
    return "remote_send " + json.dumps({"shape": [*shape], "dtype": dtype.name, "tracked": tracked})


def _send_sample(draw):
    return (draw.array(draw.shape()),), {}


@together(
    infer=lambda x, rank, tracked: x.like(()),
    ref=lambda x, **_: np.zeros((), x.dtype),
    vjp={"x": lambda g, x_spec, rank: receive(rank, x_spec)},
    sample=_send_sample,
    attrs={"rank": None, "tracked": False},
)
def remote_send(x, out, *, rank, tracked):
    """Send a tensor to a rank; gives 0. What the rank finds to be the gradient of the tensor comes back as its gradient."""
    if rank is not None:
        session("remote_send").mesh.exchange(_label(x.shape, x.dtype, tracked), {rank: x}, {})
    out[...] = 0


def _recv_infer(token: Spec, *, rank: int | None, shape: tuple[int, ...], dtype: Any, tracked: bool) -> Spec:
    return token.like(shape, as_dtype(dtype or token.dtype))


def _recv_sample(draw):
    return (draw.array(()),), {"shape": draw.shape()}


@together(
    infer=_recv_infer,
    ref=lambda token, shape, **_: np.zeros(shape, token.dtype),
    vjp={"token": lambda g, token_spec, rank: astype(send(g, rank), dtype=token_spec.dtype)},
    sample=_recv_sample,
    attrs={"rank": None, "shape": (), "dtype": None, "tracked": False},
    name="token",
)
def remote_recv(token, out, *, rank, shape, dtype, tracked):
    """A tensor that a rank sends. Its gradient is sent back; the token, which is not looked at, stands for where it came from."""
    if rank is None:
        out[...] = 0
    else:
        session("remote_recv").mesh.exchange(_label(out.shape, out.dtype, tracked), {}, {rank: out})


def send(x: Tensor, rank: int | None) -> Tensor:
    """Send ``x`` and, while it is recorded, see to it that `backward` waits for its gradient. The result is 0."""
    tape = tapes.current()
    tracked = bool(rank is not None and tape.recording and x._spec.is_float and tapes.source(x))
    out = apply(remote_send, (x,), (rank, tracked))
    if tracked:
        tape.shared.append((*tapes.source(out), constant(0.0, out.dtype, out.device)))  # type: ignore[misc]
    return out


def receive(rank: int | None, spec: Spec) -> Tensor:
    """What a rank sends, of any shape and dtype, on the device of ``spec``; of its shape and 0 for no rank.

    If the sender records it, and this process does, `backward` sends the gradient.
    """
    if rank is None:
        return apply(remote_recv, (constant(0.0, spec.dtype, spec.device),), (None, spec.shape, spec.dtype.name, False))
    label = session("remote_recv").mesh.peek("remote_recv", rank)
    if not label.startswith("remote_send "):
        raise DistributedError(f"remote_recv: rank {rank} does not send, it is in {label}")
    said = json.loads(label.partition(" ")[2])
    shape, dtype = tuple(said["shape"]), as_dtype(said["dtype"])
    tape = tapes.current()
    followed = said["tracked"] and tape.recording
    token = Tensor(0.0, dtype=dtype if is_float(dtype) else float32, device=spec.device)
    if followed:
        tapes.attach(Node((), (token._spec,), None), [token])
    out = apply(remote_recv, (token,), (rank, shape, dtype.name, said["tracked"]))
    if followed:
        zero = constant(0.0, dtype, spec.device)
        tape.shared.append((*tapes.source(out), apply(broadcast_to, (zero,), (shape,))))  # type: ignore[misc]
    return out
