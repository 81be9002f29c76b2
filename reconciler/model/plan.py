"""The plan as a value: comparable, printable, hashable. Deciding is elsewhere; these only say what was decided."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import orjson

from reconciler.model.ids import PlanDigest, Revision, TargetKey
from reconciler.model.objects import ObjectRef
from reconciler.model.wire import Time, Wire, format_time


class Action(StrEnum):
    """What happens to one object."""

    CREATE = "create"
    UPDATE = "update"
    SCALE = "scale"
    DELETE = "delete"
    ORPHAN = "orphan"  # it is of a kind that we never delete: it stays, and is ours no more
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One object's change. `before` and `after` are digests (sizes for SCALE); empty where there is none."""

    action: Action
    ref: ObjectRef
    tier: int
    before: str
    after: str
    why: str

    @property
    def is_unchanged(self) -> bool:
        """True when there is nothing to do."""
        return self.action is Action.UNCHANGED


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What would change on one target. Changes stand in the order they are carried out."""

    key: TargetKey
    revision: Revision
    changes: tuple[Change, ...]

    @property
    def is_empty(self) -> bool:
        """True when every object is as it should be."""
        return all(change.is_unchanged for change in self.changes)

    @property
    def digest(self) -> PlanDigest:
        """sha256 over what would change; shown and kept for the audit."""
        rows = [
            [change.action, str(change.ref), change.before, change.after]
            for change in self.changes
            if change.action is not Action.UNCHANGED
        ]
        data = orjson.dumps([str(self.key), rows])
        return PlanDigest("sha256:" + hashlib.sha256(data).hexdigest())


class Outcome(StrEnum):
    """How carrying out one change ended."""

    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"  # an earlier tier failed, or the deadline passed


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One change carried out: `live` is the digest of what the server then had (see LiveObject), empty if unknown."""

    change: Change
    outcome: Outcome
    live: str = ""
    uid: str = ""
    reason: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeSet:
    """What happened to a plan; has exactly one result per change that was not `unchanged`."""

    results: tuple[Result, ...]

    @property
    def failed(self) -> tuple[Result, ...]:
        """The results that failed, in order."""
        return tuple(result for result in self.results if result.outcome is Outcome.FAILED)


PRUNE = "Prune"
"""The kind of the gate that deletions wait for."""


class Gate(Wire):
    """Something that must be open before progress. A closed gate stops progress and nothing else."""

    kind: str
    """Signature, Config, Reference, Policy, Removal …"""
    open: bool
    reason: str
    """PascalCase: what `Held` says while this gate is closed."""
    message: str
    """One sentence with file, line and who or what opens it."""
    opens_at: Time | None = None

    @property
    def holds(self) -> bool:
        """True while it keeps progress back; one of deletions holds these and nothing else."""
        return not self.open and self.kind != PRUNE


BREAK_GLASS = "BreakGlass"
"""The reason of a gate that is open because of a break-glass alone."""


class Opened(Wire):
    """A closed gate that a break-glass holds open."""

    kind: str
    """The gate's."""
    reason: str
    """What it would say."""
    said: str
    """Its sentence."""
    path: str
    """The Waiver that opens it."""
    why: str
    """That one's reason."""
    signers: tuple[str, ...]
    """Who signed it."""
    expires: Time

    @property
    def sentence(self) -> str:
        """For people, on one line."""
        who = " and ".join(self.signers)
        return (
            f"OPENED BY BREAK-GLASS {self.path}, signed by {who}, until {format_time(self.expires)}: {self.why} "
            f"(it said: {self.said})"
        )


class Condition(Wire):
    """A Kubernetes condition; `since` moves only when `status` does."""

    type: str
    status: str
    """True, False or Unknown."""
    reason: str
    message: str = ""
    since: Time


SHOWN = 10  # sentences of one kind that a message repeats: files in Git may give cause for any number


def shown(sentences: Iterable[str], *, rest: str = "and {} more") -> list[str]:
    """The first sentences and, when there are more, how many: a message has to fit into an object of the API."""
    rows = list(sentences)
    return rows if len(rows) <= SHOWN else [*rows[:SHOWN], rest.format(len(rows) - SHOWN)]


def shown_files(paths: Iterable[str]) -> str:
    """The first paths in order and, when there are more, how many, as the end of `declared by …`."""
    return " and by ".join(shown(sorted(paths), rest="{} other files"))


def condition(
    before: tuple[Condition, ...], *, type_: str, status: bool | None, reason: str, message: str, now: datetime
) -> Condition:
    """The condition `type_` now, keeping `since` of `before` while its status stays. None means Unknown."""
    word = {True: "True", False: "False", None: "Unknown"}[status]
    for old in before:
        if old.type == type_ and old.status == word:
            return Condition(type=type_, status=word, reason=reason, message=message, since=old.since)
    return Condition(type=type_, status=word, reason=reason, message=message, since=now.replace(microsecond=0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What one condition is to say now."""

    type: str
    status: bool
    reason: str
    message: str = ""


def conditions_of(before: tuple[Condition, ...], told: Iterable[Told], now: datetime) -> tuple[Condition, ...]:
    """A condition for each, as `condition` makes it."""
    return tuple(
        condition(before, type_=row.type, status=row.status, reason=row.reason, message=row.message, now=now)
        for row in told
    )


def with_told(before: tuple[Condition, ...], told: Iterable[Told], now: datetime) -> tuple[Condition, ...]:
    """All conditions with these as they are told now, in one order; those of others stay."""
    rows = tuple(told)
    ours = {row.type for row in rows}
    return (*conditions_of(before, rows, now), *(row for row in before if row.type not in ours))
