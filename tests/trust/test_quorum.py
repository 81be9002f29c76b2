"""Approvals: which votes lie in signature files, and whether they are enough. Truth tables over real signatures."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.model.environment import Approvals
from reconciler.model.record import ApprovalFact
from reconciler.trust.ballot import Ballot, ballot
from reconciler.trust.keys import load_private_key
from reconciler.trust.people import read_trust
from reconciler.trust.quorum import Outcome, quorum
from reconciler.trust.sshsig import sign
from reconciler.trust.statement import ApprovalStatement, ReleaseStatement

REPOSITORY = "github.com/acme/models"
NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
APPROVE = ApprovalStatement(
    repository=REPOSITORY, environment="prod", name="fraud", closure_sha256="9b" * 32, action="approve"
)
REJECT = replace(APPROVE, action="reject")
CLOSURE = f"sha256:{APPROVE.closure_sha256}"
ROLES = {"ada": ["science"], "bo": ["owner"], "cy": ["risk"], "dee": ["risk", "owner"], "eve": []}


@pytest.fixture(scope="session")
def people(key_pair):
    """Acme: risk and owner may approve in prod; cy has a second key and one that was revoked."""

    class People:
        def keys(self, name):
            rows = [{"key": key_pair(name).public.strip()}]
            if name == "cy":
                rows.append({"key": key_pair("cy-2").public.strip()})
                rows.append({"key": key_pair("cy-lost").public.strip(), "revokedAt": "2026-11-20T00:00:00Z"})
            return rows

        def __init__(self):
            data = {
                "apiVersion": "reconciler.dev/v1alpha1",
                "kind": "Trust",
                "spec": {
                    "repository": REPOSITORY,
                    "version": 1,
                    "threshold": {"role": "owner", "count": 1},
                    "daemon": [{"key": key_pair("daemon").public.strip()}],
                    "people": [
                        {"name": name, "roles": roles, "keys": self.keys(name)} for name, roles in ROLES.items()
                    ],
                    "allow": [
                        {"role": "science", "may": ["release"], "environments": ["*"]},
                        {"role": "risk", "may": ["approve"], "environments": ["prod"]},
                        {"role": "owner", "may": ["release", "approve"], "environments": ["prod"]},
                    ],
                },
            }
            self.trust = read_trust(data, path="trust.yaml")

        def sign(self, name, statement=APPROVE):
            key = load_private_key(key_pair(name).private)
            return sign(key, statement.text(), statement.namespace).encode()

        def ballot(self, *blocks, at=NOW):
            return ballot(APPROVE, [("a.sig", b"".join(blocks))], self.trust, first_seen=lambda _key, _use: at)

    return People()


# --- which votes there are


def test_a_signature_over_either_statement_is_a_vote_and_says_which(people):
    found = people.ballot(people.sign("cy"), people.sign("dee", REJECT))
    assert [(row.person, row.use, row.closure) for row in found.votes] == [
        ("cy", "approve", CLOSURE),
        ("dee", "reject", CLOSURE),
    ]
    assert (found.stale, found.refused) == ((), ())


OTHERS = {
    "another closure": replace(APPROVE, closure_sha256="9c" * 32),
    "another release": replace(APPROVE, name="chat"),
    "another environment": replace(APPROVE, environment="staging"),
    "another repository": replace(APPROVE, repository="github.com/acme/other"),
}


@pytest.mark.parametrize("what", OTHERS)
def test_an_approval_of_something_else_is_no_vote_and_is_told_as_stale(people, what):
    assert people.ballot(people.sign("cy", OTHERS[what])) == Ballot(stale=("cy",))


@pytest.mark.parametrize(
    ("who", "why"),
    [
        ("ada", "whose role science may not approve in prod"),
        ("eve", "who has no role and may not approve in prod"),
        ("cy-lost", "whose key was revoked at 2026-11-20T00:00:00Z"),
        ("nobody", "belongs to nobody in the trust file"),
        ("daemon", "counts for its records and can release nothing"),
    ],
)
def test_what_does_not_count_is_told_in_one_sentence(people, who, why):
    found = people.ballot(people.sign(who))
    assert (found.votes, found.stale) == ((), ())
    assert len(found.refused) == 1
    assert why in found.refused[0]


def test_a_release_signature_is_no_approval(people):
    release = ReleaseStatement(repository=REPOSITORY, environment="prod", name="fraud", manifest_sha256="9b" * 32)
    found = people.ballot(people.sign("dee", release))
    assert (found.votes, found.stale) == ((), ())
    assert "for another use: its namespace is reconciler-release-v1" in found.refused[0]


def test_what_cannot_be_read_is_told_with_its_file(people):
    found = people.ballot(b"no signature\n")
    assert found.votes == ()
    assert found.refused[0].startswith("a.sig: it cannot be read")


def test_the_same_vote_in_two_files_is_one(people):
    blocks = people.sign("cy")
    files = [("a.sig", blocks), ("b.sig", blocks)]
    assert len(ballot(APPROVE, files, people.trust, first_seen=lambda _key, _use: NOW).votes) == 1


def test_a_key_that_was_revoked_after_the_vote_was_seen_still_counts_for_it(people):
    found = people.ballot(people.sign("cy-lost"), at=datetime(2026, 11, 19, tzinfo=UTC))
    assert [row.person for row in found.votes] == ["cy"]


# --- whether they are enough

RISK, TWO = {"role": "risk", "count": 1}, {"count": 2}


def approvals(*rules, **more):
    return Approvals.from_data({"rules": list(rules), **more})


def votes(*names, use="approve", at=NOW):
    """Votes of these people; `cy:2` is cy's second key."""
    return tuple(
        ApprovalFact(closure=CLOSURE, person=name.partition(":")[0], key=f"SHA256:{name}", use=use, first_seen=at)
        for name in names
    )


TABLE = [
    ("one approval meets a rule of one", [RISK], votes("cy"), (), Outcome.MET),
    ("a rule for a role is not met by another role", [RISK], votes("bo"), (), Outcome.MISSING),
    ("all rules must hold", [RISK, TWO], votes("cy"), (), Outcome.MISSING),
    ("one person counts for several rules, once for each", [RISK, TWO], votes("cy", "bo"), (), Outcome.MET),
    ("two keys of one person are one vote", [TWO], votes("cy", "cy:2"), (), Outcome.MISSING),
    ("the author is no approver", [TWO], (*votes("cy"), *votes("bo")), ("bo",), Outcome.MISSING),
    ("an author beside enough others harms nothing", [TWO], votes("cy", "bo", "dee"), ("bo",), Outcome.MET),
    ("a reject wins over enough approvals", [RISK], (*votes("cy"), *votes("dee", use="reject")), (), Outcome.REJECTED),
    ("who approves and rejects rejects", [RISK], (*votes("cy"), *votes("cy", use="reject")), (), Outcome.REJECTED),
    ("the author may reject", [RISK], (*votes("cy"), *votes("bo", use="reject")), ("bo",), Outcome.REJECTED),
    ("nobody approved", [RISK], (), (), Outcome.MISSING),
    ("an approval too old is expired", [RISK], votes("cy", at=NOW - timedelta(days=14)), (), Outcome.EXPIRED),
    ("an hour before it is not", [RISK], votes("cy", at=NOW - timedelta(days=13, hours=23)), (), Outcome.MET),
    ("a reject does not expire", [RISK], votes("cy", use="reject", at=NOW - timedelta(days=99)), (), Outcome.REJECTED),
    ("who approved anew with another key is not expired", [RISK],
     (*votes("cy", at=NOW - timedelta(days=20)), *votes("cy:2")), (), Outcome.MET),
]  # fmt: skip


@pytest.mark.parametrize(
    ("rules", "found", "authors", "outcome"), [row[1:] for row in TABLE], ids=[r[0] for r in TABLE]
)
def test_the_table_of_quorums(people, rules, found, authors, outcome):
    verdict = judge(people, approvals(*rules), found, authors=authors)
    assert verdict.outcome is outcome
    assert verdict.met == (outcome is Outcome.MET)
    assert verdict.sentence


def judge(people, asked, found, *, authors=(), begun=False, stale=()):
    return quorum(
        asked, Ballot(votes=found, stale=stale), people.trust,
        environment="prod", authors=authors, begun=begun, now=NOW,
    )  # fmt: skip


def test_without_separate_the_author_is_an_approver(people):
    asked = approvals(TWO, separate=False)
    assert judge(people, asked, votes("cy", "bo"), authors=("bo",)).met


def test_what_began_with_enough_approvals_is_not_stopped_by_their_age(people):
    old = votes("cy", at=NOW - timedelta(days=40))
    assert not judge(people, approvals(RISK), old).met
    assert judge(people, approvals(RISK), old, begun=True).met


def test_the_sentence_names_who_approved_and_who_could(people):
    verdict = judge(people, approvals(RISK, TWO), votes("bo"), authors=("ada",))
    assert verdict.sentence == (
        "0 of 1 approval by risk (cy and dee could give it); 1 of 2 approvals (given by bo; cy and dee could give it)"
    )


def test_the_sentence_says_when_nobody_could(people):
    verdict = judge(people, approvals({"role": "science", "count": 1}), ())
    assert verdict.sentence == "0 of 1 approval by science (the trust file names nobody else who could)"


def test_the_sentence_says_why_a_vote_does_not_count(people):
    assert (
        "bo signed the release and is not one of its approvers"
        in judge(people, approvals(TWO), votes("bo"), authors=("bo",)).sentence
    )
    assert "the approval of cy is for an earlier text" in judge(people, approvals(RISK), (), stale=("cy",)).sentence
    old = votes("cy", "dee", at=NOW - timedelta(days=20))
    assert "the approvals of cy and dee are older than 14d" in judge(people, approvals(RISK), old).sentence
    assert judge(people, approvals(RISK), votes("dee", use="reject")).sentence.startswith("rejected by dee; ")


def test_who_approved_anew_is_not_told_as_stale(people):
    assert judge(people, approvals(RISK), votes("cy"), stale=("cy",)).stale == ()


VOTES = st.lists(
    st.tuples(st.sampled_from(["bo", "cy", "cy:2", "dee"]), st.sampled_from(["approve", "reject"]), st.integers(0, 30)),
    max_size=6,
)


@settings(max_examples=80, deadline=None)
@given(VOTES, st.sets(st.sampled_from(["ada", "bo", "dee"])), st.randoms())
def test_the_order_of_votes_changes_nothing_and_a_further_approval_never_takes_one_away(people, rows, authors, random):
    found = [vote for name, use, days in rows for vote in votes(name, use=use, at=NOW - timedelta(days=days))]
    asked = approvals(RISK, TWO)
    verdict = judge(people, asked, tuple(found), authors=authors)
    shuffled = random.sample(found, len(found))
    assert judge(people, asked, tuple(shuffled), authors=authors).outcome is verdict.outcome
    more = judge(people, asked, (*found, *votes("cy")), authors=authors)
    assert more.met or not verdict.met
    assert not verdict.met or not any(row.use == "reject" for row in found)
