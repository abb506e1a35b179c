"""Matrix products on the CPU are right for all shapes, layouts and vector widths, and do not depend on how threads share them."""

import numpy as np
import pytest
from guarded import outcome

from numod.kernel import gemm
from numod.kernel.host import vector_bytes

BYTES = [width for width in (64, 32, 16) if width <= vector_bytes()]
SIDES = (1, 2, 3, 5, 7, 8, 13, 16, 17, 24, 31, 33, 50, 64, 70, 290)
LIMITS = {name: getattr(gemm, name) for name in ("PACK_WORK", "DEPTH", "BLOCK_ROWS", "TASK_WORK")}
TOLERANCE = {"float32": 2.0**-24, "float64": 2.0**-53}


def product(random, m, n, k, batch=1, transpose_a=False, transpose_b=False, bias=False, shared="", real="float32", width=None):
    """Compare one product with NumPy; ``shared``: "a" or "b" if all matrices of the batch share one of it."""
    a = random.standard_normal((1 if shared == "a" else batch, *((k, m) if transpose_a else (m, k)))).astype(real)
    b = random.standard_normal((1 if shared == "b" else batch, *((n, k) if transpose_b else (k, n)))).astype(real)
    start = random.standard_normal(n).astype(real) if bias else np.zeros(n, real)
    program = gemm.program(
        *(m, n, k),
        batch=batch,
        a_batch=0 if shared == "a" else None,
        b_batch=0 if shared == "b" else None,
        transpose_a=transpose_a,
        transpose_b=transpose_b,
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
        for name, few in {"PACK_WORK": 1000, "DEPTH": 11, "BLOCK_ROWS": 20, "TASK_WORK": 1000}.items():
            monkeypatch.setattr(gemm, name, int(random.choice((LIMITS[name], few))))
        m, n, k = (int(side) for side in random.choice(SIDES, 3))
        batch, shared = int(random.choice((1, 1, 2, 5))), str(random.choice(("", "a", "b")))
        transpose_a, transpose_b, bias = (bool(flag) for flag in random.integers(0, 2, 3))
        product(random, m, n, k, batch, transpose_a, transpose_b, bias, shared, real, width)


@pytest.mark.parametrize("transposed", [False, True])
def test_large_products(transposed):
    random = np.random.default_rng(0)
    for m, n, k in ((300, 300, 390), (20, 700, 1000)):
        product(random, m, n, k, transpose_a=transposed, transpose_b=transposed, bias=True)


def test_rows_keep_apart():
    """A value that is not finite stays in its row and column."""
    for m, n, k in ((5, 7, 9), (40, 50, 60), (200, 200, 200)):
        random = np.random.default_rng(0)
        a, b = random.standard_normal((m, k)).astype("float32"), random.standard_normal((n, k)).astype("float32")
        a[m // 2, k // 3], b[n // 2, k // 4] = np.nan, np.inf
        (made,) = outcome(gemm.program(m, n, k, transpose_b=True), [a, b], random)
        wanted = np.ones((m, n), bool)
        wanted[m // 2], wanted[:, n // 2] = False, False
        assert (np.isfinite(np.frombuffer(made, "float32").reshape(m, n)) == wanted).all()


def test_what_is_left_to_the_generic_form():
    assert gemm.program(0, 3, 4) is None
    assert gemm.program(3, 0, 4) is None
    assert gemm.program(3, 4, 0) is None
    assert gemm.program(3, 4, 5, batch=0) is None
    assert gemm.program(3, 4, 5, real="float16") is None
