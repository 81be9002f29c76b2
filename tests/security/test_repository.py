"""What somebody who can merge, but not sign, can do to a repository: nothing but be named; the others continue."""

import contextlib
import os
import re
import threading
import time
import urllib.request
from collections.abc import Iterator

import orjson
import pytest
from attack_stage import forged, model, others_continue, restore
from stage_lab import LEDGER, STATES, Lab, lab, settle

from reconciler.cli.app import run
from reconciler.demo.organisation import Person
from reconciler.demo.story import PROD, STAGING

CANARY = "CANARY7f3a9"
LIMIT = 256 * 1024


@pytest.fixture(scope="module")
def acme(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with lab(tmp_path_factory.mktemp("repository") / "acme") as made:
        yield made
        assert "Traceback" not in made.log()


@pytest.mark.slow
def test_a_production_signature_copied_to_another_environment_is_refused(acme):
    forged(acme)
    (acme.work / f"{STAGING}.sig").write_bytes((acme.work / f"{PROD}.sig").read_bytes())
    acme.commit("copied")
    acme.wait("it is held", lambda: acme.status("staging").gates)
    assert model(acme, "staging") == "1.3.0"
    restore(acme, STAGING, f"{STAGING}.sig")


@pytest.mark.slow
def test_a_signature_copied_to_another_release_is_refused(acme):
    path = "releases/staging/second.yaml"
    text = (acme.work / STAGING).read_text().replace("\n  name: fraud-detector", "\n  name: second", 1)
    (acme.work / path).write_text(text)
    (acme.work / f"{path}.sig").write_bytes((acme.work / f"{STAGING}.sig").read_bytes())
    acme.commit("copied")
    acme.wait("it is held", lambda: acme.status("staging", "second").gates)
    assert acme.status("staging", "second").stable is None
    acme.git("rm", "-q", path, f"{path}.sig")
    acme.commit("gone")


@pytest.mark.slow
def test_a_signature_made_for_another_repository_is_refused(acme):
    from reconciler.cli.signing import sign_file

    forged(acme)
    key = str(acme.organisation.person("bo").key)
    sign_file(acme.work, STAGING, repository="github.com/acme/other", key=key)
    acme.commit("elsewhere")
    acme.wait("it is held", lambda: acme.status("staging").gates)
    assert model(acme, "staging") == "1.3.0"
    restore(acme, STAGING, f"{STAGING}.sig")


@pytest.mark.slow
def test_a_release_signed_with_the_daemons_own_key_is_refused(acme):
    forged(acme)
    acme.organisation.sign(STAGING, Person(name="daemon", key=acme.folder / "keys" / "daemon"))
    acme.commit("the key was stolen")
    acme.wait("it is held", lambda: "daemon" in acme.reasons("staging"))
    assert model(acme, "staging") == "1.3.0"
    restore(acme, STAGING, f"{STAGING}.sig")


@pytest.mark.slow
@pytest.mark.parametrize("end", ["validBefore", "revokedAt"])
def test_a_key_that_ended_is_refused_by_first_seen_whatever_date_the_commit_has(acme, end, monkeypatch):
    trust = acme.folder / "trust.yaml"
    text = trust.read_text()
    ada = next(line for line in text.splitlines() if "name: ada" in line)
    trust.write_text(text.replace(ada, ada.replace("}]}", f', {end}: "2026-01-02T00:00:00Z"}}]}}')))
    settle(1.5)  # it is read with the next poll
    forged(acme)
    acme.organisation.sign(STAGING, acme.organisation.person("ada"))
    monkeypatch.setenv("GIT_AUTHOR_DATE", "2026-01-01T00:00:00Z")
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2026-01-01T00:00:00Z")
    acme.commit("backdated")
    acme.wait("it is held", lambda: "ada" in acme.reasons("staging") and acme.status("staging").gates)
    assert model(acme, "staging") == "1.3.0"
    restore(acme, STAGING, f"{STAGING}.sig")
    trust.write_text(text)


@pytest.mark.slow
@pytest.mark.parametrize("broken", [b"[" * 25_000, bytes(range(256)), b"", b"kind: Trust\n"])
def test_a_trust_file_that_is_broken_while_running_leaves_the_last_in_force(acme, broken):
    trust = acme.folder / "trust.yaml"
    text, before = trust.read_text(), acme.log().count("trust file not taken over")
    trust.write_bytes(broken)
    try:
        acme.wait("it is named", lambda: acme.log().count("trust file not taken over") > before)
        others_continue(acme)
    finally:
        trust.write_text(text)


NESTED = "true"
for letter in "hgfedcba":
    NESTED = f"[1,2,3,4,5,6,7,8,9,10].all({letter}, {NESTED})"
LETTERS = "[" + ",".join(["'xxxxxxxx'"] * 50) + "]"
DOUBLED = f"{LETTERS}.map(a,{LETTERS}.map(b,{LETTERS}.map(c,{LETTERS}.map(d,a+b+c+d+a+b+c+d)))).size() > 0"
BOMBS = {
    "nested": NESTED,
    "doubled": DOUBLED,
    "error": "1/0 == 0",
    "error-as-truth": "[1/0 == 0].exists(e, e) || dyn({'a': 1}).b",
    "parentheses": "(" * 2000 + "true" + ")" * 2000,
}


@contextlib.contextmanager
def healthy(acme: Lab) -> Iterator[None]:
    """Meanwhile /healthz says yes, every time within two seconds."""
    address = re.findall(r'"metrics":"(127[0-9.:]+)"', acme.log())[-1]
    done, slow = threading.Event(), []

    def ask() -> None:
        while not done.wait(0.1):
            began = time.monotonic()
            try:
                with urllib.request.urlopen(f"http://{address}/healthz", timeout=10) as answer:
                    said = "" if answer.status == 200 else str(answer.status)
            except OSError as error:
                said = str(error)
            if said or time.monotonic() - began > 2:
                slow.append((said, time.monotonic() - began))

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
    assert slow == []


@pytest.mark.slow
def test_the_daemon_answers_while_it_looks_for_secrets_in_a_text_that_is_made_for_it(acme):
    path = acme.work / "releases/staging/long.yaml"
    text = (acme.work / STAGING).read_text().replace("name: fraud-detector", "name: long", 1)
    for piece in ("sk-", "-eyJ"):
        path.write_text(text.replace("team: risk", f"team: '{piece * (250_000 // len(piece))}'"))
        head = acme.commit("a long text")
        with healthy(acme):
            acme.wait("it is read", lambda head=head: acme.repository()["revision"] == head, seconds=10)
    path.unlink()
    acme.commit("gone")


@pytest.mark.slow
def test_cel_bombs_are_denied_and_a_good_release_beside_them_goes_out(acme):
    (acme.work / "policies").mkdir(exist_ok=True)
    for name, text in BOMBS.items():
        body = {
            "apiVersion": "reconciler.dev/v1alpha1", "kind": "Policy", "metadata": {"name": name},
            "spec": {
                "match": {"environments": ["staging"]},
                "validations": [{"expression": text, "message": "no"}],
            },
        }  # fmt: skip
        (acme.work / f"policies/{name}.yaml").write_bytes(orjson.dumps(body))
        acme.organisation.sign(f"policies/{name}.yaml", acme.organisation.person("bo"))
    acme.commit("bombs")
    with healthy(acme):
        others_continue(acme)
        acme.wait("staging is denied", lambda: all(name in acme.reasons("staging") for name in BOMBS), seconds=60)
    assert model(acme, "staging") == "1.3.0"
    for name, text in BOMBS.items():
        path = acme.work / f"policies/{name}.yaml"
        path.write_text(path.read_text().replace(orjson.dumps(text).decode(), '"true"'))
        acme.organisation.sign(f"policies/{name}.yaml", acme.organisation.person("bo"))
    acme.commit("defused")
    acme.wait("staging is not held", lambda: not acme.status("staging").gates)


def entry(acme: Lab, mode: str, name: bytes, blob: str) -> None:
    """Put an entry into the tree that no work tree would hold."""
    acme.git("update-index", "--add", "--cacheinfo", f"{mode},{blob},{os.fsdecode(name)}")


@pytest.mark.slow
def test_hostile_files_are_named_and_the_others_continue(acme):
    top = acme.git("rev-parse", "HEAD")
    blob = acme.git("rev-parse", f"HEAD:{STAGING}")
    (acme.folder / "big").write_bytes(b"# " + b"x" * (LIMIT + 1))
    big = acme.git("hash-object", "-w", str(acme.folder / "big"))
    (acme.folder / "bidi").write_text("apiVersion: reconciler.dev/v1alpha1\nkind: Policy\nmetadata: {name: a\u202eb}\n")
    bidi = acme.git("hash-object", "-w", str(acme.folder / "bidi"))
    (acme.folder / "link").write_text("/etc/passwd")
    link = acme.git("hash-object", "-w", str(acme.folder / "link"))
    (acme.folder / "odd").write_text("apiVersion: reconciler.dev/v1alpha1\nkind: [a]\n")
    odd = acme.git("hash-object", "-w", str(acme.folder / "odd"))
    entry(acme, "120000", b"releases/link.yaml", link)
    entry(acme, "160000", b"releases/module", top)
    entry(acme, "100644", b"releases/dev/Case.yaml", blob)
    entry(acme, "100644", b"releases/dev/case.yaml", blob)
    entry(acme, "100644", b"releases/big.yaml", big)
    entry(acme, "100644", b"policies/bidi.yaml", bidi)
    entry(acme, "100644", b"odd.yaml", odd)
    tree = acme.git("write-tree")
    acme.git("push", "-q", "origin", f"{acme.git('commit-tree', '-p', top, '-m', 'hostile', tree)}:refs/heads/main")
    names = ("releases/link.yaml", "releases/module", "Case.yaml", "case.yaml", "releases/big.yaml")
    acme.wait("every one is named", lambda: all(name in acme.condition("Synced")["message"] for name in names))
    assert acme.condition("Synced")["status"] == "True"
    acme.git("reset", "-q")
    acme.git("fetch", "-q", "origin")
    good = acme.git("commit-tree", "-p", "origin/main", "-m", "taken back", f"{top}^{{tree}}")
    acme.git("push", "-q", "origin", f"{good}:refs/heads/main")
    acme.git("fetch", "-q", "origin")
    acme.git("reset", "-q", "--hard", "origin/main")
    acme.wait("nothing is named", lambda: not acme.condition("Synced").get("message"))
    others_continue(acme)


@pytest.mark.slow
def test_a_canary_token_of_the_kubeconfig_appears_in_no_output(acme):
    acme.stage.stop_daemon()
    text = acme.organisation.kubeconfig.read_text()
    acme.organisation.kubeconfig.write_text(text.replace("user: {}", f"user: {{token: {CANARY}}}"))
    acme.stage.start_daemon()
    others_continue(acme)
    settings = acme.organisation.settings
    outputs = [
        acme.run(*command, "--config", str(settings)) for command in (("status",), ("plan",), ("config", "check"))
    ]
    broken = acme.organisation.kubeconfig.read_text().replace("http://127", f"http://u:{CANARY}@127")
    acme.organisation.kubeconfig.write_text(broken)
    outputs += [acme.run("status", "--config", str(settings)), acme.run("once", "--config", str(settings))]
    acme.organisation.kubeconfig.write_text(text)
    acme.recorded()
    said = [row.stdout + row.stderr for row in outputs]
    said += [acme.log(), acme.git("log", "-p", LEDGER, at=acme.origin)]
    said += [repr(acme.ask("eu-1", "GET", path)) for path in (f"{STATES}/releasestates", f"{STATES}/repositorystates")]
    said += [repr(acme.ask("eu-1", "GET", path)) for path in (f"{STATES}/targetstates", "/api/v1/events")]
    assert [text[max(0, text.index(CANARY) - 200) :][:300] for text in said if CANARY in text] == []


@pytest.mark.slow
def test_a_token_in_a_manifest_is_held_and_not_repeated(acme):
    token = f"ghp_{CANARY}abcdefghijklmnopqrstuvwxyz"
    path = acme.work / STAGING
    before = path.read_text()
    path.write_text(before.replace("  serving:\n", f"  serving:\n    env: {{API_TOKEN: {token}}}\n"))
    acme.commit("a token")
    acme.wait("it is held", lambda: acme.status("staging").gates)
    acme.recorded()
    assert CANARY not in acme.reasons("staging") + acme.log() + acme.git("log", "-p", LEDGER, at=acme.origin)
    restore(acme, STAGING)


@pytest.mark.slow
def test_a_canary_token_in_url_environment_secret_trust_file_settings_and_token_file_appears_in_no_output(
    acme, monkeypatch, capfd
):
    settings, trust, said = acme.organisation.settings, acme.folder / "trust.yaml", []

    def tell(*command: str) -> None:
        assert run([*command]) in (0, 1, 2, 3)
        said.append("".join(capfd.readouterr()))

    for cluster in ("eu-1", "us-1"):
        body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "api"}, "stringData": {"key": CANARY}}
        acme.ask(cluster, "POST", "/api/v1/namespaces/fraud/secrets", body)
    for name in ("GIT_TOKEN", "MY_PASSWORD"):
        monkeypatch.setenv(name, CANARY)
    good, trusted = settings.read_text(), trust.read_text()
    trust.write_text(f"{trusted}# {CANARY}\n")
    acme.restart()
    path = acme.work / PROD
    reference = "    env: [{name: API_KEY, secretKeyRef: {name: api, key: key}}]\n"
    path.write_text(path.read_text().replace("  serving:\n", f"  serving:\n{reference}"))
    acme.organisation.sign(PROD, acme.organisation.person("bo"))
    head = acme.commit("read a Secret")
    acme.wait("it is there", lambda: acme.status().revision == head and not acme.status().candidate)
    plans = (("plan",), ("plan", "--output", "markdown"), ("plan", "--output", "json"))
    for command in (("status",), ("why", "prod/fraud-detector"), ("history", "prod/fraud-detector"), *plans):
        tell(*command, "--config", str(settings))
    (acme.folder / "token").write_text(f"{CANARY} two\n")
    url = f"url: {re.search('url: (.*)', good)[1]}"
    https = "https://git.example.invalid/acme/models.git"
    for change in (
        f"url: https://bot:{CANARY}@example.invalid/acme/models.git",
        f"url: https://example.invalid/acme/models.git?token={CANARY}",
        f"url: {https}\n    credentials: {{tokenFile: token}}",
        f"url: {https}\n    password: {CANARY}",
    ):
        settings.write_text(good.replace(url, change))
        tell("config", "check", "--config", str(settings))
        tell("plan", "--config", str(settings))
    settings.write_text(good)
    trust.write_text(trusted.replace("version: 1", f"version: 1\n  password: {CANARY}"))
    tell("trust", "check", str(trust))
    acme.wait("the broken trust file is named", lambda: "trust file not taken over" in acme.log())
    trust.write_text(trusted)
    acme.recorded()
    said += [acme.log(), acme.git("log", "-p", LEDGER, at=acme.origin)]
    for cluster in ("eu-1", "us-1"):
        said += [repr(acme.ask(cluster, "GET", path)) for path in (f"{STATES}/targetstates", "/api/v1/events")]
    said += [repr(acme.ask("eu-1", "GET", path)) for path in (f"{STATES}/releasestates", f"{STATES}/repositorystates")]
    assert [text[max(0, text.index(CANARY) - 200) :][:300] for text in said if CANARY in text] == []
