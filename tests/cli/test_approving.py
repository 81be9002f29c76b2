"""`approve`, `reject`, `approvals`: votes as files of the work tree, judged as the daemon will."""

import json

import pytest
from cli_world import ENVIRONMENT, RELEASE, REPOSITORY

from reconciler.edges.git.checkout import Checkout, history
from reconciler.errors import NotFound
from reconciler.trust.sshsig import read_signatures

FILE = "releases/prod/fraud.yaml"
ASKING = ENVIRONMENT + "  approvals: {rules: [{role: risk, count: 1}, {count: 2}]}\n"
CY, DEE = "approvals/prod/fraud/cy.sig", "approvals/prod/fraud/dee.sig"


@pytest.fixture
def asked(world, reconciler):
    """prod asks for approvals; ada signed everything; cy and dee may approve. Call it as `reconciler`, in the clone."""
    world.write("environments/prod.yaml", ASKING)
    trust = world.trust(ada="platform", cy="risk", dee="risk", sam="science")
    world.checkout.set_config("reconciler.trust", str(trust))

    def call(*arguments, who=""):
        key = ("--key", world.key(who)) if who else ()
        return reconciler(*arguments, *key, at=world.root)

    for path in ("environments/prod.yaml", "clusters/eu-1.yaml", FILE):
        assert call("sign", path, who="ada").code == 0
    return call


def votes(asked, *arguments):
    said = asked("approvals", *arguments, "-o", "json")
    (row,) = json.loads(said.out)
    return said.code, row


def test_an_approval_lies_in_the_persons_file_and_counts(asked, world):
    said = asked("approve", FILE, who="cy")
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith(f"approved {FILE} (sha256:")
    assert said.out.endswith(f"as cy: commit {CY}\n")
    code, row = votes(asked)
    assert (code, row["met"], row["reason"]) == (1, False, "ApprovalsMissing")
    assert [vote["person"] for vote in row["approvals"]] == ["cy"]
    assert row["missing"] == [{"role": None, "count": 1, "could": ["dee"]}]
    assert asked("approve", FILE, who="dee").code == 0
    assert (world.root / DEE).exists()
    code, row = votes(asked, "prod/fraud")
    assert (code, row["met"], row["reason"]) == (0, True, "Approved")


def test_the_table_says_what_is_missing_and_who_could_give_it(asked):
    said = asked("approvals")
    assert said.code == 1
    assert "ApprovalsMissing" in said.out
    assert "0 of 1 approval by risk (cy and dee could give it)" in said.out


def test_approving_twice_leaves_one_signature(asked, world):
    asked("approve", FILE, who="cy")
    asked("approve", FILE, who="cy")
    assert len(read_signatures((world.root / CY).read_bytes())) == 1


def test_a_newer_vote_takes_the_place_of_the_older_one(asked):
    asked("approve", FILE, who="cy")
    assert asked("reject", FILE, who="cy").out.startswith(f"rejected {FILE}")
    assert votes(asked)[1]["reason"] == "ApprovalsRejected"
    asked("approve", FILE, who="cy")
    assert votes(asked)[1]["reason"] == "ApprovalsMissing"


def test_somebody_elses_vote_in_the_file_stays(asked, world):
    asked("approve", FILE, who="dee")
    (world.root / DEE).rename(world.root / CY)
    asked("approve", FILE, who="cy")
    assert len(read_signatures((world.root / CY).read_bytes())) == 2
    assert votes(asked)[1]["met"]


def test_after_a_change_the_approval_is_stale_and_one_for_the_new_text_takes_its_place(asked, world):
    asked("approve", FILE, who="cy")
    world.write(FILE, RELEASE + "#\n")
    assert votes(asked)[1]["reason"] == "ApprovalsStale"
    asked("approve", FILE, who="cy")
    assert votes(asked)[1]["reason"] == "ApprovalsMissing"
    assert len(read_signatures((world.root / CY).read_bytes())) == 1


def refused(said, code, words):
    assert said.code == code
    assert said.out == ""
    assert words in said.err


def test_a_vote_that_would_not_count_is_not_written(asked, world):
    refused(asked("approve", FILE, who="ada"), 1, f"ada signed {FILE} and is not one of its approvers")
    refused(asked("approve", FILE, who="sam"), 1, "whose role science may not approve in prod")
    refused(asked("approve", FILE, who="stranger"), 1, "belongs to nobody in the trust file")
    assert not (world.root / "approvals").exists()


def test_what_cannot_be_voted_on_is_told(asked, world):
    refused(asked("approve", "clusters/eu-1.yaml", who="cy"), 1, "clusters/eu-1.yaml is no release")
    world.write("environments/prod.yaml", ASKING + "#\n")
    refused(asked("approve", FILE, who="cy"), 1, "nobody can say yes or no to")
    world.write("environments/prod.yaml", ENVIRONMENT)
    asked("sign", "environments/prod.yaml", who="ada")
    refused(asked("approve", FILE, who="cy"), 1, "environment prod asks nobody for approvals")
    refused(asked("approvals", "fraud"), 1, "no release 'fraud' is asked for approvals")


def test_without_a_trust_file_nobody_knows_whose_key_it_is(asked, world):
    world.checkout.set_config("reconciler.trust", "")
    refused(asked("approve", FILE, who="cy"), 2, "there is no trust file")


def test_a_trust_file_of_another_repository_vouches_for_nothing(asked):
    said = asked("approve", FILE, "--repository", "github.com/acme/other", who="cy")
    refused(said, 2, f"the trust file vouches for {REPOSITORY}, not for github.com/acme/other")


# --- pushed to a ref


@pytest.fixture
def origin(world):
    made = Checkout.init_bare(world.folder / "models.git")
    world.checkout.set_config("remote.origin.url", str(made))
    return made


REF = "refs/reconciler/approvals/prod/fraud/cy"


def pushed(origin, ref=REF):
    with history(origin) as opened:
        revision = opened.resolve(ref)
        files, _ = opened.read(revision)
        return revision, files, opened.commit(revision).parents


def test_a_vote_is_pushed_to_the_persons_ref_and_no_file_is_written(asked, world, origin):
    said = asked("approve", FILE, "--push", who="cy")
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith(f"approved {FILE} (sha256:")
    assert said.out.endswith(f"as cy: pushed to {REF}, where the daemon finds it with its next look\n")
    _, files, parents = pushed(origin)
    assert parents == ()
    assert list(files) == ["approval.sig"]
    assert len(read_signatures(files["approval.sig"])) == 1
    assert not (world.root / "approvals").exists()


def test_a_newer_vote_takes_the_place_of_the_one_that_was_pushed(asked, origin):
    asked("approve", FILE, "--push", who="cy")
    before = pushed(origin)
    assert asked("reject", FILE, "--push", who="cy").out.startswith(f"rejected {FILE}")
    assert pushed(origin)[0] != before[0]


def test_a_vote_that_would_not_count_is_not_pushed(asked, origin):
    refused(asked("approve", FILE, "--push", who="ada"), 1, f"ada signed {FILE} and is not one of its approvers")
    with history(origin) as opened, pytest.raises(NotFound):
        opened.resolve("refs/reconciler/approvals/prod/fraud/ada")


def test_an_origin_that_does_not_answer_is_told(asked, world):
    world.checkout.set_config("remote.origin.url", "ssh://git@127.0.0.1:1/acme/models.git")
    said = asked("approve", FILE, "--push", who="cy")
    assert (said.code, said.out) == (3, "")
    assert said.err.startswith("ssh://git@127.0.0.1:1/acme/models.git could not be reached: ")
