"""einsum is NumPy's, whatever the subscripts."""

import string

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import numod as nm
import numod.functional as F
from numod.autodiff import GradManager

SIDES = dict(zip("abcdeF", (2, 3, 1, 4, 0, 2), strict=True))
random = np.random.default_rng(0)


@st.composite
def calls(draw):
    """Subscripts and the shapes of operands: repeated letters, '...', results implied or not, spaces."""
    spread = draw(st.lists(st.integers(0, 3), max_size=2))
    terms, shapes = [], []
    for _ in range(draw(st.integers(1, 5))):
        term = draw(st.text("abcdeF", max_size=3))
        shape = [SIDES[label] for label in term]
        if draw(st.booleans()):
            at = draw(st.integers(0, len(term)))
            axes = [draw(st.sampled_from([1, side])) for side in spread[draw(st.integers(0, len(spread))) :]]
            term, shape = f"{term[:at]}...{term[at:]}", [*shape[:at], *axes, *shape[at:]]
        terms.append(term)
        shapes.append(tuple(shape))
    text = ",".join(terms)
    if draw(st.booleans()):
        known = sorted(set(text) & set(string.ascii_letters))
        out = "".join(draw(st.permutations(known))[: draw(st.integers(0, len(known)))])
        at = draw(st.integers(0, len(out)))
        text += "->" + (f"{out[:at]}...{out[at:]}" if "..." in text else out)
    return (text.replace(",", " , ").replace("->", " -> ") if draw(st.booleans()) else text), shapes


@settings(max_examples=300, deadline=None, database=None)
@given(calls())
def test_as_numpy(call):
    subscripts, shapes = call
    arrays = [random.integers(-3, 4, shape).astype("float32") for shape in shapes]
    want = np.einsum(subscripts, *[x.astype("float64") for x in arrays])
    got = F.einsum(subscripts, *map(nm.Tensor, arrays))
    assert got.shape == want.shape and got.dtype == np.float32
    np.testing.assert_allclose(got.numpy(), want, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", ["float16", "float64", "int8", "int32"])
def test_dtypes(dtype):
    x, y = (random.integers(-3, 4, (3, 3)).astype(dtype) for _ in range(2))
    for subscripts in ("ij,jk->ik", "ij,ij->", "ij,kl->ijkl", "ii,jj->ij"):
        got = F.einsum(subscripts, nm.Tensor(x, dtype=dtype), nm.Tensor(y, dtype=dtype)).numpy()
        assert got.dtype == dtype
        np.testing.assert_array_equal(got, np.einsum(subscripts, x, y))


def test_gradient():
    x, y, z = (nm.Tensor(random.normal(size=shape)) for shape in ((3, 4), (4, 4, 5), (5,)))
    with GradManager().attach([x, y, z]) as manager:
        manager.backward(F.einsum("ij,jjk,k->", x, y, z))
    a, b, c = (t.numpy().astype("float64") for t in (x, y, z))
    np.testing.assert_allclose(x.grad.numpy(), np.einsum("jjk,k,i->ij", b, c, np.ones(3)), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(z.grad.numpy(), np.einsum("ij,jjk->k", a, b), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(y.grad.numpy(), np.einsum("ij,k,jl->jlk", a, c, np.eye(4)), rtol=1e-5, atol=1e-6)


def test_many_operands_are_joined_in_a_good_order():
    x, y, z = nm.Tensor(np.ones((4000, 2))), nm.Tensor(np.ones((2, 4000))), nm.Tensor(np.ones((4000, 1)))
    assert F.einsum("ij,jk,kl->il", x, y, z)[0].item() == 8000.0  # from left to right there would be 64 MB in between
    assert nm.functional.einsum.__globals__["_plan"]("ij,jk,kl->il", (x.shape, y.shape, z.shape))[2] == [(1, 2), (0, 1)]


@pytest.mark.parametrize(
    ("subscripts", "shapes", "message"),
    [
        ("ij,jk", [(2, 3)], "about 2 operands, got 1"),
        ("ij", [(2,)], "names 2 axes of an operand with 1"),
        ("ij->ik", [(2, 3)], "letters of the operands"),
        ("ij->ii", [(2, 3)], "each once"),
        ("i1", [(2, 3)], "letters, commas"),
        ("ij->i->j", [(2, 3)], "one '->'"),
        ("...i->i", [(2, 3)], "must be in the result"),
        ("...i,...i", [(2, 3), (4, 3)], "cannot be broadcast"),
        ("ij,jk", [(2, 3), (4, 5)], "'j' has length 3 in one place and 4"),
        ("ii", [(2, 3)], "'i' has length 2 in one place and 3"),
    ],
)
def test_errors_say_what_does_not_fit(subscripts, shapes, message):
    with pytest.raises(ValueError, match=message):
        F.einsum(subscripts, *map(F.ones, shapes))
