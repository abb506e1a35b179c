"""Copies of strided arrays to C order are what NumPy makes of them, whatever the strides, and write nowhere else."""

import numpy as np
import pytest
from guarded import outcome
from launching import CPU

from numod import config
from numod.kernel import copying
from numod.kernel.host import vector_bytes
from numod.kernel.program import Program, Ref
from numod.spec import Spec

pytestmark = pytest.mark.skipif(config.interpret, reason="interpreted kernels have no fast copies")
WIDTHS = [width for width in (64, 32, 16) if width <= vector_bytes()]


def view_of(random):
    """An array and a view of it: its axes in another order, cut, reversed or repeated."""
    shape = random.integers(1, 40, random.integers(2, 5))
    shape[np.cumprod(shape) > 30_000] = 1
    base = np.arange(1, 1 + shape.prod(), dtype=random.choice(["f4", "f8", "i4"])).reshape(shape)
    cuts = (slice(None), slice(None), slice(1, None), slice(None, -1), slice(None, None, -1))
    view = base.transpose(random.permutation(base.ndim))[tuple(cuts[random.integers(5)] for _ in shape)]
    return base, np.broadcast_to(view, (3, *view.shape)) if random.integers(4) == 0 else view


@pytest.mark.parametrize("width", WIDTHS)
def test_copies(width, monkeypatch):
    random, met = np.random.default_rng(width), set()
    for _ in range(150):
        monkeypatch.setattr(copying, "GRAIN", int(random.choice((200, 32768))))
        base, view = view_of(random)
        offset = view.__array_interface__["data"][0] - base.__array_interface__["data"][0]
        spec = Spec.of(view.shape, view.dtype, CPU, tuple(stride // view.itemsize for stride in view.strides))
        step = copying.step(spec, Ref("in", 0, offset), Ref("out"), width)
        if step:
            (made,) = outcome(Program((view.nbytes,), 1, (step,)), [base], random)
            np.testing.assert_array_equal(np.frombuffer(made, view.dtype).reshape(view.shape), view)
            met.add((step.kernel.key[0], view.itemsize))
    assert met == {("copy", 4), ("copy", 8), ("transpose", 4), ("transpose", 8)}
