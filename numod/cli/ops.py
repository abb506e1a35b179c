"""``numod ops``: the op table, as it is in the running program."""

from __future__ import annotations

import argparse
import difflib
import inspect

from ..op import TABLE, Op


def find(name: str) -> Op:
    """The op of this name; KeyError with similar names if there is none."""
    if name not in TABLE:
        similar = difflib.get_close_matches(name, TABLE, n=5)
        hint = f"; did you mean {', '.join(similar)}?" if similar else "; `numod ops` lists all"
        raise KeyError(f"there is no op {name!r}{hint}")
    return TABLE[name]


def inputs(op: Op) -> str:
    """The names of an op's inputs: ``*xs`` for any number of them."""
    return f"*{op.inputs[0]}" if op.variadic else ", ".join(op.inputs)


def attributes(op: Op) -> str:
    """An op's other arguments with their defaults."""
    return ", ".join(f"{name}={default!r}" for name, default in op.attrs.items())


def gradient(op: Op) -> str:
    """What an op can be differentiated by."""
    return "through its parts" if op.function is not None else ", ".join(op.vjp) or "none"


def summary(op: Op) -> str:
    """The first line of an op's documentation."""
    return op.doc.partition("\n")[0]


def describe(op: Op) -> str:
    """All about one op."""
    code = op.code or op.plan
    rows = {
        "form": op.form,
        "inputs": inputs(op),
        "attributes": attributes(op) or "none",
        "gradient": gradient(op),
        "fast twins": ", ".join(op.twins) or "none",
        "declared in": f"{code.__module__}, line {inspect.getsourcelines(code)[1]}",
    }
    return "\n".join([op.name, "", op.doc, "", *(f"{label:<12} {value}" for label, value in rows.items())])


def run(arguments: argparse.Namespace) -> int:
    """The verb."""
    if arguments.name:
        print(describe(find(arguments.name)))
        return 0
    rows = [(op.name, op.form, inputs(op), attributes(op), summary(op)) for _, op in sorted(TABLE.items())]
    widths = [min(max(len(row[column]) for row in rows), 32) for column in range(4)]
    for row in rows:
        print("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=False)) + f"  {row[-1]}".rstrip())
    print(f"\n{len(rows)} ops; `numod ops NAME` says all about one")
    return 0
