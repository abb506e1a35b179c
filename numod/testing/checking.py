"""Running the properties of an op, with messages that say which op, which property and which inputs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis.errors import HypothesisException
from hypothesis.strategies import data as any_data

from ..op import TABLE, Op
from .calls import Trial
from .properties import PROPERTIES, Property


class PropertyError(AssertionError):
    """A property does not hold of an op; the message says for which inputs."""


def hold(op: Op, property: Property, data: Any) -> None:
    """Try a property on one drawn call; raises PropertyError where it does not hold."""
    trial = Trial(op, data)
    try:
        property.holds(trial)
    except HypothesisException:  # a draw that a sample rejects
        raise
    except Exception as error:
        reason = str(error) if isinstance(error, AssertionError) else f"{type(error).__name__}: {error}"
        given = f"with\n{trial.latest}" if trial.latest else "while a call was drawn"
        message = f"{op.name}: property {property.name!r} does not hold: {reason}\n{given}"
        raise PropertyError(message) from error


def proofs(op: Op | str, examples: int = 30) -> Iterator[str]:
    """Prove an op property by property, yielding the name of each that held; raises PropertyError at the first that does not."""
    op = TABLE[op] if isinstance(op, str) else op
    for property in PROPERTIES.values():
        if property.applies(op):
            _attempt(op, property, max(1, round(examples * property.share)))
            yield property.name


def _attempt(op: Op, property: Property, examples: int) -> None:
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        verbosity=Verbosity.quiet,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )
    @given(any_data())
    def attempt(data: Any) -> None:
        hold(op, property, data)

    attempt()


def check(op: Op | str, examples: int = 30) -> None:
    """Prove an op, by itself or by its name in the table: its values, gradients, layouts, dtypes and errors (see `PROPERTIES`).

    examples: calls drawn for each property. Raises PropertyError with the smallest call found for which a property does not hold.
    """
    for _ in proofs(op, examples):
        pass
