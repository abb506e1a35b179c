"""Matrix products on the CPU are right for all shapes, layouts and vector widths, and do not depend on how threads share them."""

import numpy as np
import pytest
from guarded import outcome

from numod import config
from numod.kernel import executor, gemm, layout, memory
from numod.kernel.host import vector_bytes
from numod.spec import Spec
from numod.tensor import Tensor

BYTES = [width for width in (64, 32, 16) if width <= vector_bytes()]
SIDES = (1, 2, 3, 5, 7, 8, 13, 16, 17, 24, 31, 33, 50, 64, 70, 290)
FEW = {
    "PACK_WORK": 1000,
    "PACK_ROWS": 6,
    "LONG_ROW": 64,
    "SHALLOW": 5,
    "DEPTH": 11,
    "GROUP": 70,
    "FEW": 12,
    "TASK_WORK": 1000,
}
LIMITS = {name: getattr(gemm, name) for name in FEW}
TOLERANCE = {"float32": 2.0**-24, "float64": 2.0**-53}


def matrices(rows, columns, transposed=False, step=0):
    return gemm.Matrices(*((1, rows) if transposed else (columns, 1)), (0, step))


def product(random, m, n, k, batch=1, transpose_a=False, transpose_b=False, bias=False, shared="", real="float32", width=None):
    """Compare one product with NumPy; ``shared``: "a" or "b" if all matrices of the batch share one of it."""
    a = random.standard_normal((1 if shared == "a" else batch, *((k, m) if transpose_a else (m, k)))).astype(real)
    b = random.standard_normal((1 if shared == "b" else batch, *((n, k) if transpose_b else (k, n)))).astype(real)
    start = random.standard_normal(n).astype(real) if bias else np.zeros(n, real)
    program = gemm.program(
        *(m, n, k),
        matrices(m, k, transpose_a, 0 if shared == "a" else m * k),
        matrices(k, n, transpose_b, 0 if shared == "b" else k * n),
        batch=(1, batch),
        bias=bias,
        real=real,
        lanes=width and width // np.dtype(real).itemsize,
    )
    (made,) = outcome(program, [a, b, start][: program.n_in], random)
    left, right = (
        np.swapaxes(x, 1, 2) if flip else x for x, flip in ((a.astype("float64"), transpose_a), (b.astype("float64"), transpose_b))
    )
    wanted = left @ right + start
    bound = (k + 2) * TOLERANCE[real] * (np.abs(left) @ np.abs(right) + np.abs(start))  # of any order of summation
    if real == "float64":
        bound *= 2  # NumPy's result has an error too
    difference = np.abs(np.frombuffer(made, real).reshape(batch, m, n) - wanted)
    case = (m, n, k, batch, transpose_a, transpose_b, bias, shared, real, width)
    assert (difference <= bound).all(), (case, difference.max())


@pytest.mark.parametrize("real", ["float32", "float64"])
@pytest.mark.parametrize("width", BYTES)
def test_random_products(real, width, monkeypatch):
    random = np.random.default_rng(width)
    for _ in range(60):
        # Small products meet what is there for large ones: B in panels, copies of A, a depth that is cut, blocks of C.
        for name, few in FEW.items():
            monkeypatch.setattr(gemm, name, int(random.choice((LIMITS[name], few))))
        monkeypatch.setattr(config, "num_threads", int(random.choice((1, 2, 5))))
        m, n, k = (int(side) for side in random.choice(SIDES, 3))
        batch, shared = int(random.choice((1, 1, 2, 5))), str(random.choice(("", "a", "b")))
        transpose_a, transpose_b, bias = (bool(flag) for flag in random.integers(0, 2, 3))
        product(random, m, n, k, batch, transpose_a, transpose_b, bias, shared, real, width)


@pytest.mark.parametrize("transposed", [False, True])
def test_large_products(transposed):
    random = np.random.default_rng(0)
    for m, n, k in ((300, 300, 390), (20, 700, 1000)):
        product(random, m, n, k, transpose_a=transposed, transpose_b=transposed, bias=True)


@pytest.mark.parametrize("transposed", [False, True])
def test_plans_for_other_threads_agree_in_every_bit(transposed, monkeypatch):
    random = np.random.default_rng(0)
    a, b = (random.standard_normal(size).astype("float32") for size in (200 * 500, 500 * 300))
    made, plans = set(), set()
    for count in (1, 2, 7):
        monkeypatch.setattr(config, "num_threads", count)
        program = gemm.program(200, 300, 500, matrices(200, 500, transposed), matrices(500, 300))
        plans.add(program.steps[-1].n)
        made.update(outcome(program, [a, b], random))
    assert len(plans) == 3
    assert len(made) == 1


def test_rows_keep_apart():
    """A value that is not finite stays in its row and column."""
    for m, n, k in ((5, 7, 9), (40, 50, 60), (200, 200, 200)):
        random = np.random.default_rng(0)
        a, b = random.standard_normal((m, k)).astype("float32"), random.standard_normal((n, k)).astype("float32")
        a[m // 2, k // 3], b[n // 2, k // 4] = np.nan, np.inf
        (made,) = outcome(gemm.program(m, n, k, matrices(m, k), matrices(k, n, True)), [a, b], random)
        wanted = np.ones((m, n), bool)
        wanted[m // 2], wanted[:, n // 2] = False, False
        assert (np.isfinite(np.frombuffer(made, "float32").reshape(m, n)) == wanted).all()


def test_what_is_left_to_the_generic_form():
    for m, n, k in ((0, 3, 4), (3, 0, 4), (3, 4, 0)):
        assert gemm.program(m, n, k, matrices(m, k), matrices(k, n)) is None
    assert gemm.program(3, 4, 5, matrices(3, 5), matrices(5, 4), batch=(1, 0)) is None
    assert gemm.program(3, 4, 5, matrices(3, 5), matrices(5, 4), real="float16") is None


@pytest.mark.parametrize(
    ("x", "y", "strided"),
    [
        (lambda x: x(5, 4, 3, 6).transpose(0, 2, 1, 3), lambda y: y(5, 7, 3, 6).transpose(0, 2, 3, 1), (0, 1)),  # heads of attention
        (lambda x: x(4, 12)[:, ::2], lambda y: y(8, 6).transpose(1, 0), (1,)),
        (lambda x: x(4, 6)[::-1], lambda y: y(6, 8)[:, 2:5], (0, 1)),
        (lambda x: x(9, 12)[::2, ::3], lambda y: y(12, 5)[::3], (1,)),  # neither rows nor columns without gaps
        (lambda x: x(2, 3, 4, 5, 6).transpose(2, 1, 0, 3, 4), lambda y: y(6, 7), (1,)),  # three axes of a batch
        (lambda x: x(3, 1, 5, 6), lambda y: y(1, 4, 6, 2), (0, 1)),  # each matrix meets several
        (lambda x: x(3, 6, 5).transpose(0, 2, 1)[1:2], lambda y: y(7, 6).transpose(1, 0), (0, 1)),
        (lambda x: x(5, 1, 6), lambda y: y(5, 6, 1), (0, 1)),
    ],
)
@pytest.mark.parametrize("pack_work", [10, gemm.PACK_WORK])
def test_operands_are_read_where_they_are(x, y, strided, pack_work, monkeypatch):
    monkeypatch.setattr(gemm, "PACK_WORK", pack_work)
    random = np.random.default_rng(0)
    x, y = (view(lambda *shape: Tensor(random.standard_normal(shape))) for view in (x, y))
    wanted = x.numpy() @ y.numpy()
    out = Spec.of(wanted.shape, x.dtype, x.device)
    program = gemm.matmul(x._spec, y._spec, out)
    assert program.strided == strided
    made = executor.compile(layout.on_contiguous((x._spec, y._spec), program))(x._buffer, y._buffer)
    np.testing.assert_allclose(memory.to_numpy(made, out), wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("x", "y", "flags"),
    [
        (lambda x: x(20, 70), lambda y: y(20, 7), (True, False)),
        (lambda x: x(20, 70).transpose(1, 0), lambda y: y(20, 48), (False, False)),
        (lambda x: x(3, 2, 9, 65), lambda y: y(2, 9, 5), (True, False)),
        (lambda x: x(9, 3, 130).transpose(1, 0, 2), lambda y: y(9, 3, 8).transpose(1, 2, 0), (True, True)),
        (lambda x: x(20, 70), lambda y: y(20, 14)[:, ::2], (True, False)),  # y has gaps in rows and columns
    ],
)
@pytest.mark.parametrize("real", ["float32", "float64"])
@pytest.mark.parametrize("pack_work", [10, gemm.PACK_WORK])
def test_tall_results_are_those_of_the_transposes_turned_round(x, y, flags, real, pack_work, monkeypatch):
    monkeypatch.setattr(gemm, "PACK_WORK", pack_work)
    random = np.random.default_rng(0)
    x, y = (view(lambda *shape: Tensor(random.standard_normal(shape), dtype=real)) for view in (x, y))
    wanted = np.matmul(*(np.swapaxes(each.numpy(), -1, -2) if flag else each.numpy() for each, flag in zip((x, y), flags, strict=True)))
    out = Spec.of(wanted.shape, x.dtype, x.device)
    program = gemm.matmul(x._spec, y._spec, out, *flags)
    if pack_work == 10:
        assert [step.kernel.key[0] for step in program.steps] == ["gemm", "transpose"]
    made = executor.compile(layout.on_contiguous((x._spec, y._spec), program))(x._buffer, y._buffer)
    np.testing.assert_allclose(memory.to_numpy(made, out), wanted, rtol=1e-5, atol=1e-5)
