"""Acme's models as blobs in memory: the sample repository, real keys, a trust file, and real signatures beside files.

Not Git: a blob's id is sha1 over its bytes. Rules: `bo` may release, remove and configure everything, `ada` may
release in staging only, `cy` and `dee` may approve in prod, `bo` and there `dee` may break the glass, `daemon` signs
records.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from reconciler.digest import sha256_of
from reconciler.documents.schema import parse
from reconciler.loop.apart import approval_path, config_removal_path, removal_path
from reconciler.loop.approving import approve_statement
from reconciler.loop.indexing import Index
from reconciler.loop.progress import Fleeting
from reconciler.loop.removing import removal_statement
from reconciler.loop.snapshot import Publication, Snapshot
from reconciler.loop.statements import statement_of
from reconciler.model.ids import BlobId, ReleaseKey
from reconciler.model.release import Effective
from reconciler.model.repository import AcceptedDocument
from reconciler.model.state import (
    Apply,
    Directive,
    HookOutcome,
    HookState,
    ReleaseRef,
    ReleaseStatus,
    TargetState,
    TargetStatus,
    VersionHealth,
    release_key,
    release_ref,
    unpack,
)
from reconciler.model.trustfile import TrustFile
from reconciler.trust.keys import KeyPair, PrivateKey, generate_key, load_private_key
from reconciler.trust.people import read_trust
from reconciler.trust.sshsig import sign
from reconciler.trust.statement import ConfigRemovalStatement

REPOSITORY = "github.com/acme/models"
SAMPLE = Path(__file__).parents[2] / "sample-repo"
NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
LIMIT = 256 * 1024
PROD = "releases/prod/fraud-detector.yaml"
ENVIRONMENT_PROD = "environments/prod.yaml"
REVISION = "1" * 40


def key_of(environment: str, name: str) -> ReleaseKey:
    return release_key(ReleaseRef(repository=REPOSITORY, environment=environment, name=name))


FRAUD = key_of("prod", "fraud-detector")


@cache
def pair(name: str) -> KeyPair:
    return generate_key(name)


@cache
def private(name: str) -> PrivateKey:
    return load_private_key(pair(name).private)


def trust(**times: Mapping[str, str]) -> TrustFile:
    """Acme's trust file; `bo={"revokedAt": …}` gives bo's key times."""

    def keys(name: str) -> list[dict[str, str]]:
        return [{"key": pair(name).public.strip(), **times.get(name, {})}]

    data = {
        "apiVersion": "reconciler.dev/v1alpha1",
        "kind": "Trust",
        "spec": {
            "repository": REPOSITORY,
            "version": 1,
            "threshold": {"role": "owner", "count": 1},
            "daemon": keys("daemon"),
            "people": [
                {"name": "ada", "roles": ["science"], "logins": {"github": "ada-l"}, "keys": keys("ada")},
                {"name": "bo", "roles": ["owner"], "logins": {"github": "bo-forge"}, "keys": keys("bo")},
                {"name": "cy", "roles": ["risk"], "logins": {"github": "cy-forge"}, "keys": keys("cy")},
                {"name": "dee", "roles": ["lead"], "logins": {"github": "Dee"}, "keys": keys("dee")},
            ],
            "allow": [
                {"role": "science", "may": ["release"], "environments": ["staging"]},
                {"role": "owner", "may": ["release", "approve", "remove"], "environments": ["*"]},
                {"role": "risk", "may": ["approve"], "environments": ["prod"]},
                {"role": "lead", "may": ["approve"], "environments": ["prod"]},
                {"role": "owner", "may": ["configure"], "paths": ["**"]},
                {"role": "science", "may": ["waive"], "environments": ["prod"]},
                {"role": "owner", "may": ["waive", "breakGlass"], "environments": ["*"]},
                {"role": "lead", "may": ["breakGlass"], "environments": ["prod"]},
            ],
        },
    }
    return read_trust(data, path="trust.yaml")


TRUST = trust()


@cache
def signature(path: str, data: bytes, by: str) -> bytes:
    said = statement_of(REPOSITORY, path, parse(path, data), sha256_of(data))
    return sign(private(by), said.text(), said.namespace).encode()


@cache
def sample_files() -> dict[str, bytes]:
    """Without its Hold and Waiver: the tests of those bring their own."""
    found = {path.relative_to(SAMPLE).as_posix(): path.read_bytes() for path in SAMPLE.rglob("*.yaml")}
    return {path: data for path, data in found.items() if not path.startswith(("holds/", "waivers/"))}


class Repo:
    """A work tree in memory and every blob it ever had."""

    def __init__(self, *, by: str = "bo") -> None:
        self.blobs: dict[BlobId, bytes] = {}
        self.files: dict[str, BlobId] = {}
        for path, data in sample_files().items():
            self.write(path, data)
            if by and b"kind: PolicyTest" not in data:
                self.sign(path, by)

    def write(self, path: str, data: bytes) -> None:
        blob = BlobId(hashlib.sha1(data, usedforsecurity=False).hexdigest())
        self.blobs[blob] = data
        self.files[path] = blob

    def text(self, path: str) -> str:
        return self.blobs[self.files[path]].decode()

    def edit(self, path: str, old: str, new: str, *, by: str = "bo") -> None:
        """Replace one place; signed again unless `by` is empty."""
        assert self.text(path).count(old) == 1, (path, old)
        self.write(path, self.text(path).replace(old, new).encode())
        if by:
            self.sign(path, by)

    def sign(self, path: str, by: str = "bo") -> None:
        self.write(f"{path}.sig", signature(path, self.blobs[self.files[path]], by))

    def vote(self, key: ReleaseKey, digest: str, by: str, *, action: str = "approve", file: str = "") -> str:
        """Somebody's approval of a closure (or of a removal's statement), in their file; returns its path."""
        said = replace(approve_statement(key, digest), action=action)
        path = approval_path(key.environment, key.name, file or by)
        self.write(path, sign(private(by), said.text(), said.namespace).encode())
        return path

    def end(self, key: ReleaseKey, manifest: str, by: str, *, cluster: str = "*") -> str:
        """Somebody's signature that a release ends; returns its path."""
        said = removal_statement(key, cluster, manifest)
        path = removal_path(key.environment, key.name, cluster)
        self.write(path, sign(private(by), said.text(), said.namespace).encode())
        return path

    def end_document(self, path: str, by: str, *, digest: str = "") -> str:
        """Remove a governing document with somebody's signature that it ends."""
        found = digest or sha256_of(self.blobs[self.files[path]])
        said = ConfigRemovalStatement(repository=REPOSITORY, path=path, sha256=found.removeprefix("sha256:"))
        self.remove(path)
        self.write(config_removal_path(path), sign(private(by), said.text(), said.namespace).encode())
        return config_removal_path(path)

    def remove(self, *paths: str) -> None:
        for path in paths:
            self.files.pop(path, None)
            self.files.pop(f"{path}.sig", None)

    def read(self, blob: BlobId) -> bytes:
        return self.blobs[blob]

    def recall(self, document: AcceptedDocument) -> bytes | None:
        return self.blobs.get(document.blob)


class Published:
    """What a source does around an index: changes since last time in, and what was accepted remembered."""

    def __init__(self, repo: Repo, *, trusted: TrustFile = TRUST, accepted: Mapping[str, Any] | None = None) -> None:
        self.repo = repo
        self.trust = trusted
        self.accepted: dict[str, AcceptedDocument] = dict(accepted or {})
        self.now = NOW
        self.before: dict[str, BlobId] = {}
        self.index = self.fresh_index()
        self.last: Publication | None = None

    def fresh_index(self) -> Index:
        return Index(REPOSITORY, read=self.repo.read, recall=self.repo.recall, limit=LIMIT)

    def publish(self, *, everything: bool = False) -> Snapshot:
        self.last = self._publish(self.index, self._changed(), everything=everything)
        self.before = dict(self.repo.files)
        self.accepted = self.last.snapshot.accepted()
        return self.last.snapshot

    def as_if(self) -> Publication:
        """What the files would be as the trunk, by a fork: nothing is taken over."""
        return self._publish(self.index.fork(), self._changed())

    def _changed(self) -> dict[str, BlobId | None]:
        return {
            path: self.repo.files.get(path)
            for path in {*self.before, *self.repo.files}
            if self.before.get(path) != self.repo.files.get(path)
        }

    def afresh(self, accepted: Mapping[str, AcceptedDocument]) -> Snapshot:
        """The same by an index that has seen nothing: a daemon that starts again."""
        return self._publish(self.fresh_index(), dict(self.repo.files), accepted=accepted).snapshot

    def _publish(
        self,
        index: Index,
        changed: Mapping[str, BlobId | None],
        *,
        everything: bool = False,
        accepted: Mapping[str, AcceptedDocument] | None = None,
    ) -> Publication:
        return index.publish(
            changed,
            revision=REVISION,
            trust=self.trust,
            accepted=self.accepted if accepted is None else accepted,
            rejected=(),
            now=self.now,
            everything=everything,
        )


def snapshot(repo: Repo, **more: Any) -> Snapshot:
    return Published(repo, **more).publish()


def target_state(
    key: ReleaseKey, cluster: str, directive: Directive, effective: Mapping[str, str], *, acted: bool = True,
    hooks: Mapping[str, str] | None = None,
) -> TargetState:  # fmt: skip
    """A target that carries its directive out at the low end of every size, and is healthy.

    Hooks complete, unless `hooks` says by name how far they are.
    """
    versions = {
        entry.version: VersionHealth(replicas=entry.low, ready=entry.low, wanted=entry.low, healthy=True)
        for entry in directive.versions
    }
    outcomes = {
        entry.version: {name: hook_outcome((hooks or {}).get(name, "Complete")) for name in entry.hooks}
        for entry in directive.versions
        if entry.hooks
    }
    status = TargetStatus(sequence=directive.sequence, versions=versions, hooks=outcomes) if acted else TargetStatus()
    return TargetState(
        release=release_ref(key),
        cluster=cluster,
        home="home",
        directive=directive,
        effective={entry.version: effective[entry.version] for entry in directive.versions},
        status=status,
    )


def hook_outcome(state: str) -> HookOutcome:
    failed = (
        {"reason": "BackoffLimitExceeded", "message": "pod smoke-x: Error; exit code 1"} if state == "Failed" else {}
    )
    return HookOutcome(state=HookState(state), since=NOW, **failed)


def fleeting(state: TargetState | None, *, reachable: bool = True, trouble: str = "") -> Fleeting:
    return Fleeting(reachable=reachable, listing=False, state=state, trouble=trouble)


def fleet(
    key: ReleaseKey, status: ReleaseStatus, clusters: tuple[str, ...] = ("eu-1", "us-1"),
    hooks: Mapping[str, str] | None = None,
) -> dict[str, Fleeting]:  # fmt: skip
    """Clusters that have all acted on what they were told; of what was told to end nothing is left."""
    running = {name for name, told in status.directives.items() if told.apply is not Apply.REMOVE}
    return {
        name: fleeting(
            target_state(key, name, status.directives[name], status.effective, hooks=hooks) if name in running else None
        )
        for name in clusters
    }


def later(minutes: int) -> datetime:
    return NOW + timedelta(minutes=minutes)


def specs_of(status: ReleaseStatus) -> dict[str, Effective]:
    """The kept specs by model version."""
    return {spec.spec.model.version: spec for spec in map(unpack, status.effective.values())}
