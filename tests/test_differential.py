"""The tool that asks numod and MegEngine the same things: its samples reach every function, and it sees a difference.

MegEngine is not needed here: numod in another process takes its place.
"""

import importlib
import json
import runpy
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

ROOT = Path(__file__).parent
TOOL = ROOT.parent / "tools" / "differential"
if not TOOL.is_dir():
    pytest.skip("the tools are not there, as in an installed copy", allow_module_level=True)
sys.path.insert(0, str(TOOL))
calls, comparing, drawing, listed, process = (
    importlib.import_module(name) for name in ("calls", "comparing", "drawing", "listed", "process")
)

# What there is no call of to compare.
NOT_DRAWN = {
    "functional.real": "MegEngine makes no complex tensors of arrays",
    "functional.imag": "MegEngine makes no complex tensors of arrays",
    "functional.vision.nvof": "not there",
    "module.Module": "abstract",
    "random.RNG": "a class",
    "random.seed": "gives nothing",
}
ATTRIBUTES = {"device", "dtype", "format", "grad", "name", "ndim", "qparams", "graph", "requires_grad", "shape", "size", "T"}


def public():
    """Every function, method and layer, by the first name it has."""
    api = json.loads((ROOT / "megengine" / "api.json").read_text())
    names = {f"functional.{name}" for name in api["functional"]} | {f"functional.vision.{name}" for name in api["functional.vision"]}
    names |= (
        {f"random.{name}" for name in api["random"] if "." not in name}
        | {f"functional.loss.{name}" for name in api["functional.loss"]}
        | {f"module.{name}" for name in api["module"] if "." not in name}
    )
    names |= {f":Tensor.{name}" for name in api[":Tensor"] if not name.startswith("__") and name not in ATTRIBUTES}
    again = {f"functional.{name}" for name in (*api["functional.vision"], *api["functional.loss"])}
    return names - again


def test_every_public_function_and_layer_is_drawn():
    assert public() - set(drawing.NAMES) == set(NOT_DRAWN)


@pytest.fixture(scope="module")
def libraries():
    other = process.Process(name="numod")
    yield calls.Library("numod"), other
    other.stop()


@pytest.mark.parametrize(
    "name", ["functional.add", "functional.topk", "functional.scatter", ":Tensor.__getitem__", "module.Linear", "module.BatchNorm2d"]
)
def test_a_library_agrees_with_itself(libraries, name):
    mine, other = libraries
    for call in drawing.calls_of(name, 10):
        assert comparing.differences(call, mine.answer(call), other.answer(call)) == {}


def test_draws_are_the_same_each_time():
    first, second = (list(map(str, drawing.calls_of("functional.sum", 20))) for _ in range(2))
    assert first == second and len(set(first)) > 10


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (lambda answer: answer["out"] + 1, "result"),
        (lambda answer: answer["out"].astype("float64"), "result"),
        (lambda answer: answer["out"][None], "result"),
        (lambda answer: np.where(answer["out"] > 0, np.nan, answer["out"]).astype("float32"), "result"),
    ],
)
def test_other_results_are_seen(libraries, change, kind):
    call = calls.Call("functional.exp", (np.ones((2, 3), np.float32),))
    answer = libraries[0].answer(call)
    assert set(comparing.differences(call, {**answer, "out": change(answer)}, answer)) == {kind}


def test_other_gradients_errors_and_deaths_are_seen(libraries):
    call = calls.Call("functional.exp", (np.ones((2, 3), np.float32),))
    answer = libraries[0].answer(call)
    raises = {"raises": "RuntimeError", "says": "no"}
    assert set(comparing.differences(call, {**answer, "grads": [None]}, answer)) == {"gradient"}
    assert set(comparing.differences(call, {**answer, "grads": [answer["grads"][0] * 2]}, answer)) == {"gradient"}
    assert set(comparing.differences(call, {**answer, "after": [answer["out"]]}, answer)) == {"arguments afterwards"}
    assert set(comparing.differences(call, raises, answer)) == {"numod raises"}
    assert set(comparing.differences(call, answer, raises)) == {"MegEngine raises"}
    assert comparing.differences(call, raises, raises) == {}
    assert set(comparing.differences(call, answer, {"dies": "exit code -8"})) == {"MegEngine dies"}


def test_a_process_that_dies_or_hangs_is_started_again(monkeypatch, tmp_path):
    server = tmp_path / "server.py"
    server.write_text(
        f"import sys, os, time; sys.path.insert(0, {str(TOOL)!r}); import calls\n"
        "calls.send(sys.stdout.buffer, 'ready')\n"
        "while True:\n"
        "    name = calls.receive(sys.stdin.buffer)[0]\n"
        "    os._exit(3) if name == 'dies' else time.sleep(60) if name == 'hangs' else calls.send(sys.stdout.buffer, {'out': name})\n"
    )
    monkeypatch.setattr(process, "SERVER", server)
    other = process.Process(patience=2.0)
    try:
        assert other.answer(calls.Call("dies")) == {"dies": "exit code 3"}
        assert other.answer(calls.Call("hangs")) == {"dies": "no answer in 2 s"}
        assert other.answer(calls.Call("well")) == {"out": "well"}
        assert other.restarts == 2
    finally:
        other.stop()


def test_listed_differences_name_what_is_there():
    for names, kinds, when, reason in listed.LISTED:
        for name in names.split():
            assert any(listed.fits(each, name) for each in drawing.NAMES), name
        assert kinds and reason and (when is None or callable(when))


def test_summary_is_all_that_is_printed_where_nothing_differs(capsys):
    tool = runpy.run_path(str(TOOL / "__main__.py"))
    comparison = tool["Comparison"](SimpleNamespace(python=sys.executable, library="numod", draws=5, seed=0, all=False))
    assert comparison.run(["functional.relu"]) is False
    assert capsys.readouterr().out.startswith("1 functions, 5 calls, ")
