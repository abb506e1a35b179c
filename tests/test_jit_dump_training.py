"""Training steps in files: loaded anywhere, they go on bit for bit where the traced function was, with tensors of their own."""

import io
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, note, settings, strategies
from programs import Program
from test_jit_dump import changed, reloaded, setting
from test_jit_programs import agree, outcome, same

import numod as nm
import numod.functional as F
import numod.module as M
import numod.optimizer as optim
from numod.autodiff import GradManager
from numod.jit import load, trace
from numod.serialization import FileFormatError

RANDOM = np.random.default_rng(0)
BATCHES = [(RANDOM.standard_normal((8, 3, 6, 6)).astype(np.float32), RANDOM.integers(0, 4, 8).astype(np.int32)) for _ in range(5)]
SOLVERS = {
    "SGD": lambda net: optim.SGD(net.parameters(), lr=0.1),
    "momentum": lambda net: optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-3),
    "Adam": lambda net: optim.Adam(net.parameters(), lr=0.01),
    "AdamW": lambda net: optim.AdamW(net.parameters(), lr=0.01),
    "groups": lambda net: optim.AdamW(
        [{"params": net[0].parameters(), "lr": 0.1}, {"params": [*net[1].parameters(), *net[5].parameters(), *net[6].parameters()]}],
        lr=0.01,
    ),
}


def network():
    return M.Sequential(
        M.Conv2d(3, 4, 3, padding=1), M.BatchNorm2d(4), M.ReLU(), M.Dropout(0.3), M.AvgPool2d(3), M.Conv2d(4, 4, 2), M.BatchNorm2d(4)
    )


def training(kind, weights, clip=False):
    """(step, net, solver) with these weights."""
    net = network()
    net.load_state_dict(weights)
    solver = SOLVERS[kind](net)
    manager = GradManager().attach(net.parameters())

    def step(x, y):
        with manager:
            scores = F.flatten(net(x), 1)
            loss = F.loss.cross_entropy(scores, y)
            manager.backward(loss)
        norm = optim.clip_grad_norm(net.parameters(), 0.5) if clip else None
        solver.step().clear_grad()
        return {"loss": loss, "scores": scores, "norm": norm}

    return step, net, solver


def trained(step, set_rates):
    """What the steps give, with rates that fall."""
    nm.random.seed(3)
    found = []
    for number, (x, y) in enumerate(BATCHES):
        set_rates(0.9**number)
        result = step(nm.Tensor(x), nm.Tensor(y))
        found += [None if tensor is None else tensor.numpy().tobytes() for tensor in result.values()]
    return found


def schedule(solver):
    first = [group["lr"] for group in solver.param_groups]

    def set_rates(factor):
        for group, rate in zip(solver.param_groups, first, strict=True):
            group["lr"] = rate * factor

    return set_rates


def schedule_of_loaded(program):
    first = dict(program.learning_rates)
    return lambda factor: program.learning_rates.update((name, rate * factor) for name, rate in first.items())


ELSEWHERE = """
import sys, numpy as np, numod as nm, numod.jit
program, data = numod.jit.load(sys.argv[1]), nm.load(sys.argv[2])
nm.random.seed(3)
first = dict(program.learning_rates)
for number, (x, y) in enumerate(data["batches"]):
    for name in first:
        program.learning_rates[name] = first[name] * 0.9 ** number
    program(x, y)
found = program.state_dict()
assert found.keys() == data["state"].keys(), sorted(found)
for name, array in found.items():
    assert array.tobytes() == data["state"][name].tobytes(), name
assert "numba" not in sys.modules
"""


@pytest.mark.parametrize("clip", [False, True])
@pytest.mark.parametrize("kind", SOLVERS)
def test_a_loaded_step_trains_as_the_function_does(kind, clip, tmp_path):
    weights = network().state_dict()
    step, net, solver = training(kind, weights, clip)
    eager_step, eager_net, eager_solver = training(kind, weights, clip)
    traced = trace(step)
    nm.random.seed(1)
    traced(*map(nm.Tensor, BATCHES[0]))
    nm.random.seed(1)
    eager_step(*map(nm.Tensor, BATCHES[0]))

    traced.dump(tmp_path / "program", arg_names=["images", "labels"])
    program = load(tmp_path / "program")
    found = trained(lambda x, y: program(images=x, labels=y), schedule_of_loaded(program))
    assert found == trained(traced, schedule(solver)) == trained(eager_step, schedule(eager_solver))

    state = program.state_dict()
    copy = network()
    copy.load_state_dict(lambda name, _: state[f"net.{name}"])
    for name, array in copy.state_dict().items():
        assert array.tobytes() == net.state_dict()[name].tobytes() == eager_net.state_dict()[name].tobytes()
    names = dict(net.named_parameters())
    for parameter, tensors in solver._state.items():
        name = next(name for name, other in names.items() if other is parameter)
        for kept, tensor in tensors.items():
            assert state.pop(f"solver.net.{name}.{kept}").tobytes() == tensor.numpy().tobytes()
    assert {name.partition(".")[0] for name in state} == {"net"}

    nm.save({"batches": BATCHES, "state": program.state_dict()}, tmp_path / "data")
    run = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, tmp_path / "program", tmp_path / "data"], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr


class Training:
    """A random program, every second of whose leaves is a parameter that an optimizer changes."""

    def __init__(self, program, kind):
        self.program = program
        self.parts = [nm.Parameter(x) if x.dtype == np.float32 and number % 2 == 0 else None for number, x in enumerate(program.leaves)]
        weights = [part for part in self.parts if part is not None]
        self.solver = {"SGD": optim.SGD, "Adam": optim.Adam}[kind](weights, lr=0.01) if weights else None
        self.manager = GradManager().attach(weights)

    def step(self, *leaves):
        with self.manager:
            results = self.program._values([x if part is None else part for x, part in zip(leaves, self.parts, strict=True)])
            floats = [out for out in results if out.dtype == np.float32]
            if floats:
                self.manager.backward(sum(out.sum() for out in floats))
        if self.solver is not None:
            self.solver.step().clear_grad()
        return results


@settings(max_examples=max(15, settings.default.max_examples))
@given(strategies.data())
def test_random_programs_that_learn(data):
    program = Program(data, most=15)
    note(repr(program))
    kind = program.draw.choice(["SGD", "Adam"])
    eager, traced = Training(program, kind), Training(program, kind)
    step = trace(traced.step)
    assert agree(outcome(step, program.leaves), outcome(eager.step, program.leaves))
    copy = reloaded(step, optimize_for_inference=program.draw.boolean())
    other = [x + program.draw.random().standard_normal(x.shape).astype(x.dtype) for x in program.leaves]
    for leaves in (program.leaves, other, program.leaves):
        expected = outcome(eager.step, leaves)
        assert agree(outcome(step, leaves), expected)
        assert agree(outcome(copy, leaves), expected)


# Grads


def weighted(after):
    """(function, weight): a backward and what ``after(weight)`` does then."""
    weight = nm.Parameter([1.0, 2.0])
    manager = GradManager().attach(weight)

    def step(x):
        with manager:
            manager.backward((weight * weight * x).sum())
        return after(weight)

    return step, weight


def test_grads_that_add_up_are_state():
    step, weight = weighted(lambda weight: weight.grad)
    traced = trace(step)
    xs = [nm.Tensor([float(n), 1.0]) for n in range(1, 5)]
    for x in xs[:2]:
        traced(x)
    program = reloaded(traced)
    assert list(program.state_dict()) == ["weight.grad"]
    for x in xs[2:]:
        assert traced(x).tolist() == program(x).tolist()
    assert program.state_dict()["weight.grad"].tolist() == weight.grad.tolist() == [20, 16]


def test_grads_that_nobody_reads_are_left_out():
    step, weight = weighted(lambda weight: None)

    def fresh(x):
        weight.grad = None
        step(x)

    traced = trace(fresh)
    x = nm.Tensor([1.0, 2.0])
    traced(x)
    traced(x)
    program = reloaded(traced)
    assert program.state_dict() == {}
    assert program.graph.calls == []
    assert program(x) is None


def test_a_step_with_the_grads_of_the_call_before():
    weight = nm.Parameter([1.0, 2.0])
    manager, solver = GradManager().attach(weight), optim.SGD(weight, lr=0.25)

    def late(x):
        old = weight.grad
        solver.step().clear_grad()
        with manager:
            manager.backward((weight * weight * x).sum())
        return weight, old

    traced = trace(late)
    xs = [nm.Tensor([float(n), 1.0]) for n in range(1, 6)]
    weight.grad = nm.Tensor([1.0, 1.0])
    copy = weight.numpy().copy(), weight.grad.numpy().copy()
    expected = [[each.tolist() for each in late(x)] for x in xs]
    weight[...] = copy[0]
    weight.grad = nm.Tensor(copy[1])
    assert [[each.tolist() for each in traced(x)] for x in xs[:3]] == expected[:3]
    program = reloaded(traced)
    assert list(program.state_dict()) == ["weight", "weight.grad"]
    for step in (traced, program):
        assert [[each.tolist() for each in step(x)] for x in xs[3:]] == expected[3:]


# State


def counter():
    count = nm.Tensor([0.0])

    def step(x):
        count[...] = count + x
        return count, count * 2

    traced = trace(step)
    traced(nm.Tensor([1.0]))
    return reloaded(traced), count


def test_results_that_are_state():
    program, count = counter()
    kept, twice = program(nm.Tensor([2.0]))
    assert (kept.tolist(), twice.tolist()) == ([3], [6])
    before = program.state_dict()["count"]
    assert program(nm.Tensor([1.0]))[0] is kept
    assert (kept.tolist(), before.tolist(), count.tolist()) == ([4], [3], [1])
    kept._reset(nm.Tensor([1.0, 2.0]))
    with pytest.raises(ValueError, match=r"program: count must be float32 of shape \(1,\) .* as it was, and is float32 of shape \(2,\)"):
        program(nm.Tensor([1.0]))


def test_a_state_is_set_as_that_of_a_module():
    program, _ = counter()
    program.load_state_dict({"count": np.array([10.0])})
    assert program(nm.Tensor([1.0]))[0].tolist() == [11]
    with pytest.raises(KeyError, match=r"Program.load_state_dict: missing=\{'count'\}, unused=\{'other'\}"):
        program.load_state_dict({"other": np.array([1.0])})
    with pytest.raises(ValueError, match=r"'count' has shape \(1,\), got \(2,\)"):
        program.load_state_dict({"count": np.array([1.0, 2.0])})
    program.load_state_dict({"other": np.array([1.0])}, strict=False)
    assert program.state_dict()["count"].tolist() == [11]


def test_a_state_goes_from_module_to_program_and_to_another_program(tmp_path):
    weights = network().state_dict()
    step, _, _ = training("Adam", weights)
    traced = trace(step)
    batch = [*map(nm.Tensor, BATCHES[0])]
    traced(*batch)
    first, second = reloaded(traced), reloaded(traced)
    first(*batch)
    nm.save(first.state_dict(), tmp_path / "state")
    second.load_state_dict(nm.load(tmp_path / "state"))
    for program in (first, second):
        nm.random.seed(1)
        program(*batch)
    assert all(same(nm.Tensor(x), nm.Tensor(second.state_dict()[name])) for name, x in first.state_dict().items())
    first.load_state_dict({f"net.{name}": array for name, array in weights.items()}, strict=False)
    assert first.state_dict()["net.1.running_var"].ravel().tolist() == weights["1.running_var"].tolist()


def test_learning_rates_are_numbers_with_names():
    step, _, _ = training("groups", network().state_dict())
    traced = trace(step)
    traced(*map(nm.Tensor, BATCHES[0]))
    program = reloaded(traced)
    assert program.learning_rates == {"solver[0]": 0.1, "solver[1]": 0.01}
    for name, value in (("solver", 0.1), ("solver[0]", "0.1")):
        program = reloaded(traced)
        program.learning_rates[name] = value
        with pytest.raises(ValueError, match=r"must be one number for each of \['solver\[0\]', 'solver\[1\]'\], got .*"):
            program(*BATCHES[0])


def test_what_is_in_the_file():
    step, _, _ = training("momentum", network().state_dict())
    traced = trace(step)
    traced(*map(nm.Tensor, BATCHES[0]))
    info = traced.dump(io.BytesIO())
    program = reloaded(traced)
    assert info.state == list(program.state_dict()) == sorted(info.state)
    assert info.params == []
    assert info.tensor_value_bytes >= sum(array.nbytes for array in program.state_dict().values())
    names = [value.name for value in program.graph.inputs]
    assert "lr" in names and "net.0.weight" in names
    over = {program.graph.over[value].name for value in program.graph.over}
    assert "net.0.weight" in over and "solver.net.0.weight.momentum_buffer" in over  # as in the function that was traced


# Files that are not right


@pytest.fixture(scope="module")
def content():
    weight = nm.Parameter([1.0, 2.0])
    other = nm.Tensor([[1.0]])
    solver, manager = optim.SGD(weight, lr=0.1), GradManager().attach(weight)

    def step(x):
        with manager:
            manager.backward((weight * F.dropout(x, 0.5)).sum())
        solver.step().clear_grad()
        other[...] = other + 1
        return weight

    traced = trace(step)
    traced(nm.Tensor([1.0, 2.0]))
    file = io.BytesIO()
    traced.dump(file)
    return file.getvalue()


def place(found, kind):
    return next(number for number, source in enumerate(found["inputs"]) if source[0] == kind)


def source(kind, at, value):
    def change(found):
        found["inputs"][place(found, kind)][at] = value

    return change


def twice(what, key):
    def change(found):
        found[what].append(next(each for each in found[what] if each[0] == key))

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (source("state", 0, "states"), "an input of the kind 'states'"),
        (source("state", 1, "nobody"), "nobody"),
        (source("rate", 3, 99), "out of range"),
        (source("rate", 2, "fast"), "could not convert"),
        (source("draw", 1, -1), "draws -1 numbers"),
        (twice("inputs", "state"), "is read as two inputs"),
        (twice("inputs", "rate"), "the learning rate 'solver' has shape .* or is there twice"),
        (twice("changed", "weight"), "weight of shape .* or is changed twice"),
        (setting("changed", 0, 0, "nobody"), "nobody"),
        (setting("changed", 0, 1, 1, 4), "lies outside of its value"),
        (setting("changed", 0, 1, 2, -1), "out of range"),
        (setting("leaves", 0, "nobody"), "nobody"),
        (setting("state", "weight", nm.Tensor([1.0])), "lies outside of its value"),
        (setting("state", "weight", nm.Tensor([1, 2, 3, 4])), r"weight of shape \(4,\) becomes"),
        (setting("state", "weight", 5), "has no program"),
    ],
)
def test_a_state_that_somebody_wrote_wrong_is_an_error(content, change, message):
    load(io.BytesIO(content))
    with pytest.raises(FileFormatError, match=message):
        load(changed(content, change))


def test_tensors_of_the_state_that_are_one_in_the_file_are_two(content):
    def share(found):
        found["state"]["extra"] = found["state"]["other"]

    program = load(changed(content, share))
    program(nm.Tensor([1.0, 1.0]))
    state = program.state_dict()
    assert (state["extra"].tolist(), state["other"].tolist()) == ([[2]], [[3]])
