"""The judgement: whose signatures under a statement count, and one sentence for each that does not.

Not a reader of files: signature bytes, trust file and times are arguments. Rules: every block is judged by itself and
nothing is raised over what it holds; a key's state is judged for when we first saw the signed bytes; one person counts
once; the daemon's own key counts for records of the ledger and for nothing else.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from reconciler.errors import Misused
from reconciler.model.record import SignatureFact
from reconciler.model.trustfile import Person, TrustedKey, TrustFile, Verb
from reconciler.model.verification import Verification
from reconciler.model.wire import format_time
from reconciler.trust.people import KeyState, daemon_key, key_state, may, owner
from reconciler.trust.sshsig import Check, Signature, Unreadable, check, read_signatures
from reconciler.trust.statement import RecordStatement, Statement

DAEMON = "reconciler"
"""The `person` of the daemon's own signatures."""

Verdict = SignatureFact | str
"""The signature counts, or a sentence without a stop says why not."""

_MAX_NAMESPACE = 64  # characters of somebody else's namespace that a sentence repeats
_DEEDS: dict[Verb, str] = {
    "waive": "waive a policy",
    "clear": "clear a quarantine",
    "trust": "change the trust file",
    "trunk": "accept a rewritten trunk",
    "hold": "end a hold",
    "breakGlass": "break the glass",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    """What one call of `verify` asks of every block."""

    statement: Statement
    trust: TrustFile
    verb: Verb
    environment: str
    path: str
    at: datetime


def verify(
    statement: Statement,
    blocks: bytes,
    trust: TrustFile,
    *,
    verb: Verb,
    environment: str = "",
    path: str = "",
    first_seen: datetime,
    now: datetime,
    threshold: int = 1,
) -> Verification:
    """Judges the signature file `blocks` (empty: there is none) over `statement`.

    `environment` or `path` is where `verb` is done, as `people.may` takes it; it cannot differ from the statement's.
    Keys are judged for `first_seen`, or for `now` where that is earlier: nothing was seen in the future. For `trust`
    the file's own threshold is the least.
    """
    _same_place(statement, environment, path)
    if verb == "trust":
        threshold = max(threshold, trust.spec.threshold.count)
    question = _Question(
        statement=statement, trust=trust, verb=verb, environment=environment, path=path, at=min(first_seen, now)
    )
    return _collect(statement, blocks, trust, threshold, lambda signature: _judge(signature, question))


def judge_block(
    signature: Signature, statement: Statement, trust: TrustFile, *, verb: Verb, environment: str, at: datetime
) -> Verdict:
    """Judges one signature by itself, for a key that was valid `at`; for statements that many people sign apart."""
    _same_place(statement, environment, "")
    return _judge(
        signature, _Question(statement=statement, trust=trust, verb=verb, environment=environment, path="", at=at)
    )


def verify_role(statement: Statement, blocks: bytes, trust: TrustFile, *, role: str, at: datetime) -> Verification:
    """Judges a signature that anybody with `role` may give: the end of a Hold, whose text names the role."""

    def judge(signature: Signature) -> Verdict:
        found = owner(trust, signature.key.blob)
        if found is None:
            return _of_nobody(signature, statement, trust)
        person, key = found
        who = f"signed by {person.name} ({signature.key.fingerprint})"
        lacking = "" if role in person.roles else f"{who}, who has not the role {role}"
        return (
            _unproven(who, signature, statement)
            or _out_of_time(who, key, at)
            or lacking
            or SignatureFact(person=person.name, key=signature.key.fingerprint, use="hold")
        )

    return _collect(statement, blocks, trust, 1, judge)


def verify_record(statement: RecordStatement, blocks: bytes, trust: TrustFile, *, at: datetime) -> Verification:
    """Judges the signature of a ledger record written `at`: only the daemon's keys, old ones included, count."""
    return _collect(statement, blocks, trust, 1, lambda signature: _judge_record(signature, statement, trust, at))


def _same_place(statement: Statement, environment: str, path: str) -> None:
    """A role of one environment never judges a statement about another."""
    for name, asked in (("environment", environment), ("path", path)):
        stated = getattr(statement, name, asked)
        if asked and asked != stated:
            raise Misused(f"A statement about {name} '{stated}' was judged for '{asked}'.")


def _collect(
    statement: Statement, blocks: bytes, trust: TrustFile, threshold: int, judge: Callable[[Signature], Verdict]
) -> Verification:
    """Every block's verdict; the second signature of one person becomes a sentence."""
    signed: dict[str, SignatureFact] = {}
    unsigned: list[str] = []
    for signature in _readable(statement, blocks, trust):
        verdict = judge(signature) if isinstance(signature, Signature) else signature
        if isinstance(verdict, SignatureFact) and verdict.person in signed:
            verdict = f"signed by {verdict.person} again ({verdict.key}), who counts once"
        if isinstance(verdict, SignatureFact):
            signed[verdict.person] = verdict
        else:
            unsigned.append(verdict)
    return Verification(threshold=threshold, signed=tuple(signed.values()), unsigned=tuple(unsigned))


def _readable(statement: Statement, blocks: bytes, trust: TrustFile) -> list[Signature | str]:
    """The signatures, with a sentence in the place of each that cannot be read or if there is none to judge."""
    if statement.repository != trust.spec.repository:
        return [f"the trust file is about {trust.spec.repository} and can vouch for nothing in {statement.repository}"]
    found = read_signatures(blocks)
    if not found:
        return [f"{statement.subject} is not signed: there is no signature beside it"]
    return [_unreadable(one) if isinstance(one, Unreadable) else one for one in found]


def _unreadable(one: Unreadable) -> str:
    which = f"signature {one.block} of the file" if one.block else "the signature file"
    return f"{which} cannot be read: {one.reason}; remove it and sign again"


def _judge(signature: Signature, question: _Question) -> Verdict:
    found = owner(question.trust, signature.key.blob)
    if found is None:
        return _of_nobody(signature, question.statement, question.trust)
    person, key = found
    who = f"signed by {person.name} ({signature.key.fingerprint})"
    return (
        _unproven(who, signature, question.statement)
        or _out_of_time(who, key, question.at)
        or _out_of_role(who, person, question)
        or SignatureFact(person=person.name, key=signature.key.fingerprint, use=question.verb)
    )


def _judge_record(signature: Signature, statement: RecordStatement, trust: TrustFile, at: datetime) -> Verdict:
    key = daemon_key(trust, signature.key.blob)
    if key is None:
        found = owner(trust, signature.key.blob)
        whose = f"belongs to {found[0].name}" if found else "the trust file does not name"
        return f"signed with the key {signature.key.fingerprint}, which {whose}; only the daemon signs its records"
    who = f"signed by the daemon ({signature.key.fingerprint})"
    return (
        _unproven(who, signature, statement)
        or _out_of_time(who, key, at)
        or SignatureFact(person=DAEMON, key=signature.key.fingerprint, use="record")
    )


def _of_nobody(signature: Signature, statement: Statement, trust: TrustFile) -> str:
    if daemon_key(trust, signature.key.blob) is None:
        return f"signed with the key {signature.key.fingerprint}, which belongs to nobody in the trust file"
    who = f"signed by the daemon's own key ({signature.key.fingerprint})"
    return _unproven(who, signature, statement) or f"{who}, which counts for its records and can release nothing"


def _unproven(who: str, signature: Signature, statement: Statement) -> str:
    """Empty only when the key made this signature over this statement."""
    found = check(signature, message=statement.text(), namespace=statement.namespace)
    if found is Check.VALID:
        return ""
    if found is Check.NAMESPACE:
        other = signature.namespace[:_MAX_NAMESPACE]
        return f"{who} for another use: its namespace is {other} and {statement.namespace} is needed"
    if found is Check.PRESENCE:
        return f"{who} with a hardware token that does not say its owner touched it"
    return f"{who}, but not as it is now: it changed after that, or the signature is of another file"


def _out_of_time(who: str, key: TrustedKey, at: datetime) -> str:
    """Empty only when the key was valid."""
    state = key_state(key, at)
    if state is KeyState.VALID:
        return ""
    since = {KeyState.NOT_YET: key.valid_after, KeyState.EXPIRED: key.valid_before, KeyState.REVOKED: key.revoked_at}
    phrase = {
        KeyState.NOT_YET: "is not valid before",
        KeyState.EXPIRED: "expired at",
        KeyState.REVOKED: "was revoked at",
    }
    when = since[state] or at
    return f"{who}, whose key {phrase[state]} {format_time(when)}; the signature was first seen at {format_time(at)}"


def _out_of_role(who: str, person: Person, question: _Question) -> str:
    """Empty only when a rule allows it."""
    if may(question.trust, person, question.verb, environment=question.environment, path=question.path):
        return ""
    deed = _DEEDS.get(question.verb, question.verb)
    where = f" {question.path}" if question.path else f" in {question.environment}" if question.environment else ""
    if not person.roles:
        return f"{who}, who has no role and may not {deed}{where}"
    return f"{who}, whose role{'s' if len(person.roles) > 1 else ''} {', '.join(person.roles)} may not {deed}{where}"
