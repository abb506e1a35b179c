"""The passes over a traced program: each does its work, can be switched off, and changes no bit of a result."""

import numpy as np
import pytest

import numod as nm
import numod.functional as F
from numod.autodiff import GradManager
from numod.jit import GraphOptimizationConfig, trace
from numod.jit.passes import PASSES, epilogues
from numod.kernel.workspace import MemoryPlan

X = np.random.default_rng(0).standard_normal((40, 50)).astype(np.float32)


def names(function, *arrays, **switches):
    """The ops of the program of a function, which is checked to give what the function does."""
    config = GraphOptimizationConfig()
    for name in PASSES:
        setattr(config, name, switches.get(name, False))
    call = trace(function, graph_opt_config=config)
    for _ in range(3):
        tensors = [nm.Tensor(x) for x in arrays]
        made, expected = call(*tensors), function(*tensors)
        for out, want in zip(*(each if isinstance(each, tuple) else (each,) for each in (made, expected)), strict=True):
            assert out.dtype == want.dtype
            assert out.numpy().tobytes() == want.numpy().tobytes()
    return [each.name for each in call.graph.calls]


def test_what_nobody_uses_is_not_computed():
    def wasteful(x):
        F.exp(x)
        return F.sin(x)

    assert names(wasteful, X, dead_code=True) == ["sin"]


@pytest.mark.parametrize("wrong", ["index", "matrix"])
def test_what_refuses_its_values_does_so_though_nobody_uses_it(wrong):
    def careful(x, index):
        F.matinv(x)
        F.gather(x, 1, index)
        return F.sin(x)

    matrix, index = np.array([[2.0, 1.0], [1.0, 2.0]], np.float32), np.zeros((2, 1), np.int32)
    call = trace(careful)
    call(nm.Tensor(matrix), nm.Tensor(index))
    if wrong == "index":
        index = index + 2
    else:
        matrix = np.ones_like(matrix)
    with pytest.raises((IndexError, ValueError)) as expected:
        careful(nm.Tensor(matrix), nm.Tensor(index))
    with pytest.raises(type(expected.value)):
        call(nm.Tensor(matrix), nm.Tensor(index))


def test_constants_are_computed_once():
    table = np.arange(6, dtype=np.float32)
    function = lambda x: x + F.exp(nm.Tensor(table)).sum()
    assert names(function, X) == ["exp", "sum", "add"]
    assert names(function, X, constants=True) == ["add"]


def test_common_parts_are_computed_once():
    function = lambda x: F.exp(x) * F.sin(F.exp(x)) + F.exp(x.reshape(50, 40)).reshape(40, 50)
    assert names(function, X).count("exp") == 3
    assert sorted(names(function, X, common=True)) == ["add", "exp", "exp", "mul", "sin"]
    assert names(lambda x: F.sum(x, 0) + F.sum(x, 1)[0], X, common=True).count("sum") == 2  # other attributes


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x * 1,
        lambda x: 1.0 * x,
        lambda x: x / 1,
        lambda x: x - 0,
        lambda x: x**1,
        lambda x: F.neg(F.neg(x)),
        lambda x: F.relu(F.relu(x)),
        lambda x: F.floor(F.floor(x)),
        lambda x: F.transpose(F.transpose(x, (1, 0)).reshape(50, 40), (1, 0)).reshape(40, 50) * 1,
    ],
)
def test_what_changes_nothing_is_not_done(function):
    before = names(lambda x: F.sin(function(F.exp(x))), X)
    after = names(lambda x: F.sin(function(F.exp(x))), X, algebra=True)
    assert len(after) < len(before)


@pytest.mark.parametrize(
    "function", [lambda x: x + 0.0, lambda x: x * 2, lambda x: 1 / x, lambda x: 0 - x, lambda x: x * nm.Tensor([[1.0]] * 40)]
)
def test_what_changes_something_stays(function):
    """``-0.0 + 0.0`` is ``0.0``."""
    special = np.array([[0.0, -0.0, np.nan, np.inf]] * 40, np.float32)
    assert len(names(lambda x: F.sin(function(F.sin(x))), special, algebra=True)) == 3


def test_elementwise_calls_share_a_loop():
    function = lambda x, row: F.relu(x * 2 + row) / (1 + F.exp(x))
    row = X[0]
    assert len(names(function, X, row)) == 6
    assert len(names(function, X, row, fusion=True)) == 1


def test_a_loop_writes_what_others_read():
    def both(x):
        y = F.exp(x)
        z = y * 2
        return y.sum(), F.sqrt(z), z

    assert len(names(both, X, fusion=True)) == 2


def test_loops_are_not_closed_over_a_reduction():
    """A sum of what the loop makes is read by what follows: that cannot be in the same loop."""
    function = lambda x: F.exp(x) / F.exp(x).sum(1, keepdims=True) * 2
    found = names(function, X, fusion=True, common=True)
    assert found == ["exp", "sum", "div+mul"]


def test_other_places_are_not_read_in_a_loop():
    function = lambda x: F.exp(x) + F.sin(F.exp(x)[::-1]) + F.transpose(F.exp(x).reshape(50, 40), (1, 0))
    assert "exp+" not in names(function, X, fusion=True, common=True)[0]


def test_dtypes_are_rounded_within_a_loop():
    function = lambda x: ((x * 100).astype("int8") * 3).astype("float32") / 7 + (x > 0).astype("int32")
    assert len(names(function, X, fusion=True)) == 1


WIDE = np.random.default_rng(1).standard_normal((300, 400)).astype(np.float32)
IMAGES = WIDE.reshape(30, 4, 50, 20)


@pytest.mark.parametrize(
    ("function", "array", "expected"),
    [
        (lambda x: F.softmax(x * 2 + x[0], 1), WIDE, ["mul+add > softmax"]),
        (lambda x: F.relu(F.softmax(x * 2, 1) - 0.01), WIDE, ["mul > softmax > sub+relu"]),
        (lambda x: F.sum(F.exp(x), 1), WIDE, ["exp > sum"]),
        (lambda x: F.max_pool2d(F.relu(x), 2), IMAGES, ["relu > max_pool2d"]),
        (lambda x: F.softmax(x * 2, 0), WIDE, ["mul", "softmax"]),  # rows that lie across
        (lambda x: F.sum(F.softmax(x, 1)), X, ["softmax > sum"]),
        (lambda x: F.sum(F.softmax(x, 1)), WIDE, ["softmax", "sum"]),  # which threads share
        (lambda x: F.softmax(F.transpose(F.exp(x), (1, 0)), 1), WIDE, ["exp", "softmax"]),
        (lambda x: F.exp(x) - F.sum(F.exp(x), 1, keepdims=True), WIDE, ["exp > sum", "sub"]),  # which waits for the sums of whole rows
    ],
)
def test_calls_on_the_same_rows_go_block_by_block(function, array, expected):
    assert names(function, array, fusion=True, common=True, blocking=True) == expected


def test_blocks_leave_what_others_read():
    def both(x):
        y = F.exp(x)
        return F.softmax(y, 1), y

    assert names(both, WIDE, blocking=True) == ["exp > softmax"]


def product(x, w, b, stride, groups):
    return F.linear(x, w, b) if x.ndim == 2 else F.conv2d(x, w, b, stride, 1, groups=groups)


@pytest.mark.parametrize(
    ("x", "w", "stride", "groups"),
    [
        ((5, 30), (200, 30), 1, 1),  # dot products
        ((7, 300), (257, 300), 1, 1),
        ((70, 20), (65, 20), 1, 1),  # in one block, and
        ((300, 300), (300, 300), 1, 1),  # in several
        ((3, 4, 20, 30), (11, 4, 3, 3), 1, 1),
        ((3, 4, 40, 30), (11, 4, 3, 3), 2, 1),
        ((17, 4, 12, 9), (10, 4, 3, 3), 1, 1),  # vectors of images
        ((2, 64, 14, 14), (70, 64, 3, 3), 1, 1),  # Winograd's
        ((2, 64, 14, 14), (70, 64, 2, 3), 1, 1),  # columns
        ((1, 32, 20, 20), (48, 32, 1, 1), 1, 1),
        ((2, 6, 15, 15), (3, 4, 2, 3, 3), 1, 3),
        ((2, 40, 15, 15), (40, 1, 1, 3, 3), 1, 40),  # planes, and
        ((1, 3, 120, 120), (3, 1, 1, 3, 3), 2, 3),  # strips of them
    ],
)
@pytest.mark.parametrize("bias", [False, True])
def test_loops_end_products_and_convolutions(x, w, stride, groups, bias, monkeypatch):
    """However a product is cut into blocks, the loop behind it sees each element once it is there."""
    monkeypatch.setattr(epilogues, "ROW", 1)  # narrow vectors make short rows
    random = np.random.default_rng(0)
    outputs = w[0] if groups == 1 else w[0] * w[1]
    row = (outputs,) if len(x) == 2 else (1, outputs, 1, 1)
    arrays = [random.standard_normal(shape).astype(np.float32) for shape in (x, w, row, row)]

    def function(x, w, b, r):
        y = product(x, w, b if bias else None, stride, groups)
        return F.relu(y * r + 0.5) * 2

    def kept(x, w, b, r):
        y = product(x, w, b if bias else None, stride, groups)
        return y, F.relu(y - r)

    def elsewhere(x, w, b, r):
        y = product(x, w, b if bias else None, stride, groups)
        return F.relu(y) + y[..., ::-1]

    def smaller(x, w, b, r):
        return product(x, w, b if bias else None, stride, groups) * r > 0.5

    def both(x, w, b, r):
        y = product(x, w, b if bias else None, stride, groups) * r
        return y > 0.5, F.relu(y)

    for each, count in ((function, 1), (kept, 1), (elsewhere, None), (smaller, 1), (both, 1)):
        made = names(each, *arrays, fusion=True, epilogues=True)
        assert count is None or len(made) == count


def test_what_a_product_is_followed_by():
    x, w = WIDE[:, :64], WIDE[:100, :64]
    assert names(lambda x, w: F.relu(F.linear(x, w)), x, w, epilogues=True) == ["matmul > relu"]
    assert names(lambda x, w: F.linear(x, w) + F.linear(w, x).transpose(1, 0), x, w, epilogues=True) == ["matmul", "matmul", "add"]
    assert names(lambda x: F.relu(F.conv2d(x, nm.Tensor(np.ones((8, 4, 3, 3), np.float32)))), IMAGES, epilogues=True) == ["conv > relu"]


@pytest.mark.parametrize("axis", [0, 1])
def test_slices_side_by_side_are_not_added_up(axis):
    def whole(x):
        first = F.sum(F.exp(x), axis, keepdims=True) * 0.0
        cut = [slice(None)] * axis
        out = F.zeros_like(x)
        manager = GradManager().attach([out])
        with manager:
            each = [out[(*cut, slice(i, i + 10))] for i in (10, 0, 20, 30)]
            manager.backward((F.sin(each[0]) * F.exp(each[1]) - each[2] * each[3]).sum() + first.sum())
        return out.grad

    square = X[:40, :40]
    made = names(whole, square, slices=True, dead_code=True)
    assert made.count("concat") == 1 and "unslice_axis" not in made
    assert names(whole, square, dead_code=True).count("unslice_axis") == 4


def test_products_side_by_side_need_no_zeros_added():
    def heads(x, w):
        manager = GradManager().attach([x])
        with manager:
            manager.backward((F.matmul(x[:30], w) * 1e-30).sum() - F.matmul(x[30:], w).sum())
        return x.grad

    w = X.T[:, :20].copy()
    w[:5], w[5:10] = 0.0, -1e-30  # products with -1 are -0.0, and those with 1e-30 too small for another number, but their sums are 0.0
    made = names(heads, X, w, slices=True, dead_code=True)
    assert made.count("matmul") == 2 and made[-1] == "concat" and "add" not in made
    assert "add" in names(heads, X.astype(np.float16), w.astype(np.float16), slices=True, dead_code=True)


def test_slices_with_a_gap_or_an_overlap_are_added_up():
    def gap(x):
        manager = GradManager().attach([x])
        with manager:
            manager.backward((F.sin(x[:10]) * F.exp(x[20:30])).sum())
        return x.grad

    def overlap(x):
        manager = GradManager().attach([x])
        with manager:
            manager.backward(F.sin(x[:-10]).sum() + F.exp(x[5:15]).sum())
        return x.grad

    assert "concat" not in names(gap, X, slices=True)
    assert "concat" not in names(overlap, X, slices=True)


def test_what_is_joined_is_made_in_its_place():
    def beside(x):
        twice = F.tanh(x)
        within = F.concat([F.concat([F.cos(x), F.sin(x) * 3], 0), F.exp(x)], 0)
        return F.exp(F.concat([F.sin(x), F.cos(x)[:1], F.sin(x) * 2], 0)), F.concat([x, F.cos(x)], 0), F.concat([twice, twice], 0), within

    config = GraphOptimizationConfig()
    for name in PASSES:
        setattr(config, name, name == "placement")
    call = trace(beside, graph_opt_config=config)
    for _ in range(3):
        for made, want in zip(call(nm.Tensor(X)), beside(nm.Tensor(X)), strict=True):
            assert made.numpy().tobytes() == want.numpy().tobytes()
    copies = [step.kernel.key[0] for step in call._last.prepare().stages[0].run.program.steps].count("scatter-set")
    assert copies == 5, "the slice, what does not begin with a cache line, the argument, what is there already, and what is joined itself"


def test_memory_is_used_again():
    plan = MemoryPlan()
    assert [plan.take("a", 100), plan.take("b", 50), plan.take("c", 30)] == [0, 100, 150]
    plan.give("a")
    assert plan.take("d", 60) == 0
    assert plan.take("e", 60) == 180  # 40 are left before, which do not do
    plan.give("d")
    plan.give("b")
    assert plan.take("f", 150) == 0  # neighbours are one gap
    plan.give("e")
    assert plan.take("g", 100) == 180  # the end grows
    assert plan.size == 280


def test_a_chain_needs_the_memory_of_its_longest_link():
    def chain(x):
        for _ in range(20):
            x = F.sum(F.broadcast_to(x, (3, *x.shape)) * 1.5, 0)
        return x

    config = GraphOptimizationConfig()
    config.fusion = False
    call = trace(chain, graph_opt_config=config)
    call(nm.Tensor(X)), call(nm.Tensor(X))
    assert call._last.prepare().workspace < 7 * X.nbytes


def test_new_values_are_written_over_the_old():
    weight = nm.Parameter(X)

    @trace
    def decay(x):
        nonlocal weight
        weight *= 0.5
        weight += x
        return x

    x = nm.Tensor(X)
    decay(x), decay(x)
    place, expected = weight._buffer.address, weight.numpy().copy()
    for _ in range(3):
        decay(x)
        expected = expected * np.float32(0.5) + X
        assert weight._buffer.address == place
        assert np.array_equal(weight.numpy(), expected)
    array, alias, part = weight.numpy(), weight.detach(), weight[3]
    before = expected
    decay(x)
    expected = expected * np.float32(0.5) + X
    assert np.array_equal(weight.numpy(), expected)  # what others hold stays as it was
    assert all(np.array_equal(each, want) for each, want in ((array, before), (alias.numpy(), before), (part.numpy(), before[3])))


def test_old_values_that_are_still_needed_are_not_written_over():
    weight = nm.Parameter(X)

    @trace
    def step(x):
        nonlocal weight
        old = weight.detach()
        weight *= 0.5
        return old + weight.sum(), F.transpose(weight, (1, 0))

    for _ in range(4):
        before = weight.numpy().copy()
        out, turned = step(nm.Tensor(X))
        assert np.array_equal(turned.numpy(), (before * np.float32(0.5)).T)
        assert np.allclose(out.numpy(), before + weight.numpy().sum(), rtol=1e-5)


def test_what_is_written_over_is_read_before():
    """A product that reads the old weight does not become one with a loop that reads the new one."""
    weight = nm.Parameter(X[:40, :40])
    x = nm.Tensor(X[:40, :40])

    def step():
        nonlocal weight
        out = F.matmul(x, weight)
        weight *= 0.5
        return out + F.transpose(weight, (1, 0))

    call = trace(step)
    for _ in range(4):
        old = weight.numpy().copy()
        assert np.array_equal(call().numpy(), (F.matmul(x, nm.Tensor(old)) + F.transpose(nm.Tensor(old * np.float32(0.5)), (1, 0))).numpy())
        assert np.array_equal(weight.numpy(), old * np.float32(0.5))
