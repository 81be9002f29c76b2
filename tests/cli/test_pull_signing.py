"""`sign --pr 12`: the signatures that a pull request lacks, committed onto its branch and onto nothing else."""

import pytest
from cli_pulls import ASKING, FILE, NEWER, Forged, forged
from cli_world import ENVIRONMENT

from reconciler.edges.git.checkout import history

BRANCH = "reconciler/promote/prod/fraud/0123456789"


@pytest.fixture
def clone(world, reconciler, monkeypatch):
    with forged(world, reconciler, monkeypatch) as made:
        yield made


def state(clone: Forged):
    return clone.git("status", "--porcelain"), clone.git("rev-parse", "HEAD"), clone.git("branch", "--list")


def test_an_unsigned_promotion_is_signed_on_its_branch_and_the_work_tree_stays(clone: Forged):
    number = clone.pull(BRANCH, {FILE: NEWER}, sign=False)
    head, before = clone.head(BRANCH), state(clone)
    said = clone.run("sign", "--pr", number, who="ada")
    assert said.code == 0, said
    assert f"signed {FILE}: release fraud in prod" in said.out
    assert f"pushed {FILE}.sig to {BRANCH} as {clone.head(BRANCH)[:12]}: {clone.local.address}" in said.out
    assert clone.git("diff", "--name-status", head, clone.head(BRANCH), at=clone.origin) == f"M\t{FILE}.sig"
    with history(clone.origin) as opened:
        commit = opened.commit(clone.head(BRANCH))
    assert (commit.parents, commit.author.name) == ((head,), "Ada L")
    assert state(clone) == before
    assert clone.run("approve", number, who="cy").out.count("signed by ada") == 1


def test_what_is_signed_already_is_left_as_it_is(clone: Forged):
    number = clone.pull(BRANCH, {FILE: NEWER})
    head = clone.head(BRANCH)
    said = clone.run("sign", "--pr", number, who="ada")
    assert (said.code, said.out) == (0, f"nothing that #{number} changes needs your signature\n")
    assert clone.head(BRANCH) == head


def test_governing_documents_are_signed_as_well_and_untouched_ones_are_not(clone: Forged):
    number = clone.pull(BRANCH, {FILE: NEWER, "environments/prod.yaml": ASKING + "  # two\n"}, sign=False)
    assert clone.run("sign", "--pr", number, who="ada").code == 0
    rows = clone.git("diff", "--name-only", f"{BRANCH}~1", BRANCH, at=clone.origin)
    assert rows.splitlines() == ["environments/prod.yaml.sig", f"{FILE}.sig"]


def test_a_signature_that_would_not_count_is_not_pushed(clone: Forged):
    files = {FILE: NEWER, "environments/prod.yaml": ENVIRONMENT}
    number = clone.pull(BRANCH, files, sign=False)
    said = clone.run("sign", "--pr", number, who="sam")  # science releases in prod, and configures nothing
    assert said.code == 0, said
    assert "left out environments/prod.yaml: " in said.err
    assert clone.git("diff", "--name-only", f"{BRANCH}~1", BRANCH, at=clone.origin) == f"{FILE}.sig"
    said = clone.run("sign", "--pr", number, who="cy")
    assert said.out == f"nothing that #{number} changes needs your signature\n"


def test_a_document_that_does_not_validate_is_not_signed(clone: Forged):
    number = clone.pull(BRANCH, {FILE: NEWER.replace("min: 2", "min: two")}, sign=False)
    head = clone.head(BRANCH)
    said = clone.run("sign", "--pr", number, who="ada")
    assert (said.code, clone.head(BRANCH)) == (1, head)
    assert f"{FILE}:17:" in said.err


def test_a_branch_that_moves_while_somebody_signs_is_not_overwritten(clone: Forged, monkeypatch):
    from reconciler.edges import keys

    number, sign = clone.pull(BRANCH, {FILE: NEWER}, sign=False), keys.sign

    def slowly(*arguments):
        monkeypatch.setattr(keys, "sign", sign)
        clone.change(BRANCH, {FILE: NEWER.replace("1.5.0", "1.6.0")})
        return sign(*arguments)

    monkeypatch.setattr(keys, "sign", slowly)
    said = clone.run("sign", "--pr", number, who="ada")
    assert said.code == 1
    assert "it is something else by now" in said.err
    with history(clone.origin) as opened:
        files, _ = opened.read(clone.head(BRANCH))
    assert b"1.6.0" in files[FILE]


def test_a_merged_one_is_told_to_be_too_late(clone: Forged):
    number = clone.pull(BRANCH, {FILE: NEWER}, sign=False)
    clone.merge(number)
    said = clone.run("sign", "--pr", number, who="ada")
    assert (said.code, said.out) == (1, "")
    assert f"#{number} is merged" in said.err


def test_a_fork_is_left_to_its_author(clone: Forged, monkeypatch):
    from dataclasses import replace

    from reconciler.edges.forge.github import GitHub

    number, pull = clone.pull(BRANCH, {FILE: NEWER}, sign=False), GitHub.pull
    monkeypatch.setattr(GitHub, "pull", lambda forge, asked: replace(pull(forge, asked), fork=True))
    head = clone.head(BRANCH)
    said = clone.run("sign", "--pr", number, who="ada")
    assert (said.code, clone.head(BRANCH)) == (1, head)
    assert f"git fetch origin refs/pull/{number}/head" in said.err


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("sign", FILE, "--pr", "7"), "name the documents to sign, or give --changed or --pr"),
        (("sign", FILE, "--trust", "x"), "--trust is for --pr"),
        (("sign", "--pr", "0"), "'--pr'"),
    ],
)
def test_what_does_not_go_together_is_refused(clone: Forged, arguments, why):
    said = clone.run(*arguments, who="ada")
    assert (said.code, said.out) == (2, "")
    assert why in said.err
