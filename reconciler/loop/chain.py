"""The ledger's chain: which records count. Pure: bytes in, verdicts out; used by the daemon and by `audit verify`.

A record counts when its signature by one of the daemon's keys covers its sequence, its `previous` and its bytes, its
`previous` is the digest of the record before it, and no sequence is missing. What follows the first record that does
not count does not count either.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import orjson
from pydantic import ValidationError

from reconciler.digest import sha256_of
from reconciler.errors import Refused
from reconciler.loop.apart import WHOLE
from reconciler.model.ids import Revision
from reconciler.model.record import ACCEPTED, GENESIS, Record
from reconciler.model.repository import AcceptedDocument
from reconciler.model.state import Promotion, canonical
from reconciler.model.trustfile import TrustFile
from reconciler.trust.statement import RecordStatement
from reconciler.trust.verify import verify_record

_RECORD = re.compile(r"records/[0-9]{4}/[0-9]{2}/(?P<sequence>[0-9]{10})\.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One record that counts: where it lies and the digest of its bytes."""

    path: str
    digest: str
    record: Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """The records that count, in order, and one sentence for everything that does not."""

    links: tuple[Link, ...]
    problems: tuple[str, ...]

    @property
    def head(self) -> str:
        """What the next record's `previous` must be."""
        return self.links[-1].digest if self.links else GENESIS

    @property
    def sequence(self) -> int:
        """The last record's sequence; 0 when there is none."""
        return self.links[-1].record.sequence if self.links else 0


def record_path(record: Record) -> str:
    """`records/<yyyy>/<mm>/<10-digit sequence>.json`."""
    return f"records/{record.time:%Y}/{record.time:%m}/{record.sequence:010d}.json"


def record_bytes(record: Record) -> bytes:
    """The bytes of a record, as they lie in the ledger and are signed."""
    return canonical(record.to_data() | {"schema": record.record_schema}) + b"\n"


def identity(record: Record) -> str:
    """What makes two records the same one before the ledger has numbered them."""
    bare = record.model_copy(update={"sequence": 0, "previous": GENESIS})
    return sha256_of(record_bytes(bare))


def statement(record: Record, data: bytes) -> RecordStatement:
    """What the daemon signs."""
    return RecordStatement(
        repository=record.repository,
        sequence=record.sequence,
        previous=record.previous.removeprefix("sha256:"),
        sha256=sha256_of(data).removeprefix("sha256:"),
    )


def newest_revision(records: Sequence[Record]) -> Revision | None:
    """The newest revision of the trunk that these records speak of, oldest first.

    After people accepted a rewritten trunk, records may still speak of releases as the one before had them; such
    revisions do not count.
    """
    at = max((place for place, record in enumerate(records) if record.kind == ACCEPTED), default=0)
    before = {record.revision for record in records[:at]}
    for record in reversed(records[at:]):
        if record.revision and (record.kind == ACCEPTED or record.revision not in before):
            return Revision(record.revision)
    return None


def promotions_in(records: Iterable[Record]) -> tuple[Promotion, ...]:
    """Promotions that one release's records (the newest first) tell of; what a later record says of one counts."""
    found: dict[tuple[str, str, datetime], Promotion] = {}
    for record in records:
        if record.kind == "Removed" and record.detail.get("removal") == WHOLE:
            break  # what was promoted before it ended was not promoted in what is there now
        try:
            promotion = Promotion.from_data(record.detail["promotion"])
        except (KeyError, ValidationError):
            continue  # a record of another kind
        found.setdefault((promotion.version, promotion.manifest, promotion.at), promotion)
    return tuple(found.values())


def effective_in(records: Iterable[Record]) -> dict[str, str]:
    """Packed effective specs that one release's records (the newest first) tell of, by version; the newest counts."""
    rows = [(record.version, record.detail.get("effective")) for record in records]
    return {version: packed for version, packed in reversed(rows) if isinstance(packed, str) and packed}


def accepted_in(records: Iterable[Record]) -> dict[str, AcceptedDocument]:
    """The governing documents that were accepted last, by path; records the oldest first."""
    found: dict[str, AcceptedDocument] = {}
    for record in records:
        path = record.detail.get("path")
        if record.kind == "Removed" and isinstance(path, str):
            found.pop(path, None)
        if record.kind == "Accepted" and isinstance(path, str):
            accepted = AcceptedDocument.from_data(record.detail.get("accepted"))
            # A document that moved to another path left its old one.
            found = {at: row for at, row in found.items() if (row.kind, row.name) != (accepted.kind, accepted.name)}
            found[path] = accepted
    return found


def verify_chain(files: Mapping[str, bytes], trust: TrustFile) -> Chain:
    """Judge every record among the ledger's files (path → bytes, signatures beside them as `.sig`)."""
    paths = {int(match["sequence"]): path for path in sorted(files) if (match := _RECORD.fullmatch(path))}
    links: list[Link] = []
    problems = _strays(files, frozenset(paths.values()))
    previous = GENESIS
    for expected, sequence in enumerate(sorted(paths), start=1):
        path = paths[sequence]
        problem = f"record {expected} is missing" if sequence != expected else ""
        link = None if problem else _link(path, files[path], files.get(f"{path}.sig", b""), previous, trust)
        if isinstance(link, Link):
            links.append(link)
            previous = link.digest
            continue
        problems.append(problem or f"{path}: {link}")
        rest = len(paths) - len(links) - (0 if problem else 1)
        if rest:
            problems.append(f"{rest} later record{'s do' if rest > 1 else ' does'} not count: the chain ends there")
        break
    return Chain(links=tuple(links), problems=tuple(problems))


def _strays(files: Iterable[str], paths: Collection[str]) -> list[str]:
    """One sentence for every file among the records that is neither one nor a signature of one."""
    return [
        f"{path} is not a record, or the second one of its sequence"
        for path in sorted(files)
        if path.startswith("records/") and path.removesuffix(".sig") not in paths
    ]


def _link(path: str, data: bytes, signature: bytes, previous: str, trust: TrustFile) -> Link | str:
    """The record as a link, or why it does not count."""
    try:
        record = Record.from_data(orjson.loads(data))
        said = statement(record, data)
    except (ValidationError, orjson.JSONDecodeError, Refused):
        return "is not a record"
    if record_path(record) != path:
        return f"says that it is record {record.sequence} of {record.time:%Y-%m}"
    if record.previous != previous:
        return "does not follow the record before it"
    if record.repository != trust.spec.repository:
        return f"is of {record.repository}"
    verification = verify_record(said, signature, trust, at=record.time)
    if not verification.verified:
        return verification.sentence
    return Link(path=path, digest=sha256_of(data), record=record)
