"""``numod check OP``: the proof of one op, of the table or of a user's file."""

from __future__ import annotations

import argparse
import runpy

from ..op import Op
from .ops import find


def named(name: str) -> Op:
    """The op called ``name`` in the table, or, for ``FILE.py:NAME``, the one that the file declares."""
    file, colon, attribute = name.rpartition(":")
    if not colon:
        return find(name)
    found = runpy.run_path(file).get(attribute)
    if not isinstance(found, Op):
        raise ValueError(f"check: {file} declares no op {attribute!r}")
    return found


def run(arguments: argparse.Namespace) -> int:
    """The verb."""
    from .. import testing  # needs an extra, and says so

    op = named(arguments.op)
    try:
        for held in testing.proofs(op, arguments.examples):
            print(f"{op.name}: {held.replace('_', ' ')}")
    except testing.PropertyError as error:
        print(f"\nnot proven: {error}")
        return 1
    print(f"\n{op.name} is proven")
    return 0
