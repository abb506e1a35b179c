"""Every row of the op table has every property of `numod.testing`."""

import pytest
from hypothesis import given, settings, strategies

import numod
from numod.op import TABLE
from numod.testing import PROPERTIES, hold

assert numod.functional  # its import declares the ops
CASES = [(op, property) for op in TABLE.values() for property in PROPERTIES.values() if property.applies(op)]


@pytest.mark.parametrize(("op", "property"), CASES, ids=[f"{op.name}-{property.name}" for op, property in CASES])
def test_row(op, property):
    @settings(max_examples=max(1, round(settings.default.max_examples * property.share)))
    @given(strategies.data())
    def holds(data):
        hold(op, property, data)

    holds()
