"""Refs under refs/reconciler/approvals: what is looked at, what is fetched, and what hostile ones come to."""

import pytest
from loop_acme import ENVIRONMENT_PROD, FRAUD, REPOSITORY, Repo, key_of, snapshot

from reconciler.errors import Refused, Retry
from reconciler.loop import vote_refs
from reconciler.loop.vote_refs import APPROVAL_REFS, VoteRefs, approval_ref, asked

CY, DEE = approval_ref("prod", "fraud-detector", "cy"), approval_ref("prod", "fraud-detector", "dee")


class Remote:
    """Refs with their bytes; every fetch is noted."""

    def __init__(self):
        self.there = {}
        self.fetched = []
        self.listing = None

    def put(self, ref, data, revision="1"):
        self.there[ref] = (revision * 40, data)

    def refs_under(self, prefix):
        assert prefix == APPROVAL_REFS
        if self.listing:
            raise self.listing
        return {ref: revision for ref, (revision, _) in self.there.items()}

    def fetch_file(self, ref, name, limit):
        assert name == "approval.sig"
        assert limit
        self.fetched.append(ref)
        revision, data = self.there[ref]
        if isinstance(data, Exception):
            raise data
        return None if data is None else (revision, "b" * 40, data)


@pytest.fixture
def remote():
    made = Remote()
    made.put(CY, b"one")
    return made


@pytest.fixture
def refs():
    return VoteRefs(REPOSITORY)


def look(refs, remote, *, environments=("prod",), first=(FRAUD,)):
    return refs.look(remote, environments, first)


def test_only_environments_that_ask_somebody_are_looked_at():
    repo = Repo()
    assert asked(snapshot(repo)) == frozenset()
    repo.edit(ENVIRONMENT_PROD, "  modelSources: [oci]", "  modelSources: [oci]\n  approvals: {rules: [{count: 2}]}")
    assert asked(snapshot(repo)) == {"prod"}
    other = Repo()
    other.edit(ENVIRONMENT_PROD, "  modelSources: [oci]", "  modelSources: [oci]\n  prune: {confirm: true}")
    assert asked(snapshot(other)) == {"prod"}


def test_a_ref_is_given_to_the_release_that_its_name_says_and_fetched_once(refs, remote):
    for _ in range(3):
        found = look(refs, remote)
    (given,) = found[FRAUD].signed
    assert (given.origin, given.source, given.data, given.closure) == (CY, "ref", b"one", "")
    assert remote.fetched == [CY]
    assert refs.notes == ()


def test_one_that_moved_is_fetched_again_and_one_that_is_gone_is_forgotten(refs, remote):
    remote.put(DEE, b"two")
    look(refs, remote)
    remote.put(CY, b"three", "2")
    del remote.there[DEE]
    assert [row.data for row in look(refs, remote)[FRAUD].signed] == [b"three"]
    assert remote.fetched == [CY, DEE, CY]
    remote.there.clear()
    assert look(refs, remote) == {}


def test_what_cannot_be_listed_is_an_error_and_nothing_is_forgotten(refs, remote):
    look(refs, remote)
    remote.listing = Retry("no", reason="FetchFailed")
    with pytest.raises(Retry):
        look(refs, remote)
    remote.listing = None
    assert [row.data for row in look(refs, remote)[FRAUD].signed] == [b"one"]
    assert remote.fetched == [CY]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (None, f"{CY} is no commit with a file approval.sig"),
        (Refused("The blob x has 9 bytes; the limit is 1."), f"{CY} cannot be read: The blob x has 9 bytes"),
        (Retry("malformed", reason="FetchRefused"), f"{CY} cannot be read: malformed"),
    ],
)
def test_what_a_ref_holds_and_cannot_be_read_is_told_and_not_fetched_before_it_moves(refs, remote, data, why):
    remote.put(CY, data)
    for _ in range(2):
        found = look(refs, remote)
    assert found[FRAUD].signed == ()
    assert found[FRAUD].notes[0].startswith(why)
    assert remote.fetched == [CY]


def test_a_fetch_that_failed_is_tried_with_the_next_look(refs, remote):
    remote.put(CY, Retry("unreachable", reason="FetchFailed"))
    assert look(refs, remote) == {}
    remote.put(CY, b"one")
    assert [row.data for row in look(refs, remote)[FRAUD].signed] == [b"one"]


HOSTILE = [
    f"{APPROVAL_REFS}/prod",
    f"{APPROVAL_REFS}/prod/fraud-detector",
    f"{APPROVAL_REFS}/prod/Fraud/cy",
    f"{APPROVAL_REFS}/prod/fraud-detector/",
    f"{APPROVAL_REFS}/prod/fraud-detector/a b",
    f"{APPROVAL_REFS}/prod/fraud-detector/\x1b[31mcy",
    f"{APPROVAL_REFS}/prod/fraud-detector/{'x' * 201}",
]


def test_names_that_name_no_release_are_ignored_with_a_sentence(refs, remote):
    for ref in HOSTILE:
        remote.put(ref, b"x")
    found = look(refs, remote)
    assert [row.origin for row in found[FRAUD].signed] == [CY]
    assert remote.fetched == [CY]
    (note,) = refs.notes
    assert note.isprintable()
    assert "and 4 more under refs/reconciler/approvals name no release and are ignored" in note


def test_a_ref_of_an_environment_that_asks_nobody_is_not_fetched(refs, remote):
    remote.put(approval_ref("dev", "fraud-detector", "cy"), b"x")
    assert set(look(refs, remote)) == {FRAUD}
    assert remote.fetched == [CY]


def test_of_one_release_only_so_many_are_looked_at_and_others_are_not_kept_out(refs, remote, monkeypatch):
    monkeypatch.setattr(vote_refs, "OF_ONE", 3)
    for number in range(9):
        remote.put(approval_ref("prod", "support-chat", f"p{number}"), b"x")
    found = look(refs, remote)
    assert len(found[key_of("prod", "support-chat")].signed) == 3
    assert len(found[FRAUD].signed) == 1
    assert refs.notes == (
        "refs/reconciler/approvals/prod/support-chat has 9 refs and only the first 3 are read",
    )  # fmt: skip


def test_in_all_only_so_many_are_looked_at_those_of_releases_on_the_trunk_first(refs, remote, monkeypatch):
    monkeypatch.setattr(vote_refs, "IN_ALL", 2)
    for number in range(9):
        remote.put(approval_ref("prod", f"a{number}", "mallory"), b"x")
    found = look(refs, remote)
    assert FRAUD in found
    assert len(found) == 2
    assert refs.notes == ("refs/reconciler/approvals has 10 refs and only 2 of them are read",)


def test_one_look_fetches_only_so_many_and_the_rest_follow(refs, remote, monkeypatch):
    monkeypatch.setattr(vote_refs, "AT_ONCE", 2)
    for number in range(4):
        remote.put(approval_ref("prod", "fraud-detector", f"p{number}"), b"x")
    assert [len(look(refs, remote)[FRAUD].signed) for _ in range(3)] == [2, 4, 5]
