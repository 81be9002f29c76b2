"""The quorum: whether the people whom an environment asks for said yes. Pure; the votes are verified already.

Not the reading of signatures (`ballot`). Rules: every rule must hold; a person counts once per rule, however many keys
they sign with; a reject wins, whoever of the approvers says it and however many approve, and it does not expire; an
approval counts for `expireAfter` from when it was first seen; authors are no approvers where they are kept separate.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from reconciler.model.environment import ApprovalRule, Approvals
from reconciler.model.plan import shown
from reconciler.model.record import ApprovalFact
from reconciler.model.trustfile import TrustFile, Verb
from reconciler.model.wire import format_duration
from reconciler.trust.ballot import Ballot
from reconciler.trust.people import may


class Outcome(StrEnum):
    """What the votes come to; the values are the reasons of the gate."""

    MET = "Approved"
    REJECTED = "ApprovalsRejected"
    EXPIRED = "ApprovalsExpired"
    STALE = "ApprovalsStale"
    MISSING = "ApprovalsMissing"


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleCount:
    """How one rule stands: who counts for it, and who else could."""

    rule: ApprovalRule
    people: tuple[str, ...]
    could: tuple[str, ...]

    @property
    def missing(self) -> int:
        """How many more have to approve."""
        return max(0, self.rule.count - len(self.people))

    @property
    def sentence(self) -> str:
        """`0 of 1 approvals by risk (cy could)`."""
        whose = f" by {self.rule.role}" if self.rule.role else ""
        noun = "approval" if self.rule.count == 1 else "approvals"
        text = f"{len(self.people)} of {self.rule.count} {noun}{whose}"
        notes = [f"given by {_listed(self.people)}"] if self.people else []
        if self.missing:
            notes.append(f"{_listed(self.could)} could give {'it' if self.missing == 1 else 'them'}" if self.could
                         else "the trust file names nobody else who could")  # fmt: skip
        return f"{text} ({'; '.join(notes)})" if notes else text


@dataclass(frozen=True, slots=True, kw_only=True)
class Quorum:
    """The verdict. `counted` are the approvals that count, `rejected` the people who said no; the rest explains."""

    rules: tuple[RuleCount, ...]
    counted: tuple[ApprovalFact, ...]
    rejected: tuple[str, ...]
    expired: tuple[str, ...]
    stale: tuple[str, ...]
    notes: tuple[str, ...]
    """One sentence per signature that does not count."""
    expire_after: timedelta

    @property
    def missing(self) -> tuple[RuleCount, ...]:
        """The rules that do not hold."""
        return tuple(row for row in self.rules if row.missing)

    @property
    def outcome(self) -> Outcome:
        """What it comes to; of several reasons the one that people can do most about."""
        if self.rejected:
            return Outcome.REJECTED
        if not self.missing:
            return Outcome.MET
        if self.expired:
            return Outcome.EXPIRED
        return Outcome.STALE if self.stale else Outcome.MISSING

    @property
    def met(self) -> bool:
        """True when every rule holds and nobody said no."""
        return self.outcome is Outcome.MET

    @property
    def votes(self) -> str:
        """The same without a word of signatures that are of something else."""
        parts = [f"rejected by {_listed(self.rejected)}"] if self.rejected else []
        parts += [row.sentence for row in self.rules]
        if self.expired:
            parts.append(f"{_whose(self.expired)} older than {format_duration(self.expire_after)}")
        return "; ".join(parts)

    @property
    def sentence(self) -> str:
        """Why it is or is not met, on one line, without a stop at its end."""
        parts = [self.votes]
        if self.stale:
            parts.append(f"{_whose(self.stale)} for an earlier text")
        return "; ".join([*parts, *shown(self.notes)])


def quorum(
    approvals: Approvals,
    found: Ballot,
    trust: TrustFile,
    *,
    environment: str,
    authors: Collection[str],
    begun: bool,
    now: datetime,
    verb: Verb = "approve",
) -> Quorum:
    """Judges the votes on one closure.

    `authors` are the people who signed what is to be approved; `begun` says that it began when they were enough, so
    that no approval expires on the way. `verb` is what somebody must be allowed to do to have a vote.
    """
    barred = frozenset(authors) if approvals.separate else frozenset[str]()
    rejected = _people(row for row in found.votes if row.use == "reject")
    given = [row for row in found.votes if row.use == "approve"]
    fresh = [row for row in given if begun or now < row.first_seen + approvals.expire_after]
    counted = [row for row in fresh if row.person not in barred]
    expired = [name for name in _people(given) if name not in _people(fresh)]
    roles = {person.name: person.roles for person in trust.spec.people}
    able = [
        person.name
        for person in trust.spec.people
        if person.name not in barred and may(trust, person, verb, environment=environment)
    ]
    notes = [f"{name} signed the release and is not one of its approvers" for name in _people(fresh) if name in barred]
    return Quorum(
        rules=tuple(_count(rule, _people(counted), able, roles) for rule in approvals.rules),
        counted=tuple(counted),
        rejected=rejected,
        expired=tuple(name for name in expired if name not in barred),
        stale=tuple(name for name in found.stale if name not in {*_people(given), *barred}),
        notes=(*notes, *found.refused),
        expire_after=approvals.expire_after,
    )


def _count(
    rule: ApprovalRule, people: Iterable[str], able: Iterable[str], roles: dict[str, tuple[str, ...]]
) -> RuleCount:
    def fits(name: str) -> bool:
        return rule.role is None or rule.role in roles.get(name, ())

    given = tuple(name for name in people if fits(name))
    return RuleCount(rule=rule, people=given, could=tuple(name for name in able if fits(name) and name not in given))


def _people(votes: Iterable[ApprovalFact]) -> tuple[str, ...]:
    """Who voted, each once, in order."""
    return tuple(dict.fromkeys(row.person for row in votes))


def _listed(names: Iterable[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def _whose(names: tuple[str, ...]) -> str:
    return f"the approval{'s' if len(names) > 1 else ''} of {_listed(names)} {'are' if len(names) > 1 else 'is'}"
