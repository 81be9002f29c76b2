"""What is kept of one repository on the home cluster: what was accepted from it, and what the ledger has yet to get.

Its source and its ledger write it, each its own fields (loop/home). Nothing here decides.
"""

from typing import Literal

from reconciler.model.ids import BlobId, Revision
from reconciler.model.plan import Condition
from reconciler.model.record import OutboxEntry
from reconciler.model.wire import Field, Sha256, Wire


class AcceptedDocument(Wire):
    """The last accepted blob of one governing document: it stays in force whatever untrusted text follows it."""

    kind: str
    name: str
    blob: BlobId
    sha256: Sha256
    signers: tuple[str, ...] = ()
    """Of a Waiver: the people whose signatures counted when it was accepted."""


class MountedTrust(Wire):
    """The mounted trust file that was taken over last: another one of a lower version is refused."""

    version: int
    sha256: Sha256


class RepositoryStatus(Wire):
    """What we accepted from one repository."""

    revision: Revision | Literal[""] = ""
    accepted: dict[str, AcceptedDocument] = Field(default_factory=dict)
    """By path."""
    trust: MountedTrust | None = None
    """None: none was taken over yet."""
    ledger: str = ""
    """The ledger's head commit."""
    sequence: int = 0
    """The last record's sequence."""
    outbox: tuple[OutboxEntry, ...] = ()
    """What the ledger has not got yet."""
    conditions: tuple[Condition, ...] = ()


class RepositoryState(Wire):
    """One repository's state on the home cluster."""

    repository: str
    branch: str
    status: RepositoryStatus = RepositoryStatus()
