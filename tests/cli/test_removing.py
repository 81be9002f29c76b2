"""`remove`: what is taken away and signed, and approving it."""

import json

import pytest
from cli_world import ADA, ENVIRONMENT

from reconciler.trust.sshsig import read_signatures

FILE = "releases/prod/fraud.yaml"
REMOVAL = "removals/prod/fraud.sig"
ASKING = ENVIRONMENT + "  approvals: {rules: [{role: risk, count: 1}]}\n"


@pytest.fixture
def clone(world, reconciler):
    """Everything is signed by ada and committed; dee may remove, cy approves. Call it as `reconciler`, in the clone."""
    world.write("environments/prod.yaml", ASKING)
    trust = world.trust(ada="platform", cy="risk", dee="lead")
    world.checkout.set_config("reconciler.trust", str(trust))

    def call(*arguments, who=""):
        key = ("--key", world.key(who)) if who else ()
        return reconciler(*arguments, *key, at=world.root)

    for path in ("environments/prod.yaml", "clusters/eu-1.yaml", FILE):
        assert call("sign", path, who="ada").code == 0
    world.checkout.commit("signed", ADA)
    return call


def test_a_release_ends_with_its_file_and_a_signature(clone, world):
    said = clone("remove", "fraud", "--env", "prod", who="dee")
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("signed the end of prod/fraud with SHA256:")
    assert f"commit {REMOVAL}, {FILE}, {FILE}.sig; who may approve it runs: reconciler approve {REMOVAL}" in said.out
    assert not (world.root / FILE).exists()
    assert not (world.root / f"{FILE}.sig").exists()
    (signature,) = read_signatures((world.root / REMOVAL).read_bytes())
    assert signature.namespace == "reconciler-removal-v1@reconciler.dev"


@pytest.mark.parametrize("committed", [False, True])
def test_a_removal_is_approved_by_its_file_before_and_after_it_is_committed(clone, world, committed):
    clone("remove", "fraud", "--env", "prod", who="dee")
    if committed:
        world.checkout.commit("end fraud", ADA)
        world.write("README.md", "hello")
        world.checkout.commit("something else", ADA)
    said = clone("approve", REMOVAL, who="cy")
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith(f"approved {REMOVAL} (sha256:")
    assert (world.root / "approvals/prod/fraud/cy.sig").exists()


def test_a_release_whose_file_was_deleted_before_is_ended_by_its_last_text(clone, world):
    for name in (FILE, f"{FILE}.sig"):
        (world.root / name).unlink()
    world.checkout.commit("delete fraud", ADA)
    said = clone("remove", "fraud", "--env", "prod", who="dee")
    assert (said.code, said.err) == (0, "")
    assert f"commit {REMOVAL};" in said.out
    assert clone("approve", REMOVAL, who="cy").code == 0


def test_of_one_cluster_the_file_stays(clone, world):
    said = clone("remove", "fraud", "--env", "prod", "--cluster", "eu-1", who="dee")
    assert "signed the end of prod/fraud on eu-1" in said.out
    assert (world.root / FILE).exists()
    assert (world.root / "removals/prod/fraud@eu-1.sig").exists()
    assert clone("approve", "removals/prod/fraud@eu-1.sig", who="cy").code == 0


def test_a_removal_that_nobody_may_sign_cannot_be_approved(clone):
    clone("remove", "fraud", "--env", "prod", who="ada")
    said = clone("approve", REMOVAL, who="cy")
    assert said.code == 1
    assert "is no removal of a text of prod/fraud" in said.err


def test_a_governing_document_ends_by_its_path(clone, world):
    said = clone("remove", "clusters/eu-1.yaml", who="ada")
    assert "commit removals/clusters/eu-1.yaml.sig, clusters/eu-1.yaml, clusters/eu-1.yaml.sig" in said.out
    assert not (world.root / "clusters/eu-1.yaml").exists()
    (signature,) = read_signatures((world.root / "removals/clusters/eu-1.yaml.sig").read_bytes())
    assert signature.namespace == "reconciler-config-removal-v1@reconciler.dev"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("fraud",), 2, "say in which environment the release ends"),
        (("chat", "--env", "prod"), 1, "there is no release prod/chat"),
        ((FILE,), 1, "is a ModelRelease; only Environment, Cluster"),
        (("clusters/eu-1.yaml", "--env", "prod"), 2, "is a path, which has no --env"),
        (("clusters/none.yaml",), 1, "clusters/none.yaml cannot be read"),
    ],
)
def test_what_cannot_end_is_told_and_nothing_is_taken_away(clone, world, arguments, code, words):
    said = clone("remove", *arguments, who="dee")
    assert said.code == code
    assert words in said.err
    assert not (world.root / "removals").exists()
    assert (world.root / FILE).exists()


def test_approvals_shows_nothing_of_a_release_that_is_gone(clone):
    clone("remove", "fraud", "--env", "prod", who="dee")
    assert json.loads(clone("approvals", "-o", "json").out) == []
