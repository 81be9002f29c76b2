"""An environment's limits: what its releases may have together, and how many of them move at one time.

Pure; who else is there is an argument (loop/admitting reads it). Rules: a release counts with its largest size on every
cluster that it was told to run on; a change that does not make that more is never held; a rollout that began goes on;
those that wait for a turn start in the order in which their texts were first seen, and by name where that is the same.

Note [a rolling update counts once]. Stable's pods go as the candidate's become ready, so while both run a release
counts with the larger of the two on each cluster, and not with their sum: an environment that is more than half full
could never update anything. For that time it may have a quarter more of its own pods than it counts with (the surge;
none with `recreate`). Who wants room for that leaves it, and bounds how often it is needed by `concurrentRollouts`.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from reconciler.model.environment import Limits
from reconciler.model.plan import Gate
from reconciler.model.release import Effective
from reconciler.model.state import ROLLING, ReleaseStatus, Unpack, VersionDirective

KIND = "Limit"
TURN = "TooManyRollouts"
_SHOWN = 3  # users of most that a sentence names


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """GPUs and pods, at most."""

    gpus: int = 0
    replicas: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What another release of the environment has.

    `in_line` is when the text was first seen that waits for its turn and for nothing else; None when none does.
    """

    name: str
    use: Use
    rolling: bool = False
    in_line: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What one release asks for: its use with the change and before it, and whether it would begin a rollout."""

    name: str
    use: Use
    before: Use
    starts: bool
    since: datetime
    """When its text was first seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """The limits of one environment and where each of them stands (field → `file:line:column`)."""

    environment: str
    limits: Limits
    places: Mapping[str, str] = field(default_factory=dict)


def limit_gates(bounds: Bounds, ask: Ask, others: Sequence[Share]) -> tuple[Gate, ...]:
    """One gate per limit that is set and that this change has to do with."""
    limits, gates = bounds.limits, []
    if limits.gpus is not None and ask.use.gpus > ask.before.gpus:
        users = {share.name: share.use.gpus for share in others} | {ask.name: ask.use.gpus}
        gates.append(_sum(bounds, "gpus", limits.gpus, users, ask, reason="GpuLimit", what="GPUs"))
    if limits.replicas is not None and ask.use.replicas > ask.before.replicas:
        users = {share.name: share.use.replicas for share in others} | {ask.name: ask.use.replicas}
        gates.append(_sum(bounds, "replicas", limits.replicas, users, ask, reason="ReplicaLimit", what="replicas"))
    if limits.concurrent_rollouts is not None and ask.starts:
        gates.append(_turn(bounds, limits.concurrent_rollouts, ask, others))
    return tuple(gates)


def uses(status: ReleaseStatus, unpack: Unpack) -> dict[str, Use]:
    """By cluster, what a release may come to with what it was told; of two versions the larger."""
    return {
        name: largest(_size(entry, status, unpack) for entry in directive.versions if entry.high)
        for name, directive in status.directives.items()
    }


def size_of(effective: Effective) -> Use:
    """What one version may come to on one cluster."""
    replicas = effective.spec.serving.replicas.max
    return Use(gpus=replicas * effective.gpus, replicas=replicas)


def with_change(before: Mapping[str, Use], wanted: Use, clusters: Collection[str]) -> Use:
    """What a release comes to while it moves to `wanted` on these clusters."""
    names = {*before, *clusters}
    return total(largest((before.get(name, Use()), wanted if name in clusters else Use())) for name in names)


def total(rows: Iterable[Use]) -> Use:
    """The sum."""
    rows = list(rows)
    return Use(gpus=sum(row.gpus for row in rows), replicas=sum(row.replicas for row in rows))


def largest(rows: Iterable[Use]) -> Use:
    """The most of each; nothing of none."""
    rows = list(rows)
    most = (max((row.gpus for row in rows), default=0), max((row.replicas for row in rows), default=0))
    return Use(gpus=most[0], replicas=most[1])


def rolling(status: ReleaseStatus) -> bool:
    """True while versions follow one another, a return and a candidate that failed or is held included."""
    return status.candidate is not None or status.phase in ROLLING


def queues(status: ReleaseStatus) -> bool:
    """True when nothing but its turn is what it waits for."""
    return bool(status.gates) and all(gate.reason == TURN for gate in status.gates)


def _size(entry: VersionDirective, status: ReleaseStatus, unpack: Unpack) -> Use:
    packed = status.effective.get(entry.version)
    if packed is None:  # a spec that nobody has any more: its pods are known, its GPUs are not
        return Use(replicas=entry.high)
    spec = unpack(packed)
    return largest((size_of(spec), Use(gpus=entry.high * spec.gpus, replicas=entry.high)))


def _sum(bounds: Bounds, name: str, limit: int, users: Mapping[str, int], ask: Ask, *, reason: str, what: str) -> Gate:
    """The gate of what adds up; `users` are all releases of the environment with this change counted."""
    amount, where = sum(users.values()), f"{bounds.environment} may have {limit} {what} ({bounds.places.get(name, '')})"
    if amount <= limit:
        message = f"with this change environment {where} has {amount}"
        return Gate(kind=KIND, open=True, reason="WithinLimit", message=message)
    ranked = sorted(users.items(), key=lambda row: (-row[1], row[0]))
    most = ", ".join(f"{user} ({count})" for user, count in ranked[:_SHOWN] if count)
    message = (
        f"environment {where} and would have {amount} with {users[ask.name]} of {ask.name}; most have {most}; "
        "make one of them smaller, or raise the limit"
    )
    return Gate(kind=KIND, open=False, reason=reason, message=message)


def _turn(bounds: Bounds, limit: int, ask: Ask, others: Sequence[Share]) -> Gate:
    moving = sorted(share.name for share in others if share.rolling)
    waiting = sorted((share.in_line, share.name) for share in others if share.in_line and not share.rolling)
    ahead = [name for since, name in waiting if (since, name) < (ask.since, ask.name)]
    what = f"{limit} rollout{'' if limit == 1 else 's'} at a time"
    where = f"environment {bounds.environment} takes {what} ({bounds.places.get('concurrentRollouts', '')})"
    if len(moving) + len(ahead) < limit:
        return Gate(kind=KIND, open=True, reason="WithinLimit", message=f"{where}, and it is the turn of {ask.name}")
    under_way = f"{', '.join(moving)} {'is' if len(moving) == 1 else 'are'} under way" if moving else ""
    before = f"{', '.join(ahead)} waited longer" if ahead else ""
    told = " and ".join(part for part in (under_way, before) if part)
    message = f"{where}: {told}; {ask.name} starts by itself when it is its turn"
    return Gate(kind=KIND, open=False, reason=TURN, message=message)
