"""jit.trace: programs do what the function does, see what changes around it, and refuse what they cannot do."""

import gc
import json
import logging

import numpy as np
import pytest

import numod as nm
import numod.functional as F
import numod.module as M
import numod.optimizer as optim
from numod.autodiff import GradManager
from numod.jit import TraceError, exclude_from_trace, partial_trace, trace
from numod.kernel import runtime
from numod.qparams import create_qparams


class Net(M.Module):
    def __init__(self):
        super().__init__()
        self.conv = M.Conv2d(1, 4, 3, padding=1)
        self.norm = M.BatchNorm2d(4)
        self.drop = M.Dropout(0.4)
        self.out = M.Linear(4 * 6 * 6, 5)

    def forward(self, x):
        return self.out(self.drop(F.flatten(F.relu(self.norm(self.conv(x))), 1)))


OPTIMIZERS = {
    "SGD": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=1e-3),
    "Adam": lambda p: optim.Adam(p, lr=0.01),
    "AdamW": lambda p: optim.AdamW(p, lr=0.01),
    "Adagrad": lambda p: optim.Adagrad(p, lr=0.01, lr_decay=0.1),
    "Adadelta": lambda p: optim.Adadelta(p, lr=1.0),
    "LAMB": lambda p: optim.LAMB(p, lr=0.01),
}


def training(optimizer, traced):
    nm.random.seed(3)
    net = Net()
    solver = OPTIMIZERS[optimizer](net.parameters())
    manager = GradManager().attach(net.parameters())

    def step(x, y):
        with manager:
            loss = F.loss.cross_entropy(net(x), y)
            manager.backward(loss)
        optim.clip_grad_norm(net.parameters(), 1.0)
        solver.step().clear_grad()
        return loss

    return net, solver, trace(step) if traced else step


def batches(count):
    random = np.random.default_rng(0)
    for _ in range(count):
        yield nm.Tensor(random.standard_normal((8, 1, 6, 6)).astype(np.float32)), nm.Tensor(random.integers(0, 5, 8).astype(np.int32))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_training_step_is_the_step(optimizer):
    """Forward, backward, statistics, dropout, clipping, and a learning rate that changes: bit for bit, with one program."""
    runs = []
    for traced in (False, True):
        net, solver, step = training(optimizer, traced)
        nm.random.seed(7)
        losses = []
        for number, (x, y) in enumerate(batches(6)):
            solver.param_groups[0]["lr"] *= 0.5 if number in (2, 4) else 1
            losses.append(step(x, y).item())
        runs.append((losses, net.state_dict(), solver.state_dict()))
        if traced:
            assert sum(map(len, step._programs.values())) == 1
    (losses, weights, state), (other_losses, other_weights, other_state) = runs
    assert losses == other_losses
    assert all(np.array_equal(weights[name], other_weights[name]) for name in weights)
    for number, each in state["state"].items():
        assert all(np.array_equal(each[name], other_state["state"][number][name]) for name in each)


@trace
def _affine(x, scale=2, *, shift=0.0):
    return x * scale + shift


def test_other_arguments_get_a_program_of_their_own():
    x = nm.Tensor([1.0, 2.0])
    for _ in range(3):
        assert _affine(x).tolist() == [2, 4]
        assert _affine(x, 3).tolist() == [3, 6]
        assert _affine(x, shift=1.0).tolist() == [3, 5]
        assert _affine(nm.Tensor([1])).tolist() == [2]
        assert _affine(nm.Tensor([[1.0], [2.0]])).shape == (2, 1)
        assert _affine(x, nm.Tensor(4.0)).tolist() == [4, 8]


def test_results_keep_their_structure():
    @trace
    def parts(x, both):
        return {"twice": x * 2, "rest": [both[0], (both[1] + 1, None, "name")]}

    for value in (1.0, 5.0, 7.0):
        x, y = nm.Tensor([value]), nm.Tensor([value + 1])
        found = parts(x, (x, y))
        assert found["rest"][0] is x
        assert found["twice"].item() == 2 * value
        assert found["rest"][1][0].item() == value + 2
        assert found["rest"][1][1:] == (None, "name")


def test_parameters_may_be_loaded_changed_and_replaced():
    net = M.Linear(2, 1)
    call = trace(net)
    x = nm.Tensor([[1.0, 2.0]])
    saved = net.state_dict()
    assert call(x).item() == call(x).item() == net(x).item()
    net.weight[...] = 3.0
    assert call(x).item() == net(x).item() != 0
    net.load_state_dict(saved)
    assert call(x).item() == net(x).item()
    net.weight = nm.Parameter([[5.0, 7.0]])
    assert call(x).item() == net(x).item() == 19


def test_training_flags_are_seen():
    net = Net()
    call = trace(lambda x: net(x))
    x = next(batches(1))[0]
    net.eval()
    expected = net(x).numpy()
    assert np.array_equal(call(x).numpy(), expected)
    net.train()
    assert not np.array_equal(call(x).numpy(), expected)
    net.eval()
    assert np.array_equal(call(x).numpy(), net(x).numpy())


def test_variables_around_the_function_are_seen():
    factor, weight = 2.0, nm.Tensor([1.0])

    def scaled(x):
        return x * factor + weight

    call, x = trace(scaled), nm.Tensor([1.0])
    assert [call(x).item() for _ in range(3)] == [3, 3, 3]
    factor = 5.0
    assert [call(x).item() for _ in range(3)] == [6, 6, 6]
    weight += 1
    assert call(x).item() == 7
    weight = nm.Tensor([10.0])
    assert call(x).item() == 15


def test_gradients_stay_where_they_are_wanted():
    weight = nm.Parameter([2.0, 3.0])
    manager = GradManager().attach(weight)

    @trace
    def backward(x):
        with manager:
            manager.backward((weight * x).sum())

    for expected in ([1, 2], [2, 4], [3, 6], [4, 8]):  # they add up
        backward(nm.Tensor([1.0, 2.0]))
        assert weight.grad.tolist() == expected
    weight.grad = None
    for _ in range(3):
        weight.grad = None
        backward(nm.Tensor([5.0, 2.0]))
        assert weight.grad.tolist() == [5, 2]


def test_a_step_takes_gradients_from_outside():
    weight = nm.Parameter([1.0])
    solver = optim.SGD([weight], lr=0.5)
    step = trace(lambda: solver.step().clear_grad())
    for expected in (0.5, 0.0, -0.5):
        weight.grad = nm.Tensor([1.0])
        step()
        assert weight.item() == expected
        assert weight.grad is None


def test_arguments_may_be_changed_in_place():
    @trace
    def add(x, y):
        x += y
        return x

    for value in (1.0, 2.0, 3.0):
        x = nm.Tensor([value])
        assert add(x, nm.Tensor([1.0])) is x
        assert x.item() == value + 1
    x = nm.Tensor([2.0])
    assert [add(x, x).item() for _ in range(3)] == [4, 8, 16]


def test_random_numbers_go_on_as_in_python():
    def noisy(x):
        return F.dropout(x, 0.5) + nm.random.normal(size=(4,))

    call, x = trace(noisy), nm.Tensor(np.ones(4, np.float32))
    nm.random.seed(1)
    expected = [noisy(x).tolist() for _ in range(4)]
    nm.random.seed(1)
    assert [call(x).tolist() for _ in range(4)] == expected


def test_views_show_the_right_part():
    @trace
    def parts(x):
        y = x + 1
        return y[1:], F.transpose(x, (1, 0)), y[:, 1].reshape(-1), x[::-1, 1:]

    for value in range(3):
        x = nm.Tensor(np.arange(6.0).reshape(3, 2) + value, dtype="float32")
        a = x.numpy()
        for out, expected in zip(parts(x), (a[1:] + 1, a.T, a[:, 1] + 1, a[::-1, 1:]), strict=True):
            assert np.array_equal(out.numpy(), expected)


def test_what_is_read_is_refused_with_the_line():
    @trace
    def choose(x):
        if x.sum() > 0:  # here
            return x
        return -x

    line = choose.__wrapped__.__code__.co_firstlineno + 2
    with pytest.raises(TraceError, match=rf"test_jit.py:{line}: the elements of a tensor are read"):
        choose(nm.Tensor([1.0]))
    assert (nm.Tensor([1.0]) + 1).item() == 2  # all is as before


def test_side_effects_are_refused_with_the_line():
    class Counter(M.Module):
        def __init__(self):
            super().__init__()
            self.calls = 0

        def forward(self, x):
            self.calls += 1
            return x

    counter = Counter()
    with pytest.raises(TraceError, match=r"changes Counter.calls \(.*test_jit.py:\d+\)"):
        trace(counter)(nm.Tensor([1.0]))
    kept = []
    with pytest.raises(TraceError, match="kept"):
        trace(lambda x: kept.append(x))(nm.Tensor([1.0]))
    weight = nm.Parameter([1.0])
    solver = optim.SGD([weight], lr=0.5)
    with pytest.raises(TraceError, match="learning rate"):
        trace(lambda: solver.param_groups[0].update(lr=0.1))()


def test_an_excluded_part_runs_in_python():
    seen = []

    @trace
    def call(x):
        with exclude_from_trace():
            seen.append(x.sum().item())
        return x * 2

    assert [call(nm.Tensor([float(i)])).item() for i in range(3)] == [0, 2, 4]
    assert seen == [0, 1, 2]


def test_a_tensor_that_grows_and_a_grad_of_another_layout_get_programs_of_their_own():
    history = nm.Tensor([1.0])
    weight = nm.Parameter([1.0, 2.0])

    @trace
    def grow(x):
        history._reset(F.concat([history, x]))
        return history * 2

    @trace
    def double():
        return weight.grad * 2

    assert [grow(nm.Tensor([float(n)])).tolist() for n in range(3)] == [[2, 0], [2, 0, 2], [2, 0, 2, 4]]
    for grad in (F.transpose(nm.Tensor([[1.0, 2.0], [3.0, 4.0]]), (1, 0))[0], nm.Tensor([5.0, 6.0])):
        weight.grad = grad
        assert double().tolist() == (grad * 2).tolist()


def test_an_index_out_of_range_names_the_op_and_changes_nothing():
    table, count = nm.Parameter(np.ones((3, 2), np.float32)), nm.Tensor([0])

    @trace
    def look(index):
        count[...] = count + 1
        return F.embedding(index, table)

    assert look(nm.Tensor([0, 2])).shape == (2, 2)
    with pytest.raises(IndexError, match="index 5 is out of range for size 3"):
        look(nm.Tensor([0, 5]))
    assert count.item() == 1
    look(nm.Tensor([1, 1]))
    assert count.item() == 2


def test_a_traced_function_may_call_another():
    inner = trace(lambda x: x + 1)
    outer = trace(lambda x: inner(x) * 2)
    assert [outer(nm.Tensor([float(i)])).item() for i in range(3)] == [2, 4, 6]


def test_methods_are_traced_with_their_object():
    class Scaler:
        def __init__(self, factor):
            self.factor = factor

        @trace
        def __call__(self, x):
            return x * self.factor

    two, three = Scaler(2.0), Scaler(3.0)
    for _ in range(3):
        assert two(nm.Tensor([1.0])).item() == 2
        assert three(nm.Tensor([1.0])).item() == 3


def test_captured_tensors_can_be_made_constants():
    weight = nm.Tensor([2.0])
    call = trace(lambda x: x * weight, capture_as_const=True)
    assert [call(nm.Tensor([1.0])).item() for _ in range(2)] == [2, 2]
    weight[...] = 5.0
    assert call(nm.Tensor([1.0])).item() == 2


def test_recording_changes_nothing():
    count = nm.Tensor([0.0])

    @trace(record_only=True)
    def add(x):
        count[...] = count + x

    add(nm.Tensor([1.0]))
    assert count.item() == 0


def test_programs_that_are_never_used_again_are_reported(caplog):
    call = trace(lambda x: x + 1)
    with caplog.at_level(logging.WARNING, "numod.jit"):
        for n in range(12):
            call(nm.Tensor(np.zeros(n + 1, np.float32)))
    assert "no program was used again" in caplog.text
    assert len(caplog.records) == 1


def test_a_program_lets_go_of_its_memory():
    call, x = trace(lambda x: F.exp(x) * F.sin(x) + F.sqrt(x)), nm.Tensor(np.ones(1000, np.float32))
    call(x), call(x)
    gc.collect()
    before = runtime.memory()["live"]
    for _ in range(5):
        call(x)
    gc.collect()
    assert runtime.memory()["live"] == before


def test_host_ops_and_half_floats_are_traced_too():
    x = nm.Tensor(np.random.default_rng(0).standard_normal((4, 4)).astype(np.float32))

    def mixed(x):
        return F.svd(x @ x)[1] + 1, (x.astype("float16") * 2 + 1).astype("float32")

    call = trace(mixed)
    for _ in range(3):
        assert all(np.array_equal(a.numpy(), b.numpy()) for a, b in zip(call(x), mixed(x), strict=True))


def test_what_is_no_function_is_refused():
    with pytest.raises(TypeError, match="takes a function"):
        trace(3)


# Within a recording


def test_gradients_flow_through_a_traced_function():
    net = Net()
    traced = trace(lambda x: (net(x), x * 2))
    first = M.Conv2d(1, 1, 3, padding=1)

    def gradients(function, x):
        manager = GradManager().attach([*net.parameters(), *first.parameters(), x])
        with manager:
            out, twice = function(first(x))
            manager.backward((out * out).sum() + twice.sum())
        found = [tensor.grad.numpy() for tensor in (*net.parameters(), *first.parameters(), x)]
        for tensor in (*net.parameters(), *first.parameters()):
            tensor.grad = None
        return [out.numpy(), *found, net.norm.running_mean.numpy()]

    batch = list(batches(4))
    saved = net.state_dict()
    runs = []
    for function in (lambda x: (net(x), x * 2), traced):
        net.load_state_dict(saved)
        nm.random.seed(5)
        runs.append([gradients(function, x.detach()) for x, _ in batch])
    assert sum(map(len, traced._programs.values())) == 1
    for left, right in zip(*runs, strict=True):
        assert all(np.allclose(a, b, rtol=1e-6, atol=1e-7) for a, b in zip(left, right, strict=True))


def test_which_tensors_are_differentiated_may_change():
    call = partial_trace(lambda a, b: a * b)
    for _ in range(3):
        a, b = nm.Tensor([2.0]), nm.Tensor([3.0])
        for wanted in ([a], [b], [a, b], []):
            with GradManager().attach(wanted) as manager:
                out = call(a, b)
                if wanted:
                    manager.backward(out)
            assert (a.grad is not None) == any(a is each for each in wanted)
            assert (b.grad is not None) == any(b is each for each in wanted)
            a.grad = b.grad = None


def test_gradients_of_gradients_through_a_program_are_refused():
    call = partial_trace(lambda x: x * x * x)
    x = nm.Tensor([2.0])

    def second():
        with GradManager().attach(x) as outer:
            with GradManager().attach(x) as inner:
                inner.backward(call(x))
            outer.backward(x.grad)

    second()  # in Python, the first time
    x.grad = None
    with pytest.raises(TraceError, match="gradients of gradients"):
        second()


def test_partial_trace_takes_the_options_of_trace():
    assert partial_trace(capture_as_const=True)(lambda x: x).capture_as_const
    with pytest.raises(ValueError, match="backend"):
        partial_trace(lambda x: x, backend="xla")


def test_a_profile_has_a_time_for_each_call():
    net = Net()
    manager, solver = GradManager().attach(net.parameters()), optim.Adam(net.parameters(), lr=0.01)

    @trace(profiling=True)
    def step(x, y):
        with manager:
            loss = F.loss.cross_entropy(net(x), y)
            manager.backward(loss)
        solver.step().clear_grad()
        return loss

    with pytest.raises(TraceError, match="has not been traced yet"):
        step.get_profile()
    (x, y), *_ = batches(1)
    step(x, y)
    with pytest.raises(TraceError, match="call it once more"):
        step.get_profile()
    step(x, y)
    before = net.state_dict()
    found = json.loads(json.dumps(step.get_profile()))
    assert [call["name"] for call in found["calls"]] == [call.name for call in step.graph.calls]
    assert all(call["seconds"] >= 0 for call in found["calls"])
    assert 0 < found["seconds"] == pytest.approx(sum(call["seconds"] for call in found["calls"]))
    conv = next(call for call in found["calls"] if call["name"].startswith("conv"))
    assert conv["inputs"][0] == [8, 1, 6, 6]
    assert conv["outputs"] == [[8, 4, 6, 6]]
    assert "test_jit.py" in conv["where"]
    assert all(np.array_equal(value, net.state_dict()[name]) for name, value in before.items())
    call = trace(lambda x: x)
    call(x)
    with pytest.raises(TraceError, match="profiling=True"):
        call.get_profile()


def test_what_is_quantized_stays_quantized():
    """Of a result `qparams` says what holds in that call, and arguments and weights with other ones are another call."""
    weight = quantized([1, 2], 0.5)

    @trace
    def function(x):
        levels = x.astype("float32")
        out = (levels * x.qparams.scale * weight.qparams.scale).astype("int8")
        out.qparams.update(create_qparams(dtype_meta="qint8", scale=F.max(levels) / 127))
        return out, {"same": x}

    for values, scale in (([3, 4], 2.0), ([5, 6], 2.0), ([5, 6], 3.0), ([7, 8], 2.0)):
        x = quantized(values, scale)
        for _ in range(2):
            (out, rest), (expected, _) = function(x), function.__wrapped__(x)
            assert out.numpy().tolist() == expected.numpy().tolist()
            assert out.qparams == expected.qparams
            assert rest["same"] is x
    weight.qparams.scale = 2.0
    assert function(x)[0].numpy().tolist() == [28, 32]


def quantized(values, scale):
    tensor = nm.Tensor(np.array(values, np.int8), dtype="int8")
    tensor.qparams.update(create_qparams(dtype_meta="qint8", scale=scale))
    return tensor
