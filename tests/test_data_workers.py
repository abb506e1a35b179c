"""Worker processes make the batches that one process makes, report what goes wrong, and leave nothing behind."""

import contextlib
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest

from numod import Tensor
from numod.data import Collator, DataLoader, RandomSampler, SequentialSampler, StreamSampler
from numod.data.dataset import Dataset, StreamDataset
from numod.data.transform import Transform

pytestmark = pytest.mark.skipif(os.name != "posix", reason="workers need POSIX")
Pair = namedtuple("Pair", "image label")


class Items(Dataset):
    """Items of all kinds, of sizes that grow; ``do`` happens at item 5."""

    def __init__(self, count=12, do=None):
        self.count, self.do = count, do

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        if index == 5 and self.do:
            self.do()
        return Pair(np.full((index // 4 + 1, 3), index, np.uint8), {"number": index, "name": f"item {index}", "none": np.empty((0, 2))})


def fail():
    raise KeyError("no such item")


class Unpicklable(Exception):
    def __init__(self, one, two):
        super().__init__(one)


def fail_unpicklably():
    raise Unpicklable("here", lambda: 1)


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def hang():
    time.sleep(1000)


class Count(StreamDataset):
    def __init__(self, count):
        self.count = count

    def __iter__(self):
        return iter(range(self.count))


class Noise(Transform):
    def apply(self, input):
        return np.random.rand()


class Listed(Collator):
    """Batches of lists, named tuples and dicts, and an array of objects."""

    def apply(self, inputs):
        return [*inputs, np.array([{"an": "object"}], object), (np.float32(1.5), b"bytes")]


def same(a, b):
    assert type(a) is type(b)
    if isinstance(a, np.ndarray):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
        assert a.flags.writeable
    elif isinstance(a, dict):
        assert list(a) == list(b)
        for key in a:
            same(a[key], b[key])
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b)
        for each in zip(a, b, strict=True):
            same(*each)
    else:
        assert a == b


@contextlib.contextmanager
def nothing_left():
    """Afterwards there are as many open files as before, and no child processes."""

    def files():
        return len(os.listdir("/dev/fd"))

    list(DataLoader(Items(1), num_workers=1))  # starts the tracker that multiprocessing keeps
    before = files()
    yield
    assert not multiprocessing.active_children()
    assert not [thread for thread in threading.enumerate() if thread.name == "numod-preload"]
    assert files() == before


def test_workers_make_the_same_batches_in_the_same_order():
    dataset = Items()
    alone = list(DataLoader(dataset, RandomSampler(dataset, 4, seed=1), collator=Listed()))
    with nothing_left():
        for count in (1, 3):
            loader = DataLoader(dataset, RandomSampler(dataset, 4, seed=1), collator=Listed(), num_workers=count, timeout=60)
            assert len(loader) == 3
            same(list(loader), alone)


def test_a_second_pass_starts_anew_while_the_first_goes_on():
    loader = DataLoader(Items(), SequentialSampler(Items(), 6), collator=Listed(), num_workers=1)
    first = iter(loader)
    next(first)
    second = list(loader)
    same([next(first)], second[1:])


def test_batches_stay_what_they_are_when_later_ones_come():
    batches = list(DataLoader(Items(8), num_workers=1))
    assert [int(batch.image[0, 0, 0]) for batch in batches] == list(range(8))


def test_an_exception_is_reported_with_its_traceback():
    with nothing_left():
        with pytest.raises(RuntimeError, match=r"(?s)DataLoader: worker 1 raised.*in fail.*KeyError: 'no such item'") as caught:
            list(DataLoader(Items(do=fail), num_workers=2))
        assert isinstance(caught.value.__cause__, KeyError)
        with pytest.raises(RuntimeError, match=r"(?s)in fail_unpicklably.*Unpicklable: here"):
            list(DataLoader(Items(do=fail_unpicklably), num_workers=1))
        del caught


def test_a_killed_worker_is_reported_and_not_waited_for():
    with nothing_left(), pytest.raises(RuntimeError, match=r"DataLoader: worker 1 \(process \d+\) died with exit code -9"):
        list(DataLoader(Items(do=die), num_workers=2))


def test_a_worker_that_hangs_is_given_up_after_timeout():
    with nothing_left():
        before = time.monotonic()
        with pytest.raises(TimeoutError, match="DataLoader: worker 0 has made no batch for 8 seconds"):
            list(DataLoader(Items(do=hang), num_workers=1, timeout=8))
        assert time.monotonic() - before < 60


def test_a_pass_that_is_left_ends_its_workers():
    with nothing_left():
        for _ in DataLoader(Items(), num_workers=2):
            break
        batches = iter(DataLoader(Items(), num_workers=1))
        next(batches)
        del batches


def test_what_cannot_be_pickled_is_refused():
    with nothing_left(), pytest.raises(TypeError, match="DataLoader: num_workers above 0 needs a dataset, transform and collator that can"):
        list(DataLoader(Items(do=lambda: None), num_workers=1))


def test_a_stream_is_read_by_one_worker_or_by_each():
    loader = DataLoader(Count(5), StreamSampler(2), num_workers=3)
    assert [batch.tolist() for batch in loader] == [[0, 1], [2, 3], [4]]
    loader = DataLoader(Count(3), StreamSampler(2), num_workers=2, parallel_stream=True)
    assert [batch.tolist() for batch in loader] == [[0, 1], [0, 1], [2], [2]]


def test_random_numbers_differ_among_workers_and_follow_the_seed():
    def drawn():
        np.random.seed(3)
        return np.concatenate(list(DataLoader(Items(), transform=Noise(), num_workers=2))).tolist()

    first = drawn()
    assert len(set(first)) == 12
    assert drawn() == first


@pytest.mark.parametrize("count", [0, 2])
def test_preloaded_batches_are_tensors_of_what_they_are_without(count):
    """Arrays of objects and all that is no array stay as they are."""

    def loaded(preload):
        return list(DataLoader(dataset, RandomSampler(dataset, 4, seed=1), collator=Listed(), num_workers=count, preload=preload))

    def tensors(value):
        if isinstance(value, np.ndarray) and not value.dtype.hasobject:
            return Tensor(value)
        if isinstance(value, dict):
            return {key: tensors(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return type(value)(*map(tensors, value)) if hasattr(value, "_fields") else type(value)(map(tensors, value))
        return value

    def described(value):
        if isinstance(value, Tensor):
            return value.shape, value.dtype, value.device, value.tolist()
        if isinstance(value, dict):
            return {key: described(item) for key, item in value.items()}
        return [type(value), *map(described, value)] if isinstance(value, (list, tuple)) else value

    dataset = Items()
    with nothing_left():
        assert described(loaded(True)) == described(tensors(loaded(False)))


def test_preloading_is_done_while_the_batch_before_is_used():
    made = []

    class Watched(Items):
        def __getitem__(self, index):
            made.append((index, threading.current_thread().name))
            return np.zeros(1)

    with nothing_left():
        batches = iter(DataLoader(Watched(), preload=True))
        next(batches)
        until = time.monotonic() + 30
        while len(made) < 3:
            assert time.monotonic() < until
            time.sleep(0.001)
        time.sleep(0.05)
        assert made == [(index, "numod-preload") for index in range(3)]
        del batches


@pytest.mark.parametrize("count", [0, 2])
def test_preloading_reports_errors_after_the_batches_before(count):
    with nothing_left():
        batches = iter(DataLoader(Items(do=fail), num_workers=count, preload=True))
        assert [int(next(batches).image[0, 0, 0].item()) for _ in range(5)] == list(range(5))
        with pytest.raises(RuntimeError if count else KeyError, match="no such item") as caught:
            next(batches)
        assert any(entry.name == "fail" for entry in caught.traceback) or count
        assert next(batches, None) is None
        del caught
    with nothing_left(), pytest.raises(RuntimeError, match="died with exit code -9"):
        list(DataLoader(Items(do=die), num_workers=1, preload=True))


@pytest.mark.parametrize("loader", [Items(do=hang), Count(5)], ids=["hangs", "stream"])
def test_a_preloading_pass_that_is_left_ends_its_thread_and_workers(loader):
    with nothing_left():
        sampler = StreamSampler() if isinstance(loader, StreamDataset) else SequentialSampler(loader)
        for position, _ in enumerate(DataLoader(loader, sampler, num_workers=1, preload=True)):
            if position == 4:
                before = time.monotonic()
                break
        assert time.monotonic() - before < 4


def test_an_error_in_a_data_set_never_shortens_a_pass():
    """A StopIteration that gets out of an item is no end."""
    with pytest.raises(RuntimeError, match="StopIteration"):
        list(DataLoader(Items(do=lambda: next(iter(())))))


SCRIPT = """
    import os, signal, sys, time
    sys.path.insert(0, {here!r})
    from test_data_workers import Items, hang
    from numod.data import DataLoader

    if __name__ == "__main__":
        signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs in the background of a shell ignores it
        batches = iter(DataLoader(Items(do=hang), num_workers=2, preload={preload}))
        for number in range(5):
            next(batches)
        children = [p.pid for p in __import__("multiprocessing").active_children()]
        print(*children, flush=True)
        next(batches)
"""


@pytest.mark.parametrize("preload", [False, True], ids=["", "preload"])
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=["interrupted", "killed"])
def test_workers_end_with_their_process(how, preload, tmp_path):
    """Ctrl-C, which goes to all processes of a terminal, ends the loader's with KeyboardInterrupt and the workers without a word."""
    script = tmp_path / "script.py"
    here = Path(__file__).parent
    script.write_text(textwrap.dedent(SCRIPT).format(here=str(here), preload=preload))
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "start_new_session": True}
    with subprocess.Popen([sys.executable, script], env={**os.environ, "PYTHONPATH": str(here.parent)}, **pipes) as process:
        line = process.stdout.readline()
        children = [int(pid) for pid in line.split()]
        if how == signal.SIGINT:
            os.killpg(process.pid, how)
        else:
            process.kill()
        try:
            _, errors = process.communicate(timeout=60)
        finally:
            process.kill()  # or a failure would wait for ever
    assert len(children) == 2, errors
    if how == signal.SIGINT:
        assert errors.count("Traceback") == 1, errors
        assert errors.strip().endswith("KeyboardInterrupt")
    until = time.monotonic() + 30
    while any(running(pid) for pid in children):
        assert time.monotonic() < until, "workers are still running"
        time.sleep(0.1)


def running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_workers": -1}, "num_workers must be an int of at least 0, got -1"),
        ({"num_workers": 1.5}, "num_workers must be an int of at least 0, got 1.5"),
        ({"timeout": -1}, "timeout must be at least 0, got -1"),
        ({"parallel_stream": True}, "parallel_stream needs a StreamDataset and num_workers above 0"),
    ],
)
def test_wrong_settings_are_refused(options, message):
    with pytest.raises(ValueError, match=re.escape(f"DataLoader: {message}")):
        DataLoader(Items(), **options)
