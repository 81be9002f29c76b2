"""Kubeconfigs: nothing but Misused comes out, no sentence shows a credential, and no risk is let through unnamed."""

import re
import tempfile
from pathlib import Path

import pytest
import yaml
from fuzz_room import mutated, one_line, over, steps
from hypothesis import strategies as st

from reconciler.edges.kube.connect import open_kubeconfig
from reconciler.edges.kube.kubeconfig import Login, login
from reconciler.errors import Misused

TOKEN = "canary-7c1e-token"
GOOD = f"""\
apiVersion: v1
kind: Config
current-context: prod
preferences: {{}}
clusters:
- name: c
  cluster: {{server: "https://api.test:6443", tls-server-name: api, disable-compression: true}}
users:
- name: u
  user: {{token: {TOKEN}}}
contexts:
- name: prod
  context: {{cluster: c, user: u, namespace: fraud}}
- {{name: dev, context: {{cluster: c}}}}
""".encode()
SEEDS = (
    GOOD,
    GOOD.replace(b"disable-compression: true", b"extensions: [{name: x, extension: {last-update: 2026-12-01, n: 1}}]"),
    GOOD.replace(b"token: canary-7c1e-token", b"exec: {apiVersion: v1, command: aws, args: [canary-7c1e-token]}"),
    GOOD.replace(b"token: canary-7c1e-token", b"client-certificate: /x, client-key: /y"),
)
WORDS = [
    b"!!map ", b"!!set ", b"!!omap ", b"!!pairs ", b"!!int ", b"!!float ", b"!!bool ", b"!!timestamp ", b"!!binary ",
    b"!!null ", b"!!str ", b"!!python/name:os.system ", b"!", b"&a ", b"*a", b"<<: ", b"? ", b"[", b"]", b"{", b"}",
    b"''", b"null", b"true", b"1:0:0.5", b"0x", b"1_", b"1e999", b".inf", b"2026-99-99", b"2026-12-01", b"=", b"~",
    b"insecure-skip-tls-verify: true", b"exec: {command: aws}", b"as: x", b"proxy-url: http://p", b"tokenFile: /t",
    b"certificate-authority-data: AAAA", b"http://", b"https://[", b"https://u:p@h", b"https://h:99999", b"https://h?q",
    b"\\n", b"\\x1b", b"\xe2\x80\xae", b"name: c\n", b"- ", b": ", b"\n  ", b"current-context: dev\n", b"---\n",
]  # fmt: skip
ALLOWED = (frozenset(), frozenset({"exec:aws"}), frozenset({"fileReferences", "insecureTls", "plainLoopback"}))
FOLDER = Path(tempfile.mkdtemp(prefix="fuzz-kubeconfig-"))


def _login(data, context, allow):
    """The login, or None where it was refused with a sentence."""
    path = FOLDER / "eu-1"
    path.write_bytes(data)
    try:
        return login(path, context, allow)
    except Misused as error:
        _told(data, error.message)
        return None


def _told(data, message):
    one_line(message)
    if data.count(TOKEN.encode()) == 1 and re.search(rb"token.{0,4}canary", data):  # it may have been moved into a name
        assert TOKEN not in message
    assert message.startswith(str(FOLDER / "eu-1"))


@over(data=mutated(SEEDS, WORDS), context=st.sampled_from((None, "prod", "dev", "x")), allow=st.sampled_from(ALLOWED))
def test_a_kubeconfig_is_used_or_refused_with_one_sentence(data, context, allow):
    with steps(20_000 + 600 * len(data)):
        found = _login(data, context, allow)
    if found is not None:
        _harmless(found, data, allow)


def _harmless(found: Login, data: bytes, allow: frozenset[str]) -> None:
    """What was let through does only what the operator allowed, and is what another reading of the file finds."""
    cluster, user = dict(found.cluster), dict(found.user)
    assert found.server.startswith("https://") or ("plainLoopback" in allow and found.server.startswith("http://"))
    assert found.server.isprintable()
    assert TOKEN not in repr(found)
    assert "exec" not in user or user["exec"]["command"] == "aws"
    if "fileReferences" not in allow:
        assert not {"certificate-authority", "client-certificate", "client-key", "tokenFile"} & {*cluster, *user}
    assert "insecureTls" in allow or not cluster.get("insecure-skip-tls-verify")
    whole = yaml.load(data, Loader=getattr(yaml, "CBaseLoader", yaml.BaseLoader))  # noqa: S506  # makes only texts
    context = next(row["context"] for row in whole["contexts"] if row.get("name") == found.context)
    theirs = next(row["cluster"] for row in whole["clusters"] if row.get("name") == context["cluster"])
    assert theirs["server"].rstrip("/") == found.server
    texts = {key: value for key, value in cluster.items() if isinstance(value, str)}
    assert {key: theirs[key] for key in texts} == texts


@over(share=0.2, data=mutated(SEEDS, WORDS, most=2), allow=st.sampled_from(ALLOWED))
def test_what_is_opened_or_not_is_told_by_misused_alone(data, allow):
    if _login(data, None, allow) is None:
        return
    try:
        open_kubeconfig(FOLDER / "eu-1", name="eu-1", allow=allow).close()
    except Misused as error:
        _told(data, error.message)


UNITS = (b"k%d: 1\n", b"1:", b"- ", b"a: ", b"[", b"'", b"#", b"a: 1\n", b"- {}\n", b"- - ", b"0", b"? a\n", b"--- a\n")


@pytest.mark.parametrize("unit", UNITS)
def test_the_same_thing_for_ever_costs_no_more_than_its_length(unit):
    pieces = (unit % number if b"%" in unit else unit for number in range(20_000))
    with steps(20_000 + 600 * 160_000):
        assert _login(b"".join(pieces), None, frozenset()) is None
