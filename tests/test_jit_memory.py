"""Memory of programs: values that are needed at the same time are never in the same place, and what is computed again is the same."""

import struct

import numpy as np
import pytest
from hypothesis import given, note, settings, strategies
from programs import Program
from test_jit_programs import agree, outcome

import numod as nm
import numod.functional as F
import numod.module as M
import numod.optimizer as optim
from numod.autodiff import GradManager
from numod.jit import DTRConfig, GraphOptimizationConfig, SublinearMemoryConfig, trace
from numod.jit.footprint import needed, placed
from numod.jit.lowering import Segment
from numod.kernel import executor, runtime
from numod.kernel.program import Ref

SAVING = {
    "nothing": {},
    "segments": {"sublinear_memory_config": SublinearMemoryConfig()},
    "mixed segments": {"sublinear_memory_config": SublinearMemoryConfig(thresh_nr_try=3, genetic_nr_iter=5)},
    "all it can": {"dtr_config": DTRConfig(eviction_threshold=1, evictee_minimum_size=0)},
    "both": {
        "sublinear_memory_config": SublinearMemoryConfig(lb_memory_mb=1),
        "dtr_config": DTRConfig(eviction_threshold=1, evictee_minimum_size=0),
    },
}


def check_places(executable):
    """Whatever is needed at the same time has different memory, by going through all pairs."""
    for segment in executable.stages:
        if not isinstance(segment, Segment):
            continue
        calls = list(dict.fromkeys(segment.calls))
        last = {value: n for n, call in enumerate(calls) for value in call.outputs}
        last.update((o.value, n) for n, call in enumerate(calls) for o in call.inputs)
        within = executable.graph.within
        whole = {value: within.get(value, (value, 0))[0] for value in last}
        for value, root in whole.items():
            last[root] = max(last[root], last[value]) if root in last else last[value]
        spans = [
            (n, last[whole[value]], at.offset, at.offset + value.nbytes, value)
            for n, call in enumerate(calls)
            for value in call.outputs
            if isinstance(at := segment.places[value], Ref) and at.space == "tmp" and value.nbytes
        ]
        assert all(end <= segment.workspace for _, _, _, end, _ in spans)
        for index, (made, read, begin, end, value) in enumerate(spans):
            for made2, read2, begin2, end2, value2 in spans[:index]:
                apart = read < made2 or read2 < made or end <= begin2 or end2 <= begin
                assert apart or whole[value] is value2 or whole[value2] is value


@settings(max_examples=max(20, settings.default.max_examples * 2))
@given(strategies.data())
def test_live_values_have_memory_of_their_own_and_results_stay(data):
    program = Program(data)
    note(repr(program))
    name = program.draw.choice([*SAVING])
    note(name)
    random = program.draw.random()
    config = GraphOptimizationConfig()
    config.fusion = config.blocking = program.draw.integer(0, 3) == 0  # seldom, as they compile
    traced = trace(program.run, graph_opt_config=config, **SAVING[name])
    other = [x + random.standard_normal(x.shape).astype(x.dtype) for x in program.leaves]
    for leaves in (program.leaves, program.leaves, other):
        assert agree(outcome(traced, leaves), outcome(program.run, leaves))
    executable = traced._last.prepare()
    check_places(executable)
    segments = [stage for stage in executable.stages if isinstance(stage, Segment)]
    if len(segments) == len(executable.stages) == 1:
        graph = traced.graph
        apart = {operand.value for operand in graph.results} | graph.over.keys()
        assert needed(placed(graph), apart) == executable.workspace


def training(depth=6, **options):
    nm.random.seed(1)
    layers = [M.Conv2d(1, 4, 3, padding=1)]
    for _ in range(depth):
        layers += [M.Conv2d(4, 4, 3, padding=1), M.BatchNorm2d(4), M.ReLU(), M.Dropout(0.2)]
    net = M.Sequential(*layers, M.AvgPool2d(16))
    manager = GradManager().attach(net.parameters())
    solver = optim.Adam(net.parameters(), lr=0.01)

    @trace(**options)
    def step(x, y):
        with manager:
            loss = F.loss.cross_entropy(F.flatten(net(x), 1), y)
            manager.backward(loss)
        solver.step().clear_grad()
        return loss

    return net, step


X = nm.Tensor(np.random.default_rng(0).standard_normal((4, 1, 16, 16)).astype(np.float32))
Y = nm.Tensor([0, 1, 2, 3])


def run(name, depth=6):
    """(losses and weights after some steps, peak of memory, memory as the program says, calls)"""
    net, step = training(depth, **SAVING[name])
    losses = [step(X, Y).item() for _ in range(2)]
    runtime.reset_peak()
    before = runtime.memory()["live"]
    losses += [step(X, Y).item() for _ in range(3)]
    peak = runtime.memory()["peak"] - before
    return (losses, *(value.tobytes() for value in net.state_dict().values())), peak, step.memory, len(step.graph.calls)


def test_a_training_step_in_less_memory_is_the_same_step():
    found, peak, memory, calls = run("nothing")
    assert memory.program == memory.without_recomputation <= 1.1 * memory.eager
    for name in SAVING.keys() - {"nothing"}:
        saved, less, smaller, more = run(name)
        assert saved == found
        assert smaller.without_recomputation == memory.without_recomputation
        assert smaller.eager == memory.eager
        assert smaller.program < 0.7 * memory.program
        assert less < 0.85 * peak  # the pool hands out larger pieces
        assert more > calls


def test_calls_take_no_memory_from_the_system_once_the_program_runs():
    step = training()[1]
    result = [step(X, Y) for _ in range(3)][-1]  # one result is held when the next one is made
    taken = {sum(runtime.memory()[kind] for kind in ("live", "cached")) for _ in range(100) if (result := step(X, Y)) is not None}
    assert len(taken) == 1, result


def test_a_program_lets_go_of_the_gil_for_as_much_as_is_worth_it():
    def lets_go(function, *inputs):
        traced = trace(function)
        traced(*inputs)
        (segment,) = traced._last.prepare().stages
        return bool(struct.unpack_from("6q", segment.run.args[0])[5])

    few, many = (nm.Tensor(np.ones(n, np.float32)) for n in (executor.GIL_WORK - 1, executor.GIL_WORK))
    assert not lets_go(lambda x: x * 2 + 1, few)
    assert lets_go(lambda x: x * 2 + 1, many)
    assert lets_go(training()[1].__wrapped__, X, Y)


def test_memory_grows_with_the_root_of_the_depth():
    small, large = (run("segments", depth)[2] for depth in (4, 16))
    assert large.without_recomputation > 3 * small.without_recomputation
    assert large.program < 2.3 * small.program


def test_no_more_is_computed_again_than_the_allowed_memory_asks_for():
    sizes, counts, spaces = [], [], []
    for allowed in (0.0, 0.25, 1.0):
        step = training(sublinear_memory_config=SublinearMemoryConfig(lb_memory_mb=allowed))[1]
        step(X, Y)
        sizes.append(step.memory.program)
        counts.append(len(step.graph.calls))
        spaces.append(step._last.prepare().workspace)
    assert sizes == sorted(sizes)
    assert counts == sorted(counts, reverse=True)
    assert sizes[0] < sizes[1] < sizes[2]
    assert spaces[1] <= 250_000
    assert sizes[2] == step.memory.without_recomputation


def test_a_threshold_says_how_far_values_are_let_go_of():
    plain = training()[1]
    plain(X, Y)
    threshold = int(plain.memory.program * 0.8)
    step = training(dtr_config=DTRConfig(eviction_threshold=threshold, evictee_minimum_size=1))[1]
    step(X, Y)
    assert step.memory.program < threshold + 1000
    large = training(dtr_config=DTRConfig(eviction_threshold=threshold, evictee_minimum_size=1 << 30))[1]
    large(X, Y)
    assert large.memory.program == plain.memory.program  # no value is that large


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SublinearMemoryConfig(thresh_nr_try=-1), "thresh_nr_try must be at least 0, got -1"),
        (lambda: SublinearMemoryConfig(genetic_nr_iter=-1), "genetic_nr_iter must be at least 0"),
        (lambda: SublinearMemoryConfig(genetic_pool_size=-1), "genetic_pool_size must be at least 0"),
        (lambda: SublinearMemoryConfig(num_worker=0), "num_worker must be at least 1"),
        (lambda: DTRConfig(), "eviction_threshold must be at least 1, got 0"),
        (lambda: DTRConfig(1, evictee_minimum_size=-1), "evictee_minimum_size must be at least 0"),
        (lambda: DTRConfig(1, recomp_memory_factor=-1), "recomp_memory_factor must be at least 0"),
        (lambda: DTRConfig(1, recomp_time_factor=-1), "recomp_time_factor must be at least 0"),
    ],
)
def test_settings_that_mean_nothing_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_configurations_of_another_kind_are_refused():
    with pytest.raises(TypeError, match="dtr_config must be a DTRConfig, got int"):
        trace(lambda x: x, dtr_config=1)


def test_passes_are_switched_by_the_level_and_by_name():
    function = lambda x: F.softmax(F.exp(x) * 1 + 1, axis=1) * 2
    x = nm.Tensor(np.ones((64, 64), np.float32))

    def calls(**options):
        config = GraphOptimizationConfig()
        for name in options.pop("off", ()):
            setattr(config, name, False)
        call = trace(function, graph_opt_config=config, **options)
        assert np.array_equal(call(x).numpy(), call(x).numpy())
        return [each.name for each in call.graph.calls]

    assert calls(opt_level=0)[:3] == ["exp", "mul", "add"]
    assert len(calls()) < len(calls(off=["jit_fuse_reduce"])) < len(calls(opt_level=0))
    assert calls(off=["jit_fuse_reduce"]) == calls(off=["blocking"])
