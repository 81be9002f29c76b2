"""The settings file: everything wrong is told at once, each with its line."""

import os
from datetime import timedelta
from pathlib import Path

import pytest

from reconciler.config import Settings, find, load
from reconciler.errors import Misused

GOOD = """\
apiVersion: reconciler.dev/v1alpha1
kind: Config
home: {kubeconfig: home.yaml, context: home}
repositories:
  - name: github.com/acme/models
    url: ssh://git@github.com/acme/models.git
    credentials: {sshKeyFile: git-key, knownHostsFile: known_hosts}
    trust: trust.yaml
  - name: github.com/acme/other
    url: https://github.com/acme/other.git
    credentials: {tokenFile: token}
    trust: trust.yaml
signing: {keyFile: key}
clusters: {kubeconfigDir: clusters}
"""
PRIVATE = ("git-key", "token", "key")


@pytest.fixture
def folder(tmp_path):
    for name in (*PRIVATE, "home.yaml", "known_hosts", "trust.yaml"):
        (tmp_path / name).write_text("x")
        (tmp_path / name).chmod(0o600 if name in PRIVATE else 0o644)
    (tmp_path / "clusters").mkdir()
    return tmp_path


def given(folder, *changes):
    text = GOOD
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path = folder / "reconciler.yaml"
    path.write_text(text)
    return path


def problems(path):
    with pytest.raises(Misused) as caught:
        load(path)
    assert caught.value.exit_code == 2
    return [line.removeprefix(f"{path}:") for line in caught.value.message.splitlines()]


def test_a_good_file_and_its_defaults(folder):
    settings = load(given(folder))
    config = settings.config
    assert [row.name for row in config.repositories] == ["github.com/acme/models", "github.com/acme/other"]
    first = config.repositories[0]
    assert (first.branch, first.path, first.start, first.poll) == ("main", ".", None, timedelta(seconds=30))
    assert first.ledger.ref == "refs/heads/reconciler/ledger"
    assert (config.limits.workers, config.limits.document_bytes, config.limits.fetch_bytes) == (
        8,
        256 * 1024,
        512 * 2**20,
    )
    assert config.listen.address() == ("127.0.0.1", 9090)
    assert config.home.namespace == "reconciler-system"
    assert config.allowed == frozenset()


def test_without_a_kubeconfig_the_home_is_the_cluster_that_it_runs_in(folder):
    (folder / "home.yaml").unlink()
    assert load(given(folder, ("home: {kubeconfig: home.yaml, context: home}\n", ""))).config.home.kubeconfig is None


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        pytest.param([("signing:", "singing:")], ["13:1: singing: ", "signing"], id="a key that is misspelt"),
        pytest.param([("kind: Config", "kind: Cluster")], ["2:7: kind: "], id="another kind"),
        pytest.param([("keyFile: key", "keyFile: 7")], ["13:20: signing.keyFile: "], id="a number for a file"),
        pytest.param(
            [("{tokenFile: token}", "{tokenFile: token, sshKeyFile: git-key, knownHostsFile: known_hosts}")],
            ["credentials need one of tokenFile and sshKeyFile, not both"],
            id="two ways to reach a remote",
        ),
        pytest.param(
            [(", knownHostsFile: known_hosts", "")],
            ["sshKeyFile and knownHostsFile belong together"],
            id="a key without known hosts",
        ),
        pytest.param(
            [("name: github.com/acme/other", "name: github.com/acme/models")],
            ["two repositories have the same name"],
            id="one name twice",
        ),
        pytest.param([("signing:", "allow: [everything]\nsigning:")], ["allow"], id="an allowance that is none"),
        pytest.param([("signing:", "limits: {workers: 0}\nsigning:")], ["13:19: limits.workers: "], id="no workers"),
        pytest.param([("signing:", "listen: {metrics: localhost}\nsigning:")], ["listen.metrics"], id="no port"),
        pytest.param(
            [("signing:", 'listen: {metrics: "127.0.0.1:99999"}\nsigning:')],
            ["a port is at most 65535"],
            id="no such port",
        ),
        pytest.param([("kind: Config", "kind: Config\nkind: Config")], ["3:1: "], id="a key twice"),
    ],
)
def test_what_the_file_says(folder, changes, found):
    text = "\n".join(problems(given(folder, *changes)))
    for part in found:
        assert part in text


MISSING = [
    ("home: {kubeconfig: home.yaml", "3:20: home.kubeconfig: there is no file "),
    ("sshKeyFile: git-key", "7:31: repositories[0].credentials.sshKeyFile: there is no file "),
    ("knownHostsFile: known_hosts", "7:56: repositories[0].credentials.knownHostsFile: there is no file "),
    ("tokenFile: token", "11:30: repositories[1].credentials.tokenFile: there is no file "),
    ("keyFile: key", "13:20: signing.keyFile: there is no file "),
    ("kubeconfigDir: clusters", "14:27: clusters.kubeconfigDir: there is no folder "),
]


@pytest.mark.parametrize(("field", "problem"), MISSING, ids=[field for field, _ in MISSING])
def test_a_file_that_is_not_there(folder, field, problem):
    name = field.rpartition(" ")[2]
    path = given(folder, (field, f"{field}-gone"))
    assert problems(path) == [f"{problem}{folder / name}-gone"]


def test_everything_that_is_missing_is_told_at_once_in_the_order_of_the_file(folder):
    path = given(folder)
    for name in (*PRIVATE, "home.yaml", "known_hosts", "trust.yaml"):
        (folder / name).unlink()
    (folder / "clusters").rmdir()
    lines = [int(row.partition(":")[0]) for row in problems(path)]
    assert lines == [3, 7, 7, 8, 11, 12, 13, 14]


@pytest.mark.parametrize(
    ("mode", "fine"),
    [(0o600, True), (0o400, True), (0o640, True), (0o644, False), (0o660, False), (0o604, False), (0o601, False)],
    ids=["0600", "0400", "0640: Kubernetes mounts secrets so", "0644", "0660", "0604", "0601"],
)
@pytest.mark.parametrize("name", PRIVATE)
def test_who_may_read_a_private_file(folder, name, mode, fine):
    path = given(folder)
    (folder / name).chmod(mode)
    if fine:
        assert load(path)
    else:
        (row,) = problems(path)
        assert row.endswith(f"{folder / name} may be read by others; run chmod 600 on it")


def test_a_folder_is_no_file(folder):
    path = given(folder, ("keyFile: key", "keyFile: clusters"))
    assert problems(path)[0].endswith(f"there is no file {folder / 'clusters'}")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(folder):
    path = given(folder)
    (folder / "trust.yaml").chmod(0)
    assert problems(path)[0].endswith(f"{folder / 'trust.yaml'} cannot be read")


def test_a_file_that_is_not_a_document(folder):
    path = folder / "reconciler.yaml"
    for text in ("", "[", "- 1", "a: 1\n---\nb: 2"):
        path.write_text(text)
        assert problems(path)


def test_a_settings_file_that_cannot_be_read(folder):
    with pytest.raises(Misused, match="cannot be read: Is a directory"):
        load(folder / "clusters")


# --- where things are


def test_paths_start_from_the_files_folder(folder, monkeypatch):
    settings = load(given(folder))
    monkeypatch.chdir("/")
    monkeypatch.setenv("HOME", str(folder))
    assert settings.path("trust.yaml") == (folder / "trust.yaml").resolve()
    assert settings.path("/etc/x") == Path("/etc/x")
    assert settings.path("~/x") == (folder / "x").resolve()


@pytest.mark.parametrize(
    ("changes", "cache", "expected"),
    [
        ([("signing:", "data: mirrors\nsigning:")], "/cache", "{folder}/mirrors"),
        ([], "/cache", "/cache/reconciler"),
        ([], "", "{folder}/.cache/reconciler"),
    ],
    ids=["as configured", "in the user's cache", "in the home folder"],
)
def test_where_mirrors_lie(folder, monkeypatch, changes, cache, expected):
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", cache)
    assert str(load(given(folder, *changes)).data) == expected.format(folder=folder.resolve())


def test_which_settings_file_is_meant(folder, monkeypatch):
    path = given(folder)
    monkeypatch.delenv("RECONCILER_CONFIG", raising=False)
    monkeypatch.chdir(folder)
    assert find(None) == path
    (folder / "models").mkdir()
    monkeypatch.chdir(folder / "models")
    assert find(None) == path  # one folder up
    monkeypatch.chdir("/")
    monkeypatch.setenv("RECONCILER_CONFIG", str(path))
    assert find(None) == path
    other = folder / "trust.yaml"
    assert find(other) == other
    with pytest.raises(Misused, match=r"there is no settings file nothing\.yaml") as caught:
        find(Path("nothing.yaml"))
    assert "--config" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "address"),
    [("0.0.0.0:9090", ("0.0.0.0", 9090)), ('"[::1]:0"', ("::1", 0)), ("metrics.local:80", ("metrics.local", 80))],  # noqa: S104  # never bound
)
def test_addresses(folder, text, address):
    settings = load(given(folder, ("signing:", f"listen: {{metrics: {text}}}\nsigning:")))
    assert settings.config.listen.address() == address


def test_allowances_by_name(folder):
    settings = load(given(folder, ("signing:", "allow: [fileRemotes, 'exec:aws-iam-authenticator']\nsigning:")))
    assert isinstance(settings, Settings)
    assert settings.config.allowed == {"fileRemotes", "exec:aws-iam-authenticator"}
