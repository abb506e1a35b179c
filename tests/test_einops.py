"""einops on tensors gives what it gives on arrays, and gradients flow through it."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import numod as nm
import numod.functional as F
from numod.autodiff import GradManager

einops = pytest.importorskip("einops")
layers = pytest.importorskip("numod.utils.einops")

REARRANGED = [
    ("b c h w -> b (c h w)", {}),
    ("b c (h s) (w t) -> b (c s t) h w", {"s": 2, "t": 3}),
    ("b c h w -> w h c b", {}),
    ("b ... -> ... b", {}),
    ("b c h w -> b 1 c (w h) 1", {}),
]


def array(*shape, dtype="float32", seed=0):
    return np.random.RandomState(seed).randint(-4, 5, shape).astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "int32", "uint8", "bool", "float16"])
@pytest.mark.parametrize(("pattern", "sizes"), REARRANGED)
def test_rearrange(pattern, sizes, dtype):
    x = array(2, 3, 4, 6, dtype=dtype)
    out = einops.rearrange(nm.Tensor(x), pattern, **sizes)
    np.testing.assert_array_equal(out.numpy(), einops.rearrange(x, pattern, **sizes))
    assert out.dtype == dtype


def test_rearrange_of_a_list_stacks():
    parts = [array(2, 3, seed=seed) for seed in range(4)]
    out = einops.rearrange([nm.Tensor(x) for x in parts], "n h w -> h (n w)")
    np.testing.assert_array_equal(out.numpy(), einops.rearrange(parts, "n h w -> h (n w)"))


@pytest.mark.parametrize("how", ["sum", "mean", "max", "min", "prod"])
@pytest.mark.parametrize(
    "pattern", ["b c h w -> b c", "b c (h 2) (w 3) -> b h w", "b c h w -> ", "b c h w -> c b h w", "b c h w -> b 1 h 1"]
)
def test_reduce(pattern, how):
    x = array(2, 3, 4, 6) / 4
    np.testing.assert_allclose(einops.reduce(nm.Tensor(x), pattern, how).numpy(), einops.reduce(x, pattern, how), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("how", ["any", "all"])
def test_reduce_bools(how):
    x = array(3, 4, 5) > -3
    np.testing.assert_array_equal(einops.reduce(nm.Tensor(x), "a b c -> a c", how).numpy(), einops.reduce(x, "a b c -> a c", how))


@pytest.mark.parametrize(("pattern", "sizes"), [("h w -> h w c", {"c": 3}), ("h w -> (h 2) (w k)", {"k": 3}), ("h w -> k (w h)", {"k": 2})])
def test_repeat(pattern, sizes):
    x = array(3, 4)
    np.testing.assert_array_equal(einops.repeat(nm.Tensor(x), pattern, **sizes).numpy(), einops.repeat(x, pattern, **sizes))


@settings(max_examples=60, deadline=None, database=None)
@given(st.data())
def test_einsum_as_numpy(data):
    sides = {"a": 2, "b": 3, "c": 1, "d": 4}
    terms = data.draw(st.lists(st.text("abcd", min_size=1, max_size=4), min_size=1, max_size=3))
    known = sorted(set("".join(terms)))
    out = "".join(data.draw(st.permutations(known))[: data.draw(st.integers(0, len(known)))])
    arrays = [array(*(sides[label] for label in term), seed=i, dtype="int32") for i, term in enumerate(terms)]
    dtype = data.draw(st.sampled_from(["float32", "int32"]))
    spaced = f"{', '.join(map(' '.join, terms))} -> {' '.join(out)}"
    got = einops.einsum(*[nm.Tensor(x, dtype=dtype) for x in arrays], spaced)
    np.testing.assert_array_equal(got.numpy(), np.einsum(f"{','.join(terms)}->{out}", *arrays))
    assert got.dtype == dtype


def test_einsum_names_axes_that_do_not_fit():
    with pytest.raises(ValueError, match=r"axis '.' has length 3 in one place and 4 in another"):
        einops.einsum(F.ones((2, 3)), F.ones((4, 2)), "a b, b c -> a c")
    with pytest.raises(ValueError, match="length 2 in one place and 3"):
        einops.einsum(F.ones((2, 3)), "a a ->")


def test_pack_and_unpack():
    x, y = nm.Tensor(array(2, 3)), nm.Tensor(array(2, 4, 5))
    packed, shapes = einops.pack([x, y], "b *")
    assert packed.shape == (2, 23)
    for part, whole in zip(einops.unpack(packed, shapes, "b *"), (x, y), strict=True):
        np.testing.assert_array_equal(part.numpy(), whole.numpy())


def gradient(function, *tensors):
    with GradManager().attach(tensors) as manager:
        manager.backward(F.sum(function(*tensors)))
    return [x.grad.numpy() for x in tensors]


def test_gradients():
    x, w = nm.Parameter(array(2, 6)), nm.Parameter(array(3, 6, seed=1))
    (dx,) = gradient(lambda x: einops.rearrange(x, "b (h w) -> b h w", h=2) * nm.Tensor(array(2, 2, 3, seed=2)), x)
    np.testing.assert_array_equal(dx, array(2, 2, 3, seed=2).reshape(2, 6))
    x.grad = None
    dx, dw = gradient(lambda x, w: einops.einsum(x, w, "b i, o i -> b o"), x, w)
    np.testing.assert_array_equal(dx, np.broadcast_to(w.numpy().sum(0), (2, 6)))
    np.testing.assert_array_equal(dw, np.broadcast_to(x.numpy().sum(0), (3, 6)))
    x.grad = None
    (dx,) = gradient(lambda x: einops.reduce(einops.repeat(x, "b i -> b i k", k=5), "b i k -> b", "mean"), x)
    np.testing.assert_allclose(dx, np.full((2, 6), 1 / 6), rtol=1e-6)


def test_layers():
    net = nm.module.Sequential(layers.Rearrange("b (h w) -> b h w", h=2), layers.Reduce("b h w -> b h", "max"))
    x = array(3, 6)
    np.testing.assert_array_equal(net(nm.Tensor(x)).numpy(), x.reshape(3, 2, 3).max(2))
    assert repr(net[1]) == "Reduce('b h w -> b h', reduction='max')"
    assert repr(pickle.loads(pickle.dumps(net[0]))) == "Rearrange('b (h w) -> b h w', h=2)"
    assert not net.state_dict()
