"""Who governs: which text of every environment, cluster, runtime and policy is in force.

Pure. Rules: a text counts when somebody who may configure its path signed it; what was accepted once stays in force,
also when a key expires later, until a signed removal ends it; an untrusted, missing or broken text leaves the accepted
one in force and is named everywhere it matters; one that was never accepted is not in force at all. An accepted text
that nobody can read any more stops everything new: without it a policy would be gone.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from reconciler.documents.schema import Loaded, parse
from reconciler.errors import Problem, Refused, Stalled
from reconciler.loop.statements import GOVERNING, statement_of
from reconciler.model.ids import BlobId, RepositoryName
from reconciler.model.state import AcceptedDocument
from reconciler.model.trustfile import TrustFile
from reconciler.trust.statement import ConfigRemovalStatement
from reconciler.trust.verify import verify

Identity = tuple[str, str]
"""Kind and name of a governing document."""

Recall = Callable[[AcceptedDocument], bytes | None]
"""The bytes of a document accepted earlier, or None when nobody has them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """What one path held when it was last read.

    `loaded` is None when it does not parse; a release in another environment's folder parses and has a problem.
    """

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
    removals: Mapping[str, bytes],
    recall: Recall,
    limit: int,
    now: datetime,
) -> tuple[dict[Identity, Governed], dict[Identity, str]]:
    """Which governing documents are in force, and which are not, with the reason.

    `removals` are signature files by the path of the document that they end.

    Raises Stalled when the text of a document accepted earlier is needed and cannot be read.
    """
    by_path = {known.path: known for known in files}
    governed: dict[Identity, Governed] = {}
    refused: dict[Identity, str] = {}
    doubles = _doubles(by_path.values())
    accepted = {
        path: document
        for path, document in accepted.items()
        if not _ended(repository, path, document, by_path.get(path), removals.get(path, b""), trust, now)
    }
    for path in sorted(by_path):
        known = by_path[path]
        loaded = _governing(known)
        if loaded is None:
            continue
        identity = (loaded.kind, loaded.name)
        reason = doubles.get(identity) or _untrusted(repository, known, loaded, trust, accepted.get(path), now)
        if not reason:
            governed[identity] = _in_force(path, known.blob, known.sha256, loaded, note="")
        elif identity not in refused:
            refused[identity] = reason
    _make_room(governed, refused, accepted)
    for path, document in accepted.items():
        identity = (document.kind, document.name)
        if identity in governed:
            continue
        loaded = _recalled(path, document, recall(document), limit)
        note = refused.pop(identity, "") or _gone_or_broken(path, identity, by_path.get(path))
        note = f"{note}; the accepted text stays in force"
        governed[identity] = _in_force(path, document.blob, document.sha256, loaded, note=note)
    return governed, refused


def _ended(
    repository: RepositoryName, path: str, document: AcceptedDocument, file: File | None, signature: bytes,
    trust: TrustFile, now: datetime,
) -> bool:  # fmt: skip
    """True when the file is gone and somebody who may configure its path signed that this very text ends."""
    loaded = _governing(file) if file else None
    if not signature or (file and file.problems) or (loaded and (loaded.kind, loaded.name) == _identity(document)):
        return False
    statement = ConfigRemovalStatement(repository=repository, path=path, sha256=document.sha256.removeprefix("sha256:"))
    return verify(statement, signature, trust, verb="configure", path=path, first_seen=now, now=now).verified


def _identity(document: AcceptedDocument) -> Identity:
    return document.kind, document.name


def _make_room(
    governed: dict[Identity, Governed], refused: dict[Identity, str], accepted: Mapping[str, AcceptedDocument]
) -> None:
    """One path is one document: what stands where an accepted one is still in force is refused."""
    while True:
        holders = {row.path: identity for identity, row in governed.items()}
        taken = [
            (path, document, holders[path])
            for path, document in accepted.items()
            if path in holders and (document.kind, document.name) not in governed
        ]
        if not taken:
            return
        for path, document, (kind, name) in taken:
            del governed[kind, name]
            refused[kind, name] = (
                f"{path}: {document.kind} {document.name} was accepted from this file and is still in force; "
                f"put {kind} {name} into a file of its own"
            )


def _governing(file: File) -> Loaded | None:
    """What a file says, when that is a governing document."""
    return file.loaded if file.loaded and file.loaded.kind in GOVERNING else None


def _recalled(path: str, document: AcceptedDocument, data: bytes | None, limit: int) -> Loaded:
    what = f"the accepted text of {document.kind} {document.name} ({path})"
    if data is None:
        raise Stalled(f"{what} cannot be read any more, so nothing new is accepted", reason="AcceptedUnreadable")
    try:
        return parse(path, data, max_bytes=limit)
    except Refused as error:
        raise Stalled(
            f"{what} is not valid any more, so nothing new is accepted: {error.message}", reason="AcceptedUnreadable"
        ) from error


def _gone_or_broken(path: str, identity: Identity, file: File | None) -> str:
    if file and file.problems:
        return "; ".join(str(problem) for problem in file.problems)
    now = f", and {path} is now {file.loaded.kind} {file.loaded.name}" if file and file.loaded else ""
    return f"{identity[0]} {identity[1]} is gone from {path} without a signed removal{now}"


def _doubles(files: Iterable[File]) -> dict[Identity, str]:
    paths: dict[Identity, list[str]] = {}
    for known in files:
        loaded = _governing(known)
        if loaded:
            paths.setdefault((loaded.kind, loaded.name), []).append(known.path)
    return {
        identity: f"{identity[0]} {identity[1]} is declared by {' and by '.join(sorted(where))}; keep one of them"
        for identity, where in paths.items()
        if len(where) > 1
    }


def _untrusted(
    repository: RepositoryName, known: File, loaded: Loaded, trust: TrustFile, accepted: AcceptedDocument | None,
    now: datetime,
) -> str:  # fmt: skip
    """Why this text is not in force, or an empty string. What was accepted stays accepted when a key expires later."""
    if accepted and accepted.blob == known.blob:
        return ""
    try:
        statement = statement_of(repository, known.path, loaded, known.sha256)
    except Refused as error:  # a path that no statement can be made of
        return f"{known.path}: {error.message}"
    verification = verify(statement, known.signature, trust, verb="configure", path=known.path, first_seen=now, now=now)
    if verification.verified:
        return ""
    return f"{known.path}: {'; '.join(verification.unsigned)}"


def _in_force(path: str, blob: BlobId, sha256: str, loaded: Loaded, *, note: str) -> Governed:
    return Governed(kind=loaded.kind, name=loaded.name, path=path, blob=blob, sha256=sha256, loaded=loaded, note=note)
