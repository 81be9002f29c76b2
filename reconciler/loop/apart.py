"""Signatures that lie apart from what they are about: approvals and removals, by the release that they are for.

Not their judgement, and not the signature beside a document. Rule: the path says for which release a file is looked at
and nothing more; the name of the file is for people, whose vote it is says the key.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from reconciler.model.ids import BlobId, EnvironmentName, ReleaseKey, ReleaseName, RepositoryName
from reconciler.model.wire import DNS_LABEL

APPROVALS = "approvals"
REMOVALS = "removals"
WHOLE = "*"
"""What a removal calls all clusters."""

_LABEL = DNS_LABEL.strip("^$")
_APPROVAL = re.compile(rf"{APPROVALS}/(?P<environment>{_LABEL})/(?P<name>{_LABEL})/[^/]+\.sig")

_REMOVAL = re.compile(rf"{REMOVALS}/(?P<environment>{_LABEL})/(?P<name>{_LABEL})(?:@(?P<cluster>{_LABEL}))?\.sig")


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureFile:
    """One file of signatures."""

    path: str
    blob: BlobId
    data: bytes = field(repr=False)


def config_removal_path(path: str) -> str:
    """Where the signature lies that ends the governing document at `path`."""
    return f"{REMOVALS}/{path}.sig"


def approval_path(environment: str, name: str, person: str) -> str:
    """Where the approvals of one person for one release lie."""
    return f"{APPROVALS}/{environment}/{name}/{person}.sig"


def removal_path(environment: str, name: str, cluster: str) -> str:
    """Where the signature of a removal lies; `cluster` is a name or `*`."""
    return f"{REMOVALS}/{environment}/{name}{'' if cluster == WHOLE else f'@{cluster}'}.sig"


def removal_at(path: str) -> tuple[str, str, str] | None:
    """Environment, name and cluster (`*`: all) of the removal whose signature lies there; None for other files."""
    found = _REMOVAL.fullmatch(path)
    return (found["environment"], found["name"], found["cluster"] or WHOLE) if found else None


class Apart:
    """Keeps these files by release. Its mappings are replaced and never changed, so snapshots may share them."""

    def __init__(self, repository: RepositoryName, read: Callable[[BlobId], bytes]) -> None:
        self._repository = repository
        self._read = read
        self.approvals: Mapping[ReleaseKey, tuple[SignatureFile, ...]] = {}
        """By release, in the order of their paths."""

        self.removals: Mapping[ReleaseKey, Mapping[str, SignatureFile]] = {}
        """By release and cluster (`*`: all of it)."""

    def fork(self) -> "Apart":
        """Another one that holds the same."""
        other = Apart(self._repository, self._read)
        other.approvals, other.removals = self.approvals, self.removals
        return other

    def take(self, changed: Mapping[str, BlobId | None]) -> set[ReleaseKey]:
        """Take over what changed (path → blob, None: gone); the releases that it is about."""
        return self._take_approvals(changed) | self._take_removals(changed)

    def _take_removals(self, changed: Mapping[str, BlobId | None]) -> set[ReleaseKey]:
        removals = dict(self.removals)
        affected = set()
        for path, blob in changed.items():
            found = _REMOVAL.fullmatch(path)
            if found is None:
                continue
            key, cluster = self._key(found), found["cluster"] or WHOLE
            rest = {name: file for name, file in removals.pop(key, {}).items() if name != cluster}
            if blob:
                rest[cluster] = SignatureFile(path=path, blob=blob, data=self._read(blob))
            if rest:
                removals[key] = rest
            affected.add(key)
        if affected:
            self.removals = removals
        return affected

    def _take_approvals(self, changed: Mapping[str, BlobId | None]) -> set[ReleaseKey]:
        by_key: dict[ReleaseKey, dict[str, SignatureFile]] = {}
        for path, blob in changed.items():
            found = _APPROVAL.fullmatch(path)
            if found is None:
                continue
            key = self._key(found)
            files = by_key.setdefault(key, {file.path: file for file in self.approvals.get(key, ())})
            files.pop(path, None)
            if blob:
                files[path] = SignatureFile(path=path, blob=blob, data=self._read(blob))
        if by_key:
            new = {key: tuple(files[path] for path in sorted(files)) for key, files in by_key.items()}
            self.approvals = {key: files for key, files in {**self.approvals, **new}.items() if files}
        return set(by_key)

    def _key(self, found: re.Match[str]) -> ReleaseKey:
        return ReleaseKey(
            repository=self._repository,
            environment=EnvironmentName(found["environment"]),
            name=ReleaseName(found["name"]),
        )
