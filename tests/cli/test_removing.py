"""`remove`: what is taken away and signed, and approving it."""

import json

import pytest
from cli_world import ADA, ENVIRONMENT

from reconciler.trust.sshsig import read_signatures

FILE = "releases/prod/fraud.yaml"
REMOVAL = "removals/prod/fraud.sig"
ASKING = ENVIRONMENT + "  approvals: {rules: [{role: risk, count: 1}]}\n"


@pytest.fixture
def clone(world, signed):
    """A signed clone whose production asks risk."""
    world.write("environments/prod.yaml", ASKING)
    call = signed()
    return lambda *words, **options: call(*words, *(["--worktree"] if words[0] == "remove" else []), **options)


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
    assert f"it ends there once {FILE} selects eu-1 no more" in said.out
    assert (world.root / FILE).exists()
    assert (world.root / "removals/prod/fraud@eu-1.sig").exists()
    assert clone("approve", "removals/prod/fraud@eu-1.sig", who="cy").code == 0


@pytest.mark.parametrize("named", [("fraud",), ("prod/fraud",), ("fraud", "--env", "prod")])
def test_a_release_is_named_as_everywhere(clone, named):
    assert clone("remove", *named, who="dee").out.startswith("signed the end of prod/fraud with SHA256:")


@pytest.mark.parametrize(
    ("arguments", "who", "words"),
    [
        (("prod/fraud",), "ada", "whose role platform may not remove in prod"),
        (("prod/fraud", "--cluster", "eu-1"), "ada", "whose role platform may not remove in prod"),
        (("clusters/eu-1.yaml",), "cy", "whose role risk may not configure clusters/eu-1.yaml"),
        (("holds/stop.yaml",), "ada", "who has not the role risk"),
        (("prod/fraud",), "stranger", "which belongs to nobody in the trust file"),
    ],
)
def test_a_signature_that_would_not_count_takes_nothing_away(clone, world, arguments, who, words):
    hold = "kind: Hold\nmetadata: {name: stop}\nspec: {selector: {environments: [prod]}, reason: x, releasedBy: risk}\n"
    world.write("holds/stop.yaml", f"apiVersion: reconciler.dev/v1alpha1\n{hold}")
    world.checkout.commit("stop", ADA)
    said = clone("remove", *arguments, who=who)
    assert said.code == 1
    assert said.err.startswith("nothing was removed: ")
    assert words in said.err
    assert not (world.root / "removals").exists()
    assert (world.root / FILE).exists()


def test_a_hold_is_ended_by_the_role_that_it_names(clone, world):
    hold = "kind: Hold\nmetadata: {name: stop}\nspec: {selector: {environments: [prod]}, reason: x, releasedBy: risk}\n"
    world.write("holds/stop.yaml", f"apiVersion: reconciler.dev/v1alpha1\n{hold}")
    world.checkout.commit("stop", ADA)
    assert clone("remove", "holds/stop.yaml", who="cy").code == 0


STOP = """\
apiVersion: reconciler.dev/v1alpha1
kind: Hold
metadata: {name: stop}
spec: {selector: {environments: [prod]}, reason: x, releasedBy: risk}
"""


@pytest.mark.parametrize(
    ("path", "who", "other"), [("holds/stop.yaml", "cy", "ada"), ("clusters/eu-1.yaml", "ada", "cy")]
)
def test_a_document_whose_file_was_deleted_before_is_ended_by_its_last_text(clone, world, path, who, other):
    world.write("holds/stop.yaml", STOP)
    world.checkout.commit("stop", ADA)
    (world.root / path).unlink()
    world.checkout.commit("delete it", ADA)
    world.write("README.md", "hello")
    world.checkout.commit("something else", ADA)
    refused = clone("remove", path, who=other)
    assert (refused.code, refused.err.startswith("nothing was removed: ")) == (1, True)
    said = clone("remove", path, who=who)
    assert (said.code, said.err) == (0, "")
    assert f"commit removals/{path}.sig" in said.out
    again = clone("remove", path, who=who)
    assert (again.code, f"was removed already: its removal is removals/{path}.sig" in again.err) == (1, True)


def test_a_removal_that_does_not_count_is_no_end_of_a_document_that_is_gone(clone, world):
    world.write("holds/stop.yaml", STOP)
    world.checkout.commit("stop", ADA)
    trust = world.checkout.config("reconciler.trust")
    world.checkout.set_config("reconciler.trust", "")
    assert clone("remove", "holds/stop.yaml", who="ada").code == 0
    again = clone("remove", "holds/stop.yaml", who="cy")
    assert "was removed already" in again.err, "without a trust file it only sees that the text is signed"
    world.checkout.set_config("reconciler.trust", trust)
    assert clone("remove", "holds/stop.yaml", who="cy").code == 0


def test_without_a_trust_file_it_says_that_nobody_looked_at_the_key(clone, world):
    world.checkout.set_config("reconciler.trust", "")
    said = clone("remove", "prod/fraud", who="ada")
    assert (said.code, "was not looked at: give --trust FILE" in said.err) == (0, True)
    trust = str(world.trust(ada="platform"))
    assert clone("approve", REMOVAL, "--trust", trust, who="ada").code == 1, "the daemon would not count it either"


@pytest.mark.parametrize(
    ("change", "words"),
    [("# edited\n", "was changed and not committed"), (None, "was never committed")],
)
def test_a_text_that_the_daemon_does_not_know_is_not_signed(clone, world, change, words):
    path, name = (FILE, "fraud") if change else ("releases/prod/other.yaml", "other")
    text = (world.root / FILE).read_text()
    world.write(path, text + change if change else text.replace("metadata: {name: fraud}", "metadata: {name: other}"))
    said = clone("remove", f"prod/{name}", who="dee")
    assert said.code == 1
    assert words in said.err
    assert (world.root / path).exists()


def test_what_was_removed_already_is_told(clone):
    clone("remove", "prod/fraud", who="dee")
    said = clone("remove", "prod/fraud", who="dee")
    assert (said.code, f"was removed already: its removal is {REMOVAL}" in said.err) == (1, True)
    clone("remove", "clusters/eu-1.yaml", who="ada")
    said = clone("remove", "clusters/eu-1.yaml", who="ada")
    assert (said.code, "was removed already" in said.err) == (1, True)


def test_a_name_in_several_environments_has_to_be_told_apart(clone, world):
    world.write(
        "releases/dev/fraud.yaml", (world.root / FILE).read_text().replace("environment: prod", "environment: dev")
    )
    said = clone("remove", "fraud", who="dee")
    assert (said.code, "say dev/fraud or prod/fraud" in said.err) == (2, True)


def test_a_governing_document_ends_by_its_path(clone, world):
    said = clone("remove", "clusters/eu-1.yaml", who="ada")
    assert "commit removals/clusters/eu-1.yaml.sig, clusters/eu-1.yaml, clusters/eu-1.yaml.sig" in said.out
    assert not (world.root / "clusters/eu-1.yaml").exists()
    (signature,) = read_signatures((world.root / "removals/clusters/eu-1.yaml.sig").read_bytes())
    assert signature.namespace == "reconciler-config-removal-v1@reconciler.dev"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("prod/fraud", "--env", "dev"), 2, "prod/fraud is not in environment dev"),
        (("prod/fraud", "--cluster", "eu-9"), 1, "there is no cluster eu-9"),
        (("chat", "--env", "prod"), 1, "there is no release prod/chat"),
        ((FILE,), 1, "run: reconciler remove prod/fraud"),
        (("clusters/eu-1.yaml", "--env", "prod"), 2, "is a path, which has no --env"),
        (("clusters/none.yaml",), 1, "there is no clusters/none.yaml in"),
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
