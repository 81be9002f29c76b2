"""Who governs: which text of every environment, cluster, runtime, policy, Hold and Waiver is in force.

Pure. Rules: a text counts when somebody who may configure its path signed it; what was accepted once stays in force,
also when a key expires later, until a signed removal ends it; an untrusted, missing or broken text leaves the accepted
one in force and is named everywhere it matters; one that was never accepted is not in force at all. An accepted text
that nobody can read any more stops everything new: without it a policy would be gone.

A Hold needs no signature, for stopping is always allowed; once accepted it stays in force, word for word, until its
`until` or a signed removal. A Waiver is signed by somebody who may waive (of a break-glass: break the glass) in every
environment that it names; without its file it is over, for that only closes.

The trust file comes first: one of the repository that follows the mounted one is in force for everything else, is
remembered like every accepted text, and nothing ends it but a later version (trust/succession).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from reconciler.documents.schema import Loaded, parse
from reconciler.errors import Problem, Refused, Stalled
from reconciler.judge.exceptions import ended
from reconciler.loop.statements import GOVERNING, TRUST, statement_of, verify_config
from reconciler.model.hold import Hold, Waiver
from reconciler.model.ids import BlobId, RepositoryName
from reconciler.model.plan import shown_files
from reconciler.model.record import SignatureFact
from reconciler.model.repository import AcceptedDocument
from reconciler.model.trustfile import TrustFile
from reconciler.trust.statement import ConfigRemovalStatement
from reconciler.trust.succession import Succession, TrustText, in_force, succeed
from reconciler.trust.verify import verify, verify_role

Identity = tuple[str, str]
"""Kind and name of a governing document."""

THE_TRUST_FILE: Identity = (TRUST, "")

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
    `signers` are the people who signed a Waiver; empty for other kinds. `signed` are the signatures for which it is in
    force since now; empty for what was accepted earlier.
    """

    kind: str
    name: str
    path: str
    blob: BlobId
    sha256: str
    loaded: Loaded
    note: str
    signers: tuple[str, ...] = ()
    signed: tuple[SignatureFact, ...] = field(default=(), compare=False)

    @property
    def remembered(self) -> AcceptedDocument:
        """What to remember of it as accepted."""
        return AcceptedDocument(
            kind=self.kind, name=self.name, blob=self.blob, sha256=self.sha256, signers=self.signers
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """`trust` judged all the others; `refused` are documents that are not in force at all, with the reason.

    `followed` are the versions of the trust file that came into force by this judgement, oldest first.
    """

    trust: TrustFile
    followed: tuple[Governed, ...]
    governed: dict[Identity, Governed]
    refused: dict[Identity, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Court:
    """What every text of one repository is judged with."""

    repository: RepositoryName
    trust: TrustFile
    accepted: Mapping[str, AcceptedDocument]
    recall: Callable[[str, AcceptedDocument], Loaded]
    now: datetime


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
) -> Judgement:
    """Which governing documents are in force, and which are not, with the reason.

    `trust` is the mounted trust file; `removals` are signature files by the path of the document that they end.

    Raises Stalled when the text of a document accepted earlier is needed and cannot be read.
    """
    by_path = {known.path: known for known in files}

    def recalled(path: str, document: AcceptedDocument) -> Loaded:
        return _recalled(path, document, recall(document), limit)

    texts = {path: document for path, document in accepted.items() if document.kind == TRUST}
    trusted = {path: _accepted(path, document, recalled(path, document)) for path, document in texts.items()}
    succession = _succession(trust, by_path.values(), accepted, list(trusted.values()), now)
    court = _Court(
        repository=repository, trust=succession.trust, accepted=accepted, recall=recalled, now=now,
    )  # fmt: skip
    governed, refused = _others(court, by_path, removals)
    followed = tuple(_followed(by_path[text.path]) for text in succession.taken)
    remembered = (*trusted.values(), *followed)
    told = _told(succession)
    if remembered:
        governed[THE_TRUST_FILE] = replace(remembered[-1], note=told)
    elif told:
        refused[THE_TRUST_FILE] = told
    return Judgement(trust=succession.trust, followed=followed, governed=governed, refused=refused)


def _succession(
    mounted: TrustFile,
    files: Iterable[File],
    accepted: Mapping[str, AcceptedDocument],
    trusted: Sequence[Governed],
    now: datetime,
) -> Succession:
    """Which trust file is in force: the mounted one, the one accepted from the repository, or what follows them."""
    now_in_force = in_force(mounted, trusted[0].loaded.as_(TrustFile) if trusted else None)
    texts: list[TrustText] = []
    refused: dict[str, str] = {}
    for file in files:
        if file.loaded is None or file.loaded.kind != TRUST:
            continue
        before = accepted.get(file.path)
        if before and before.kind != TRUST:
            was = f"{_called(before)} was accepted from this file"
            refused[file.path] = f"{file.path}: {was}; put the trust file into one of its own"
            continue
        texts.append(
            TrustText(path=file.path, file=file.loaded.as_(TrustFile), sha256=file.sha256, signature=file.signature)
        )
    found = succeed(now_in_force, texts, now=now)
    broken = {row.path: "; ".join(map(str, problems)) for row in trusted if (problems := _problems(files, row.path))}
    return replace(found, refused={**refused, **broken, **found.refused})


def _problems(files: Iterable[File], path: str) -> tuple[Problem, ...]:
    """What is wrong with the file that an accepted trust file came from."""
    return next((file.problems for file in files if file.path == path), ())


def _followed(file: File) -> Governed:
    """A version of the trust file that just came into force."""
    assert file.loaded is not None  # noqa: S101  # it was judged
    return _in_force(file.path, file.blob, file.sha256, file.loaded, note="")


def _told(succession: Succession) -> str:
    """One sentence on trust files of the repository that do not count; empty when there is none."""
    if not succession.refused:
        return ""
    stays = f"version {succession.trust.spec.version} of the trust file stays in force"
    return "; ".join((*dict.fromkeys(succession.refused.values()), stays))


def _others(
    court: _Court,
    by_path: Mapping[str, File],
    removals: Mapping[str, bytes],
) -> tuple[dict[Identity, Governed], dict[Identity, str]]:
    """All documents but trust files."""
    over = _not_over(court, by_path)
    governed: dict[Identity, Governed] = {}
    refused: dict[Identity, str] = {}
    doubles = _doubles(by_path.values())
    standing = {
        path: document
        for path, document in over.items()
        if document.kind == TRUST or not _ended(court, path, document, by_path.get(path), removals.get(path, b""))
    }
    for path in sorted(by_path):
        known = by_path[path]
        loaded = _governing(known)
        if loaded is None:
            continue
        identity = (loaded.kind, loaded.name)
        twice = doubles.get(identity, "") if loaded.kind != "Hold" or identity in governed else ""
        reason, signers, signed = (twice, (), ()) if twice else _judged(court, known, loaded)
        if not reason:
            found = _in_force(path, known.blob, known.sha256, loaded, note="", signers=signers)
            governed[identity] = replace(found, signed=signed)
        elif identity not in refused:
            refused[identity] = reason
    _make_room(governed, refused, standing)
    for path, document in standing.items():
        identity = (document.kind, document.name)
        if identity in governed or document.kind == TRUST:
            continue
        loaded = court.recall(path, document)
        note = refused.pop(identity, "") or _gone_or_broken(path, identity, by_path.get(path))
        governed[identity] = replace(
            _accepted(path, document, loaded), note=f"{note}; the accepted text stays in force"
        )
    return governed, refused


def _accepted(path: str, document: AcceptedDocument, loaded: Loaded) -> Governed:
    """A text that was accepted earlier."""
    return _in_force(path, document.blob, document.sha256, loaded, note="", signers=document.signers)


def _ended(court: _Court, path: str, document: AcceptedDocument, file: File | None, signature: bytes) -> bool:
    """True when the file is gone and somebody signed that this very text ends.

    Whoever may configure its path ends a document; a Hold is ended by the role that it names.
    """
    loaded = _governing(file) if file else None
    if not signature or (file and file.problems) or (loaded and (loaded.kind, loaded.name) == _identity(document)):
        return False
    digest = document.sha256.removeprefix("sha256:")
    statement = ConfigRemovalStatement(repository=court.repository, path=path, sha256=digest)
    if document.kind == "Hold":
        role = court.recall(path, document).as_(Hold).spec.released_by
        return verify_role(statement, signature, court.trust, role=role, at=court.now).verified
    found = verify(statement, signature, court.trust, verb="configure", path=path, first_seen=court.now, now=court.now)
    return found.verified


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
                f"{path}: {_called(document)} was accepted from this file and is still in force; "
                f"put {kind} {name} into a file of its own"
            )


def _governing(file: File) -> Loaded | None:
    """What a file says, when that is a governing document."""
    return file.loaded if file.loaded and file.loaded.kind in GOVERNING else None


def _called(document: AcceptedDocument) -> str:
    return "the trust file" if document.kind == TRUST else f"{document.kind} {document.name}"


def _recalled(path: str, document: AcceptedDocument, data: bytes | None, limit: int) -> Loaded:
    what = f"the accepted text of {_called(document)} ({path})"
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
        identity: f"{identity[0]} {identity[1]} is declared by {shown_files(where)}; keep one of them"
        for identity, where in paths.items()
        if len(where) > 1
    }


def _judged(court: _Court, known: File, loaded: Loaded) -> tuple[str, tuple[str, ...], tuple[SignatureFact, ...]]:
    """Why this text is not in force, or an empty string; of a Waiver, who signed it; and what is judged only now.

    What was accepted stays accepted when a key expires later.
    """
    if loaded.kind == "Hold":
        return _held_to(court, known, loaded), (), ()
    accepted = court.accepted.get(known.path)
    signers = accepted.signers if accepted and accepted.blob == known.blob else None
    glass = isinstance(loaded.document, Waiver) and loaded.document.spec.break_glass is not None
    if signers is not None and not glass:
        return "", signers, ()
    try:
        statement = statement_of(court.repository, known.path, loaded, known.sha256)
    except Refused as error:  # a path that no statement can be made of
        return f"{known.path}: {error.message}", (), ()
    found = verify_config(statement, known.signature, court.trust, loaded, first_seen=court.now, now=court.now)
    if signers is not None:  # of a break-glass a second person may sign later, and what the first signed is in force
        return "", tuple(sorted({*signers, *(found.people if found.verified else ())})), found.signed
    if not found.verified:
        return f"{known.path}: {'; '.join(found.unsigned)}", (), ()
    return "", tuple(sorted(found.people)) if isinstance(loaded.document, Waiver) else (), found.signed


def _held_to(court: _Court, known: File, loaded: Loaded) -> str:
    """Why the text of a Hold is not taken over: an accepted one of its name has not ended. Empty when it is."""
    for path, accepted in court.accepted.items():
        if (accepted.kind, accepted.name) == (loaded.kind, loaded.name) and accepted.blob != known.blob:
            hold = court.recall(path, accepted).as_(Hold)
            if not ended(hold, court.now) and not _prolongs(loaded.as_(Hold), hold):
                return f"{known.path} changes Hold {hold.name}, which has not ended; add another one beside it instead"
    return ""


def _prolongs(new: Hold, old: Hold) -> bool:
    """True when the new text holds the same at least as long."""
    same = (new.spec.selector, new.spec.released_by) == (old.spec.selector, old.spec.released_by)
    return same and (new.spec.until is None or (old.spec.until is not None and new.spec.until >= old.spec.until))


def hold_over(governed: Iterable[Governed], now: datetime) -> bool:
    """True when an accepted Hold in place of what the trunk has now has ended: what the trunk has counts again."""
    return any(row.note and row.kind == "Hold" and ended(row.loaded.as_(Hold), now) for row in governed)


def _not_over(court: _Court, by_path: Mapping[str, File]) -> dict[str, AcceptedDocument]:
    """What was accepted, without Holds that have ended and Waivers whose file is gone."""

    def over(path: str, document: AcceptedDocument) -> bool:
        if document.kind == "Waiver":
            file = by_path.get(path)
            other = file and file.loaded and (file.loaded.kind, file.loaded.name) != ("Waiver", document.name)
            return file is None or bool(other)
        return document.kind == "Hold" and ended(court.recall(path, document).as_(Hold), court.now)

    return {path: document for path, document in court.accepted.items() if not over(path, document)}


def _in_force(
    path: str, blob: BlobId, sha256: str, loaded: Loaded, *, note: str, signers: tuple[str, ...] = ()
) -> Governed:
    return Governed(
        kind=loaded.kind, name=loaded.name, path=path, blob=blob, sha256=sha256, loaded=loaded, note=note,
        signers=signers,
    )  # fmt: skip
