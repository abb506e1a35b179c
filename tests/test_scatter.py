"""Where scatter functions write: what threads share must go to different places, whoever is faster."""

from math import prod
from types import FunctionType

import numpy as np
import pytest
from hypothesis import given, strategies

from numod import Tensor
from numod.kernel import gather
from numod.op import TABLE, plan_for
from numod.testing import Draw, calls


def places(code, arrays, space, integers):
    """The places that a scatter function writes to, with the axes of its index space."""
    names = {**code.__globals__, "checked": lambda index, size: index}
    function = FunctionType(code.__code__, names, code.__name__, code.__defaults__, code.__closure__)
    return np.array([function(*index, *arrays, *integers)[0] for index in np.ndindex(*space)]).reshape(space)


@pytest.mark.parametrize("op", [op for op in TABLE.values() if op.form == "scatter"], ids=lambda op: op.name)
@given(strategies.data())
def test_threads_write_to_different_places(op, data):
    draw = Draw(data, most=5)
    arrays, attrs = op.sample(draw)
    seen = []
    with calls.generic(op), pytest.MonkeyPatch.context() as patch:
        patch.setattr(gather, "scatter_program", lambda *args, **kwargs: seen.append((args, kwargs)))
        with pytest.raises(AttributeError):  # there is no program to run
            plan_for(op, tuple(Tensor(np.asarray(x))._spec for x in arrays), tuple(attrs.get(name, op.attrs[name]) for name in op.names))
    ((code, specs, _, _, space, _, integers, shapes, onto_first, apart),), _ = zip(*seen, strict=True)
    if 0 in space:
        return
    shapes = [spec.shape for spec in specs[onto_first:]] if shapes is None else shapes
    inputs = [np.asarray(x).reshape(shape) for x, shape in zip(arrays[onto_first:], shapes, strict=True)]
    written = places(code, inputs, space, integers).reshape(prod(space[:apart]), -1)
    owners = {}
    for part, each in enumerate(written):
        for place in set(each.tolist()):
            assert owners.setdefault(place, part) == part
