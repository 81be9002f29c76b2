"""Who governs: which text of every environment, cluster, runtime and policy is in force.

Pure. Rules: a text counts when somebody who may configure its path signed it; what was accepted once stays in force,
also when a key expires later, until a signed removal ends it; an untrusted, missing or broken text leaves the accepted
one in force and is named everywhere it matters; one that was never accepted is not in force at all.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from reconciler.documents.schema import Loaded, parse
from reconciler.errors import Problem
from reconciler.loop.statements import statement_of
from reconciler.model.ids import BlobId, RepositoryName
from reconciler.model.state import AcceptedDocument
from reconciler.model.trustfile import TrustFile
from reconciler.trust.verify import verify

Identity = tuple[str, str]
"""Kind and name of a governing document."""

Recall = Callable[[AcceptedDocument], bytes | None]
"""The bytes of a document accepted earlier, or None when nobody has them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """What one path held when it was last read; exactly one of `loaded` and `problems` is filled."""

    path: str
    blob: BlobId
    sha256: str
    loaded: Loaded | None
    problems: tuple[Problem, ...]
    signature: bytes
    signature_blob: BlobId | None


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


def govern(
    repository: RepositoryName,
    files: Iterable[File],
    trust: TrustFile,
    accepted: Mapping[str, AcceptedDocument],
    *,
    recall: Recall,
    limit: int,
    now: datetime,
) -> tuple[dict[Identity, Governed], dict[Identity, str]]:
    """Which governing documents are in force, and which are not, with the reason."""
    by_path = {known.path: known for known in files}
    governed: dict[Identity, Governed] = {}
    refused: dict[Identity, str] = {}
    doubles = _doubles(by_path.values())
    for path in sorted(by_path):
        known = by_path[path]
        if known.loaded is None:
            continue
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
        note = refused.pop(identity, "") or _gone_or_broken(path, by_path.get(path))
        loaded = parse(path, data, max_bytes=limit)
        governed[identity] = Governed(
            kind=document.kind, name=document.name, path=path, blob=document.blob, sha256=document.sha256,
            loaded=loaded, note=f"{note}; the accepted text stays in force",
        )  # fmt: skip
    return governed, refused


def _gone_or_broken(path: str, file: File | None) -> str:
    if file and file.problems:
        return "; ".join(str(problem) for problem in file.problems)
    return f"{path} is gone without a signed removal"


def _doubles(files: Iterable[File]) -> dict[Identity, str]:
    paths: dict[Identity, list[str]] = {}
    for known in files:
        if known.loaded:
            paths.setdefault((known.loaded.kind, known.loaded.name), []).append(known.path)
    return {
        identity: f"{identity[0]} {identity[1]} is declared by {' and by '.join(sorted(where))}; keep one of them"
        for identity, where in paths.items()
        if len(where) > 1
    }


def _untrusted(
    repository: RepositoryName, known: File, trust: TrustFile, accepted: AcceptedDocument | None, now: datetime
) -> str:
    """Why this text is not in force, or an empty string. What was accepted stays accepted when a key expires later."""
    if accepted and accepted.blob == known.blob:
        return ""
    if known.loaded is None:
        return "\n".join(str(problem) for problem in known.problems)
    statement = statement_of(repository, known.path, known.loaded, known.sha256)
    verification = verify(statement, known.signature, trust, verb="configure", path=known.path, first_seen=now, now=now)
    if verification.verified:
        return ""
    return f"{known.path}: {'; '.join(verification.unsigned)}"


def _in_force(known: File, loaded: Loaded, *, note: str) -> Governed:
    return Governed(
        kind=loaded.kind, name=loaded.name, path=known.path, blob=known.blob, sha256=known.sha256,
        loaded=loaded, note=note,
    )  # fmt: skip
