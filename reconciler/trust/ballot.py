"""The ballot: which approvals and rejections lie in signature files, each judged by itself.

Not the decision whether they are enough (`quorum`). Rules: nothing is read out of a signed text, so every block is
compared with the two statements that would count; one that fits neither was made for something else, and is told as
such; a key's state is judged for when we first saw the vote.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from reconciler.model.record import ApprovalFact, SignatureFact
from reconciler.model.trustfile import TrustFile, Verb
from reconciler.trust.people import may, owner
from reconciler.trust.sshsig import Check, Signature, check, read_signatures
from reconciler.trust.statement import ApprovalStatement
from reconciler.trust.verify import judge_block

FirstSeen = Callable[[str, str], datetime]
"""A key's fingerprint and the action → when this vote on this closure was first seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ballot:
    """The votes on one closure. `stale` names people whose signature is for something else; `refused` are sentences."""

    votes: tuple[ApprovalFact, ...] = ()
    stale: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()


def ballot(
    approve: ApprovalStatement,
    files: Iterable[tuple[str, bytes]],
    trust: TrustFile,
    *,
    first_seen: FirstSeen,
    verb: Verb = "approve",
) -> Ballot:
    """The votes in `files` (path, bytes), in the order of the files; the same vote twice is one.

    `approve` is the statement of a yes; a no is the same with `action: reject`. `verb` is what a voter must be allowed.
    """
    votes: dict[tuple[str, str], ApprovalFact] = {}
    stale: dict[str, None] = {}
    refused: list[str] = []
    for path, blocks in files:
        for signature in read_signatures(blocks):
            if not isinstance(signature, Signature):
                refused.append(f"{path}: it cannot be read: {signature.reason}")
                continue
            statement = _meant(signature, approve)
            if statement is None and (name := _voter(signature, approve, trust, verb)):
                stale[name] = None
                continue
            found = _vote(signature, statement or approve, trust, first_seen, verb)
            if isinstance(found, ApprovalFact):
                votes.setdefault((found.key, found.use), found)
            else:
                refused.append(f"{path}: {found}")
    return Ballot(votes=tuple(votes.values()), stale=tuple(stale), refused=tuple(refused))


def _meant(signature: Signature, approve: ApprovalStatement) -> ApprovalStatement | None:
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
