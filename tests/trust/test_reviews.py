"""Reviews on a ballot: whose login it is, what they may, and the one closure that it was first seen with."""

from datetime import UTC, datetime

import pytest

from reconciler.model.vote import ForgeVote
from reconciler.trust.ballot import ballot, forge_key
from reconciler.trust.keys import generate_key
from reconciler.trust.people import by_login, read_trust
from reconciler.trust.statement import ApprovalStatement

NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
HEX = "9b" * 32
CLOSURE, OTHER = f"sha256:{HEX}", "sha256:" + "9c" * 32
APPROVE = ApprovalStatement(
    repository="github.com/acme/models", environment="prod", name="fraud", closure_sha256=HEX, action="approve"
)


@pytest.fixture(scope="module")
def trust():
    def person(name, role, **logins):
        return {
            "name": name, "roles": [role], "logins": logins, "keys": [{"key": generate_key(name).public.strip()}],
        }  # fmt: skip

    data = {
        "apiVersion": "reconciler.dev/v1alpha1",
        "kind": "Trust",
        "spec": {
            "repository": "github.com/acme/models",
            "version": 1,
            "threshold": {"role": "risk"},
            "people": [person("cy", "risk", github="Cy-L", gitlab="cyril"), person("eve", "guest", github="eve")],
            "allow": [{"role": "risk", "may": ["approve"], "environments": ["prod"]}],
        },
    }
    return read_trust(data, path="trust.yaml")


def judge(trust, *reviews, files=()):
    return ballot(APPROVE, files, trust, first_seen=lambda _key, _use: NOW, reviews=reviews)


def review(login="cy-l", *, use="approve", closure=CLOSURE, forge="github"):
    return ForgeVote(forge=forge, login=login, review=7, commit="a" * 40, use=use, closure=closure, pull=12)


def test_a_login_is_its_persons_on_that_forge_whatever_its_case(trust):
    assert by_login(trust, "github", "CY-L").name == "cy"
    assert by_login(trust, "gitlab", "cyril").name == "cy"
    assert by_login(trust, "gitlab", "cy-l") is None
    assert by_login(trust, "gitea", "") is None


@pytest.mark.parametrize("use", ["approve", "reject"])
def test_a_review_by_somebody_who_may_is_a_vote_without_a_key(trust, use):
    found = judge(trust, review(use=use))
    (vote,) = found.votes
    assert (vote.person, vote.use, vote.closure, vote.first_seen) == ("cy", use, CLOSURE, NOW)
    assert vote.key == forge_key("github", "Cy-L") == "forge:github:Cy-L"
    assert found.places == (0,)


def test_a_review_of_another_closure_is_stale(trust):
    found = judge(trust, review(closure=OTHER))
    assert (found.votes, found.stale) == ((), ("cy",))


@pytest.mark.parametrize(
    ("login", "why"),
    [
        ("mallory", "the login mallory of github belongs to nobody in the trust file"),
        ("eve", "given by eve, who may not approve in prod"),
    ],
)
def test_a_review_by_somebody_else_is_told_and_is_none(trust, login, why):
    found = judge(trust, review(login))
    assert (found.votes, found.stale) == ((), ())
    assert found.refused == (f"review by {login} on #12: {why}",)


def test_reviews_are_counted_on_after_the_files(trust):
    found = judge(trust, review("eve"), review(), review(), files=[("a.sig", b""), ("b.sig", b"")])
    assert found.places == (3,)
