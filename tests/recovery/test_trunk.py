"""What was accepted goes on while the trunk cannot be read, also after a restart; what is gone deletes nothing."""

import shutil
from collections.abc import Iterator

import pytest
from stage_lab import HOME, Lab, lab, settle

NETWORK = "/apis/networking.k8s.io/v1/namespaces/fraud/networkpolicies/fraud-detector"


@pytest.fixture(scope="module")
def acme(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with lab(tmp_path_factory.mktemp("trunk") / "acme") as made:
        yield made
        assert "Traceback" not in made.log()


def rewritten(acme: Lab) -> None:
    empty = acme.git("commit-tree", "-m", "other", acme.git("rev-parse", "HEAD^{tree}"))
    acme.git("push", "-q", "-f", "origin", f"{empty}:refs/heads/main")


def branch_gone(acme: Lab) -> None:
    acme.git("update-ref", "-d", "refs/heads/main", at=acme.origin)


def host_gone(acme: Lab) -> None:
    acme.origin.rename(acme.folder / "away.git")


def back(acme: Lab) -> None:
    away = acme.folder / "away.git"
    if away.exists():
        away.rename(acme.origin)
    acme.git("push", "-q", "-f", "origin", "HEAD:refs/heads/main")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("breaks", "reason"),
    [(rewritten, "TrunkRewritten"), (branch_gone, "BranchMissing"), (host_gone, None)],
    ids=["the trunk is rewritten", "the branch is gone", "the Git host is gone"],
)
def test_what_was_accepted_is_repaired_before_and_after_a_restart_while(acme, breaks, reason):
    before = acme.repository()["revision"]
    breaks(acme)
    try:
        acme.wait("it is seen", lambda: acme.condition("Synced")["status"] == "False")
        assert reason in {None, acme.condition("Synced")["reason"]}
        acme.repairs()
        acme.restart()
        acme.repairs(path=NETWORK)
        assert acme.repository()["revision"] == before
    finally:
        back(acme)
    acme.wait("the trunk is read again", lambda: acme.condition("Synced")["status"] == "True")


@pytest.mark.slow
def test_a_trust_file_that_revokes_a_key_while_the_git_host_is_down_is_judged_at_once(acme):
    text = (acme.folder / "trust.yaml").read_text()
    bo = next(line for line in text.splitlines() if "name: bo" in line)
    host_gone(acme)
    try:
        acme.wait("it is seen", lambda: acme.condition("Synced")["status"] == "False")
        running = acme.running()
        revoked = bo.replace("}]}", ', revokedAt: "2020-01-01T00:00:00Z"}]}')
        (acme.folder / "trust.yaml").write_text(text.replace(bo, revoked))
        acme.wait("the release names its key", lambda: "revoked" in acme.reasons())
        assert acme.running() == running
    finally:
        (acme.folder / "trust.yaml").write_text(text)
        back(acme)
    acme.wait("nothing is held", lambda: not acme.status().gates)


@pytest.mark.slow
def test_everything_deleted_deletes_nothing_also_when_the_state_is_lost_too(acme):
    before = acme.running()
    acme.git("rm", "-rq", ".")
    acme.commit("gone")
    acme.wait("the releases are held", lambda: acme.status().gates or acme.condition("Synced")["status"] == "False")
    settle(1.5)
    assert acme.running() == before
    acme.stage.stop_daemon()
    shutil.rmtree(acme.organisation.data)
    for kind in ("releasestates", "repositorystates"):
        acme.ask("eu-1", "DELETE", f"{HOME}/{kind}")
    acme.stage.start_daemon()
    acme.wait("the repository is known again", acme.repository)
    settle(1)
    assert acme.running() == before
    acme.repairs()
    acme.revert()
    acme.serves("1.3.0")
    acme.wait("nothing is held", lambda: not acme.status().gates)
    acme.recorded()
    assert acme.audit().returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("restart", [False, True], ids=["while it runs", "while it is down"])
def test_an_unsigned_text_stays_out_of_force_also_when_all_state_is_lost(acme, restart):
    path = acme.work / "environments/prod.yaml"
    before = path.read_text()
    path.write_text(before.replace("depth: 3", "depth: 9"))
    acme.commit("unsigned")
    acme.wait("it is named", lambda: "environments/prod.yaml" in acme.reasons())
    if restart:
        acme.stage.kill_daemon()
    for kind in ("releasestates", "repositorystates"):
        acme.ask("eu-1", "DELETE", f"{HOME}/{kind}")
    if restart:
        acme.stage.start_daemon()
    acme.wait("the state is back", lambda: acme.repository()["revision"] and acme.status().phase)
    accepted = acme.repository()["accepted"]["environments/prod.yaml"]
    assert accepted["blob"] == acme.git("rev-parse", "HEAD~1:environments/prod.yaml")
    acme.wait("it is named again", lambda: "environments/prod.yaml" in acme.reasons())
    assert not acme.status().gates, acme.reasons()
    acme.revert()
    acme.serves("1.3.0")
