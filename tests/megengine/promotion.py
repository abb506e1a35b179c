"""The dtype of every function of two operands, over all pairs of dtypes and of what may stand beside a tensor.

python tests/megengine/promotion.py   # in a Python with megengine==1.13.0: writes promotion.json, which tests/test_promotion.py compares

A table is text: a line for each tensor on the left, in it a letter for each operand on the right, in the order of TENSORS and BESIDE: the
dtype of the result, or "." where the library refuses. A second table of the same function has the operands changed places.
"""

import importlib
import json
from pathlib import Path

import numpy as np

FILE = Path(__file__).parent / "promotion.json"
LETTERS = {"f": "float32", "h": "float16", "i": "int32", "s": "int16", "b": "int8", "u": "uint8", "m": "bool"}
NAMES = {name: letter for letter, name in LETTERS.items()}
BESIDE = {
    "an int": 2,
    "a float": 1.5,
    "a bool": True,
    **{f"a number of {name}": np.dtype(name).type(2) for name in (*LETTERS.values(), "int64")},
    **{f"an array of {name}": np.ones(2, name) for name in (*LETTERS.values(), "int64")},
    "a list of ints": [1, 2],
}
OPERATORS = {
    **{op: f"x {op} y" for op in "+ - * / // % ** == != < <= & | ^ << >> @".split()},
    **{name: f"F.{name}(x, y)" for name in "maximum minimum atan2 logaddexp floor_div matmul linear equal logical_and".split()},
    "where": "F.where(mask, x, y)",
    "concat": "F.concat([x, y])",
    "stack": "F.stack([x, y])",
}


def ask(library):
    """{function: [table, table with the operands changed places]}."""
    home = importlib.import_module(library)
    scope = {"F": importlib.import_module(f"{library}.functional"), "mask": home.Tensor([[True, False]] * 2)}

    def tensor(letter):
        return home.Tensor(np.ones((2, 2), LETTERS[letter]), dtype=LETTERS[letter])

    def letter(text, x, y):
        try:
            found = eval(text, {**scope, "x": x, "y": y})
            found.numpy()  # an error may come late
            return NAMES[np.dtype(found.dtype).name]
        except Exception:
            return "."

    tables = {}
    for name, text in OPERATORS.items():
        straight, turned = [], []
        for left in LETTERS:
            others = [*map(tensor, LETTERS), *BESIDE.values()]
            straight.append("".join(letter(text, tensor(left), other) for other in others))
            turned.append("".join(letter(text, other, tensor(left)) for other in others))
        tables[name] = [straight, turned]
    return tables


def entries(tables):
    """((function, left, right), letter) of all of them."""
    for name, both in tables.items():
        for turned, table in enumerate(both):
            for left, line in zip(LETTERS.values(), table, strict=True):
                for right, letter in zip((*LETTERS.values(), *BESIDE), line, strict=True):
                    yield (name, right, left) if turned else (name, left, right), letter


if __name__ == "__main__":
    megengine = importlib.import_module("megengine")
    megengine.config.async_level = 0
    megengine.set_log_level("ERROR")
    FILE.write_text(json.dumps(ask("megengine"), indent=1) + "\n")
