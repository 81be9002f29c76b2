"""What an auditor reads of a proved ledger: one release's story in words, and every record for other programs. Pure.

Not the proof (`audit`): only records that count come here.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from reconciler.model.plan import Opened
from reconciler.model.wire import format_time

if TYPE_CHECKING:
    from reconciler.loop.chain import Link
    from reconciler.model.record import Record


def of_release(links: Iterable["Link"], name: str) -> list["Link"]:
    """The records of one release (NAME in every environment, or ENVIRONMENT/NAME), oldest first."""
    return [
        link
        for link in links
        if link.record.name and name in (link.record.name, f"{link.record.environment}/{link.record.name}")
    ]


def names(links: Iterable["Link"]) -> list[str]:
    """Every release that a record is about, as ENVIRONMENT/NAME."""
    return sorted({f"{link.record.environment}/{link.record.name}" for link in links if link.record.name})


def told(record: "Record") -> list[str]:
    """One record in lines: what happened, of which text, who vouched for it, and what the policies said."""
    where = f"{record.environment}/{record.name}"
    lines = [f"{record.sequence:>6}  {format_time(record.time)}  {record.kind} {where}: {record.message}"]
    return lines + [f"        {line}" for line in _behind(record)]


def _behind(record: "Record") -> Iterator[str]:
    if record.revision:
        yield f"revision {record.revision}"
    if record.manifest:
        seen = f", first seen {format_time(record.manifest.first_seen)}" if record.manifest.first_seen else ""
        yield f"text {record.manifest.path} ({record.manifest.sha256}){seen}"
    for signed in record.signatures:
        yield f"signed by {signed.person} ({signed.key}) to {signed.use}"
    for vote in record.approvals:
        said = "approved" if vote.use == "approve" else "rejected"
        yield f"{said} by {vote.person} ({vote.key}), first seen {format_time(vote.first_seen)}"
    for opened in record.detail.get("opened", ()):
        yield Opened.from_data(opened).sentence
    counts = Counter(policy.result for policy in record.policies)
    if counts:
        yield f"policies: {', '.join(f'{count} {result}' for result, count in sorted(counts.items()))}"
    for policy in record.policies:
        if policy.message and policy.result != "skip":
            yield f"  {policy.result} {policy.name}: {policy.message}"


def as_data(link: "Link") -> dict[str, Any]:
    """One record as plain JSON data, with where it lies and the digest that the next record names."""
    return {"path": link.path, "digest": link.digest, **link.record.to_full_data()}
