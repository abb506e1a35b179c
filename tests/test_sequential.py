"""Sequential runs its layers in order, and is a list of them under their names."""

from collections import OrderedDict

import numpy as np
import pytest

import numod as nm
import numod.functional as F
import numod.module as M


def test_sequential_runs_layers_in_order():
    net = M.Sequential(M.Linear(3, 2), M.ReLU())
    x = nm.Tensor([[1.0, -2.0, 3.0], [-1.0, 2.0, 0.5]])
    np.testing.assert_array_equal(net(x).numpy(), F.relu(net[0](x)).numpy())
    assert M.Sequential()(3) == 3
    assert M.Sequential(F.relu, name="f")(nm.Tensor([-1.0])).tolist() == [0.0]


def test_sequential_is_a_list_whose_slices_keep_names():
    layers = [M.ReLU(), M.Sigmoid(), M.Identity()]
    net = M.Sequential(*layers)
    assert (len(net), list(net), net.layer_keys, net.layer_values) == (3, layers, ["0", "1", "2"], layers)
    assert (net[-1], net[1:][0]) == (layers[2], layers[1])
    assert (type(net[::2]), net[::2].layer_keys, net[0:0].layer_keys) == (M.Sequential, ["0", "2"], [])
    net[0] = M.SiLU()
    assert repr(net) == "Sequential(\n  (0): SiLU()\n  (1): Sigmoid()\n  (2): Identity()\n)"
    del net[0]
    assert (net.layer_keys, [name for name, _ in net.named_children()]) == (["1", "2"], ["1", "2"])
    del net[0:1]
    assert net.layer_values == [layers[2]]
    for key, error in ((5, IndexError), (-5, IndexError), ("0", TypeError), (1.0, TypeError)):
        with pytest.raises(error):
            net[key]
    with pytest.raises(TypeError, match="one layer can be set at a time"):
        net[0:1] = M.ReLU()
    assert not M.Sequential()


def test_sequential_takes_names_from_an_ordered_dict():
    net = M.Sequential(OrderedDict([("b", M.ReLU()), ("a", M.Linear(1, 1))]))
    assert (net.layer_keys, net[0], net.a) == (["b", "a"], net.b, net[1])
    assert list(net.state_dict()) == ["a.bias", "a.weight"]
    with pytest.raises(ValueError, match="cannot be named 'training'"):
        M.Sequential(OrderedDict(training=M.ReLU()))
