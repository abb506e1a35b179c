"""The command line answers, refuses what it should with a clear message and exit code, and starts without numba."""

import re
import subprocess
import sys

import pytest

from numod import __version__, cli
from numod.op import TABLE


def run(capsys, *arguments):
    """(exit code, stdout, stderr)"""
    try:
        code = cli.main(arguments)
    except SystemExit as stop:
        code = stop.code
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_version(capsys):
    assert run(capsys, "--version") == (0, f"numod {__version__}\n", "")


@pytest.mark.parametrize("verb", ["", "demo", "info", "warmup", "ops", "check"])
def test_help(capsys, verb):
    code, out, err = run(capsys, *([verb] if verb else []), "--help")
    assert (code, err) == (0, "")
    assert out.startswith(f"usage: numod {verb}".strip())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "required: VERB"),
        (["train"], "invalid choice: 'train'"),
        (["demo", "--epochs", "0"], "--epochs: expected a positive integer, got '0'"),
        (["demo", "--epochs", "few"], "expected a positive integer, got 'few'"),
        (["check"], "required: OP"),
    ],
)
def test_wrong_usage(capsys, arguments, message):
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert message in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ops", "rleu"], "there is no op 'rleu'; did you mean relu"),
        (["check", "zzzzzz"], "there is no op 'zzzzzz'; `numod ops` lists all"),
        (["check", "/nowhere/my_ops.py:mine"], "/nowhere/my_ops.py"),
        (["demo", "--digits", "49"], "digits: need at least 50"),
        (["demo", "--digits", "6000"], "digits: there are 5000, got 6000"),
    ],
)
def test_failure(capsys, tmp_path, arguments, message):
    if arguments[0] == "demo":
        arguments = [*arguments, "--out", str(tmp_path)]
    code, _, err = run(capsys, *arguments)
    assert code == 1
    assert err.startswith("numod: ")
    assert message in err


def test_info_names_what_a_report_needs(capsys):
    code, out, _ = run(capsys, "info")
    labels = re.findall(r"^(.{16}) \S", out, re.MULTILINE)
    assert code == 0
    assert [label.strip() for label in labels] == [
        "numod",
        "Python",
        "libraries",
        "processor",
        "threads",
        "threading layer",
        "kernels",
        "kernel cache",
        "CUDA",
    ]
    assert re.search(r"kernel cache .*: \d+ kernels, [\d.]+ MB", out)


def test_ops_lists_the_table(capsys):
    code, out, _ = run(capsys, "ops")
    assert code == 0
    assert {line.split(" ")[0] for line in out.splitlines()[:-2]} == set(TABLE)
    assert out.endswith(f"\n{len(TABLE)} ops; `numod ops NAME` says all about one\n")


@pytest.mark.parametrize("op", TABLE.values(), ids=str)
def test_ops_describes_each(capsys, op):
    code, out, _ = run(capsys, "ops", op.name)
    assert code == 0
    assert op.doc in out
    assert all(name in out for name in (*op.inputs, *op.attrs))


def test_check_proves_an_op(capsys):
    code, out, _ = run(capsys, "check", "logical_and", "--examples", "2")
    assert code == 0
    assert out.endswith("logical_and is proven\n")


OWN = """
from numod.forms import elementwise

@elementwise(ref=lambda x: 2 * x, vjp={{"x": lambda g: g * {slope}}})
def {name}(x):
    return x + x
"""


@pytest.mark.parametrize(("name", "slope", "proven"), [("doubled", 2, True), ("doubled_badly", 3, False)])
def test_check_proves_an_op_of_a_file(capsys, tmp_path, name, slope, proven):
    file = tmp_path / "own.py"
    file.write_text(OWN.format(name=name, slope=slope))
    try:
        code, out, _ = run(capsys, "check", f"{file}:{name}", "--examples", "3")
    finally:
        del TABLE[name]
    assert code == (0 if proven else 1)
    assert (f"{name} is proven" in out) == proven
    assert ("not proven" in out) != proven


def test_check_says_what_the_file_lacks(capsys, tmp_path):
    file = tmp_path / "empty.py"
    file.write_text("")
    assert run(capsys, "check", f"{file}:mine") == (1, "", f"numod: check: {file} declares no op 'mine'\n")


def test_warmup_uses_every_piece_once(capsys, monkeypatch):
    used = []
    monkeypatch.setattr(
        cli.warmup, "tasks", lambda everything: [(name, lambda name=name: used.append((name, everything))) for name in "ab"]
    )
    code, out, _ = run(capsys, "warmup", "--all")
    assert code == 0
    assert used == [("a", True), ("b", True)]
    assert re.search(r"\d+ kernels compiled in [\d.]+ s", out)


@pytest.mark.parametrize("name", [name for name, _ in cli.warmup.tasks(everything=False)])
def test_warmup_pieces_run(name):
    dict(cli.warmup.tasks(everything=False))[name]()


def test_warmup_of_everything_has_every_op():
    assert {f"op {name}" for name in TABLE} <= {name for name, _ in cli.warmup.tasks(everything=True)}


def test_import_is_light():
    code = (
        "import sys, numod; print(sorted({'numba', 'multiprocessing', 'socket', 'urllib.request', 'xml'} & set(sys.modules)))\n"
        "numod.data.DataLoader, numod.hub.load, numod.utils.dlpack"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_starts_as_a_module_without_numba_and_extras():
    code = (
        "import sys, numod.cli; numod.cli.main(['info']); print(sorted({'numba', 'hypothesis', 'matplotlib', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("[]\n")
    done = subprocess.run([sys.executable, "-m", "numod", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"numod {__version__}\n"


def test_bench_needs_a_checkout(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cli.bench, "__file__", str(tmp_path / "numod" / "cli" / "bench.py"))
    code, out, err = run(capsys, "bench")
    assert (code, out) == (1, "")
    assert "run it in a checkout of numod" in err


def test_bench_passes_its_options_on(capfd):
    assert cli.main(["bench", "--only", "no such workload", "--libraries", "numod", "--threads"]) == 0
    assert cli.main(["bench", "--fast"]) == 2
    assert "unrecognized arguments: --fast" in capfd.readouterr().err
