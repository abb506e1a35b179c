"""MegEngine's public names and how they are called, and where numod's differ.

`api.json` holds, for each namespace, the public names with their parameters and defaults; annotations are left out. `Class.method` stands for
a method, and "value" for what cannot be called. tools/compare_api.py records it and prints the comparison; tests/test_api.py runs it.
Nothing here imports either library before it is asked, and Python 3.10 is enough.
"""

import ast
import importlib
import inspect
import json
from pathlib import Path

FILE = Path(__file__).parent / "api.json"
VALUE = "value"


def load_api():
    """{namespace: {name: signature}}, with namespaces below the library: "" is itself, "functional.nn" its module, ":Tensor" its class."""
    return json.loads(FILE.read_text())


def resolve(library, namespace):
    """The module or class that a namespace names; ImportError or AttributeError if it is not there."""
    module, _, name = namespace.partition(":")
    home = importlib.import_module(f"{library}.{module}" if module else library)
    return getattr(home, name) if name else home


def find(home, name):
    """The object of that name; a dotted one is looked up part by part."""
    for part in name.split("."):
        home = getattr(home, part)
    return home


def signature(value):
    """The parameters and defaults of something that can be called, as Python text; "value" for the rest."""
    if isinstance(value, property) or not callable(value):
        return VALUE
    try:
        found = inspect.signature(value)
    except (TypeError, ValueError):  # made in C, without a signature
        return VALUE
    parameters = [p.replace(annotation=inspect.Parameter.empty, default=Written.of(p.default)) for p in found.parameters.values()]
    return str(found.replace(parameters=parameters, return_annotation=inspect.Signature.empty))


class Written:
    """A default as text that parses: literals as they are, anything else by its name."""

    def __init__(self, value):
        self.text = ast.unparse(ast.parse(self.spell(value), mode="eval"))

    @classmethod
    def of(cls, value):
        return value if value is inspect.Parameter.empty else cls(value)

    @staticmethod
    def spell(value):
        try:
            ast.literal_eval(repr(value))
        except (SyntaxError, ValueError):
            return getattr(value, "__name__", None) or type(value).__name__
        return repr(value)

    def __repr__(self):
        return self.text


def parameters(text):
    """[(kind, name, default)] of a signature that `signature` wrote, without `self`."""
    arguments = ast.parse(f"def f{text}: pass").body[0].args
    plain = [*arguments.posonlyargs, *arguments.args]
    defaults = [None] * (len(plain) - len(arguments.defaults)) + arguments.defaults
    found = [("plain", a.arg, d and ast.unparse(d)) for a, d in zip(plain, defaults, strict=True)]
    found += [("rest", arguments.vararg.arg, None)] if arguments.vararg else []
    found += [("keyword", a.arg, d and ast.unparse(d)) for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)]
    found += [("options", arguments.kwarg.arg, None)] if arguments.kwarg else []
    return found[1:] if found[:1] == [("plain", "self", None)] else found


def agree(mine, theirs):
    """Whether every call that the signature `theirs` takes means the same by `mine`.

    `mine` may take more, have a default where `theirs` has none, and `name=` in place of the `**kwargs` that MegEngine hands to Module.
    """
    if VALUE in (mine, theirs):
        return theirs == VALUE
    mine, theirs = parameters(mine), parameters(theirs)
    if mine == theirs:
        return True
    plain = [p for p in theirs if p[0] == "plain"]
    fits = len(mine) >= len(plain) and all(same(p, q) for p, q in zip(mine, plain, strict=False))
    kept = {p[:2]: p for p in mine}
    for kind, name, default in theirs:
        if kind == "options":
            fits = fits and any(p[0] == kind or p[1] == "name" for p in mine)
        elif kind == "rest":
            fits = fits and any(p[0] == kind for p in mine)
        elif kind == "keyword":
            fits = fits and any(same(kept.get((kind, name), ("", "", None)), (kind, name, default)) for kind in ("keyword", "plain"))
    known = {name for _, name, _ in theirs}
    return fits and all(p[1] in known or p[2] is not None or p[0] in ("rest", "options") for p in mine)


def same(mine, theirs):
    """Whether two parameters have one kind and name, and one default if `theirs` has one; a tuple is as good as a list."""
    return mine[:2] == theirs[:2] and (theirs[2] is None or as_list(mine[2] or "") == as_list(theirs[2]))


def as_list(default):
    return default.replace("(", "[").replace(")", "]")


def compare(library="numod"):
    """(namespace, name, MegEngine's signature, what is wrong) for each name that is missing or is called otherwise."""
    for namespace, names in load_api().items():
        try:
            home = resolve(library, namespace)
        except (ImportError, AttributeError):
            yield namespace, "", "", "missing"
            continue
        for name, theirs in names.items():
            try:
                mine = signature(find(home, name))
            except AttributeError:
                yield namespace, name, theirs, "missing"
                continue
            if not agree(mine, theirs):
                yield namespace, name, theirs, mine
