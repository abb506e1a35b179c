"""Convolutions on the CPU are right in all three directions, for all geometries, vector widths and ways to fill vectors."""

import numpy as np
import pytest
from guarded import outcome

from numod import config
from numod.kernel import conv, conv_columns, conv_data, conv_planes, conv_weight, conv_weight_columns, conv_weight_winograd, conv_winograd
from numod.kernel.correlation import BY_IMAGE, BY_ROW, COLUMNS, PLANES, WINOGRAD
from numod.kernel.host import vector_bytes
from numod.op import TABLE
from numod.ops import conv as rows  # noqa: F401 (fills the table)

LANES = [lanes for lanes in (16, 8, 4) if 4 * lanes <= vector_bytes()]
PLANNERS = {"conv": conv.forward, "conv_data_gradient": conv_data.data_gradient, "conv_weight_gradient": conv_weight.weight_gradient}
COMPILED = ("conv", "conv_weight", "conv_planes", "conv_planes_weight")  # kernels that there are many of
TILES = 3  # different ones that a test may compile, half a second each
SMALL = (  # small convolutions meet what is there for large ones: images and outputs that are done part by part
    (conv, "FRAMES", 20_000),
    (conv, "WINDOW", 2000),
    (conv_weight, "FRAMES", 20_000),
    (conv_weight, "VECTORS", 3),
    (conv_weight, "KEPT", 2000),
    (conv_columns, "FRAMES", 20_000),
    (conv_columns, "DEPTH", 7),
    (conv_columns, "NEAR", 7),
    (conv_columns, "FEW", 2),
    (conv_columns, "PAGE", 64),
    (conv_columns, "PAGES", 2),
    (conv_columns, "SERIAL", 50),
    (conv_planes, "FRAMES", 600),
    (conv_planes, "PIECE", 50),
    (conv_planes, "RUN", 300),
    (conv_weight_columns, "FRAMES", 20_000),
    (conv_weight_columns, "PLACES", 5),
    (conv_weight_columns, "TOGETHER", 5),
    (conv_weight_columns, "DIRECT", 1),
    (conv_winograd, "SERIAL", 50),
    (conv_winograd, "ROW_BLOCK", 12),
    (conv_winograd, "DEPTH", 3),
    (conv_winograd, "MOST", 20_000),
    (conv_winograd, "WEIGHT_INSIDE", 1000),
    (conv_weight_winograd, "SERIAL", 50),
    (conv_weight_winograd, "TILES", 5),
    (conv_weight_winograd, "PART", 3),
)
LIMITS = {(module, name): getattr(module, name) for module, name, _ in SMALL}


def geometry(random: np.random.Generator):
    """Shapes of x and weight and the attributes of a convolution that is quick to compute."""

    def some(choices, count):
        return tuple(int(value) for value in random.choice(choices, count))

    while True:
        axes, (groups,) = int(random.choice((1, 2, 2, 2, 3))), some((1, 1, 1, 2, 3), 1)
        (inputs,), (outputs,), (images,) = some((1, 2, 3, 5, 16), 1), some((1, 2, 4, 7, 15), 1), some((1, 2, 3, 5, 16, 17), 1)
        if random.random() < 0.15:  # depthwise
            groups, inputs, outputs = 6, 1, int(random.integers(1, 3))
        taps = some((1, 2, 3, 4, 5), axes) if random.random() < 0.8 else (1,) * axes
        stride, padding, dilation = some((1, 1, 2, 3), axes), some((0, 0, 1, 2, 3), axes), some((1, 1, 2, 3), axes)
        size = some((1, 2, 3, 5, 6, 7, 8, 9, 12, 15, 16, 17, 20, 33) if axes < 3 else (1, 2, 3, 4, 6, 9), axes)
        fits = all(n + 2 * p > (t - 1) * d for n, p, t, d in zip(size, padding, taps, dilation, strict=True))
        if fits and images * groups * inputs * np.prod(size) < 30_000:
            attrs = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
            return (images, groups * inputs, *size), (groups * outputs, inputs, *taps), attrs


def depthwise(random: np.random.Generator):
    """The same of one that is done plane by plane."""
    windows = (((3, 3), (1, 1), (1, 1)), ((3, 3), (2, 2), (1, 1)), ((4, 5), (2, 1), (0, 4)), ((2, 3), (1, 2), (1, 0)), ((6,), (2,), (3,)))
    while True:
        taps, stride, padding = windows[random.integers(len(windows))]
        images, channels = (int(value) for value in random.choice((1, 2, 3, 5, 20), 2))
        size = tuple(int(value) for value in random.choice((1, 2, 3, 7, 8, 14, 15, 16, 17, 31, 33, 40), len(taps)))
        if all(n + 2 * p >= t for n, p, t in zip(size, padding, taps, strict=True)) and images * channels * np.prod(size) < 30_000:
            attrs = {"stride": stride, "padding": padding, "dilation": (1,) * len(taps), "groups": channels}
            return (images, channels, *size), (channels, 1, *taps), attrs


def compare(random, op: str, program, x_shape, w_shape, attrs, bias: bool = False, mode: int | None = None):
    """Run a program and compare with NumPy."""
    x, w = (random.standard_normal(shape).astype("float32") for shape in (x_shape, w_shape))
    inputs, shape, start = [x, w], {}, np.zeros(1, "float32")
    if bias:
        start = random.standard_normal(w_shape[0]).astype("float32")
        inputs.append(start)
    if op != "conv":
        dy = random.standard_normal(TABLE["conv"].ref(x, w, **attrs).shape).astype("float32")
        inputs, shape = ([dy, w], {"shape": x_shape}) if op == "conv_data_gradient" else ([dy, x], {"shape": w_shape})
    (made,) = outcome(program, inputs, random)
    first, second = (value.astype("float64") for value in inputs[:2])
    after = start.astype("float64").reshape(-1, *[1] * (len(x_shape) - 2))
    wanted = TABLE[op].ref(first, second, **shape, **attrs) + after
    sizes = TABLE[op].ref(np.abs(first), np.abs(second), **shape, **attrs) + np.abs(after)
    terms = TABLE[op].ref(np.ones_like(first), np.ones_like(second), **shape, **attrs)
    if (
        mode == WINOGRAD and op == "conv_weight_gradient"
    ):  # sums of all that a tile sees with all of the gradient there, part of which cancels
        padded = np.pad(np.abs(second), ((0, 0), (0, 0), *((n, n) for n in attrs["padding"])))
        sizes = TABLE[op].ref(around(np.abs(first), 1), around(padded, 3), **shape, **{**attrs, "padding": (0, 0)})
    elif mode == WINOGRAD:  # ... with all taps
        largest = np.broadcast_to(np.abs(second).max((-2, -1), keepdims=True), second.shape)
        sizes = around(TABLE[op].ref(np.abs(first), largest, **shape, **attrs), 1) + np.abs(after)
    difference = np.abs(np.frombuffer(made, "float32").reshape(wanted.shape) - wanted)
    bound = (terms + 20) * 2.0**-24 * sizes  # of any order of summation; parts of dw are summed once more
    assert (difference <= bound).all(), (op, x_shape, w_shape, attrs, bias, program.steps[-1].kernel.key, difference.max())


def around(values: np.ndarray, reach: int) -> np.ndarray:
    """For each place of a plane the largest value that is at most ``reach`` places away; none is negative."""
    framed = np.pad(values, ((0, 0), (0, 0), (reach, reach), (reach, reach)))
    return np.lib.stride_tricks.sliding_window_view(framed, (2 * reach + 1,) * 2, (2, 3)).max((-2, -1))


@pytest.mark.parametrize("op", PLANNERS)
@pytest.mark.parametrize("lanes", LANES)
@pytest.mark.parametrize(("draw", "modes", "most"), [(geometry, (BY_ROW, BY_IMAGE, COLUMNS), TILES), (depthwise, (PLANES,), 2 * TILES)])
def test_random_geometries(op, lanes, draw, modes, most, monkeypatch):
    random = np.random.default_rng(lanes)
    tiles: set[tuple] = set()
    done = 0
    while done < 60:
        for module, name, few in SMALL:
            monkeypatch.setattr(module, name, int(random.choice((LIMITS[module, name], few))))
        monkeypatch.setattr(config, "num_threads", int(random.choice((1, 2, 5))))
        x_shape, w_shape, attrs = draw(random)
        choices = {**attrs, "lanes": lanes, "mode": int(random.choice(modes))}
        if op == "conv":
            choices["bias"] = bool(random.integers(2))
        program = PLANNERS[op](x_shape, w_shape, **choices)
        needed = tiles | {step.kernel.key for step in program.steps if step.kernel.key[0] in COMPILED}
        if len(needed) <= most:
            tiles = needed
            compare(random, op, program, x_shape, w_shape, attrs, choices.get("bias", False))
            done += 1


@pytest.mark.parametrize("op", PLANNERS)
@pytest.mark.parametrize("lanes", LANES)
def test_random_windows_of_3_by_3(op, lanes, monkeypatch):
    random = np.random.default_rng(lanes)
    for _ in range(60):
        for module, name, few in SMALL:
            monkeypatch.setattr(module, name, int(random.choice((LIMITS[module, name], few))))
        monkeypatch.setattr(config, "num_threads", int(random.choice((1, 2, 5))))
        groups, inputs, outputs = (int(random.choice(some)) for some in ((1, 1, 2, 3), (1, 2, 3, 5, 17, 70), (1, 2, 4, 7, 15, 50, 70)))
        padding = tuple(int(n) for n in random.integers(0, 4, 2))
        size = tuple(int(random.choice([n for n in (1, 2, 3, 4, 5, 6, 7, 9, 14, 17, 33, 70) if n + 2 * p > 2])) for p in padding)
        x_shape, w_shape = (int(random.choice((1, 2, 3, 5))), groups * inputs, *size), (groups * outputs, inputs, 3, 3)
        attrs = {"stride": (1, 1), "padding": padding, "dilation": (1, 1), "groups": groups}
        bias = op == "conv" and bool(random.integers(2))
        choices = {"bias": bias} if op == "conv" else {}
        program = PLANNERS[op](x_shape, w_shape, **attrs, **choices, lanes=lanes, mode=WINOGRAD)
        compare(random, op, program, x_shape, w_shape, attrs, bias, WINOGRAD)


@pytest.mark.parametrize("op", ["conv", "conv_data_gradient"])
def test_long_sums_are_cut_into_chains(op):
    random = np.random.default_rng(0)
    attrs = {"stride": (1, 1), "padding": (0, 0), "dilation": (1, 1), "groups": 1}
    x_shape, w_shape = (1, 301, 4, 5), (301, 301, 1, 1)  # of 301 products a chain has 150, the other one 151
    program = PLANNERS[op](x_shape, w_shape, *((False,) if op == "conv" else ()), mode=COLUMNS, **attrs)
    compare(random, op, program, x_shape, w_shape, attrs)


@pytest.mark.parametrize("op", PLANNERS)
def test_chosen_ways(op):
    """What the planner chooses by itself, for the layers of a small network on digits and for large planes."""
    random = np.random.default_rng(0)
    same = {"stride": (1, 1), "padding": (0, 0), "dilation": (1, 1), "groups": 1}
    cases = [((64, 1, 28, 28), (10, 1, 5, 5), same), ((64, 10, 12, 12), (20, 10, 5, 5), same), ((2, 1, 90, 110), (5, 1, 3, 3), same)]
    for images, side in ((2, 14), (64, 4)):  # depthwise, plane by plane and by image
        cases.append(((images, 32, side, side), (32, 1, 3, 3), {**same, "padding": (1, 1), "groups": 32}))
    for x_shape, w_shape, attrs in cases:
        bias = (True,) if op == "conv" else ()
        compare(random, op, PLANNERS[op](x_shape, w_shape, *bias, **attrs), x_shape, w_shape, attrs, *bias)


@pytest.mark.parametrize("allowed", [True, False])
def test_winograd_can_be_left_out(allowed, monkeypatch):
    monkeypatch.setattr(config, "winograd", allowed)
    same = {"stride": (1, 1), "padding": (1, 1), "dilation": (1, 1), "groups": 1}
    shapes = (8, 64, 28, 28), (64, 64, 3, 3)
    made = conv.forward(*shapes, False, **same), conv_data.data_gradient(*shapes, **same), conv_weight.weight_gradient(*shapes, **same)
    assert [any("winograd" in step.kernel.key[0] for step in program.steps) for program in made] == [allowed] * 3


def test_what_is_left_to_the_generic_form():
    for axes, x_shape, w_shape in (
        (2, (0, 1, 3, 3), (1, 1, 1, 1)),
        (2, (1, 1, 3, 3), (1, 1, 4, 4)),
        (4, (1, 1, 3, 3, 3, 3), (1, 1, 1, 1, 1, 1)),
    ):
        attrs = {"stride": (1,) * axes, "padding": (0,) * axes, "dilation": (1,) * axes, "groups": 1}
        assert conv.forward(x_shape, w_shape, False, **attrs) is None
        assert conv_data.data_gradient(x_shape, w_shape, **attrs) is None
        assert conv_weight.weight_gradient(x_shape, w_shape, **attrs) is None


AGREEING = [(op, mode) for op in ("conv", "conv_data_gradient") for mode in (COLUMNS, WINOGRAD)]
AGREEING += [("conv_weight_gradient", mode) for mode in (BY_ROW, BY_IMAGE, COLUMNS)]


@pytest.mark.parametrize(("op", "mode"), AGREEING)
def test_plans_for_other_threads_agree_in_every_bit(op, mode, monkeypatch):
    random = np.random.default_rng(0)
    x_shape, w_shape, same = (8, 32, 13, 13), (32, 32, 3, 3), {"stride": (1, 1), "padding": (1, 1), "dilation": (1, 1), "groups": 1}
    second = x_shape if op == "conv_weight_gradient" else w_shape
    inputs = [random.standard_normal(shape).astype("float32") for shape in (x_shape, second)]  # dy has the shape of x
    made, plans = set(), set()
    for count in (1, 2, 7):
        monkeypatch.setattr(config, "num_threads", count)
        program = PLANNERS[op](x_shape, w_shape, *((False,) if op == "conv" else ()), mode=mode, **same)
        plans.add(tuple(step.n for step in program.steps))
        made.update(outcome(program, inputs, random))
    assert len(plans) > 1 or vector_bytes() < 64  # narrow vectors make enough pieces for any number of threads
    assert len(made) == 1
