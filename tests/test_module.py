"""Module finds what is in it, names and orders it, saves, loads, copies and prints it."""

import copy
import logging
import pickle
import re
from collections import OrderedDict

import numpy as np
import pytest
from hypothesis import given, strategies as st

import numod as nm
import numod.module as M


class Net(M.Module):
    """One of everything that a Module can hold."""

    def __init__(self, name=None):
        super().__init__(name=name)
        self.zeta = M.Conv2d(3, 4, 3, stride=2, padding=1, bias=False)
        self.alpha = M.Linear(3, 4)
        self.lst = [M.ReLU(), M.Linear(2, 2), 3]
        self.dct = {"b": M.BatchNorm2d(4), "a": nm.Parameter([1.0, 2.0])}
        self.tup = (M.Identity(),)
        self.nested = [[M.ReLU(), {"k": M.Linear(1, 1)}]]
        self.buf = nm.Tensor([1.0])
        self.p = nm.Parameter([1.0])
        self.seq = M.Sequential(M.ReLU(), M.Sigmoid())
        self.none = None

    def forward(self, x):
        return x


class Plain(M.Module):
    """Passes all that it is given through."""

    def forward(self, *inputs, **kwargs):
        return inputs, kwargs


def plain(**attributes):
    module = Plain()
    for name, value in attributes.items():
        setattr(module, name, value)
    return module


def names(pairs):
    return [name for name, _ in pairs]


PARAMETERS = ["alpha.bias", "alpha.weight", "dct.a", "dct.b.bias", "dct.b.weight", "lst.1.bias", "lst.1.weight"]
PARAMETERS += ["nested.0.1.k.bias", "nested.0.1.k.weight", "p", "zeta.weight"]
BUFFERS = ["buf", "dct.b.running_mean", "dct.b.running_var"]
CHILDREN = ["alpha", "dct.b", "lst.0", "lst.1", "nested.0.0", "nested.0.1.k", "seq", "tup.0", "zeta"]


# What is in a module


def test_names_go_depth_first_by_attribute_in_alphabetical_order():
    net = Net()
    assert names(net.named_parameters()) == PARAMETERS
    assert names(net.named_buffers()) == BUFFERS
    assert names(net.named_tensors()) == sorted(PARAMETERS + BUFFERS)
    assert names(net.named_children()) == CHILDREN
    assert names(net.named_modules()) == ["", *CHILDREN[:7], "seq.0", "seq.1", "tup.0", "zeta"]


def test_lists_are_in_order_and_layers_of_sequential_by_name():
    assert names(plain(l=[M.ReLU() for _ in range(12)]).named_children()) == [f"l.{i}" for i in range(12)]
    twelve = M.Sequential(*[M.ReLU() for _ in range(12)])
    assert names(twelve.named_children()) == ["0", "1", "10", "11", *"23456789"]


def test_prefix_and_recursive():
    net = Net()
    assert names(net.named_parameters(prefix="pre")) == [f"pre.{name}" for name in PARAMETERS]
    assert names(net.named_parameters(prefix="pre", recursive=False)) == ["pre.dct.a", "pre.p"]
    assert names(net.named_modules(prefix="pre"))[:2] == ["pre", "pre.alpha"]
    assert names(net.named_children(prefix="pre"))[0] == "pre.alpha"
    assert names(net.named_buffers(recursive=False)) == ["buf"]


def test_values_without_names_are_those_with_names():
    net = Net()
    for what in ("parameters", "buffers", "tensors", "modules", "children"):
        with_names = [value for _, value in getattr(net, f"named_{what}")()]
        assert all(a is b for a, b in zip(getattr(net, what)(), with_names, strict=True))


def test_shared_objects_are_met_once_under_the_first_name():
    linear, parameter = M.Linear(1, 1), nm.Parameter([1.0])
    net = plain(a=plain(linear=linear), b=linear, p=parameter, q=[parameter])
    assert names(net.named_parameters()) == ["a.linear.bias", "a.linear.weight", "p"]
    assert names(net.named_modules()) == ["", "a", "a.linear"]
    assert names(net.named_children()) == ["a", "b"]
    assert list(net.state_dict()) == ["p", "a.linear.bias", "a.linear.weight", "b.bias", "b.weight"]


def test_modules_that_refer_to_each_other_are_walked_once():
    child = M.Linear(1, 1)
    net = plain(child=child)
    net.me = net
    child.parent = net
    assert names(net.named_modules()) == ["", "child"]
    assert list(net.state_dict()) == ["child.bias", "child.weight"]
    assert "..." in repr(net)
    net.load_state_dict(net.state_dict())


def test_structure_follows_attributes():
    net = plain(a=M.ReLU(), l=[])
    net.b = M.Linear(1, 1)
    net.l.append(M.Sigmoid())
    assert names(net.named_children()) == ["a", "b", "l.0"]
    del net.a
    net.b = 5
    assert names(net.named_children()) == ["l.0"]
    net.b = nm.Tensor([1.0])
    assert names(net.named_buffers()) == ["b"]
    with pytest.raises(AttributeError):
        del net.a


@pytest.mark.parametrize("value", [M.ReLU(), nm.Parameter([1.0]), [M.ReLU()]], ids=["module", "parameter", "list"])
def test_assignment_before_init_is_refused(value):
    class Early(Plain):
        def __init__(self):
            self.numbers = [1, 2]
            self.layer = value

    with pytest.raises(AttributeError, match=r"Early.layer: call super\(\).__init__\(\)"):
        Early()


def test_dict_keys_must_be_strings():
    with pytest.raises(TypeError, match="must be strings, got 1"):
        plain(d={1: M.ReLU()}).state_dict()
    assert names(plain(d={1: "no module"}).named_children()) == []


def test_module_is_abstract_and_a_name_is_a_string():
    with pytest.raises(TypeError):
        M.Module()
    assert (Net(name="net").name, Net().name, M.Linear(1, 1, name="fc").name) == ("net", None, "fc")
    with pytest.raises(TypeError, match="name must be a non-empty string or None, got 3"):
        Net(name=3)


# What a module does


def test_apply_train_and_disable_quantize_reach_every_module_once():
    net, visited = Net(), []
    net.apply(visited.append)
    assert all(a is b for a, b in zip(visited, net.modules(), strict=True))
    assert net.eval() is None
    assert not any(module.training for module in net.modules())
    net.train(recursive=False)
    assert [module.training for module in net.modules()] == [True] + [False] * (len(visited) - 1)
    net.disable_quantize()
    assert all(module.quantize_disabled for module in net.modules())


def test_train_calls_what_a_child_overrides():
    class Frozen(Plain):
        def train(self, mode=True, recursive=True):
            super().train(False, recursive)

    net = plain(frozen=Frozen())
    net.train()
    assert net.training
    assert not net.frozen.training


def test_hooks_run_in_order_replace_values_and_can_be_removed():
    module, calls = Plain(), []
    first = module.register_forward_pre_hook(lambda m, inputs: calls.append(inputs))
    second = module.register_forward_pre_hook(lambda m, inputs: (1, 2))
    third = module.register_forward_pre_hook(lambda m, inputs: [inputs])
    after = module.register_forward_hook(lambda m, inputs, outputs: (inputs, outputs))
    assert module(5, k=3) == (([(1, 2)],), (([(1, 2)],), {"k": 3}))
    assert calls == [(5,)]
    for handle in (first, second, third, after, after):
        handle.remove()
    assert module(5) == ((5,), {})
    with pytest.raises(TypeError, match="callable"):
        module.register_forward_hook(3)


def test_a_hook_may_remove_itself():
    module, calls = Plain(), []

    def once(*_):
        calls.append(1)
        handle.remove()

    handle = module.register_forward_hook(once)
    module()
    module()
    assert calls == [1]


def test_a_module_used_as_hook_is_no_child():
    module = Plain()
    module.register_forward_hook(lambda *_: None)
    module.register_forward_pre_hook(M.ReLU())
    assert names(module.named_modules()) == [""]


def test_zero_grad_fills_gradients_with_zeros():
    layer = M.Linear(1, 1)
    layer.weight.grad = nm.Tensor([[3.0]])
    layer.zero_grad()
    assert layer.weight.grad.tolist() == [[0.0]]
    assert layer.bias.grad is None


def test_replace_param_puts_other_objects_in_order():
    net = plain(a=M.Linear(2, 1), b=M.Linear(1, 1))
    values = [nm.Parameter(np.full(p.shape, i, np.float32)) for i, p in enumerate(net.parameters(), 10)]
    assert net.replace_param([None, *values], 1) == 4
    assert all(p is value for p, value in zip(net.parameters(), values, strict=True))
    other = nm.Parameter(values[2].numpy())
    assert net.replace_param({2: other}, 0) == 4
    assert net.b.bias is other
    assert net.a.bias is values[0]
    with pytest.raises(ValueError, match=r"parameter 'a.bias' has shape \(1,\), got \(1, 2\)"):
        net.replace_param(values[1:], 0)


# State


def test_state_dict_has_own_tensors_first_and_read_only_arrays():
    net = Net()
    state = net.state_dict()
    assert type(state) is OrderedDict
    own = ["buf", "dct.a", "p"]
    assert list(state) == own + [name for name in sorted(PARAMETERS + BUFFERS) if name not in own]
    assert all(type(array) is np.ndarray and not array.flags.writeable for array in state.values())
    assert next(iter(net.state_dict(prefix="x."))) == "x.buf"
    assert net.state_dict(keep_var=True)["p"] is net.p
    rst = {"a": 1}
    assert net.state_dict(rst=rst) is rst
    assert list(rst) == ["a", *state]


def test_norms_are_saved_with_one_axis_and_loaded_from_one_or_their_own():
    net = plain(bn=M.BatchNorm2d(2), ln=M.LayerNorm((2, 3)))
    state = net.state_dict()
    assert {name: array.shape for name, array in state.items()} == {
        **dict.fromkeys(["bn.bias", "bn.running_mean", "bn.running_var", "bn.weight"], (2,)),
        **dict.fromkeys(["ln.bias", "ln.weight"], (6,)),
    }
    assert not any(array.flags.writeable for array in state.values())
    ones = {name: np.ones_like(array) for name, array in state.items()}
    own = {name: np.full(tensor.shape, 2) for name, tensor in net.named_tensors()}
    for values, number in ((ones, 1), (own, 2)):
        net.load_state_dict(values)
        assert all((tensor.numpy() == number).all() for tensor in net.tensors())
    assert net.bn.weight.shape == (1, 2, 1, 1)
    with pytest.raises(ValueError, match=r"'ln.weight' has shape \(2, 3\), got \(3, 2\)"):
        net.load_state_dict({**ones, "ln.weight": np.ones((3, 2))})


def test_state_dict_is_a_snapshot():
    layer = M.Linear(1, 1)
    state = layer.state_dict()
    layer.bias += 1
    M.init.fill_(layer.weight, 7)
    assert state["bias"].tolist() == [0.0]
    assert state["weight"].tolist() != [[7.0]]


def test_load_state_dict_round_trip_keeps_the_tensors():
    a, b = Net(), Net()
    before = list(b.tensors())
    assert b.load_state_dict(a.state_dict()) is None
    assert all(x is y for x, y in zip(before, b.tensors(), strict=True))
    for name, array in a.state_dict().items():
        np.testing.assert_array_equal(b.state_dict()[name], array)
    b.load_state_dict(a.state_dict(keep_var=True))


def test_load_state_dict_asks_a_closure_for_each_name():
    layer, asked = M.Linear(2, 3), []

    def closure(name, tensor):
        asked.append(name)
        return np.full(tensor.shape, 5.0)

    layer.load_state_dict(closure)
    assert asked == ["bias", "weight"]
    assert layer.bias.tolist() == [5.0] * 3
    assert layer.bias.dtype == np.float32
    with pytest.raises(KeyError, match=r"missing=\{'bias', 'weight'\}"):
        layer.load_state_dict(lambda name, tensor: None)


BAD_STATES = [
    ({"weight": np.zeros((3, 2))}, KeyError, "Linear.load_state_dict: missing={'bias'}; strict=True takes exactly"),
    ({"weight": np.zeros((3, 2)), "bias": np.zeros(3), "u": 1}, KeyError, "unused={'u'}"),
    ({"weight": np.zeros((2, 2)), "bias": np.zeros(3)}, ValueError, "'weight' has shape (3, 2), got (2, 2)"),
    ({"weight": np.zeros((2, 2)), "u": 1}, ValueError, "'weight' has shape (3, 2), got (2, 2); missing={'bias'}, unused={'u'}"),
    ({"weight": np.zeros((3, 2), complex), "bias": np.zeros(3)}, ValueError, "'weight' has dtype float32, got complex128"),
    ([1], ValueError, "expected a dict or a function (name, tensor) -> array, got list"),
]


@pytest.mark.parametrize(("state", "error", "message"), BAD_STATES)
def test_load_state_dict_reports_what_does_not_fit_and_changes_nothing(state, error, message):
    layer = M.Linear(2, 3)
    before = layer.state_dict()
    with pytest.raises(error, match=re.escape(message)):
        layer.load_state_dict(state)
    for name, array in layer.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


def test_load_state_dict_not_strict_takes_what_fits_and_logs_the_rest(caplog):
    layer = M.Linear(2, 3)
    with caplog.at_level(logging.WARNING, logger="numod"):
        layer.load_state_dict({"bias": np.ones(3), "u": 1}, strict=False)
    assert layer.bias.tolist() == [1.0] * 3
    assert "missing={'weight'}, unused={'u'}" in caplog.text
    with pytest.raises(ValueError, match="'bias' has shape"):
        layer.load_state_dict({"bias": np.ones(1)}, strict=False)


# Copies


@pytest.mark.parametrize("make", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))], ids=["deepcopy", "pickle"])
def test_copies_are_equal_independent_and_keep_sharing(make):
    net = Net()
    net.again = net.alpha
    twin = make(net)
    assert repr(twin) == repr(net)
    assert twin.again is twin.alpha
    assert twin.alpha is not net.alpha
    assert type(twin.p) is nm.Parameter
    for name, array in net.state_dict().items():
        np.testing.assert_array_equal(twin.state_dict()[name], array)
    twin.p += 1
    assert net.p.tolist() == [1.0]


def test_a_hook_of_a_copy_is_its_own():
    module, calls = Plain(), []
    handle = module.register_forward_hook(lambda *_: calls.append(1))
    twin = copy.deepcopy(module)
    handle.remove()
    module()
    assert calls == []
    twin()
    assert calls == [1]


# Text


NET = """\
Net(
  (zeta): Conv2d(3, 4, kernel_size=(3, 3), stride=(2, 2), padding=(1, 1), bias=False)
  (alpha): Linear(in_features=3, out_features=4, bias=True)
  (lst.0): ReLU()
  (lst.1): Linear(in_features=2, out_features=2, bias=True)
  (dct.b): BatchNorm2d(4, eps=1e-05, momentum=0.9, affine=True, track_running_stats=True)
  (tup.0): Identity()
  (nested.0.0): ReLU()
  (nested.0.1.k): Linear(in_features=1, out_features=1, bias=True)
  (seq): Sequential(
    (0): ReLU()
    (1): Sigmoid()
  )
)"""


def test_repr_shows_children_in_the_order_they_were_defined():
    assert repr(Net()) == NET


def test_repr_indents_information_and_moves_what_became_a_child_later_to_the_end():
    class Told(Plain):
        def _module_info_string(self):
            return "hello=1,\nbye=2"

    told = Told()
    told.later, told.first = None, M.ReLU()
    told.first = M.Sigmoid()
    told.later = plain(inner=M.Identity())
    assert repr(told) == "Told(\n  hello=1,\n  bye=2\n  (first): Sigmoid()\n  (later): Plain(\n    (inner): Identity()\n  )\n)"
    assert repr(Told()) == "Told(\n  hello=1,\n  bye=2\n)"


# Properties of drawn trees

keys = st.text("abc", min_size=1, max_size=2)
tensors = st.builds(lambda n, kind: kind(np.arange(n, dtype=np.float32)), st.integers(0, 3), st.sampled_from([nm.Parameter, nm.Tensor]))
leaves = st.one_of(st.none(), st.integers(), tensors, st.builds(M.Linear, st.integers(1, 2), st.integers(1, 2)))
trees = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(keys, inner, max_size=3),
        st.dictionaries(keys, inner, max_size=3).map(lambda attributes: plain(**attributes)),
    ),
    max_leaves=8,
)


@given(st.dictionaries(keys, trees, max_size=4))
def test_any_tree_round_trips_through_its_state_dict_and_copies(attributes):
    """Names are unique and lead to the object; a copy has the same names, text and values; its state can be loaded back."""
    net = plain(**attributes)
    state = net.state_dict()
    assert set(state) == set(names(net.named_tensors()))
    for name, tensor in net.named_tensors():
        found = net
        for step in name.split("."):
            steps = vars(found) if isinstance(found, M.Module) else found
            found = steps[step] if isinstance(steps, dict) else steps[int(step)]
        assert found is tensor
    twin = copy.deepcopy(net)
    assert repr(twin) == repr(net)
    for tensor in twin.tensors():
        tensor._reset(nm.Tensor(np.full(tensor.shape, -1, np.float32)))
    twin.load_state_dict(state)
    assert list(twin.state_dict()) == list(state)
    for name, value in twin.state_dict().items():
        np.testing.assert_array_equal(value, state[name])
