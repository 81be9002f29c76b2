"""A person's clone and its origin elsewhere: with what the person has set for themself, and nothing of the clone's."""

import os
import subprocess

import pytest
from git_server import CANARY

from reconciler.edges.git import Actor
from reconciler.edges.git.checkout import Checkout, history
from reconciler.errors import Misused, NotFound, Refused, Unreachable

ADA = Actor(name="Ada", email="ada@example.com")
MAIN = "refs/heads/main"
PROGRAMS = (
    "core.sshCommand", "core.askPass", "core.gitProxy", "core.fsmonitor", "core.alternateRefsCommand", "core.pager",
    "credential.helper", "remote.origin.uploadpack", "remote.origin.receivepack", "uploadpack.packObjectsHook",
    "filter.x.clean", "filter.x.smudge", "gpg.program", "diff.external",
)  # fmt: skip


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A person's own settings: `home("credential.helper", …)`; nothing of the machine's reaches git."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    for name in ("GIT_CONFIG_GLOBAL", "XDG_CONFIG_HOME", "SSH_AUTH_SOCK", "GIT_SSH_COMMAND", "http_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)

    def call(key, value):
        subprocess.run(["git", "config", "--file", folder / ".gitconfig", "--add", key, value], check=True)

    return call


@pytest.fixture
def ran(tmp_path):
    """Where programs that nobody may run leave their markers."""
    folder = tmp_path / "ran"
    folder.mkdir()
    return folder


@pytest.fixture
def clone(upstream, tmp_path):
    """A clone with one commit; `upstream` is where it came from."""
    upstream.commit({"a.yaml": b"a"})
    return Checkout.clone(upstream.url, tmp_path / "clone")


def configure(clone, key, value):
    subprocess.run(["git", "-C", clone.top, "config", "--add", key, value], check=True)


@pytest.fixture
def helper(home, tmp_path):
    """The person's credential helper; it counts how often it was asked."""
    asked = tmp_path / "asked"
    script = tmp_path / "helper"
    script.write_text(f"#!/bin/sh\necho $1 >> {asked}\necho username=x-access-token\necho password={CANARY}\n")
    script.chmod(0o755)
    home("credential.helper", str(script))
    return asked


@pytest.fixture
def over_http(clone, server):
    configure(clone, "remote.origin.pushurl", server.url)
    clone.set_config("remote.origin.url", server.url)
    return clone


@pytest.fixture
def over_ssh(clone, upstream, home, tmp_path):
    """The person's ssh: it runs the other side here, and writes down whom it was to reach."""
    script = tmp_path / "ssh"
    script.write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/reached\nfor last; do :; done\ncd {upstream.folder.parent}\neval "$last"\n'
    )
    script.chmod(0o755)
    home("core.sshCommand", str(script))
    clone.set_config("remote.origin.url", f"git@git.example.com:{upstream.folder.name}")
    return clone


def change(clone, base=None):
    from datetime import UTC, datetime

    head = base or clone.head()
    return clone.commit_on(head, {"b.yaml": b"b", "a.yaml": None}, "Change\n\nBecause.", ADA, when=datetime.now(UTC))


def test_over_http_a_person_is_let_in_by_their_own_credential_helper(over_http, upstream, helper):
    head = over_http.head()
    assert over_http.remote_ref(MAIN) == head
    made = change(over_http)
    over_http.push_ref("refs/heads/reconciler/promote/a/b/0123456789", made, None)
    assert upstream.git("rev-parse", "refs/heads/reconciler/promote/a/b/0123456789") == made
    assert "get" in helper.read_text()


def test_over_http_nobody_is_asked_and_no_token_is_told(over_http):
    with pytest.raises(Unreachable) as error:
        over_http.remote_ref(MAIN)
    assert "could not be reached" in error.value.message
    assert "try git ls-remote origin" in error.value.hint
    over_http.set_config("remote.origin.url", f"https://{CANARY}@127.0.0.1:9/models.git")
    with pytest.raises(Unreachable) as error:
        over_http.remote_ref(MAIN)
    assert CANARY not in error.value.message


def test_over_ssh_a_person_is_let_in_by_their_own_ssh(over_ssh, upstream, tmp_path):
    made = change(over_ssh)
    over_ssh.push_ref("refs/heads/one", made, None)
    assert upstream.git("rev-parse", "refs/heads/one") == made
    assert "git@git.example.com" in (tmp_path / "reached").read_text()


def test_what_is_fetched_is_in_the_clone_and_no_ref_of_it_moves(over_ssh, upstream):
    head = upstream.commit({"a.yaml": b"2"})
    upstream.git("update-ref", "refs/pull/7/head", head)
    upstream.git("update-ref", "refs/merge-requests/8/head", head)
    before = over_ssh._run(["for-each-ref"]).stdout
    for ref in ("refs/pull/7/head", "refs/merge-requests/8/head", MAIN):
        assert over_ssh.fetch(ref) == head
    with history(over_ssh.top) as opened:
        assert opened.read(head)[0] == {"a.yaml": b"2"}
    assert over_ssh._run(["for-each-ref"]).stdout == before
    assert not (over_ssh.top / ".git/FETCH_HEAD").exists()
    with pytest.raises(NotFound, match=r"there is no refs/pull/9/head in git@git.example.com"):
        over_ssh.fetch("refs/pull/9/head")
    with pytest.raises(Misused):
        over_ssh.fetch("refs/stash")


def test_a_ref_that_is_something_else_by_now_is_not_moved(over_ssh, upstream):
    first = over_ssh.head()
    other = upstream.commit({"a.yaml": b"2"})
    made = change(over_ssh)
    with pytest.raises(Refused, match="it is something else by now"):
        over_ssh.push_ref(MAIN, made, first)
    assert upstream.git("rev-parse", MAIN) == other


def test_a_commit_on_another_one_moves_nothing_of_the_clone(clone):
    (clone.top / "a.yaml").write_bytes(b"in the work tree")
    before = (clone.head(), clone._run(["status", "--porcelain"]).stdout, clone._run(["for-each-ref"]).stdout)
    made = change(clone)
    with history(clone.top) as opened:
        commit = opened.commit(made)
        assert (opened.read(made)[0], commit.parents, commit.author) == ({"b.yaml": b"b"}, (clone.head(),), ADA)
        assert (commit.subject, commit.signed) == ("Change", False)
    assert before == (clone.head(), clone._run(["status", "--porcelain"]).stdout, clone._run(["for-each-ref"]).stdout)
    for path in ("../a", ".git/config", "", "a//b"):
        with pytest.raises(Misused):
            clone.commit_on(clone.head(), {path: b""}, "m", ADA, when=commit.author_time)


@pytest.mark.usefixtures("helper")
@pytest.mark.parametrize("way", ["over_ssh", "over_http", "clone"])
def test_nothing_that_a_hostile_clone_names_is_run(way, request, upstream, ran, tmp_path):
    clone = request.getfixturevalue(way)
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    for folder in (hooks, clone.top / ".git/hooks", upstream.folder / "hooks"):
        folder.mkdir(exist_ok=True)
        for name in ("pre-push", "pre-receive", "post-receive", "update", "reference-transaction", "post-index-change"):
            (folder / name).write_text(f"#!/bin/sh\ntouch {ran}/hook-{name}\n")
            (folder / name).chmod(0o755)
    for key in PROGRAMS:
        value = f"touch {ran}/{key}; false"
        configure(clone, key, f"!{value}" if key == "credential.helper" else value)
    configure(clone, "core.hooksPath", str(hooks))
    configure(clone, "remote.origin.vcs", "evil")
    configure(clone, "remote.origin.proxy", "http://127.0.0.1:9")
    configure(clone, "http.proxy", "http://127.0.0.1:9")
    configure(clone, "url.ext::sh.insteadOf", "git@")
    configure(clone, "url.ext::sh.insteadOf", "http")
    configure(clone, "protocol.allow", "always")
    included = tmp_path / "included"
    included.write_text(f'[core]\n\tsshCommand = "touch {ran}/included; false"\n')
    configure(clone, "include.path", str(included))
    (clone.top / ".git/info").mkdir(exist_ok=True)
    (clone.top / ".git/info/attributes").write_text("* filter=x\n")
    made = change(clone, clone.fetch(MAIN))
    assert clone.remote_ref(MAIN)
    if way == "clone":
        clone.push_ref("refs/heads/one", made, None)
        assert upstream.git("rev-parse", "refs/heads/one") == made
        assert [file.name for file in ran.iterdir()] == []
        return
    for file in (upstream.folder / "hooks").iterdir():
        file.unlink()  # what runs on another host is that host's business
    clone.push_ref("refs/heads/one", made, None)
    assert upstream.git("rev-parse", "refs/heads/one") == made
    assert [file.name for file in ran.iterdir()] == []


def test_the_traps_of_that_clone_would_have_worked(over_ssh, ran):
    configure(over_ssh, "core.sshCommand", f"touch {ran}/core.sshCommand; false")
    done = subprocess.run(
        ["git", "-C", over_ssh.top, "ls-remote", "origin"], check=False, capture_output=True, env=dict(os.environ)
    )
    assert done.returncode
    assert [file.name for file in ran.iterdir()] == ["core.sshCommand"]


@pytest.mark.parametrize(
    "address",
    [
        "", "ext::sh -c touch% x", "git://example.com/a.git", "http://example.com/a.git", "-u", "--upload-pack=touch",
        "ssh://-oProxyCommand=touch/a", "ssh://git@-oProxyCommand=x/a", "git@-oProxyCommand=x:a", "git@host:-oX",
        "https://user:pass@example.com/a.git", "https://example.com/../a", "../relative", "file://host/a",
        "https://example.com/a b", "host:a\nb",
    ],
)  # fmt: skip
def test_an_odd_address_is_not_talked_to(clone, address):
    clone.set_config("remote.origin.url", address)
    with pytest.raises(Misused) as error:
        clone.remote_ref(MAIN)
    assert "pass@" not in error.value.message


@pytest.mark.parametrize(
    "address",
    [
        "https://github.com/acme/models.git", "https://ada@git.example.com:8443/acme/models", "git@a.b:c/d.git",
        "github.com:acme/models.git", "ssh://git@git.example.com:2222/acme/models.git", "http://127.0.0.1:3000/a/b",
        "/srv/models.git", "file:///srv/models.git",
    ],
)  # fmt: skip
def test_these_are(clone, address):
    clone.set_config("remote.origin.url", address)
    assert clone.upstream().shown.endswith(address.rpartition("@")[2])
