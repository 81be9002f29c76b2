"""The engine's own gates: signature, approvals, governing documents, references, removals.

Policies' gates are in `verdict`, and no policy, waiver or parameter opens one of these. Rules: a closed gate stops
progress and nothing else (what runs stays served and is repaired); its message is one sentence that names the file and
says who or what opens it.
"""

from collections.abc import Iterable

from reconciler.errors import Problem
from reconciler.model.plan import Gate
from reconciler.model.verification import Verification
from reconciler.trust.quorum import Outcome, Quorum

SHOWN_PROBLEMS = 5


def signature_gate(path: str, verification: Verification, *, pull: int = 0) -> Gate:
    """Whether the people whom the trust file asks for signed this very manifest.

    `pull` is the pull request that it is told on, whose commands take its number; 0 for none.
    """
    if verification.verified:
        return Gate(kind="Signature", open=True, reason="Verified", message=f"{path} is {verification.sentence}")
    why = verification.sentence or f"{_count(verification.missing, 'signature')} missing"
    command = f"reconciler sign --pr {pull}" if pull else f"reconciler sign {path}"
    message = f"{path} is not verified: {why}; somebody who may release it runs: {command}"
    return Gate(kind="Signature", open=False, reason="NotVerified", message=message)


_OPENED_BY = {
    Outcome.REJECTED: "it opens when they take that back (a comment or review on the forge, else `reconciler approve "
    "{path}`), or with another text",
    Outcome.EXPIRED: "change it (a comment is enough), sign it and have it approved anew",
    Outcome.STALE: "look at it as it is now and run: reconciler approve {named}",
    Outcome.MISSING: "to give one, run: reconciler approve {named}",
}


_ELSEWHERE = " --push, or put the signed block into a comment of the pull request"
_HERE = ", or put the signed block into a comment of this pull request"
_BY_REVIEW = ", or approve it there"


def approval_gate(what: str, path: str, quorum: Quorum, *, by_review: bool = False, pull: int = 0) -> Gate:
    """Whether the people whom the environment asks for approved `what`; `path` is what the command is given.

    `by_review`: a review on the forge counts, too. `pull` is the pull request that it is told on, 0 for none: then the
    command is given its number.
    """
    if quorum.met:
        return Gate(kind="Approval", open=True, reason=quorum.outcome, message=f"{what} has {quorum.sentence}")
    opened = _OPENED_BY[quorum.outcome].format(path=path, named=pull or path)
    if quorum.outcome in (Outcome.STALE, Outcome.MISSING):
        opened += f"{_HERE if pull else _ELSEWHERE}{_BY_REVIEW if by_review else ''}"
    message = f"{what} is not approved: {quorum.sentence}; {opened}"
    return Gate(kind="Approval", open=False, reason=quorum.outcome, message=message)


def invalid_gate(problems: Iterable[Problem]) -> Gate:
    """A document that does not parse, validate or resolve; the message has the first problems with their places."""
    rows = [str(problem) for problem in sorted(problems)]
    if not rows:
        return Gate(kind="Reference", open=True, reason="Valid", message="everything that it names is there")
    more = f" (and {len(rows) - SHOWN_PROBLEMS} more)" if len(rows) > SHOWN_PROBLEMS else ""
    message = "; ".join(rows[:SHOWN_PROBLEMS]) + more
    return Gate(kind="Reference", open=False, reason="Invalid", message=message)


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
