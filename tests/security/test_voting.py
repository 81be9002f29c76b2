"""Votes, replays and returns on a running daemon: production asks two people of the role risk, one version deep."""

import shutil
from collections.abc import Iterator

import pytest
from attack_stage import (
    ENVIRONMENT,
    RUNTIME,
    back_to,
    block_of,
    change,
    look,
    model,
    new_key,
    private,
    push_vote,
    sign_as,
    signature,
    vote,
)
from stage_lab import HOME, Lab, lab, settle

from reconciler.demo.story import PROD, STAGING
from reconciler.digest import sha256_of
from reconciler.documents.schema import parse
from reconciler.loop.statements import statement_of
from reconciler.trust.sshsig import GIT_NAMESPACE, sign

ASKED = "  approvals: {rules: [{role: risk, count: 2}]}\n  rollback: {depth: 1, maxAge: 30d}"


@pytest.fixture(scope="module")
def acme(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """1.3.0 serves; 1.4.0 is merged, signed by bo, and waits for two of cy (two keys), dee and bo."""
    with lab(tmp_path_factory.mktemp("voting") / "acme") as made:
        trust = made.folder / "trust.yaml"
        text = trust.read_text()
        cy = next(line for line in text.splitlines() if "name: cy" in line)
        more = f", {{key: {new_key(made, 'cy2')}}}]}}\n"
        more += f"    - {{name: dee, roles: [risk], keys: [{{key: {new_key(made, 'dee')}}}]}}"
        text = text.replace(cy, cy.removesuffix("]}") + more)
        trust.write_text(
            text.replace("{name: bo, roles: [platform, owner]", "{name: bo, roles: [platform, owner, risk]")
        )
        change(made, ENVIRONMENT, lambda text: text.replace("  rollback: {depth: 3, maxAge: 30d}", ASKED), by="bo")
        made.commit("Ask for approvals")
        made.release("1.4.0")
        waits(made)
        yield made
        assert "Traceback" not in made.log()


def waits(acme: Lab, reason: str = "ApprovalsMissing", *, version: str = "1.4.0") -> None:
    """What was merged last is seen, and held for this reason."""
    head = acme.git("rev-parse", "HEAD")
    acme.wait("it is read", lambda: acme.repository()["revision"] == head)
    acme.wait(f"{version} is held: {reason}", lambda: (
        acme.status().model_version == version and {row.reason for row in acme.status().gates} == {reason}
    ))  # fmt: skip


def held(acme: Lab, says: str, reason: str = "ApprovalsMissing") -> None:
    """The gate has seen the votes of this commit and says so, and nothing began; afterwards there are no votes."""
    before = model(acme, "prod")
    acme.commit("votes")
    waits(acme, reason)
    acme.wait(f"it says {says}", lambda: says in acme.reasons())
    assert acme.status().candidate is None
    assert model(acme, "prod") == before
    clear(acme)


def clear(acme: Lab) -> None:
    acme.git("rm", "-rqf", "approvals")
    acme.commit("no votes")
    waits(acme)
    acme.wait("no vote is seen", lambda: "0 of 2 approvals" in acme.reasons())


@pytest.mark.slow
def test_one_person_signs_with_two_keys_and_has_one_vote(acme):
    vote(acme, "cy")
    vote(acme, "cy2")
    held(acme, "1 of 2 approvals")


@pytest.mark.slow
def test_one_person_signs_twice_and_has_one_vote(acme):
    vote(acme, "cy")
    vote(acme, "cy", file="dee")
    held(acme, "1 of 2 approvals")


@pytest.mark.slow
def test_the_author_approves_and_is_not_counted(acme):
    vote(acme, "cy")
    vote(acme, "bo")
    held(acme, "bo signed the release and is not one of its approvers")


@pytest.mark.slow
def test_a_forged_author_email_is_no_vote(acme):
    vote(acme, "cy")
    path = acme.work / "approvals/prod/fraud-detector/dee.sig"
    path.write_text("")
    acme.git("add", "-A")
    acme.git("commit", "-q", "--author=Dee <dee@acme.example>", "-m", "Approved-by: Dee <dee@acme.example>")
    acme.git("push", "-q", "origin", "HEAD:main")
    waits(acme)
    acme.wait("one vote is seen", lambda: "1 of 2 approvals" in acme.reasons())
    assert model(acme, "prod") == "1.3.0"
    clear(acme)


@pytest.mark.slow
def test_a_release_signature_used_as_an_approval_is_refused_by_its_namespace_while_running(acme):
    vote(acme, "cy")
    data = (acme.work / PROD).read_bytes()
    said = statement_of(acme.organisation.repository, PROD, parse(PROD, data), sha256_of(data))
    (acme.work / "approvals/prod/fraud-detector/dee.sig").write_bytes(signature(acme, said, "dee"))
    acme.commit("a release signature")
    waits(acme)
    acme.wait("it is refused", lambda: "its namespace is reconciler-release-v1@reconciler.dev" in acme.reasons())
    clear(acme)


@pytest.mark.slow
def test_a_git_commit_signature_used_as_a_release_or_an_approval_is_refused_by_its_namespace(acme):
    payload = acme.git("cat-file", "commit", "HEAD").encode() + b"\n"
    commit = {name: sign(private(acme, name), payload, GIT_NAMESPACE).encode() for name in ("bo", "dee")}
    before = (acme.work / f"{STAGING}.sig").read_bytes()
    (acme.work / f"{STAGING}.sig").write_bytes(commit["bo"])
    vote(acme, "cy")
    (acme.work / "approvals/prod/fraud-detector/dee.sig").write_bytes(commit["dee"])
    acme.commit("commit signatures")
    waits(acme)
    acme.wait("staging is held", lambda: acme.status("staging").gates)
    acme.wait("it is refused", lambda: "its namespace is git and reconciler-release-v1" in acme.reasons("staging"))
    acme.wait("it is refused", lambda: "its namespace is git and reconciler-approval-v1" in acme.reasons())
    (acme.work / f"{STAGING}.sig").write_bytes(before)
    clear(acme)


@pytest.mark.slow
@pytest.mark.parametrize("path", [PROD, RUNTIME, ENVIRONMENT, "clusters/us-1.yaml"],
                         ids=["manifest", "runtime", "environment", "cluster"])  # fmt: skip
def test_one_byte_edited_after_approval_makes_approvals_stale_of_the(acme, path):
    vote(acme, "cy")
    vote(acme, "dee")
    change(acme, path, lambda text: text + "\n", by="bo")
    held(acme, "the approvals of cy and dee are for an earlier text", "ApprovalsStale")


@pytest.mark.slow
def test_an_old_signed_manifest_that_was_never_healthy_is_committed_again_and_gates_apply(acme):
    never = acme.git("rev-parse", "HEAD")
    change(acme, PROD, lambda text: text.replace("version: 1.4.0", "version: 1.4.1"), by="bo")
    acme.commit("1.4.1")
    waits(acme, version="1.4.1")
    back_to(acme, never, "1.4.0 again, byte for byte")
    waits(acme)
    assert model(acme, "prod") == "1.3.0"


@pytest.mark.slow
def test_refs_pushed_by_anybody_count_by_their_signature_alone_and_end_with_them(acme):
    block = block_of(acme, "cy")
    refs = [
        push_vote(acme, "cy", block),
        push_vote(acme, "dee", block),  # another name for the same vote
        push_vote(acme, "other", block_of(acme, "dee", name="support-chat")),
        push_vote(acme, "bo", block_of(acme, "bo")),
        push_vote(acme, "garbage", b"approved by everybody"),
        push_vote(acme, "a/b/c", b""),
    ]
    acme.git("update-ref", "refs/reconciler/approvals/nothing", "main", at=acme.origin)
    acme.git("update-ref", "refs/reconciler/approvals/prod/fraud-detector/main", "main", at=acme.origin)
    look(acme)
    for words in (
        "1 of 2 approvals by risk (given by cy; dee could",
        "the approval of dee is for an earlier text",
        "bo signed the release and is not one of its approvers",
        "fraud-detector/garbage: it cannot be read",
        "fraud-detector/main is no commit with a file approval.sig",
    ):
        acme.wait(f"it says {words}", lambda words=words: words in acme.reasons())
    assert model(acme, "prod") == "1.3.0"
    for ref in (*refs, *(f"refs/reconciler/approvals/{name}" for name in ("nothing", "prod/fraud-detector/main"))):
        acme.git("update-ref", "-d", ref, at=acme.origin)
    look(acme)
    acme.wait("no vote is seen", lambda: "0 of 2 approvals" in acme.reasons())


@pytest.mark.slow
def test_one_approves_by_a_file_and_one_by_a_ref_and_the_ledger_proves_both(acme):
    vote(acme, "cy")
    acme.commit("a vote")
    ref = push_vote(acme, "dee", block_of(acme, "dee"))
    acme.serves("1.4.0")

    def told():
        return {row["approvals"][0]["person"]: row["detail"] for row in acme.records() if row["kind"] == "Approved"}

    acme.wait("both are in the ledger", lambda: told().keys() >= {"cy", "dee"})
    assert (told()["dee"]["source"], told()["dee"]["origin"]) == ("ref", ref)
    assert acme.audit().returncode == 0, acme.audit().stdout
    acme.git("update-ref", "-d", ref, at=acme.origin)
    acme.git("rm", "-rqf", "approvals")
    acme.commit("no votes")


@pytest.mark.slow
def test_two_people_approve_and_it_serves_as_the_rows_above_would_not_show_otherwise(acme):
    vote(acme, "cy")
    vote(acme, "dee")
    acme.commit("votes")
    acme.serves("1.4.0")


@pytest.mark.slow
def test_replay_of_an_old_healthy_manifest_beyond_depth_is_an_ordinary_candidate(acme):
    old = acme.git("log", "--format=%H", "-1", "--grep=Ask for approvals")
    good = acme.git("rev-parse", "HEAD")
    acme.git("rm", "-rqf", "approvals")
    acme.release("1.5.1", auc=0.96)
    waits(acme, version="1.5.1")
    vote(acme, "cy")
    vote(acme, "dee")
    acme.commit("votes")
    acme.serves("1.5.1")
    acme.git("checkout", "-q", old, "--", PROD, f"{PROD}.sig")
    acme.commit("1.3.0 again: two versions back, and depth is 1")
    waits(acme, "ApprovalsStale", version="1.3.0")
    assert model(acme, "prod") == "1.5.1"
    acme.git("checkout", "-q", good, "--", PROD, f"{PROD}.sig")
    acme.commit("1.4.0 again: one version back")
    acme.serves("1.4.0")


@pytest.mark.slow
def test_replay_of_an_old_healthy_manifest_beyond_age_is_an_ordinary_candidate(acme):
    change(acme, ENVIRONMENT, lambda text: text.replace("maxAge: 30d", "maxAge: 1s"), by="bo")
    acme.commit("return to nothing that is older than a second")
    settle(2.1)  # times are kept to the second
    acme.git("checkout", "-q", acme.git("log", "--format=%H", "-1", "--grep=Promote 1.5.1"), "--", PROD, f"{PROD}.sig")
    acme.commit("1.5.1 again: one version back, and too old")
    waits(acme, "ApprovalsStale", version="1.5.1")
    assert model(acme, "prod") == "1.4.0"
    sign_as(acme, PROD, "bo")  # and no new signature of who may release makes it good
    assert not acme.git("status", "--porcelain", PROD)


@pytest.mark.slow
def test_daemon_state_lost_then_replay_makes_the_same_decisions(acme):
    """Held is what was held, approvals are as old as they were, and what was known-good too long ago stays so."""
    before = acme.running()
    acme.recorded()
    acme.stage.kill_daemon()
    shutil.rmtree(acme.organisation.data)
    for kind in ("releasestates", "repositorystates"):
        acme.ask("eu-1", "DELETE", f"{HOME}/{kind}")
    acme.stage.start_daemon()
    waits(acme, "ApprovalsStale", version="1.5.1")
    assert model(acme, "prod") == "1.4.0"
    assert acme.running() == before
    acme.recorded()
    assert acme.audit().returncode == 0
