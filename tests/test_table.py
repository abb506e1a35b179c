"""Every row of the op table has every property of `numod.testing`, and every function is listed."""

import sys

import pytest
from hypothesis import given, settings, strategies

from numod import functional
from numod.op import TABLE
from numod.testing import PROPERTIES, hold

assert functional  # its import declares the ops
CASES = [(op, property) for op in TABLE.values() for property in PROPERTIES.values() if property.applies(op)]


@pytest.mark.parametrize(("op", "property"), CASES, ids=[f"{op.name}-{property.name}" for op, property in CASES])
def test_row(op, property):
    @settings(max_examples=max(1, round(settings.default.max_examples * property.share)))
    @given(strategies.data())
    def holds(data):
        hold(op, property, data)

    holds()


@pytest.mark.parametrize("name", [name for name in functional.__all__ if callable(getattr(functional, name))])
def test_every_function_is_in_a_file_of_its_topic(name):
    """The reference lists them so."""
    function = getattr(functional, name)
    home = sys.modules[function.__module__]
    assert home.__name__.startswith("numod.functional.") and getattr(home, name) is function
    assert function.__doc__
