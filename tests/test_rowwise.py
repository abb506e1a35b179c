"""The rowwise form: any set of axes is seen as one of a few layouts, tiles of neighbouring rows change nothing, and sums are kept in wider numbers."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, strategies as st
from launching import CPU, launch, spec_of

import numod.functional as F
from numod import Tensor, config
from numod.kernel import rowwise, source
from numod.kernel.formula import Folds, RowProgram
from numod.spec import Spec

FLOAT = np.dtype("float32")


def spread(x):
    middle = fold(add, x) / count  # noqa: F821
    top = fold(max, x - middle)
    return (x - middle) / (top + 1.0)


def total(x):
    return fold(add, x)  # noqa: F821


def place(x):
    top = fold(max, x)
    return first(x == top)


def run(code, x, axes, dtype=None, per_element=False):
    kept = x.shape if per_element else tuple(n for i, n in enumerate(x.shape) if i not in axes)
    out = Spec.of(kept, np.dtype(dtype or x.dtype), CPU)
    return launch(rowwise.program(code, [spec_of(x)], [out], axes, x.dtype), [x], [out])


@given(st.lists(st.integers(1, 4), max_size=6), st.data())
def test_the_layout_is_a_view_of_the_array(shape, data):
    axes = tuple(axis for axis in range(len(shape)) if data.draw(st.booleans()))
    x = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    found = rowwise.layout(tuple(shape), axes)
    turns = [reduced for reduced, _ in itertools.groupby(axis in axes for axis, n in enumerate(shape) if n != 1)]
    if found is None:
        assert len(turns) > 4 or (len(turns) == 4 and turns[0])
    else:
        np.testing.assert_array_equal(x.reshape(found).sum(axis=(1, 3)).ravel(), x.sum(axis=axes).ravel())


@pytest.mark.parametrize("columns", [1, 2, rowwise.TILE - 1, rowwise.TILE, rowwise.TILE + 1, 3 * rowwise.TILE + 5])
@pytest.mark.parametrize("rows", [1, 2, 33])
def test_tiles_of_columns_give_what_rows_do(rows, columns):
    x = np.random.default_rng(rows * columns).standard_normal((3, rows, columns)).astype(FLOAT)
    turned = np.ascontiguousarray(x.transpose(0, 2, 1))
    np.testing.assert_allclose(run(total, x, (1,)), x.sum(axis=1, dtype=np.float64), rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(run(place, x, (1,), "int32"), x.argmax(axis=1))
    want = run(spread, turned, (2,), per_element=True).transpose(0, 2, 1)
    np.testing.assert_allclose(run(spread, x, (1,), per_element=True), want, rtol=1e-6, atol=1e-6)


def softened(x):
    low = fold(min, x)
    mass = fold(add, math.exp(x - low))  # noqa: F821  (kept for the result)
    return math.exp(x - low) / mass


def moved(x, to):
    return x - to + fold(add, (x - to) * (x - to)), fold(max, x) - to  # noqa: F821


@pytest.mark.parametrize("shape", [(1, 4, 7, 2), (2, 9, 5, 4), (3, 8, rowwise.TILE, 3), (1, 5, 40, rowwise.SHORT)])
def test_lanes_give_what_rows_do(shape, monkeypatch):
    x = np.random.default_rng(0).standard_normal(shape).astype(FLOAT)
    x[0, 1, 2, 1] = np.nan
    to = x[:, 0, :, 0].copy()
    kept, seen = spec_of(x), [spec_of(x), spec_of(to)]

    def every():
        program = rowwise.program(moved, seen, [kept, spec_of(to)], (1, 3), FLOAT, ("to",))
        return [
            run(softened, x, (1, 3), per_element=True),
            run(largest, x, (1, 3)),
            run(total, np.nan_to_num(x * 100).astype(np.int32), (1, 3), "int32"),
            *launch(program, [x, to], [kept, spec_of(to)]),
        ], program.steps[-1].kernel.key[-1]

    found, loops = every()
    monkeypatch.setattr(rowwise, "SHORT", 0)
    want, rows = every()
    assert (loops, rows) == ("lanes", "rows")
    for got, expected in zip(found, want, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("axes", [axes for n in range(5) for axes in itertools.combinations(range(4), n)])
def test_every_set_of_axes(axes):
    x = np.random.default_rng(0).standard_normal((3, 4, 5, 6)).astype(FLOAT)
    np.testing.assert_allclose(run(total, x, axes), x.sum(axis=axes, dtype=np.float64), rtol=1e-6, atol=1e-6)


def largest(x):
    return fold(max, x)


def smallest(x):
    return fold(min, x)


def both(x):
    return fold(add, x) / count, fold(max, x - 1.0)  # noqa: F821


@pytest.mark.parametrize("size", [1, 7])
@pytest.mark.parametrize("axes", [axes for n in range(5) for axes in itertools.combinations(range(4), n)])
def test_long_rows_cut_into_pieces_give_what_whole_ones_do(axes, size, monkeypatch):
    x = np.random.default_rng(size).standard_normal((2, 3, 2, 40)).astype(FLOAT)
    out = Spec.of(tuple(n for i, n in enumerate(x.shape) if i not in axes), FLOAT, CPU)
    monkeypatch.setattr(rowwise, "PIECE", size)
    program = rowwise.program(both, [spec_of(x)], [out, out], axes, FLOAT)
    assert any(step.kernel.key[-1] == "pieces" for step in program.steps) == (3 in axes and out.size < rowwise.FEW)
    means, tops = launch(program, [x], [out, out])
    np.testing.assert_allclose(means, x.mean(axis=axes, dtype=np.float64), rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(tops, (x - 1).max(axis=axes))


@pytest.mark.parametrize("size", [7, 1 << 20])
@pytest.mark.parametrize("at", [0, 1, 63, 64, 150])
def test_a_nan_anywhere_is_the_largest_and_the_smallest_of_its_row_alone(at, size, monkeypatch):
    monkeypatch.setattr(rowwise, "PIECE", size)
    x = np.random.default_rng(at).standard_normal((3, 151)).astype(FLOAT)
    x[1, at] = np.nan
    np.testing.assert_array_equal(run(largest, x, (1,)), x.max(axis=1))
    np.testing.assert_array_equal(run(smallest, x, (1,)), x.min(axis=1))


@pytest.mark.skipif(config.interpret, reason="too long a sum for the Python interpreter")
@pytest.mark.parametrize("axis", [0, 1])
def test_sums_do_not_lose_what_float32_would(axis):
    x = np.ones((2, 1 << 24) if axis else (1 << 24, 2), FLOAT)
    x[0, 0] = 3.0  # 2**24 + 2; in float32, adding 1 to 2**24 changes nothing
    assert run(total, x, (axis,)).tolist() == [2.0**24 + 2, 2.0**24]


def test_small_integers_wrap_only_at_the_end():
    x = np.array([[100, 100, -100], [127, 1, -128]], np.int8)
    assert run(total, x, (1,)).tolist() == [100, 0]


def test_what_is_not_a_row_function_is_refused():
    def loops(x):
        for _ in range(3):
            pass
        return x

    with pytest.raises(TypeError, match="assignments and a return"):
        run(loops, np.ones((2, 2), FLOAT), (1,), per_element=True)


def spread_of(x):
    low = fold(min, x)
    top = fold(max, x)
    mean = fold(add, x) / count  # noqa: F821
    return fold(add, abs(x - mean)), top - low, first(x == top)  # noqa: F821


def test_folds_that_do_not_need_each_other_share_a_pass():
    translated = source.Translated(spread_of, np.dtype("float32"), "row", Folds())
    passes = RowProgram(translated.definition, ["x"], ()).passes()
    assert [[fold[2] for fold in folds] for _, folds in passes] == [["fold_min", "fold_max", "fold_add"], ["fold_add"], ["first"], []]


def renamed(x):
    top = fold(max, x)
    top = top + 1.0
    return x - top


def test_a_value_has_one_name():
    with pytest.raises(TypeError, match=r"a row function gives each value a name of its own, got: \w+ = "):
        RowProgram(source.Translated(renamed, np.dtype("float32"), "row", Folds()).definition, ["x"], ())


@pytest.mark.parametrize("length", [1, 2, 63, 64, 65, 128, 129, 300])
@pytest.mark.parametrize("dtype", ["float32", "int32", "float16"])
def test_the_first_place_is_found_wherever_it_is(length, dtype):
    """Of largest and smallest values that stand in several places, in long rows too, and of NaN, which counts as both."""
    random = np.random.default_rng(length)
    values = random.integers(0, 3, (7, length)).astype(dtype)
    values[1], values[2], values[3] = 1, np.arange(length) == length - 1, np.arange(length) != length - 1
    if dtype != "int32":
        values[4, length // 2 :] = np.nan
        values[5, -1] = np.nan
    x = Tensor(values)
    for mine, numpys in ((F.argmax, np.argmax), (F.argmin, np.argmin)):
        np.testing.assert_array_equal(mine(x, axis=1).numpy(), numpys(values, axis=1))
        assert mine(x).item() == numpys(values)
