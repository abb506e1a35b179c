"""Calls by the hundred: hypothesis draws them, always the same ones for a seed, and some are spoiled."""

import functions_make  # noqa: F401
import functions_nn  # noqa: F401
import functions_vision  # noqa: F401
import methods  # noqa: F401
import numpy as np
from calls import Call, walk
from functions import SAMPLES
from hypothesis import HealthCheck, Phase, given, seed, settings, strategies
from layers import LAYERS, state_of

from numod.testing.draw import Draw

SPOILED = 10  # one call in so many is spoiled: an array of it gets another shape or dtype
NAMES = [*SAMPLES, *(f"module.{name}" for name in LAYERS)]


def call_of(draw, name):
    """One call of a function or of a layer."""
    if name in SAMPLES:
        args, kwargs = SAMPLES[name](draw)
        if draw.integer(0, SPOILED - 1) == SPOILED - 1:
            args = spoiled(draw, args)
        return Call(name, tuple(args), kwargs, fixed=not name.startswith("random."))
    kind = name.removeprefix("module.")
    args, kwargs, inputs = LAYERS[kind](draw)
    dropping = kind == "Dropout" and args[0] > 0
    return Call(name, args, kwargs, True, state_of(draw, kind, args, kwargs), inputs, not dropping and draw.boolean())


def calls_of(name, count, start=0):
    """So many calls of a function."""
    drawn = []

    @seed(f"{name} {start}")
    @settings(max_examples=count, database=None, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
    @given(strategies.data())
    def collect(data):
        call = call_of(Draw(data), name)
        call.args, call.kwargs = (
            walk(given, lambda x: np.asarray(x) if isinstance(x, np.generic) else x) for given in (call.args, call.kwargs)
        )
        drawn.append(call)

    collect()
    while len(drawn) < count and drawn:  # hypothesis stops early where there is little to choose: some calls come twice then
        drawn += drawn[: count - len(drawn)]
    return drawn[:count]


def spoiled(draw, args):
    """The arguments with one array changed so that it may not fit any more."""
    places = [i for i, value in enumerate(args) if isinstance(value, np.ndarray)]
    if not places:
        return args
    i = draw.choice(places)
    x = args[i]
    how = draw.integer(0, 3)
    if how == 0:
        x = x[..., None]
    elif how == 1 and x.ndim:
        x = np.concatenate([x, x[-1:]])
    elif how == 2 and x.ndim:
        x = x[0] if len(x) else x.reshape(0)
    else:
        x = x.astype(draw.choice(["int32", "uint8", "float16", "bool", "float32"]))
    return (*args[:i], np.ascontiguousarray(x) if x.ndim else x, *args[i + 1 :])
