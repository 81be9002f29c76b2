"""`promote`: what is copied, what is pushed, the pull request, and a sentence for every mistake."""

import subprocess

import pytest
from cli_world import ENVIRONMENT, RELEASE
from proposing_world import NEW, NEWER, PROD, STAGING, clone_of

from reconciler.cli.verify import judge_document
from reconciler.edges.git.checkout import history

ARGUMENTS = ("promote", "fraud", "--from", "staging", "--to", "prod")


@pytest.fixture
def clone(world, monkeypatch):
    return clone_of(world, monkeypatch)


@pytest.fixture
def promote(clone, reconciler):
    """promote(…options): from staging to prod as ada."""

    def call(*options, who="ada", arguments=ARGUMENTS):
        key = ("--key", clone.world.key(who)) if who else ()
        return reconciler(*arguments, *key, *options, at=clone.world.root)

    return call


def test_a_signed_commit_on_a_branch_and_its_pull_request(clone, promote):
    before = (clone.world.checkout.head(), clone.world.checkout.changed(), clone.git("status", "--porcelain=v2"))
    said = promote()
    assert (said.code, said.err) == (0, "")
    (branch,) = clone.branches()
    assert branch.startswith("reconciler/promote/prod/fraud/")
    assert said.out == "Promote fraud 1.5.0 from staging to prod: #7 https://forge.example/pulls/7\n"
    assert clone.changed(branch) == [f"M\t{PROD}", f"A\t{PROD}.sig"]
    files = clone.read(branch)
    assert files[PROD].decode() == RELEASE.replace("1.4.0", "1.5.0").replace("a" * 64, NEW)
    with history(clone.origin) as opened:
        commit = opened.commit(opened.resolve(branch))
    assert commit.parents == (clone.world.checkout.tracked("main"),)
    assert (commit.author.name, commit.author.email) == ("Ada L", "ada@example.com")
    assert commit.subject == "Promote fraud 1.5.0 from staging to prod"
    after = (clone.world.checkout.head(), clone.world.checkout.changed(), clone.git("status", "--porcelain=v2"))
    assert after == before
    assert clone.git("branch", "--list") == "* main"


def test_the_signature_counts(clone, promote):
    from datetime import UTC, datetime
    from pathlib import Path

    from reconciler.cli.trust import trusted

    promote()
    files = clone.read(clone.branches()[0])
    trust = trusted(Path(clone.world.folder / "trust.yaml"))
    judged = judge_document(PROD, files[PROD], files[f"{PROD}.sig"], trust, datetime.now(UTC))
    assert (judged.verified, judged.people) == (True, ("ada",))


def test_the_pull_request_says_what_changes_and_whom_to_ask(clone, promote):
    promote()
    body = clone.forge.bodies[7]
    assert body.startswith("fraud: staging → prod\n")
    assert "- model version `1.4.0` → `1.5.0`" in body
    assert f"- model digest `sha256:{'a' * 64}` → `sha256:{NEW}`" in body
    assert "- needs 2 approvals of risk: `cy`" in body
    assert f"reconciler approve {PROD}" in body
    assert clone.forge.pulls_[0].base_branch == "main"
    assert clone.forge.closed == 1


def test_what_lies_in_the_work_tree_does_not_matter(clone, promote):
    clone.world.write(STAGING, "broken: [")
    clone.world.write(PROD, NEWER)
    clone.git("add", "-A")
    assert promote().code == 0
    assert clone.read(clone.branches()[0])[PROD].decode() == RELEASE.replace("1.4.0", "1.5.0").replace("a" * 64, NEW)
    assert (clone.world.root / STAGING).read_text() == "broken: ["


def test_nothing_to_promote_is_said_and_nothing_is_pushed(clone, promote):
    clone.world.write(PROD, RELEASE.replace("1.4.0", '"1.5.0"').replace("a" * 64, NEW))
    clone.publish()
    said = promote(who="")
    assert (said.code, said.err) == (0, "")
    assert said.out == "prod/fraud says what staging/fraud says already: there is nothing to promote\n"
    assert clone.branches() == []


def test_the_same_promotion_again_is_the_same_branch_and_pull_request(clone, promote):
    promote()
    branch = clone.branches()
    first = clone.git("rev-parse", branch[0], at=clone.origin)
    assert promote().out.endswith("#7 https://forge.example/pulls/7\n")
    assert clone.branches() == branch
    assert clone.git("rev-parse", branch[0], at=clone.origin) == first
    clone.world.write("README.md", "the base moves")
    clone.publish()
    assert promote().code == 0
    assert clone.branches() == branch
    assert clone.git("rev-parse", f"{branch[0]}^", at=clone.origin) == clone.world.checkout.head()


def test_a_newer_promotion_closes_the_older_one_with_a_word(clone, promote):
    promote()
    clone.forge.open_pull(head="reconciler/promote/prod/other/0123456789", base="main", title="other", body="")
    clone.forge.open_pull(head="reconciler/rollback/prod/fraud/0123456789", base="main", title="back", body="")
    clone.forge.open_pull(head="mine/fraud", base="main", title="by hand", body="")
    clone.world.write(STAGING, NEWER.replace("1.5.0", "1.6.0"))
    clone.publish()
    said = promote()
    assert said.out.splitlines()[1:] == ["closed #7, which it supersedes", "closed #9, which it supersedes"]
    assert clone.forge.comments_ == {7: ["Superseded by #11."], 9: ["Superseded by #11."]}
    assert [pull.number for pull in clone.forge.pulls()] == [8, 10, 11]


def test_an_older_one_that_cannot_be_closed_is_told(clone, promote):
    promote()
    clone.world.write(STAGING, NEWER.replace("1.5.0", "1.6.0"))
    clone.publish()
    clone.forge.deny = ("comment",)
    said = promote()
    assert said.code == 0
    assert said.err == "#7 is superseded and could not be closed: the forge says no\n"


def test_a_forge_that_says_no_leaves_the_branch_and_the_command_goes_on_from_there(clone, promote):
    clone.forge.deny = ("open_pull",)
    said = promote()
    assert (said.code, said.out) == (1, "")
    assert said.err.endswith("is pushed; the same command again goes on from there\nthe forge says no\n")
    clone.forge.deny = ()
    assert promote().code == 0
    assert len(clone.branches()) == 1


def test_a_dry_run_shows_the_change_and_does_nothing(clone, promote):
    said = promote("--dry-run", who="")
    assert (said.code, said.err) == (0, "")
    assert f"--- a/{PROD}\n+++ b/{PROD}\n" in said.out
    assert "-    version: 1.4.0\n" in said.out
    assert "+    version: 1.5.0\n" in said.out
    assert f"# {PROD}.sig would be written" in said.out
    assert "nothing was pushed; it would be reconciler/promote/prod/fraud/" in said.out
    assert (clone.branches(), clone.forge.pulls_) == ([], [])


@pytest.mark.parametrize(
    ("forge", "options", "words"),
    [
        ("none", (), "open a pull request from reconciler/promote/prod/fraud/"),
        ("github", ("--no-pr",), "open a pull request from reconciler/promote/prod/fraud/"),
    ],
)
def test_without_a_forge_the_branch_is_pushed_and_one_line_says_how_to_go_on(clone, promote, forge, options, words):
    clone.world.checkout.set_config("reconciler.forge", forge)
    said = promote(*options)
    assert (said.code, said.err) == (0, "")
    assert words in said.out
    assert len(said.out.splitlines()) == 1
    assert (len(clone.branches()), clone.forge.pulls_) == (1, [])


DEFAULTS = """\
  defaults:
    serving: {resources: {cpu: "4", memory: 8Gi}, replicas: {min: 3, max: 3}, port: 8080}
    targets: {namespace: fraud, clusters: {matchLabels: {tier: prod}}}
"""


def test_a_first_one_is_made_of_the_source_and_left_to_the_defaults(clone, promote):
    for path in (PROD, "environments/prod.yaml"):
        (clone.world.root / path).unlink()
    clone.world.write("environments/prod.yaml", ENVIRONMENT + DEFAULTS)
    clone.publish()
    said = promote()
    assert said.code == 0
    left = "serving.port, serving.resources, serving.replicas, targets"
    assert said.err == f"a first one of prod: {left} of staging stay behind\n"
    text = clone.read(clone.branches()[0])[PROD].decode()
    assert 'environment: "prod"' in text
    assert "version: 1.5.0" in text
    assert "replicas" not in text


def test_a_first_one_without_defaults_fails_with_the_missing_fields(clone, promote):
    (clone.world.root / PROD).unlink()
    clone.publish()
    said = promote()
    assert said.code == 1
    assert f"{PROD}:12:3: spec.serving.resources: this field is missing" in said.err
    assert "or under 'spec.defaults.serving' in environments/prod.yaml" in said.err
    assert f"{PROD}:4:1: spec.targets: this field is missing" in said.err
    assert said.err.splitlines()[-1].startswith("a first one takes what is not copied from spec.defaults")
    assert clone.branches() == []


def test_what_the_environments_defaults_make_another_value_is_told(clone, promote):
    clone.world.write("environments/staging.yaml", ENVIRONMENT.replace("name: prod", "name: staging")
                      + "  defaults: {serving: {startup: {budget: 9m}}}\n")  # fmt: skip
    clone.publish()
    assert "serving.startup is another one in prod, by the environments' defaults\n" in promote().err


def test_another_branch_and_a_watched_folder(clone, promote, world):
    top = world.root / "deep"
    top.mkdir()
    for folder in ("releases", "environments", "clusters", "policies"):
        (world.root / folder).rename(top / folder)
    world.checkout.set_config("reconciler.path", "deep")
    clone.publish()
    clone.git("branch", "next")
    clone.git("push", "-q", "origin", "next")
    clone.fetch()
    assert promote("--branch", "next").code == 0
    (branch,) = clone.branches()
    assert clone.changed(branch) == [f"M\tdeep/{PROD}", f"A\tdeep/{PROD}.sig"]
    assert clone.forge.pulls_[0].base_branch == "next"


def test_a_person_who_signs_commits_signs_this_one(clone, promote, world):
    with (world.folder / ".gitconfig").open("a") as file:
        file.write(f"[commit]\n\tgpgSign = true\n[gpg]\n\tformat = ssh\n[user]\n\tsigningkey = {world.key('ada')}\n")
    assert promote().code == 0
    with history(clone.origin) as opened:
        assert opened.commit(opened.resolve(clone.branches()[0])).signed
    allowed = world.folder / "allowed"
    allowed.write_text(f"ada@example.com {world.public('ada')}\n")
    clone.git("-c", f"gpg.ssh.allowedSignersFile={allowed}", "verify-commit", clone.branches()[0], at=clone.origin)


def behind(clone):
    other = clone.world.folder / "other"
    subprocess.run(["git", "clone", "-q", str(clone.origin), str(other)], check=True)
    (other / "README.md").write_text("x")
    clone.git("add", "-A", at=other)
    clone.git("commit", "-q", "-m", "x", at=other)
    clone.git("push", "-q", "origin", "main", at=other)


def config(key, value):
    return lambda clone: clone.world.checkout.set_config(key, value)


def without_origin(clone):
    clone.git("remote", "remove", "origin")


def without_identity(clone):
    (clone.world.folder / ".gitconfig").unlink()


def invalid(clone):
    clone.world.write(STAGING, NEWER.replace("servers/onnx@sha256:" + "b" * 64, "servers/onnx:latest"))
    clone.publish()


def twice(clone):
    clone.world.write("releases/prod/again.yaml", RELEASE)
    clone.publish()


FROM, TO = ("--from", "staging"), ("--to", "prod")
MISTAKES = {
    "there is no such release": (
        None,
        ("promote", "frodo", *FROM, *TO),
        "ada",
        1,
        ("there is no release staging/frodo on main", "staging/fraud"),
    ),
    "it is not in that environment": (
        None,
        ("promote", "fraud", "--from", "dev", *TO),
        "ada",
        1,
        ("no release dev/fraud", "there is prod/fraud, staging/fraud"),
    ),
    "there is no such environment": (
        None,
        ("promote", "fraud", *FROM, "--to", "prd"),
        "ada",
        1,
        ("there is no environment prd", "there is prod, staging"),
    ),
    "both are the same": (None, ("promote", "fraud", *FROM, "--to", "staging"), "ada", 2, ("name two environments",)),
    "a name with its environment": (
        None,
        ("promote", "prod/fraud", *FROM, *TO),
        "ada",
        2,
        ("is not a release's bare name",),
    ),
    "there is no key": (None, ARGUMENTS, "", 2, ("there is no key to sign with",)),
    "the key counts for nothing": (
        None,
        ARGUMENTS,
        "cy",
        1,
        ("it would not count: ", "whose role risk may not release in prod"),
    ),
    "the clone has no name": (
        config("reconciler.repository", ""),
        ARGUMENTS,
        "ada",
        2,
        ("the repository has no name yet",),
    ),
    "git does not know who it is": (without_identity, ARGUMENTS, "ada", 2, ("git does not know who you are",)),
    "the clone is behind": (
        behind,
        ARGUMENTS,
        "ada",
        1,
        ("the clone is behind: main of origin is", "git fetch origin main"),
    ),
    "origin has no such branch": (
        None,
        (*ARGUMENTS, "--branch", "nxt"),
        "ada",
        1,
        ("the clone knows no branch nxt of origin",),
    ),
    "origin is gone": (
        config("remote.origin.url", "/nowhere/at/all.git"),
        ARGUMENTS,
        "ada",
        3,
        ("could not be reached",),
    ),
    "there is no origin": (without_origin, ARGUMENTS, "ada", 2, ("the clone has no origin", "git remote add origin")),
    "origin's address is odd": (
        config("remote.origin.url", "ext::sh -c x"),
        ARGUMENTS,
        "ada",
        2,
        ("is not one that we talk to",),
    ),
    "the forge is unknown": (
        config("reconciler.forge", "sourcehut"),
        ARGUMENTS,
        "ada",
        2,
        ("is 'sourcehut'", "github, gitlab, gitea"),
    ),
    "what comes out is not valid": (
        invalid,
        ARGUMENTS,
        "ada",
        1,
        (f"{PROD}:14:12: spec.serving.image: ", "is named by a tag"),
    ),
    "the release stands twice": (
        twice,
        ARGUMENTS,
        "ada",
        1,
        ("prod/fraud stands in releases/prod/again.yaml and", "keep one"),
    ),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_sentence_when(case, clone, reconciler):
    prepare, arguments, who, code, words = MISTAKES[case]
    if prepare:
        prepare(clone)
    key = ("--key", clone.world.key(who)) if who else ()
    said = reconciler(*arguments, *key, at=clone.world.root)
    assert said.code == code, said
    assert said.out == ""
    for word in words:
        assert word in said.err
    assert (clone.branches(), clone.forge.pulls_) == ([], [])


def test_a_clone_that_is_behind_may_still_look(clone, promote):
    behind(clone)
    said = promote("--dry-run")
    assert said.code == 0
    assert said.err.startswith("the clone is behind: ")
    assert "+    version: 1.5.0" in said.out


def test_whom_nobody_trusts_yet_is_told_that_it_was_not_looked_at(clone, promote):
    clone.git("config", "--unset", "reconciler.trust")
    said = promote()
    assert said.code == 0
    assert said.err.startswith("whether this signature counts was not looked at: give --trust FILE")


def test_it_comes_after_another_one(clone, promote, world):
    world.write("environments/dev.yaml", ENVIRONMENT.replace("name: prod", "name: dev"))
    world.write("releases/dev/fraud.yaml", NEWER.replace("staging", "dev"))
    clone.publish()
    said = promote(arguments=("promote", "fraud", "--from", "dev", "--to", "prod"))
    assert said.err == "prod comes after staging, and not after dev\n"
    assert "- prod comes after staging, and not after dev" in clone.forge.bodies[7]
