"""Which kubeconfigs are used at all, and that no refusal shows what it is about."""

import base64
import json
import ssl
import time
from pathlib import Path

import pytest

from reconciler.edges.kube.connect import open_in_cluster, open_kubeconfig
from reconciler.edges.kube.kubeconfig import is_loopback, login
from reconciler.errors import Misused, Retry

CANARY = "canary-5f1d-secret"
NOTHING: frozenset[str] = frozenset()


def config(cluster: dict | None = None, user: dict | None = None, **top) -> dict:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "prod",
        "clusters": [{"name": "c", "cluster": {"server": "https://api.test:6443"} | (cluster or {})}],
        "users": [{"name": "u", "user": {"token": CANARY} if user is None else user}],
        "contexts": [{"name": "prod", "context": {"cluster": "c", "user": "u"}}],
    } | top


def write(tmp_path: Path, data: object) -> Path:
    path = tmp_path / "eu-1"
    path.write_text(data if isinstance(data, str) else json.dumps(data))
    return path


EXEC = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "aws", "args": [CANARY]}}
REFUSED = {
    "exec": (config(user=EXEC), NOTHING, "exec runs a program"),
    "exec of another command than the allowed one": (config(user=EXEC), {"exec:gcloud"}, "exec runs a program"),
    "exec whose allowed name is a prefix": (config(user=EXEC), {"exec:aw"}, "exec runs a program"),
    "auth-provider": (
        config(user={"auth-provider": {"name": "gcp", "config": {"access-token": CANARY}}}),
        NOTHING,
        "auth-provider is not supported",
    ),
    "a token file": (config(user={"tokenFile": f"/x/{CANARY}"}), NOTHING, "tokenFile refers to another file"),
    "a client certificate file": (
        config(user={"client-certificate": f"/{CANARY}", "client-key": "/k"}),
        NOTHING,
        "client-certificate refers to another file",
    ),
    "a CA file": (config({"certificate-authority": f"/x/{CANARY}"}), NOTHING, "certificate-authority refers to"),
    "TLS switched off": (config({"insecure-skip-tls-verify": True}), NOTHING, "insecure-skip-tls-verify is refused"),
    "impersonation, which would be ignored": (
        config(user={"token": CANARY, "as": "x"}),
        NOTHING,
        "as is not supported",
    ),
    "a password": (config(user={"username": "a", "password": CANARY}), NOTHING, "password is not supported"),
    "a proxy": (config({"proxy-url": f"http://u:{CANARY}@p"}), NOTHING, "proxy-url is not supported"),
    "two ways to log in": (
        config(user={"token": CANARY, "tokenFile": "/x"}),
        {"fileReferences"},
        "token and tokenFile are given",
    ),
    "a password in the server's URL": (config({"server": f"https://u:{CANARY}@api"}), NOTHING, "credentials"),
    "a token in the server's query": (config({"server": f"https://api?t={CANARY}"}), NOTHING, "credentials"),
    "another scheme": (config({"server": f"ftp://{CANARY}"}), NOTHING, "not an https:// URL"),
    "a port that is no number": (config({"server": f"https://api:{CANARY}"}), NOTHING, "not a URL"),
    "plain http": (config({"server": "http://127.0.0.1:80"}), NOTHING, "only https is used"),
    "plain http elsewhere, though loopback is allowed": (
        config({"server": "http://10.0.0.1:80"}),
        {"plainLoopback"},
        "only https is used",
    ),
    "plain http to a name that starts like loopback": (
        config({"server": "http://127.0.0.1.test"}),
        {"plainLoopback"},
        "only https is used",
    ),
    "a context twice": (
        config(contexts=[{"name": "prod", "context": {"cluster": "c", "user": "u"}}] * 2),
        NOTHING,
        "context 'prod' stands in it more than once",
    ),
    "a user twice": (config(users=[{"name": "u", "user": {"token": CANARY}}] * 2), NOTHING, "user 'u' stands in it"),
    "no such context": (config(**{"current-context": "dev"}), NOTHING, "no context 'dev'; it has: prod"),
    "no current context": (config(**{"current-context": ""}), NOTHING, "name a context"),
    "no such user": (config(users=[]), NOTHING, "no user 'u'"),
    "a token that is a number": (config(user={"token": 17}), NOTHING, "token has the wrong type"),
    "no mapping": (f"- {CANARY}", NOTHING, "not a mapping"),
    "no YAML": (f"a: b: {CANARY}", NOTHING, "not YAML"),
    "a key twice": (f"kind: Config\nkind: {CANARY}", NOTHING, "a key stands twice"),
    "an alias": (f"a: &x {CANARY}\nb: *x", NOTHING, "aliases"),
    "a token without a space before it": (
        json.dumps(config()).replace('"token": ', "token:").replace(f'"{CANARY}"', CANARY),
        NOTHING,
        "a field whose name is not shown is not supported",
    ),
    "a tag that does not fit": ("a: !!map [1]", NOTHING, "tags"),
    "a tag on a word": ("a: !!bool x", NOTHING, "tags"),
    "a key that is a list": ("? [a]\n: 1", NOTHING, "is not text"),
    "hours and minutes without end": ("a: 1" + ":00" * 300 + ".5", NOTHING, "name a context"),
    "a server with a line break": (config({"server": "https://api\n.test"}), NOTHING, "not an https:// URL"),
    "a name that hides": (config(**{"current-context": "dev\u202e"}), NOTHING, "no context 'dev\\u202e'; it has: prod"),
    "a name that hides among those that are there": (
        config(contexts=[{"name": "prod\x1b[2J", "context": {}}]),
        NOTHING,
        "it has: 'prod\\x1b[2J'.",
    ),
    "a very long name": (config(**{"current-context": "x" * 5000}), NOTHING, f"no context '{'x' * 60}…'"),
    "args of a plugin that are no list": (
        config(user={"exec": {"command": "aws", "args": CANARY}}),
        {"exec:aws"},
        "the args or env of exec",
    ),
    "a variable of a plugin without a value": (
        config(user={"exec": {"command": "aws", "env": [{"name": CANARY}]}}),
        {"exec:aws"},
        "the args or env of exec",
    ),
    "25,000 brackets": ("[" * 25_000, NOTHING, "deeper than"),
    "a huge file": ("#" * ((1 << 20) + 1), NOTHING, "larger than"),
    "bytes that are no text": ("a: \x00", NOTHING, "not YAML"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_is_refused_with_one_sentence_that_shows_no_secret(case, tmp_path):
    data, allow, sentence = REFUSED[case]
    path = write(tmp_path, data)
    with pytest.raises(Misused) as caught:
        open_kubeconfig(path, name="eu-1", allow=frozenset(allow))
    text = str(caught.value)
    assert sentence in text
    assert str(path) in text
    assert text.count("\n") == 0
    assert CANARY not in f"{text} {caught.value!r} {caught.value.__cause__!r} {caught.value.hint}"


ALLOWED = {
    "a token over https": (config(), NOTHING),
    "an exec plugin allowed by name": (config(user=EXEC), {"exec:aws"}),
    "a token file, allowed": (config(user={"tokenFile": "token"}), {"fileReferences"}),
    "TLS switched off, allowed": (config({"insecure-skip-tls-verify": True}), {"insecureTls"}),
    "TLS not switched off": (config({"insecure-skip-tls-verify": False}), NOTHING),
    "plain http to this machine, allowed": (config({"server": "http://127.0.0.1:8080"}), {"plainLoopback"}),
    "plain http to localhost over IPv6, allowed": (config({"server": "http://[::1]:8080"}), {"plainLoopback"}),
    "nobody, anonymously": (config(user={}), NOTHING),
    "another context beside it that would be refused": (
        config(users=[{"name": "u", "user": {"token": CANARY}}, {"name": "v", "user": EXEC}]),
        NOTHING,
    ),
}


@pytest.mark.parametrize("case", ALLOWED)
def test_is_used_and_its_value_shows_no_secret(case, tmp_path):
    data, allow = ALLOWED[case]
    found = login(write(tmp_path, data), None, frozenset(allow))
    assert found.context == "prod"
    assert CANARY not in repr(found)
    open_kubeconfig(tmp_path / "eu-1", name="eu-1", allow=frozenset(allow)).close()


def test_many_keys_and_long_digits_cost_no_more_than_their_length(tmp_path):
    many = "".join(f"k{number}: 1\n" for number in range(80_000))
    before = time.process_time()
    for text in (many, "a: 1" + ":00" * 330_000):
        with pytest.raises(Misused, match="name a context"):
            login(write(tmp_path, text), None, NOTHING)
    assert time.process_time() - before < 20  # both took minutes


def test_a_context_can_be_named(tmp_path):
    two = [{"name": name, "context": {"cluster": "c", "user": "u"}} for name in ("prod", "dev")]
    assert login(write(tmp_path, config(contexts=two)), "dev", NOTHING).context == "dev"


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(Misused, match="eu-9: the kubeconfig cannot be read: No such file"):
        open_kubeconfig(tmp_path / "eu-9", name="eu-9")


@pytest.mark.parametrize("key", ["certificate-authority-data", "client-key-data"])
def test_keys_that_are_no_pem_are_refused_without_showing_them(key, tmp_path):
    secret = base64.b64encode(CANARY.encode()).decode()
    cluster = {key: secret} if key.startswith("certificate") else {}
    user = {"client-certificate-data": secret, "client-key-data": secret} if key.startswith("client") else None
    with pytest.raises(Misused, match="certificates or keys cannot be read") as caught:
        open_kubeconfig(write(tmp_path, config(cluster, user)), name="eu-1")
    assert CANARY not in str(caught.value)
    assert secret not in str(caught.value)


def test_tls_is_checked_unless_switched_off(tmp_path):
    checked = open_kubeconfig(write(tmp_path, config()), name="a")
    tls = checked._pool.connection_pool_kw["ssl_context"]
    assert (tls.verify_mode, tls.check_hostname) == (ssl.CERT_REQUIRED, True)
    unchecked = open_kubeconfig(
        write(tmp_path, config({"insecure-skip-tls-verify": True})), name="a", allow=frozenset({"insecureTls"})
    )
    assert unchecked._pool.connection_pool_kw["ssl_context"].verify_mode == ssl.CERT_NONE


def test_in_cluster_outside_of_a_pod_is_one_sentence(monkeypatch):
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(Misused, match="is this a pod"):
        open_in_cluster(name="home")


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("localhost", True), ("localhost.test", False),
     ("10.0.0.1", False), ("8.8.8.8", False)],
)  # fmt: skip
def test_loopback_is_this_machine_only(host, expected):
    assert is_loopback(host) is expected


def plugin(tmp_path: Path, script: str) -> Path:
    path = tmp_path / "plugin"
    path.write_text(f"#!/bin/sh\necho run >> {tmp_path}/runs\n{script}\n")
    path.chmod(0o700)
    return path


def exec_config(port: int, command: Path) -> dict:
    user = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": str(command), "env": None}}
    return config({"server": f"http://127.0.0.1:{port}"}, user)


CREDENTIAL = '{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": "%s"%s}}'


@pytest.mark.parametrize(
    ("expiry", "runs"), [("", 1), (', "expirationTimestamp": "2020-01-01T00:00:00Z"', 2)], ids=["kept", "expired"]
)
def test_a_permitted_plugin_logs_in_and_runs_again_when_its_token_expired(expiry, runs, scripted, tmp_path):
    command = plugin(tmp_path, f"echo '{CREDENTIAL % (CANARY, expiry)}'")
    allow = frozenset({"plainLoopback", f"exec:{command}"})
    connection = open_kubeconfig(write(tmp_path, exec_config(scripted.port, command)), name="eu-1", allow=allow)
    for _ in range(2):
        connection.request("GET", "/api/v1/pods")
    connection.close()
    assert {row["authorization"] for row in scripted.headers} == {f"Bearer {CANARY}"}
    assert len((tmp_path / "runs").read_text().splitlines()) == runs


@pytest.mark.parametrize(
    ("script", "why"),
    [
        (f"echo {CANARY} >&2; exit 3", "exit code 3"),
        (f"echo {CANARY}", "printed no ExecCredential"),
        (f"echo '{CREDENTIAL.replace('v1', 'v1beta1', 1) % (CANARY, '')}'", "printed no token for"),
    ],
)
def test_a_plugin_that_fails_is_never_followed_by_an_anonymous_request(script, why, scripted, tmp_path):
    command = plugin(tmp_path, script)
    allow = frozenset({"plainLoopback", f"exec:{command}"})
    connection = open_kubeconfig(write(tmp_path, exec_config(scripted.port, command)), name="eu-1", allow=allow)
    with pytest.raises(Retry, match=why) as caught:
        connection.request("GET", "/api/v1/pods")
    assert caught.value.reason == "CredentialPluginFailed"
    assert CANARY not in str(caught.value)
    assert scripted.requests == []


def test_a_token_file_is_read_for_the_header(scripted, tmp_path):
    (tmp_path / "token").write_text(f"{CANARY}\n")
    data = config({"server": f"http://127.0.0.1:{scripted.port}"}, {"tokenFile": "token"})
    allow = frozenset({"plainLoopback", "fileReferences"})
    connection = open_kubeconfig(write(tmp_path, data), name="eu-1", allow=allow)
    connection.request("GET", "/api/v1/pods")
    connection.close()
    assert scripted.headers[0]["authorization"] == f"Bearer {CANARY}"


@pytest.mark.parametrize("text", ["", "two\nlines", "not ascii é", "x" * 70_000])
def test_a_token_file_with_something_else_is_refused(text, scripted, tmp_path):
    (tmp_path / "token").write_text(text)
    data = config({"server": f"http://127.0.0.1:{scripted.port}"}, {"tokenFile": "token"})
    allow = frozenset({"plainLoopback", "fileReferences"})
    connection = open_kubeconfig(write(tmp_path, data), name="eu-1", allow=allow)
    with pytest.raises(Misused, match="not a bearer token"):
        connection.request("GET", "/api/v1/pods")
    assert scripted.requests == []
