"""Dtypes meet as they do in MegEngine 1.13: every function of two operands, over all pairs; tests/megengine/promotion.py asked it."""

import importlib
import json
import sys
import warnings
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "megengine"))
promotion = importlib.import_module("promotion")

THEIRS = json.loads(promotion.FILE.read_text())


DIFFERENT = {("logical_and", *pair) for pair in (("bool", "a list of ints"), ("a list of ints", "bool"))}  # the list is not made bools


@pytest.fixture(scope="module")
def mine():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return promotion.ask("numod")


@pytest.mark.parametrize("name", promotion.OPERATORS)
def test_dtypes_meet_as_in_megengine(mine, name):
    theirs = dict(promotion.entries({name: THEIRS[name]}))
    for pair, letter in promotion.entries({name: mine[name]}):
        assert letter == theirs[pair] or pair in DIFFERENT or theirs[pair] == ".", f"{pair}: {letter} instead of {theirs[pair]}"
