"""Exchange of tensors by DLPack."""

import numpy as np
import pytest

import numod as nm
from numod import dtype as dtypes
from numod.utils.dlpack import from_dlpack, to_dlpack


@pytest.mark.parametrize("name", dtypes.NAMES)
def test_a_capsule_keeps_dtype_shape_and_values(name):
    x = nm.Tensor([[0, 1, 2], [3, 4, 5]], dtype=name)
    y = from_dlpack(to_dlpack(x))
    assert y.dtype == x.dtype
    np.testing.assert_array_equal(y.numpy(), x.numpy())


def test_strided_tensors_and_views():
    x = nm.Tensor(np.arange(6, dtype=np.float32).reshape(2, 3)).T
    np.testing.assert_array_equal(from_dlpack(to_dlpack(x)).numpy(), x.numpy())
    np.testing.assert_array_equal(np.from_dlpack(x), x.numpy())


def test_what_is_taken_in_is_a_copy():
    array = np.ones(2)
    x = from_dlpack(array)
    array[0] = 5
    assert x.tolist() == [1.0, 1.0] and x.dtype == np.float64


def test_what_cannot_be_exchanged_is_refused():
    with pytest.raises(TypeError, match="Tensor"):
        to_dlpack([1.0])
    with pytest.raises(TypeError, match="__dlpack__"):
        from_dlpack(3)
    with pytest.raises(ValueError, match="stream"):
        from_dlpack(np.ones(1), stream=1)
