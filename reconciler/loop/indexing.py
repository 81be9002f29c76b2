"""The index makes the next snapshot of a trunk from the paths that changed, at the cost of those paths alone.

It reads no Git: bytes come through two callables, so `validate` and tests use it over plain folders. A fork of it tells
what a trunk would be, for plans of pull requests.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from reconciler.digest import sha256_of
from reconciler.documents.depend import depends_on
from reconciler.documents.index import misplaced
from reconciler.documents.schema import Loaded, NotOurs, is_document_path, parse
from reconciler.errors import Invalid, Problem
from reconciler.loop.apart import Apart, config_removal_path
from reconciler.loop.governing import File, Governed, Identity, Recall, govern
from reconciler.loop.layered import Layered
from reconciler.loop.snapshot import Publication, ReleaseFile, Snapshot
from reconciler.loop.statements import GOVERNING, SIGNATURE_SUFFIX, TRUST
from reconciler.model.environment import Environment
from reconciler.model.ids import BlobId, EnvironmentName, ReleaseKey, ReleaseName, RepositoryName, Revision
from reconciler.model.plan import shown_files
from reconciler.model.release import ModelRelease, runtime_in
from reconciler.model.repository import AcceptedDocument
from reconciler.model.trustfile import TrustFile
from reconciler.model.wire import DNS_LABEL

_RELEASES = "releases"
_LABEL = re.compile(DNS_LABEL)


Read = Callable[[BlobId], bytes]


class Index:
    """Keeps what is known of every path and makes snapshots. One thread owns it.

    `read` gives a blob's bytes; `recall` the bytes of a document accepted earlier, or None when nobody has them.
    """

    def __init__(self, repository: RepositoryName, *, read: Read, recall: Recall, limit: int) -> None:
        self._repository = repository
        self._read = read
        self._apart = Apart(repository, read)
        self._recall = recall
        self._limit = limit
        self._blobs: dict[str, BlobId] = {}
        self._known: dict[str, File] = {}
        self._governing: set[str] = set()
        self._paths_of: dict[ReleaseKey, set[str]] = {}
        self._releases: Layered[ReleaseKey, ReleaseFile] = Layered()
        self._by_environment: dict[str, set[ReleaseKey]] = {}
        self._by_runtime: dict[str, set[ReleaseKey]] = {}
        self._dependents: dict[ReleaseKey, frozenset[ReleaseKey]] = {}
        self._governed: dict[Identity, Governed] = {}
        self._by_kind: dict[str, dict[str, Governed]] = {}
        self._refused: dict[Identity, str] = {}
        self._doubles: dict[ReleaseKey, str] = {}
        self._problems: dict[str, tuple[Problem, ...]] = {}
        self._trust: TrustFile | None = None  # the one in force, once all was judged
        self._followed: tuple[Governed, ...] = ()

    def fork(self) -> "Index":
        """Another index that knows the same: what it takes over changes nothing here. Costs a copy of the tables."""
        other = Index(self._repository, read=self._read, recall=self._recall, limit=self._limit)
        for name, value in vars(self).items():
            if isinstance(value, dict | set):
                setattr(other, name, _copied(value))
            elif isinstance(value, Apart):
                other._apart = value.fork()
            else:  # a value that is replaced as one
                setattr(other, name, value)
        return other

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
        """The snapshot after `changed` (path → blob, None: gone); `everything` re-judges all of it.

        `trust` is the mounted trust file.
        """
        affected = self._apart.take(changed)
        placed, governing = self._take_all(changed, accepted)
        affected |= placed
        # The first time too: what was accepted before we started is in force, though no file of it may be left.
        again = governing or everything or self._trust is None
        regoverned = self._govern(trust, accepted, now) if again else frozenset()
        affected |= self._affected_by(regoverned)
        affected |= self._depending(affected)
        if everything:
            affected |= set(self._releases)
        return Publication(snapshot=self._snapshot(revision, trust, rejected), affected=frozenset(affected))

    def _snapshot(self, revision: Revision, mounted: TrustFile, rejected: tuple[str, ...]) -> Snapshot:
        """What is known now, as a value; what is changed in place here is copied into it."""
        assert self._trust is not None  # noqa: S101  # all was judged before
        return Snapshot(
            repository=self._repository,
            revision=revision,
            mounted=mounted,
            trust=self._trust,
            followed=self._followed,
            releases=self._releases,
            governed=self._governed,  # replaced as one, like `refused` and `by_kind`
            by_kind=self._by_kind,
            refused=self._refused,
            doubles=dict(self._doubles),
            approvals=self._apart.approvals,
            removals=self._apart.removals,
            dependents=dict(self._dependents),
            problems=tuple(problem for path in sorted(self._problems) for problem in self._problems[path]),
            rejected=rejected,
        )

    def _take_all(
        self, changed: Mapping[str, BlobId | None], accepted: Mapping[str, AcceptedDocument]
    ) -> tuple[set[ReleaseKey], bool]:
        """Read the documents that changed; the releases that it is about, and whether any of it may govern."""
        governing = any(config_removal_path(path) in changed for path in accepted)
        affected: set[ReleaseKey] = set()
        for path in sorted(self._touched(changed)):
            before, after = self._known.get(path), self._take(path)
            governing |= _governs(before) or _governs(after) or path in accepted
            if after and (_governs(after) or path in accepted):
                self._governing.add(path)
            else:
                self._governing.discard(path)
            affected |= self._place(before, after)
        return affected, governing

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

    def _take(self, path: str) -> File | None:
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

    def _parse(self, path: str, blob: BlobId) -> File | None:
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
        return File(
            path=path, blob=blob, sha256=sha256_of(data), loaded=loaded, problems=problems, signature=signature,
            signature_blob=signature_blob,
        )  # fmt: skip

    def _place(self, before: File | None, after: File | None) -> set[ReleaseKey]:
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
            self._by_runtime.get(previous.document.runtime, set()).discard(key)
            self._depend(key, previous.document, there=False)
        if not paths:
            self._paths_of.pop(key, None)
            self._doubles.pop(key, None)
            self._by_environment.get(key.environment, set()).discard(key)
            self._releases = self._releases.changed({}, without=frozenset({key}))
            return
        if len(paths) > 1:
            self._doubles[key] = f"{key} is declared by {shown_files(paths)}; keep one of them"
        else:
            self._doubles.pop(key, None)
        entry = self._file(key, self._known[paths[0]])
        self._by_environment.setdefault(key.environment, set()).add(key)
        if entry.document:
            self._by_runtime.setdefault(entry.document.runtime, set()).add(key)
            self._depend(key, entry.document, there=True)
        self._releases = self._releases.changed({key: entry})

    def _depend(self, key: ReleaseKey, document: ModelRelease, *, there: bool) -> None:
        """Note, or forget, whom this release depends on."""
        for environment, name in depends_on(document):
            other = self._release_key(EnvironmentName(environment), name)
            rest = self._dependents.get(other, frozenset()) - {key}
            after = rest | {key} if there else rest
            self._dependents |= {other: after}
            if not after:
                del self._dependents[other]

    def _depending(self, keys: Iterable[ReleaseKey]) -> set[ReleaseKey]:
        """All who depend on these, also by way of others: a circle may have closed or opened far away."""
        found: set[ReleaseKey] = set()
        todo = list(keys)
        while todo:
            fresh = self._dependents.get(todo.pop(), frozenset()) - found
            found |= fresh
            todo += fresh
        return found

    def _file(self, key: ReleaseKey, known: File) -> ReleaseFile:
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

    def _key(self, known: File | None) -> ReleaseKey | None:
        """Whose file this is: by what it says, or by where it lies when it does not parse."""
        if known is None or _governs(known):
            return None
        if known.loaded and isinstance(known.loaded.document, ModelRelease):
            return self._release_key(known.loaded.document.environment, known.loaded.name)
        parts = known.path.split("/")
        if known.loaded is None and len(parts) == 3 and parts[0] == _RELEASES:  # noqa: PLR2004  # releases/env/name.yaml
            environment, name = parts[1], parts[2].rpartition(".")[0]
            if _LABEL.fullmatch(environment) and _LABEL.fullmatch(name):  # otherwise it is no release's name
                return self._release_key(EnvironmentName(environment), name)
        return None

    def _release_key(self, environment: EnvironmentName, name: str) -> ReleaseKey:
        return ReleaseKey(repository=self._repository, environment=environment, name=ReleaseName(name))

    def _govern(self, trust: TrustFile, accepted: Mapping[str, AcceptedDocument], now: datetime) -> frozenset[Identity]:
        """Judge every governing document anew; the identities whose standing changed."""
        before, refused = dict(self._governed), dict(self._refused)
        judgement = govern(
            self._repository, (self._known[path] for path in sorted(self._governing)), trust, accepted,
            removals={path: self._read(blob) for path in accepted if (blob := self._removal_of(path))},
            recall=self._recall, limit=self._limit, now=now,
        )  # fmt: skip
        self._governed, self._refused = judgement.governed, judgement.refused
        self._by_kind = {}
        for (kind, name), row in self._governed.items():
            self._by_kind.setdefault(kind, {})[name] = row
        self._trust, self._followed = judgement.trust, judgement.followed
        names = set(before) | set(self._governed) | set(refused) | set(self._refused)
        return frozenset(
            name
            for name in names
            if before.get(name) != self._governed.get(name) or refused.get(name) != self._refused.get(name)
        )

    def _removal_of(self, path: str) -> BlobId | None:
        """The signature file that would end the governing document at `path`."""
        return self._blobs.get(config_removal_path(path))

    def _affected_by(self, identities: Iterable[Identity]) -> set[ReleaseKey]:
        affected: set[ReleaseKey] = set()
        for kind, name in identities:
            if kind == "Environment":
                for environment in (name, *self._after(name)):
                    affected |= self._by_environment.get(environment, set())
            elif kind == "ServingRuntime":
                affected |= self._by_runtime.get(name, set()) | self._by_baseline(name)
            else:
                affected |= set(self._releases)
        return affected

    def _by_baseline(self, runtime: str) -> set[ReleaseKey]:
        """The releases that leave their runtime to an environment whose baseline names this one."""
        left = self._by_runtime.get("", set())
        environments = (row for row in self._governed.values() if row.kind == "Environment" and left)
        named = [row.name for row in environments if runtime_in(row.loaded.as_(Environment).spec.defaults) == runtime]
        return {key for key in left if key.environment in named}

    def _after(self, name: str) -> Iterator[str]:
        """The environments that come directly after one: their releases are judged by what it has."""
        for row in self._governed.values():
            if row.kind == "Environment" and row.loaded.as_(Environment).spec.after == name:
                yield row.name


def snapshot_of(
    repository: RepositoryName, files: Mapping[str, BlobId], *, revision: Revision, read: Read, recall: Recall,
    trust: TrustFile, accepted: Mapping[str, AcceptedDocument], limit: int, now: datetime,
) -> Snapshot:  # fmt: skip
    """The snapshot of a set of files, as the daemon would publish it. `read` gives the bytes of what `files` names."""
    index = Index(repository, read=read, recall=recall, limit=limit)
    publication = index.publish(
        dict(files), revision=revision, trust=trust, accepted=accepted, rejected=(), now=now, everything=True
    )
    return publication.snapshot


def _copied(table: Any) -> Any:
    """A copy of a table, and of the sets that it holds: those are changed in place."""
    if isinstance(table, set):
        return set(table)
    return {key: set(value) if isinstance(value, set) else value for key, value in table.items()}


def _governs(known: File | None) -> bool:
    """True for a file that governs; one that does not parse is nobody's, unless its path is an accepted one."""
    return known is not None and known.loaded is not None and known.loaded.kind in (*GOVERNING, TRUST)
