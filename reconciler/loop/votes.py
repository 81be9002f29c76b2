"""Votes that are given outside of the trunk's files: one repository's, by release. Not their judgement (`approving`).

Three places: comments and reviews of a pull request, which the loop for pull requests takes over one by one; refs under
`refs/reconciler/approvals`, which the source's poll takes over (`vote_refs`); and what the ledger tells of both, which
stands in for them after a restart until they are read again. Every change is one assignment, so a pass reads one state.
"""

import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from reconciler.model.ids import BlobId, ReleaseKey
from reconciler.model.record import VOTED, ApprovalFact, Record
from reconciler.model.state import ReleaseRef, release_key
from reconciler.model.vote import NOTHING_GIVEN, ForgeVote, Given, GivenVotes

ByRelease = Mapping[ReleaseKey, GivenVotes]
Bound = dict[tuple[str, int, ReleaseKey], frozenset[str]]
"""By forge, review and release the closures (of a removal: digests) that a review was first seen with."""

_REFS = 0  # no pull request has this number
_RESTORED = 64  # votes of one release; the newest


class Votes:
    """What was given for every release of a repository. Any thread may ask, and take over."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._places: dict[int, ByRelease] = {}
        self._given: ByRelease = {}

    def of(self, key: ReleaseKey) -> GivenVotes:
        """What was given for one release."""
        return self._given.get(key, NOTHING_GIVEN)

    def pulls(self) -> frozenset[int]:
        """The pull requests that give something."""
        return frozenset(self._places) - {_REFS}

    def take_pull(self, number: int, given: ByRelease) -> frozenset[ReleaseKey]:
        """What a pull request's comments and reviews give now, in place of what they gave; whom that concerns."""
        return self._take({number: given})

    def drop_pull(self, number: int) -> frozenset[ReleaseKey]:
        """Nothing any more is given by a pull request: it was closed without a merge."""
        return self._take({number: {}})

    def take_refs(self, given: ByRelease) -> frozenset[ReleaseKey]:
        """What the refs give now, in place of what they gave; whom that concerns."""
        return self._take({_REFS: given})

    def restore(self, told: Iterable[tuple[Record, Mapping[str, bytes]]]) -> None:
        """What records tell (oldest first, with the files that go with them), until the places are read again."""
        newest: dict[ReleaseKey, list[tuple[int, GivenVotes]]] = defaultdict(list)
        for record, files in told:
            for place, given in _restored(record, files):
                newest[_key(record)].append((place, given))
        found: dict[int, dict[ReleaseKey, GivenVotes]] = {}
        for key, rows in newest.items():
            for place, given in rows[-_RESTORED:]:
                there = found.setdefault(place, {})
                there[key] = there.get(key, NOTHING_GIVEN) + given
        self._take(found)

    def _take(self, places: Mapping[int, ByRelease]) -> frozenset[ReleaseKey]:
        with self._lock:
            now = {number: rows for number, rows in {**self._places, **places}.items() if rows}
            given: dict[ReleaseKey, GivenVotes] = {}
            for number in sorted(now):
                for key, row in now[number].items():
                    given[key] = given.get(key, NOTHING_GIVEN) + row
            before = self._given
            self._places, self._given = now, given
        return frozenset(key for key in before.keys() | given.keys() if before.get(key) != given.get(key))


def _key(record: Record) -> ReleaseKey:
    ref = ReleaseRef(repository=record.repository, environment=record.environment, name=record.name)
    return release_key(ref)


def _restored(record: Record, files: Mapping[str, bytes]) -> Iterable[tuple[int, GivenVotes]]:
    """Where the vote of a record lay, and what was given there; nothing of other records and of files of the trunk."""
    if record.kind not in VOTED:
        return
    detail, pull = record.detail, record.detail.get("pull", {}).get("number", _REFS)
    for fact in record.approvals:
        if detail.get("source") == "review":
            yield pull, GivenVotes(reviews=(_review(fact, detail, pull),))
        elif detail.get("source") in ("comment", "ref"):
            for data in files.values():
                yield pull, GivenVotes(signed=(_signed(fact, detail, pull, data),))


def _review(fact: ApprovalFact, detail: Mapping[str, Any], pull: int) -> ForgeVote:
    said = detail["review"]
    return ForgeVote(
        forge=said["forge"], login=said["login"], review=said["id"], commit=said["commit"], use=fact.use,
        closure=fact.closure, pull=pull, url=detail.get("url", ""),
    )  # fmt: skip


def _signed(fact: ApprovalFact, detail: Mapping[str, Any], pull: int, data: bytes) -> Given:
    return Given(
        origin=detail["origin"], source=detail["source"], blob=BlobId(detail["blob"]), data=data,
        url=detail.get("url", ""), pull=pull, closure=fact.closure if pull else "",
    )  # fmt: skip


def bound_reviews(records: Iterable[Record]) -> Bound:
    """What reviews were first seen with, as records tell it: of those that counted."""
    found: Bound = {}
    for record in records:
        review = record.detail.get("review") if record.kind in VOTED else None
        if review:
            which = review["forge"], review["id"], _key(record)
            found[which] = found.get(which, frozenset()) | {record.closure}
    return found
