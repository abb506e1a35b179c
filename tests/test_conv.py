"""Convolutions on the CPU are right in all three directions, for all geometries, vector widths and ways to fill vectors."""

import numpy as np
import pytest
from guarded import outcome

from numod.kernel import conv, conv_weight
from numod.kernel.correlation import BY_IMAGE, BY_ROW
from numod.kernel.host import vector_bytes
from numod.op import TABLE
from numod.ops import conv as _  # noqa: F401 (fills the table)

LANES = [lanes for lanes in (16, 8, 4) if 4 * lanes <= vector_bytes()]
PLANNERS = {"conv": conv.forward, "conv_data_gradient": conv.data_gradient, "conv_weight_gradient": conv_weight.weight_gradient}
KERNELS = 6  # different tiles that a test may compile, a quarter of a second each


def geometry(random: np.random.Generator):
    """Shapes of x and weight and the attributes of a convolution that is quick to compute."""

    def some(choices, count):
        return tuple(int(value) for value in random.choice(choices, count))

    while True:
        axes, (groups,) = int(random.choice((1, 2, 2, 2, 3))), some((1, 1, 1, 2, 3), 1)
        (inputs,), (outputs,), (images,) = some((1, 2, 3, 5), 1), some((1, 2, 4, 7, 15), 1), some((1, 2, 3, 5, 16, 17), 1)
        if random.random() < 0.15:  # depthwise
            groups, inputs, outputs = 6, 1, int(random.integers(1, 3))
        taps = some((1, 2, 3, 4, 5), axes) if random.random() < 0.8 else (1,) * axes
        stride, padding, dilation = some((1, 1, 2, 3), axes), some((0, 0, 1, 2, 3), axes), some((1, 1, 2, 3), axes)
        size = some((1, 2, 3, 5, 6, 7, 8, 9, 12, 15, 16, 17, 20, 33) if axes < 3 else (1, 2, 3, 4, 6, 9), axes)
        fits = all(n + 2 * p > (t - 1) * d for n, p, t, d in zip(size, padding, taps, dilation, strict=True))
        if fits and images * groups * inputs * np.prod(size) < 30_000:
            attrs = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
            return (images, groups * inputs, *size), (groups * outputs, inputs, *taps), attrs


def compare(random, op: str, x_shape, w_shape, attrs, bias=False, **choices):
    """Compare one program with NumPy."""
    make, forward = PLANNERS[op], TABLE["conv"].ref
    x, w = (random.standard_normal(shape).astype("float32") for shape in (x_shape, w_shape))
    start = random.standard_normal(w_shape[0]).astype("float32")
    if op == "conv":
        program, inputs, shape = make(x_shape, w_shape, bias, **attrs, **choices), [x, w, *[start] * bias], {}
        after = start.reshape(-1, *[1] * (len(x_shape) - 2)) * bias
    else:
        program, after = make(x_shape, w_shape, **attrs, **choices), 0.0
        dy = random.standard_normal(forward(np.zeros(x_shape), np.zeros(w_shape), **attrs).shape).astype("float32")
        inputs, shape = ([dy, w], {"shape": x_shape}) if op == "conv_data_gradient" else ([dy, x], {"shape": w_shape})
    (made,) = outcome(program, inputs, random)
    first, second = (value.astype("float64") for value in inputs[:2])
    wanted = TABLE[op].ref(first, second, **shape, **attrs) + after
    sizes = TABLE[op].ref(np.abs(first), np.abs(second), **shape, **attrs) + np.abs(after)
    terms = TABLE[op].ref(np.ones_like(first), np.ones_like(second), **shape, **attrs)
    difference = np.abs(np.frombuffer(made, "float32").reshape(wanted.shape) - wanted)
    bound = (terms + 20) * 2.0**-24 * sizes  # of any order of summation; parts of dw are summed once more
    assert (difference <= bound).all(), (op, x_shape, w_shape, attrs, bias, choices, difference.max())


@pytest.mark.parametrize("op", PLANNERS)
@pytest.mark.parametrize("mode", [BY_ROW, BY_IMAGE])
@pytest.mark.parametrize("lanes", LANES)
def test_random_geometries(op, lanes, mode):
    random = np.random.default_rng(lanes)
    kernels = set()
    done = 0
    while done < 25:
        x_shape, w_shape, attrs = geometry(random)
        bias = {"bias": bool(random.integers(2))} if op == "conv" else {}
        program = PLANNERS[op](x_shape, w_shape, **bias, **attrs, lanes=lanes, mode=mode)
        needed = kernels | {step.kernel.key for step in program.steps}
        if len(needed) <= KERNELS:
            kernels = needed
            compare(random, op, x_shape, w_shape, attrs, **bias, lanes=lanes, mode=mode)
            done += 1
