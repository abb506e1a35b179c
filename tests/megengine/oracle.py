"""What a case is, how a library answers it, and how two answers are compared.

A case is a piece of Python text. It is run with the same names bound to one library or the other (`F`, `M`, `Tensor`,
...), and what its last line gives is written down as plain JSON: values, shape, dtype, an exception's class. Where the
text uses float inputs of its group, the answer also holds the gradient of ``sum(out * cotangent)`` for each of them.

The recorder (tools/record_megengine.py) asks MegEngine and keeps the answers; tests/test_megengine.py asks numod and compares.
Nothing here imports either of them before a case needs it, and Python 3.10 is enough.
"""

import ast
import builtins
import importlib
import json
import math
import re
import textwrap
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent

# What a case may name, and where a library keeps it.
NAMES = {
    "mge": "",
    "F": ".functional",
    "M": ".module",
    "init": ".module.init",
    "optim": ".optimizer",
    "random": ".random",
    "Q": ".quantization",
    "QAT": ".module.qat",
    "QD": ".module.quantized",
    "data": ".data",
    "ArrayDataset": ".data.dataset:ArrayDataset",
    "T": ".data.transform",
    "VF": ".data.transform.vision.functional",
    "Tensor": ":Tensor",
    "Parameter": ":Parameter",
    "GradManager": ".autodiff:GradManager",
    "Function": ".autodiff:Function",
    "trace": ".jit:trace",
    "amp": ".amp",
}

# MegEngine's class of an error -> the classes that are as good. Its C++ side knows RuntimeError alone; its Python side asserts.
COMPATIBLE = {
    "RuntimeError": (RuntimeError, ValueError, TypeError, IndexError),
    "AssertionError": (AssertionError, ValueError, TypeError),
    "ValueError": (ValueError, TypeError),
    "NotImplementedError": (NotImplementedError, TypeError),
}


@dataclass(frozen=True)
class Case:
    """One question, and what numod is to answer where that is not MegEngine's answer."""

    text: str
    name: str = ""
    topic: str = ""
    given: str = ""
    grads: object = True  # whether to ask for gradients, or the inputs to ask them for
    rtol: float = 2e-5
    atol: float = 2e-6
    zero_signs: bool = False
    differs: str = ""  # why numod answers otherwise; then `gives` or `raises` says what
    gives: str = ""
    raises: type = None
    vjps: dict = None  # the gradients that numod gives, by input
    asked: bool = True  # False: MegEngine dies of it, so it is not asked

    def __str__(self):
        return f"{self.topic}: {self.name}"


def group(topic, given, *parts, **options):
    """Cases that share a topic, inputs and options. A part is a block of text, a list of texts, or what `differs` gives.

    In a block each line is a case; but where the block begins with a comment, each comment names the case that follows it.
    """
    cases = []
    for part in parts:
        if isinstance(part, str):
            cases += named_cases(part) if part.lstrip().startswith("#") else [Case(line) for line in part.splitlines() if line.strip()]
        else:
            cases += [Case(text) if isinstance(text, str) else text for text in (part if isinstance(part, list) else [part])]
    options.update(topic=topic, given=tidy(given))
    cases = [replace(case, text=tidy(case.text), **options) for case in cases]
    return [replace(case, name=case.name or case.text) for case in cases]


def named_cases(block):
    parts = re.split(r"^# (.*)\n", tidy(block), flags=re.MULTILINE)
    return [Case(text, name=name) for name, text in zip(parts[1::2], parts[2::2], strict=True)]


def differs(text, why, gives="", raises=None, vjps=None, asked=True, name=""):
    """A case that numod answers in its own way: with what the expression `gives` is, or by raising."""
    return Case(text, name=name, differs=why, gives=gives, raises=raises, vjps=vjps, asked=asked)


def tidy(text):
    return textwrap.dedent(text).strip()


def load_cases(name="*"):
    """All cases, in the order of the files and of the lines in them; or those of one file, ``cases_{name}.py``."""
    found = []
    for path in sorted(HERE.glob(f"cases_{name}.py")):
        found += [case for part in importlib.import_module(path.stem).CASES for case in part]
    return found


def recorded():
    """{file: {topic: {name: answer}}}: what was recorded, in `expected.json` and, of some files of cases, in `expected_{name}.json` of their own."""
    return {path: json.loads(path.read_text()) for path in sorted(HERE.glob("expected*.json"))}


def merged(files):
    """{topic: {name: answer}} of several such files."""
    answers = {}
    for topics in files.values():
        for topic, cases in topics.items():
            answers.setdefault(topic, {}).update(cases)
    return answers


# -- inputs: the same arrays in both libraries ---------------------------------------------------------------------------


def inputs(tensor):
    """The makers of inputs that a case's `given` uses, for a library's Tensor."""

    def maker(draw, dtype):
        def make(*shape, seed=0, **options):
            rng = np.random.RandomState(1000 * seed + len(shape))
            return tensor(np.asarray(draw(rng, shape, **options)).astype(dtype))

        return make

    def normal(rng, shape):
        return rng.standard_normal(shape)

    def positive(rng, shape, lo=0.5, hi=2.0):
        return rng.uniform(lo, hi, shape)

    def integers(rng, shape, lo=-4, hi=5):
        return rng.randint(lo, hi, shape)

    def naturals(rng, shape, lo=0, hi=6):
        return rng.randint(lo, hi, shape)

    def distinct(rng, shape):  # no ties, no zeros: for max, sort and kinks
        return (rng.permutation(int(np.prod(shape))).reshape(shape) - np.prod(shape) / 2 + 0.25) / 4

    def bits(rng, shape):
        return rng.randint(0, 2, shape)

    return {
        "f32": maker(normal, "float32"),
        "pos": maker(positive, "float32"),
        "apart": maker(distinct, "float32"),
        "i32": maker(integers, "int32"),
        "u8": maker(naturals, "uint8"),
        "flags": maker(bits, "bool"),
    }


def cotangent(shape, seed):
    return np.random.RandomState(7 + seed).uniform(0.5, 2.0, shape).astype("float32")


# -- asking ----------------------------------------------------------------------------------------------------------


def lookup(library, name):
    where, _, attribute = NAMES[name].partition(":")
    module = importlib.import_module(library + where)
    return getattr(module, attribute) if attribute else module


def scope_for(library, case):
    """The names that a case sees, its inputs made afresh."""
    words = {node.id for text in (case.given, case.text, case.gives) for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}
    scope = {name: lookup(library, name) for name in NAMES if name in words}
    scope.update(inputs(lookup(library, "Tensor")), np=np, outcome=lambda f: outcome(library, f))
    exec(case.given, scope)
    return scope


def run(text, scope):
    """Run a text and give the value of its last line, as a notebook cell would."""
    tree = ast.parse(text)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "<case>", "exec"), scope)
    return None if last is None else eval(compile(ast.Expression(last.value), "<case>", "eval"), scope)


def answer(library, case):
    """A library's answer to a case, as JSON: {"out": ...}, with "grad" where there is one, or {"raises": class, "error": itself}."""
    scope = scope_for(library, case)
    try:
        result = {"out": describe(run(case.text, scope), library)}
    except Exception as error:
        return {"raises": builtin_class(error), "error": error}
    if case.grads and (names := float_inputs(case, library)):
        result["grad"] = gradients(library, case, names)
    return result


def outcome(library, function):
    """What a call gives, or the class of what it raises: for cases that go on after an error."""
    try:
        return function()
    except Exception as error:
        return "raises " + builtin_class(error)


def builtin_class(error):
    return next(base.__name__ for base in type(error).__mro__ if base.__module__ == "builtins")


def float_inputs(case, library):
    """The float tensors of `given` that the text names."""
    scope = scope_for(library, case)
    tensor = lookup(library, "Tensor")
    words = {node.id for node in ast.walk(ast.parse(case.text)) if isinstance(node, ast.Name)}
    assigned = {node.id for node in ast.walk(ast.parse(case.given)) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    asked = set(case.grads.split()) if isinstance(case.grads, str) else assigned
    return [n for n in sorted(words & assigned & asked) if isinstance(scope[n], tensor) and np.dtype(scope[n].dtype).name == "float32"]


def gradients(library, case, names):
    """The gradient of sum(out * cotangent) for each named input, on a tape of its own."""
    scope = scope_for(library, case)
    kept = {name: scope[name] for name in names}
    manager = lookup(library, "GradManager")()
    manager.attach(list(kept.values()))
    tensor = lookup(library, "Tensor")
    with manager:
        outs = float_tensors(run(case.text, scope), tensor)
        if not outs:
            return {}
        manager.backward(outs, [tensor(cotangent(out.shape, k)) for k, out in enumerate(outs)])
    return {name: None if x.grad is None else describe(x.grad, library) for name, x in kept.items()}


def float_tensors(value, tensor):
    if isinstance(value, tensor):
        return [value] if np.dtype(value.dtype).name == "float32" else []
    if isinstance(value, (list, tuple)):
        return [out for item in value for out in float_tensors(item, tensor)]
    return []


# -- writing down ------------------------------------------------------------------------------------------------------


def describe(value, library):
    """A value as JSON. Tensors, arrays and NumPy scalars say what they are; lists and plain values stand for themselves."""
    if isinstance(value, lookup(library, "Tensor")):
        kind = "Parameter" if isinstance(value, lookup(library, "Parameter")) else "Tensor"
        return described_array(kind, value.numpy(), value.shape)
    if isinstance(value, np.ndarray):
        return described_array("ndarray", value, value.shape)
    if isinstance(value, np.generic):
        return described_array("scalar", value, ())
    if isinstance(value, np.dtype):
        return {"dtype": value.name}
    if isinstance(value, type):
        return {"class": value.__name__}
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"float": repr(value)}
    if isinstance(value, list):
        return [describe(item, library) for item in value]
    if isinstance(value, tuple):
        return {"tuple": [describe(item, library) for item in value]}
    if isinstance(value, dict):
        return {"dict": [[describe(key, library), describe(item, library)] for key, item in value.items()]}
    raise TypeError(f"a case must give something that can be written down, not {type(value)}")


def described_array(kind, array, shape):
    array = np.asarray(array)
    return {kind: array.dtype.name, "shape": list(shape), "data": [number(x) for x in array.ravel()]}


def number(x):
    if x.dtype.kind != "f":
        return int(x)
    return float(str(x)) if np.isfinite(x) else str(x)  # str: the fewest digits that give x back


# -- comparing -----------------------------------------------------------------------------------------------------------


def complaints(got, want, case, where="out"):
    """Where two answers are not the same, in words; none if they agree."""
    if is_array(want) and is_array(got):
        heads = [{key: value for key, value in a.items() if key != "data"} for a in (got, want)]
        if heads[0] != heads[1]:
            return [f"{where}: {heads[0]} instead of {heads[1]}"]
        return [] if same_numbers(got["data"], want["data"], case) else [f"{where}: {got['data']} instead of {want['data']}"]
    if isinstance(want, dict) and isinstance(got, dict) and want.keys() == got.keys():
        return [line for key in want for line in complaints(got[key], want[key], case, f"{where}.{key}")]
    if isinstance(want, list) and isinstance(got, list) and len(want) == len(got):
        return [line for k, pair in enumerate(zip(got, want, strict=True)) for line in complaints(*pair, case, f"{where}[{k}]")]
    if isinstance(want, float) and isinstance(got, float) and same_numbers([got], [want], case):
        return []
    return [] if type(got) is type(want) and got == want else [f"{where}: {got!r} instead of {want!r}"]


def is_array(value):
    return isinstance(value, dict) and "data" in value


def same_numbers(got, want, case):
    got, want = np.array(got, "float64"), np.array(want, "float64")
    if case.zero_signs and np.any((want == 0) & (np.signbit(got) != np.signbit(want))):
        return False
    return got.shape == want.shape and np.allclose(got, want, case.rtol, case.atol, equal_nan=True)


def expected(library, case, recorded):
    """What a case is to answer: what was recorded, or for one that differs what it says itself."""
    if not case.differs:
        return recorded
    if case.raises:
        return {"raises": case.raises.__name__}
    scope = scope_for(library, case)
    result = {"out": describe(run(case.gives, scope), library)}
    if case.vjps is not None:
        tensor = lookup(library, "Tensor")
        result["grad"] = {name: describe(tensor(np.array(g, "float32")), library) for name, g in case.vjps.items()}
    return result


def agreement(library, case, recorded):
    """The complaints about a library's answer to a case."""
    want = expected(library, case, recorded)
    got = answer(library, replace(case, grads=case.grads if "grad" in want else False))
    if "raises" in want:
        accepted = COMPATIBLE.get(want["raises"], (getattr(builtins, want["raises"]),))
        if isinstance(got.get("error"), accepted):
            return []
        return [f"{got} instead of {' or '.join(c.__name__ for c in accepted)}"]
    if "raises" in got:
        return [f"{got['error']!r} instead of {want}"]
    for name, gradient in want.get("grad", {}).items():
        if gradient is None and got["grad"].get(name) and not any(got["grad"][name]["data"]):
            got["grad"][name] = None  # no gradient and a gradient of zeros are the same answer
    return complaints(got, want, case, "")
