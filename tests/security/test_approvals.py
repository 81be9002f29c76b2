"""Attacks on approvals, each named as its row of the security test plan."""

import pytest
from loop_acme import FRAUD, PROD, Repo, key_of
from loop_passes import Release

ENVIRONMENT = "environments/prod.yaml"


@pytest.fixture
def waiting():
    """fraud-detector 1.4.0, signed by bo, waits in prod for two approvals."""
    release = Release(repo=Repo())
    release.settle()
    release.repo.edit(ENVIRONMENT, "  modelSources: [oci]", "  modelSources: [oci]\n  approvals: {rules: [{count: 2}]}")
    release.repo.edit(PROD, "version: 1.3.0", "version: 1.4.0")
    release.turn()
    return release


def held(release) -> str:
    """The reason of the approval gate, after some passes that must not have told anybody anything new."""
    before = release.status.directives
    for _ in range(3):
        release.turn()
    assert release.status.directives == before
    return next(row.reason for row in release.judged.gates if row.kind == "Approval")


def vote(release, by, key=FRAUD, **more):
    return release.repo.vote(key, release.judged.standing.closure, by, **more)


def test_a_release_signature_used_as_an_approval_is_refused_by_its_namespace(waiting):
    waiting.repo.write("approvals/prod/fraud-detector/cy.sig", waiting.repo.blobs[waiting.repo.files[f"{PROD}.sig"]])
    vote(waiting, "dee")
    assert held(waiting) == "ApprovalsMissing"
    assert "its namespace is reconciler-release-v1@reconciler.dev" in waiting.status.gates[0].message


def test_an_approval_copied_from_another_release_is_refused_because_the_statement_differs(waiting):
    other = vote(waiting, "cy", key=key_of("prod", "support-chat"))
    waiting.repo.files["approvals/prod/fraud-detector/cy.sig"] = waiting.repo.files[other]
    vote(waiting, "dee")
    assert held(waiting) == "ApprovalsStale"


def test_one_person_signs_twice_and_has_one_vote(waiting):
    vote(waiting, "cy")
    vote(waiting, "cy", file="somebody-else")
    assert held(waiting) == "ApprovalsMissing"


def test_the_author_approves_and_is_not_counted(waiting):
    vote(waiting, "cy")
    vote(waiting, "bo")
    assert held(waiting) == "ApprovalsMissing"


@pytest.mark.parametrize(
    "path", [PROD, ENVIRONMENT, "runtimes/onnx-http.yaml"], ids=["manifest", "environment", "runtime"]
)
def test_manifest_environment_or_runtime_edited_after_approval_by_one_byte_makes_approvals_stale(waiting, path):
    vote(waiting, "cy")
    vote(waiting, "dee")
    waiting.repo.write(path, waiting.repo.text(path).encode() + b"\n")
    waiting.repo.sign(path)
    assert held(waiting) == "ApprovalsStale"


def test_an_unsigned_environment_that_asks_for_nobody_leaves_the_accepted_one_in_force(waiting):
    waiting.repo.edit(ENVIRONMENT, "\n  approvals: {rules: [{count: 2}]}", "", by="")
    assert held(waiting) == "ApprovalsMissing"
