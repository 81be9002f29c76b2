"""What somebody who can merge, but not sign, can do to a repository: nothing but be named; the others continue."""

import os
import re
import urllib.request
from collections.abc import Iterator

import orjson
import pytest
from stage_lab import LEDGER, STATES, Lab, lab, settle

from reconciler.demo.organisation import Person
from reconciler.demo.story import PROD, STAGING

CANARY = "CANARY7f3a9"
LIMIT = 256 * 1024


@pytest.fixture(scope="module")
def acme(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with lab(tmp_path_factory.mktemp("repository") / "acme") as made:
        yield made
        assert "Traceback" not in made.log()


def model(acme: Lab, environment: str) -> str | None:
    stable = acme.status(environment).stable
    return stable.model_version if stable else None


def others_continue(acme: Lab) -> None:
    """A signed change of another release goes out."""
    version = "1.4.0" if model(acme, "prod") != "1.4.0" else "1.5.1"
    acme.release(version, auc=0.957 if version == "1.4.0" else 0.96)
    acme.serves(version)


def restore(acme: Lab, *paths: str) -> None:
    """Staging as it was at first."""
    acme.git("checkout", "-q", acme.git("rev-list", "--max-parents=0", "HEAD"), "--", *paths)
    acme.commit("restore")
    acme.wait("staging is not held", lambda: not acme.status("staging").gates)


def forged(acme: Lab) -> None:
    """A text for staging that nobody signed."""
    text = (acme.work / PROD).read_text().replace("environment: prod", "environment: staging")
    (acme.work / STAGING).write_text(re.sub(r"version: \S+", "version: 9.9.9", text))


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
BOMBS = {"nested": NESTED, "doubled": DOUBLED, "error": "1/0 == 0"}


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
    address = re.findall(r'"metrics":"(127[0-9.:]+)"', acme.log())[-1]
    others_continue(acme)
    acme.wait("staging is denied", lambda: any(gate.kind == "Policy" for gate in acme.status("staging").gates))
    said = acme.reasons("staging")
    assert all(name in said for name in BOMBS), said
    with urllib.request.urlopen(f"http://{address}/healthz", timeout=5) as answer:
        assert answer.status == 200
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
