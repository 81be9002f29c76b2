"""`remove` without `--worktree`: the end of something as a branch and its pull request."""

import pytest
from proposing_world import PROD, clone_of

from reconciler.trust.sshsig import read_signatures

REMOVAL = "removals/prod/fraud.sig"


@pytest.fixture
def clone(world, monkeypatch):
    return clone_of(world, monkeypatch)


@pytest.fixture
def remove(clone, reconciler):
    def call(*arguments, who="dee"):
        return reconciler("remove", *arguments, "--key", clone.world.key(who), at=clone.world.root)

    return call


def test_a_release_ends_by_a_pull_request_and_the_work_tree_stays(clone, remove):
    said = remove("fraud", "--env", "prod")
    assert (said.code, said.err) == (0, "")
    assert said.out == "End prod/fraud: #7 https://forge.example/pulls/7\n"
    (branch,) = clone.branches()
    assert branch.startswith("reconciler/remove/prod/fraud/")
    assert sorted(clone.changed(branch)) == [f"A\t{REMOVAL}", f"D\t{PROD}"]
    (signature,) = read_signatures(clone.read(branch)[REMOVAL])
    assert signature.namespace == "reconciler-removal-v1@reconciler.dev"
    assert f"`reconciler approve {REMOVAL}`" in clone.forge.bodies[7]
    assert clone.world.checkout.changed() == ()
    assert (clone.world.root / PROD).exists()


def test_of_one_cluster_the_file_stays(clone, remove):
    assert remove("prod/fraud", "--cluster", "eu-1").code == 0
    (branch,) = clone.branches()
    assert branch.startswith("reconciler/remove/prod/fraud@eu-1/")
    assert clone.changed(branch) == ["A\tremovals/prod/fraud@eu-1.sig"]
    assert f"it ends there once {PROD} selects eu-1 no more" in clone.forge.bodies[7]


def test_a_governing_document_ends_by_its_path(clone, remove):
    said = remove("clusters/eu-1.yaml", who="ada")
    assert said.out == "End Cluster clusters/eu-1.yaml: #7 https://forge.example/pulls/7\n"
    (branch,) = clone.branches()
    assert sorted(clone.changed(branch)) == ["A\tremovals/clusters/eu-1.yaml.sig", "D\tclusters/eu-1.yaml"]


def test_one_whose_file_was_deleted_before_ends_by_its_last_text(clone, remove):
    (clone.world.root / PROD).unlink()
    clone.publish()
    assert remove("fraud", "--env", "prod").code == 0
    assert clone.changed(clone.branches()[0]) == [f"A\t{REMOVAL}"]


def test_what_was_not_pushed_does_not_matter(clone, remove):
    clone.world.write(PROD, "broken: [")
    assert remove("prod/fraud").code == 0
    assert (clone.world.root / PROD).read_text() == "broken: ["


def test_a_dry_run_signs_and_pushes_nothing(clone, reconciler, monkeypatch):
    monkeypatch.setattr("reconciler.edges.keys.sign", lambda *_: pytest.fail("something was signed"))
    said = reconciler("remove", "prod/fraud", "--dry-run", at=clone.world.root)
    assert said.code == 0
    assert f"--- a/{PROD}\n+++ /dev/null\n" in said.out
    assert f"# {REMOVAL} would be written" in said.out
    assert (clone.branches(), clone.forge.pulls_) == ([], [])


def test_a_removal_leaves_an_open_promotion_alone(clone, remove):
    clone.forge.open_pull(head="reconciler/promote/prod/fraud/0123456789", base="main", title="on", body="")
    assert "closed" not in remove("prod/fraud").out


@pytest.mark.parametrize(
    ("arguments", "who", "code", "words"),
    [
        (("prod/fraud",), "ada", 1, "nothing was removed: "),
        (("fraud",), "dee", 2, "fraud is in several environments"),
        (("prod/frodo",), "dee", 1, "there is no release prod/frodo in main of origin"),
        (("prod/fraud", "--cluster", "us-9"), "dee", 1, "there is no cluster us-9"),
        (("prod/fraud", "--env", "dev"), "dee", 2, "prod/fraud is not in environment dev"),
        (("clusters/eu-1.yaml", "--env", "prod"), "dee", 2, "is a path, which has no --env"),
        (("prod/fraud", "--worktree", "--no-pr"), "dee", 2, "--worktree makes no branch"),
    ],
)
def test_a_sentence_for_a_mistake(clone, remove, arguments, who, code, words):
    said = remove(*arguments, who=who)
    assert said.code == code
    assert words in said.err
    assert (clone.branches(), clone.forge.pulls_) == ([], [])
