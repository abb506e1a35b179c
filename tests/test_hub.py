"""Models and weights come from folders, repositories, archives and URLs, whole and as they should be, or with a clear error; data never runs code."""

import hashlib
import http.server
import io
import os
import pickle
import pickletools
import shutil
import subprocess
import sys
import tarfile
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest

import numod as nm
import numod.module as M
from numod import hub
from numod.hub import download, exceptions
from numod.serialization import FileFormatError

HUBCONF = """
from helper import WIDTH
import numod.module as M

dependencies = ["numpy"]

def net(width=WIDTH, bias=True):
    "A layer."
    return M.Linear(2, width, bias=bias)

class Net(M.Linear):
    def __init__(self):
        super().__init__(2, WIDTH)

def _inner():
    from late import VALUE
    return VALUE
"""


def make_repo(folder, width=3):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "hubconf.py").write_text(HUBCONF)
    (folder / "helper.py").write_text(f"WIDTH = {width}\n")
    (folder / "late.py").write_text(f"VALUE = {width}\n")
    return folder


def git(folder, *arguments):
    identity = ["-c", "user.name=tester", "-c", "user.email=tester@example.com"]
    done = subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """The cache of a test, and git without the settings of this machine."""
    monkeypatch.setenv("NUMOD_HUB_DIR", str(tmp_path / "home"))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("no_proxy", "*")
    path = list(sys.path)
    yield tmp_path / "home"
    assert sys.path == path


@pytest.fixture
def repo(tmp_path):
    return make_repo(tmp_path / "repo")


@pytest.fixture
def history(repo):
    """The repository with a tag ``v3`` and a branch ``wide``; master has one file more."""
    git(repo, "init", "-q", "-b", "master")
    git(repo, "add", "-A")
    git(repo, "commit", "-qm", "first")
    git(repo, "tag", "v3")
    git(repo, "checkout", "-qb", "wide")
    make_repo(repo, 30)
    git(repo, "commit", "-qam", "wide")
    git(repo, "checkout", "-q", "master")
    make_repo(repo, 4)
    git(repo, "commit", "-qam", "second")
    make_repo(repo, 5)  # not committed
    return repo


@pytest.fixture
def server(tmp_path):
    """Serves a folder; ``asked`` has the paths that were asked for, ``lost`` is how many bytes of each answer are missing."""
    folder = tmp_path / "served"
    folder.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=str(folder))

        def do_GET(self):
            made.asked.append(self.path)
            super().do_GET()

        def copyfile(self, source, target):
            content = source.read()
            target.write(content[: len(content) - made.lost])

        def log_message(self, *arguments):
            pass

    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.asked, made.lost, made.folder = [], 0, folder
    made.url = f"http://127.0.0.1:{made.server_address[1]}"
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join()


def zipped(path, folder, inside="repo-master"):
    with zipfile.ZipFile(path, "w") as archive:
        for file in folder.glob("*.py"):
            archive.write(file, f"{inside}/{file.name}")
    return path


# Code


def test_a_folder_is_used_where_it_is(repo, home):
    assert hub.list(repo) == ["Net", "_inner", "net"]
    assert hub.help(str(repo), "net") == "A layer."
    assert repr(hub.load(str(repo), "net", 7, bias=False)) == "Linear(in_features=2, out_features=7, bias=False)"
    assert hub.load(repo, "Net").out_features == 3
    make_repo(repo, 11)
    os.utime(repo / "helper.py", (1, 1))
    assert hub.load(repo, "net").out_features == 11
    assert not home.exists()


def test_a_relative_path_begins_with_a_dot(repo, monkeypatch):
    monkeypatch.chdir(repo.parent)
    assert hub.load("./repo", "net").out_features == 3
    with pytest.raises(exceptions.InvalidRepo, match=r"'repo' names no repository; accepted are 'owner/name'"):
        hub.load("repo", "net")
    monkeypatch.chdir(repo)
    assert hub.load(".", "net").out_features == 3


def test_a_module_is_made_anew_and_known_to_pickle(repo):
    module = hub.import_module(repo, "github.com")
    assert module.net().out_features == 3
    assert hub.import_module(repo) is not module
    module = hub.import_module(repo)
    assert pickle.loads(pickle.dumps(module.Net)) is module.Net


def test_two_repositories_may_have_files_of_the_same_name(repo, tmp_path):
    other = make_repo(tmp_path / "other", 9)
    assert hub.load(repo, "net").out_features == 3
    assert hub.load(other, "net").out_features == 9
    assert hub.load(other, "_inner") == 9
    assert hub.load(repo, "_inner") == 3


def test_missing_dependencies_are_named(repo):
    (repo / "hubconf.py").write_text("dependencies = ['numpy', 'not_there_1', 'not_there.2']\ndef net(): pass\n")
    assert hub.list(repo) == ["net"]
    with pytest.raises(RuntimeError, match=r"needs packages that are not installed: not_there_1, not_there\.2"):
        hub.load(repo, "net")


def test_code_that_fails_leaves_nothing_behind(repo):
    (repo / "hubconf.py").write_text("import helper\n1 / 0\n")
    before = set(sys.modules)
    with pytest.raises(ZeroDivisionError):
        hub.list(repo)
    assert {name for name in set(sys.modules) - before if name.startswith("numod_hub")} == set()


@pytest.mark.parametrize("function", [hub.load, hub.help])
@pytest.mark.parametrize("entry", ["nat", "dependencies"])
def test_an_unknown_entry_is_refused(repo, function, entry):
    with pytest.raises(
        RuntimeError, match=rf"numod\.hub\.{function.__name__}: there is no function '{entry}' in .*hubconf\.py, there are Net, net"
    ):
        function(repo, entry)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"repo_info": "a"}, exceptions.InvalidRepo, "'a' names no repository"),
        ({"repo_info": "a/b/c"}, exceptions.InvalidRepo, "'a/b/c' names no repository"),
        ({"repo_info": "a/b:c:d"}, exceptions.InvalidRepo, "'a/b:c:d' names no repository"),
        ({"repo_info": "a/b:--upload-pack=x"}, exceptions.InvalidRepo, "names no repository"),
        ({"repo_info": "/not/there"}, exceptions.InvalidRepo, "there is no folder '/not/there'"),
        ({"repo_info": "ftp://host/x.git"}, exceptions.InvalidRepo, "accepted are URLs that begin with http, https, ssh or file"),
        (
            {"repo_info": "ftp://host/x.zip"},
            ValueError,
            "cannot download ftp://host/x.zip: accepted are URLs that begin with http, https, file",
        ),
        ({"repo_info": "file:///x.zip", "commit": "abcd"}, exceptions.InvalidRepo, "is an archive, so it has no commits"),
        ({"repo_info": "a/b", "git_host": "localhost:1"}, exceptions.InvalidGitHost, "git_host 'localhost:1' is no name of a host"),
        ({"repo_info": "a/b", "git_host": "-x"}, exceptions.InvalidGitHost, "git_host '-x' is no name of a host"),
        ({"repo_info": "a/b", "protocol": "ssh"}, exceptions.InvalidProtocol, "protocol must be HTTPS or SSH, got 'ssh'"),
        ({"repo_info": "a/b", "commit": "--x"}, exceptions.GitCheckoutError, "commit must be hexadecimal digits, got '--x'"),
    ],
)
def test_wrong_arguments_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        hub.list(**arguments)


def test_a_folder_without_hubconf_is_refused(tmp_path):
    with pytest.raises(exceptions.InvalidRepo, match=r"has no hubconf\.py"):
        hub.list(tmp_path)


# git


def width(repo_info, **options):
    return hub.load(repo_info, "net", **options).out_features


def test_branches_tags_and_commits_of_a_local_repository(history):
    first = git(history, "rev-parse", "v3")
    assert width(history) == 5
    assert width(f"{history}:master") == 4
    assert width(f"{history}:wide") == 30
    assert width(f"{history}:v3") == 3
    assert width(history, commit=first) == width(history, commit=first[:10]) == 3
    assert git(history, "branch", "--show-current") == "master"
    with pytest.raises(exceptions.GitCheckoutError, match="has no branch or tag 'narrow'"):
        width(f"{history}:narrow")
    with pytest.raises(exceptions.GitCheckoutError, match=f"has no commit '{'0' * 40}'"):
        width(history, commit="0" * 40)


def test_what_was_fetched_is_used_again(history):
    assert width(f"{history}:master") == 4
    git(history, "commit", "-qam", "third")
    assert width(f"{history}:master") == 4
    assert width(f"{history}:master", use_cache=False) == 5
    assert width(f"{history}:master") == 5


def test_a_failed_fetch_keeps_what_was_there(history, home):
    url = history.as_uri()
    assert width(url) == 4
    kept = sorted((home / "repositories").iterdir())
    shutil.rmtree(history)
    with pytest.raises(exceptions.GitPullError, match="cannot clone file://"):
        width(url, use_cache=False)
    assert sorted((home / "repositories").iterdir()) == kept
    assert width(url) == 4


def test_bare_repositories_and_urls(history, tmp_path):
    bare = tmp_path / "bare" / "owner" / "name.git"
    subprocess.run(["git", "clone", "-q", "--bare", str(history), str(bare)], check=True)
    assert width(bare) == width(bare.as_uri()) == 4
    assert width(f"{bare.as_uri()}:wide") == width(f"{bare}:wide") == 30


def test_a_host_over_ssh_and_https(history, tmp_path, monkeypatch):
    bare = tmp_path / "bare"
    subprocess.run(["git", "clone", "-q", "--bare", str(history), str(bare / "owner" / "name.git")], check=True)
    for number, base in enumerate(("git@github.com:", "https://gitlab.com/")):  # where git looks instead of there
        monkeypatch.setenv(f"GIT_CONFIG_KEY_{number}", f"url.{bare.as_uri()}/.insteadOf")
        monkeypatch.setenv(f"GIT_CONFIG_VALUE_{number}", base)
    monkeypatch.setenv("GIT_CONFIG_COUNT", "2")
    assert width("owner/name", protocol="SSH") == 4
    assert width("owner/name:wide", protocol="SSH") == 30
    assert width("owner/name:v3", git_host="gitlab.com") == 3
    assert width("owner/name", git_host="gitlab.com", commit=git(history, "rev-parse", "wide")) == 30
    with pytest.raises(exceptions.GitPullError, match=r"cannot clone git@github\.com:owner/other\.git"):
        width("owner/other", protocol="SSH")


def test_github_over_https_is_an_archive(repo, tmp_path, monkeypatch):
    archive, asked = zipped(tmp_path / "x.zip", repo), []

    def opened(request, timeout):
        asked.append(request.full_url)
        response = io.BytesIO(archive.read_bytes())
        response.headers = {}
        return response

    monkeypatch.setattr(download.urllib.request, "urlopen", opened)
    assert width("owner/name") == width("owner/name:v1") == width("owner/name:v1", commit="abcd") == 3
    base = "https://github.com/owner/name/archive"
    assert asked == [f"{base}/master.zip", f"{base}/v1.zip", f"{base}/abcd.zip"]


def test_git_must_be_there(history, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(exceptions.FetcherError, match="needs the program git, which is not installed"):
        width(f"{history}:master")


def test_a_folder_that_is_no_repository_has_no_branches(repo):
    with pytest.raises(exceptions.InvalidRepo, match="is no git repository"):
        width(f"{repo}:master")


# Archives


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz", "tgz", "tar.xz"])
@pytest.mark.parametrize("inside", ["repo-1.0", "."])
def test_archives(repo, server, kind, inside):
    path = server.folder / f"model.{kind}"
    if kind == "zip":
        zipped(path, repo, inside)
    else:
        with tarfile.open(path, "w:" + {"tar": "", "tgz": "gz"}.get(kind, kind[4:])) as archive:
            for file in repo.glob("*.py"):
                archive.add(file, f"{inside}/{file.name}")
    assert width(f"{server.url}/model.{kind}") == width(f"{server.url}/model.{kind}") == 3
    assert server.asked == [f"/model.{kind}"]
    assert width(path.as_uri()) == width(path) == 3
    assert width(f"{server.url}/model.{kind}", use_cache=False) == 3
    assert len(server.asked) == 2


def test_archives_write_only_into_their_folder(repo, server, home):
    with zipfile.ZipFile(server.folder / "bad.zip", "w") as archive:
        archive.writestr("../../../escaped.py", "")
        archive.write(repo / "hubconf.py", "hubconf.py")
        archive.write(repo / "helper.py", "helper.py")
    assert width(f"{server.url}/bad.zip") == 3
    with tarfile.open(server.folder / "bad.tar", "w") as archive:
        archive.add(repo / "hubconf.py", "../../../escaped.py")
    with pytest.raises(exceptions.FetcherError, match=r"bad\.tar cannot be unpacked: .*outside"):
        width(f"{server.url}/bad.tar")
    found = list(home.parent.rglob("escaped.py"))
    assert all(home / "repositories" in path.parents and not path.is_symlink() for path in found)
    assert len(found) == 1  # the zip file's, inside of its folder


def test_damaged_archives_are_not_kept(repo, server, home):
    path = zipped(server.folder / "model.zip", repo)
    whole = path.read_bytes()
    for content in (whole[:-30], b"", whole[:60] + b"\xff" * 20 + whole[80:]):
        path.write_bytes(content)
        with pytest.raises(exceptions.FetcherError, match=r"model\.zip cannot be unpacked"):
            width(f"{server.url}/model.zip")
        assert list((home / "repositories").iterdir()) == []
    path.write_bytes(whole)
    assert width(f"{server.url}/model.zip") == 3


def test_an_archive_without_hubconf_is_not_kept(repo, server, home):
    (repo / "hubconf.py").unlink()
    zipped(server.folder / "model.zip", repo)
    with pytest.raises(exceptions.InvalidRepo, match=r"model\.zip' has no hubconf\.py"):
        width(f"{server.url}/model.zip")
    assert list((home / "repositories").iterdir()) == []


def test_hashes_of_archives(repo, server):
    digest = hashlib.sha256(zipped(server.folder / "model.zip", repo).read_bytes()).hexdigest()
    assert width(f"{server.url}/model.zip#sha256={digest}") == 3
    with pytest.raises(exceptions.HashMismatch):
        width(f"{server.url}/model.zip#sha256={'0' * 64}")


# Weights


def weights(folder, name="weights.pkl"):
    """A file of numod's with two arrays, the URL's last part, and its hash."""
    nm.save({"weight": nm.Tensor([[3.0, 0.0]]), "bias": nm.Tensor([1.0])}, folder / name)
    return name, hashlib.sha256((folder / name).read_bytes()).hexdigest()


def test_weights_are_fetched_once(server, home):
    name, _ = weights(server.folder)
    url = f"{server.url}/{name}"
    for _ in range(2):
        np.testing.assert_array_equal(hub.load_serialized_obj_from_url(url)["weight"].numpy(), [[3.0, 0.0]])
    assert server.asked == [f"/{name}"]
    # as MegEngine names it
    assert os.listdir(home / "serialized") == [f"{hashlib.sha256(url.encode()).hexdigest()[:6]}_{name}"]


def test_weights_are_kept_where_they_should(server, tmp_path, home):
    name, _ = weights(server.folder)
    hub.load_serialized_obj_from_url(f"{server.url}/{name}", model_dir=tmp_path / "a" / "b")
    assert len(os.listdir(tmp_path / "a" / "b")) == 1
    assert not home.exists()


def test_weights_of_a_path_or_file_url(tmp_path):
    name, _ = weights(tmp_path)
    for place in (str(tmp_path / name), (tmp_path / name).as_uri()):
        assert hub.load_serialized_obj_from_url(place)["bias"].tolist() == [1.0]


@pytest.mark.parametrize("kind", ["sha256", "sha1", "md5"])
@pytest.mark.parametrize("mark", "_-")
def test_the_hash_in_a_name(server, home, kind, mark):
    name, _ = weights(server.folder)
    content = (server.folder / name).read_bytes()
    digest = hashlib.new(kind, content).hexdigest()[:10]
    if not any(each in "abcdef" for each in digest) or not any(each.isdigit() for each in digest):
        digest = hashlib.new(kind, content).hexdigest()
    named = f"net{mark}70312{mark}{digest}.pkl"
    (server.folder / named).write_bytes(content)
    assert hub.load_serialized_obj_from_url(f"{server.url}/{named}")["bias"].tolist() == [1.0]
    wrong = f"net{mark}0a{digest}.pkl"
    (server.folder / wrong).write_bytes(content)
    before = os.listdir(home / "serialized")
    with pytest.raises(exceptions.HashMismatch, match=f"should begin with 0a{digest}, sha256 is "):
        hub.load_serialized_obj_from_url(f"{server.url}/{wrong}")
    assert os.listdir(home / "serialized") == before


@pytest.mark.parametrize(
    "name", ["net_20210101.pkl", "net_deadbeef.pkl", "net_12ab.pkl", "net12345abc.pkl", "net_1234567g.pkl", "a1b2c3d4.pkl"]
)
def test_names_that_are_no_hashes(name):
    assert download.wanted_hash(f"http://host/{name}") == ((), "")


def test_the_hash_behind_a_url(server):
    name, digest = weights(server.folder)
    assert hub.load_serialized_obj_from_url(f"{server.url}/{name}#sha256={digest}")["bias"].tolist() == [1.0]
    with pytest.raises(exceptions.HashMismatch):
        hub.load_serialized_obj_from_url(f"{server.url}/{name}#sha256={digest[::-1]}")
    with pytest.raises(ValueError, match="expected nothing behind '#', or sha256= and 64 hexadecimal digits"):
        hub.load_serialized_obj_from_url(f"{server.url}/{name}#md5=1")


def test_a_file_that_was_damaged_in_the_cache_is_fetched_again(server, home):
    name, digest = weights(server.folder)
    url = f"{server.url}/{name}#sha256={digest}"
    hub.load_serialized_obj_from_url(url)
    (kept,) = (home / "serialized").iterdir()
    content = kept.read_bytes()
    kept.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert hub.load_serialized_obj_from_url(url)["bias"].tolist() == [1.0]
    assert len(server.asked) == 2


def test_without_a_network_the_cache_is_used_or_the_error_is_clear(server, home):
    name, _ = weights(server.folder)
    hub.load_serialized_obj_from_url(f"{server.url}/{name}")
    server.shutdown()
    server.server_close()
    hub.load_serialized_obj_from_url(f"{server.url}/{name}")
    with pytest.raises(
        exceptions.DownloadError, match=r"cannot download http://127.*other: .*refused; a copy of the file at .*_other will be used"
    ) as caught:
        hub.load_serialized_obj_from_url(f"{server.url}/other")
    shutil.copy(server.folder / name, str(caught.value).partition("file at ")[2].partition(" will")[0])
    assert hub.load_serialized_obj_from_url(f"{server.url}/other")["bias"].tolist() == [1.0]


def test_failed_downloads_leave_nothing(server, home):
    name, _ = weights(server.folder)
    with pytest.raises(exceptions.DownloadError, match=r"cannot download .*/nothing: 404 "):
        hub.load_serialized_obj_from_url(f"{server.url}/nothing")
    server.lost = 10
    size = (server.folder / name).stat().st_size
    with pytest.raises(exceptions.DownloadError, match=f"ended after {size - 10} of {size} bytes"):
        hub.load_serialized_obj_from_url(f"{server.url}/{name}")
    with pytest.raises(exceptions.DownloadError, match="cannot download file:///not/there"):
        hub.load_serialized_obj_from_url("file:///not/there")
    with pytest.raises(ValueError, match="cannot download s3://a/b: accepted are URLs that begin with http, https, file"):
        hub.load_serialized_obj_from_url("s3://a/b")
    assert os.listdir(home / "serialized") == []


class Evil:
    def __reduce__(self):
        return os.mkdir, ("made by a pickle",)


@pytest.mark.parametrize("content", [pickle.dumps(Evil()), b"nonsense", b""])
def test_what_cannot_be_loaded_runs_nothing_and_is_not_kept(server, home, tmp_path, monkeypatch, content):
    monkeypatch.chdir(tmp_path)
    (server.folder / "x.pkl").write_bytes(content)
    with pytest.raises(FileFormatError):
        hub.load_serialized_obj_from_url(f"{server.url}/x.pkl")
    assert os.listdir(home / "serialized") == []
    assert not Path("made by a pickle").exists()


def test_pickled_state_dicts_are_read(server):
    content = pickletools.optimize(pickle.dumps({"weight": np.ones((1, 2), np.float32)}, 4))
    (server.folder / "x.pkl").write_bytes(content)
    np.testing.assert_array_equal(hub.load_serialized_obj_from_url(f"{server.url}/x.pkl")["weight"], [[1, 1]])


def test_pretrained(server):
    name, _ = weights(server.folder)

    @hub.pretrained(f"{server.url}/{name}")
    def net(bias=True):
        """A net."""
        return M.Linear(2, 1, bias=bias)

    x = nm.Tensor([[2.0, 5.0]])
    assert (net.__name__, net.__doc__) == ("net", "A net.")
    net(), net(bias=False), net(False)
    assert server.asked == []
    assert net(pretrained=True)(x).tolist() == net(True)(x).tolist() == [[7.0]]
    with pytest.raises(KeyError, match=r"unused=\{'bias'\}"):
        net(pretrained=True, bias=False)
    with pytest.raises(TypeError, match="positional argument"):
        net(True, False)


# The cache


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="folders have no owners here")
def test_code_is_not_run_from_a_folder_that_others_can_write_to(history, home):
    (home / "repositories").mkdir(parents=True)
    (home / "repositories").chmod(0o777)
    with pytest.raises(exceptions.FetcherError, match="writable by another user; choose another folder with NUMOD_HUB_DIR"):
        width(f"{history}:master")


def test_the_cache_is_the_users_unless_said(tmp_path, monkeypatch):
    monkeypatch.delenv("NUMOD_HUB_DIR")
    monkeypatch.setattr(download.platformdirs, "user_cache_dir", lambda name: str(tmp_path / "cache" / name))
    assert download.cache("serialized") == tmp_path / "cache" / "numod" / "hub" / "serialized"
    assert (tmp_path / "cache" / "numod" / "hub" / "serialized").is_dir()
