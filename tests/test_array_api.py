"""numod.array_api gives what NumPy's namespace, which follows the same standard, gives: values, shapes, and dtypes but for their width."""

import inspect
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as st_numpy

import numod as nm
import numod.array_api as xp
from numod import config

INTS, FLOATS = ["int8", "int16", "int32", "int64", "uint8"], ["float32", "float64"]
KINDS = {"b": ["bool"], "i": INTS, "f": FLOATS}
EXAMPLES = settings(max_examples=4 if config.interpret else 25)
SIDE = 2 if config.interpret else 4

shapes = st_numpy.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=SIDE)
full_shapes = st_numpy.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=SIDE)


def values(dtype, low=-8, high=8):
    """Elements that are exact in both libraries, with the special floats."""
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return st.booleans()
    if dtype.kind in "iu":
        return st.integers(max(low, np.iinfo(dtype).min), high)
    whole = st.integers(4 * low, 4 * high).map(lambda n: n / 4)
    return whole | st.sampled_from([0.0, -0.0, np.inf, -np.inf, np.nan]) if low < 0 else whole


def arrays(kinds, shape=shapes, **limits):
    names = [name for kind in kinds for name in KINDS[kind]]
    return st.sampled_from(names).flatmap(lambda name: st_numpy.arrays(name, shape, elements=values(name, **limits)))


@st.composite
def operands(draw, kinds, second=(-8, 8)):
    """Two arrays of one kind that broadcast, or an array and a number."""
    kind = draw(st.sampled_from(kinds))
    common = st_numpy.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, min_side=0, max_side=SIDE)
    shape_x, shape_y = draw(common).input_shapes
    name_x, name_y = draw(st.sampled_from(KINDS[kind])), draw(st.sampled_from(KINDS[kind]))
    x = draw(st_numpy.arrays(name_x, shape_x, elements=values(name_x)))
    if draw(st.integers(0, 3)) == 0:
        number = draw(values(name_x, *second).filter(lambda n: n == n))
        return x, type(number)(number)
    return x, draw(st_numpy.arrays(name_y, shape_y, elements=values(name_y, *second)))


def tensors(value):
    if isinstance(value, (list, tuple)):
        return type(value)(map(tensors, value))
    return xp.asarray(value) if isinstance(value, np.ndarray) else value


def same(got, want):
    """Equal in shape, kind of dtype and values, up to rounding."""
    if isinstance(want, (tuple, list)):
        assert len(got) == len(want)
        for each, wanted in zip(got, want, strict=True):
            same(each, wanted)
        return
    want = np.asarray(want)
    assert isinstance(got, nm.Tensor)
    assert got.shape == want.shape
    kind = {"u": "i"}.get(want.dtype.kind, want.dtype.kind)
    assert {"u": "i"}.get(got.dtype.kind, got.dtype.kind) == kind, (got.dtype, want.dtype)
    if kind == "f":
        assert got.dtype == want.dtype
        np.testing.assert_allclose(got.numpy(), want, rtol=4e-6 if got.dtype == np.float32 else 1e-12, atol=4e-6)
    else:
        np.testing.assert_array_equal(got.numpy(), want.astype(got.dtype))


def _running(function, first):
    def run(x, axis, include_initial):
        out = function(x, axis, dtype=np.int32 if x.dtype.kind in "iu" and x.dtype.itemsize < 4 else x.dtype)
        shape = [1 if i == axis % x.ndim else side for i, side in enumerate(x.shape)]
        return np.concatenate([np.full(shape, first, out.dtype), out], axis) if include_initial else out

    return run


SINCE = {  # what NumPy has since 2.1
    "cumulative_sum": _running(np.cumsum, 0),
    "cumulative_prod": _running(np.cumprod, 1),
    "unstack": lambda x, axis: tuple(np.moveaxis(x, axis, 0)),
}


def agree(name, *args, **options):
    with np.errstate(all="ignore"):
        want = (getattr(np, name, None) or SINCE[name])(*args, **options)
    got = getattr(xp, name)(*tensors(args), **{key: tensors(value) for key, value in options.items()})
    same(got, want)
    return got


# --- elementwise ---

UNARY = {
    "f": "acos acosh asin asinh atan atanh ceil cos cosh exp expm1 floor log log10 log1p log2 signbit sin sinh sqrt tan tanh trunc reciprocal",
    "if": "abs isfinite isinf isnan negative positive round sign square",
    "ib": "bitwise_invert",
    "b": "logical_not",
    "bif": "real",
}


@pytest.mark.parametrize(("name", "kinds"), [(name, kinds) for kinds, names in UNARY.items() for name in names.split()])
def test_a_function_of_each_element(name, kinds):
    @EXAMPLES
    @given(arrays(kinds))
    def holds(x):
        agree(name, x)

    holds()


BINARY = {
    "f": "atan2 copysign divide hypot logaddexp nextafter",
    "if": "add greater greater_equal less less_equal maximum minimum multiply subtract",
    "ib": "bitwise_and bitwise_or bitwise_xor",
    "b": "logical_and logical_or logical_xor",
    "bif": "equal not_equal",
}


@pytest.mark.parametrize(("name", "kinds"), [(name, kinds) for kinds, names in BINARY.items() for name in names.split()])
def test_a_function_of_two(name, kinds):
    @EXAMPLES
    @given(operands(kinds))
    def holds(pair):
        agree(name, *pair)

    holds()


@pytest.mark.parametrize("name", ["floor_divide", "remainder", "pow", "bitwise_left_shift", "bitwise_right_shift"])
def test_a_function_of_two_with_a_domain(name):
    @EXAMPLES
    @given(operands("i" if "shift" in name else "if", second=(0, 6) if "shift" in name or name == "pow" else (1, 8)))
    def holds(pair):
        x, y = pair
        if name in ("remainder", "floor_divide"):
            y = np.where(y == 0, y + 1, y) if isinstance(y, np.ndarray) else y or 1
        if name == "floor_divide" and np.asarray(x).dtype.kind == "f":  # of infinities NumPy's own formula gives NaN
            x = np.where(np.isfinite(x), x, x.dtype.type(1))
        agree(name, x, y)

    holds()


def test_integers_are_whole():
    x = xp.asarray([-3, 0, 5], dtype=xp.int8)
    for function in (xp.floor, xp.ceil, xp.trunc, xp.round):
        same(function(x), x.numpy())


@EXAMPLES
@given(arrays("if"), st.none() | st.integers(0, 3), st.none() | st.integers(4, 8))
def test_clip(x, low, high):
    agree("clip", x, low, high) if low is not None or high is not None else same(xp.clip(tensors(x)), x)


# --- statistics, searching, sorting, sets ---


def axes(draw, ndim):
    """None, an axis or several."""
    some = st.none()
    if ndim:
        one = st.integers(-ndim, ndim - 1)
        some |= one | st.lists(st.integers(0, ndim - 1), unique=True, min_size=1).map(tuple)
    return draw(some)


REDUCTIONS = {"f": "mean std var", "if": "max min prod sum", "bif": "all any count_nonzero", "i": "argmax argmin"}


@pytest.mark.parametrize(("name", "kinds"), [(name, kinds) for kinds, names in REDUCTIONS.items() for name in names.split()])
def test_a_reduction(name, kinds):
    @EXAMPLES
    @given(arrays(kinds, full_shapes, low=-2, high=2), st.data())
    def holds(x, data):
        if x.dtype.kind == "f":
            x = np.where(np.isfinite(x), x, x.dtype.type(1))
        axis = data.draw(st.none() | st.integers(-x.ndim, x.ndim - 1)) if name.startswith("arg") else axes(data.draw, x.ndim)
        options = {"axis": axis, "keepdims": data.draw(st.booleans())}
        if name in ("std", "var"):
            options["correction"] = data.draw(st.sampled_from([0.0, 0.5]))
        agree(name, x, **options)

    holds()


@EXAMPLES
@given(arrays("if", full_shapes, low=-2, high=2), st.booleans(), st.data())
@pytest.mark.parametrize("name", ["cumulative_sum", "cumulative_prod"])
def test_what_runs_along_an_axis(name, x, initial, data):
    x = np.where(np.isfinite(x), x, x.dtype.type(1)) if x.dtype.kind == "f" else x
    agree(name, x, axis=data.draw(st.integers(-x.ndim, x.ndim - 1)), include_initial=initial)


def test_sums_have_room():
    for name in ("sum", "prod", "cumulative_sum", "cumulative_prod"):
        function = getattr(xp, name)
        assert function(xp.ones(3, dtype=xp.int8)).dtype == xp.int32
        assert function(xp.ones(3, dtype=xp.int64)).dtype == xp.int64
        assert function(xp.ones(3, dtype=xp.int32), dtype=xp.float32).dtype == xp.float32
        assert function(xp.ones(3)).dtype == xp.float32
    assert xp.sum(xp.zeros((0, 2))).item() == 0 and xp.prod(xp.zeros(0)).item() == 1
    assert xp.all(xp.zeros(0)).item() is True and xp.any(xp.zeros(0)).item() is False


@EXAMPLES
@given(arrays("if", full_shapes), st.booleans(), st.data())
def test_order(x, descending, data):
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    got, places = (function(tensors(x), axis=axis, descending=descending) for function in (xp.sort, xp.argsort))
    want = np.sort(x, axis=axis)
    same(got, np.flip(want, axis) if descending else want)
    same(xp.take_along_axis(tensors(x), places, axis=axis), got.numpy())


@EXAMPLES
@given(arrays("if"))
def test_different_elements(x):
    got, want = xp.unique_all(tensors(x)), np.unique_all(x)
    same(tuple(got), tuple(want))
    same(tuple(xp.unique_counts(tensors(x))), tuple(np.unique_counts(x)))
    same(tuple(xp.unique_inverse(tensors(x))), tuple(np.unique_inverse(x)))
    same(xp.unique_values(tensors(x)), np.sort(np.unique_values(x)))
    for other in (x[..., :1], np.array([0, 3, 2], x.dtype), np.array([], x.dtype), x.dtype.type(1)) if x.ndim else ():
        agree("isin", x, np.asarray(other))
        agree("isin", x, np.asarray(other), invert=True)
    assert got._fields == want._fields


@EXAMPLES
@given(arrays("if", st.integers(0, SIDE)), st.data())
def test_searching(x, data):
    wanted = data.draw(st_numpy.arrays(x.dtype, full_shapes, elements=values(x.dtype)))
    side = data.draw(st.sampled_from(["left", "right"]))
    agree("searchsorted", np.sort(x), wanted, side=side)
    agree("searchsorted", x, wanted, side=side, sorter=np.argsort(x).astype(np.int32))


@EXAMPLES
@given(arrays("bif", full_shapes), operands("if"))
def test_where_and_nonzero(x, pair):
    agree("nonzero", x)
    agree("where", np.asarray(pair[0] > 0), *pair)


# --- shapes ---


@EXAMPLES
@given(arrays("bif", full_shapes), st.data())
def test_rearranging(x, data):
    ndim, draw = x.ndim, data.draw
    axis, other = draw(st.integers(-ndim, ndim - 1)), draw(st.integers(-ndim, ndim - 1))
    agree("flip", x, axis=axes(draw, ndim))
    agree("moveaxis", x, axis, other)
    agree("permute_dims", x, tuple(draw(st.permutations(range(ndim)))))
    agree("reshape", x, (-1,))
    agree("expand_dims", x, axis=axis)
    agree("squeeze", x[None], 0)
    agree("roll", x, draw(st.integers(-5, 5)), axis=draw(st.none() | st.just(axis)))
    agree("repeat", x, draw(st.integers(0, 3)), axis=draw(st.none() | st.just(axis)))
    agree("repeat", x, draw(st_numpy.arrays(np.int32, x.shape[axis], elements=st.integers(0, 3))), axis=axis)
    agree("tile", x, tuple(draw(st.lists(st.integers(0, 2), max_size=4))))
    agree("unstack", x, axis=axis)
    agree("stack", [x, x], axis=axis)
    agree("concat", [x, x], axis=draw(st.none() | st.just(axis)))
    agree("broadcast_to", x, (2, *x.shape))
    agree("broadcast_arrays", x, np.zeros((3, *[1] * ndim), x.dtype))
    if x.dtype.kind != "b":
        agree("diff", x, axis=axis, n=draw(st.integers(0, 2)))
        agree("diff", x, axis=axis, prepend=x, append=x)
    if ndim > 1:
        agree("matrix_transpose", x)
        agree("tril", x, k=draw(st.integers(-2, 2)))
        agree("triu", x, k=draw(st.integers(-2, 2)))


@EXAMPLES
@given(arrays("bif", full_shapes), st.data())
def test_taking(x, data):
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    size = x.shape[axis]
    agree("take", x, data.draw(st_numpy.arrays(np.int64, st.integers(0, 5), elements=st.integers(-size, size - 1))), axis=axis)
    wide = data.draw(st.integers(1, 3))
    shape = tuple(wide if i == axis % x.ndim else data.draw(st.sampled_from([1, side])) for i, side in enumerate(x.shape))
    agree("take_along_axis", x, data.draw(st_numpy.arrays(np.int64, shape, elements=st.integers(-size, size - 1))), axis=axis)


def test_dtypes_combine_where_tensors_are_put_together():
    assert xp.concat([xp.asarray([1], dtype=xp.uint8), xp.asarray([1], dtype=xp.int8)]).dtype == xp.int16
    assert xp.stack([xp.asarray([1], dtype=xp.int64), xp.asarray([1], dtype=xp.int8)]).dtype == xp.int64


# --- products ---


@EXAMPLES
@given(st.sampled_from(INTS + FLOATS), st.data())
def test_products(name, data):
    def array(*shape):
        return data.draw(st_numpy.arrays(name, shape, elements=st.integers(0, 3)))

    m, k, n, batch = (data.draw(st.integers(1, SIDE)) for _ in range(4))
    for shapes in [((m, k), (k, n)), ((k,), (k, n)), ((m, k), (k,)), ((k,), (k,)), ((batch, m, k), (k, n)), ((batch, m, k), (batch, k, n))]:
        agree("matmul", array(*shapes[0]), array(*shapes[1]))
    agree("vecdot", array(batch, m, k), array(m, k))
    agree("vecdot", array(k, m), array(k, 1), axis=-2)
    agree("tensordot", array(m, k, n), array(k, n, batch), axes=2)
    agree("tensordot", array(m, k, n), array(batch, n, k), axes=([2, 1], [1, 2]))
    agree("tensordot", array(m), array(n), axes=0)


# --- creation and dtypes ---


def test_tensors_from_nothing():
    for name, args in [
        ("arange", (5,)),
        ("arange", (1, 9, 3)),
        ("arange", (5, 0, -2)),
        ("eye", (3,)),
        ("eye", (2, 4)),
        ("full", ((2, 3), 7)),
    ]:
        same(getattr(xp, name)(*args, dtype=xp.int32), getattr(np, name)(*args, dtype=np.int32))
    for k in (-2, 0, 1):
        same(xp.eye(3, 4, k=k), np.eye(3, 4, k=k, dtype=np.float32))
    for endpoint in (True, False):
        same(xp.linspace(-1, 2, 7, endpoint=endpoint), np.linspace(-1, 2, 7, endpoint=endpoint, dtype=np.float32))
    for name, value in [("zeros", 0), ("ones", 1), ("empty", 0)]:
        made, like = getattr(xp, name)((2, 3), dtype=xp.int8), getattr(xp, f"{name}_like")(xp.zeros((2, 3)), dtype=xp.int8)
        for x in (made, like):
            same(x, np.full((2, 3), value, np.int8))
        assert getattr(xp, name)(2).dtype == xp.float32
    same(xp.full_like(xp.zeros(2), 3), np.full(2, 3, np.float32))
    assert [xp.full(2, value).dtype for value in (True, 1, 1.0, 1j)] == [xp.bool, xp.int32, xp.float32, xp.complex64]
    for indexing in ("xy", "ij"):
        agree("meshgrid", np.arange(3), np.arange(2), np.arange(4), indexing=indexing)


def test_tensors_from_data():
    kinds = [[True], [1], [1.5], [1j], [2**40], np.zeros(2, np.int64), np.zeros(2), [xp.zeros(2), xp.ones(2)]]
    wanted = [xp.bool, xp.int32, xp.float32, xp.complex64, xp.int64, xp.int64, xp.float64, xp.float32]
    assert [xp.asarray(data).dtype for data in kinds] == wanted
    with pytest.raises(OverflowError):
        xp.asarray(2**64)
    x = xp.asarray([1, 2])
    assert xp.asarray(x) is x and xp.asarray(x, copy=False) is x and xp.asarray(x, copy=True) is not x
    with pytest.raises(ValueError, match="copy"):
        xp.asarray([1], copy=False)
    with pytest.raises(ValueError, match="copy"):
        xp.asarray(x, dtype=xp.float32, copy=False)
    same(xp.from_dlpack(np.arange(3)), np.arange(3))
    same(xp.from_dlpack(x), x.numpy())


def test_promotion():
    for a in INTS + FLOATS:
        for b in INTS if a in INTS else FLOATS:
            want = np.result_type(a, b)
            assert xp.result_type(np.dtype(a), np.dtype(b)) == want
            assert (xp.zeros(1, dtype=a) * 0).dtype == np.dtype(a)
            assert xp.add(xp.zeros(1, dtype=a), xp.zeros(1, dtype=b)).dtype == want
            assert xp.can_cast(np.dtype(a), np.dtype(b)) == np.can_cast(a, b)
    assert xp.result_type(xp.int8, 1) == xp.int8 and xp.result_type(xp.zeros(1), 1.5, 2) == xp.float32
    with pytest.raises(TypeError, match="at least one tensor"):
        xp.add(1, 2)
    with pytest.raises(TypeError, match="bool"):
        xp.add(xp.asarray([True]), xp.asarray([True]))
    with pytest.raises(TypeError, match="floats"):
        xp.exp(xp.asarray([1]))


def test_dtypes_tell_what_they_are():
    kinds = ["bool", "signed integer", "unsigned integer", "integral", "real floating", "complex floating", "numeric"]
    for name, dtype in xp.__array_namespace_info__().dtypes().items():
        assert getattr(xp, name) == dtype
        for kind in kinds:
            assert xp.isdtype(dtype, kind) == np.isdtype(dtype, kind)
        assert xp.isdtype(dtype, (xp.int8, "real floating")) == np.isdtype(dtype, (np.int8, "real floating"))
    with pytest.raises(ValueError, match="kind"):
        xp.isdtype(xp.int8, "whole")
    for name in FLOATS:
        got, want = xp.finfo(np.dtype(name)), np.finfo(name)
        assert (got.bits, got.eps, got.max, got.min, got.smallest_normal) == (want.bits, want.eps, want.max, want.min, want.smallest_normal)
    for name in INTS:
        assert (xp.iinfo(np.dtype(name)).min, xp.iinfo(xp.zeros(1, dtype=name)).max) == (np.iinfo(name).min, np.iinfo(name).max)
    assert xp.astype(xp.asarray([1.7, -1.7]), xp.int32).tolist() == [1, -1]
    x = xp.asarray([1.0])
    assert xp.astype(x, xp.float32, copy=False) is x and xp.astype(x, xp.float32) is not x


def test_complex_numbers():
    z = np.array([3 + 4j, -1j, 2], np.complex64)
    t = xp.asarray(z)
    for name in ("real", "imag", "abs"):
        same(getattr(xp, name)(t), getattr(np, name)(z))
    for got, want in [
        (xp.conj(t), np.conj(z)),
        (xp.add(t, 1), z + 1),
        (xp.multiply(t, t), z * z),
        (xp.astype(xp.asarray([2.0]), xp.complex64), 2),
    ]:
        np.testing.assert_allclose(got.numpy(), want)
    assert xp.isfinite(t).tolist() == [True] * 3


# --- the tensors themselves ---


def test_a_tensor_knows_its_namespace():
    x = xp.asarray([[1, 2, 3]])
    assert x.__array_namespace__() is xp and x.__array_namespace__(api_version="2023.12") is xp
    with pytest.raises(ValueError, match="api_version"):
        x.__array_namespace__(api_version="1999.1")
    assert x.mT.shape == (3, 1) and x.to_device(x.device).tolist() == x.tolist()
    with pytest.raises(ValueError, match="stream"):
        x.to_device("cpu0", stream=1)
    info = xp.__array_namespace_info__()
    assert info.default_device() == x.device and info.default_device() in info.devices()
    assert info.default_dtypes()["real floating"] == xp.zeros(1).dtype and info.dtypes(kind="unsigned integer") == {"uint8": xp.uint8}
    assert info.capabilities()["boolean indexing"]


@EXAMPLES
@given(operands("i"))
def test_integers_have_the_operators_of_bits(pair):
    x, y = pair
    if isinstance(y, np.ndarray) and x.dtype != y.dtype:
        y = y.astype(x.dtype)
    a, b = tensors(x), tensors(y)
    same((a & b, a | b, a ^ b, ~a), (x & y, x | y, x ^ y, ~x))
    if not isinstance(y, np.ndarray):
        same((b & a, b | a, b ^ a), (y & x, y | x, y ^ x))


def test_gradients_flow_through():
    x = nm.Tensor([[1.0, 2.0], [3.0, 4.0]])
    with nm.autodiff.GradManager().attach(x) as manager:
        y = xp.sum(xp.multiply(xp.matmul(x, xp.matrix_transpose(x)), xp.triu(xp.hypot(x, xp.flip(x)))))
        manager.backward(xp.var(xp.log2(xp.cumulative_prod(x, axis=0)), correction=1) + y)
    step = 1e-3 * np.eye(4).reshape(4, 2, 2)

    def value(x):
        return np.sum((x @ x.T) * np.triu(np.hypot(x, np.flip(x)))) + np.var(np.log2(np.cumprod(x, axis=0)), ddof=1)

    slopes = [(value(x.numpy() + d) - value(x.numpy() - d)) / 2e-3 for d in step.astype(float)]
    np.testing.assert_allclose(x.grad.numpy().ravel(), slopes, rtol=1e-3)


STANDARD = """
    __array_namespace_info__ abs acos acosh add all any arange argmax argmin argsort asarray asin asinh astype atan atan2 atanh
    bitwise_and bitwise_invert bitwise_left_shift bitwise_or bitwise_right_shift bitwise_xor broadcast_arrays broadcast_shapes
    broadcast_to can_cast ceil clip concat conj copysign cos cosh count_nonzero cumulative_prod cumulative_sum diff divide empty
    empty_like equal exp expand_dims expm1 eye finfo flip floor floor_divide from_dlpack full full_like greater greater_equal hypot
    iinfo imag isdtype isfinite isinf isnan less less_equal linspace log log10 log1p log2 logaddexp logical_and logical_not logical_or
    logical_xor matmul matrix_transpose max maximum mean meshgrid min minimum moveaxis multiply negative nextafter nonzero not_equal
    ones ones_like permute_dims positive pow prod real reciprocal remainder repeat reshape result_type roll round searchsorted sign
    signbit sin sinh sort sqrt square squeeze stack std subtract sum take take_along_axis tan tanh tensordot tile tril triu trunc
    unique_all unique_counts unique_inverse unique_values unstack var vecdot where zeros zeros_like
"""


def test_it_has_the_names_and_signatures_of_the_standard():
    assert {*STANDARD.split(), "e", "inf", "nan", "newaxis", "pi"} <= {*xp.__all__}
    for name in xp.__all__:
        ours, numpys = getattr(xp, name), getattr(np, name, None)
        if not inspect.isfunction(ours) or not inspect.isfunction(numpys):
            continue
        for parameter in inspect.signature(ours).parameters.values():
            if parameter.kind is parameter.KEYWORD_ONLY and parameter.name not in ("copy", "device", "stable", "descending", "indexing"):
                assert parameter.name in inspect.signature(numpys).parameters, (name, parameter.name)
    assert len(xp.__all__) == len({*xp.__all__})
    for name in ("e", "inf", "nan", "pi", "newaxis"):
        assert getattr(xp, name) is getattr(np, name) or getattr(xp, name) == getattr(np, name) or name == "nan"


def test_it_is_not_loaded_before_it_is_used():
    code = "import sys, numod; assert 'numod.array_api' not in sys.modules; print(numod.Tensor([1.0]).__array_namespace__().__name__)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "numod.array_api"
