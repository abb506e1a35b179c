"""Several processes: collectives and their gradients, training that equals training in one process, and what happens when one fails."""

import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time

import numpy as np
import pytest

import numod as nm
import numod.distributed as dist
import numod.functional as F
import numod.module as M
from numod import config
from numod.autodiff import GradManager
from numod.data import DataLoader, RandomSampler, SequentialSampler
from numod.data.dataset import ArrayDataset, Dataset
from numod.distributed import launching, mesh, wire
from numod.distributed.errors import PeerLost
from numod.distributed.group import leave
from numod.jit import trace
from numod.jit.graph import Call
from numod.jit.passes.order import in_order
from numod.op import TABLE
from numod.optimizer import SGD

D = F.distributed


def ranks(count, function, *args):
    """What a function returns in each of so many processes."""
    if launching.METHOD != "fork":
        pytest.skip("functions of a test reach other processes by fork")
    return dist.launcher(function, n_gpus=count)(*args)


def rng(seed=0):
    return np.random.default_rng(seed)


# In one process


def test_one_process_is_rank_0_of_1():
    assert (dist.get_rank(), dist.get_world_size(), dist.is_distributed()) == (0, 1, False)
    assert (dist.WORLD.size, dist.WORLD.rank, dist.WORLD.proc_ranks, dist.WORLD.key) == (1, 0, [0], "0")
    assert dist.group_barrier() is None
    assert dist.synchronized(lambda: 3)() == 3


@pytest.mark.parametrize("name", [name for name in D.__all__ if name not in ("collective_comm", "remote_send", "remote_recv")])
def test_functions_of_one_process_give_back_what_they_get(name):
    x = nm.Tensor([[1.0, 2.0]])
    assert getattr(D, name)(x) is x
    assert D.collective_comm(x, name, None, None) is x
    assert getattr(D, name)([1.0, 2.0]).tolist() == [1.0, 2.0]


@pytest.mark.parametrize("name", "get_backend get_client get_mm_server_addr get_py_server_addr".split())
def test_what_needs_a_group_says_so(name):
    with pytest.raises(AssertionError, match=rf"{name}: there is no process group; call init_process_group first"):
        getattr(dist, name)()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: dist.Group([0, 1]), ValueError, r"proc_ranks must be different ranks below 1, got \[0, 1\]"),
        (lambda: dist.make_allreduce_cb("max"), AssertionError, "reduce_method must be 'sum' or 'mean', got 'max'"),
        (lambda: dist.init_process_group("localhost", "0", 1, 0, 0), TypeError, "port must be an int, got '0'"),
        (lambda: dist.init_process_group(1, 0, 1, 0, 0), TypeError, "master_ip must be a str, got 1"),
        (lambda: dist.init_process_group("localhost", 0, 1, 2, 0), ValueError, "rank must be from 0 to world_size - 1 = 0, got 2"),
        (lambda: dist.init_process_group("localhost", 0, 1, 0, 0, "smoke"), ValueError, "backend must be one of auto, .*, got 'smoke'"),
        (lambda: D.remote_send(nm.Tensor([1.0]), 0), ValueError, "dest_rank must be another rank than 0 below 1, got 0"),
        (
            lambda: D.collective_comm(nm.Tensor([1.0]), "average", None, None),
            ValueError,
            "mode must be one of all_reduce_sum, .*, got 'average'",
        ),
        (lambda: dist.launcher(print, n_gpus=0), ValueError, "got 0 from 0 on"),
        (lambda: dist.launcher(print, n_gpus=1, world_size=2), ValueError, "give master_ip and port, and set NUMOD_DISTRIBUTED_KEY"),
        (lambda: dist.launcher(3), TypeError, "expected a function, got 3"),
    ],
)
def test_refusals(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_launcher_has_megengines_settings():
    made = dist.launcher(n_gpus=2, backend="nccl")(rng)
    assert (made.n_gpus, made.world_size, made.rank_start, made.master_ip, made.device_type) == (2, 2, 0, "localhost", "xpu")
    assert made.__name__ == "rng"
    assert dist.launcher(rng, world_size=3).n_gpus == 3
    assert dist.launcher(rng).n_gpus == nm.get_device_count("xpu")


# The values of collectives: ranks 2, 0 and 1, of which the first is the root


ORDER = [2, 0, 1]
BLOCKS = rng().normal(size=(3, 6, 3)).astype("float32")  # what each rank has
TALL = rng(1).normal(size=(3, 30000)).astype("float32")  # sent in parts


def values():
    x, group = nm.Tensor(BLOCKS[dist.get_rank()]), dist.new_group(ORDER)
    halves = x.astype("float16")
    made = [
        *(getattr(D, name)(x, ORDER) for name in ("all_reduce_sum", "all_reduce_max", "all_reduce_min", "reduce_sum", "broadcast")),
        *(getattr(D, name)(x, group, axis=axis) for name in ("all_gather", "gather", "scatter", "reduce_scatter_sum") for axis in (0, -1)),
        D.all_to_all(x, group, split_axis=0, concat_axis=1),
        D.all_reduce_sum(nm.Tensor(TALL[dist.get_rank()])),
        D.all_reduce_sum(halves),
        D.all_reduce_sum(nm.Tensor(dist.get_rank() + 1)),
        D.broadcast(x if group.rank == 0 else None, group),
        D.all_reduce_sum(x[:, :0]),
        D.all_reduce_sum(x.T),
    ]
    return [None if each is None else each.numpy() for each in made], group.rank, repr(dist.WORLD), nm.get_num_threads()


def test_values():
    found = ranks(3, values)
    assert [rank for _, rank, *_ in found] == [1, 2, 0]
    assert [text for *_, text, _ in found] == ["WORLD"] * 3
    assert [threads for *_, threads in found] == [max(config.num_threads // 3, 1)] * 3
    blocks = BLOCKS[ORDER]
    total = (blocks[0] + blocks[1]) + blocks[2]
    tall = (TALL[0] + TALL[1]) + TALL[2]
    halves = BLOCKS.astype("float16").astype("float32")
    half = ((halves[0] + halves[1]) + halves[2]).astype("float16")
    straight = (BLOCKS[0] + BLOCKS[1]) + BLOCKS[2]
    for (made, place, *_), rank in zip(found, range(3), strict=True):
        root = place == 0
        expected = [total, blocks.max(0), blocks.min(0), total if root else None, blocks[0]]
        for axis in (0, 1):
            expected.append(np.concatenate([*blocks], axis))
        expected += [each if root else None for each in expected[-2:]]
        expected += [np.split(blocks[0], 3, axis)[place] for axis in (0, 1)]
        expected += [np.split(total, 3, axis)[place] for axis in (0, 1)]
        expected += [np.concatenate([np.split(block, 3)[place] for block in blocks], 1)]
        expected += [tall, half, np.int32(6), blocks[0], np.zeros((6, 0), "float32"), straight.T]
        for number, (mine, theirs) in enumerate(zip(made, expected, strict=True)):
            assert (mine is None) == (theirs is None), (rank, number)
            if mine is not None:
                assert mine.dtype == theirs.dtype and np.array_equal(mine, theirs), (rank, number)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "uint8", "bool"])
def test_dtypes_cross_as_they_are(dtype):
    def crossed():
        x = nm.Tensor([[1.0, 2.0], [3.0, 4.0]], dtype=dtype)
        dist.bcast_list_([x])
        kept = [D.broadcast(x), D.gather(x), D.scatter(x), D.all_gather(x), D.all_to_all(x)]
        return [None if each is None else each.dtype.name for each in kept]

    root, other = ranks(2, crossed)
    assert root == [dtype] * 5 and other == [dtype, None, *[dtype] * 3]


# Gradients: of the sum over all ranks of what they make, weighted differently on each


def weighted(made, rank):
    """A number that depends on all elements differently."""
    return (made * (F.arange(made.size).reshape(made.shape) * 0.1 + rank)).sum()


CALLS = {
    "all_reduce_sum": D.all_reduce_sum,
    "all_reduce_max": D.all_reduce_max,
    "reduce_sum": D.reduce_sum,
    "broadcast": D.broadcast,
    "all_gather": lambda x: D.all_gather(x, axis=1),
    "gather": lambda x: D.gather(x, axis=1),
    "scatter": D.scatter,
    "reduce_scatter_sum": D.reduce_scatter_sum,
    "all_to_all": lambda x: D.all_to_all(x, split_axis=0, concat_axis=1),
}


def gradients_of_all():
    rank, found = dist.get_rank(), {}
    for name, call in CALLS.items():
        x = nm.Tensor(BLOCKS[rank, :4])
        with GradManager().attach(x) as gm:
            made = call(x)
            gm.backward(None if made is None else weighted(made, rank))
        found[name] = None if x.grad is None else x.grad.numpy()
    return found


def total_of(name, a, b):
    """What `weighted` of both ranks adds up to, in one process."""
    made = {
        "all_reduce_sum": lambda: [a + b] * 2,
        "all_reduce_max": lambda: [F.maximum(a, b)] * 2,
        "reduce_sum": lambda: [a + b],
        "broadcast": lambda: [a, a],
        "all_gather": lambda: [F.concat([a, b], 1)] * 2,
        "gather": lambda: [F.concat([a, b], 1)],
        "scatter": lambda: [a[:2], a[2:]],
        "reduce_scatter_sum": lambda: [(a + b)[:2], (a + b)[2:]],
        "all_to_all": lambda: [F.concat([a[:2], b[:2]], 1), F.concat([a[2:], b[2:]], 1)],
    }[name]()
    return sum(weighted(each, rank) for rank, each in enumerate(made))


def test_gradients():
    found = ranks(2, gradients_of_all)
    for name in CALLS:
        a, b = (nm.Tensor(BLOCKS[rank, :4]) for rank in range(2))
        with GradManager().attach([a, b]) as gm:
            gm.backward(total_of(name, a, b))
        for mine, theirs in zip((found[0][name], found[1][name]), (a.grad, b.grad), strict=True):
            expected = 0 if theirs is None else theirs.numpy()
            np.testing.assert_allclose(np.zeros((4, 3)) if mine is None else mine, expected + np.zeros((4, 3)), rtol=1e-5, err_msg=name)


def pipeline():
    """The first layer on rank 0, the second on rank 1; and a tensor back that nobody uses."""
    rank = dist.get_rank()
    w = nm.Parameter([[2.0 + rank, 1.0], [0.5, -1.0]])
    with GradManager().attach(w) as gm:
        if rank == 0:
            D.remote_send(F.matmul(nm.Tensor([[1.0, 2.0]]), w), 1)
            D.remote_recv(1)
            gm.backward()
        else:
            y = F.matmul(D.remote_recv(0), w)
            D.remote_send(y * 2, 0)
            gm.backward((y * y).sum())
    whole = D.remote_recv(0) if rank else D.remote_send(nm.Tensor([1, 2]), 1)
    return w.grad.numpy(), whole


def test_gradients_flow_back_along_a_pipeline():
    (first, _), (second, whole) = ranks(2, pipeline)
    a, b = nm.Parameter([[2.0, 1.0], [0.5, -1.0]]), nm.Parameter([[3.0, 1.0], [0.5, -1.0]])
    with GradManager().attach([a, b]) as gm:
        y = F.matmul(F.matmul(nm.Tensor([[1.0, 2.0]]), a), b)
        gm.backward((y * y).sum())
    np.testing.assert_allclose(first, a.grad.numpy(), rtol=1e-6)
    np.testing.assert_allclose(second, b.grad.numpy(), rtol=1e-6)
    assert whole.dtype == np.int32 and whole.tolist() == [1, 2]


def test_values_without_unix_sockets(monkeypatch):
    monkeypatch.setattr(wire, "meeting_place", lambda host: (made := wire.listen(host), [*made.getsockname()]))
    found = ranks(2, lambda: D.all_reduce_sum(nm.Tensor(TALL[dist.get_rank()])).numpy())
    assert all(np.array_equal(each, TALL[0] + TALL[1]) for each in found)


def test_large_tensors_cross_without_waiting_for_each_other():
    def cross():
        other = 1 - dist.get_rank()
        D.remote_send(nm.Tensor(np.full(5_000_000, dist.get_rank(), "float32")), other)
        return D.remote_recv(other).numpy()[[0, -1]].tolist()

    assert ranks(2, cross) == [[1.0, 1.0], [0.0, 0.0]]


# Training


IMAGES = rng(2).normal(size=(8, 2, 4, 4)).astype("float32")
LABELS = np.arange(8, dtype="int32") % 3


class Net(M.Module):
    def __init__(self, norm=M.SyncBatchNorm):
        super().__init__()
        self.conv, self.norm, self.head = M.Conv2d(2, 4, 3), norm(4), M.Linear(16, 3)

    def forward(self, x):
        return self.head(F.flatten(F.relu(self.norm(self.conv(x))), 1))


def train(traced=False, steps=3, norm=M.SyncBatchNorm):
    """The script of a MegEngine user; in one process as well."""
    rank, size = dist.get_rank(), dist.get_world_size()
    nm.random.seed(7 + rank)
    net = Net(norm)
    if rank == 0:
        state = rng(3)
        for value in net.parameters():
            value[...] = state.normal(size=value.shape).astype("float32") * 0.3
    dist.bcast_list_(net.tensors())
    gm = GradManager().attach(net.parameters(), callbacks=dist.make_allreduce_cb("mean"))
    optimizer = SGD(net.parameters(), lr=0.1, momentum=0.9)
    optimizer.bcast_param()
    sampler = SequentialSampler(ArrayDataset(IMAGES, LABELS), batch_size=8 // size)

    def step(images, labels):
        with gm:
            loss = F.nn.cross_entropy(net(images), labels)
            gm.backward(loss)
        optimizer.step().clear_grad()
        return D.all_reduce_sum(loss) / size

    step = trace(step) if traced else step
    losses = []
    for _ in range(steps):
        for indices in sampler:
            losses.append(step(nm.Tensor(IMAGES[indices]), nm.Tensor(LABELS[indices])).item())
    dist.group_barrier()
    return losses, {name: value.numpy() for name, value in net.named_tensors()}


@pytest.mark.parametrize("traced", [False, True])
def test_training_on_shares_is_training_on_the_whole(traced):
    losses, state = train()
    found = ranks(2, train, traced)
    for name, value in state.items():
        assert np.array_equal(found[0][1][name], found[1][1][name]), name
        np.testing.assert_allclose(found[0][1][name], value, rtol=2e-4, atol=2e-6, err_msg=name)
    assert found[0][0] == found[1][0]
    np.testing.assert_allclose(found[0][0], losses, rtol=1e-5)
    assert losses[-1] < losses[0]


def test_sync_batch_norm_takes_batches_of_different_sizes():
    def statistics(mode):
        x = nm.Tensor(IMAGES[:3] if dist.get_rank() else IMAGES[3:])
        mean, var = F.zeros((1, 2, 1, 1)), F.ones((1, 2, 1, 1))
        with GradManager().attach(x) as gm:
            made = F.nn.sync_batch_norm(x, mean, var, training=True, eps=0.1, eps_mode=mode)
            gm.backward((made**3).sum())
        return [each.numpy() for each in (made, mean, var, x.grad)]

    for mode in ("additive", "max"):
        (front, *here, ahead), (back, *there, behind) = ranks(2, statistics, mode)
        x, mean, var = nm.Tensor(IMAGES), F.zeros((1, 2, 1, 1)), F.ones((1, 2, 1, 1))
        with GradManager().attach(x) as gm:
            made = F.nn.sync_batch_norm(x, mean, var, training=True, eps=0.1, eps_mode=mode)
            gm.backward((made**3).sum())
        np.testing.assert_allclose(np.concatenate([back, front]), made.numpy(), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(np.concatenate([behind, ahead]), x.grad.numpy(), rtol=1e-3, atol=1e-4)
        for each in (here, there):
            np.testing.assert_allclose(each[0], mean.numpy(), rtol=1e-5, atol=1e-7)
            np.testing.assert_allclose(each[1], var.numpy(), rtol=1e-5)


@pytest.mark.parametrize("autocast", [False, True])
def test_sync_batch_norm_of_16_bits_is_that_of_one_process(autocast):
    """Sums over the images are beyond what a float16 holds."""
    images = (IMAGES * 10 + 2000).astype("float16")

    def normalized(x):
        mean, var = F.zeros((1, 2, 1, 1)), F.ones((1, 2, 1, 1))
        with nm.amp.autocast(enabled=autocast):
            made = F.nn.sync_batch_norm(nm.Tensor(x.astype("float32") if autocast else x), mean, var, training=True)
        return [each.numpy() for each in (made, mean, var)]

    (front, *here), (back, *there) = ranks(2, lambda: normalized(np.array_split(images, 2)[dist.get_rank()]))
    whole, mean, var = normalized(images)
    assert front.dtype == back.dtype == whole.dtype == "float16"
    np.testing.assert_allclose(np.concatenate([front, back]), whole, rtol=2e-3, atol=2e-3)
    for each in (here, there):
        np.testing.assert_allclose(each[0], mean, rtol=1e-5)
        np.testing.assert_allclose(each[1], var, rtol=1e-4)


def test_a_traced_forward_pass_reduces_in_every_call():
    def forward():
        net = Net()
        dist.bcast_list_(net.tensors())
        shown = trace(lambda x: net(x))
        gm, found = GradManager().attach(net.parameters()), []
        for call in (shown, shown, net):
            with gm:
                gm.backward(call(nm.Tensor(IMAGES[dist.get_rank() :: 2])).sum())
            found.append([value.grad.numpy() for value in net.parameters()])
            for value in net.parameters():
                value.grad = None
        return found

    for first, second, plain in ranks(2, forward):
        for a, b, c in zip(first, second, plain, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
            np.testing.assert_allclose(b, c, rtol=1e-5, atol=1e-6)


def test_a_program_keeps_what_others_wait_for():
    """Calls that nobody uses, of constants, and twice the same: all of them are done, in order, in every call."""

    def counted():
        def step(x):
            dist.group_barrier()
            D.all_reduce_sum(x)
            a, b = D.all_reduce_sum(F.ones(2)), D.all_reduce_sum(F.ones(2))
            return a + b + D.all_reduce_max(x) + D.all_gather(x)[:2]

        traced = trace(step)
        x = nm.Tensor([1.0, 2.0]) + dist.get_rank()
        return [traced(x * k).tolist() for k in (1, 2, 3)], sum(call.name.startswith("all_") for call in traced.graph.calls)

    assert ranks(2, counted) == [([[7.0, 9.0], [10.0, 14.0], [13.0, 19.0]], 6)] * 2


def unused_sums(x):
    D.all_reduce_sum(x)
    return x * 2


def sums_between_loops(x):
    """The loops of a, b and c become one, which must not come behind the second sum, nor that before the first."""
    a = x * 2
    first = D.all_reduce_sum(a)
    second = D.all_gather(x)
    b = x + 1
    c = F.relu(a * b)
    return first.sum() + second.sum() + D.all_reduce_max(c).sum()


@pytest.mark.parametrize("function", [unused_sums, sums_between_loops])
@pytest.mark.parametrize("recorded", [False, True])
def test_a_program_does_on_one_rank_what_the_function_does_on_another(function, recorded):
    def both():
        call = trace(function) if dist.get_rank() else function
        x, found = nm.Tensor([1.0, 2.0]) + dist.get_rank(), []
        for _ in range(3):
            gm = GradManager().attach([x] if recorded else [])
            with gm:
                made = call(x)
                found.append(D.all_gather(made.sum().reshape(1)).tolist())
                gm.backward(made)
        return found, x.grad.tolist() if recorded else None

    (first, here), (second, there) = ranks(2, both)
    assert first == second == [first[0]] * 3
    assert (here is None) == (there is None) == (not recorded)


def test_calls_with_an_effect_keep_their_order_when_one_waits_for_a_call_that_moved():
    spec, op = nm.Tensor([1.0])._spec, TABLE["all_reduce"]
    moved = Call("moved", None, (), (), (spec,), None, None)
    first = Call("first", op, (), (moved.made(),), (spec,), None, None)
    second = Call("second", op, (), (), (spec,), None, None)
    assert in_order([first, second, moved], {}) == [moved, first, second]


def test_a_traced_function_may_send_if_its_recording_is_within():
    def traced_pipeline():
        w = nm.Parameter([2.0 + dist.get_rank()])
        gm = GradManager().attach(w)

        @trace
        def step(x):
            with gm:
                if dist.get_rank() == 0:
                    D.remote_send(x * w, 1)
                    gm.backward()
                else:
                    y = D.remote_recv(0) * w
                    gm.backward(y * x)
            grad = w.grad
            w.grad = None
            return grad

        return [step(nm.Tensor([k])).item() for k in (1.0, 2.0, 3.0)]

    assert ranks(2, traced_pipeline) == [[3.0, 12.0, 27.0], [2.0, 8.0, 18.0]]


def test_samplers_share_a_data_set():
    def shares():
        data = ArrayDataset(np.arange(10))
        sampler = RandomSampler(data, batch_size=2)
        return (
            [*SequentialSampler(data, batch_size=3)],
            [index for _ in range(2) for batch in sampler for index in batch],
            nm.random.uniform().item(),
        )

    (first, some, here), (second, others, there) = ranks(2, shares)
    assert (first, second) == ([[0, 2, 4], [6, 8]], [[1, 3, 5], [7, 9]])
    assert sorted(some[:5] + others[:5]) == sorted(some[5:] + others[5:]) == [*range(10)]
    assert here != there


class OfRanks(Dataset):
    """Items that say which rank they are read for."""

    def __len__(self):
        return 2

    def __getitem__(self, index):
        return dist.get_rank() * 10 + dist.get_world_size()


def test_workers_of_a_loader_know_the_rank_that_they_work_for():
    found = ranks(2, lambda: [batch.tolist() for batch in DataLoader(OfRanks(), num_workers=1)])
    assert found == [[[2]], [[12]]]


# What goes wrong


def failing(how):
    if dist.get_rank() == 1:
        how()
    D.all_reduce_sum(F.ones(3))


@pytest.mark.parametrize(
    ("how", "message"),
    [
        (lambda: [][0], r"rank 1 \(process \d+\) raised(.|\n)*IndexError: list index out of range"),
        (lambda: os._exit(7), r"rank 1 \(process \d+\) died with exit code 7"),
        (
            lambda: D.all_reduce_sum(F.ones(4)),
            r"rank \d is in all_reduce_sum of float32 \[[34]\] in ranks \[0, 1\], and rank \d in all_reduce_sum of",
        ),
        (
            lambda: D.broadcast(F.ones(3), [0, 1]),
            r"remote_recv: rank 0 does not send, it is in all_reduce_sum of float32 \[3\] in ranks \[0, 1\]",
        ),
    ],
)
def test_a_rank_that_fails_ends_all(how, message):
    start = time.monotonic()
    with pytest.raises(AssertionError, match=message) as caught:
        ranks(2, failing, how)
    assert time.monotonic() - start < 30
    assert caught.value.__cause__ is None or isinstance(caught.value.__cause__, (IndexError, dist.DistributedError))


def test_the_others_are_told_which_rank_failed_and_why():
    def watching():
        if dist.get_rank() == 2:
            return leave("ValueError: no more")  # as when it raises
        with pytest.raises(dist.DistributedError) as caught:
            D.all_reduce_sum(F.ones(3))
        leave(str(caught.value))
        return str(caught.value)

    first, second, _ = ranks(3, watching)
    assert first.startswith("rank 0 in all_reduce_sum of float32 [3]") and second.startswith("rank 1 in all_reduce_sum of float32 [3]")
    assert all("rank 2 failed: ValueError: no more" in text for text in (first, second))


def test_a_rank_that_does_not_come_is_named():
    def late():
        config.patience = 1
        if dist.get_rank() == 0:
            D.all_reduce_sum(F.ones(3))
        time.sleep(20)

    with pytest.raises(dist.WorkerError, match=r"rank 0 in all_reduce_sum.*: rank 1 has not answered for 1 seconds"):
        ranks(2, late)


def test_after_a_failure_late_values_are_not_taken_for_the_next_ones():
    """Rank 0 gives up waiting for the 1 of rank 1, which must not be added in its next call."""

    def impatient():
        rank = dist.get_rank()
        if rank == 0:
            config.patience = 1
            with pytest.raises(dist.DistributedError, match="rank 1 has not answered for 1 seconds"):
                D.all_reduce_sum(F.ones(1))
            config.patience = 60
        else:
            time.sleep(2)
        said = []
        for value in range(1, 3):
            try:
                said.append(D.all_reduce_sum(F.full((1,), value)).item())
            except dist.DistributedError as error:
                said.append(str(error))
        return said

    first, _ = ranks(2, impatient)
    assert all("all_reduce_sum of float32 [1] in ranks [0, 1] has failed before" in str(each) for each in first)


def test_what_fails_after_a_peer_was_lost_is_no_cause():
    """As in ``finally: group_barrier()``: the launcher looks for the rank that failed first."""

    def watching():
        if dist.get_rank() == 1:
            leave("ValueError: no more")
        for _ in range(2 if dist.is_distributed() else 0):
            with pytest.raises(PeerLost, match=r"rank 1 failed: ValueError: no more|has failed before"):
                D.all_reduce_sum(F.ones(1))

    ranks(2, watching)


def test_a_client_that_gave_up_takes_no_late_answer():
    server = dist.Server()
    try:
        client, other = (dist.Client("localhost", server.py_server_port) for _ in range(2))
        client._connection.settimeout(0.2)
        with pytest.raises(dist.DistributedError, match="nothing has come to get 'user a'"):
            client.user_get("a")
        other.user_set("a", 1)
        other.user_set("b", 2)
        with pytest.raises(dist.DistributedError, match="it has been closed"):
            client.user_get("b")
        client.connect()
        assert client.user_get("b") == 2
        client.close()
        other.close()
    finally:
        server.close()


def test_any_message_of_an_error_is_told():
    def raises():
        raise ValueError("\udc80")

    with pytest.raises(dist.WorkerError, match=r"raised(.|\n)*ValueError"):
        ranks(2, raises)


def test_a_caller_with_a_rank_that_is_not_awaited_is_refused():
    server = dist.Server()
    first, second = (dist.Client("localhost", server.py_server_port) for _ in range(2))

    def call():
        with wire.reach(json.loads(second._ask("get", "mesh 0"))) as connection:
            wire.introduce(connection, wire.key(), calling=True, rank=2)

    caller = threading.Thread(target=call)
    caller.start()
    try:
        with pytest.raises(dist.DistributedError, match="rank 0 of 2 was called by rank 2, which is none that it waits for"):
            mesh.connect(first, 0, 2)
    finally:
        caller.join()
        for each in (first, second, server):
            each.close()


def test_exit_of_a_worker():
    assert ranks(1, lambda: sys.exit(0)) == [None]
    with pytest.raises(dist.WorkerError, match="SystemExit: 3"):
        ranks(1, lambda: sys.exit(3))


# Servers, and processes without a launcher


def test_a_server_keeps_values_and_barriers():
    server = dist.Server()
    try:
        first, second = (dist.Client("localhost", server.py_server_port) for _ in range(2))
        first.user_set("a", (1, "b"))
        assert second.user_get("a") == second.user_pop("a") == (1, "b")
        assert first.get_mm_server_port() == server.mm_server_port
        first._connection.settimeout(0.2)
        with pytest.raises(dist.DistributedError, match="nothing has come to get 'user a'"):
            first.user_get("a")
        assert second.bcast_val(5, "k", 1) == 5
        second.group_barrier("here", 1)
        first.close()
        second.close()
        with pytest.raises(dist.DistributedError, match="it has been closed"):
            first.user_get("a")
    finally:
        server.close()


def test_ranks_meet_without_files(monkeypatch):
    """A folder for them may have a long name, and stays there if a process is ended meanwhile."""
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere/" + "long" * 30)
    assert ranks(2, dist.get_rank) == [0, 1]


@pytest.mark.parametrize("what", [lambda client: client.user_get("never"), lambda client: client.group_barrier("here", 2)])
def test_a_server_that_is_closed_leaves_no_thread_that_waits(what):
    before = {*threading.enumerate()}
    server = dist.Server()
    client = dist.Client("localhost", server.py_server_port)
    client._connection.settimeout(10)
    closing = threading.Timer(0.2, server.close)
    closing.start()
    with pytest.raises(dist.DistributedError, match=r"the server at localhost:\d+ has gone: it closed the connection"):
        what(client)
    closing.join()
    client.close()
    for thread in {*threading.enumerate()} - before:
        thread.join(10)
    assert {*threading.enumerate()} <= before


def test_a_process_that_meets_nobody_lets_go_of_the_server(monkeypatch):
    server = dist.Server()
    clients = []
    monkeypatch.setattr(mesh, "connect", lambda client, *_: clients.append(client) or [][0])
    try:
        with pytest.raises(IndexError):
            dist.init_process_group("localhost", server.py_server_port, 2, 0, 0)
        assert clients[0]._connection is None and not dist.is_distributed()
    finally:
        server.close()


def test_strangers_are_not_listened_to(monkeypatch):
    server = dist.Server()
    try:
        with socket.create_connection(("127.0.0.1", server.py_server_port)) as stranger:
            stranger.sendall(b"\x80\x04." * 100)
            stranger.settimeout(30)
            with pytest.raises((EOFError, ConnectionError)):
                wire.read(stranger, 100000)
        monkeypatch.setattr(wire, "key", lambda: b"another")
        with pytest.raises(dist.DistributedError, match="the other process"):
            dist.Client("localhost", server.py_server_port)
    finally:
        server.close()


OWN = """
import sys
import numod.distributed as dist, numod.functional as F
rank, port = map(int, sys.argv[1:])
if __name__ == "__main__":
    if rank == 0:
        server = dist.Server(port)
        print(server.py_server_port, flush=True)
        port = server.py_server_port
    dist.init_process_group("127.0.0.2" if rank else "localhost", port, 2, rank, rank, backend="nccl")
    print(dist.get_backend(), dist.get_py_server_addr()[1] == port, F.distributed.all_gather(F.full((1,), rank)).tolist(), flush=True)
    dist.group_barrier()
"""


def test_processes_that_share_a_secret_meet(tmp_path):
    script = tmp_path / "own.py"
    script.write_text(OWN)
    environment = {**os.environ, "NUMOD_DISTRIBUTED_KEY": "between us", "NUMOD_DISTRIBUTED_TIMEOUT": "60"}

    def start(rank, port):
        return subprocess.Popen([sys.executable, str(script), str(rank), str(port)], stdout=subprocess.PIPE, text=True, env=environment)

    with start(0, 0) as first:
        port = first.stdout.readline().strip()
        with start(1, port) as second:
            assert second.stdout.read() == first.stdout.read() == "nccl True [0, 1]\n"
    assert first.returncode == second.returncode == 0


SPAWNED = """
import numod.distributed as dist, numod.functional as F
from numod.distributed import launching
launching.METHOD = "spawn"

@dist.launcher(n_gpus=2)
def main(x):
    return F.distributed.all_reduce_sum(F.full((1,), x + dist.get_rank())).item()

if __name__ == "__main__":
    print(main(3))
"""


def test_ranks_can_be_spawned(tmp_path):
    script = tmp_path / "spawned.py"
    script.write_text(SPAWNED)
    run = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=120)
    assert run.stdout == "[7, 7]\n", run.stderr
