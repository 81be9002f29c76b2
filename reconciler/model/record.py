"""Records of the ledger: what happened, signed and chained. Only the ledger's writer gives them a sequence."""

from typing import Any, Final, Literal

from reconciler.model.wire import Field, Sha256, Time, Wire

STATUS_SCHEMA = "reconciler.dev/status/v1"
GENESIS = "sha256:" + "0" * 64  # `previous` of the first record

RecordKind = Literal[
    "Started", "Promoted", "RolledBack", "Aborted", "Held", "Accepted", "Removed", "BreakGlass", "TrunkRewritten",
    "TrunkAccepted", "Retired", "Orphaned", "Confirmed", "Approved", "Rejected", "Planned", "Merged",
    "Proposed",
]  # fmt: skip


VOTED: Final = ("Approved", "Rejected")
SEEN: Final = "TrunkRewritten"
ACCEPTED: Final = "TrunkAccepted"


class ManifestFact(Wire):
    """The manifest a record speaks of."""

    path: str
    sha256: Sha256
    first_seen: Time | None = None


class SignatureFact(Wire):
    """Whose signature counted, and for what."""

    person: str
    key: str
    use: str


class ApprovalFact(Wire):
    """One person's yes or no, and when we first saw it."""

    closure: Sha256
    """What it is a vote on: a closure, or the digest of a removal's statement or of objects that are to be deleted."""
    person: str
    key: str
    """The key's fingerprint; `forge:<forge>:<login>` for a review, which is not signed."""
    use: Literal["approve", "reject"]
    first_seen: Time


class PolicyFact(Wire):
    """One policy's answer."""

    name: str
    source: str
    result: str
    message: str = ""


class Record(Wire):
    """One entry. `previous` is sha256 of the preceding record's bytes; its signature covers sequence and bytes."""

    record_schema: Literal["reconciler.dev/record/v1"] = Field(default="reconciler.dev/record/v1", alias="schema")
    sequence: int = 0
    previous: Sha256 = GENESIS
    time: Time
    kind: RecordKind
    repository: str
    environment: str = ""
    name: str = ""
    revision: str = ""
    manifest: ManifestFact | None = None
    version: str = ""
    from_version: str = Field(default="", alias="from")
    closure: str = ""
    signatures: tuple[SignatureFact, ...] = ()
    approvals: tuple[ApprovalFact, ...] = ()
    policies: tuple[PolicyFact, ...] = ()
    clusters: tuple[str, ...] = ()
    message: str = ""
    detail: dict[str, Any] = Field(default_factory=dict)
    """What only some kinds have: Promoted, RolledBack and Retired `promotion` and `effective`; Accepted `path` and
    `accepted`, of a trust file `version` too; Removed the same of a document, of a release `removal` (`*`, `cluster`)
    and `manifests` (the texts whose end was signed); BreakGlass `opened`; Confirmed `objects`; TrunkRewritten and
    TrunkAccepted `branch`, `from` and `to`; Approved and Rejected `source`, `origin`, `on` and `statement` (of a review
    `review` and `environment`); Planned and Merged `pull`, `releases` (`environment/name`) and `plan`; Proposed
    `pull`, `releases`, `version`, `source` and `supersedes`."""


class OutboxEntry(Wire):
    """A record that waits for the ledger, without sequence and previous, and the blobs that go with it.

    `blobs` maps a path in the ledger to a blob of the watched repository.
    """

    record: Record
    blobs: dict[str, str] = Field(default_factory=dict)
