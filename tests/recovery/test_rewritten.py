"""History is rewritten: the daemon holds, somebody who may accepts it, it goes on; no old signature does that again."""

import shutil
from collections.abc import Iterator

import pytest
from stage_lab import HOME, Lab, lab, settle

from reconciler.edges.keys import sign
from reconciler.trust.statement import TrunkStatement


@pytest.fixture(scope="module")
def acme(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with lab(tmp_path_factory.mktemp("rewritten") / "acme") as made:
        yield made
        assert "Traceback" not in made.log()


def rewrite(acme: Lab, note: str) -> tuple[str, str]:
    """The trunk's files as one commit without a history, pushed over it; what was accepted and what is there now."""
    before = acme.repository()["revision"]
    after = acme.git("commit-tree", "-m", note, acme.git("rev-parse", "HEAD^{tree}"))
    force(acme, after)
    return before, after


def force(acme: Lab, revision: str) -> None:
    acme.git("push", "-q", "-f", "origin", f"{revision}:refs/heads/main")
    acme.git("reset", "-q", "--hard", revision)


def accept(acme: Lab, revision: str, *, who: str = "bo", config: bool = True):
    files = ("--trust", str(acme.folder / "trust.yaml"), "--root", str(acme.work))
    told = ("--config", str(acme.organisation.settings)) if config else ()
    return acme.run("trunk", "accept", revision, "--key", str(acme.organisation.person(who).key), *files, *told)


def push_by_hand(acme: Lab, who: str, old: str, new: str) -> None:
    """What git and ssh-keygen can do without us."""
    said = TrunkStatement(repository=acme.organisation.repository, branch="main", old=old, new=new)
    file = acme.folder / "trunk.sig"
    file.write_text(sign(str(acme.folder / "keys" / who), said.text(), said.namespace))
    blob = acme.git("hash-object", "-w", str(file))
    acme.git("read-tree", "--empty")
    acme.git("update-index", "--add", "--cacheinfo", f"100644,{blob},trunk.sig")
    lone = acme.git("commit-tree", "-m", who, acme.git("write-tree"))
    acme.git("reset", "-q", "--hard")
    acme.git("push", "-q", "-f", "origin", f"{lone}:refs/reconciler/trunk/{new}")


def held(acme: Lab, words: str = "") -> None:
    acme.wait(
        f"it is held: {words}",
        lambda: acme.condition("Synced")["reason"] == "TrunkRewritten" and words in acme.condition("Synced")["message"],
    )


def goes_on(acme: Lab, revision: str) -> None:
    acme.wait("the trunk is read again", lambda: acme.condition("Synced")["status"] == "True")
    assert acme.repository()["revision"] == revision


@pytest.mark.slow
def test_it_holds_until_somebody_who_may_accepts_the_head_and_then_goes_on(acme):
    running = acme.running()
    old, new = rewrite(acme, "squashed")
    held(acme, f"reconciler trunk accept {new}")
    assert acme.repository()["revision"] == old
    said = acme.run("status", "--config", str(acme.organisation.settings))
    assert said.returncode == 1
    assert f"TrunkRewritten: main was rewritten: {new[:12]} does not contain {old[:12]}" in said.stderr
    told = acme.run("why", "prod/fraud-detector", "--config", str(acme.organisation.settings))
    assert "reconciler trunk accept" in told.stdout
    done = accept(acme, new)
    assert done.returncode == 0, done.stderr
    assert "1 commit appears:" in done.stdout
    assert f"accepted {new[:12]} in place of {old[:12]} as bo" in done.stdout
    goes_on(acme, new)
    assert acme.running() == running
    acme.release("1.4.0")
    acme.serves("1.4.0")
    acme.recorded()
    kinds = {row["kind"]: row for row in acme.records() if row["kind"].startswith("Trunk")}
    assert kinds["TrunkRewritten"]["detail"] == kinds["TrunkAccepted"]["detail"]
    assert kinds["TrunkAccepted"]["detail"] == {"branch": "main", "from": old, "to": new}
    assert [row["person"] for row in kinds["TrunkAccepted"]["signatures"]] == ["bo"]
    copied = acme.git("show", f"refs/heads/reconciler/ledger:trunk/{old}-{new}.sig", at=acme.origin)
    assert copied.startswith("-----BEGIN SSH SIGNATURE-----")
    assert acme.audit().returncode == 0, acme.audit().stdout
    events = acme.ask("eu-1", "GET", "/api/v1/namespaces/reconciler-system/events")["items"]
    told = {(row["reason"], row["type"]) for row in events if row["involvedObject"]["kind"] == "RepositoryState"}
    assert told == {("TrunkRewritten", "Warning"), ("TrunkAccepted", "Normal")}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("who", "words"),
    [("ada", "whose role science may not accept a rewritten trunk"), ("daemon", "the daemon's own key")],
)
def test_who_may_not_accepts_nothing(acme, who, words):
    old, new = rewrite(acme, f"by {who}")
    held(acme, new)
    refused = accept(acme, new, who=who)
    assert refused.returncode == 1
    assert words in refused.stderr
    push_by_hand(acme, who, old, new)
    held(acme, words)
    assert acme.repository()["revision"] == old
    assert accept(acme, new).returncode == 0
    goes_on(acme, new)


@pytest.mark.slow
def test_an_old_acceptance_brings_no_later_rewrite_in(acme):
    one, two = rewrite(acme, "there")
    held(acme, two)
    assert accept(acme, two).returncode == 0
    goes_on(acme, two)
    force(acme, one)
    held(acme, f"{one[:12]} does not contain {two[:12]}")
    settle(1.5)
    assert acme.repository()["revision"] == two
    assert accept(acme, one).returncode == 0
    goes_on(acme, one)
    force(acme, two)
    held(acme, "once already; push another commit")
    assert acme.repository()["revision"] == one
    acme.git("commit", "-q", "--allow-empty", "-m", "another")
    new = acme.git("rev-parse", "HEAD")
    acme.git("push", "-q", "origin", "HEAD:refs/heads/main")
    held(acme, new)
    assert accept(acme, new).returncode == 0
    goes_on(acme, new)


@pytest.mark.slow
def test_all_state_lost_decides_the_same_and_the_ledger_alone_is_enough_to_accept(acme):
    old, new = rewrite(acme, "and lost")
    held(acme, new)
    acme.recorded()
    acme.stage.stop_daemon()
    shutil.rmtree(acme.organisation.data)
    for kind in ("releasestates", "repositorystates"):
        acme.ask("eu-1", "DELETE", f"{HOME}/{kind}")
    acme.stage.start_daemon()
    held(acme, f"{new[:12]} does not contain {old[:12]}")
    acme.git("fetch", "-q", "origin", "+refs/heads/*:refs/remotes/origin/*")
    done = accept(acme, new, config=False)
    assert done.returncode == 0, done.stderr
    goes_on(acme, new)
    acme.recorded()
    acme.stage.stop_daemon()
    shutil.rmtree(acme.organisation.data)
    for kind in ("releasestates", "repositorystates"):
        acme.ask("eu-1", "DELETE", f"{HOME}/{kind}")
    acme.stage.start_daemon()
    acme.wait("it is known again", acme.repository)
    goes_on(acme, new)
    acme.repairs()
    acme.recorded()
    assert acme.audit().returncode == 0, acme.audit().stdout


@pytest.mark.slow
def test_a_first_trunk_without_the_configured_start_is_accepted_in_the_same_way(tmp_path):
    with lab(tmp_path / "acme", start=False) as fresh:
        old = fresh.git("rev-parse", "HEAD")
        new = fresh.git("commit-tree", "-m", "another", fresh.git("rev-parse", "HEAD^{tree}"))
        force(fresh, new)
        fresh.stage.start_daemon()
        fresh.wait("it is held", lambda: fresh.condition("Synced")["reason"] == "NotFromStart")
        assert f"does not contain the configured start {old[:12]}" in fresh.condition("Synced")["message"]
        assert not fresh.repository().get("accepted")
        done = accept(fresh, new)
        assert done.returncode == 0, done.stderr
        goes_on(fresh, new)
        fresh.serves("1.3.0")
        fresh.recorded()
        assert "Traceback" not in fresh.log()
