"""A profile has every op that ran, where it ran and for how long; a program without one runs as if there were no profiler."""

import json
import os
import threading

import numpy as np
import pytest
from launching import fresh_process

import numod as nm
import numod.functional as F
import numod.module as M
import numod.optimizer as optim
from numod import op as ops
from numod.autodiff import Function, GradManager
from numod.forms import elementwise
from numod.utils.profiler import Profiler, is_profiling, profile, scope, start_profile, stop_profile

TRACE = f"{os.getpid()}.chrome_timeline.json"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    assert not is_profiling()


def events(path=f"profile/{TRACE}", category=None):
    """The trace's events of a category, in order of time; of scopes and ops if there is none."""
    with open(path) as file:
        found = [event for event in json.load(file)["traceEvents"] if event["ph"] == "X" and category in (None, event["cat"])]
    assert [event["ts"] for event in found] == sorted(event["ts"] for event in found)
    return found


def names(**where):
    return [event["name"] for event in events(**where)]


def tree(path=f"profile/{TRACE}"):
    """The names of scopes, each with the list of those inside of it."""
    root: list = []
    stack = [(float("inf"), root)]
    for event in events(path, "scope"):
        end = event["ts"] + event["dur"]
        while event["ts"] > stack[-1][0]:
            stack.pop()
        assert end <= stack[-1][0] + 1e-6, "slices of a thread lie inside of one another"
        inside: list = []
        stack[-1][1].append([event["name"], inside])
        stack.append((end, inside))
    return root


def test_an_op_has_its_name_shapes_dtypes_attributes_and_time():
    x, w = F.ones((2, 3)), F.ones((3, 4))
    with Profiler():
        F.matmul(x, w)
        F.concat([x, x], axis=1).astype("int32")
    product, joined, cast = events(category="op")
    assert product["name"] == "matmul"
    assert product["args"]["inputs"] == [{"shape": [2, 3], "dtype": "float32"}, {"shape": [3, 4], "dtype": "float32"}]
    assert product["args"]["outputs"] == [{"shape": [2, 4], "dtype": "float32"}]
    assert product["args"]["device"] == "cpu0:0"
    assert joined["args"]["attributes"]["axis"] == 1
    assert cast["args"]["outputs"] == [{"shape": [2, 6], "dtype": "int32"}]
    assert all(event["dur"] > 0 and event["pid"] == os.getpid() for event in (product, joined, cast))


def test_times_are_those_of_the_kernels():
    x = F.ones((600, 600))
    F.matmul(x, x)
    with Profiler():
        F.matmul(x, x)
        x[0, 0]  # a view
    slow, *_, view = events(category="op")
    assert slow["dur"] > 20  # microseconds: 0.4 GFLOP take longer on any machine, the launch alone takes less
    assert view["dur"] < slow["dur"]


class Inner(M.Module):
    def __init__(self):
        super().__init__()
        self.a = M.Linear(3, 3)

    def forward(self, x):
        return self.a(x)


class Net(M.Module):
    def __init__(self, **named):
        super().__init__(**named)
        self.fc = M.Linear(4, 3, name="first")
        self.several = [M.Linear(3, 3), M.Linear(3, 3)]
        self.by_name = {"k": M.Linear(3, 3)}
        self.inner = Inner()
        self.same = self.inner

    def forward(self, x):
        x = self.by_name["k"](self.several[1](self.several[0](self.fc(x))))
        x = self.same(self.inner.a(x))
        return M.Linear(3, 3)(x).sum()


# What MegEngine 1.13 shows of this network: names before attributes, no scope for what has neither.
IN_NET = [["first", []], ["several.0", []], ["several.1", []], ["by_name.k", []], ["a", []], ["inner", [["a", []]]]]


@pytest.mark.parametrize(("named", "want"), [({}, IN_NET), ({"name": "net"}, [["net", IN_NET]])])
def test_modules_are_scopes(named, want):
    net, x = Net(**named), F.ones((2, 4))
    with Profiler():
        net(x)
    assert tree() == want


def test_training_is_seen_forward_backward_and_in_the_optimizer():
    net = M.Sequential(M.Linear(4, 3), M.ReLU())
    gm, sgd, x = GradManager().attach(net.parameters()), optim.SGD(net.parameters(), lr=0.1), F.ones((2, 4))

    def step():
        with gm:
            gm.backward(net(x).sum())
        sgd.step().clear_grad()

    step()  # plans that are there already are watched too
    with Profiler():
        step()
    scopes = tree()
    assert [name for name, _ in scopes] == ["0", "1", "backward", "step", "clear_grad"]
    inside = [name for name, _ in scopes[2][1]]
    assert inside[0] == "sum backward"
    assert "relu backward" in inside and "linear backward" in inside
    by_scope = {event["args"]["scope"]: event["name"] for event in events(category="op")}
    assert by_scope["0"] == "linear"
    assert by_scope["1"] == "relu"
    assert "backward/linear backward" in by_scope
    assert "step" in by_scope


def test_scopes_nest_and_do_nothing_without_a_profile():
    x = F.ones(3)
    with scope("before") as nothing, Profiler():
        with scope("outer"):
            x + x
            with scope("in/ner"):
                x * x
        x - x
    assert nothing is None
    assert tree() == [["outer", [["in/ner", []]]]]
    assert [(event["name"], event["args"]["scope"]) for event in events(category="op")] == [
        ("add", "outer"),
        ("mul", "outer/in/ner"),
        ("sub", ""),
    ]


def test_scopes_that_are_open_at_the_end_end_there():
    profiler = Profiler().start()
    with scope("open"):
        F.ones(3) + 1
        profiler.stop()
    assert tree() == [["open", []]]


def test_functions_and_methods_are_scopes_if_asked():
    net, x = M.Linear(4, 3), F.ones((2, 4))
    with Profiler(with_scopes=True):
        F.relu(net(x)).sum()
        2 - x
    assert [name for name, _ in tree()] == ["linear", "relu", "tensor.sum", "tensor.__rsub__"]
    with Profiler():
        F.relu(net(x)).sum()
    assert tree() == []


def test_backtraces_lead_from_the_program_to_the_op():
    with Profiler(with_backtrace=True):
        F.ones(3) + 1
    lines = events(category="op")[-1]["args"]["backtrace"]
    here = next(
        index
        for index, line in enumerate(lines)
        if line.startswith(__file__) and line.endswith("test_backtraces_lead_from_the_program_to_the_op")
    )
    assert lines[here + 1 :]
    assert all("profiler" not in os.path.basename(os.path.dirname(line.split(",")[0])) for line in lines)
    with Profiler():
        F.ones(3) + 1
    assert "backtrace" not in events(category="op")[-1]["args"]


def counters():
    with open(f"profile/{TRACE}") as file:
        return [event for event in json.load(file)["traceEvents"] if event["ph"] == "C"]


@pytest.mark.parametrize(("options", "count"), [({}, 12), ({"sample_rate": 0}, 2), ({"sample_rate": 3}, 5), ({"sample_rate": 4}, 4)])
def test_memory_is_sampled(options, count):
    x = F.ones(3)
    x + x
    with Profiler(**options):
        for _ in range(10):
            x + x
    assert len(counters()) == count
    assert {event["name"] for event in counters()} == {"cpu0:0_alloc_mem"}


def test_memory_is_what_tensors_use():
    before = nm.get_allocated_memory()
    with Profiler():
        kept = F.ones((1000, 1000)) + 1
        after = nm.get_allocated_memory()
    values = [event["args"]["value"] for event in counters()]
    assert values[0] == pytest.approx(before, abs=100_000)
    assert values[-1] == pytest.approx(after, abs=100_000)
    assert values[-1] - values[0] >= kept.size * 4


def test_threads_are_apart():
    x = F.ones(3)

    def work():
        with scope("there"):
            x * x

    with Profiler(), scope("here"):
        x + x
        thread = threading.Thread(target=work, name="worker of a test")
        thread.start()
        thread.join()
    here, there = events(category="op")
    assert (here["name"], here["args"]["scope"], there["name"], there["args"]["scope"]) == ("add", "here", "mul", "there")
    with open(f"profile/{TRACE}") as file:
        labels = {event["tid"]: event["args"]["name"] for event in json.load(file)["traceEvents"] if event["name"] == "thread_name"}
    assert labels[here["tid"]] == threading.current_thread().name
    assert labels[there["tid"]] == "worker of a test"


def test_ops_that_are_declared_meanwhile_are_seen():
    with Profiler():

        @elementwise(ref=lambda x: 3 * x, name="tripled_for_a_profile")
        def tripled(x):
            return x + x + x

        try:
            tripled(F.ones(3))
        finally:
            del ops.TABLE["tripled_for_a_profile"]
    assert names(category="op")[-1] == "tripled_for_a_profile"


def test_gradients_of_a_function_are_seen():
    class Double(Function):
        def forward(self, x):
            return x + x

        def backward(self, dy):
            return dy * 2.0

    x = nm.Parameter([1.0])
    with Profiler(), GradManager().attach(x) as gm:
        gm.backward(Double()(x))
    assert [(event["name"], event["args"]["scope"]) for event in events(category="op")][:1] == [("add", "")]
    assert (events(category="op")[-1]["name"], events(category="op")[-1]["args"]["scope"]) == ("mul", "backward")


def test_nothing_is_left_behind():
    x, index = F.ones((4, 4)), nm.Tensor([1, 9], dtype="int32")
    places = [
        (M.Module, "__call__"),
        (GradManager, "backward"),
        (optim.Optimizer, "step"),
        (ops, "_pull"),
        (F, "relu"),
        (nm.Tensor, "__add__"),
    ]
    before = [vars(owner)[name] for owner, name in places]

    @Profiler(with_scopes=True)
    def failing():
        F.relu(x) + x
        assert not any(vars(owner)[name] is old for (owner, name), old in zip(places, before, strict=True))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        failing()
    assert "relu" in names()
    assert [vars(owner)[name] for owner, name in places] == before
    assert ops.watch is None
    kinds = {type(plan.run).__name__ for op in ops.TABLE.values() for plan in op.plans.values()}
    assert "Watched" not in kinds
    with pytest.raises(IndexError, match="index 9 is out of range for size 4"), Profiler():
        F.gather(x, 0, F.broadcast_to(index.reshape(2, 1), (2, 4)))


def test_results_are_the_same():
    net, x = (
        M.Sequential(M.Conv2d(2, 4, 3), M.BatchNorm2d(4), M.ReLU()),
        nm.Tensor(np.arange(100, dtype=np.float32).reshape(1, 2, 5, 10) / 50),
    )
    net.eval()
    want = net(x).numpy()
    with Profiler(with_scopes=True, with_backtrace=True):
        np.testing.assert_array_equal(net(x).numpy(), want)


def test_the_path_is_megengines(folder):
    profiler = Profiler("runs/a", formats=["chrome_timeline.json"])
    assert (profiler.path, profiler.directory, profiler.formats) == (f"runs/a/{TRACE}", "runs/a", ["chrome_timeline.json"])
    assert not os.path.exists("runs")
    with profiler as entered:
        assert entered is profiler
        assert is_profiling()
    assert os.listdir("runs/a") == [TRACE]


def test_a_profiler_can_be_used_again_and_steps():
    profiler, x = Profiler(), F.ones(3)
    with profiler:
        x + x
    with profiler:
        x * x
    assert names() == ["mul"]
    assert profiler.start() is profiler
    x + x
    assert profiler.step() is profiler
    x - x
    profiler.dump()  # nothing is written of what is being recorded
    assert names() == ["mul"]
    profiler.stop()
    assert names() == ["sub"]
    os.unlink(profiler.path)
    profiler.dump()
    assert names() == ["sub"]


def test_decorators():
    @profile
    def plain(x):
        """Says what."""
        return x + x

    @profile("there", sample_rate=0)
    def elsewhere(x):
        return x * x

    x = F.ones(3)
    assert (plain.__name__, plain.__doc__) == ("plain", "Says what.")
    for _ in range(2):
        assert plain(x).tolist() == [2.0] * 3
        assert elsewhere(x).tolist() == [1.0] * 3
    assert names() == ["add"]
    assert names(path=f"there/{TRACE}") == ["mul"]


def test_start_and_stop_without_a_profiler():
    start_profile()
    assert is_profiling()
    F.ones(3) + 1
    write = stop_profile()
    assert not is_profiling()
    write("by-hand.json", "chrome_timeline.json")
    assert names(path="by-hand.json", category="op")[-1] == "add"
    with pytest.raises(ValueError, match=r"stop_profile: format 'x' is not known, accepted is 'chrome_timeline\.json'"):
        write("by-hand.json", "x")
    with pytest.raises(RuntimeError, match="stop_profile: no profile is being made; call start_profile first"):
        stop_profile()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"format": "memory_flow.svg"}, ValueError, r"format 'memory_flow.svg' is not known, accepted is 'chrome_timeline\.json'"),
        ({"formats": ["chrome_timeline.json", "x"]}, ValueError, "format 'x' is not known"),
        ({"formats": "chrome_timeline.json"}, TypeError, "formats must be a list, got 'chrome_timeline.json'"),
        ({"enable_cupti": 1}, TypeError, "there is no option 'enable_cupti', accepted are sample_rate, profile_device"),
        ({"sample_rate": -1}, ValueError, "sample_rate must be 0 or a positive integer, got -1"),
        ({"sample_rate": "x"}, ValueError, "sample_rate must be 0 or a positive integer, got 'x'"),
        ({"profile_device": 2}, ValueError, "profile_device must be 0 or 1, got 2"),
    ],
)
def test_wrong_arguments_are_refused(arguments, error, message):
    with pytest.raises(error, match=f"^Profiler: {message}"):
        Profiler(**arguments)


def test_one_profile_at_a_time():
    profiler = Profiler()
    for method in (profiler.stop, profiler.step):
        with pytest.raises(RuntimeError, match="this Profiler is not recording"):
            method()
    with profiler:
        for another in (Profiler(), profiler):
            with pytest.raises(RuntimeError, match="a profile is being made already"):
                another.start()
        F.ones(3) + 1
    assert "add" in names()
    with pytest.raises(RuntimeError, match="this Profiler is not recording"):
        profiler.stop()


def test_a_profile_of_a_gpu(folder):
    code = (
        "import numod as nm; from numod.utils.profiler import Profiler; x = nm.Tensor([1.0, 2.0], device='gpu0')\n"
        "with Profiler('gpu'): x + x"
    )
    fresh_process(code, NUMBA_ENABLE_CUDASIM=1)
    (trace,) = os.listdir("gpu")
    with open(f"gpu/{trace}") as file:
        found = json.load(file)["traceEvents"]
    assert [(event["name"], event["args"]["device"]) for event in found if event["ph"] == "X"] == [("add", "gpu0:0")]
    assert [event["args"]["value"] for event in found if event["name"] == "gpu0:0_alloc_mem"] == [16, 8]
