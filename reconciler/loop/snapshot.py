"""What the trunk says at one revision: every document, who governs, and what changed since the snapshot before.

A snapshot is immutable and published by one assignment; a pass reads everything it decides on from one of them.
`Index` makes the next snapshot from the paths that changed, at the cost of those paths alone. It reads no Git: bytes
come through two callables, so `validate` and tests use it over plain folders.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from reconciler.digest import sha256_of
from reconciler.documents.index import misplaced
from reconciler.documents.schema import Loaded, NotOurs, is_document_path, parse
from reconciler.errors import Invalid, Problem
from reconciler.loop.layered import Layered
from reconciler.loop.statements import GOVERNING, SIGNATURE_SUFFIX, statement_of
from reconciler.model.ids import BlobId, EnvironmentName, ReleaseKey, ReleaseName, RepositoryName, Revision
from reconciler.model.release import ModelRelease
from reconciler.model.state import AcceptedDocument
from reconciler.model.trustfile import TrustFile
from reconciler.trust.verify import verify

_RELEASES = "releases"

Governed_ = tuple[str, str]  # kind, name


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseFile:
    """One release's file. `loaded` is None when it does not parse: then `problem` says why, with its place."""

    key: ReleaseKey
    path: str
    blob: BlobId
    sha256: str
    loaded: Loaded | None
    problem: str
    signature: bytes = field(repr=False)
    signature_blob: BlobId | None

    @property
    def document(self) -> ModelRelease | None:
        """The release, when it parses."""
        document = self.loaded.document if self.loaded else None
        return document if isinstance(document, ModelRelease) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Governed:
    """A governing document that is in force.

    `note` is empty, or says that a newer text of this file is not trusted and that the accepted one stays in force.
    """

    kind: str
    name: str
    path: str
    blob: BlobId
    sha256: str
    loaded: Loaded
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The trunk at `revision`, judged with one trust file.

    `refused` are governing documents that are not in force at all, with the reason; `problems` everything that does
    not parse; `doubles` releases whose identity two files claim, with the sentence.
    """

    repository: RepositoryName
    revision: Revision
    trust: TrustFile
    releases: Mapping[ReleaseKey, ReleaseFile]
    governed: Mapping[Governed_, Governed]
    refused: Mapping[Governed_, str]
    doubles: Mapping[ReleaseKey, str]
    problems: tuple[Problem, ...]
    rejected: tuple[str, ...]

    def documents(self, kind: str) -> dict[str, Governed]:
        """Governing documents of one kind that are in force, by name."""
        return {name: governed for (of, name), governed in self.governed.items() if of == kind}

    def accepted(self) -> dict[str, AcceptedDocument]:
        """What to remember as accepted, by path."""
        return {
            entry.path: AcceptedDocument(kind=entry.kind, name=entry.name, blob=entry.blob, sha256=entry.sha256)
            for entry in self.governed.values()
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """A new snapshot, and the releases that may decide differently because of it."""

    snapshot: Snapshot
    affected: frozenset[ReleaseKey]
    clusters_changed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """What one path held when it was last read; exactly one of `loaded` and `problems` is filled."""

    path: str
    blob: BlobId
    sha256: str
    loaded: Loaded | None
    problems: tuple[Problem, ...]
    signature: bytes
    signature_blob: BlobId | None


Read = Callable[[BlobId], bytes]
Recall = Callable[[AcceptedDocument], bytes | None]


class Index:
    """Keeps what is known of every path and makes snapshots. One thread owns it.

    `read` gives a blob's bytes; `recall` the bytes of a document accepted earlier, or None when nobody has them.
    """

    def __init__(self, repository: RepositoryName, *, read: Read, recall: Recall, limit: int) -> None:
        self._repository = repository
        self._read = read
        self._recall = recall
        self._limit = limit
        self._blobs: dict[str, BlobId] = {}
        self._known: dict[str, _Known] = {}
        self._paths_of: dict[ReleaseKey, set[str]] = {}
        self._releases: Layered[ReleaseKey, ReleaseFile] = Layered()
        self._by_environment: dict[str, set[ReleaseKey]] = {}
        self._by_runtime: dict[str, set[ReleaseKey]] = {}
        self._governed: dict[Governed_, Governed] = {}
        self._refused: dict[Governed_, str] = {}
        self._doubles: dict[ReleaseKey, str] = {}
        self._problems: dict[str, tuple[Problem, ...]] = {}

    def publish(
        self,
        changed: Mapping[str, BlobId | None],
        *,
        revision: Revision,
        trust: TrustFile,
        accepted: Mapping[str, AcceptedDocument],
        rejected: tuple[str, ...],
        now: datetime,
        everything: bool = False,
    ) -> Publication:
        """The snapshot after `changed` (path → blob, None: gone); `everything` re-judges all of it."""
        governing: set[str] = set()
        affected: set[ReleaseKey] = set()
        for path in sorted(self._touched(changed)):
            before, after = self._known.get(path), self._take(path)
            if _governs(before) or _governs(after):
                governing.add(path)
            affected |= self._place(before, after)
        regoverned = self._govern(trust, accepted, now) if governing or everything else frozenset()
        affected |= self._affected_by(regoverned)
        if everything:
            affected |= set(self._releases)
        snapshot = Snapshot(
            repository=self._repository,
            revision=revision,
            trust=trust,
            releases=self._releases,
            governed=dict(self._governed),
            refused=dict(self._refused),
            doubles=dict(self._doubles),
            problems=tuple(problem for path in sorted(self._problems) for problem in self._problems[path]),
            rejected=rejected,
        )
        clusters = any(kind == "Cluster" for kind, _ in regoverned)
        return Publication(snapshot=snapshot, affected=frozenset(affected), clusters_changed=clusters)

    def _touched(self, changed: Mapping[str, BlobId | None]) -> set[str]:
        """Document paths whose text or signature changed."""
        touched = set()
        for path, blob in changed.items():
            if blob is None:
                self._blobs.pop(path, None)
            else:
                self._blobs[path] = blob
            document = path.removesuffix(SIGNATURE_SUFFIX)
            if is_document_path(document):
                touched.add(document)
        return touched

    def _take(self, path: str) -> _Known | None:
        """Read one path again; None when it is gone or not ours."""
        blob = self._blobs.get(path)
        known = self._parse(path, blob) if blob else None
        if known is None:
            self._known.pop(path, None)
            self._problems.pop(path, None)
            return None
        self._known[path] = known
        if known.problems:
            self._problems[path] = known.problems
        else:
            self._problems.pop(path, None)
        return known

    def _parse(self, path: str, blob: BlobId) -> _Known | None:
        signature_blob = self._blobs.get(path + SIGNATURE_SUFFIX)
        signature = self._read(signature_blob) if signature_blob else b""
        data = self._read(blob)
        loaded: Loaded | None = None
        problems: tuple[Problem, ...] = ()
        try:
            loaded = parse(path, data, max_bytes=self._limit)
            problems = misplaced(loaded)
        except NotOurs:
            return None
        except Invalid as error:
            problems = error.problems
        return _Known(
            path=path, blob=blob, sha256=sha256_of(data), loaded=loaded, problems=problems, signature=signature,
            signature_blob=signature_blob,
        )  # fmt: skip

    def _place(self, before: _Known | None, after: _Known | None) -> set[ReleaseKey]:
        """Put one path into the release index; the keys that it touches."""
        old, new = self._key(before), self._key(after)
        for key in {old, new} - {None}:
            paths = self._paths_of.setdefault(key, set())  # type: ignore[arg-type]  # None was taken out
            if before and key == old:
                paths.discard(before.path)
            if after and key == new:
                paths.add(after.path)
            self._settle(key)  # type: ignore[arg-type]  # None was taken out
        return {key for key in (old, new) if key}

    def _settle(self, key: ReleaseKey) -> None:
        """Make the entry of one identity from the paths that claim it."""
        paths = sorted(self._paths_of.get(key, ()))
        previous = self._releases.get(key)
        if previous and previous.document:
            self._by_runtime.get(previous.document.spec.serving.runtime, set()).discard(key)
        if not paths:
            self._paths_of.pop(key, None)
            self._doubles.pop(key, None)
            self._by_environment.get(key.environment, set()).discard(key)
            self._releases = self._releases.changed({}, without=frozenset({key}))
            return
        if len(paths) > 1:
            self._doubles[key] = f"{key} is declared by {' and by '.join(paths)}; keep one of them"
        else:
            self._doubles.pop(key, None)
        entry = self._file(key, self._known[paths[0]])
        self._by_environment.setdefault(key.environment, set()).add(key)
        if entry.document:
            self._by_runtime.setdefault(entry.document.spec.serving.runtime, set()).add(key)
        self._releases = self._releases.changed({key: entry})

    def _file(self, key: ReleaseKey, known: _Known) -> ReleaseFile:
        return ReleaseFile(
            key=key,
            path=known.path,
            blob=known.blob,
            sha256=known.sha256,
            loaded=None if known.problems else known.loaded,
            problem="\n".join(str(problem) for problem in known.problems),
            signature=known.signature,
            signature_blob=known.signature_blob,
        )

    def _key(self, known: _Known | None) -> ReleaseKey | None:
        """Whose file this is: by what it says, or by where it lies when it does not parse."""
        if known is None or _governs(known):
            return None
        if known.loaded and isinstance(known.loaded.document, ModelRelease):
            return self._release_key(known.loaded.document.environment, known.loaded.name)
        parts = known.path.split("/")
        if known.loaded is None and len(parts) == 3 and parts[0] == _RELEASES:  # noqa: PLR2004  # releases/env/name.yaml
            return self._release_key(EnvironmentName(parts[1]), parts[2].rpartition(".")[0])
        return None

    def _release_key(self, environment: EnvironmentName, name: str) -> ReleaseKey:
        return ReleaseKey(repository=self._repository, environment=environment, name=ReleaseName(name))

    def _govern(
        self, trust: TrustFile, accepted: Mapping[str, AcceptedDocument], now: datetime
    ) -> frozenset[Governed_]:
        """Judge every governing document anew; the identities whose standing changed."""
        before, refused = dict(self._governed), dict(self._refused)
        self._governed, self._refused = govern(
            self._repository, (known for known in self._known.values() if _governs(known)), trust, accepted,
            recall=self._recall, limit=self._limit, now=now,
        )  # fmt: skip
        names = set(before) | set(self._governed) | set(refused) | set(self._refused)
        return frozenset(
            name
            for name in names
            if before.get(name) != self._governed.get(name) or refused.get(name) != self._refused.get(name)
        )

    def _affected_by(self, identities: Iterable[Governed_]) -> set[ReleaseKey]:
        affected: set[ReleaseKey] = set()
        for kind, name in identities:
            if kind == "Environment":
                affected |= self._by_environment.get(name, set())
            elif kind == "ServingRuntime":
                affected |= self._by_runtime.get(name, set())
            else:
                affected |= set(self._releases)
        return affected


def _governs(known: _Known | None) -> bool:
    """True for a file that governs, or that does not parse and lies where nobody's release does."""
    if known is None:
        return False
    return known.loaded is not None and known.loaded.kind in GOVERNING


def govern(
    repository: RepositoryName,
    files: Iterable[Any],
    trust: TrustFile,
    accepted: Mapping[str, AcceptedDocument],
    *,
    recall: Recall,
    limit: int,
    now: datetime,
) -> tuple[dict[Governed_, Governed], dict[Governed_, str]]:
    """Which governing documents are in force, and which are not, with the reason."""
    by_path = {known.path: known for known in files}
    governed: dict[Governed_, Governed] = {}
    refused: dict[Governed_, str] = {}
    doubles = _doubles(by_path.values())
    for path in sorted(by_path):
        known = by_path[path]
        identity = (known.loaded.kind, known.loaded.name)
        reason = doubles.get(identity) or _untrusted(repository, known, trust, accepted.get(path), now)
        if not reason:
            governed[identity] = _in_force(known, known.loaded, note="")
        elif identity not in refused:
            refused[identity] = reason
    for path, document in accepted.items():
        identity = (document.kind, document.name)
        if identity in governed:
            continue
        data = recall(document)
        if data is None:
            continue
        note = refused.pop(identity, f"{path} is gone without a signed removal")
        loaded = parse(path, data, max_bytes=limit)
        governed[identity] = Governed(
            kind=document.kind, name=document.name, path=path, blob=document.blob, sha256=document.sha256,
            loaded=loaded, note=f"{note}; the accepted text stays in force",
        )  # fmt: skip
    return governed, refused


def _doubles(files: Iterable[_Known]) -> dict[Governed_, str]:
    paths: dict[Governed_, list[str]] = {}
    for known in files:
        if known.loaded:
            paths.setdefault((known.loaded.kind, known.loaded.name), []).append(known.path)
    return {
        identity: f"{identity[0]} {identity[1]} is declared by {' and by '.join(sorted(where))}; keep one of them"
        for identity, where in paths.items()
        if len(where) > 1
    }


def _untrusted(
    repository: RepositoryName, known: _Known, trust: TrustFile, accepted: AcceptedDocument | None, now: datetime
) -> str:
    """Why this text is not in force, or an empty string. What was accepted stays accepted when a key expires later."""
    if accepted and accepted.blob == known.blob:
        return ""
    assert known.loaded is not None  # noqa: S101  # callers hand in governing files only
    statement = statement_of(repository, known.path, known.loaded, known.sha256)
    verification = verify(statement, known.signature, trust, verb="configure", path=known.path, first_seen=now, now=now)
    if verification.verified:
        return ""
    return f"{known.path}: {'; '.join(verification.unsigned)}"


def _in_force(known: _Known, loaded: Loaded, *, note: str) -> Governed:
    return Governed(
        kind=loaded.kind, name=loaded.name, path=known.path, blob=known.blob, sha256=known.sha256,
        loaded=loaded, note=note,
    )  # fmt: skip
