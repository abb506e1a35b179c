"""``x[index]`` and ``x[index] = v`` mean what they mean in NumPy, for every mixture of indices, and so do their gradients."""

import numpy as np
import pytest
from hypothesis import given, reject, settings, strategies as st

from numod import Tensor
from numod.functional.indexing import getitem, setitem
from numod.testing.derivatives import leaf, pull_back, recording

many = settings(max_examples=6 * settings().max_examples)  # there are many ways to mix indices


@st.composite
def slices(draw, size):
    bound = st.none() | st.integers(-size - 2, size + 2)
    return slice(draw(bound), draw(bound), draw(st.sampled_from([None, 1, 2, 3, -1, -2])))


@st.composite
def masks(draw, shape):
    return np.array(draw(st.lists(st.booleans(), min_size=int(np.prod(shape)), max_size=int(np.prod(shape)))), bool).reshape(shape)


@st.composite
def integers(draw, size, shape):
    """An index array of a shape that broadcasts with ``shape``, as a user may write it."""
    cut = draw(st.integers(0, len(shape)))
    own = tuple(1 if draw(st.booleans()) else extent for extent in shape[cut:])
    count = int(np.prod(own))
    return np.array(draw(st.lists(st.integers(-size, size - 1), min_size=count, max_size=count)), np.int32).reshape(own)


@st.composite
def items(draw, sides, common, advanced):
    """Indices that take up axes of these extents; index arrays broadcast to ``common``."""
    found, axis = [], 0
    while axis < len(sides) or draw(st.integers(0, 4)) == 4:
        rest = sides[axis:]
        kinds = ["none"] + ["slice"] * bool(rest) + ["integer"] * (rest[:1] > (0,)) + ["array"] * (advanced and rest[:1] > (0,))
        kinds += ["mask"] * (advanced and len(common) < 2)
        kind = draw(st.sampled_from(kinds))
        if kind == "slice":
            found.append(draw(slices(rest[0])))
        elif kind == "integer":
            found.append(draw(st.integers(-rest[0], rest[0] - 1)))
        elif kind == "array":
            found.append(draw(integers(rest[0], common)))
        elif kind == "mask":
            found.append(draw(masks(rest[: draw(st.integers(0, len(rest)))])))
        else:
            found.append(None)
        axis += found[-1].ndim if kind == "mask" else kind != "none"
    return found


@st.composite
def indices(draw, shape, advanced=True):
    """An index for an array of ``shape``."""
    common = draw(st.sampled_from([(), (2,), (3, 2), (0,)]))
    before = draw(st.integers(0, len(shape)))
    found = draw(items(shape[:before], common, advanced))
    if draw(st.booleans()):
        after = draw(st.integers(before, len(shape)))
        found += [Ellipsis, *draw(items(shape[after:], common, advanced))]
    return tuple(found) if len(found) != 1 or draw(st.booleans()) else found[0]


shapes = st.lists(st.integers(0, 4), min_size=0, max_size=4).map(tuple)


def as_numod(index, style):
    """The index with its arrays as tensors, lists or arrays."""
    if isinstance(index, tuple):
        return tuple(as_numod(item, style) for item in index)
    if not isinstance(index, np.ndarray):
        return index
    if style == "list" and index.size and index.ndim:
        return index.tolist()
    return Tensor(index, dtype=index.dtype) if style == "tensor" else index


def distinct(shape, start=1):
    return np.arange(start, start + int(np.prod(shape)), dtype=np.float64).reshape(shape)


@st.composite
def reads(draw, advanced=True):
    """(array, index, index for numod), for an index that NumPy takes."""
    shape = draw(shapes)
    index = draw(indices(shape, advanced))
    x = distinct(shape)
    try:
        x[index]
    except IndexError:  # a mask picks another number of places than the arrays beside it
        reject()
    return x, index, as_numod(index, draw(st.sampled_from(["tensor", "list", "array"])))


def gradients(function, arrays, cotangent):
    with recording():
        leaves = [leaf(x) for x in arrays]
        out = function(*leaves)
        found = pull_back([out], [Tensor(cotangent, dtype="float64")], leaves)
    return [np.zeros(x.shape) if g is None else g.numpy() for x, g in zip(arrays, found, strict=True)]


@many
@given(reads())
def test_read(case):
    x, index, ours = case
    want = x[index]
    got = getitem(Tensor(x, dtype="float64"), ours)
    assert got.shape == want.shape
    np.testing.assert_array_equal(got.numpy(), want)


@many
@given(reads())
def test_gradient_of_read(case):
    x, index, ours = case
    cotangent = distinct(x[index].shape)
    want = np.zeros(x.shape)
    np.add.at(want, index, cotangent)
    (got,) = gradients(lambda t: getitem(t, ours), [x], cotangent)
    np.testing.assert_array_equal(got, want)


@st.composite
def writes(draw):
    x, index, ours = draw(reads())
    target = x[index].shape
    cut = draw(st.integers(0, len(target)))
    shape = tuple(1 if draw(st.booleans()) else extent for extent in target[cut:])
    return x, index, ours, -distinct(shape)


@many
@given(writes())
def test_write(case):
    x, index, ours, value = case
    before = Tensor(x, dtype="float64")
    got = setitem(before, ours, Tensor(value, dtype="float64"))
    np.testing.assert_array_equal(before.numpy(), x)
    want = x.copy()
    want[index] = value
    np.testing.assert_array_equal(got.numpy(), want)


@many
@given(writes())
def test_gradients_of_write(case):
    """The place that a value went to says where its gradient comes from; what is overwritten has none."""
    x, index, ours, value = case
    cotangent = distinct(x.shape)
    source = np.zeros(x.shape, np.int64)  # for each place the number of the value written there, 0 where none was
    source[index] = np.arange(1, value.size + 1).reshape(value.shape)
    from_value = np.zeros(value.size + 1)
    np.add.at(from_value, source.ravel(), cotangent.ravel())
    got_x, got_value = gradients(lambda t, v: setitem(t, ours, v), [x, value], cotangent)
    np.testing.assert_array_equal(got_x, np.where(source == 0, cotangent, 0))
    np.testing.assert_array_equal(got_value, from_value[1:].reshape(value.shape))


@given(reads(advanced=False))
def test_basic_read_copies_nothing_unless_it_runs_backwards(case):
    x, index, ours = case
    t = Tensor(x, dtype="float64")
    got = getitem(t, ours)
    backwards = any(isinstance(i, slice) and (i.step or 1) < 0 for i in (index if isinstance(index, tuple) else (index,)))
    assert got is not t
    if got.size and not backwards:
        first = t._buffer.address
        assert first <= got._buffer.address < first + t._buffer.nbytes


X = distinct((3, 4))


@pytest.mark.parametrize(
    ("index", "error", "text"),
    [
        (3, IndexError, "3 is out of range for axis 0 of size 3"),
        ((0, -5), IndexError, "-5 is out of range for axis 1 of size 4"),
        ((0, 0, 0), IndexError, "3 indices for 2 axes"),
        ((..., ...), IndexError, "more than one Ellipsis"),
        (1.0, TypeError, "got 1.0"),
        ("a", TypeError, "got 'a'"),
        (slice(0.5), TypeError, "bounds"),
        (slice(None, None, 0), ValueError, "step"),
        ([0.5], TypeError, "float32"),
        ([3], IndexError, "index 3 is out of range for size 3"),
        ([-4], IndexError, "index -4 is out of range for size 3"),
        (([0], [4]), IndexError, "index 4 is out of range for size 4"),
        (([0, 1], [0, 1, 2]), IndexError, "cannot be broadcast"),
        (([0], [0], [0]), IndexError, "3 indices for 2 axes"),
        ([True, False], IndexError, r"mask of shape \(2,\) does not fit axes of shape \(3,\)"),
        (np.ones((3, 4, 1), bool), IndexError, "3 indices for 2 axes"),
        (np.array([2**40]), IndexError, "out of range for size 3"),
    ],
)
def test_what_is_no_index_is_refused(index, error, text):
    with pytest.raises(error, match=text):
        getitem(Tensor(X), index)
    with pytest.raises(error, match=text):
        setitem(Tensor(X), index, 0)


@pytest.mark.parametrize(
    ("index", "value"), [(0, [1.0, 2.0]), ((), np.zeros((2, 3, 4))), ([0], np.zeros((2, 4))), (slice(2), np.zeros((3, 4)))]
)
def test_what_does_not_fit_is_not_written(index, value):
    with pytest.raises(ValueError, match="cannot write shape"):
        setitem(Tensor(X), index, value)


def test_write_casts_to_the_dtype_of_the_tensor():
    assert setitem(Tensor([1, 2, 3]), slice(2), Tensor([1.7, -2.9])).tolist() == [1, -2, 3]
    assert setitem(Tensor([1, 2, 3]), Tensor([True, False, False]), 9.9).tolist() == [9, 2, 3]
    assert setitem(Tensor([True, False]), 1, 1).tolist() == [True, True]
