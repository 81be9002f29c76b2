"""One state object of each kind, with something in it."""

from datetime import UTC, datetime

from reconciler.model.repository import AcceptedDocument, RepositoryState, RepositoryStatus
from reconciler.model.state import (
    Directive,
    InventoryEntry,
    Phase,
    ReleaseRef,
    ReleaseState,
    ReleaseStatus,
    Role,
    TargetState,
    TargetStatus,
    VersionDirective,
)

SHA = "sha256:" + "ab" * 32
REF = ReleaseRef(repository="github.com/acme/models", environment="prod", name="fraud")
VERSIONS = (VersionDirective(version=SHA, role=Role.STABLE, low=1, high=3, effective=SHA),)
DIRECTIVE = Directive(sequence=3, revision="ab" * 20, closure=SHA, versions=VERSIONS)
ENTRY = InventoryEntry(group="apps", api="v1", kind="Deployment", namespace="a", name="x", tier=2, rendered=SHA)
TARGET = TargetState(
    release=REF, cluster="eu-1", home="u-1", directive=DIRECTIVE, effective={SHA: "eJw="},
    status=TargetStatus(sequence=3, inventory=(ENTRY,), serving="1.4.0"),
)  # fmt: skip
STATUS = ReleaseStatus(phase=Phase.STEPPING, since=datetime(2026, 1, 2, tzinfo=UTC), directives={"eu-1": DIRECTIVE})
RELEASE = ReleaseState(
    release=REF, status=STATUS
)  # fmt: skip
ACCEPTED = AcceptedDocument(kind="Cluster", name="eu-1", blob="ab" * 20, sha256=SHA)
REPOSITORY = RepositoryState(
    repository="github.com/acme/models", branch="main",
    status=RepositoryStatus(accepted={"clusters/eu-1.yaml": ACCEPTED}, sequence=7),
)  # fmt: skip
