"""With whom git may talk and what it may be made to do: addresses, credentials, and attacks that leave a marker."""

import base64
import os
import stat
import subprocess
import time
from datetime import UTC, datetime

import pytest
from git_server import CANARY
from hypothesis import given
from hypothesis import strategies as st

from reconciler.edges.git import Actor, Moved, Remote, SshKey, Token, Watch, Writer, watches
from reconciler.edges.git.remote import check_ref
from reconciler.edges.git.run import mask
from reconciler.errors import Misused, Retry

GOOD = {"https": "https://github.com/acme/models.git", "ssh": "ssh://git@github.com:2222/acme/models.git"}


@pytest.fixture
def token(tmp_path):
    file = tmp_path / "token"
    file.write_text(CANARY + "\n")
    return Token(file=file)


@pytest.fixture
def ssh_key(tmp_path):
    for name in ("key", "hosts"):
        (tmp_path / name).touch()
    return SshKey(file=tmp_path / "key", known_hosts=tmp_path / "hosts")


def test_https_and_ssh_are_allowed(token, ssh_key):
    assert Remote(url=GOOD["https"], branch="main", credentials=token).scheme == "https"
    assert Remote(url=GOOD["https"], branch="release/1.x").ref == "refs/heads/release/1.x"
    assert Remote(url=GOOD["ssh"], branch="main", credentials=ssh_key).scheme == "ssh"


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/a.git",
        "git://example.com/a.git",
        "ext::sh -c touch% marker",
        "ssh://-oProxyCommand=touch/a",
        "ssh://git@-oProxyCommand=x/a",
        "--upload-pack=touch",
        "-u",
        "git@github.com:acme/models.git",
        "https://user:pass@example.com/a.git",
        f"https://{CANARY}@example.com/a.git",
        "https://example.com/a.git?x=1",
        "https://example.com/../a",
        "https://example.com/a b",
        "https://example.com/a\nb",
        "https://example.com/a.git\n",
        "https:///a.git",
        "https://example.com",
        "HTTPS://example.com/a.git",
        "transport::https://example.com/a",
        "relative/path",
        "",
    ],
)
def test_any_other_address_is_misuse_and_is_not_repeated_with_its_secrets(url, ssh_key):
    with pytest.raises(Misused) as error:
        Remote(url=url, branch="main", allow_plain_loopback=True, credentials=ssh_key if "ssh:" in url else None)
    assert CANARY not in error.value.message
    assert "pass@" not in error.value.message


@pytest.mark.parametrize("url", ["/srv/git/models", "file:///srv/git/models"])
def test_a_local_repository_needs_to_be_allowed_by_name(url):
    with pytest.raises(Misused, match="fileRemotes"):
        Remote(url=url, branch="main")
    assert Remote(url=url, branch="main", allow_file=True).address == "file:///srv/git/models"


@pytest.mark.parametrize("url", ["/srv/../etc", "file://host/srv", "file:///srv?x", "file:srv", "/srv\n"])
def test_a_local_repository_is_an_absolute_path(url):
    with pytest.raises(Misused):
        Remote(url=url, branch="main", allow_file=True)


@pytest.mark.parametrize("branch", ["", "-x", "a..b", "a b", "a:b", "*", "a.lock", "/a", "a/", "a//b", "@{-1}", "a\n"])
def test_a_branch_is_a_plain_name(branch):
    with pytest.raises(Misused):
        Remote(url=GOOD["https"], branch=branch)


@given(ref=st.text(alphabet="ab/.-@{~^:?*[\\ +\nrefsheads", max_size=20).map(lambda text: f"refs/heads/{text}"))
def test_every_ref_that_we_accept_is_one_for_git(ref):
    try:
        check_ref(ref)
    except Misused:
        return
    assert subprocess.run(["git", "check-ref-format", ref], check=False).returncode == 0
    assert not ref.split("/")[2].startswith("-")


def test_credentials_fit_their_address(token, ssh_key):
    with pytest.raises(Misused, match="needs sshKeyFile"):
        Remote(url=GOOD["ssh"], branch="main")
    with pytest.raises(Misused, match="cannot use these credentials"):
        Remote(url=GOOD["ssh"], branch="main", credentials=token)
    with pytest.raises(Misused, match="cannot use these credentials"):
        Remote(url=GOOD["https"], branch="main", credentials=ssh_key)


@pytest.mark.parametrize("content", ["", "two words", "two\nlines", "null\0", "ü"])
def test_a_token_file_holds_one_token(tmp_path, content):
    file = tmp_path / "token"
    file.write_text(content)
    with pytest.raises(Misused, match="one token on one line"):
        Remote(url=GOOD["https"], branch="main", credentials=Token(file=file)).access()
    with pytest.raises(Misused, match="cannot be read"):
        Remote(url=GOOD["https"], branch="main", credentials=Token(file=tmp_path / "none")).access()


def test_a_key_path_that_ssh_or_a_shell_would_expand_is_misuse(tmp_path, ssh_key):
    for name in ("%h", "a b", "$(id)", "'", "~"):
        file = tmp_path / name
        file.touch()
        remote = Remote(url=GOOD["ssh"], branch="main", credentials=SshKey(file=file, known_hosts=ssh_key.known_hosts))
        with pytest.raises(Misused, match="would expand"):
            remote.access()


def test_the_token_is_shown_by_no_value(token):
    remote = Remote(url=GOOD["https"], branch="main", credentials=token)
    assert CANARY not in repr(remote)
    access = remote.access()
    assert CANARY not in repr(access)
    assert base64.b64encode(f"x-access-token:{CANARY}".encode()).decode() not in repr(access)


@pytest.mark.parametrize(
    "text",
    [
        f"fatal: unable to access 'https://bob:{CANARY}@example.com/a'",
        f"> Authorization: Basic {CANARY}",
        f"> PRIVATE-TOKEN: {CANARY}",
        f"access_token={CANARY}&x",
        f"password: {CANARY}",
        f"plain {CANARY} alone",
        "ghp_" + "a" * 36,
    ],
)
def test_credentials_are_masked_before_a_message_is_made(text):
    masked = mask(text, [CANARY])
    assert CANARY not in masked
    assert "ghp_a" not in masked
    assert "***" in masked


@pytest.fixture
def over_http(server, token, mirror_of):
    return mirror_of(Remote(url=server.url, branch="main", credentials=token, allow_plain_loopback=True))


def push_something(mirror, base=None):
    bot, when = Actor(name="Bot", email="bot@example.com"), datetime(2026, 1, 1, tzinfo=UTC)
    writer = Writer(mirror)
    head = writer.commit_files(
        {"a": b"1"}, base=base, message="m", author=bot, committer=bot, when=when, sign=lambda _: "none\n"
    )
    writer.push("refs/heads/reconciler/ledger", head, base)
    return head


def test_fetch_and_push_work_over_http_with_a_token_that_is_on_no_command_line(upstream, server, over_http):
    first = upstream.commit({"a.yaml": b"a"})
    assert over_http.poll(None, first) == Moved(old=None, new=first)
    assert over_http.trees.walk(first).files
    head = push_something(over_http)
    assert upstream.git("rev-parse", "refs/heads/reconciler/ledger") == head
    assert all(header.startswith("Basic ") for _, header in server.seen)
    assert b"ls-remote" in server.commands
    assert CANARY.encode() not in server.commands
    assert server.seen[0][1].removeprefix("Basic ").encode() not in server.commands


def test_a_rotated_token_counts_at_once(upstream, over_http, token):
    upstream.commit({"a.yaml": b"a"})
    token.file.write_text("old")
    with pytest.raises(Retry):
        over_http.advertised()
    token.file.write_text(CANARY)
    assert over_http.advertised() is not None


def test_a_refusal_names_no_token_and_asks_nobody(upstream, server, over_http, tmp_path, monkeypatch):
    upstream.commit({"a.yaml": b"a"})
    server.behaviour = "deny"
    marker = attack_through_the_environment(tmp_path, monkeypatch)
    with pytest.raises(Retry) as error:
        over_http.poll(None, "1" * 40)
    with pytest.raises(Retry) as pushed:
        push_something(over_http)
    header = server.seen[0][1].removeprefix("Basic ")
    for message in (error.value.message, pushed.value.message, repr(error.value), str(pushed.value.__cause__)):
        assert CANARY not in message
        assert header not in message
    assert error.value.reason == "FetchFailed"
    assert not marker.exists()


def test_a_redirect_is_not_followed(upstream, server, over_http):
    upstream.commit({"a.yaml": b"a"})
    server.behaviour = "redirect"
    with pytest.raises(Retry):
        over_http.advertised()
    assert all("stolen" not in path for path, _ in server.seen)


def test_ssh_is_run_with_our_options_only(upstream, tmp_path, monkeypatch, ssh_key, mirror_of):
    """A program named ssh that notes its arguments and then runs the command on this machine."""
    first = upstream.commit({"a.yaml": b"a"})
    tools, log = tmp_path / "tools", tmp_path / "log"
    tools.mkdir()
    script = f'#!/bin/sh\nprintf "%s\\n" "$@" >> {log}\nfor last; do :; done\nexec sh -c "$last"\n'
    (tools / "ssh").write_text(script)
    (tools / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    mirror = mirror_of(Remote(url=f"ssh://git@example.com:22{upstream.folder}", branch="main", credentials=ssh_key))
    assert mirror.poll(None, first) == Moved(old=None, new=first)
    words = log.read_text().splitlines()
    assert words[:4] == ["-F", "/dev/null", "-i", str(ssh_key.file)]
    for option in ("StrictHostKeyChecking=yes", "BatchMode=yes", f"UserKnownHostsFile={ssh_key.known_hosts}"):
        assert option in words


def marker_script(tmp_path, name="attack"):
    marker, script = tmp_path / "marker", tmp_path / name
    script.write_text(f"#!/bin/sh\necho $0 $@ >> {marker}\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return marker, script


def attack_through_the_environment(tmp_path, monkeypatch):
    """Everything in a user's surroundings through which git would run something or look elsewhere."""
    marker, script = marker_script(tmp_path)
    home = tmp_path / "home"
    hooks = home / "hooks"
    hooks.mkdir(parents=True)
    for hook in ("post-checkout", "reference-transaction", "pre-push", "post-update", "fsmonitor-watchman"):
        (hooks / hook).symlink_to(script)
    evil = home / "evil.config"
    evil.write_text(
        f"[core]\n\thooksPath = {hooks}\n\tfsmonitor = {script}\n\tsshCommand = {script}\n\taskPass = {script}\n"
        f"[credential]\n\thelper = {script}\n[uploadpack]\n\tpackObjectsHook = {script}\n"
        f"[gpg]\n\tprogram = {script}\n[alias]\n\tls-remote = !{script}\n"
        f'[url "file:///nonexistent/"]\n\tinsteadOf = http\n\tinsteadOf = file\n[protocol]\n\tallow = always\n'
    )
    (home / ".gitconfig").write_text(f"[include]\n\tpath = {evil}\n")
    (home / ".netrc").write_text("machine 127.0.0.1 login x password stolen\n")
    other = tmp_path / "other.git"
    subprocess.run(["git", "init", "--quiet", "--bare", other], check=True, env={"PATH": os.environ["PATH"]})
    variables = {
        "HOME": str(home),
        "GIT_CONFIG_GLOBAL": str(evil),
        "GIT_CONFIG_SYSTEM": str(evil),
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "include.path",
        "GIT_CONFIG_VALUE_0": str(evil),
        "GIT_CONFIG_PARAMETERS": f"'include.path={evil}'",
        "GIT_DIR": str(other),
        "GIT_OBJECT_DIRECTORY": str(other / "objects"),
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(other / "objects"),
        "GIT_TEMPLATE_DIR": str(home),
        "GIT_SSH_COMMAND": str(script),
        "GIT_SSH": str(script),
        "GIT_ASKPASS": str(script),
        "SSH_ASKPASS": str(script),
        "GIT_PROXY_COMMAND": str(script),
        "GIT_EXTERNAL_DIFF": str(script),
        "GIT_PAGER": str(script),
        "GIT_TRACE": str(marker),
        "GIT_TRACE2": str(marker),
        "GIT_TRACE_CURL": str(marker),
        "GIT_NAMESPACE": "elsewhere",
        "GIT_SHALLOW_FILE": str(evil),
        "GIT_ALLOW_PROTOCOL": "ext",
        "GIT_EXEC_PATH": str(home),
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return marker


def test_nothing_in_the_surroundings_is_executed_or_obeyed(upstream, mirror, tmp_path, monkeypatch):
    first = upstream.commit({"a.yaml": b"a"})
    marker = attack_through_the_environment(tmp_path, monkeypatch)
    assert mirror.poll(None, first) == Moved(old=None, new=first)
    assert mirror.trees.walk(first).files
    push_something(mirror)
    assert not marker.exists(), marker.read_text()
    assert not (mirror.folder / "hooks").exists()


def test_nothing_in_the_remote_repository_is_executed_or_obeyed(upstream, mirror, tmp_path):
    first = upstream.commit({"a.yaml": b"good"})
    evil = upstream.commit({"a.yaml": b"evil"}, branch="evil")
    marker, script = marker_script(tmp_path)
    hooks = upstream.folder / "hooks"
    for hook in ("pre-receive", "update", "post-receive", "post-update", "reference-transaction", "proc-receive"):
        (hooks / hook).symlink_to(script)
    included = tmp_path / "included"
    included.write_text(f"[core]\n\tfsmonitor = {script}\n[uploadpack]\n\tpackObjectsHook = {script}\n")
    upstream.git("config", "include.path", str(included))
    upstream.git("config", "credential.helper", str(script))
    upstream.git("config", "filter.evil.smudge", str(script))
    upstream.git("config", "core.alternateRefsCommand", str(script))
    marker.unlink(missing_ok=True)  # git itself, as the owner of the upstream, may run its hooks
    refs = upstream.folder / "refs/replace"
    refs.mkdir()
    (refs / first).write_text(f"{evil}\n")
    (upstream.folder / "info").mkdir(exist_ok=True)
    (upstream.folder / "info/attributes").write_text("* filter=evil\n")
    assert mirror.poll(None, first) == Moved(old=None, new=first)
    (blob,) = mirror.trees.walk(first).files.values()
    assert mirror.trees.read(blob) == b"good"
    push_something(mirror)
    assert not marker.exists(), marker.read_text()


def test_replace_refs_and_grafts_in_the_mirror_are_ignored(upstream, mirror):
    first = upstream.commit({"a.yaml": b"good"})
    second = upstream.commit({"a.yaml": b"better"}, first)
    mirror.poll(None, first)
    evil = upstream.commit({"a.yaml": b"evil"}, second)
    mirror.fetch()
    replaced = mirror.folder / "refs/replace"
    replaced.mkdir()
    (replaced / second).write_text(f"{evil}\n")
    (mirror.folder / "info").mkdir(exist_ok=True)
    (mirror.folder / "info/grafts").write_text(f"{second}\n")
    mirror.close()
    assert mirror.advance(first, None) == Moved(old=first, new=evil), "the graft would have cut the history"
    (blob,) = mirror.trees.walk(second).files.values()
    assert mirror.trees.read(blob) == b"better"


def test_a_remote_with_grafts_cannot_shorten_what_we_check(upstream, mirror):
    start = upstream.commit({"a.yaml": b"1"})
    head = upstream.commit({"a.yaml": b"2"}, start)
    (upstream.folder / "info").mkdir(exist_ok=True)
    (upstream.folder / "info/grafts").write_text(f"{head}\n")
    with pytest.raises(Retry, match="did not receive expected object") as error:
        mirror.poll(None, start)
    assert error.value.reason == "FetchRefused"


def test_a_local_repository_wakes_on_its_branch_and_not_on_our_refs(upstream):
    folder = upstream.folder
    remote = Remote(url=upstream.url, branch="main", allow_file=True)
    assert watches(remote) == (
        Watch(folder=folder / "refs/heads", names=frozenset({"main"})),
        Watch(folder=folder, names=frozenset({"packed-refs"})),
    )
    nested = Remote(url=upstream.url, branch="team/main", allow_file=True)
    assert watches(nested)[0] == Watch(folder=folder / "refs/heads", names=frozenset({"team"}))
    upstream.commit({"a": b"a"}, branch="team/main")
    assert watches(nested)[0] == Watch(folder=folder / "refs/heads/team", names=frozenset({"main"}))


def test_the_folder_of_a_work_tree_is_its_git_folder(tmp_path):
    subprocess.run(["git", "init", "--quiet", tmp_path / "work"], check=True)
    remote = Remote(url=str(tmp_path / "work"), branch="main", allow_file=True)
    assert watches(remote)[0].folder == tmp_path / "work/.git/refs/heads"
    assert watches(Remote(url=GOOD["https"], branch="main")) == ()
    assert watches(Remote(url="/nonexistent/repository", branch="main", allow_file=True)) == ()


def test_masking_what_a_git_host_says_takes_a_moment_whatever_it_says():
    before = time.process_time()
    assert mask("://" + ":" * 16_000).count(":") == 16_001
    assert time.process_time() - before < 0.2
