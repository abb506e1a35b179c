"""numod answers as MegEngine 1.13 does: every case of tests/megengine, replayed.

Values agree within the case's rtol and atol (2e-5 and 2e-6 unless its group says otherwise), dtypes, shapes, names and
reprs exactly, errors by class (oracle.COMPATIBLE). Where numod is meant to differ, the case says why and what it gives.
tools/record_megengine.py asked MegEngine; tests/megengine/oracle.py says what a case is.
"""

import ast
import importlib
import sys
from pathlib import Path

import pytest

from numod import tape

HERE = Path(__file__).parent / "megengine"
sys.path.insert(0, str(HERE))
oracle = importlib.import_module("oracle")

CASES = oracle.load_cases()
FLOAT16 = not isinstance(oracle.outcome("numod", lambda: oracle.lookup("numod", "Tensor")([1.0], dtype="float16")), str)
RECORDED = oracle.recorded()
ANSWERS = oracle.merged(RECORDED)


def missing(case):
    """The functions, classes and dtypes that a case asks for and numod has not got."""
    names = [node for node in ast.walk(ast.parse(case.text)) if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)]
    owners = {"F", "M", "optim", "random", "init", "mge"}
    absent = {f"{n.value.id}.{n.attr}" for n in names if n.value.id in owners and not hasattr(oracle.lookup("numod", n.value.id), n.attr)}
    return absent | ({"float16"} if "float16" in case.given and not FLOAT16 else set())


@pytest.fixture(autouse=True)
def closed():
    """What a case leaves open must not record the tests after it."""
    yield
    while tape.current().managers:
        tape.current().close()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("case", CASES, ids=str)
def test_case(case):
    if absent := missing(case):
        pytest.skip(f"numod has no {', '.join(sorted(absent))}")
    recorded = ANSWERS[case.topic][case.name] if case.asked else None
    complaints = oracle.agreement("numod", case, recorded)
    if complaints:
        pytest.fail("\n".join([case.given, "", case.text, "", *complaints]), pytrace=False)


def test_every_case_is_recorded_once():
    asked = [(case.topic, case.name) for case in CASES if case.asked]
    recorded = [(topic, name) for topics in RECORDED.values() for topic, answers in topics.items() for name in answers]
    assert sorted(asked) == sorted(recorded)
