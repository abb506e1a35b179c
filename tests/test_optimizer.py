"""Optimizers follow MegEngine's trajectories, keep their state with the parameters, and save and load it."""

import copy
import pickle
import re

import numpy as np
import pytest
from hypothesis import given, strategies as st

import numod as nm
import numod.optimizer as optim
from numod.op import TABLE, Op
from numod.optimizer import update
from numod.testing import calls
from numod.testing.calls import Trial

GRADIENTS = [[1.0, -0.5, 0.25], [0.5, 0.5, -1.0], [-2.0, 0.0, 0.125], [1.0, 1.0, 1.0]]
OTHER = {"betas": (0.5, 0.75), "eps": 0.5, "weight_decay": 0.5}

# optimizer, settings, and what MegEngine 1.13 makes of [1, -2, 3] after the first and the last of GRADIENTS
TRAJECTORIES = [
    ("SGD", {}, [0.9, -1.95, 2.9749999], [0.9499999, -2.0999999, 2.9624999]),
    ("SGD", {"weight_decay": 0.5}, [0.85, -1.85, 2.825], [0.7736438, -1.7312688, 2.4004593]),
    ("SGD", {"momentum": 0.9}, [0.9, -1.95, 2.9749999], [0.8006, -2.06355, 3.061275]),
    ("SGD", {"momentum": 0.9, "weight_decay": 0.5}, [0.85, -1.85, 2.825], [0.4250063, -1.2386314, 1.7979658]),
    ("SGD", {"momentum": 0.9, "nesterov": True, "weight_decay": 0.5}, [0.715, -1.715, 2.6675], [0.3283659, -1.1280533, 1.4163039]),
    ("Adam", {}, [0.9, -1.9, 2.9000001], [0.8196496, -1.9587226, 2.9716394]),
    ("Adam", OTHER, [0.925, -1.925, 2.9222221], [0.8500527, -1.7858527, 2.7205248]),
    ("AdamW", {}, [0.899, -1.898, 2.8970001], [0.816121, -1.9510198, 2.9598098]),
    ("AdamW", OTHER, [0.8833333, -1.85, 2.8166666], [0.7441214, -1.6571498, 2.4362957]),
    ("Adagrad", {}, [0.9, -1.9, 2.9], [0.9025661, -2.0523591, 2.9156094]),
    ("Adagrad", {"lr_decay": 0.5, "weight_decay": 0.1, "eps": 0.01}, [0.9004107, -1.901005, 2.901613], [0.8936065, -1.9441596, 2.9012108]),
    ("Adadelta", {}, [0.9996838, -1.9996838, 2.9996838], [0.9996351, -2.0004544, 2.9996033]),
    ("Adadelta", {"rho": 0.5, "eps": 0.1, "weight_decay": 0.1}, [0.9585716, -1.9623133, 2.9653015], [0.9358014, -2.0136030, 2.9158165]),
    ("LAMB", {}, [0.9, -1.9, 2.9000001], [0.8196492, -1.9587228, 2.9716392]),
    ("LAMB", {"weight_decay": 0.1}, [0.8024342, -1.7844736, 2.7665131], [0.6412975, -1.7250459, 2.6883587]),
]
STATE = {
    "SGD": {"momentum_buffer": [0.334, 1.0405, 0.48475]},
    "Adam": {"exp_avg": [0.0334, 0.10405, 0.048475], "exp_avg_sq": [0.006242423, 0.001498732, 0.002075896], "step": 4.0},
}


def parameter(*values):
    return nm.Parameter(np.array(values, np.float32))


def run(optimizer, param, gradients=GRADIENTS):
    rows = []
    for gradient in gradients:
        param.grad = nm.Tensor(gradient)
        assert optimizer.step() is optimizer
        rows.append(param.numpy())
    return rows


@pytest.mark.parametrize(("name", "settings", "first", "last"), TRAJECTORIES)
def test_trajectory(name, settings, first, last):
    param = parameter(1, -2, 3)
    rows = run(getattr(optim, name)([param], lr=0.1, **settings), param)
    np.testing.assert_allclose(rows[0], first, rtol=1e-5)
    np.testing.assert_allclose(rows[-1], last, rtol=1e-4)


@pytest.mark.parametrize(("name", "settings"), [("SGD", {"momentum": 0.9}), ("Adam", {})])
def test_state_after_a_trajectory(name, settings):
    param = parameter(1, -2, 3)
    optimizer = getattr(optim, name)([param], lr=0.1, **settings)
    run(optimizer, param)
    state = optimizer.state_dict()["state"][0]
    assert list(state) == list(STATE[name])
    for key, values in STATE[name].items():
        np.testing.assert_allclose(state[key], values, rtol=1e-4)


@given(
    name=st.sampled_from(["SGD", "Adam", "AdamW"]),
    start=st.lists(st.floats(-10, 10, width=32), min_size=1, max_size=5),
    lr=st.floats(0, 1),
    decay=st.floats(0, 1),
    seed=st.integers(0, 99),
)
def test_step_is_the_textbook_update(name, start, lr, decay, seed):
    """Three steps agree with the formulas in float64."""
    param = parameter(*start)
    settings = {"momentum": 0.5} if name == "SGD" else {"betas": (0.5, 0.75), "eps": 1e-3}
    optimizer = getattr(optim, name)(param, lr=lr, weight_decay=decay, **settings)
    x = np.array(start)
    v = m = s = np.zeros_like(x)
    for count, g in enumerate(np.random.default_rng(seed).standard_normal((3, x.size)), 1):
        run(optimizer, param, [g])
        g = g.astype(np.float32).astype(np.float64)
        coupled = g + decay * x
        if name == "SGD":
            v = 0.5 * v + coupled
            x = x - lr * v
            continue
        used = coupled if name == "Adam" else g
        m, s = 0.5 * m + 0.5 * used, 0.75 * s + 0.25 * used**2
        delta = m / (1 - 0.5**count) / (np.sqrt(s / (1 - 0.75**count)) + 1e-3)
        x = x - lr * (delta if name == "Adam" else delta + decay * x)
    np.testing.assert_allclose(param.numpy(), x, rtol=1e-3, atol=1e-4)


def test_a_step_keeps_the_parameter_object_and_skips_those_without_gradient():
    used, unused = parameter(1), parameter(1)
    alias = used
    optimizer = optim.Adam([used, unused], lr=0.5)
    run(optimizer, used, [[1.0]])
    np.testing.assert_allclose(alias.numpy(), [0.5], rtol=1e-4)
    assert unused.tolist() == [1.0]
    assert optimizer.state_dict()["state"][1]["step"] == 0


def test_a_step_is_not_seen_by_arrays_taken_before():
    param = parameter(1, 2)
    before = param.numpy()
    run(optim.SGD(param, 0.5), param, [[1.0, 1.0]])
    assert before.tolist() == [1.0, 2.0]


@pytest.mark.parametrize(("name", "settings", "first", "last"), TRAJECTORIES)
def test_a_float64_parameter_is_optimized_in_float64(name, settings, first, last):
    param = nm.Parameter(np.array([1.0, -2.0, 3.0]), dtype="float64")
    optimizer = getattr(optim, name)(param, lr=0.1, **settings)
    rows = run(optimizer, param, [nm.Tensor(gradient, dtype="float64") for gradient in GRADIENTS])
    assert {array.dtype for array in rows} == {np.dtype("float64")}
    assert {array.dtype for key, array in optimizer.state_dict()["state"].get(0, {}).items() if key != "step"} <= {np.dtype("float64")}
    np.testing.assert_allclose(rows[-1], last, rtol=1e-4)


def test_clear_grad_drops_and_zero_grad_fills():
    param = parameter(1)
    optimizer = optim.SGD(param, 0.1)
    param.grad = nm.Tensor([2.0])
    optimizer.zero_grad()
    assert param.grad.tolist() == [0.0]
    assert optimizer.clear_grad() is None
    assert param.grad is None


def test_groups_have_their_own_settings_which_may_change():
    a, b, c = parameter(1), parameter(1), parameter(1)
    optimizer = optim.SGD([{"params": [a]}, {"params": b, "lr": 0.5, "note": "b"}], lr=0.1)
    optimizer.add_param_group({"params": iter([c])})
    assert [list(group) for group in optimizer.param_groups] == [
        ["params", "lr", "momentum", "weight_decay"],
        ["params", "lr", "note", "momentum", "weight_decay"],
        ["params", "lr", "momentum", "weight_decay"],
    ]
    optimizer.param_groups[2]["lr"] = nm.Tensor(0.25)
    for param in (a, b, c):
        param.grad = nm.Tensor([1.0])
    optimizer.step()
    np.testing.assert_allclose([p.item() for p in (a, b, c)], [0.9, 0.5, 0.75], rtol=1e-6)


def test_params_come_as_one_or_many():
    p, q = parameter(1), parameter(2)
    for params in (p, [p], (p,), iter([p]), {"params": p}, {"params": [p]}, [{"params": {p}}], [p, p]):
        (group,) = optim.SGD(params, 0.1).param_groups
        assert len(group["params"]) == 1
        assert group["params"][0] is p
    assert len(optim.SGD({p, q}, 0.1).param_groups[0]["params"]) == 2


p = parameter(1)
REFUSED = [
    (lambda: optim.SGD([p], -1), ValueError, "SGD: lr must be at least 0, got -1"),
    (lambda: optim.SGD([p], float("nan")), ValueError, "SGD: lr must be at least 0, got nan"),
    (lambda: optim.SGD([p], 0.1, momentum=-1), ValueError, "SGD: momentum must be at least 0, got -1"),
    (lambda: optim.SGD([p], 0.1, weight_decay=-1), ValueError, "SGD: weight_decay must be at least 0, got -1"),
    (lambda: optim.SGD([p], 0.1, nesterov=True), ValueError, "SGD: nesterov=True needs a momentum above 0, got 0.0"),
    (lambda: optim.AdamW([p], 0.1, betas=(1.0, 0.9)), ValueError, "AdamW: betas must be two numbers, at least 0 and less than 1"),
    (lambda: optim.Adam([p], 0.1, eps=-1), ValueError, "Adam: eps must be at least 0, got -1"),
    (lambda: optim.SGD([], 0.1), ValueError, "SGD: the list of parameters is empty"),
    (lambda: optim.SGD([1], 0.1), TypeError, "only Parameters can be optimized, got int"),
    (lambda: optim.SGD([nm.Tensor([1.0])], 0.1), TypeError, "only Parameters can be optimized, got Tensor"),
    (lambda: optim.SGD(nm.Tensor([1.0]), 0.1), TypeError, "params must be a Parameter, a dict or an iterable of them, got Tensor"),
    (lambda: optim.SGD(3, 0.1), TypeError, "got int"),
    (lambda: optim.SGD([{"lr": 1}], 0.1), TypeError, "expected a dict with 'params'"),
    (lambda: optim.SGD([p, {"params": []}], 0.1), TypeError, "only Parameters can be optimized, got dict"),
    (lambda: optim.SGD([{"params": p}, {"params": p}], 0.1), ValueError, "a parameter of shape (1,) is in another group already"),
]


@pytest.mark.parametrize(("make", "error", "message"), REFUSED, ids=[message for *_, message in REFUSED])
def test_wrong_settings_are_refused(make, error, message):
    with pytest.raises(error, match=re.escape(message)):
        make()


def test_a_gradient_of_another_shape_is_refused_and_nothing_changes():
    a, b = parameter(1), parameter(1, 2)
    a.grad, b.grad = nm.Tensor([1.0]), nm.Tensor([1.0])
    with pytest.raises(ValueError, match=re.escape("SGD.step: gradient of shape (1,) for (2,)")):
        optim.SGD([a, b], 0.1).step()
    assert a.tolist() == [1.0]


# State


def test_structure_of_the_state_dict():
    a, b, c = parameter(1, 2), parameter(3), parameter(4)
    optimizer = optim.Adam([{"params": [a, b]}, {"params": c, "lr": 0.5}], lr=0.1)
    state = optimizer.state_dict()
    group = {"lr": 0.1, "weight_decay": 0.0, "betas": (0.9, 0.999), "eps": 1e-8, "params": [0, 1]}
    assert state["param_groups"] == [group, {**group, "lr": 0.5, "params": [2]}]
    assert list(state["param_groups"][0]) == list(group)
    assert list(state["state"]) == [0, 1, 2]
    assert {name: (array.shape, array.dtype) for name, array in state["state"][0].items()} == {
        "exp_avg": ((2,), np.float32),
        "exp_avg_sq": ((2,), np.float32),
        "step": ((), np.float32),
    }
    assert not state["state"][0]["exp_avg"].flags.writeable
    assert type(optimizer.state_dict(keep_var=True)["state"][0]["step"]) is nm.Tensor
    assert optim.SGD(a, 0.1).state_dict() == {
        "param_groups": [{"lr": 0.1, "momentum": 0.0, "weight_decay": 0.0, "params": [0]}],
        "state": {},
    }


@pytest.mark.parametrize(("name", "settings", "first", "last"), TRAJECTORIES)
@pytest.mark.parametrize("how", ["state_dict", "keep_var", "deepcopy", "pickle", "file"])
def test_training_goes_on_as_if_never_interrupted(name, settings, first, last, how, tmp_path):
    param = parameter(1, -2, 3)
    optimizer = getattr(optim, name)([param], lr=0.1, **settings)
    run(optimizer, param, GRADIENTS[:2])
    if how in ("deepcopy", "pickle"):
        optimizer = copy.deepcopy(optimizer) if how == "deepcopy" else pickle.loads(pickle.dumps(optimizer))
        param = optimizer.param_groups[0]["params"][0]
    else:
        state = optimizer.state_dict(keep_var=how == "keep_var")
        if how == "file":
            nm.save(state, tmp_path / "optimizer")
            state = nm.load(tmp_path / "optimizer")
        optimizer = getattr(optim, name)([param], lr=7.0, **{**settings, "weight_decay": 0.0})
        optimizer.load_state_dict(state)
        assert optimizer.param_groups[0]["lr"] == 0.1
    run(optimizer, param, GRADIENTS[2:])
    np.testing.assert_allclose(param.numpy(), last, rtol=1e-4)


def test_a_state_brings_the_tensors_that_its_settings_need():
    param = parameter(1)
    with_momentum, without = optim.SGD(param, 0.1, momentum=0.9), optim.SGD(param, 0.1)
    state = without.state_dict()
    without.load_state_dict(with_momentum.state_dict())
    assert list(without.state_dict()["state"][0]) == ["momentum_buffer"]
    with_momentum.load_state_dict(state)
    assert with_momentum.state_dict()["state"] == {}


def broken(**changes):
    """Each change is a function on a copy of a state dict of SGD with momentum."""
    return pytest.mark.parametrize(("change", "error", "message"), changes.values(), ids=changes)


@broken(
    no_groups=(lambda s: s.pop("param_groups"), KeyError, "'param_groups' is missing"),
    groups=(lambda s: s["param_groups"].clear(), ValueError, "the optimizer has 1 groups, got 0"),
    size=(lambda s: s["param_groups"][0]["params"].append(1), ValueError, "a group has 1 parameters, got 2"),
    settings=(lambda s: s["param_groups"][0].update(zip=3), ValueError, "a group has settings"),
    number=(lambda s: s["param_groups"][0].update(params=[5]), KeyError, "parameter 5 has state ['momentum_buffer'], got []"),
    missing=(lambda s: s["state"].clear(), KeyError, "parameter 0 has state ['momentum_buffer'], got []"),
    shape=(lambda s: s["state"][0].update(momentum_buffer=np.ones(3)), ValueError, "'momentum_buffer' of shape (1,), got (3,)"),
)
def test_a_state_that_does_not_fit_is_refused_and_changes_nothing(change, error, message):
    param = parameter(1)
    optimizer = optim.SGD(param, 0.1, momentum=0.9)
    run(optimizer, param, [[1.0]])
    before, state = optimizer.state_dict(), copy.deepcopy(optimizer.state_dict())
    state["param_groups"][0]["lr"] = 7.0
    change(state)
    with pytest.raises(error, match=re.escape(message)):
        optimizer.load_state_dict(state)
    assert optimizer.state_dict() == before


def test_an_optimizer_of_ones_own_needs_two_methods():
    class Half(optim.Optimizer):
        def __init__(self, params):
            super().__init__(params, {"factor": 0.5})

        def _create_state(self, param_group):
            for param in param_group["params"]:
                self._add_state(param, "count", initializer=0.0)

        def _updates(self, param_group):
            for param in param_group["params"]:
                self._state[param]["count"] += 1
                param *= param_group["factor"]

    param = parameter(8)
    half = Half([param])
    half.step().step()
    assert param.tolist() == [2.0]
    assert half.state_dict()["state"][0]["count"] == 2
    with pytest.raises(TypeError):
        optim.Optimizer([param], {})


@pytest.mark.parametrize("make", [lambda p: optim.SGD(p, 0.5), lambda p: optim.Adam(p, 0.5)], ids=["SGD", "Adam"])
def test_after_a_step_while_recording_gradients_still_reach_the_parameter(make):
    param = parameter(8)
    optimizer = make(param)
    gm = nm.autodiff.GradManager().attach(param)
    param.grad = nm.Tensor([1.0])
    with gm:
        optimizer.step().clear_grad()
        gm.backward((param * param).sum())
    np.testing.assert_allclose(param.grad.numpy(), 2 * param.numpy())
    np.testing.assert_allclose(param.numpy(), [7.5], rtol=1e-4)


def test_lamb_of_low_precision_steps_on_an_exact_copy():
    """Steps far smaller than the precision of the parameter add up."""
    coarse, fine = nm.Parameter([1.0, -2.0, 3.0]), parameter(1, -2, 3)
    optimizer, reference = optim.LAMBFp16([coarse], lr=1e-3, weight_decay=0.1), optim.LAMB([fine], lr=1e-3, weight_decay=0.1)
    coarse._reset(nm.Tensor([0.0, 0.0, 0.0]))  # whatever becomes of the parameter, the copy goes on
    run(optimizer, coarse)
    run(reference, fine)
    np.testing.assert_array_equal(optimizer.state_dict()["state"][0]["param_fp32"], fine.numpy())
    np.testing.assert_array_equal(coarse.numpy(), fine.numpy())


@pytest.mark.parametrize("shape", [(), (3,), (300, 7), (2, 3, 4)])
@pytest.mark.parametrize("ord", [1, 2, 3, float("inf")])
def test_clipped_norm_is_that_of_all_gradients_in_one_vector(shape, ord):
    rng = np.random.default_rng(0)
    gradients = [rng.standard_normal(shape).astype(np.float32), rng.standard_normal(5).astype(np.float32)]
    params = [nm.Parameter(np.zeros_like(gradient)) for gradient in gradients]
    for param, gradient in zip(params, gradients, strict=True):
        param.grad = nm.Tensor(gradient)
    everything = np.concatenate([gradient.ravel() for gradient in gradients])
    norm = optim.clip_grad_norm([*params, params[0]], 0.5, ord=ord)
    np.testing.assert_allclose(norm.item(), np.linalg.norm(everything, ord), rtol=1e-5)
    clipped = np.concatenate([param.grad.numpy().ravel() for param in params])
    np.testing.assert_allclose(clipped, everything * 0.5 / np.linalg.norm(everything, ord), rtol=1e-5)


@pytest.mark.parametrize("ord", [0, -1, float("nan")])
def test_clipping_refuses_what_is_no_norm(ord):
    with pytest.raises(ValueError, match="clip_grad_norm: ord must be above 0, got"):
        optim.clip_grad_norm([parameter(1)], 1.0, ord=ord)


def test_a_schedule_goes_on_where_it_stopped():
    def make():
        optimizer = optim.SGD(parameter(1), lr=1.0)
        return optimizer, optim.MultiStepLR(optimizer, [2, 4], gamma=0.5)

    (optimizer, schedule), (other, resumed) = make(), make()
    for _ in range(3):
        schedule.step()
    other.load_state_dict(optimizer.state_dict())
    resumed.load_state_dict(schedule.state_dict())
    assert other.param_groups[0]["lr"] == 0.5
    resumed.step()
    assert other.param_groups[0]["lr"] == 0.25


def test_lamb_of_low_precision_goes_on_with_a_state_of_megengine():
    """The numbers are those of MegEngine 1.13 after one step and after another."""
    group = {"lr": 0.1, "weight_decay": 0.0, "betas": (0.9, 0.999), "eps": 1e-8, "params": [0]}
    first = {"exp_avg": [0.00999756, 0, 0.01999512], "exp_avg_sq": [9.9949893e-06, 0, 3.9979957e-05], "param_fp32": [0.90000004, 2, 2.9]}
    state = {**{name: np.array(values, np.float32) for name, values in first.items()}, "step": np.array(1, np.float32)}
    param = nm.Parameter([0.9, 2.0, 2.9], dtype="float16")
    optimizer = optim.LAMBFp16(param, lr=7.0)
    optimizer.load_state_dict({"param_groups": [group], "state": {0: state}})
    param.grad = nm.Tensor([-0.3, 0.5, 0.2], dtype="float16")
    optimizer.step()
    assert param.dtype == np.float16
    after = optimizer.state_dict()["state"][0]
    np.testing.assert_allclose(after["param_fp32"], [0.94942963, 1.9255863, 2.8000002], rtol=1e-5)
    np.testing.assert_array_equal(param.numpy(), after["param_fp32"].astype(np.float16))


# One launch


STEPS = [
    (optim.SGD, {"lr": 0.1}, "sgd_steps"),
    (optim.SGD, {"lr": 0.1, "momentum": 0.9, "nesterov": True}, "momentum_steps"),
    (optim.Adam, {"lr": 0.1}, "adam_steps"),
    (optim.AdamW, {"lr": 0.1}, "adam_steps"),
    (optim.Adagrad, {"lr_decay": 0.5}, "adagrad_steps"),
    (optim.Adadelta, {}, "adadelta_steps"),
    (optim.LAMB, {"lr": 0.1, "weight_decay": 0.1}, "lamb_steps"),
    (optim.LAMBFp16, {"lr": 0.1}, "lamb_copy_steps"),
]


@pytest.mark.parametrize(("kind", "settings", "op"), STEPS, ids=[op for *_, op in STEPS])
def test_a_step_is_one_launch(kind, settings, op):
    """Of all the ops there are, a step plans one, once, for all parameters with a gradient."""
    params = [nm.Parameter(np.ones((3, size), np.float32)) for size in range(1, 200)]
    for param in params[1:]:
        param.grad = nm.Tensor(np.ones(param.shape, np.float32))
    optimizer = kind(params, **settings)
    with calls._fresh_plans():
        optimizer.step()
        assert {each.name: len(each.plans) for each in TABLE.values() if each.plans} == {op: 1}
        (plan,) = TABLE[op].plans.values()
        assert plan.run.program.n_in > 2 * len(params[1:])


@pytest.mark.parametrize("op", [op for op in TABLE.values() if op.form == "joint"], ids=lambda op: op.name)
@given(data=st.data())
def test_one_launch_gives_what_its_ops_give_one_by_one(op, data):
    """To the last bit, for every op that is made of others."""
    call = Trial(op, data).call(dtype=np.dtype(data.draw(st.sampled_from(["float32", "float64", "float16"]))))
    together = op(*call.tensors(), **call.attrs)
    single = op.code(Op.__call__, *call.tensors(), **call.attrs)
    assert [(out.dtype, out.numpy().tobytes()) for out in together] == [(out.dtype, out.numpy().tobytes()) for out in single]


@pytest.mark.parametrize("size", [1, 2, 100])
def test_parameters_that_are_too_many_for_one_launch_take_several(size, monkeypatch):
    monkeypatch.setattr(update, "LAUNCH", size)
    params = [parameter(1, 2), nm.Parameter([1.0, 2.0], dtype="float64"), parameter(3, 4)]
    for param in params:
        param.grad = nm.Tensor([1.0, 1.0])
    optim.Adam(params, lr=0.5).step()
    np.testing.assert_allclose([param.numpy() for param in params], [[0.5, 1.5], [0.5, 1.5], [2.5, 3.5]], rtol=1e-5)


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "Adagrad", "Adadelta", "LAMB", "LAMBFp16"])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_parameters_of_low_precision_stay_so_and_zero_gradients_do_no_harm(name, dtype):
    param = nm.Parameter([1.0, 2.0, 3.0], dtype=dtype)
    param.grad = nm.Tensor([0.1, 0.0, 0.2], dtype=dtype)
    optimizer = getattr(optim, name)(param, lr=100 if name == "Adadelta" else 0.1, weight_decay=0.0)
    optimizer.step().step()
    assert str(param.dtype) == dtype
    values = param.numpy().astype(np.float32)
    assert values[1] == 2.0
    assert values[0] < 1.0
    assert values[2] < 3.0


def test_gradients_of_low_precision_are_clipped_by_a_norm_that_they_cannot_hold():
    param = nm.Parameter(np.zeros(300), dtype="float16")
    param.grad = nm.Tensor(np.full(300, 100.0), dtype="float16")
    assert optim.clip_grad_norm(param, 1.0).item() == pytest.approx(100 * 300**0.5)
    np.testing.assert_allclose(param.grad.numpy(), 300**-0.5, rtol=1e-3)
