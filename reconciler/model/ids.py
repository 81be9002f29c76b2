"""Names of things. Plain strings with a type each, and the two keys that the loop works on."""

import hashlib
from dataclasses import dataclass
from typing import NewType

RepositoryName = NewType("RepositoryName", str)  # as configured, for example github.com/acme/models; never the URL
EnvironmentName = NewType("EnvironmentName", str)
ReleaseName = NewType("ReleaseName", str)
ClusterName = NewType("ClusterName", str)
Revision = NewType("Revision", str)  # a commit: 40 hex digits
BlobId = NewType("BlobId", str)  # a git blob: 40 hex digits
Version = NewType("Version", str)  # sha256:<64 hex>: all that changes pods (1.4.0 is the *model version*)
Closure = NewType("Closure", str)  # sha256:<64 hex>: the documents that decide what runs and how it is judged
PlanDigest = NewType("PlanDigest", str)  # sha256:<64 hex>: shown and audited, never bound to

_STEM = 54  # a label value has at most 63 characters: 9 are the digest's


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class ReleaseKey:
    """One release: one model in one environment of one repository. Identity is this, never a path."""

    repository: RepositoryName
    environment: EnvironmentName
    name: ReleaseName

    def __str__(self) -> str:
        return f"{self.environment}/{self.name}"

    @property
    def state_name(self) -> str:
        """The name of this release's state objects: `<environment>-<name>-<8 hex>`, unique per repository.

        It is a label value too, so it is cut to 63 characters; the digest keeps cut names apart.
        """
        identity = f"{self.repository}/{self.environment}/{self.name}"
        stem = f"{self.environment}-{self.name}"[:_STEM].rstrip("-")
        return f"{stem}-{hashlib.sha256(identity.encode()).hexdigest()[:8]}"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class TargetKey:
    """One target: one release on one cluster."""

    release: ReleaseKey
    cluster: ClusterName

    def __str__(self) -> str:
        return f"{self.release}@{self.cluster}"


def short(digest: str) -> str:
    """The first 10 hex digits of a `sha256:` digest: what object names and sentences carry."""
    return digest.removeprefix("sha256:")[:10]
