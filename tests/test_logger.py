"""Loggers print what they should, where they should, at the level that was set."""

import io
import logging
import re

import pytest
from launching import fresh_process

import numod as nm
from numod import config, logger as loggers


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    """Loggers of a test are not those of another."""
    monkeypatch.setattr(loggers, "_known", {})
    monkeypatch.setattr(loggers, "_file", None)
    monkeypatch.setattr(loggers, "_level", logging.INFO)


STAMP = r"\d\d \d\d:\d\d:\d\d"


def test_lines_have_a_label_for_the_level(capsys):
    log = nm.get_logger("a")
    log.debug("hidden")
    log.info("plain %d", 3)
    log.warning("careful")
    log.error("wrong")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    for line, text in zip(lines, ["plain 3", "WRN careful", "ERR wrong"], strict=True):
        assert re.fullmatch(f"{STAMP} {text}", line)


def test_colours_are_those_of_megengine():
    record = logging.LogRecord("n", logging.WARNING, "/a/file.py", 12, "msg %d", (3,), None)
    line = loggers.MegEngineLogFormatter(colored=True).format(record)
    assert re.fullmatch(f"\x1b\\[32m{STAMP} \x1b\\[0m\x1b\\[1;31mWRN msg 3\x1b\\[0m", line)
    line = loggers.MegBrainLogFormatter(colored=True).format(record)
    assert re.fullmatch(f"\x1b\\[33m{STAMP}\\[mgb\\] \x1b\\[0m\x1b\\[1;31mWRN msg 3\x1b\\[0m", line)


def test_a_file_gets_what_is_printed_and_where_it_comes_from(tmp_path):
    early = nm.get_logger("early")
    nm.set_log_file(tmp_path / "log.txt")
    early.warning("one")
    nm.get_logger("late").info("two")
    second = io.StringIO()
    nm.set_log_file(second)
    early.info("three")
    first = (tmp_path / "log.txt").read_text().splitlines()
    assert re.fullmatch(rf"\[{STAMP} \d+@test_logger.py:early\] WRN one", first[0])
    assert re.fullmatch(rf"\[{STAMP} \d+@test_logger.py:late\] two", first[1])
    assert len(first) == 2
    assert second.getvalue().count("three") == 1
    with pytest.raises(TypeError, match="a path or a file"):
        nm.set_log_file(3)


def test_levels():
    old = nm.get_logger("old")
    assert nm.set_log_level("ERROR", update_existing=False) == logging.INFO
    assert old.level == logging.INFO
    assert nm.get_logger("new").level == logging.ERROR
    assert nm.set_log_level(logging.DEBUG) == "ERROR"
    assert old.level == logging.DEBUG
    with pytest.raises(ValueError, match="NOPE"):
        nm.set_log_level("NOPE")


def test_an_exception_is_printed_with_its_traceback(capsys):
    try:
        raise ValueError("reason")
    except ValueError:
        nm.get_logger("a").exception("failed")
    text = capsys.readouterr().err
    assert "ERR failed" in text and "Traceback" in text and "ValueError: reason" in text


@pytest.mark.skipif(config.interpret, reason="nothing is compiled")
def test_kernels_are_told_of_when_asked(tmp_path):
    code = """
import sys
import numod as nm
sys.stderr = sys.stdout
with nm.logger.replace_mgb_log_level("DEBUG"):
    nm.Tensor([1.0]) + 1
nm.Tensor([1.0]) * 2
"""
    told = fresh_process(code, NUMOD_CACHE_DIR=str(tmp_path))
    assert re.search(r"\[mgb\] DBG compiled elementwise add in \d+ ms", told)
    assert "mul" not in told


def test_mgb_level_comes_back():
    before = loggers.set_mgb_log_level("ERROR")
    with loggers.replace_mgb_log_level("INFO"):
        pass
    assert loggers.set_mgb_log_level(before) == logging.ERROR
