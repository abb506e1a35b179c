"""The house: who may import whom, how long a file may be, and what importing numod must not import."""

import ast
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import numod
from numod import ops

ROOT = Path(numod.__file__).parent

# Rooms from the ground up; a file may import its own room and those on lines above.
ROOMS = """
    errors files
    svg
    config dtype device logger version qparams
    spec
    kernel
    tensor threads
    tape constants pickles
    op
    forms
    ops
    precision
    random
    distributed
    functional
    autodiff serialization
    module optimizer
    amp
    quantization jit
    utils hub array_api
    traced_module
    data
    testing
    __init__
    cli
    __main__
"""
FLOOR = {room: floor for floor, line in enumerate(ROOMS.strip().splitlines()) for room in line.split()}
GROUND = {"errors", "config", "dtype", "device", "logger", "version"}
FILES = sorted(ROOT.rglob("*.py"))


def room_of(module):
    """'numod.kernel.source' -> 'kernel'; numod itself and what it gives are '__init__'."""
    room = f"{module}.".split(".")[1]
    return room if room in FLOOR else "__init__"


def imports(path, nested=True):
    """(line, module) of every import in a file; ``nested``: also of those inside functions."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    package = ("numod", *path.relative_to(ROOT).parent.parts)
    for node in ast.walk(tree) if nested else tree.body:
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = [*package[: len(package) - node.level + 1]] if node.level else []
            base += node.module.split(".") if node.module else []
            # `from . import tape` names a module, `from .tape import Tape` something in one
            yield from ((node.lineno, ".".join([*base, alias.name] if base == ["numod"] else base)) for alias in node.names)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_only_from_rooms_above(path):
    room = path.relative_to(ROOT).parts[0].removesuffix(".py")
    assert room in FLOOR, f"{path} is in no room"
    for line, module in imports(path):
        if module.split(".")[0] != "numod":
            continue
        other = room_of(module)
        assert other == room or FLOOR[other] < FLOOR[room], f"{path}:{line}: {room} may not import {module}"
        if room == "data" and (path.name, other) != ("preload.py", "tensor"):  # its worker processes must not load kernels
            assert other in GROUND | {"data"}, f"{path}:{line}: data may import the ground only, not {module}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_have_one_subject_and_say_which(path):
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= 400
    assert not text.strip() or ast.get_docstring(ast.parse(text)), "a file opens with what it is for"


def test_only_the_compiler_side_of_the_kernel_layer_imports_numba():
    compilers = {"compiler", "intrinsics", "blocks", "native", "mathf", "simd"}
    for path in FILES:
        in_kernel = path.parent == ROOT / "kernel"
        for line, module in imports(path):
            if module.split(".")[0] != "numba":
                continue
            if in_kernel and path.stem.startswith("cuda"):
                assert path.stem == "cuda" or not module.startswith("numba.cuda"), f"{path}:{line} imports {module}"
                continue
            assert in_kernel and (path.stem in compilers or path.stem.endswith("_simd")), f"{path}:{line} imports {module}"
            assert not module.startswith("numba.cuda"), f"{path}:{line} imports {module}"


def fresh(code):
    """What a new Python process prints."""
    run = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, cwd=ROOT.parent)
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


def test_import_numod_imports_neither_numba_nor_extras():
    heavy = {"numba", "cuda", "hypothesis", "matplotlib", "PIL", "tensorboardX"}
    fresh("import numod")  # compiles the launcher if nothing is cached yet
    loaded = fresh("import sys, numod; print(*{name.split('.')[0] for name in sys.modules})").split()
    assert not heavy & set(loaded)


def test_import_numod_declares_all_ops():
    declared = {f"numod.ops.{module.name}" for module in pkgutil.iter_modules(ops.__path__)}
    loaded = fresh("import sys, numod; print(*sys.modules)").split()
    assert declared <= set(loaded)
