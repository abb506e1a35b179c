"""An op that is declared wrongly is refused when it is declared."""

import pytest

from numod.forms import elementwise
from numod.op import TABLE
from numod.tensor import Tensor
from numod.testing import calls


def declare(name="refused", **fields):
    def code(x):
        return x

    return elementwise(ref=lambda x: x, name=name, **fields)(code)


@pytest.mark.parametrize(
    ("vjp", "message"),
    [
        ({"x": lambda g, y: g}, r"refused: the gradient rule for 'x' asks for \['y'\]"),
        ({"y": lambda g: g}, "refused: a gradient rule for 'y', which is not an input"),
    ],
)
def test_a_gradient_rule_speaks_of_the_op(vjp, message):
    with pytest.raises(TypeError, match=message):
        declare(vjp=vjp)
    assert "refused" not in TABLE


def test_an_input_has_no_name_that_rules_use():
    with pytest.raises(TypeError, match=r"refused: an argument cannot be named \['index'\]"):

        @elementwise(ref=lambda x, index: x, name="refused")
        def code(x, index):
            return x


def test_names_are_unique():
    with pytest.raises(ValueError, match="op 'add' is in the table already"):
        declare("add")


def test_unknown_arguments_are_refused():
    with pytest.raises(TypeError, match=r"exp: unknown arguments \['axis'\]"):
        TABLE["exp"](axis=1)


def test_an_interpreted_kernel_raises_what_its_code_raises():
    def refuses(x):
        if x < 0.0:
            raise ValueError("negative")
        return x

    try:
        op = elementwise(ref=lambda x: x)(refuses)
        with calls.interpreted():
            assert op(Tensor([1.0])).item() == 1.0
            with pytest.raises(ValueError, match="negative"):
                op(Tensor([1.0, -1.0]))
            assert op(Tensor([2.0])).item() == 2.0
    finally:
        del TABLE["refuses"]
