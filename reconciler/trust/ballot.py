"""The ballot: which approvals and rejections lie in signature files and in reviews, each judged by itself.

Not the decision whether they are enough (`quorum`), nor whether reviews count at all: the caller brings only those that
may. Rules: nothing is read out of a signed text, so every block is compared with the two statements that would count;
one that fits neither was made for something else, and is told as such; a key's state is judged for when we first saw
the vote; a review is its login's, and of the one closure that it was first seen with.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from reconciler.model.record import ApprovalFact, SignatureFact
from reconciler.model.trustfile import TrustFile, Verb
from reconciler.model.vote import ForgeVote, plain
from reconciler.trust.people import by_login, may, owner
from reconciler.trust.sshsig import Check, Signature, check, read_signatures
from reconciler.trust.statement import ApprovalStatement
from reconciler.trust.verify import judge_block

FORGE = "forge:"
"""How the `key` of a vote begins that is a review."""

FirstSeen = Callable[[str, str], datetime]
"""A key's fingerprint and the action → when this vote on this closure was first seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ballot:
    """The votes on one closure. `stale` names people whose signature is for something else; `refused` are sentences."""

    votes: tuple[ApprovalFact, ...] = ()
    places: tuple[int, ...] = ()
    """For each of the votes where it was found: which of the files or, counted on after them, of the reviews."""
    stale: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()


def ballot(
    approve: ApprovalStatement,
    files: Iterable[tuple[str, bytes]],
    trust: TrustFile,
    *,
    first_seen: FirstSeen,
    verb: Verb = "approve",
    reviews: Iterable[ForgeVote] = (),
) -> Ballot:
    """The votes in `files` (path, bytes) and `reviews`, in their order; the same vote twice is one.

    `approve` is the statement of a yes; a no is the same with `action: reject`. `verb` is what a voter must be allowed.
    """
    votes: dict[tuple[str, str], tuple[ApprovalFact, int]] = {}
    stale: dict[str, None] = {}
    refused: list[str] = []
    place = -1
    for place, (path, blocks) in enumerate(files):
        for signature in read_signatures(blocks):
            if not isinstance(signature, Signature):
                refused.append(f"{path}: it cannot be read: {signature.reason}")
                continue
            statement = meant(signature, approve)
            if statement is None and (name := _voter(signature, approve, trust, verb)):
                stale[name] = None
                continue
            found = _vote(signature, statement or approve, trust, first_seen, verb)
            if isinstance(found, ApprovalFact):
                votes.setdefault((found.key, found.use), (found, place))
            else:
                refused.append(f"{path}: {found}")
    for number, review in enumerate(reviews, start=place + 1):
        given = _reviewed(review, approve, trust, first_seen, verb)
        if isinstance(given, str):
            refused.append(f"{review.origin}: {given}")
        elif given.closure != f"sha256:{approve.closure_sha256}":
            stale[given.person] = None
        else:
            votes.setdefault((given.key, given.use), (given, number))
    return Ballot(
        votes=tuple(fact for fact, _ in votes.values()),
        places=tuple(at for _, at in votes.values()),
        stale=tuple(stale),
        refused=tuple(refused),
    )


def _reviewed(
    review: ForgeVote, approve: ApprovalStatement, trust: TrustFile, first_seen: FirstSeen, verb: Verb
) -> ApprovalFact | str:
    """The vote that a review is, on the closure that it was first seen with, or why it is none."""
    person = by_login(trust, review.forge, review.login)
    if person is None:
        return f"the login {plain(review.login)} of {review.forge} belongs to nobody in the trust file"
    if not may(trust, person, verb, environment=approve.environment):
        return f"given by {person.name}, who may not {verb} in {approve.environment}"
    key = forge_key(review.forge, person.logins[review.forge])
    return ApprovalFact(
        closure=review.closure, person=person.name, key=key, use=review.use, first_seen=first_seen(key, review.use)
    )


def forge_key(forge: str, login: str) -> str:
    """What stands for a key in a vote that has no signature."""
    return f"{FORGE}{forge}:{login}"


def meant(signature: Signature, approve: ApprovalStatement) -> ApprovalStatement | None:
    """The statement that this signature was made over, or None when it is another one."""
    for statement in (approve, replace(approve, action="reject")):
        if check(signature, message=statement.text(), namespace=statement.namespace) is Check.VALID:
            return statement
    return None


def _voter(signature: Signature, approve: ApprovalStatement, trust: TrustFile, verb: Verb) -> str:
    """The name of somebody who may approve and signed an approval of something else; empty for everybody else."""
    found = owner(trust, signature.key.blob)
    said = check(signature, message=approve.text(), namespace=approve.namespace)
    if found is None or said in (Check.NAMESPACE, Check.PRESENCE):
        return ""
    return found[0].name if may(trust, found[0], verb, environment=approve.environment) else ""


def _vote(
    signature: Signature, statement: ApprovalStatement, trust: TrustFile, first_seen: FirstSeen, verb: Verb
) -> ApprovalFact | str:
    at = first_seen(signature.key.fingerprint, statement.action)
    verdict = judge_block(signature, statement, trust, verb=verb, environment=statement.environment, at=at)
    if not isinstance(verdict, SignatureFact):
        return verdict
    return ApprovalFact(
        closure=f"sha256:{statement.closure_sha256}",
        person=verdict.person,
        key=verdict.key,
        use="reject" if statement.action == "reject" else "approve",
        first_seen=at,
    )
