"""What an auditor reads of a proved ledger: one release's story in words, and every record for other programs. Pure.

Not the proof (`audit`): only records that count come here.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from reconciler.model.plan import Opened
from reconciler.model.record import VOTED
from reconciler.model.wire import format_time
from reconciler.trust.ballot import FORGE

if TYPE_CHECKING:
    from reconciler.loop.chain import Link
    from reconciler.model.record import Record


def of_release(links: Iterable["Link"], name: str) -> list["Link"]:
    """The records of one release (NAME in every environment, or ENVIRONMENT/NAME), oldest first."""
    return [
        link
        for link in links
        if any(name in (release, release.rpartition("/")[2]) for release in _releases(link.record))
    ]


def _releases(record: "Record") -> list[str]:
    """The releases that a record is about, as ENVIRONMENT/NAME; a pull request's may be about several."""
    if record.name:
        return [f"{record.environment}/{record.name}"]
    return [str(name) for name in record.detail.get("releases", ())]


def names(links: Iterable["Link"]) -> list[str]:
    """Every release that a record is about, as ENVIRONMENT/NAME."""
    return sorted({release for link in links for release in _releases(link.record)})


def told(record: "Record") -> list[str]:
    """One record in lines: what happened, of which text, who vouched for it, and what the policies said."""
    where = f"{record.environment}/{record.name}" if record.name else ", ".join(_releases(record))
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
        how = " by review on the forge, not signed" if vote.key.startswith(FORGE) else ""
        yield f"{said} by {vote.person} ({vote.key}){how}, first seen {format_time(vote.first_seen)}"
    yield from _found(record)
    for opened in record.detail.get("opened", ()):
        yield Opened.from_data(opened).sentence
    counts = Counter(policy.result for policy in record.policies)
    if counts:
        yield f"policies: {', '.join(f'{count} {result}' for result, count in sorted(counts.items()))}"
    for policy in record.policies:
        if policy.message and policy.result != "skip":
            yield f"  {policy.result} {policy.name}: {policy.message}"


def _found(record: "Record") -> Iterator[str]:
    """Where a vote was found, and what a pull request was when it was planned or merged."""
    detail, pull = record.detail, record.detail.get("pull", {})
    if record.kind in VOTED:
        at = f" ({detail['url']})" if detail.get("url") else ""
        yield f"from {detail['origin']}{at}"
    if record.kind == "Planned":
        yield f"pull request #{pull['number']} ({pull['url']}), head {pull['head']} on {pull['base']}"
    if record.kind == "Merged":
        yield f"pull request #{pull['number']} ({pull['url']}) of {pull['author']}, merged as {pull['commit']}"
    if record.kind == "Proposed":
        yield f"pull request #{pull['number']} ({pull['url']}), head {pull['head']} on {pull['base']}"
        yield f"copied from {detail['source']['release']}, manifest {detail['source']['manifest']}"
    if detail.get("plan"):
        yield f"plan {detail['plan']}"


def as_data(link: "Link") -> dict[str, Any]:
    """One record as plain JSON data, with where it lies and the digest that the next record names."""
    return {"path": link.path, "digest": link.digest, **link.record.to_full_data()}
