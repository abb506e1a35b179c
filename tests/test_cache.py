"""The disk cache of machine code: what its keys depend on, that a warm process compiles nothing, and that nothing
that happens to the folder or to a process that writes to it does any harm but a compile."""

import os
import shutil
import signal
import stat
import sys
import types
import warnings
from pathlib import Path

import pytest
from launching import fresh_process, start_process

from numod import config
from numod.kernel import cache

WORK = "import numpy as np; from launching import each, tripled; assert each(tripled, np.ones(5, np.float32)).tolist() == [3.0] * 5; "
REPORT = WORK + "import sys; from numod.kernel import loader; print(loader.compiled, 'numba' in sys.modules)"

compiling = pytest.mark.skipif(config.interpret, reason="interpreted kernels are not cached")


@pytest.fixture(scope="session")
def filled(tmp_path_factory):
    """A folder with all that ``REPORT`` needs."""
    folder = tmp_path_factory.mktemp("filled")
    folder.chmod(0o700)
    fresh_process(REPORT, NUMOD_CACHE_DIR=folder)
    return folder


@pytest.fixture
def warm(filled, tmp_path):
    """A copy of that folder to do things to."""
    return Path(shutil.copytree(filled, tmp_path / "kernels"))


def forget():
    for function in (cache.folder, cache._trusted, cache._warn, cache.toolchain):
        function.cache_clear()


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Where the cache of this process is during a test."""
    monkeypatch.setenv("NUMOD_CACHE_DIR", str(tmp_path / "place"))
    forget()
    yield tmp_path / "place"
    monkeypatch.undo()
    forget()


def files(folder):
    return {path.name: path.read_bytes() for path in Path(folder).iterdir() if not path.name.startswith(".")}


def test_what_is_written_is_read(place):
    assert cache.read("a" * 40) is None
    cache.write("a" * 40, b"code")
    assert cache.read("a" * 40) == b"code"
    assert [path.name for path in cache.kernels()] == ["a" * 40]
    assert stat.S_IMODE(place.stat().st_mode) == 0o700


DAMAGE = {
    "empty": lambda data: b"",
    "truncated": lambda data: data[:-1],
    "longer": lambda data: data + b"\0",
    "a bit of the code": lambda data: data[:-1] + bytes([data[-1] ^ 1]),
    "a bit of the hash": lambda data: data[:10] + bytes([data[10] ^ 1]) + data[11:],
    "another format": lambda data: b"X" + data[1:],
    "text": lambda data: b"<html>504 Gateway Timeout</html>",
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_file_is_not_read(place, damage):
    cache.write("a" * 40, b"code")
    path = place / ("a" * 40)
    path.write_bytes(damage(path.read_bytes()))
    assert cache.read("a" * 40) is None
    cache.write("a" * 40, b"code")
    assert cache.read("a" * 40) == b"code"


def test_a_file_under_another_name_is_not_read(place):
    cache.write("a" * 40, b"code")
    shutil.copy(place / ("a" * 40), place / ("b" * 40))
    assert cache.read("b" * 40) is None


def change_fact(monkeypatch, fact):
    if fact == "numba":
        monkeypatch.setattr(cache, "_version", lambda package: "0.0" if package == "numba" else "same")
    elif fact == "python":
        monkeypatch.setattr(sys, "version_info", (3, 99, 0))
    elif fact == "kernel layer":
        copied = Path(os.environ["NUMOD_CACHE_DIR"]) / "source"
        shutil.copytree(Path(cache.__file__).parent, copied)
        (copied / "native.py").write_text("# another line\n" + (copied / "native.py").read_text())
        monkeypatch.setattr(cache, "__file__", str(copied / "cache.py"))
    else:
        other = types.SimpleNamespace(flatten=lambda: "+other", get=lambda name: False) if "features" in fact else "other"
        monkeypatch.setattr(cache.host.llvm, fact, lambda: other)


@pytest.mark.parametrize("fact", ["numba", "python", "kernel layer", "get_host_cpu_name", "get_host_cpu_features"])
def test_the_toolchain_is_part_of_every_key(place, monkeypatch, fact):
    key = ("elementwise", "f")
    before = cache.digest(key)
    assert cache.digest(key) == before
    assert cache.digest(("elementwise", "g")) != before
    change_fact(monkeypatch, fact)
    cache.toolchain.cache_clear()
    assert cache.digest(key) != before


@compiling
def test_a_cold_process_fills_the_cache_and_a_warm_one_compiles_nothing(filled):
    before = files(filled)
    assert before
    assert fresh_process(REPORT, NUMOD_CACHE_DIR=filled) == "0 False"
    assert files(filled) == before


@compiling
def test_changed_code_and_dtype_are_compiled(warm):
    for old, new in (("tripled", "halved"), ("np.ones(5, np.float32)", "np.ones(5), dtype='float64'")):
        assert fresh_process(REPORT.replace(old, new).replace("assert", ""), NUMOD_CACHE_DIR=warm) == "1 True"
    assert fresh_process(REPORT, NUMOD_CACHE_DIR=warm) == "0 False"


@compiling
def test_damaged_files_are_compiled_again(warm):
    good = files(warm)
    for name, damage in zip(good, [*DAMAGE.values()] * len(good), strict=False):
        (warm / name).write_bytes(damage(good[name]))
    assert fresh_process(REPORT, NUMOD_CACHE_DIR=warm) == f"{len(good)} True"
    assert files(warm).keys() == good.keys()
    assert fresh_process(REPORT, NUMOD_CACHE_DIR=warm) == "0 False"


def one_warning(folder_or_file):
    """Uses the cache twice in this process, which must work and warn once."""
    forget()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for name in ("a" * 40, "b" * 40):
            with cache.lock(name):
                assert cache.read(name) is None
                cache.write(name, b"code")
                assert cache.read(name) is None
    (warning,) = caught
    assert str(folder_or_file) in str(warning.message)
    return str(warning.message)


def test_a_folder_that_cannot_be_made_means_no_cache(place):
    place.write_text("a file")
    assert "the kernel cache is off" in one_warning(place)


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="no owners on this system")
def test_a_folder_that_others_can_write_to_is_not_trusted(place):
    place.mkdir()
    for mode in (0o777, 0o770, 0o702):
        place.chmod(mode)
        assert "writable by another user" in one_warning(place)
    assert not files(place)


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="no owners on this system")
def test_a_folder_of_another_user_is_not_trusted(place, monkeypatch):
    place.mkdir(mode=0o700)
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    assert "belongs to" in one_warning(place)


def test_a_folder_that_cannot_be_written_to_means_no_cache(place, monkeypatch):
    def refuse(*arguments, **options):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(cache.tempfile, "mkstemp", refuse)
    monkeypatch.setattr(cache.os, "open", refuse)
    assert "Read-only file system" in one_warning(place)


def test_a_read_only_folder_with_kernels_is_used(place, monkeypatch):
    cache.write("a" * 40, b"code")
    monkeypatch.setattr(cache.os, "open", lambda *arguments: (_ for _ in ()).throw(OSError(30, "Read-only file system")))
    with cache.lock("a" * 40):
        assert cache.read("a" * 40) == b"code"


@compiling
def test_a_process_without_a_usable_folder_works(tmp_path):
    (tmp_path / "file").write_text("")
    quiet = "import warnings; warnings.simplefilter('default'); " + REPORT
    compiled, _ = fresh_process(quiet, NUMOD_CACHE_DIR=tmp_path / "file").split()
    assert int(compiled) > 0


@compiling
def test_processes_that_start_together_compile_each_kernel_once(tmp_path):
    runs = [start_process(REPORT, NUMOD_CACHE_DIR=tmp_path / "kernels") for _ in range(4)]
    results = [run.communicate(timeout=300) for run in runs]
    assert [run.returncode for run in runs] == [0] * 4, results
    assert sum(int(out.split()[0]) for out, _ in results) == len(files(tmp_path / "kernels"))


@compiling
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL on this system")
def test_a_process_killed_while_it_writes_leaves_a_good_cache(warm):
    name, _ = max(files(warm).items(), key=lambda item: len(item[1]))
    (warm / name).unlink()
    dies = "import os, signal; os.replace = lambda *paths: os.kill(os.getpid(), signal.SIGKILL); "
    run = start_process(dies + REPORT, NUMOD_CACHE_DIR=warm)
    run.communicate(timeout=300)
    assert run.returncode == -signal.SIGKILL
    assert name not in files(warm)
    assert fresh_process(REPORT, NUMOD_CACHE_DIR=warm) == "1 True"
    assert fresh_process(REPORT, NUMOD_CACHE_DIR=warm) == "0 False"
