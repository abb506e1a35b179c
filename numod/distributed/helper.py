"""What training scripts of several processes lean on: callbacks that reduce gradients, tensors that begin alike, and waiting for each other."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

from .. import device as devices
from ..constants import constant
from ..device import as_device
from ..dtype import float32
from ..op import apply
from ..ops.math import mul
from ..tensor import Tensor
from . import ops
from .functional import all_reduce_sum, broadcast
from .group import WORLD, Group, as_group, checked_backend


class AllreduceCallback:
    """A callback for `GradManager.attach` that takes the sum, or the mean, of a gradient over all ranks.

    reduce_method: "sum" or "mean". group: the ranks, all by default. backend: a name as of `override_backend`, which changes nothing.

    Each rank must compute gradients of the same parameters. Without a group, a gradient is kept as it is.

    >>> import numod as nm
    >>> w = nm.Parameter([1.0, 2.0])
    >>> gm = nm.autodiff.GradManager().attach(w, callbacks=AllreduceCallback("mean"))
    >>> with gm:
    ...     gm.backward((w * w).sum())
    >>> w.grad.tolist()
    [2.0, 4.0]
    """

    def __init__(self, reduce_method: str, group: Group = WORLD, backend: str | None = None):
        if reduce_method not in ("sum", "mean"):
            raise MethodError(f"make_allreduce_cb: reduce_method must be 'sum' or 'mean', got {reduce_method!r}")
        if backend is not None:
            checked_backend("make_allreduce_cb", backend)
        self._reduce_method, self._group = reduce_method, as_group(group)

    def __call__(self, param: Tensor, grad: Tensor) -> Tensor:
        """The gradient of ``param`` on all ranks, given that on this one."""
        size = self._group.size
        total = all_reduce_sum(grad, self._group)
        if size == 1 or self._reduce_method == "sum":
            return total
        return apply(mul, (total, constant(1.0 / size, total.dtype, total.device)))


class MethodError(ValueError, AssertionError):
    """A way to reduce gradients that is none. (MegEngine: AssertionError.)"""


make_allreduce_cb = AllreduceCallback


def bcast_list_(inps: Iterable[Tensor], group: Group = WORLD) -> None:
    """Give tensors on all ranks the values that they have on the root, in place: ``bcast_list_(model.tensors())`` before training.

    >>> bcast_list_([Tensor([1.0])])
    """
    group = as_group(group)
    if group.size == 1:
        return
    for inp in inps:
        value = broadcast(inp.detach(), group)
        if (value.shape, value.dtype) != (inp.shape, inp.dtype):
            raise ValueError(
                f"bcast_list_: rank {group.proc_ranks[0]} has {value.dtype} of shape {value.shape} where this one has {inp.dtype} of shape {inp.shape}"
            )
        if group.rank:
            inp._reset(value)


def group_barrier(group: Group = WORLD) -> None:
    """Wait until all ranks of a group are here.

    >>> group_barrier()
    """
    ranks = tuple(as_group(group).proc_ranks)
    if len(ranks) > 1:
        apply(ops.all_reduce, (constant(0.0, float32, as_device("cpux")),), (ranks, "sum"))


def synchronized(func: Callable) -> Callable:
    """Decorator: when the function is done, wait until it is done on all ranks.

    >>> synchronized(lambda x: x + 1)(1)
    2
    """

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        result = func(*args, **kwargs)
        group_barrier()
        return result

    return wrapper


def get_device_count_by_fork(device_type: str) -> int:
    """How many devices of a type there are, asked in a process of its own: a process that has used a GPU cannot be forked to use it.

    >>> get_device_count_by_fork("cpu") >= 1
    True
    """
    if device_type != "gpu":
        return devices.get_device_count(device_type)
    from concurrent.futures import ProcessPoolExecutor  # heavy, and for GPUs alone
    from multiprocessing import get_context

    with ProcessPoolExecutor(1, get_context("spawn")) as executor:
        return executor.submit(devices.get_device_count, device_type).result()
