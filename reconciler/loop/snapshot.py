"""What the trunk says at one revision: every document, who governs, and what changed since the snapshot before.

Values only; `indexing` makes them. A snapshot is immutable and published by one assignment; a pass reads everything it
decides on from one of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from reconciler.documents.complete import Completion
from reconciler.documents.schema import Loaded
from reconciler.errors import Problem
from reconciler.loop.apart import SignatureFile
from reconciler.loop.governing import Governed, Identity
from reconciler.model.ids import BlobId, ReleaseKey, RepositoryName, Revision
from reconciler.model.plan import shown
from reconciler.model.release import ModelRelease
from reconciler.model.repository import AcceptedDocument
from reconciler.model.trustfile import TrustFile


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseFile:
    """One release's file. `loaded` is None when it does not parse: then `problem` says why, with its place.

    `completion` remembers what it was completed to with its environment, for as long as neither changes.
    """

    key: ReleaseKey
    path: str
    blob: BlobId
    sha256: str
    loaded: Loaded | None
    problem: str
    signature: bytes = field(repr=False)
    signature_blob: BlobId | None
    completion: Completion = field(default_factory=Completion, repr=False, compare=False)

    @property
    def document(self) -> ModelRelease | None:
        """The release, when it parses."""
        document = self.loaded.document if self.loaded else None
        return document if isinstance(document, ModelRelease) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The trunk at `revision`, judged with the trust file in force: `mounted`, or a later one of the repository.

    `refused` are governing documents that are not in force at all, with the reason; `problems` everything that does
    not parse; `doubles` releases whose identity two files claim, with the sentence; `followed` the versions of the
    trust file that came into force when governing documents were judged last.
    """

    repository: RepositoryName
    revision: Revision
    mounted: TrustFile
    trust: TrustFile
    followed: tuple[Governed, ...]
    releases: Mapping[ReleaseKey, ReleaseFile]
    governed: Mapping[Identity, Governed]
    by_kind: Mapping[str, Mapping[str, Governed]]
    """The same by kind and name: every pass asks for some."""
    refused: Mapping[Identity, str]
    doubles: Mapping[ReleaseKey, str]
    approvals: Mapping[ReleaseKey, tuple[SignatureFile, ...]]
    removals: Mapping[ReleaseKey, Mapping[str, SignatureFile]]
    dependents: Mapping[ReleaseKey, frozenset[ReleaseKey]]
    """Who depends on a release, directly."""
    problems: tuple[Problem, ...]
    rejected: tuple[str, ...]

    @property
    def not_read(self) -> str:
        """The first entries of the tree that are not read, each with its reason; empty when all is."""
        return "; ".join(shown(self.rejected))

    def documents(self, kind: str) -> Mapping[str, Governed]:
        """Governing documents of one kind that are in force, by name."""
        return self.by_kind.get(kind, {})

    def accepted(self) -> dict[str, AcceptedDocument]:
        """What to remember as accepted, by path."""
        return {entry.path: entry.remembered for entry in self.governed.values()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """A new snapshot, and the releases that may decide differently because of it."""

    snapshot: Snapshot
    affected: frozenset[ReleaseKey]
