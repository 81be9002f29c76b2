"""The evidence in a ledger: the signatures of the approvals and removals that its records name, judged again. Pure.

Not the chain, nor the signatures beside documents (`audit` does both). Rules: only what a record names is demanded, and
only from records that bring their evidence along; whose vote a file holds says the key in it, not its name; `ended/`
names every file by the id that git gives its bytes. A file of approvals may be replaced while a closure is decided, so
each person's last vote on it is what has to be proved; what an Approved or Rejected record says has a file of its own
and is always proved. A review has no signature: of it is proved that the environment in force then let reviews count.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from reconciler.digest import blob_id, sha256_of
from reconciler.documents.schema import parse
from reconciler.errors import Invalid, Refused
from reconciler.judge.exceptions import ended
from reconciler.loop.apart import APPROVALS, WHOLE, config_removal_path, removal_at, removal_path
from reconciler.loop.approving import identity
from reconciler.loop.recording import PULLS, plan_path
from reconciler.loop.removing import removal_statement
from reconciler.loop.vote_records import environment_path, proof_path
from reconciler.model.environment import Environment
from reconciler.model.hold import Hold
from reconciler.model.ids import EnvironmentName, ReleaseKey, ReleaseName, RepositoryName
from reconciler.model.record import GENESIS, VOTED, ApprovalFact, Record, SignatureFact
from reconciler.model.trustfile import TrustFile, Verb
from reconciler.trust.ballot import FORGE
from reconciler.trust.sshsig import Signature, read_signatures
from reconciler.trust.statement import ApprovalStatement, ConfigRemovalStatement, Statement
from reconciler.trust.verify import judge_block, verify, verify_role

ENDED = "ended"
_WITH_VOTES = ("Started", "Promoted", "Retired", "Confirmed")
"""Kinds whose approvals lie in `approvals/` among others; a Removed record has its own in `ended/`, too."""

Files = Mapping[str, bytes]


def unproven(records: Sequence[Record], files: Files, trust: TrustFile) -> Iterator[str]:
    """One sentence for every vote and removal that a record names and the ledger does not prove."""
    removed = [record for record in records if record.kind == "Removed"]
    yield from _votes(records, files, trust)
    yield from _reviews(records, files)
    yield from _plans(records, files)
    broken = dict(_broken(removed, files))
    yield from broken.values()
    by_path: dict[str, list[str]] = defaultdict(list)
    for stored in sorted(files):
        if stored.startswith(f"{ENDED}/"):
            by_path[_path(stored)].append(stored)
    spoilt = {_path(stored) for stored in broken}
    for record in removed:
        if "path" in record.detail:
            yield from _document(record, by_path, spoilt, files, trust)
        else:
            yield from _release(record, by_path, spoilt, files, trust)


def _path(stored: str) -> str:
    """The path on the trunk of what lies at `ended/<blob>/<path>`."""
    return stored.split("/", 2)[-1]


def _broken(removed: Iterable[Record], files: Files) -> Iterator[tuple[str, str]]:
    """What lies in `ended/` with other bytes than its path says, or although nothing ended."""
    speakers = {_subject_of(record): record for record in removed}
    for stored in sorted(files):
        if not stored.startswith(f"{ENDED}/"):
            continue
        record = speakers.get(_subject(_path(stored)))
        if record is None:
            yield stored, f"{stored} is in the ledger, and no record speaks of it"
        elif stored.split("/")[1] != blob_id(files[stored]):
            yield stored, f"record {record.sequence}: {stored} holds other bytes than its path says"


def _subject_of(record: Record) -> tuple[str, ...]:
    """What a Removed record ended: a release, or the document at a path."""
    path = record.detail.get("path")
    return (config_removal_path(str(path)),) if path else (record.environment, record.name)


def _subject(path: str) -> tuple[str, ...]:
    """What the file of signatures at this path of the trunk is about, as `_subject_of` says it."""
    parts = path.split("/")
    if parts[0] == APPROVALS:
        return tuple(parts[1:3])
    found = removal_at(path)
    return found[:2] if found else (path,)


# --- approvals


def _votes(records: Sequence[Record], files: Files, trust: TrustFile) -> Iterator[str]:
    """Votes in `approvals/` that are missing or prove nothing, and folders that no record speaks of."""
    voted = [record for record in records if record.kind in VOTED]
    last: dict[tuple[str, ...], tuple[Record, ApprovalFact]] = {}
    for record in records:
        for fact in record.approvals if record.kind in (*_WITH_VOTES, *VOTED) else ():
            if not fact.key.startswith(FORGE):
                which = (fact.use, fact.key) if record.kind in VOTED else ()
                last[record.environment, record.name, fact.closure, fact.person, *which] = record, fact
    folders: dict[str, list[str]] = defaultdict(list)
    for path in sorted(files):
        if path.startswith(f"{APPROVALS}/"):
            folders[path.rpartition("/")[0]].append(path)
    known = {f"{APPROVALS}/{row.closure.removeprefix('sha256:')}" for record in voted for row in record.approvals}
    for record, fact in last.values():
        folder = f"{APPROVALS}/{fact.closure.removeprefix('sha256:')}"
        known.add(folder)
        expected = proof_path(fact) if record.kind in VOTED else f"{folder}/{fact.person}.sig"
        yield from _vote(record, fact, expected, folders.get(folder, []), files, trust)
    for folder in folders.keys() - known:
        yield f"{folders[folder][0]} is in the ledger, and no record speaks of it"


def _vote(
    record: Record, fact: ApprovalFact, expected: str, stored: Sequence[str], files: Files, trust: TrustFile
) -> Iterator[str]:
    """Why none of the files stored there proves this vote; nothing when one does."""
    said = ApprovalStatement(
        repository=record.repository,
        environment=record.environment,
        name=record.name,
        closure_sha256=fact.closure.removeprefix("sha256:"),
        action=fact.use,
    )
    deletes = record.kind == "Confirmed" or record.detail.get("on") == "deletion"
    verbs: tuple[Verb, ...] = ("approve", "remove") if deletes else ("approve",)
    for path in stored:
        for signature in _signatures(files[path], fact.key):
            for verb in verbs:
                found = judge_block(
                    signature, said, trust, verb=verb, environment=record.environment, at=fact.first_seen
                )
                if isinstance(found, SignatureFact) and found.person == fact.person:
                    return
    named = next((path for path in stored if path == expected or path.endswith(f"/{fact.person}.sig")), "")
    if named:
        yield f"record {record.sequence}: {named} does not prove what {fact.person} ({fact.key}) said of {fact.closure}"
    else:
        yield f"record {record.sequence}: {expected}, with what {fact.person} said of it, is not in the ledger"


def _reviews(records: Iterable[Record], files: Files) -> Iterator[str]:
    """Reviews that count in a record although none before it tells of them, or that did not count when it did."""
    told: set[tuple[str, ...]] = set()
    accepted: dict[str, str] = {}
    for record in records:
        if record.kind == "Removed":
            accepted.pop(str(record.detail.get("path", "")), None)
        elif record.kind == "Accepted":
            accepted[str(record.detail["path"])] = str(record.detail["accepted"]["sha256"])
        for fact in (row for row in record.approvals if row.key.startswith(FORGE)):
            which = (record.environment, record.name, *identity(fact))
            if record.kind in VOTED:
                yield from _review(record, fact, accepted, files)
                told.add(which)
            elif which not in told:
                yield f"record {record.sequence}: no record before it tells of the review of {fact.person}"


def _review(record: Record, fact: ApprovalFact, accepted: Mapping[str, str], files: Files) -> Iterator[str]:
    """Why a review did not count when it was recorded: its environment was not in force, or let no review count."""
    said = record.detail.get("environment", {})
    path, sha256 = str(said.get("path", "")), str(said.get("sha256", ""))
    whose = f"record {record.sequence}: the review of {fact.person} ({fact.key.removeprefix(FORGE)})"
    stored = environment_path(fact, sha256)
    if not sha256 or accepted.get(path) != sha256:
        yield f"{whose} names an environment that was not in force then"
    elif stored not in files or sha256_of(files[stored]) != sha256:
        yield f"{whose}: {stored}, the environment that let it count, is not in the ledger"
    elif not _by_review(path, files[stored], record.environment):
        yield f"{whose} is not signed, and {path} let no review count then"


def _by_review(path: str, text: bytes, name: str) -> bool:
    try:
        document = parse(path, text).document
    except (Invalid, Refused):
        return False
    if not isinstance(document, Environment) or document.name != name or document.spec.approvals is None:
        return False
    return document.spec.approvals.by_review


def _plans(records: Iterable[Record], files: Files) -> Iterator[str]:
    """Whole texts of plans that are missing or other ones, or that no record speaks of."""
    known = set()
    for record in records:
        if record.kind == "Planned" and "text" in record.detail:
            path = plan_path(int(record.detail["pull"]["number"]), str(record.detail["plan"]))
            known.add(path)
            if path not in files or sha256_of(files[path]) != record.detail["text"]:
                yield f"record {record.sequence}: {path} is not the plan that was shown"
    for path in sorted(files):
        if path.startswith(f"{PULLS}/") and path not in known:
            yield f"{path} is in the ledger, and no record speaks of it"


def _signatures(blocks: bytes, key: str) -> list[Signature]:
    """The signatures of one key, named by its fingerprint."""
    found = (one for one in read_signatures(blocks) if isinstance(one, Signature))
    return [one for one in found if one.key.fingerprint == key]


# --- removals


def _release(
    record: Record, by_path: Mapping[str, list[str]], spoilt: set[str], files: Files, trust: TrustFile
) -> Iterator[str]:
    """The removals of a release that are named and not proved, and the approvals of them."""
    asked = {removal_path(record.environment, record.name, name): name for name in (WHOLE, *record.clusters)}
    there = [(stored, asked[path]) for path in asked for stored in by_path.get(path, ())]
    for fact, count in Counter(record.signatures).items():
        proved = {cluster for stored, cluster in there if _signed(record, fact, cluster, files[stored], trust)}
        if len(proved) >= count or spoilt & asked.keys():
            continue  # proved, or told already
        who = f"{fact.person} ({fact.key})"
        lacking = next((stored for stored, cluster in there if cluster not in proved), "")
        if lacking:
            yield f"record {record.sequence}: {lacking} does not prove that {who} signed the removal"
        else:
            paths = " or ".join(f"{ENDED}/<blob>/{path}" for path in asked)
            yield f"record {record.sequence}: {paths}, with the removal that {who} signed, is not in the ledger"
    folder = f"{APPROVALS}/{record.environment}/{record.name}/"
    votes = [stored for path, rows in by_path.items() if path.startswith(folder) for stored in rows]
    if any(path.startswith(folder) for path in spoilt):
        return
    for vote in record.approvals:
        if not vote.key.startswith(FORGE):  # of a review its own record tells
            proofs = votes + [path for path in (proof_path(vote),) if path in files]
            yield from _vote(record, vote, f"{ENDED}/<blob>/{folder}{vote.person}.sig", proofs, files, trust)


def _signed(record: Record, fact: SignatureFact, cluster: str, blocks: bytes, trust: TrustFile) -> bool:
    """True when this person's key signed the removal of a text that the record names.

    Records from before they named their texts leave only to ask whether that key is in a signature of a removal.
    """
    key = ReleaseKey(
        repository=RepositoryName(record.repository),
        environment=EnvironmentName(record.environment),
        name=ReleaseName(record.name),
    )
    texts = [str(text) for text in record.detail.get("manifests", ())]
    statements: list[Statement] = [removal_statement(key, cluster, text) for text in texts]
    signatures = _signatures(blocks, fact.key)
    if not texts:
        namespace = removal_statement(key, cluster, GENESIS).namespace
        return any(signature.namespace == namespace for signature in signatures)
    verdicts = (
        judge_block(signature, said, trust, verb="remove", environment=record.environment, at=record.time)
        for signature in signatures
        for said in statements
    )
    return any(isinstance(found, SignatureFact) and found.person == fact.person for found in verdicts)


def _document(
    record: Record, by_path: Mapping[str, list[str]], spoilt: set[str], files: Files, trust: TrustFile
) -> Iterator[str]:
    """A governing document that ended, and whose signed removal is missing or of nobody who may.

    A Waiver ends with its file and a Hold at its `until`, without a signature.
    """
    path, accepted = str(record.detail["path"]), record.detail["accepted"]
    if accepted["kind"] == "Waiver":
        return
    removal = config_removal_path(path)
    stored = by_path.get(removal, [])
    digest = str(accepted["sha256"]).removeprefix("sha256:")
    said = ConfigRemovalStatement(repository=record.repository, path=path, sha256=digest)
    is_hold = accepted["kind"] == "Hold"
    hold = _kept_hold(files.get(f"accepted/{path}", b""), accepted["sha256"], path) if is_hold else None
    for name in stored:
        if is_hold:
            roles = [hold.spec.released_by] if hold else _roles(trust)
            found = [verify_role(said, files[name], trust, role=role, at=record.time) for role in roles]
        else:
            at = record.time
            found = [verify(said, files[name], trust, verb="configure", path=path, first_seen=at, now=at)]
        if any(one.verified for one in found):
            return
    if removal in spoilt:
        return  # told already
    if is_hold and not stored and (hold is None or ended(hold, record.time)):
        return  # it had ended by itself, or nobody can say any more
    if stored:
        yield f"record {record.sequence}: {stored[0]} does not prove that somebody who may signed the end of {path}"
    else:
        yield f"record {record.sequence}: {ENDED}/<blob>/{removal}, the signed end of {path}, is not in the ledger"


def _kept_hold(text: bytes, sha256: str, path: str) -> Hold | None:
    """The Hold that a record speaks of; None where the ledger keeps another text by now."""
    if sha256_of(text) != sha256:
        return None
    try:
        document = parse(path, text).document
    except (Invalid, Refused):
        return None
    return document if isinstance(document, Hold) else None


def _roles(trust: TrustFile) -> list[str]:
    """Every role that somebody has: who may end a Hold whose text is lost cannot be said any more."""
    return sorted({role for person in trust.spec.people for role in person.roles})
