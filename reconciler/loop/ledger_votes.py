"""What a ledger tells of votes: who voted, first seen when, and the files that prove it. Pure."""

from collections.abc import Iterable, Iterator, Mapping

from reconciler.loop.approving import identity
from reconciler.loop.chain import Link
from reconciler.loop.vote_records import proof_path
from reconciler.model.ids import ReleaseKey
from reconciler.model.record import VOTED, ApprovalFact, OutboxEntry, Record

Facts = dict[tuple[str, str], dict[tuple[str, str, str], ApprovalFact]]
"""By environment and name every vote that a record speaks of, as it was first told."""


def with_links(before: Facts, links: Iterable[Link]) -> Facts:
    """The votes that are known once these records are, too; `before` stays as it is."""
    after = dict(before)
    for record in (link.record for link in links if link.record.approvals):
        where = record.environment, record.name
        rows = dict(after.get(where, {}))
        for fact in record.approvals:
            rows.setdefault(identity(fact), fact)
        after[where] = rows
    return after


def of_release(facts: Facts, key: ReleaseKey) -> tuple[ApprovalFact, ...]:
    """One release's, the newest last."""
    votes = facts.get((key.environment, key.name), {})
    return tuple(sorted(votes.values(), key=lambda row: row.first_seen))


def waiting_for(key: ReleaseKey, outbox: Iterable[OutboxEntry]) -> tuple[ApprovalFact, ...]:
    """The votes on one release in records that wait for the ledger."""
    records = (entry.record for entry in outbox)
    mine = (row for row in records if (row.environment, row.name) == (key.environment, key.name))
    return tuple(vote for row in mine for vote in row.approvals)


def told(
    links: Iterable[Link], outbox: Iterable[OutboxEntry], files: Mapping[str, str]
) -> Iterator[tuple[Record, dict[str, str]]]:
    """Every record of a vote, oldest first, those that wait included, with the blobs that prove it, by path."""
    for record in (link.record for link in links if link.record.kind in VOTED):
        paths = [proof_path(row) for row in record.approvals]
        yield record, {path: files[path] for path in paths if path in files}
    for entry in outbox:
        if entry.record.kind in VOTED:
            yield entry.record, entry.blobs
