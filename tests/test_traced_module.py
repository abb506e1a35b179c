"""numod.traced_module: graphs as MegEngine prints them, that do what the module does, can be changed, saved, trained, quantized and made smaller."""

import contextlib
import copy
import gc
import importlib
import io
import logging
import subprocess
import sys
import threading
from collections import OrderedDict
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import numod as nm
import numod.functional as F
import numod.module as M
import numod.optimizer as optim
import numod.quantization as Q
import numod.traced_module as tm
from numod import autodiff, jit, op
from numod.functional import relu, sigmoid as squash
from numod.serialization import FileFormatError
from numod.traced_module import checking, known
from numod.traced_module.frame import TraceModuleError
from numod.traced_module.node import GraphError

ACTIVATIONS = {"relu": F.relu}


def randn(*shape):
    return nm.Tensor(np.random.RandomState(sum(shape)).randn(*shape).astype("float32"))


def module(forward, **attributes):
    """A module of a class Net with this forward."""

    class Net(M.Module):
        def __init__(self):
            super().__init__()
            for name, value in attributes.items():
                setattr(self, name, value)

    Net.forward = forward
    Net.__abstractmethods__ = frozenset()
    return Net()


def graph_of(forward, *args, **attributes):
    return tm.trace_module(module(forward, **attributes), *args).graph


def body(graph):
    """What a graph does, as printed, without its numbers."""
    return [line.split("\t")[-1].strip() for line in str(graph).splitlines()[1:-2] if line.strip()]


def saved(obj):
    file = io.BytesIO()
    nm.save(obj, file)
    file.seek(0)
    return nm.load(file)


def same(one, other):
    assert one.dtype == other.dtype
    np.testing.assert_array_equal(one.numpy(), other.numpy())


class Block(M.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv = M.Conv2d(channels, channels, 1)
        self.bn = M.BatchNorm2d(channels)

    def forward(self, x, scale=1.0, *, flag=False):
        y = self.bn(self.conv(x))
        if flag:
            y = y * scale
        return F.relu(x + y)


class Blocks(M.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = Block(2), Block(2)
        self.layers = M.Sequential(Block(2), Block(2))
        self.fc = [M.Linear(4, 3), M.Linear(4, 3)]
        self.scale = nm.Parameter([1.0, 2.0, 3.0])
        self.unused = M.Linear(7, 7)

    def forward(self, x):
        x = self.layers(self.b(self.a(x), 2.0, flag=True))
        x = x.mean(axis=1).reshape(x.shape[0], -1)
        return sum(fc(x) for fc in self.fc) * self.scale + 1.5


class Mlp(M.Module):
    def __init__(self):
        super().__init__()
        self.hidden, self.out = M.Linear(3, 4), M.Linear(4, 2)
        self.bn = M.BatchNorm1d(4)

    def forward(self, x):
        return self.out(F.relu(self.bn(self.hidden(x))))


# What a graph looks like: texts as MegEngine 1.13 prints them


def test_graphs_are_printed_as_megengine_prints_them():
    net = Blocks()
    net.eval()
    traced = tm.trace_module(net, randn(2, 2, 2, 2))
    assert str(traced.a.graph) == (
        "Blocks_a.Graph (self, x) {\n"
        '\t%8:\tbn = getattr(self, "bn") -> (BatchNorm2d)\n'
        '\t%9:\tconv = getattr(self, "conv") -> (Conv2d)\n'
        "\t%10:\tconv_out = conv(x, )\n"
        "\t%11:\tbn_out = bn(conv_out, )\n"
        "\t%12:\tadd_out = x.__add__(bn_out, )\n"
        "\t%13:\trelu_out = nn.relu(add_out, )\n"
        "\treturn relu_out\n}"
    )
    assert str(traced.graph) == (
        "Blocks.Graph (self, x) {\n"
        '\t%2:\tlayers = getattr(self, "layers") -> (Module)\n'
        '\t%3:\tb = getattr(self, "b") -> (Module)\n'
        '\t%4:\ta = getattr(self, "a") -> (Module)\n'
        "\t%5:\ta_out = a(x, 1.0, flag=False)\n"
        "\t%14:\tb_out = b(a_out, 2.0, flag=True)\n"
        "\t%24:\tlayers_out = layers(b_out, )\n"
        "\t%47:\tmean_out = layers_out.mean(1, False, )\n"
        "\t%48:\tgetvarshape_out = GetVarShape(layers_out)\n"
        "\t%49:\tgetitem_out = getvarshape_out.__getitem__(0, )\n"
        "\t%50:\treshape_out = mean_out.reshape(getitem_out, -1, )\n"
        '\t%51:\tfc_0 = getattr(self, "fc.0") -> (Linear)\n'
        "\t%52:\tfc_0_out = fc_0(reshape_out, )\n"
        "\t%53:\tradd_out = fc_0_out.__radd__(0, )\n"
        '\t%54:\tfc_1 = getattr(self, "fc.1") -> (Linear)\n'
        "\t%55:\tfc_1_out = fc_1(reshape_out, )\n"
        "\t%56:\tadd_out = radd_out.__add__(fc_1_out, )\n"
        '\t%57:\tscale = getattr(self, "scale") -> (Tensor)\n'
        "\t%58:\tmul_out = add_out.__mul__(scale, )\n"
        "\t%59:\tadd_out_1 = mul_out.__add__(1.5, )\n"
        "\treturn add_out_1\n}"
    )
    assert repr(traced) == (
        "TracedModule(\n"
        "  (layers): TracedModule(\n"
        "    (0): TracedModule(\n"
        "      (bn): BatchNorm2d(2, eps=1e-05, momentum=0.9, affine=True, track_running_stats=True)\n"
        "      (conv): Conv2d(2, 2, kernel_size=(1, 1))\n    )\n"
        "    (1): TracedModule(\n"
        "      (bn): BatchNorm2d(2, eps=1e-05, momentum=0.9, affine=True, track_running_stats=True)\n"
        "      (conv): Conv2d(2, 2, kernel_size=(1, 1))\n    )\n  )\n"
        "  (b): TracedModule(\n"
        "    (bn): BatchNorm2d(2, eps=1e-05, momentum=0.9, affine=True, track_running_stats=True)\n"
        "    (conv): Conv2d(2, 2, kernel_size=(1, 1))\n  )\n"
        "  (a): TracedModule(\n"
        "    (bn): BatchNorm2d(2, eps=1e-05, momentum=0.9, affine=True, track_running_stats=True)\n"
        "    (conv): Conv2d(2, 2, kernel_size=(1, 1))\n  )\n"
        "  (fc): TracedModule(\n"
        "    (0): Linear(in_features=4, out_features=3, bias=True)\n"
        "    (1): Linear(in_features=4, out_features=3, bias=True)\n  )\n)"
    )


def test_functions_and_methods_have_all_their_arguments_in_a_graph():
    def forward(self, x):
        x = F.flatten(F.relu(x), 1)
        y = F.conv2d(x.reshape(1, 1, 2, 2), weight=F.ones((1, 1, 1, 1)), padding=1)
        a, b = F.split(x, 2, axis=1)
        return F.concat([a, b]).transpose((0, "x", 1)), y, x.max(axis=0, keepdims=True), 2 - x, -x, x[:, 0], x.T, x**2, F.max(x, 1)

    assert body(graph_of(forward, randn(2, 2))) == [
        "relu_out = nn.relu(x, )",
        "flatten_out = tensor.flatten(relu_out, 1, -1, )",
        "reshape_out = flatten_out.reshape(1, 1, 2, 2, )",
        "ones_out = tensor.ones((1, 1, 1, 1), dtype=float32, device=None)",
        "conv2d_out = nn.conv2d(reshape_out, ones_out, None, 1, 1, 1, 1, cross_correlation, default, )",
        "(split_out, split_out_1) = tensor.split(flatten_out, 2, 1, )",
        "concat_out = tensor.concat([split_out, split_out_1], 0, None, )",
        "transpose_out = concat_out.transpose((0, 'x', 1), )",
        "max_out = flatten_out.max(0, True, )",
        "rsub_out = flatten_out.__rsub__(2, )",
        "neg_out = flatten_out.__neg__(, )",
        "getitem_out = flatten_out.__getitem__((slice(None, None, None), 0), )",
        "transpose_out_1 = flatten_out.transpose(, )",
        "pow_out = flatten_out.__pow__(2, )",
        "max_out_1 = math.max(flatten_out, 1, False, )",
    ]


def test_expressions_and_nodes_say_what_they_are():
    graph = tm.trace_module(Mlp(), randn(5, 3)).graph
    call = graph.get_method_by_type("__call__").as_list()[0]
    assert (type(call).__name__, repr(call), call.args, call.kwargs, call.const_val) == (
        "CallMethod",
        "%5:\thidden_out = hidden(x, )",
        (graph.get_node_by_id(4).as_unique(), graph.inputs[1]),
        {},
        [],
    )
    node = call.outputs[0]
    assert (node.name, node.id, node.qualname, node.shape, node.dtype) == ("hidden_out", 5, "Mlp.hidden.[out]", (5, 4), np.dtype("float32"))
    assert node.expr is call and [repr(user) for user in node.users] == ["%6:\tbn_out = bn(hidden_out, )"]
    layer = call.inputs[0]
    assert layer.module_type is M.Linear and layer.owner is graph.owner.hidden and layer.qualname == "Mlp.hidden"
    assert f"{node:i} {node:p} {node:ip}" == "%5_hidden_out Mlp_hidden_out %5_Mlp_hidden_out"
    assert f"{graph:ip}".splitlines()[0] == "Mlp.Graph (%0_Mlp_self, %1_Mlp_x) {"
    assert [node.qualname for node in graph.nodes()][-2:] == ["Mlp.[func_relu]", "Mlp.out.[out]"]
    assert call.top_graph is graph and graph.outputs[0].expr.return_val is graph.outputs[0]


def test_what_is_in_a_graph_is_found():
    graph = tm.trace_module(Blocks(), randn(2, 2, 2, 2)).graph
    assert graph.get_function_by_type(F.relu).as_count() == 4
    assert graph.get_function_by_type(F.relu, recursive=False).as_count() == 0
    assert list(graph.get_function_by_type(F.relu).as_dict()) == [expr.id for expr in graph.get_function_by_type(F.relu)]
    assert graph.get_method_by_type("mean").as_unique() is graph.get_expr_by_id(graph.get_method_by_type("mean").as_unique().id).as_unique()
    assert graph.get_module_by_type(M.Conv2d).as_count() == 4
    assert graph.get_node_by_name("blocks_A_*out").as_count() == 5
    assert graph.get_node_by_name("blocks_A_*out", ignorecase=False).as_count() == 0
    assert graph.get_dep_exprs(graph.outputs[0])[-1] in graph.exprs(False).as_list()
    with pytest.raises(AssertionError, match="4 elements found"):
        graph.get_function_by_type(F.relu).as_unique()


# What it does


def test_other_batches_and_values_give_what_the_module_gives():
    net = Blocks()
    net.eval()
    traced = tm.trace_module(net, randn(2, 2, 2, 2))
    for count in (1, 3):
        x = randn(count, 2, 2, 2)
        same(traced(x), net(x))
        same(traced.flatten()(x), net(x))


def test_parameters_are_those_of_the_module():
    net = Blocks()
    traced = tm.trace_module(net, randn(2, 2, 2, 2))
    assert isinstance(traced, M.Module)
    names = [name for name in net.state_dict() if not name.startswith("unused")]
    assert list(traced.state_dict()) == names
    assert all(tensor is dict(net.named_tensors())[name] for name, tensor in traced.named_tensors())
    assert traced.a.conv is net.a.conv and traced.training
    traced.eval()
    assert not net.a.bn.training


def test_functions_are_seen_by_whatever_name_they_have():
    def closure(function):
        return lambda self, x: function(x) + 1

    class Holder:
        act = staticmethod(F.relu)

    assert body(graph_of(lambda self, x: relu(squash(x)), randn(2))) == [
        "sigmoid_out = nn.sigmoid(x, )",
        "relu_out = nn.relu(sigmoid_out, )",
    ]
    assert body(graph_of(lambda self, x: self.act(x), randn(2), act=F.relu)) == ["relu_out = nn.relu(x, )"]
    for forward in (
        closure(F.relu),
        lambda self, x: ACTIVATIONS["relu"](x) + 1,
        lambda self, x: self.acts[0](x) + 1,
        lambda self, x: Holder.act(x) + 1,
    ):
        net = module(forward, acts=[F.relu])
        traced = tm.trace_module(net, randn(4))
        assert body(traced.graph) == ["relu_out = relu(x)", "add_out = relu_out.__add__(1, )"]
        same(traced(-randn(4)), net(-randn(4)))
    part = module(lambda self, x: self.part(x), part=partial(F.leaky_relu, negative_slope=0.2))
    same(tm.trace_module(part, randn(4))(-randn(4)), part(-randn(4)))


@pytest.mark.parametrize(
    "forward",
    [
        lambda self, x: x.reshape(x.shape[0] * x.shape[1], -1),
        lambda self, x: x.reshape((*x.shape[:1], -1)),
        lambda self, x: F.broadcast_to(x, (2,) + tuple(x.shape)),  # noqa: RUF005 - this is what is tested
        lambda self, x: x.reshape(x.shape + (1,)) * x.ndim,  # noqa: RUF005
        lambda self, x: x.transpose(1, 0).reshape(*x.shape[::-1]) / x.shape[0] ** 0.5,
        lambda self, x: x * x.size + (x.size - 1) // 2 - 3 % x.shape[0],
        lambda self, x: F.full(x.shape, 2.0) + F.zeros((x.shape[0], 1)),
        lambda self, x: x[: x.shape[0] // 2],
        lambda self, x: ACTIVATIONS["relu"](x).reshape(x.shape[1], x.shape[0]),
    ],
)
def test_what_is_computed_of_shapes_is_computed_anew(forward):
    net = module(forward)
    traced = tm.trace_module(net, randn(2, 3))
    for shape in ((4, 5), (6, 3)):
        same(traced(randn(*shape)), net(randn(*shape)))
        same(saved(traced)(randn(*shape)), net(randn(*shape)))


def test_shapes_go_into_modules():
    inner = module(lambda self, x, n, k=1: x.reshape(n, -1) * k)
    net = module(lambda self, x: self.inner(x, x.shape[1] * 2) + 1, inner=inner)
    traced = tm.trace_module(net, randn(2, 3))
    for each in (traced, traced.flatten(), saved(traced)):
        same(each(randn(4, 2)), net(randn(4, 2)))


def test_arguments_and_results_are_structures():
    def forward(self, a, b=None, *more, d, **others):
        x = a["p"] + a["q"][0] * more[0]
        return OrderedDict(o=x, l=[x, d], t=(x + 1, others["z"], None)) if b is None else {"b": b * a["q"][1]}

    net = module(forward)
    args = {"p": randn(2), "q": [randn(2), 2]}, None, randn(2)
    traced = tm.trace_module(net, *args, d=randn(2), z=randn(2))
    assert traced.graph.inputs[1:] == traced.graph.get_node_by_id(range(1, 6)).as_list()
    assert [node.name for node in traced.graph.inputs] == ["self", "a_0", "a_1", "more_0", "d", "others_0"]
    made, wanted = (call(*args, d=-randn(2), z=randn(2)) for call in (traced, net))
    assert type(made) is OrderedDict and type(made["t"]) is tuple and made["t"][2] is None
    same(made["o"], wanted["o"])
    same(made["l"][1], wanted["l"][1])
    for wrong in ({"d": randn(2)}, {"d": randn(2), "z": 3}):
        with pytest.raises(
            AssertionError, match=r"made for forward\(Module, \{'p':Tensor, 'q':\[Tensor, 2\]\}, None, Tensor, d=Tensor, z=Tensor\)"
        ):
            traced(*args, **wrong)
    with pytest.raises(TypeError):
        traced(*args)


def test_a_module_that_is_called_in_two_ways_has_two_graphs():
    inner = module(lambda self, x, twice=False: self.fc(self.fc(x)) if twice else self.fc(x), fc=M.Linear(2, 2))
    net = module(lambda self, x: self.inner(self.inner(x), twice=True) + self.inner(x), inner=inner)
    traced = tm.trace_module(net, randn(3, 2))
    assert list(traced.inner.argdef_graph_map) == ["Module, Tensor, False", "Module, Tensor, True"]
    with pytest.raises(AttributeError, match="2 graphs"):
        _ = traced.inner.graph
    assert body(traced.graph)[1:] == [
        "inner_out = inner(x, False, )",
        "inner_1_out = inner(inner_out, True, )",
        "inner_2_out = inner(x, False, )",
        "add_out = inner_1_out.__add__(inner_2_out, )",
    ]
    for each in (traced, traced.flatten(), saved(traced)):
        same(each(-randn(3, 2)), net(-randn(3, 2)))


def test_one_tensor_for_two_arguments_stays_two_arguments():
    net = module(lambda self, x, y: self.inner(x, x) * self.inner(x, y) - y, inner=module(lambda self, x, y: x / 2 + y))
    x = randn(3)
    traced = tm.trace_module(net, x, x)
    same(traced(randn(3), randn(3) + 1), net(randn(3), randn(3) + 1))


def test_what_nobody_needs_is_in_no_graph():
    def forward(self, x):
        _ = F.exp(x * 2) if x.shape[0] > 1 else x
        return x * 5

    assert str(graph_of(forward, randn(2))) == "Net.Graph (self, x) {\n\t%2:\tmul_out = x.__mul__(5, )\n\treturn mul_out\n}"


def test_changes_in_place_are_made_again():
    def forward(self, x):
        total = nm.Tensor([0.0, 0.0])
        total += x
        x[0] = 1.0
        x += 2
        self.seen += x.sum()
        return x, total

    net = module(forward, seen=nm.Tensor([0.0]))
    given = randn(2)
    traced = tm.trace_module(net, given)
    same(given, randn(2))
    for _ in range(2):
        x, y = randn(2) + 1, randn(2) + 1
        before = net.seen + 0
        (made, total), after = traced(x), net.seen + 0
        net.seen.set_value(before)
        wanted, other = net(y)
        same(made, wanted)
        same(total, other)
        same(x, y)
        same(after, net.seen)


def test_modules_that_are_called_for_what_they_change():
    def count(self, x):
        self.seen += x.sum()

    def passing(self, x):
        self.seen += x.sum()
        return x * 1

    def local(self, x):
        y = x * 1
        y += 2
        return y

    def forward(self, x):
        self.count(x)
        self.passing(x)
        self.local(x)
        return x * 2

    def start():
        return module(count, seen=nm.Tensor([0.0])), module(passing, seen=nm.Tensor([0.0]))

    one, two = start()
    net = module(forward, count=one, passing=two, local=module(local))
    traced = tm.trace_module(net, F.ones((2,)))
    assert [line for line in body(traced.graph) if "getattr" not in line] == [
        "count(x, )",
        "passing_out = passing(x, )",
        "mul_out = x.__mul__(2, )",
    ]
    for each in (traced, saved(traced), traced.flatten(), copy.deepcopy(traced)):
        each(F.ones((2,)))
        assert each.count.seen.tolist() == each.passing.seen.tolist() == [4.0]
        one.seen.set_value([2.0])
        two.seen.set_value([2.0])


def test_what_a_layer_hands_through_is_another_value():
    def forward(self, x):
        x = x * 2
        return x + self.drop(x) + self.block(x)

    net = module(forward, drop=M.Dropout(0.5), block=module(lambda self, x: x))
    net.eval()
    traced = tm.trace_module(net, F.ones((50,)))
    assert [line for line in body(traced.graph) if "getattr" not in line] == [
        "mul_out = x.__mul__(2, )",
        "drop_out = drop(mul_out, )",
        "add_out = mul_out.__add__(drop_out, )",
        "block_out = block(mul_out, )",
        "add_out_1 = add_out.__add__(block_out, )",
    ]
    results = []
    for each in (net, traced):
        each.train()
        nm.random.seed(3)
        results.append(each(F.ones((50,))))
    same(*results)


def test_layers_that_are_made_meanwhile_are_made_once():
    def forward(self, x):
        if not hasattr(self, "fc"):
            self.fc = M.Linear(3, 2)
        return self.fc(x)

    net = module(forward)
    traced = tm.trace_module(net, randn(4, 3))
    assert body(traced.graph) == ['fc = getattr(self, "fc") -> (Linear)', "fc_out = fc(x, )"] and traced.fc is net.fc
    for each in (traced, saved(traced)):
        same(each(-randn(4, 3)), net(-randn(4, 3)))
    with traced.graph.insert_exprs():
        traced.more, traced.scale = M.Sequential(M.Linear(2, 5), M.Linear(5, 2)), nm.Parameter([2.0, 3.0])
        made = traced.more(traced.graph.outputs[0]) * traced.scale
    traced.graph.replace_node({traced.graph.outputs[0]: made})
    assert body(traced.graph)[2:] == [
        'more = getattr(self, "more") -> (Module)',
        "more_out = more(fc_out, )",
        'scale = getattr(self, "scale") -> (Tensor)',
        "mul_out = more_out.__mul__(scale, )",
    ]
    same(traced(randn(4, 3)), traced(randn(4, 3)))
    assert len(list(traced.parameters())) == 7


def test_random_numbers_are_drawn_anew():
    net = module(lambda self, x: F.dropout(x, 0.5) + nm.random.normal(0, 1, x.shape))
    traced = tm.trace_module(net, F.ones((50,)))
    nm.random.seed(3)
    first, second = traced(F.ones((50,))), traced(F.ones((50,)))
    nm.random.seed(3)
    same(first, net(F.ones((50,))))
    same(second, net(F.ones((50,))))


def test_shuffling_is_done_again():
    def forward(self, x):
        x = x * 1
        nm.random.shuffle(x)
        return x

    net = module(forward)
    traced = tm.trace_module(net, F.arange(50))
    nm.random.seed(3)
    first = traced(F.arange(50))
    nm.random.seed(3)
    same(first, net(F.arange(50)))


@pytest.mark.parametrize(
    "draw", [partial(nm.random.RNG(3).normal, size=(3,)), partial(nm.random.normal, size=(3,)), partial(nm.random.permutation, 3)]
)
def test_random_numbers_that_would_be_the_same_in_each_call_are_refused(draw):
    with pytest.raises(TraceModuleError, match="Net draws random numbers by a method of an RNG"):
        tm.trace_module(module(lambda self, x: x + draw()), randn(3))


def test_changes_in_place_that_are_not_seen_are_refused():
    normalize = F.batch_norm
    net = module(lambda self, x: normalize(x, self.mean, self.var, training=True), mean=F.zeros((1, 2, 1, 1)), var=F.ones((1, 2, 1, 1)))
    with pytest.raises(TraceModuleError, match=r"Net changes a tensor of shape \(1, 2, 1, 1\) in place"):
        tm.trace_module(net, randn(2, 2, 3, 3))


def test_tracing_is_one_call():
    net = Mlp()
    tm.trace_module(net, randn(5, 3))
    once = Mlp()
    once.load_state_dict(Mlp().state_dict())
    for name, tensor in once.named_parameters():
        tensor.set_value(dict(net.named_parameters())[name])
    once(randn(5, 3))
    same(net.bn.running_mean, once.bn.running_mean)
    assert np.array_equal(nm.random.normal(size=(3,)).shape, (3,))


def test_training_a_traced_module_is_training_the_module():
    net = Mlp()
    twin = copy.deepcopy(net)
    traced = tm.trace_module(twin, randn(5, 3))
    net(randn(5, 3))
    for each in (net, traced):
        gm = autodiff.GradManager().attach(each.parameters())
        solver = optim.SGD(each.parameters(), lr=0.1, momentum=0.9)
        for step in range(3):
            with gm:
                gm.backward(F.loss.cross_entropy(each(randn(5, 3) + step), nm.Tensor([0, 1, 1, 0, 1])))
            solver.step().clear_grad()
    for name, array in net.state_dict().items():
        np.testing.assert_array_equal(array, traced.state_dict()[name])


def test_traced_modules_can_be_traced_by_jit_and_by_trace_module():
    net = Blocks()
    net.eval()
    traced = tm.trace_module(net, randn(2, 2, 2, 2))
    for capture in (False, True):
        fast = jit.trace(lambda x: traced(x), capture_as_const=capture)
        for _ in range(3):
            np.testing.assert_allclose(fast(randn(2, 2, 2, 2)).numpy(), net(randn(2, 2, 2, 2)).numpy(), rtol=1e-5)
    again = tm.trace_module(traced, randn(2, 2, 2, 2))
    assert body(again.graph) == body(traced.graph) and body(again.a.graph) == body(traced.a.graph)
    outer = tm.trace_module(module(lambda self, x: self.net(x) * 2, net=traced), randn(2, 2, 2, 2))
    same(outer(randn(3, 2, 2, 2)), net(randn(3, 2, 2, 2)) * 2)


def test_jit_sees_that_a_graph_was_changed():
    traced = tm.trace_module(Mlp(), randn(5, 3))
    traced.eval()
    graph = traced.graph
    fast = jit.trace(lambda x: traced(x))
    steps = [
        lambda: None,
        lambda: graph.replace_node({graph.outputs[0]: more}),
        lambda: more.expr.set_arg("other", 5),
        lambda: graph.reset_outputs([more]),
        lambda: traced.set_end_points(graph.get_function_by_type(F.relu).as_unique().outputs),
        traced.clear_end_points,
    ]
    with graph.insert_exprs():
        more = graph.outputs[0] * 2
    for step in steps:
        step()
        for _ in range(2):
            made, wanted = fast(randn(5, 3)), traced(randn(5, 3))
            for one, other in zip(made, wanted, strict=True):
                np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-5)
    traced.set_watch_points(graph.inputs[1])
    with pytest.raises(jit.TraceError, match="_changes"):
        fast(randn(5, 3))


def test_layers_of_the_library_are_one_call_each():
    def forward(self, x, index):
        out, (hidden, _) = self.lstm(x.reshape(1, -1, 2))
        return out, hidden, self.emb(index), self.stack[1][0](x), self.fc.weight * 2

    net = module(
        forward, lstm=M.LSTM(2, 3), emb=M.Embedding(3, 2), stack=M.Sequential(M.ReLU(), M.Sequential(M.Linear(2, 2))), fc=M.Linear(2, 2)
    )
    args = randn(4, 2), nm.Tensor([0, 1, 2], dtype="int32")
    traced = tm.trace_module(net, *args)
    assert [line for line in body(traced.graph) if "getattr" not in line][:4] == [
        "reshape_out = x.reshape(1, -1, 2, )",
        "(lstm_out, (lstm_out_1, lstm_out_2)) = lstm(reshape_out, None, )",
        "emb_out = emb(index, )",
        "stack_1_0_out = stack_1_0(x, )",
    ]
    for each in (traced, traced.flatten(), saved(traced)):
        for made, wanted in zip(each(*args), net(*args), strict=True):
            same(made, wanted)


def test_a_module_of_nobody_and_a_module_with_two_names():
    outside = M.Linear(2, 2)
    one = Mlp()
    net = module(lambda self, x: outside(self.first(x)) + self.second(x), first=one, second=one)
    net.eval()
    traced = tm.trace_module(net, randn(4, 3))
    assert traced.first is traced.second
    same(traced(-randn(4, 3)), net(-randn(4, 3)))
    assert list(traced.state_dict()) == list(net.state_dict())


def test_wrapped_functions_and_registered_modules_and_types(monkeypatch):
    monkeypatch.setattr(known, "FUNCTIONS", dict(known.FUNCTIONS))
    traced = tm.trace_module(module(lambda self, x: wrapped(x) + self.m(x), m=Registered()), randn(2))
    assert body(traced.graph)[0] == f"wrapped_out = {__name__}.wrapped(x, 2, )"
    assert body(traced.graph)[1:3] == ['m = getattr(self, "m") -> (Registered)', "m_out = m(x, 1, )"]
    same(saved(traced)(randn(2)), traced(randn(2)))
    with pytest.raises(TypeError, match="wrap: expected a function, got str"):
        tm.wrap("name")
    with pytest.raises(TypeError, match="register_as_builtin: expected a class of modules"):
        tm.register_as_builtin(Registered())
    with pytest.raises(TypeError, match="register_supported_type adds types"):
        tm.trace_module(module(lambda self, pair: pair.left), Unknown())
    with pytest.raises(AssertionError, match="Net returns something of type int"):
        tm.trace_module(module(lambda self, x: (x, 3)), randn(2))


@tm.wrap
def wrapped(x, k=2):
    return x * k + 1


class Registered(M.Module):
    def forward(self, x, k=1):
        return F.relu(x) * k


tm.register_as_builtin(Registered)


class Unknown:
    left = None


class Odd:
    pass


def test_functions_as_defaults_leave_the_parameters_behind_them():
    inner = module(lambda self, x, act=F.relu, scale=1.0: act(x) * scale)
    net = module(lambda self, x: self.inner(x, scale=3.0) + self.inner(x), inner=inner)
    traced = tm.trace_module(net, randn(4))
    same(traced(-randn(4)), net(-randn(4)))
    assert body(traced.graph)[1] == "inner_out = inner(x, scale=3.0)"
    for forward in (lambda self, x: self.inner(x, F.exp), lambda self, x: self.inner(x, act=F.exp, scale=3.0)):
        with pytest.raises(TypeError, match="cannot be functions, got exp"):
            tm.trace_module(module(forward, inner=inner), randn(4))


def test_dicts_may_be_filled_in_any_order():
    net = module(lambda self, given: {"z": given["a"] - given["b"], "y": given["a"]})
    a, b = randn(2), randn(3)[:2]
    traced = tm.trace_module(net, {"b": b, "a": a})
    assert body(traced.graph) == ["sub_out = given_0.__sub__(given_1, )"] and str(traced.graph).endswith("return given_0, sub_out\n}")
    for each in (traced, saved(traced), traced.flatten()):
        made = each({"a": a, "b": b})
        assert list(made) == ["z", "y"]
        same(made["z"], a - b)
        same(each({"b": b, "a": a})["z"], a - b)
    mixed = tm.trace_module(module(lambda self, given: given["a"] - given[0]), {"a": a, 0: b})
    same(mixed({"a": a, 0: b}), a - b)
    with pytest.raises(AssertionError, match="was made for"):
        mixed({0: b, "a": a})


# What no graph can say


def test_a_module_that_calls_itself_is_refused():
    net = module(lambda self, x: x if x.shape[0] == 1 else self(x[:-1]))
    with pytest.raises(TraceModuleError, match="Net calls itself"):
        tm.trace_module(net, randn(3))
    with pytest.raises(TraceModuleError, match="Net calls itself"):
        tm.trace_module(module(lambda self, x: self.net(x), net=net), randn(3))


@pytest.mark.parametrize("last", range(5))
def test_a_call_that_fails_leaves_nothing_out(last):
    made = []

    def make(parts, context):
        made.append(context)
        if len(made) == last:
            raise KeyError("no parts")
        return Odd()

    tm.register_supported_type(Odd, lambda odd: ([], None), make)

    def forward(self, x):
        with contextlib.suppress(KeyError):
            self.inner(x, Odd())
        return F.relu(x)

    assert body(graph_of(forward, randn(2), inner=module(lambda self, x, odd: x)))[-1] == "relu_out = nn.relu(x, )"


def test_what_depends_on_more_is_refused():
    class Counting(M.Module):
        calls = 0

        def forward(self, x):
            Counting.calls += 1
            self.calls += 1
            return x * float(np.random.rand())

    assert body(tm.trace_module(Counting(), randn(2)).graph)[0].startswith("mul_out = x.__mul__(")  # a number is a constant

    class Hidden(M.Module):
        def forward(self, x):
            return x + state[0]

    state = [None]

    def outer(self, x):
        state[0] = x * 2
        return self.inner(x)

    with pytest.raises(TraceModuleError, match="Hidden uses a tensor of shape \\(2,\\) that another module computed"):
        tm.trace_module(module(outer, inner=Hidden()), randn(2))
    with pytest.raises(TypeError, match="trace_module: expected a module, got function"):
        tm.trace_module(outer, randn(2))


def test_a_graph_that_does_something_else_is_refused(monkeypatch):
    class Growing(M.Module):
        def forward(self, x):
            return self.inner(x) + self.inner(x)

    class Inner(M.Module):
        calls = 0

        def forward(self, x):
            self.calls += 1
            return x * self.calls

    net = Growing()
    net.inner = Inner()
    with pytest.raises(AssertionError, match="depends on something else"):
        tm.trace_module(net, randn(2))
    monkeypatch.setattr(checking, "_result", True)
    tm.disable_default_checker()
    tm.trace_module(net, randn(2))
    monkeypatch.setattr(checking, "each_expr", False)
    tm.enable_expr_checker()
    tm.trace_module(Blocks(), randn(2, 2, 2, 2))


def test_what_forward_reads_is_said_to_be_constant(caplog):
    def forward(self, x):
        return x * (x.sum().item() + self.w.item()) if self.w > 0 else x

    with caplog.at_level(logging.WARNING):
        graph_of(forward, randn(2), w=nm.Parameter([1.0]))
    assert [record.getMessage().partition(";")[0] for record in caplog.records] == [
        "trace_module: forward of Net reads the elements of a tensor of shape (1,)",
        "trace_module: forward of Net reads the elements of a tensor of shape ()",
        "trace_module: forward of Net reads the elements of a tensor of shape (1,)",
    ]


def test_what_forward_sets_is_said_to_be_lost(caplog):
    def forward(self, x):
        self.last = x * 2
        return self.last + 1

    with caplog.at_level(logging.WARNING):
        assert body(graph_of(forward, randn(2))) == ["mul_out = x.__mul__(2, )", "add_out = mul_out.__add__(1, )"]
    assert "forward sets last of Net" in caplog.text


def test_nothing_stays_in_place_of_anything():
    names = ["__call__", "__getattribute__"]
    before = [vars(M.Module).get(name) for name in names], dict(vars(nm.Tensor)), dict(vars(F)), op.apply, relu
    for forward in (lambda self, x: F.relu(x), lambda self, x: 1 / 0):
        with contextlib.suppress(ZeroDivisionError):
            tm.trace_module(module(forward), randn(2))
        assert ([vars(M.Module).get(name) for name in names], dict(vars(nm.Tensor)), dict(vars(F)), op.apply, relu) == before


def test_nothing_stays_if_it_could_not_all_be_put_in_place():
    class Fixed(type(M.Module)):
        def __setattr__(cls, name, value):
            if name == "__init__":
                raise TypeError("fixed")
            super().__setattr__(name, value)

    class Odd(M.Module, metaclass=Fixed):
        def __init__(self):
            super().__init__()

        def forward(self, x):
            return x

    before = dict(vars(nm.Tensor)), dict(vars(M.Module)), op.apply, F.relu
    with pytest.raises(TypeError, match="fixed"):
        tm.trace_module(Mlp(), randn(4, 3))
    assert (dict(vars(nm.Tensor)), dict(vars(M.Module)), op.apply, F.relu) == before
    del Odd
    gc.collect()
    tm.trace_module(Mlp(), randn(4, 3))


def test_functions_that_forward_keeps_are_the_functions_themselves():
    def forward(self, x):
        self.act = F.relu
        return self.act(x)

    net = module(lambda self, x: self.inner(x), inner=module(forward))
    assert body(tm.trace_module(net, randn(2)).inner.graph) == ["relu_out = nn.relu(x, )"]
    assert net.inner.act is F.relu


def test_modules_that_are_loaded_meanwhile_get_the_functions_themselves(tmp_path, monkeypatch):
    (tmp_path / "loaded_meanwhile.py").write_text("from numod.functional import relu as act")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "loaded_meanwhile", raising=False)

    def forward(self, x):
        return importlib.import_module("loaded_meanwhile").act(x)

    assert body(graph_of(forward, randn(2))) == ["relu_out = nn.relu(x, )"]
    assert sys.modules["loaded_meanwhile"].act is F.relu


def test_long_graphs_are_copied():
    def forward(self, x):
        for _ in range(600):
            x = x + 1
        return x

    traced = tm.trace_module(module(forward), randn(2))
    trusted = io.BytesIO()
    nm.save(traced, trusted, trust=True)
    trusted.seek(0)
    for each in (copy.deepcopy(traced), traced.flatten(), saved(traced), nm.load(trusted, trust=True)):
        same(each(randn(2)), traced(randn(2)))
    assert body(tm.optimize(traced, ["FuseAddMul"]).graph) == ["add_out = x.__add__(600, )"]


def test_other_threads_are_not_seen():
    def forward(self, x):
        thread = threading.Thread(target=lambda: F.exp(x))
        thread.start()
        thread.join()
        return F.relu(x)

    assert body(graph_of(forward, randn(2))) == ["relu_out = nn.relu(x, )"]


# Changing


def test_calls_are_inserted():
    net = Mlp()
    net.eval()
    traced = tm.trace_module(net, randn(4, 3))
    graph = traced.graph
    call = graph.get_function_by_type(F.relu).as_unique()
    traced.extra, traced.block = M.Linear(4, 4), module(lambda self, x, y=2: self.fc(F.exp(x)) * y, fc=M.Linear(4, 4))
    with graph.insert_exprs():
        made = F.sigmoid(call.inputs[0]) + call.inputs[0].reshape(-1, 4) * 2
        made = graph.inputs[0].block(traced.extra(made))
        a, b = F.split(made, 2, axis=1)
        made = F.concat([b, a], 1)
        assert made.shape == (4, 4)
    graph.replace_node({call.inputs[0]: made})
    graph.compile()
    assert body(graph)[5:13] == [
        "sigmoid_out = nn.sigmoid(bn_out, )",
        "reshape_out = bn_out.reshape(-1, 4, )",
        "mul_out = reshape_out.__mul__(2, )",
        "add_out = sigmoid_out.__add__(mul_out, )",
        'block = getattr(self, "block") -> (Module)',
        'extra = getattr(self, "extra") -> (Linear)',
        "extra_out = extra(add_out, )",
        "block_out = block(extra_out, 2, )",
    ]
    x = randn(4, 3)
    y = net.bn(net.hidden(x))
    y = traced.block.fc(F.exp(traced.extra(F.sigmoid(y) + y * 2))) * 2
    wanted = net.out(F.relu(F.concat([y[:, 2:], y[:, :2]], 1)))
    same(traced(x), wanted)
    same(saved(traced)(x), wanted)
    inner = traced.block.graph
    with inner.insert_exprs(inner.get_function_by_type(F.exp).as_unique()):
        more = inner.get_function_by_type(F.exp).as_unique().outputs[0] + 1
    inner.replace_node({more.expr.inputs[0]: more})
    assert body(inner)[1:4] == ["exp_out = elemwise.exp(x, )", "add_out = exp_out.__add__(1, )", "fc_out = fc(add_out, )"]


def test_wrong_changes_are_refused():
    traced = tm.trace_module(Blocks(), randn(2, 2, 2, 2))
    graph, inner = traced.graph, traced.a.graph
    before = str(graph)
    with pytest.raises(ZeroDivisionError), graph.insert_exprs():
        F.relu(graph.outputs[0]) * (1 / 0)
    with pytest.raises(GraphError, match="calls are being added to Blocks"), graph.insert_exprs():
        F.relu(inner.outputs[0])
    with pytest.raises(GraphError, match="comes behind"), graph.insert_exprs(graph.exprs(False).as_list()[1]):
        F.relu(graph.outputs[0])
    with pytest.raises(TypeError, match="is a node, not a value"):
        graph.outputs[0] + 1
    with pytest.raises(AssertionError, match="no node of this graph"):
        graph.replace_node({graph.outputs[0]: inner.outputs[0]})
    with pytest.raises(AssertionError, match="nodes of one kind"):
        graph.replace_node({graph.outputs[0]: graph.inputs[0]})
    with pytest.raises(AssertionError, match="inside of another graph"):
        inner.add_output_node(inner.outputs[0])
    with pytest.raises(AssertionError, match="inside of another graph"):
        inner.add_input_node((2,))
    with pytest.raises(AssertionError, match="expected nodes of tensors"):
        graph.reset_outputs(3)
    with pytest.raises(AssertionError, match=r"eval: Blocks has the inputs \[x\], got 2"):
        graph.eval(randn(2), randn(2))
    with pytest.raises(ValueError, match="in use"):
        graph.outputs[0].name = "mean_out"
    assert str(graph) == before
    call = graph.get_method_by_type("mean").as_unique()
    call.set_arg("axis", 2)
    call.set_args_kwargs(*call.args, **call.kwargs)
    assert repr(call).endswith("mean(2, False, )") and call.named_args["keepdims"] is False
    traced.set_end_points(call.outputs)
    traced.eval()
    first = traced(randn(2, 2, 2, 2))[0]
    call.set_arg("axis", 1)
    assert not np.array_equal(first.numpy(), traced(randn(2, 2, 2, 2))[0].numpy())
    with pytest.raises(KeyError, match="no parameter 'foo'"):
        call.set_arg("foo", 1)
    graph.outputs[0].name = "result"
    assert str(graph).endswith("return result\n}")


def test_inputs_and_outputs_are_added():
    net = Mlp()
    net.eval()
    traced = tm.trace_module(net, randn(4, 3))
    graph = traced.graph
    x, y = randn(4, 3), randn(4, 4)
    hidden = graph.get_module_by_type(M.Linear).as_list()[1].users[0].outputs[0]
    node = graph.add_input_node((4, 4), name="x")
    assert (repr(node), node.shape, traced.graph.inputs[2]) == ("x_1", (4, 4), node)
    with pytest.raises(AssertionError, match=r"made for forward\(Module, Tensor, Tensor\), got forward\(Module, Tensor, None\)"):
        traced(x, None)
    with pytest.raises(TypeError):
        traced(x)
    with graph.insert_exprs():
        total = hidden + node
    graph.add_output_node(total)
    first, second = traced(x, y)
    same(first, net(x))
    same(second, net.hidden(x) + y)
    assert [each.shape for each in graph.eval(x, y)] == [(4, 2), (4, 4)]
    graph.reset_outputs({"sum": total, "in": [node]})
    graph.compile()
    assert body(graph)[-1] == "add_out = hidden_out.__add__(x_1, )" and len(body(graph)) == 3
    same(saved(traced)(x, y)["sum"], second)


def test_values_are_watched_and_calls_end_early():
    traced = tm.trace_module(Blocks(), randn(2, 2, 2, 2))
    traced.eval()
    inner, mean = traced.a.graph.outputs[0], traced.graph.get_method_by_type("mean").as_unique().outputs[0]
    traced.set_watch_points([inner, mean, traced.graph.inputs[1]])
    x = randn(2, 2, 2, 2)
    whole = traced(x)
    assert list(traced.watch_node_value) == [traced.graph.inputs[1], inner, mean]
    same(traced.watch_node_value[inner], traced.a(x))
    assert not any(name.startswith("watch") for name in traced.state_dict())
    traced.clear_watch_points()
    assert traced.watch_node_value == {} and traced.watch_points == []
    traced.set_end_points([mean, inner])
    made = traced(x)
    assert [each.shape for each in made] == [mean.shape, inner.shape]
    same(made[1], traced.a(x))
    traced.clear_end_points()
    same(traced(x), whole)


# Making smaller


def folded(forward, passes, *args, **layers):
    net = module(forward, **layers)
    for layer in net.modules():
        if isinstance(layer, M.BatchNorm2d):
            layer.running_mean.set_value(randn(*layer.running_mean.shape))
            layer.running_var.set_value(abs(randn(*layer.running_var.shape)) + 0.5)
        if isinstance(layer, M.Conv2d):
            layer.bias.set_value(randn(*layer.bias.shape))
    net.eval()
    x = args or (randn(2, 2, 4, 4),)
    traced = tm.trace_module(net, *x)
    before = str(traced.graph)
    made = tm.optimize(traced, passes)
    assert str(traced.graph) == before
    np.testing.assert_allclose(made(*x).numpy(), net(*x).numpy(), rtol=1e-4, atol=1e-5)
    return [line for line in body(made.graph) if "getattr" not in line]


def conv():
    return M.Conv2d(2, 2, 1)


def norm():
    return M.BatchNorm2d(2)


def test_batch_normalization_becomes_part_of_convolutions():
    once, twice = ["c_out = c(x, )"], ["c_out = c(x, )", "c_1_out = c_1(c_out, )"]
    assert folded(lambda self, x: self.b(self.c(x)), ["FuseConvBn"], c=conv(), b=norm()) == once
    assert folded(lambda self, x: self.b(self.c(self.c(x))), "FuseConvBn", c=conv(), b=norm()) == twice
    kept = ["c_out = c(x, )", "b_out = b(c_out, )", "add_out = b_out.__add__(c_out, )"]

    def both(self, x):
        y = self.c(x)
        return self.b(y) + y

    assert folded(both, ["FuseConvBn"], c=conv(), b=norm()) == kept
    net = Blocks()
    net.eval()
    made = tm.optimize(tm.trace_module(net, randn(2, 2, 2, 2)))
    assert made.graph.get_module_by_type(M.BatchNorm2d).as_count() == 0
    np.testing.assert_allclose(made(randn(2, 2, 2, 2)).numpy(), net(randn(2, 2, 2, 2)).numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("forward", "left"),
    [
        (lambda self, x: x * 2 * 3 + 1 + 2, ["mul_out = x.__mul__(6, )", "add_out = mul_out.__add__(3, )"]),
        (
            lambda self, x: (x + 1) * 2 + 3,
            ["add_out = x.__add__(1, )", "mul_out = add_out.__mul__(2, )", "add_out_1 = mul_out.__add__(3, )"],
        ),
        (lambda self, x: (x - 1) - 2 + 3, []),
        (lambda self, x: x / 2 / 4, ["mul_out = x.__mul__(0.125, )"]),
        (lambda self, x: F.mul(F.mul(x, 2), 3), ["mul_out = elemwise.mul(x, 6, )"]),
        (lambda self, x: 2 - x + 1, ["rsub_out = x.__rsub__(2, )", "add_out = rsub_out.__add__(1, )"]),
        (lambda self, x: x * 2 * nm.Tensor([3.0]), ["const_tensor = Constant() -> (Tensor)", "mul_out = x.__mul__(const_tensor, )"]),
        (
            lambda self, x: (lambda y: y * 3 + y)(x * 2),
            ["mul_out = x.__mul__(2, )", "mul_out_1 = mul_out.__mul__(3, )", "add_out = mul_out_1.__add__(mul_out, )"],
        ),
    ],
)
def test_constants_become_one(forward, left):
    made = folded(forward, ["FuseAddMul"])
    assert made == left


def test_constants_stay_apart_if_something_is_changed_in_place():
    def added(self, x):
        y = x * 1
        y += 5
        return x + y

    def between(self, x):
        y = x * 2
        x += 1
        return y * 3 + x

    for forward in (added, between):
        net = module(forward)
        x, y, z = randn(2, 3), randn(2, 3), randn(2, 3)
        made = tm.optimize(tm.trace_module(net, x), "FuseAddMul")
        same(made(y), net(z))
        same(y, z)


def test_what_else_reads_a_weight_gets_the_old_one():
    for passes in ("FuseConvBn", "BackwardFoldScale"):
        folded(lambda self, x: self.b(self.c(x)) * 2 + self.c.weight.sum(), passes, c=conv(), b=norm())


def test_normalization_along_another_axis_than_that_of_linear_stays():
    net, x = M.Sequential(M.Linear(5, 4), M.BatchNorm1d(4)), randn(3, 4, 5)
    net[1].running_mean.set_value(randn(1, 4, 1).reshape(net[1].running_mean.shape))
    net.eval()
    same(tm.optimize(tm.trace_module(net, x))(x), net(x))


def test_integers_are_left_alone():
    x = nm.Tensor([1, 2], dtype="int32")
    assert folded(lambda self, x: x // 1 + 1 + 2, ["FuseAddMul"], x)[-2:] == [
        "add_out = floordiv_out.__add__(1, )",
        "add_out_1 = add_out.__add__(2, )",
    ]


@pytest.mark.parametrize(
    ("forward", "scaled"),
    [
        (lambda self, x: F.relu(self.c(x)) * 2, True),
        (lambda self, x: F.relu(self.c(x)) * -2, False),
        (lambda self, x: F.avg_pool2d(self.b(self.c(x)), 2) * -2, True),
        (lambda self, x: F.max_pool2d(self.c(x), 2).reshape(2, -1) / 4, True),
        (lambda self, x: 3 * (self.c(x) + self.d(x)), True),
        (lambda self, x: F.concat([self.c(x), self.d(x)], 1) * 2 * 3, True),
        (lambda self, x: (self.c(x) + 1) * 2, True),
        (lambda self, x: self.c(self.c(x)) * 2, True),
        (lambda self, x: F.exp(self.c(x)) * 2, False),
        (lambda self, x: self.c(x) * nm.Tensor([[[[1.0]], [[2.0]]]]), False),
        (lambda self, x: (self.c(x) + x) * 2, False),
        (lambda self, x: (self.c(x) + np.float32(1)) * 2, False),
        (lambda self, x: (self.c(x) + True) * 2, False),
        (lambda self, x: (self.c(x) + np.ones((2, 1, 1), "float32")) * 2, False),
        (lambda self, x: (lambda y: F.relu(y) * 2 + y)(self.c(x)), False),
    ],
)
def test_scales_go_back_into_weights(forward, scaled):
    made = folded(forward, ["BackwardFoldScale"], c=conv(), d=conv(), b=norm())
    assert any("mul" in line or "truediv" in line for line in made) is not scaled


def test_unknown_passes_are_refused():
    traced = tm.trace_module(Mlp(), randn(4, 3))
    with pytest.raises(ValueError, match=r"unknown passes \['Foo'\], known are \['FuseConvBn', 'FuseAddMul', 'BackwardFoldScale'\]"):
        tm.optimize(traced, ["Foo"])
    with pytest.raises(TypeError, match="expected a TracedModule, got Mlp"):
        tm.optimize(Mlp())


# Quantizing


class Small(M.Module):
    def __init__(self):
        super().__init__()
        self.quant, self.conv, self.add, self.dequant = M.QuantStub(), M.ConvBnRelu2d(2, 3, 3), M.Elemwise("add"), M.DequantStub()

    def forward(self, x):
        x = self.conv(self.quant(x))
        return F.flatten(self.dequant(self.add(x, x)), 1)


def test_quantized_as_the_module():
    net, x = Small(), randn(2, 2, 5, 5)
    traced = tm.trace_module(copy.deepcopy(net), x)
    net(x)  # statistics, as tracing has them
    results = []
    for each in (net, traced):
        simulated = Q.quantize_qat(each)
        assert simulated is each
        simulated(x)
        simulated.eval()
        Q.disable_observer(simulated)
        rounded = simulated(x)
        integers = Q.quantize(simulated)
        integers.eval()
        results.append((rounded, integers(x)))
    same(results[0][0], results[1][0])
    same(results[0][1], results[1][1])
    assert "quant_out = quant(x, )" in body(traced.graph) and repr(traced.conv).startswith("Quantized.ConvBnRelu2d")
    same(saved(traced)(x), results[0][1])
    again = tm.trace_module(Q.quantize_qat(Small()), x)
    assert body(again.graph)[3] == "conv_out = conv(quant_out, )"
    assert saved(again).conv.act_observer.dtype == again.conv.act_observer.dtype


# Saving


def test_saved_modules_are_what_they_were():
    net = Blocks()
    net.again = net.scale
    traced = tm.trace_module(net, randn(2, 2, 2, 2))
    with traced.graph.insert_exprs():
        _ = traced.graph.outputs[0] * 3
        last = traced.graph.outputs[0] * 2
    traced.graph.replace_node({traced.graph.outputs[0]: last})
    traced.graph.compile()
    found = saved({"net": traced, "epoch": 3})["net"]
    assert str(found.graph) == str(traced.graph) and str(found.a.graph) == str(traced.a.graph)
    assert repr(found) == repr(traced) and list(found.state_dict()) == list(traced.state_dict())
    assert found.again is found.scale and isinstance(found.scale, nm.Parameter)
    traced.eval()
    found.eval()
    same(found(randn(3, 2, 2, 2)), traced(randn(3, 2, 2, 2)))
    assert [node.id for node in found.graph.nodes()] == [node.id for node in traced.graph.nodes()]
    with found.graph.insert_exprs():
        more = found.graph.outputs[0] * 2
    assert more.id == max(node.id for node in traced.graph.nodes()) + 1
    same(copy.deepcopy(traced)(randn(3, 2, 2, 2)), traced(randn(3, 2, 2, 2)))


def test_dtypes_are_saved_however_they_are_written():
    net = module(lambda self, x: (x.astype(np.int32), x.astype(np.dtype("float16")), F.zeros((2,), dtype="int8")))
    traced = tm.trace_module(net, randn(2))
    for made, wanted in zip(saved(traced)(randn(2) * 9), net(randn(2) * 9), strict=True):
        same(made, wanted)


def test_groups_of_all_ranks_are_saved():
    net = M.Sequential(M.SyncBatchNorm(2))
    found = saved(tm.trace_module(net, randn(2, 2, 3, 3)))
    same(found(randn(2, 2, 3, 3)), net(randn(2, 2, 3, 3)))
    assert vars(found)["0"].group is net[0].group


def test_no_code_of_the_model_is_needed(tmp_path):
    path = tmp_path / "net.nm"
    net = Blocks()
    net.eval()
    traced = tm.trace_module(net, randn(2, 2, 2, 2))
    nm.save(traced, path)
    code = f"import numod as nm, numpy as np; print(nm.load({str(path)!r})(nm.Tensor(np.ones((2, 2, 2, 2), 'float32'))).tolist())"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(nm.__file__).parent.parent)
    assert out.stdout.strip() == str(traced(F.ones((2, 2, 2, 2))).tolist())
    trusted = io.BytesIO()
    nm.save(traced, trusted, trust=True)
    trusted.seek(0)
    same(nm.load(trusted, trust=True)(F.ones((2, 2, 2, 2))), traced(F.ones((2, 2, 2, 2))))


def test_what_cannot_be_saved_is_refused():
    traced = tm.trace_module(Mlp(), randn(4, 3))
    traced.extra = Blocks()
    with pytest.raises(TypeError, match="a Blocks in it, which is neither traced nor a layer of numod"):
        saved(traced)
    del traced.extra
    handle = traced.hidden.register_forward_hook(lambda *args: None)
    with pytest.raises(TypeError, match="Linear in a TracedModule has hooks"):
        saved(traced)
    handle.remove()
    traced.thing = Unknown()
    with pytest.raises(TypeError, match="a TracedModule has a Unknown in it"):
        saved(traced)


def changed(content, edit):
    """Load the plain data of a traced module after a change."""
    from numod.traced_module.saving import from_plain, to_plain

    plain = to_plain(content)
    edit(plain)
    return from_plain(plain)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda plain: plain.update(version=9), "version 9"),
        (lambda plain: plain["modules"][1].update({"class": "os.system"}), "class 'os.system' is not known"),
        (lambda plain: plain["modules"][1].update({"class": "numod.module.module.Module"}), "abstract"),
        (
            lambda plain: plain["modules"][1]["attributes"].append(["forward", ["function", "os.system"]]),
            "function 'os.system' is not known",
        ),
        (lambda plain: plain["modules"][1]["attributes"].append(["x", ["eval", "1"]]), "kind 'eval'"),
        (lambda plain: exprs(plain)[-1].__setitem__(1, "__class__"), "'method', '__class__'"),
        (lambda plain: exprs(plain)[-1].__setitem__(4, ["tuple", ["node", 99]]), "out of range"),
        (lambda plain: exprs(plain)[-1].__setitem__(4, 3), "int in the place of a tuple"),
        (lambda plain: plain["modules"].clear(), "out of range"),
    ],
)
def test_wrong_files_are_refused(edit, message):
    with pytest.raises((ValueError, IndexError), match=message):
        changed(tm.trace_module(Mlp(), randn(4, 3)), edit)


def exprs(plain):
    return plain["modules"][0]["traced"]["graphs"][0]["exprs"]


def test_names_in_files_reach_attributes_only():
    traced = tm.trace_module(Mlp(), randn(4, 3))
    for name in ("forward", "__class__", "hidden.forward.__globals__", "graph"):
        traced.graph.exprs(False).as_list()[2].name = name
        with pytest.raises(GraphError, match="there is no"):
            traced(randn(4, 3))


def test_damaged_files_are_damaged():
    file = io.BytesIO()
    nm.save(tm.trace_module(Mlp(), randn(4, 3)), file)
    with pytest.raises(FileFormatError):
        nm.load(io.BytesIO(file.getvalue()[:-5]))


def test_programs_and_gradients_of_ones_own(caplog):
    @jit.trace
    def fast(x):
        return F.exp(x) * 2

    class Half(autodiff.Function):
        def forward(self, x):
            return F.relu(x) / 2

        def backward(self, dy):
            return dy

    fast(randn(3))
    fast(randn(3))
    half = Half()
    assert body(graph_of(lambda self, x: fast(x), randn(3))) == ["exp_out = elemwise.exp(x, )", "mul_out = exp_out.__mul__(2, )"]
    with caplog.at_level(logging.WARNING):
        net = module(lambda self, x: half(x) + 1)
        traced = tm.trace_module(net, randn(3))
    same(traced(-randn(3)), net(-randn(3)))
    assert "what Half.forward does, and not its backward" in caplog.text
    dumped = jit.trace(lambda x: x * 2, capture_as_const=True)
    dumped(randn(3))
    file = io.BytesIO()
    dumped.dump(file)
    file.seek(0)
    program = jit.load(file)
    with pytest.raises(TraceModuleError, match="loaded from a file"):
        tm.trace_module(module(lambda self, x: program(x)), randn(3))
    with pytest.raises(TraceModuleError, match="already"):
        tm.trace_module(module(lambda self, x: tm.trace_module(Mlp(), x)(x)), randn(4, 3))
