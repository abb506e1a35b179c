"""What users call."""

from __future__ import annotations

import builtins
import contextlib
import functools
import hashlib
import importlib.util
import os
import pathlib
import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

from .. import serialization
from ..serialization import FileFormatError
from . import download, fetch

_brought: set[str] = set()  # modules that repositories imported from their own folders


def load(
    repo_info: str | os.PathLike,
    entry: str,
    *args: Any,
    git_host: str = "github.com",
    use_cache: bool = True,
    commit: str | None = None,
    protocol: str = "HTTPS",
    **kwargs: Any,
) -> Any:
    """Call a function of a repository's ``hubconf.py``, which usually makes a model, and give back what it returns. This runs the repository's code.

    repo_info: one of

    - ``"owner/name"`` or ``"owner/name:branch"`` (or a tag) on ``git_host``; the branch is ``master`` if not given.
    - a folder, as a path that is absolute or begins with ``.`` or ``~``, used where it is; ``"path:branch"`` if it is a git repository.
    - a URL: of an archive (zip or tar), with http, https or file, or else of a git repository, ``"url:branch"`` for a branch of it.

    entry: the name of the function. args, kwargs: what it is called with.
    git_host: the host of ``"owner/name"``. protocol: how to reach it: "HTTPS" or "SSH".
    use_cache: False fetches again what was fetched before; folders are never copied.
    commit: use this commit, in hexadecimal digits, rather than a branch.

    ``dependencies``, a list in ``hubconf.py``, names packages that must be installed. Raises RuntimeError if one is not, or if there is no such
    function, and FetcherError, a RuntimeError, if the repository cannot be fetched.

    >>> import pathlib, tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> code = "import numod.module as M\\ndef tiny(width=2):\\n    'A layer.'\\n    return M.Linear(4, width)\\n"
    >>> _ = pathlib.Path(folder.name, "hubconf.py").write_text(code)
    >>> load(folder.name, "tiny", width=3)
    Linear(in_features=4, out_features=3, bias=True)
    >>> folder.cleanup()
    """
    module = import_module(repo_info, git_host, use_cache, commit, protocol)
    missing = [name for name in getattr(module, "dependencies", ()) if not _is_there(name)]
    if missing:
        raise RuntimeError(f"numod.hub.load: {repo_info} needs packages that are not installed: {', '.join(missing)}")
    function = _entry("load", module, entry)
    with _on_path(pathlib.Path(str(module.__file__)).parent):
        return function(*args, **kwargs)


def list(
    repo_info: str | os.PathLike, git_host: str = "github.com", use_cache: bool = True, commit: str | None = None, protocol: str = "HTTPS"
) -> builtins.list[str]:
    """The names of all functions and classes in a repository's ``hubconf.py``. This runs the repository's code; the arguments are those of `load`."""
    module = import_module(repo_info, git_host, use_cache, commit, protocol)
    return sorted(name for name, value in vars(module).items() if callable(value) and not name.startswith("__"))


def help(
    repo_info: str | os.PathLike,
    entry: str,
    git_host: str = "github.com",
    use_cache: bool = True,
    commit: str | None = None,
    protocol: str = "HTTPS",
) -> str | None:
    """The docstring of a function of a repository's ``hubconf.py``. This runs the repository's code; the arguments are those of `load`."""
    return _entry("help", import_module(repo_info, git_host, use_cache, commit, protocol), entry).__doc__


def import_module(
    repo_info: str | os.PathLike, git_host: str = "github.com", use_cache: bool = True, commit: str | None = None, protocol: str = "HTTPS"
) -> ModuleType:
    """A repository's ``hubconf.py`` as a module, made anew by running the repository's code. The arguments are those of `load`.

    It may import what is beside it. Modules that an earlier repository brought are forgotten first, so that two repositories may have files
    of the same name.
    """
    folder = fetch.folder(repo_info, git_host, use_cache, commit, protocol).resolve()
    name = f"numod_hub_{hashlib.sha256(str(folder).encode()).hexdigest()[:16]}"
    spec = importlib.util.spec_from_file_location(name, folder / fetch.HUBCONF)
    assert spec is not None
    assert spec.loader is not None
    for module in _brought:
        sys.modules.pop(module, None)
    _brought.clear()
    made = importlib.util.module_from_spec(spec)
    sys.modules[name] = made  # dataclasses and pickles look for it there
    try:
        with _on_path(folder):
            spec.loader.exec_module(made)
    except BaseException:
        del sys.modules[name]
        raise
    return made


def load_serialized_obj_from_url(url: str, model_dir: str | os.PathLike | None = None) -> Any:
    """What `numod.load` finds in the file behind a URL: a state dict, usually. No code from the file is run.

    url: begins with http, https or file, or is a path. If the name of the file ends in ``_`` and the first 8 or more digits of its hash (SHA-256,
    SHA-1 or MD5; ``resnet18_78a63ca6.pkl``), or the URL in ``#sha256=`` and the hash, the file must have that hash.
    model_dir: where the file is kept, for the next time; if None, in ``NUMOD_HUB_DIR``, or the user's cache folder. A path is read where it is.

    Raises FetcherError if the file cannot be fetched or has another hash, and ValueError if it cannot be loaded. Neither is kept.

    >>> import pathlib, tempfile, numod as nm
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = pathlib.Path(folder.name, "weights.safetensors")
    >>> nm.save({"epoch": 3}, path)
    >>> load_serialized_obj_from_url(path.as_uri(), model_dir=folder.name)
    {'epoch': 3}
    >>> folder.cleanup()
    """
    if "://" not in url:
        return serialization.load(url)
    if model_dir is None:
        folder = download.cache("serialized")
    else:
        folder = pathlib.Path(model_dir)
        folder.mkdir(parents=True, exist_ok=True)
    path = download.stored(url, folder)
    try:
        return serialization.load(path)
    except FileFormatError:
        path.unlink()
        raise


def pretrained(url: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorator for a function that makes a model: give it an argument ``pretrained``, which is False, and with True the weights behind a URL.

    url: of a state dict, as `load_serialized_obj_from_url` takes it. The other arguments of the function must be given by keyword.

    >>> import pathlib, tempfile, numod as nm, numod.module as M
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = pathlib.Path(folder.name, "weights")
    >>> nm.save({"weight": nm.Tensor([[3.0]]), "bias": nm.Tensor([1.0])}, path)
    >>> @pretrained(str(path))
    ... def model(bias=True):
    ...     return M.Linear(1, 1, bias=bias)
    >>> model(pretrained=True)(nm.Tensor([[2.0]])).tolist()
    [[7.0]]
    >>> folder.cleanup()
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def make(pretrained: bool = False, **kwargs: Any) -> Any:
            model = function(**kwargs)
            if pretrained:
                model.load_state_dict(load_serialized_obj_from_url(url))
            return model

        return make

    return decorate


def _is_there(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:  # a parent of it
        return False


def _entry(where: str, module: ModuleType, name: str) -> Callable[..., Any]:
    found = getattr(module, name, None)
    if not callable(found):
        known = sorted(each for each, value in vars(module).items() if callable(value) and not each.startswith("_"))
        raise RuntimeError(f"numod.hub.{where}: there is no function {name!r} in {module.__file__}, there are {', '.join(known) or 'none'}")
    return found


@contextlib.contextmanager
def _on_path(folder: pathlib.Path) -> Iterator[None]:
    """What is imported in this block may be in that folder; remembers what is."""
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    before = set(sys.modules)
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):  # the code may have changed the path
            sys.path.remove(str(folder))
        for name in set(sys.modules) - before:
            file = getattr(sys.modules[name], "__file__", None)
            if file and folder in pathlib.Path(file).parents:
                _brought.add(name)
