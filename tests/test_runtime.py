"""The native runtime: buffers and the memory pool, what a launch refuses, the threads, and what survives a fork."""

import gc
import itertools
import math
import os
import sys
import threading
from dataclasses import replace

import numpy as np
import pytest
from launching import CPU, each, fresh_process, launch, spec_of

from numod import Tensor, config, get_num_threads, set_num_threads
from numod.kernel import elementwise, executor, gather, layout, runtime, source
from numod.kernel.program import Kernel, Program, Ref, Step
from numod.spec import Spec

compiled_only = pytest.mark.skipif(config.interpret, reason="interpreted kernels run on one thread")


def heavy(x):
    y = x * 0.5 + 1.0
    return y * y - x


@pytest.fixture
def threads():
    """Sets the number of threads, for a test."""
    before = get_num_threads()
    yield set_num_threads
    set_num_threads(before)


# Buffers and the pool


def test_a_buffer_is_its_bytes():
    buffer = runtime.alloc(100)
    assert buffer.nbytes == 100
    assert buffer.address % 64 == 0
    view = memoryview(buffer)
    assert view.nbytes == 100
    assert not view.readonly
    view[:] = bytes(range(100))
    assert bytes(runtime.shift(90, buffer)) == bytes(range(90, 100))


def test_a_buffer_cannot_be_made_or_changed_from_python():
    with pytest.raises(TypeError):
        runtime.Buffer()
    with pytest.raises((TypeError, AttributeError)):
        runtime.alloc(8).address = 0
    with pytest.raises(TypeError):
        runtime.Buffer.address = 0


@pytest.mark.parametrize("size", [0, 1, 63, 64, 65, 4095, 4096, 4097, 5120, 5121, 100_000, 1 << 20, (1 << 20) + 1, 30_000_000])
def test_every_size_has_room_and_is_given_back(size):
    gc.collect()
    before = runtime.memory()["live"]
    buffer = runtime.alloc(size)
    taken = runtime.memory()["live"] - before
    assert size <= taken <= max(size * 1.26, size + 64)
    memoryview(buffer)[:] = b"\xff" * size
    del buffer
    assert runtime.memory()["live"] == before


def test_blocks_are_used_again():
    address = runtime.alloc(1000).address
    assert runtime.alloc(1000).address == address
    assert runtime.alloc(1010).address == address  # the same class of blocks
    kept = runtime.alloc(1000)
    assert runtime.alloc(1000).address != kept.address


def test_blocks_do_not_overlap():
    buffers = [runtime.alloc(size) for size in (1, 64, 65, 1000, 4096, 5000, 70_000) for _ in range(4)]
    spans = sorted((buffer.address, buffer.address + buffer.nbytes) for buffer in buffers)
    assert all(end <= start for (_, end), (start, _) in itertools.pairwise(spans))


def test_a_part_keeps_the_whole_alive():
    whole = runtime.alloc(5000)
    memoryview(whole)[:] = b"\x07" * 5000
    part = runtime.shift(100, runtime.shift(1000, whole))
    address, count = whole.address, sys.getrefcount(whole)
    assert (part.address, part.nbytes) == (address + 1100, 3900)
    live = runtime.memory()["live"]
    del whole
    assert count == 3  # the name, the part (not the part of a part), and the call that counts
    assert runtime.memory()["live"] == live
    assert runtime.alloc(5000).address != address
    assert bytes(part) == b"\x07" * 3900
    del part
    assert runtime.memory()["live"] < live


def test_a_numpy_view_keeps_its_buffer_alive():
    tensor = Tensor(np.arange(1000, dtype=np.float32))
    view = tensor.numpy()[500:]
    del tensor
    Tensor(np.zeros(1000, np.float32))
    assert view[0] == 500.0


def test_references_are_balanced():
    x = Tensor(np.arange(10, dtype=np.float32))
    base = x._buffer
    kind = sys.getrefcount(runtime.Buffer)
    before = sys.getrefcount(base)
    for _ in range(1000):
        runtime.shift(8, base)
        memoryview(base).release()
        each(heavy, x.numpy())
    assert sys.getrefcount(base) == before
    assert abs(sys.getrefcount(runtime.Buffer) - kind) < 5


def test_accounting():
    gc.collect()
    runtime.coalesce()
    runtime.reset_peak()
    start = runtime.memory()
    assert start["cached"] == 0
    assert start["peak"] == start["live"]
    first, second = runtime.alloc(1 << 20), runtime.alloc(1 << 20)
    del first
    now = runtime.memory()
    assert now["live"] - start["live"] == 1 << 20
    assert now["cached"] == 1 << 20
    assert now["peak"] - start["live"] == 2 << 20
    runtime.coalesce()
    assert runtime.memory()["cached"] == 0
    del second
    runtime.coalesce()


def test_unused_memory_does_not_pile_up_when_sizes_keep_changing():
    runtime.coalesce()
    for size in range(64 << 20, 512 << 20, 16 << 20):
        runtime.alloc(size)
    assert runtime.memory()["cached"] < 1 << 30
    runtime.coalesce()


@pytest.mark.parametrize("size", [-1, 1 << 62, 1 << 50])
def test_memory_that_is_not_there_is_a_memory_error(size):
    with pytest.raises(MemoryError):
        runtime.alloc(size)


def test_wrong_arguments_are_type_errors():
    program = executor.pack(Program((8,), 1, ()))
    good = runtime.alloc(8)
    for call in (
        lambda: runtime.alloc("8"),
        lambda: runtime.shift(0, b"bytes"),
        lambda: runtime.launch(program, b"bytes"),
        lambda: runtime.launch(good.nbytes, good),
        lambda: runtime.launch(program),
        lambda: runtime.launch(program, good, good),
        lambda: runtime.unchanged((), (), ()),
        lambda: runtime.unchanged([], (), (), ()),
        lambda: runtime.unchanged((), (), (), []),
    ):
        with pytest.raises(TypeError):
            call()


def test_unchanged_is_identity_in_every_place():
    """Each single change is seen: of a value, by an equal one in another object, of a length, of a key that is gone, of a cell."""
    one, two, three, four, five = ([i] for i in range(5))

    def cell(value):
        return (lambda: value).__closure__[0]

    def differs(values=(one, two, three, four, five), inside=(one, two), items=(three,), key="d", around=(four,), held=five):
        picked = (dict(zip("defg", around, strict=False)), key, cell(held), None)
        return not runtime.unchanged(values, ({"a": inside[0]}, {}, dict(enumerate(inside[1:]))), (list(items), []), picked)

    assert not differs()
    assert runtime.unchanged((), (), (), ())
    assert differs(inside=(one, [1])) and differs(inside=(one,)) and differs(inside=(one, two, two)) and differs(inside=(two, one))
    assert differs(items=()) and differs(items=([2],)) and differs(items=(three, three))
    assert differs(around=(three,)) and differs(around=(four, one), key="e") and differs(key="f")
    assert differs(held=[4])
    assert differs(values=(one, two, three, four)) and differs(values=(one, two, three, four, five, five)) and differs(values=())


def test_unchanged_sees_a_cell_that_was_emptied_and_keeps_no_reference():
    def outer():
        value = object()
        inner = lambda: value  # noqa: F821
        found = inner.__closure__[0].cell_contents, inner.__closure__[0]
        del value
        return found

    value, empty = outer()
    assert not runtime.unchanged((value,), (), (), (empty, None))
    before = sys.getrefcount(value)
    full = (lambda: value).__closure__[0]
    for _ in range(100):
        assert runtime.unchanged((value, value, value), ({1: value},), ([value],), (full, None))
    assert sys.getrefcount(value) == before


def test_numbers_that_do_not_fit_are_overflow_errors():
    with pytest.raises(OverflowError):
        runtime.alloc(1 << 70)


# Launches


def test_a_failed_launch_gives_its_memory_back_and_says_what_was_wrong():
    def pick(i, x, where):
        return x[checked(where[i], x.shape[0])]

    x, where = np.arange(5, dtype=np.float32), np.array([0, 4, 9, 1], np.int32)
    out = Spec.of((4,), x.dtype, CPU)
    program = gather.gather_program(pick, [spec_of(x), spec_of(where)], out, x.dtype)
    assert launch(program, [x, where.clip(0, 4)], [out]).tolist() == [0, 4, 4, 1]
    run = executor.compile(program)
    inputs = Tensor(x)._buffer, Tensor(where)._buffer
    gc.collect()
    before = runtime.memory()["live"]
    assert run(*inputs) is None
    assert executor.error_of(run) == (1, 9, 5)
    assert runtime.memory()["live"] == before
    inputs = Tensor(x)._buffer, Tensor(where.clip(0, 4))._buffer
    assert run(*inputs) is not None


def test_a_launch_takes_any_number_of_buffers():
    def nothing(x):
        return x

    spec = Spec.of((3,), np.dtype("float32"), CPU)
    (step,) = elementwise.program(nothing, [spec], [spec], spec.dtype).steps
    steps = tuple(layout.relocate(step, Ref("out", i), first_input=i) for i in range(200))
    x = [Tensor(np.full(3, i, np.float32)) for i in range(200)]
    gc.collect()
    before = runtime.memory()["live"]
    made = executor.compile(Program((12,) * 200, 200, steps))(*[each._buffer for each in x])
    assert [np.frombuffer(each, np.float32, 3).tolist() for each in made] == [each.tolist() for each in x]
    del made
    assert runtime.memory()["live"] == before


def test_the_step_with_the_first_error_is_named_and_is_the_last_that_runs():
    def pick(i, x, where):
        return x[checked(where[i], x.shape[0])]

    x, good, bad = (Tensor(each) for each in (np.arange(5, dtype=np.float32), np.array([0, 4], np.int32), np.array([0, 9], np.int32)))
    out = Spec.of((2,), np.dtype("float32"), CPU)
    (step,) = gather.gather_program(pick, [x._spec, good._spec], out, x.dtype).steps
    second = replace(step, words=tuple(Ref("in", 2) if word == Ref("in", 1) else word for word in step.words))
    steps = (step, layout.relocate(second, Ref("out", 1), first_input=0), layout.relocate(second, Ref("out", 2), first_input=0))
    run = executor.compile(Program((8,) * 3, 3, steps))
    assert run(x._buffer, good._buffer, bad._buffer) is None
    assert executor.error_of(run) == (1, 9, 5)
    assert executor.step_of(run) == 1
    assert run(x._buffer, good._buffer, good._buffer) is not None


def test_offsets_are_those_of_the_native_code():
    native = pytest.importorskip("numod.kernel.native")
    blocks = pytest.importorskip("numod.kernel.blocks")
    for name in "BUFFER_TYPE TYPE_ERROR NONE THREADS PAUSES BUSY WORKERS MAX_WORKERS STATE_BYTES".split():
        assert getattr(runtime, name) == getattr(native, name), name
    for name in "LIVE CACHED PEAK".split():
        assert getattr(runtime, name) == getattr(blocks, name), name
    assert blocks.FREE_LISTS == native.WORKERS + 64 * native.MAX_WORKERS


def test_the_limits_of_a_launch_are_those_of_the_native_code():
    assert executor.MAX_WORDS + 1 <= 256


# Threads

X = np.random.default_rng(0).standard_normal(100_003).astype(np.float32)


@compiled_only
@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_results_do_not_depend_on_the_number_of_threads(threads, count):
    threads(1)
    want = each(heavy, X)
    threads(count)
    for grain in (64, 1000, 50_002, 100_003, 200_000):
        np.testing.assert_array_equal(each(heavy, X, grain=grain), want)


def made_by(build, *arguments):
    """A kernel that is only for tests."""
    return Kernel(("test", build.__name__, source.fingerprint(build), arguments), lambda: build(*arguments))


def visits(first):
    """A kernel that counts how often it is given an item (``first``: sets the counts of all items to zero)."""
    backend, int64 = source.backend(), np.int64
    pointer = backend.pointer

    def kernel(begin, end, args, scratch):
        counts = pointer(pointer(args, int64)[1], int64)
        for i in range(begin, end):
            counts[i] = 0 if first else counts[i] + 1

    return kernel


@compiled_only
@pytest.mark.parametrize("grain", [1, 7, 64, 500, 999, 1000, 1001])
def test_every_item_is_visited_once(threads, grain):
    threads(3)
    steps = (Step(made_by(visits, True), 2000, (Ref("out"),)), Step(made_by(visits, False), 1000, (Ref("out"),), grain))
    counts = launch(Program((16_000,), 0, steps), [], [Spec.of((2000,), np.dtype("int64"), CPU)])
    assert counts.tolist() == [1] * 1000 + [0] * 1000


def dawdles():
    """A kernel that takes some milliseconds for item 0 and several times as long for item 1."""
    backend, int64 = source.backend(), np.int64
    pointer = backend.pointer

    def kernel(begin, end, args, scratch):
        done = pointer(pointer(args, int64)[1], int64)
        for i in range(begin, end):
            value = 1.0 + i
            for _ in range(200_000 + 800_000 * i):
                value = math.sin(value)
            done[i] = 1 if value < 2.0 else 2

    return kernel


@compiled_only
def test_a_launch_waits_for_all_its_threads(threads):
    threads(2)
    steps = (Step(made_by(visits, True), 2, (Ref("out"),)), Step(made_by(dawdles), 2, (Ref("out"),), 1))
    for _ in range(10):
        assert launch(Program((16,), 0, steps), [], [Spec.of((2,), np.dtype("int64"), CPU)]).tolist() == [1, 1]


def notes():
    """A kernel that keeps each item in scratch memory for a while, then copies it and counts the visit."""
    backend, int64 = source.backend(), np.int64
    pointer = backend.pointer

    def kernel(begin, end, args, scratch):
        out, note = pointer(pointer(args, int64)[1], int64), pointer(scratch, int64)
        for i in range(begin, end):
            note[0], value = i, 1.0
            for _ in range(20):
                value = math.sin(value)
            out[i] += note[0] + (1 if value < 2.0 else 2)

    return kernel


@compiled_only
def test_threads_that_wake_up_late_do_no_harm(threads):
    steps = (Step(made_by(visits, True), 300, (Ref("out"),)), *[Step(made_by(notes), 300, (Ref("out"),), 7, 64)] * 20)
    wanted = (np.arange(300) + 1) * 20
    for count in (9, 2, 5, 3) * 25:  # more threads than cores: many come when a step is over, or when one of fewer threads runs
        threads(count)
        np.testing.assert_array_equal(launch(Program((2400,), 0, steps), [], [Spec.of((300,), np.dtype("int64"), CPU)]), wanted)


@compiled_only
def test_many_launches_do_not_hang(threads):
    threads(3)
    x = np.ones(4096, np.float32)
    program = elementwise.program(heavy, [spec_of(x)], [spec_of(x)], x.dtype)
    program = replace(program, steps=tuple(replace(step, grain=512) for step in program.steps))
    run, buffer = executor.compile(program), Tensor(x)._buffer
    for _ in range(20_000):
        run(buffer)


@compiled_only
def test_python_threads_may_launch_at_once(threads):
    threads(3)
    want = each(heavy, X)
    wrong = []

    def work():
        for grain in (64, 1000, 7000) * 30:
            if not np.array_equal(each(heavy, X, grain=grain), want):
                wrong.append(grain)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert not any(worker.is_alive() for worker in workers)
    assert not wrong


def test_the_number_of_threads_is_checked():
    for wrong in (0, -1, 1.5, True, 10_000):
        with pytest.raises(ValueError, match="set_num_threads"):
            set_num_threads(wrong)


FORK = """
import os, sys, threading
import numpy as np
from launching import tripled, each
from numod import get_num_threads, set_num_threads
from numod.kernel import runtime
x = np.arange(100_000, dtype=np.float32)
set_num_threads(3)
for _ in range(50): each(tripled, x, grain=1000)          # the workers are there, some of them parked
stop = threading.Event()
def busy():
    while not stop.is_set(): each(tripled, x, grain=100)  # and a step may be running when the fork comes
thread = threading.Thread(target=busy)
thread.start()
children = []
for _ in range(5):
    child = os.fork()
    if child == 0:
        ok = get_num_threads() == 1
        ok &= runtime._word(runtime.WORKERS).value == 0       # a new worker counts its jobs from 0
        ok &= all(np.array_equal(each(tripled, x, grain=1000), x * 3) for _ in range(5))
        set_num_threads(2)                                # a child may have workers of its own
        ok &= all(np.array_equal(each(tripled, x, grain=1000), x * 3) for _ in range(50))
        os._exit(0 if ok else 1)
    children.append(child)
codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
stop.set()
thread.join()
print(codes, np.array_equal(each(tripled, x, grain=1000), x * 3))
"""


@compiled_only
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_fork_in_the_middle_of_work_leaves_a_child_that_works():
    quiet = "import warnings; warnings.simplefilter('ignore', DeprecationWarning)\n"  # Python 3.12 warns of forks with threads
    assert fresh_process(quiet + FORK) == "[0, 0, 0, 0, 0] True"


# The end of the process


def test_what_is_alive_at_the_end_does_no_harm():
    code = """
import sys, numod
from numod.kernel import runtime
sys.kept = [runtime.alloc, runtime.launch, runtime.alloc(100), runtime.shift(8, runtime.alloc(100)), numod.Tensor([1.0]), memoryview(runtime.alloc(8))]
sys.kept.append(sys.kept)  # freed by the last garbage collection, when modules are gone
"""
    fresh_process(code)
    references = sys.getrefcount(runtime._keep)  # of the module and of this call, and one that is never given up
    assert references > 2


def test_results_are_the_same_in_every_process():
    code = """
import hashlib, numpy as np, numod.functional as F
from numod import Tensor
x = Tensor(np.random.default_rng(0).standard_normal((300, 401)).astype(np.float32))
outs = [F.softmax(x, axis=0), F.exp(x), F.sum(x, axis=1), F.matmul(x, x.T), F.sum(x), F.var(x, axis=0)]
print(hashlib.sha256(b"".join(out.numpy().tobytes() for out in outs)).hexdigest())
"""
    assert len({fresh_process(code, NUMOD_NUM_THREADS=count) for count in (1, 2, 3)}) == 1
