"""The elementwise form: axes collapse so that few kernels serve all ranks and layouts, without touching other elements than the full loop would."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, strategies as st
from launching import CPU, launch, spec_of

import numod as nm
import numod.functional as F
from numod import Tensor
from numod.kernel import axes, elementwise
from numod.spec import Spec

FLOAT = np.dtype("float32")


def difference(x, y):
    return x - y


def kinds(*operands):
    """How the op's own kernel walks operands given as (shape, strides); strides None for C order."""
    specs = [Spec.of(shape, FLOAT, CPU, strides) for shape, strides in operands]
    out = Spec.of(np.broadcast_shapes(*[spec.shape for spec in specs]), FLOAT, CPU)
    (step,) = elementwise.program(difference, specs, [out], FLOAT).steps
    return (step.words[0] if step.kernel is elementwise.WALK else step.kernel).key[-1]


@pytest.mark.parametrize(
    ("operands", "wanted"),
    [
        ([((7,), None), ((7,), None)], "cc"),
        ([((2, 3, 4), None), ((2, 3, 4), None)], "cc"),
        ([((5, 1, 4), None), ((5, 1, 4), None)], "cc"),
        ([((2, 3, 4), None), ((), None)], "cs"),
        ([((1, 1), None), ((2, 3), None)], "sc"),
        ([((2, 3), None), ((3,), None)], "cc"),  # a row for all rows
        ([((2, 3), None), ((2, 1), None)], "cs"),  # a column for all columns
        ([((2, 3, 4, 5), None), ((3, 1, 1), None)], "cs"),  # one value a channel
        ([((), None), ((), None)], "ss"),
        ([((3, 2), (1, 3)), ((3, 2), None)], "gg"),
        ([((4, 3), (6, 1)), ((4, 3), None)], "cc"),  # rows of a wider matrix
        ([((3,), (2,)), ((3,), None)], "gg"),
    ],
)
def test_a_handful_of_kernels(operands, wanted):
    assert kinds(*operands) == wanted


def places(shape, strides):
    """The offsets that a loop over all axes reads, in order."""
    return [sum(i * s for i, s in zip(index, strides, strict=True)) for index in itertools.product(*map(range, shape))]


@given(st.data())
def test_collapsing_keeps_every_operands_walk(data):
    shape = tuple(data.draw(st.lists(st.integers(0, 4), max_size=5)))
    packed = [1] * len(shape)
    for axis in range(len(shape) - 2, -1, -1):
        packed[axis] = packed[axis + 1] * shape[axis + 1]
    operands = [tuple(data.draw(st.sampled_from([s, s, s, 0, 2 * s, 1])) for s in packed) for _ in range(data.draw(st.integers(1, 3)))]
    fewer, walks = axes.collapse(shape, operands)
    assert len(fewer) <= len(shape)
    assert 1 not in fewer
    for before, after in zip(operands, walks, strict=True):
        assert places(fewer, after) == places(shape, before)


@given(st.data())
def test_any_mixture_of_layouts_and_cuts(data):
    """Operands are broadcast views into larger arrays, and threads take pieces of any size."""
    shape = tuple(data.draw(st.lists(st.integers(1, 6), min_size=1, max_size=4)))
    bases, views = [], []
    for _ in range(2):
        steps = [data.draw(st.sampled_from([0, 1, 2])) for _ in shape]
        extents = [n * max(step, 1) for n, step in zip(shape, steps, strict=True)]
        bases.append(np.random.default_rng(0).integers(0, 100, extents).astype(FLOAT))
        views.append(np.broadcast_to(bases[-1][tuple(slice(None, None, step) if step else slice(0, 1) for step in steps)], shape))
    out = Spec.of(shape, FLOAT, CPU)
    specs = [Spec.of(shape, FLOAT, CPU, tuple(stride // 4 for stride in view.strides)) for view in views]
    program = elementwise.program(difference, specs, [out], FLOAT)
    pieces = replace(program, steps=(replace(program.steps[0], grain=data.draw(st.integers(1, 9))),))
    np.testing.assert_array_equal(launch(program, bases, [out]), views[0] - views[1])
    np.testing.assert_array_equal(launch(pieces, bases, [out]), views[0] - views[1])


def test_several_outputs_of_several_dtypes():
    def both(x, y):
        return x + y, x > y

    x, y = np.arange(6, dtype=FLOAT), np.full(6, 2.5, FLOAT)
    outs = [Spec.of((6,), FLOAT, CPU), Spec.of((6,), np.dtype(bool), CPU)]
    total, larger = launch(elementwise.program(both, [spec_of(x), spec_of(y)], outs, FLOAT), [x, y], outs)
    np.testing.assert_array_equal(total, x + y)
    np.testing.assert_array_equal(larger, x > y)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64", "complex64", "float16", "int8", "bool"])
@pytest.mark.parametrize("order", [(1, 0, 2), (2, 0, 1), (0, 2, 1), (2, 1, 0)])
def test_large_transposed_operands(dtype, order):
    """They are copied first; what is computed is the same, traced as well, and with an operand that is written over."""
    x = np.random.default_rng(0).integers(0, 2 if dtype == "bool" else 9, (20, 30, 24)).astype(dtype)
    want = x.transpose(order)[:, ::-1]
    t = Tensor(x, dtype=dtype).transpose(*order)[:, ::-1]
    beside = Tensor(np.ascontiguousarray(want), dtype=dtype)

    def calls(t, beside):
        return t == beside, F.where(beside == beside, t, beside), t != t[:1]

    traced = nm.jit.trace(calls)
    for equal, same, first in (calls(t, beside), traced(t, beside), traced(t, beside)):
        assert equal.numpy().all()
        np.testing.assert_array_equal(same.numpy(), want)
        np.testing.assert_array_equal(first.numpy(), want != want[:1])


def test_a_large_transposed_operand_is_read_by_blocks():
    wide, flat = Spec.of((64, 96), FLOAT, CPU, (1, 64)), Spec.of((64, 96), FLOAT, CPU)
    assert len(elementwise.program(difference, [wide, flat], [flat], FLOAT).steps) == 2
    row = Spec.of((64, 96), FLOAT, CPU, (200, 1))
    assert len(elementwise.program(difference, [row, flat], [flat], FLOAT).steps) == 1
