"""Programs made of random ops, forward and backward: traced, they give bit for bit what they give in Python."""

import numpy as np
import pytest
from hypothesis import given, note, settings, strategies
from programs import Program

from numod import Tensor
from numod.jit import trace
from numod.jit.passes import fusion


def same(left, right):
    """Whether two results are equal to the last bit, but for which NaN it is."""
    if isinstance(left, (list, tuple)):
        return len(left) == len(right) and all(map(same, left, right))
    if left is None or right is None:
        return left is right
    left, right = left.numpy(), right.numpy()
    equal = left.dtype == right.dtype and left.shape == right.shape
    return equal and bool(
        np.all((left == right) & (np.signbit(left) == np.signbit(right)) | (left != left) & (right != right))
        if left.dtype.kind == "f"
        else np.array_equal(left, right, equal_nan=left.dtype.kind == "c")
    )


def outcome(function, leaves):
    """What a call gives, or the class of what it raises."""
    try:
        return function(*[Tensor(x, dtype=x.dtype) for x in leaves])
    except (ValueError, TypeError, RuntimeError, IndexError) as error:
        return type(error)


def agree(left, right):
    if isinstance(left, type) or isinstance(right, type):
        return left is right
    return same(left, right)


@pytest.fixture(autouse=True)
def fused(monkeypatch):
    """Small loops are fused too."""
    monkeypatch.setattr(fusion, "SMALL", 1)


@settings(max_examples=max(40, settings.default.max_examples * 5))
@given(strategies.data())
def test_a_traced_program_is_the_program(data):
    program = Program(data)
    note(repr(program))
    random = program.draw.random()
    traced = trace(program.run)
    other = [x + random.standard_normal(x.shape).astype(x.dtype) for x in program.leaves]
    for leaves in (program.leaves, program.leaves, other, program.leaves):
        assert agree(outcome(traced, leaves), outcome(program.run, leaves))
