"""`approve 12` and `reject 12`: what merging a pull request asks, shown, signed and put on the forge as a comment."""

import io
from dataclasses import replace

import pytest
from cli_pulls import ASKING, FILE, NEWER, Forged, forged
from cli_world import ENVIRONMENT, REPOSITORY

from reconciler.loop.approving import approve_statement
from reconciler.model.ids import ReleaseKey
from reconciler.trust.blocks import blocks_in
from reconciler.trust.sshsig import Check, check, read_signatures

OTHER = "releases/prod/churn.yaml"
SECOND = NEWER.replace("metadata: {name: fraud}", "metadata: {name: churn}")
REF = "refs/reconciler/approvals/prod/fraud/cy"


@pytest.fixture
def clone(world, reconciler, monkeypatch):
    with forged(world, reconciler, monkeypatch) as made:
        yield made


def refused(said, code, *words):
    assert said.code == code, said
    for word in words:
        assert word in said.err
    assert said.out == "" or "you sign" in said.out


def test_what_a_merge_asks_is_shown_signed_and_posted_as_one_comment(clone: Forged):
    number = clone.pull("newer", {FILE: NEWER})
    before = clone.git("status", "--porcelain"), clone.git("rev-parse", "HEAD")
    said = clone.run("approve", number, who="cy")
    assert said.code == 0, said
    shown = said.out.splitlines()
    assert shown[0].startswith(f"#{number} Try newer (bo, head ")
    assert "prod/fraud: 1.4.0 → 1.5.0" in shown
    assert "  signed by ada" in shown
    assert "  asked     0 of 1 approval by risk (cy and dee could give it)" in shown
    assert "    reconciler-approval-v1" in shown
    assert "    action: approve" in shown
    assert shown[-1].startswith(f"approved prod/fraud as cy: {clone.local.address}")
    ((author, body),) = clone.comments(number)
    assert author == "cy"
    digest = next(line.split()[-1] for line in shown if line.startswith("  what "))
    key = ReleaseKey(repository=REPOSITORY, environment="prod", name="fraud")
    (block,) = blocks_in(body).found
    (signature,) = read_signatures(block)
    statement = approve_statement(key, digest)
    assert check(signature, message=statement.text(), namespace=statement.namespace) is Check.VALID
    assert (clone.git("status", "--porcelain"), clone.git("rev-parse", "HEAD")) == before


def test_what_was_approved_is_not_asked_again(clone: Forged):
    number = clone.pull("newer", {FILE: NEWER})
    assert clone.run("approve", number, who="cy").code == 0
    again = clone.run("approve", f"#{number}", who="cy")
    refused(again, 1, f"cy approved {FILE} already, in comment by cy on #{number}")
    refused(clone.run("approve", number, who="dee"), 1, f"{FILE} has the approvals that it needs: 1 of 1 approval")
    assert len(clone.comments(number)) == 1


def test_a_no_is_a_comment_with_its_reason_and_wins(clone: Forged):
    number = clone.pull("newer", {FILE: NEWER})
    said = clone.run("reject", number, "--reason", "the `holdout` is\ntoo old", who="dee")
    assert said.code == 0, said
    ((author, body),) = clone.comments(number)
    assert (author, body.splitlines()[0]) == ("dee", "Because: `the 'holdout' is?too old`")
    refused(clone.run("reject", number, who="dee"), 1, f"dee rejected {FILE} already")
    refused(clone.run("approve", number, who="dee"), 1, "which wins: take it back first, in comment by dee")


@pytest.mark.parametrize(
    ("who", "why"),
    [("ada", "ada may not approve in prod"), ("sam", "sam may not approve in prod")],
)
def test_who_may_not_is_told_so_before_anything_is_signed(clone: Forged, who, why):
    number = clone.pull("newer", {FILE: NEWER})
    refused(clone.run("approve", number, who=who), 1, why)
    assert clone.comments(number) == []


def test_a_strangers_key_has_no_vote(clone: Forged):
    number = clone.pull("newer", {FILE: NEWER})
    said = clone.run("approve", number, "--key", clone.world.key("stranger"))
    refused(said, 1, "belongs to nobody in the trust file, so nothing that it signs counts")


def test_an_author_is_no_approver_of_their_own(clone: Forged):
    trust = clone.world.trust(ada="platform", cy="risk, science", dee="risk")
    clone.world.checkout.set_config("reconciler.trust", str(trust))
    clone.change("mine", {FILE: NEWER}, sign=False)
    clone.git("checkout", "-q", "mine")
    clone.sign(FILE, who="cy")
    clone.git("commit", "-qam", "sign")
    clone.git("push", "-q", "origin", "mine")
    clone.git("checkout", "-q", "main")
    with clone.as_("bo") as bo:
        number = bo.open_pull("mine", "Mine")
    refused(clone.run("approve", number, who="cy"), 1, f"cy signed {FILE} and is not one of its approvers")
    assert clone.run("approve", number, who="dee").code == 0


def test_several_are_signed_only_when_named_or_with_yes(clone: Forged):
    number = clone.pull("two", {FILE: NEWER, OTHER: SECOND})
    refused(clone.run("approve", number, who="cy"), 2, "would be signed: prod/churn, prod/fraud", "--yes")
    assert clone.comments(number) == []
    assert clone.run("approve", number, "--release", "prod/churn", who="cy").code == 0
    said = clone.run("approve", number, "--yes", who="cy")
    assert said.code == 0
    assert f"left out: cy approved {OTHER} already" in said.err
    assert [len(blocks_in(body).found) for _, body in clone.comments(number)] == [1, 1]
    said = clone.run("approve", number, "--release", "prod/iris", who="dee")
    refused(said, 1, "asks nothing about prod/iris", "prod/churn")


def test_both_go_into_one_comment_with_yes(clone: Forged):
    number = clone.pull("two", {FILE: NEWER, OTHER: SECOND})
    assert clone.run("approve", number, "--yes", who="cy").code == 0
    assert [len(blocks_in(body).found) for _, body in clone.comments(number)] == [2]


def test_a_removal_is_asked_about_as_well(clone: Forged):
    clone.fetch()
    clone.git("checkout", "-q", "-B", "end", "origin/main")
    trust = clone.world.trust(ada="platform", cy="risk", lee="lead")
    clone.world.checkout.set_config("reconciler.trust", str(trust))
    assert clone.run("remove", "prod/fraud", "--worktree", who="lee").code == 0
    clone.git("add", "-A")
    clone.git("commit", "-qm", "end it")
    clone.git("push", "-q", "origin", "end")
    clone.git("checkout", "-q", "main")
    with clone.as_("bo") as bo:
        number = bo.open_pull("end", "End it")
    said = clone.run("approve", number, who="cy")
    assert said.code == 0, said
    assert "prod/fraud: 1.4.0 → nothing" in said.out
    assert "the removal removals/prod/fraud.sig" in said.out
    assert "signed by lee" in said.out
    assert len(clone.comments(number)) == 1


def test_pushed_it_goes_to_the_persons_ref_and_counts_there(clone: Forged):
    number = clone.pull("newer", {FILE: NEWER})
    said = clone.run("approve", number, "--push", who="cy")
    assert f"pushed to {REF}" in said.out
    assert clone.comments(number) == []
    refused(clone.run("approve", number, who="cy"), 1, f"cy approved {FILE} already, in {REF}")


def test_printed_there_is_nothing_but_the_block(clone: Forged):
    number = clone.pull("newer", {FILE: NEWER})
    said = clone.run("approve", number, "--print", who="cy")
    assert said.out.startswith("-----BEGIN SSH SIGNATURE-----\n")
    assert said.out.endswith("-----END SSH SIGNATURE-----\n")
    assert "you sign, to approve it:" in said.err
    assert clone.comments(number) == []
    with clone.as_("sam") as sam:
        sam.comment(number, f"for cy:\n{said.out}")
    refused(clone.run("approve", number, who="cy"), 1, "cy approved", "in comment by sam")


def test_after_the_merge_what_the_trunk_still_asks_can_be_approved(clone: Forged):
    for way in ("merge", "squash", "rebase"):
        number = clone.pull(way, {FILE: NEWER.replace("1.5.0", f"1.5.0-{way}")})
        clone.merge(number, way)
        said = clone.run("approve", number, who="cy")
        assert said.code == 0, said
        assert "merged already)" in said.out
        assert f"→ 1.5.0-{way}" in said.out
        assert len(clone.comments(number)) == 1


def test_the_trunk_that_moved_on_decides_what_is_asked(clone: Forged):
    """The merge result has the new environment of the trunk, so its closure is another one than the branch's."""
    number = clone.pull("newer", {FILE: NEWER})
    before = clone.run("approve", number, "--print", who="cy").err
    clone.git("checkout", "-q", "main")
    clone.world.write("environments/prod.yaml", ASKING + "  # moved\n")
    clone.sign("environments/prod.yaml")
    clone.publish()
    after = clone.run("approve", number, "--print", who="cy").err
    digests = [next(line for line in text.splitlines() if "closure-sha256" in line) for text in (before, after)]
    assert digests[0] != digests[1]


def test_an_unsigned_change_of_who_governs_asks_by_what_is_in_force(clone: Forged):
    """A pull request cannot take the approvals out by an environment that nobody signed."""
    number = clone.pull("sly", {FILE: NEWER})
    clone.git("checkout", "-q", "sly")
    clone.world.write("environments/prod.yaml", ENVIRONMENT)
    clone.git("commit", "-qam", "no approvals")
    clone.git("push", "-q", "origin", "sly")
    clone.git("checkout", "-q", "main")
    said = clone.run("approve", number, who="cy")
    assert said.code == 0, said
    assert "0 of 1 approval by risk" in said.out


def test_a_conflict_is_told_with_its_paths(clone: Forged):
    number = clone.pull("one", {FILE: NEWER})
    clone.merge(clone.pull("two", {FILE: NEWER.replace("1.5.0", "1.6.0")}))
    refused(clone.run("approve", number, who="cy"), 1, f"#{number} conflicts with main in {FILE}")


def test_a_closed_one_and_one_that_is_not_there_are_told(clone: Forged):
    number = clone.pull("newer", {FILE: NEWER})
    with clone.as_("bo") as bo:
        bo.close_pull(number)
    refused(clone.run("approve", number, who="cy"), 1, f"#{number} was closed without a merge")
    refused(clone.run("approve", 99, who="cy"), 1, "there is no pull request #99")


def test_one_that_asks_nobody_is_told_and_why(clone: Forged):
    number = clone.pull("readme", {"README.md": "hello\n"}, sign=False)
    refused(clone.run("approve", number, who="cy"), 1, f"#{number} asks nobody for an approval")
    number = clone.pull("broken", {FILE: NEWER.replace("version: 1.5.0", "version: [1]")}, sign=False)
    refused(clone.run("approve", number, who="cy"), 1, f"{FILE}:8:14")


def test_one_to_another_branch_is_told_and_how_to_go_on(clone: Forged):
    clone.git("push", "-q", "origin", "main:refs/heads/stable")
    number = clone.pull("newer", {FILE: NEWER}, base="stable")
    refused(clone.run("approve", number, who="cy"), 1, f"#{number} is to stable, and not to main", "--branch stable")
    assert clone.run("approve", number, "--branch", "stable", who="cy").code == 0


def test_a_head_that_moves_while_somebody_signs_gets_no_comment(clone: Forged, monkeypatch):
    from reconciler.edges import keys

    number, sign = clone.pull("newer", {FILE: NEWER}), keys.sign

    def slowly(*arguments):
        monkeypatch.setattr(keys, "sign", sign)
        clone.change("newer", {FILE: NEWER.replace("1.5.0", "1.6.0")})
        clone.set_token("t-cy")
        return sign(*arguments)

    monkeypatch.setattr(keys, "sign", slowly)
    refused(clone.run("approve", number, who="cy"), 1, f"#{number} moved meanwhile", "nothing was said")
    assert clone.comments(number) == []


def test_what_lacks_is_told_before_anything_is_fetched(clone: Forged, monkeypatch):
    number = clone.pull("newer", {FILE: NEWER})
    monkeypatch.delenv("RECONCILER_FORGE_TOKEN")
    said = clone.call("approve", number, "--key", clone.world.key("cy"), at=clone.world.root)
    refused(said, 2, "there is no token for github", "reconciler.forgeTokenFile")
    clone.world.checkout.set_config("reconciler.forge", "none")
    refused(clone.run("approve", number, who="cy"), 2, "does not say on which forge", "git config reconciler.forge")


def test_a_forge_that_does_not_answer_is_told(clone: Forged):
    number = clone.pull("newer", {FILE: NEWER})
    clone.local.close()
    said = clone.run("approve", number, who="cy")
    assert (said.code, said.out) == (3, "")


def test_options_of_a_pull_request_are_refused_with_a_file(clone: Forged):
    refused(clone.run("approve", FILE, "--print", who="cy"), 2, "--print is for a pull request")
    refused(clone.run("reject", FILE, "--reason", "x", who="cy"), 2, "--reason is for a pull request")
    refused(clone.run("approve", 7, "--push", "--print", who="cy"), 2, "give --push or --print, not both")


def test_an_origin_without_a_ledger_is_told(clone: Forged):
    number = clone.pull("newer", {FILE: NEWER})
    assert "origin has no ledger" in clone.run("approve", number, who="cy").err


def test_a_no_is_over_the_statement_that_says_no(clone: Forged):
    number = clone.pull("newer", {FILE: NEWER})
    said = clone.run("reject", number, "--print", who="cy")
    (signature,) = read_signatures(said.out.encode())
    key = ReleaseKey(repository=REPOSITORY, environment="prod", name="fraud")
    digest = next(line.split()[-1] for line in said.err.splitlines() if line.startswith("  what "))
    statement = replace(approve_statement(key, digest), action="reject")
    assert check(signature, message=statement.text(), namespace=statement.namespace) is Check.VALID


@pytest.mark.parametrize(("answer", "code", "comments"), [("y\n", 0, 1), ("n\n", 1, 0)])
def test_on_a_terminal_several_are_signed_after_a_yes(clone: Forged, monkeypatch, answer, code, comments):
    number = clone.pull("two", {FILE: NEWER, OTHER: SECOND})
    terminal = io.StringIO(answer)
    terminal.isatty = lambda: True
    monkeypatch.setattr("sys.stdin", terminal)
    said = clone.run("approve", number, who="cy")
    assert (said.code, len(clone.comments(number))) == (code, comments), said
    assert "approve all 2?" in said.err


def test_more_than_a_comment_holds_is_refused_before_anything_is_signed(clone: Forged):
    many = {f"releases/prod/r{n}.yaml": NEWER.replace("metadata: {name: fraud}", f"metadata: {{name: r{n}}}")
            for n in range(21)}  # fmt: skip
    number = clone.pull("many", many, sign=False)
    refused(clone.run("approve", number, "--yes", who="cy"), 2, "21 signatures are asked for, and a comment holds 20")
    assert clone.comments(number) == []


def test_a_comment_that_would_not_count_is_not_posted(clone: Forged, monkeypatch):
    number = clone.pull("newer", {FILE: NEWER})
    monkeypatch.setattr("reconciler.cli.pull_votes._comment", lambda *_: "approved, trust me")
    refused(clone.run("approve", number, who="cy"), 1, "nothing was posted: ")
    assert clone.comments(number) == []


def test_a_plan_is_of_one_thing(clone: Forged):
    refused(clone.run("plan", "--pr", 7, "--revision", "main"), 2, "give one of --revision, --worktree and --pr")
