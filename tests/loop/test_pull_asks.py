"""What a pull request asks, told from files and the ledger: what the daemon asks, and whose turn it is."""

from datetime import timedelta

import pytest
from loop_acme import ENVIRONMENT_PROD, FRAUD, LIMIT, NOW, PROD, REPOSITORY, TRUST
from loop_passes import Release
from loop_votes import asks, block, pushed

from reconciler.loop.pull_asks import Tree, keys_asked, questions, status_known, step_between, unasked, why_no_vote
from reconciler.model.record import ApprovalFact, Record
from reconciler.model.vote import GivenVotes

ONE = "approvals: {rules: [{role: risk, count: 1}]}"
BOTH = "approvals: {rules: [{role: risk, count: 1}, {count: 2}]}"


def asking(rules: str = ONE) -> Release:
    """fraud-detector 1.3.0 is promoted, prod asks by these rules, bo signs what changes."""
    release = Release()
    release.settle()
    release.repo.edit(ENVIRONMENT_PROD, "  modelSources: [oci]", f"  modelSources: [oci]\n  {rules}")
    release.turn()
    return release


def tree(release: Release) -> Tree:
    return Tree(revision="1" * 40, blobs=dict(release.repo.files))


def promoted(release: Release, *votes: ApprovalFact) -> list[Record]:
    """The ledger's records of what was promoted, the newest first."""
    return [
        Record(
            time=row.at, kind="Promoted", repository=REPOSITORY, revision=row.revision, environment="prod",
            name="fraud-detector", version=row.version, message="promoted", approvals=votes,
            detail={"promotion": row.to_data(), "effective": release.status.effective[row.version]},
        )
        for row in release.status.history
    ]  # fmt: skip


def asked(release: Release, before: Tree, records=(), given=None, now=NOW):
    """The questions of a step from a tree to what the repository has now."""
    step = step_between(
        REPOSITORY, before, tree(release), read=release.repo.read, recall=release.repo.recall, mounted=TRUST,
        accepted={}, limit=LIMIT, now=now,
    )  # fmt: skip
    keys = keys_asked(step, step.changes, records)
    statuses = {key: status_known(key, step.before, records, now) for key in keys}
    return questions(
        keys, trunk=step.before, after=step.after, statuses=statuses, changes=step.changes, given=given or {}, now=now
    )


def newer(release: Release) -> Tree:
    """Change it to 1.4.0; the tree before."""
    before = tree(release)
    release.repo.edit(PROD, "version: 1.3.0", "version: 1.4.0")
    return before


def test_a_promotion_asks_what_the_daemon_asks():
    release = asking()
    (found,) = asked(release, newer(release), promoted(release))
    release.turn()
    (daemon,) = asks(release)
    assert (found.asked.matter, found.asked.authors, found.asked.rules) == (daemon.matter, daemon.authors, daemon.rules)
    assert (found.before, found.after, found.key) == ("1.3.0", "1.4.0", FRAUD)


def test_what_the_ledger_knows_as_promoted_asks_nobody():
    release = asking()
    records = promoted(release)
    before = newer(release)
    release.repo.edit(PROD, "version: 1.4.0", "version: 1.3.0")
    release.repo.write("README.yaml", b"a: 1\n")
    assert asked(release, before, records) == []


def test_a_return_to_what_was_good_asks_nobody_as_the_ledger_tells():
    release = asking()
    first = tree(release)
    records = promoted(release)
    newer(release)
    before = tree(release)
    release.repo.files = dict(first.blobs)
    assert asked(release, before, records) == []
    assert len(asked(release, before)) == 1, "without a ledger nobody knows that it was good"


def test_who_governs_asks_anew_about_what_the_ledger_knows_and_nothing_else():
    release = asking()
    newer(release)
    release.turn()
    before = tree(release)  # 1.4.0 waits on the trunk
    release.repo.edit(ENVIRONMENT_PROD, "count: 1", "count: 2")
    (found,) = asked(release, before, promoted(release))
    assert (found.before, found.after) == ("", ""), "its own file stays"
    assert asked(release, before) == []


def test_an_unsigned_change_of_who_governs_changes_nothing_of_what_is_asked():
    release = asking()
    before = newer(release)
    release.repo.edit(ENVIRONMENT_PROD, f"  {ONE}\n", "", by="")
    (found,) = asked(release, before)
    assert found.asked.rules.rules[0].role == "risk"


def test_a_signed_removal_is_asked_about():
    release = asking()
    before = tree(release)
    manifest = release.status.stable.manifest
    release.repo.remove(PROD)
    path = release.repo.end(FRAUD, manifest, "bo")
    (found,) = asked(release, before, promoted(release))
    release.turn()
    assert [row.matter for row in asks(release)] == [found.asked.matter]
    assert (found.asked.matter.what, found.after) == (f"the removal {path}", "")


def test_the_removal_of_one_cluster_is_asked_about():
    release = asking()
    before = tree(release)
    release.repo.end(FRAUD, release.status.stable.manifest, "bo", cluster="us-1")
    release.repo.edit(PROD, "matchLabels: {tier: prod}", "matchLabels: {region: eu}")
    found = asked(release, before, promoted(release))
    assert "removal" in {row.asked.matter.on for row in found}


def test_nobody_is_asked_about_what_does_not_resolve_and_it_says_why():
    release = asking()
    before = tree(release)
    release.repo.edit(PROD, "version: 1.3.0", "version: [1]", by="")
    assert asked(release, before) == []
    step = step_between(
        REPOSITORY, before, tree(release), read=release.repo.read, recall=release.repo.recall, mounted=TRUST,
        accepted={}, limit=LIMIT, now=NOW,
    )  # fmt: skip
    (why,) = unasked(step.changes, step.after, NOW)
    assert why.startswith(f"{PROD}: {PROD}:")
    release.repo.remove(PROD)
    assert list(unasked([FRAUD], Release(repo=release.repo).world.publish(), NOW)) == [], "a removal has no text"


@pytest.mark.parametrize(
    ("votes", "person", "action", "why"),
    [
        ([], "cy", "approve", ""),
        ([], "cy", "reject", ""),
        ([], "ada", "approve", "ada may not approve in prod"),
        ([], "zed", "approve", "zed may not approve in prod"),
        ([], "bo", "approve", "bo signed {what} and is not one of its approvers"),
        ([], "bo", "reject", ""),
        ([], "dee", "approve", "what {what} misses is not dee's to give"),
        ([("cy", "approve")], "cy", "approve", "cy approved {what} already, in refs/reconciler/approvals"),
        ([("cy", "approve")], "cy", "reject", ""),
        ([("cy", "approve")], "dee", "approve", "{what} has the approvals that it needs"),
        ([("cy", "reject")], "cy", "approve", "cy rejected {what}, which wins: take it back first, in refs/"),
        ([("cy", "reject")], "cy", "reject", "cy rejected {what} already"),
        ([("dee", "reject")], "cy", "approve", ""),
    ],
)
def test_whose_turn_it_is(votes, person, action, why):
    release = asking()
    before = newer(release)
    digest = asked(release, before)[0].asked.matter.digest
    given = [pushed(block(digest, name, action=said), name) for name, said in votes]
    (found,) = asked(release, before, given={FRAUD: GivenVotes(signed=tuple(given))})
    told = why_no_vote(found, person, TRUST, action)
    assert told.startswith(why.format(what=PROD))
    assert bool(told) == bool(why)


def test_of_several_rules_the_one_that_misses_somebody_decides():
    release = asking(BOTH)
    before = newer(release)
    digest = asked(release, before)[0].asked.matter.digest
    (found,) = asked(release, before, given={FRAUD: GivenVotes(signed=(pushed(block(digest, "cy")),))})
    assert why_no_vote(found, "dee", TRUST, "approve") == ""


def test_a_vote_that_the_ledger_saw_long_ago_is_too_old_to_be_given_again():
    release = asking()
    before = newer(release)
    (found,) = asked(release, before)
    (said,) = asked(
        release, before, given={FRAUD: GivenVotes(signed=(pushed(block(found.asked.matter.digest, "cy")),))}
    )
    later = NOW + timedelta(days=400)
    records = promoted(release, *said.quorum.counted)
    votes = {FRAUD: GivenVotes(signed=(pushed(block(found.asked.matter.digest, "cy")),))}
    (old,) = asked(release, before, records, given=votes, now=later)
    assert "too old by now" in why_no_vote(old, "cy", TRUST, "approve")
