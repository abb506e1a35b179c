"""Gradients of complex tensors: that of a real number by ``z`` is its derivative by the real part and, times i, that by the imaginary part."""

import numpy as np
import pytest

import numod.functional as F
from numod import Tensor
from numod.autodiff import GradManager

RANDOM = np.random.default_rng(0)
WAYS = {
    "broadcast": (lambda z: z, lambda z: z),
    "slice": (lambda z: z[:, ::2], lambda z: z[:, ::2]),
    "number": (lambda z: z[1], lambda z: z[1]),
    "indices": (lambda z: z[[1, 0, 1]], lambda z: z[[1, 0, 1]]),
    "transposed": (lambda z: z.transpose(1, 0), lambda z: z.T),
    "concat": (lambda z: F.concat([z, -z]), lambda z: np.concatenate([z, -z])),
    "beside a real number": (lambda z: (z * 2 - 1.5) + 0.5j, lambda z: (z * 2 - 1.5) + 0.5j),
    "where": (lambda z: F.where(Tensor([True, False, True]), z, z * z), lambda z: np.where([True, False, True], z, z * z)),
    "beside a real tensor": (lambda z: z * F.real(z) - F.imag(z), lambda z: z * z.real - z.imag),
}


@pytest.mark.parametrize("name", WAYS)
def test_gradient(name):
    ours, theirs = WAYS[name]
    x, y = (RANDOM.standard_normal((2, 3)) for _ in range(2))
    shape = theirs(x + 1j * y).shape
    factor = (RANDOM.standard_normal((4, *shape)) + 1j * RANDOM.standard_normal((4, *shape))).astype("complex64")

    def loss(x, y):
        return (theirs(x + 1j * y) * factor).real.sum()

    tensors = [Tensor(x), Tensor(y)]
    with GradManager().attach(tensors) as gm:
        gm.backward(F.real(ours(F.complex(*tensors)) * Tensor(factor)).sum())
    for at, tensor in enumerate(tensors):
        for place in np.ndindex(2, 3):
            step = np.zeros((2, 3))
            step[place] = 1e-6
            up, down = (loss(*(v + sign * step if i == at else v for i, v in enumerate((x, y)))) for sign in (1, -1))
            np.testing.assert_allclose(tensor.grad.numpy()[place], (up - down) / 2e-6, rtol=1e-3, atol=1e-3)


def test_parts_are_views_and_refusals_say_what_is_taken():
    z = Tensor(np.array([1 + 2j, 3]))
    assert z.dtype == np.complex64
    assert repr(z) == "Tensor([1.+2.j 3.+0.j], dtype=complex64, device=xpux:0)"
    assert F.imag(z).numpy().strides == (8,)
    assert complex(z[0]) == z[0].item() == 1 + 2j
    for refused in (F.exp, F.sum, F.relu, lambda z: F.matmul(z, z), lambda z: z.astype("float32"), lambda z: z < z, F.sort):
        with pytest.raises(TypeError, match="complex64"):
            refused(z)
    with pytest.raises(TypeError, match="real: takes complex64, got float32"):
        F.real(Tensor([1.0]))
