"""What is to be deleted because nobody wants it any more, and whether people confirmed it.

Pure. Rules: where the environment asks, nothing is deleted before people confirmed exactly the objects that would be,
on all clusters together; a confirmation is of this very set, so another set asks anew, and none is left over for
objects that are made or marked later; it holds back the deletion and nothing else. A signed removal is itself the
confirmation of what it ends: its people said that all of it goes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from reconciler.digest import pruned_of
from reconciler.loop.approving import Consent, Matter, nobody_asked, prune_consent
from reconciler.loop.progress import Fleeting
from reconciler.loop.snapshot import Snapshot
from reconciler.model.environment import Environment
from reconciler.model.ids import ClusterName, ReleaseKey
from reconciler.model.plan import PRUNE, Gate
from reconciler.model.state import Apply, PruneMark, ReleaseStatus
from reconciler.model.vote import GivenVotes

SHOWN = 5  # objects that a sentence names


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruning:
    """What waits to be deleted, by cluster, and what people said of it."""

    marks: Mapping[str, tuple[PruneMark, ...]]
    consent: Consent
    gate: Gate | None
    digest: str = ""
    carried: Mapping[str, tuple[PruneMark, ...]] = field(default_factory=dict)
    """What was confirmed earlier and is not deleted yet, by cluster."""

    @property
    def confirmed(self) -> dict[str, tuple[PruneMark, ...]]:
        """What clusters are told anew that they may delete."""
        if self.gate is None or not self.gate.open:
            return {}
        return {name: _joined(self.carried.get(name, ()), marks) for name, marks in self.marks.items()}

    @property
    def waiting(self) -> dict[str, tuple[PruneMark, ...]]:
        """What waits for people, by cluster."""
        return {} if self.gate is None or self.gate.open else dict(self.marks)


def pruning(
    key: ReleaseKey, snapshot: Snapshot, environment: Environment | None, status: ReleaseStatus,
    clusters: Mapping[ClusterName, Fleeting], given: GivenVotes, now: datetime,
) -> Pruning:  # fmt: skip
    """What waits to be deleted of this release, and whether the people who are asked confirmed it."""
    prune = environment.spec.prune if environment else None
    found = marked(status, clusters)
    marks = {name: waits for name, rows in found.items() if (waits := tuple(row for row in rows if row.confirm))}
    if environment is None or prune is None or not prune.confirm or not marks:
        return Pruning(marks={}, consent=nobody_asked(status), gate=None)
    digest = pruned_of(marks)
    what = f"the deletion of {told(marks)}"
    matter = Matter(key=key, digest=digest, on="deletion", what=what)
    asked = prune_consent(snapshot, status, environment, matter, given, now)
    assert asked.quorum is not None  # noqa: S101  # somebody is always asked
    if asked.quorum.met:
        message = f"{what} is confirmed by {' and '.join(row.person for row in asked.counted)}"
        gate = Gate(kind=PRUNE, open=True, reason="PruneConfirmed", message=message)
    else:
        message = (
            f"{what} is not confirmed: {asked.quorum.votes}; to look at it and confirm it, run: "
            f"reconciler approve {key} --prune"
        )
        gate = Gate(kind=PRUNE, open=False, reason="PruneNotConfirmed", message=message)
    carried = {
        name: tuple(row for row in status.directives[name].confirmed if row.identity in {one.identity for one in rows})
        for name, rows in found.items()
    }
    return Pruning(marks=marks, consent=asked, gate=gate, digest=digest, carried=carried)


def _joined(earlier: tuple[PruneMark, ...], new: tuple[PruneMark, ...]) -> tuple[PruneMark, ...]:
    return tuple(sorted({row.identity: row for row in (*earlier, *new)}.values(), key=lambda row: row.identity))


def marked(status: ReleaseStatus, clusters: Mapping[ClusterName, Fleeting]) -> dict[str, tuple[PruneMark, ...]]:
    """The marks of every cluster that is not told to end."""
    found: dict[str, tuple[PruneMark, ...]] = {}
    for name, directive in status.directives.items():
        seen = clusters.get(ClusterName(name))
        if directive.apply is Apply.REMOVE or seen is None or seen.state is None:
            continue
        if seen.state.status.marks:
            found[name] = seen.state.status.marks
    return found


def told(marks: Mapping[str, Iterable[PruneMark]]) -> str:
    """`2 objects (Deployment fraud/a on eu-1, Service fraud/a on eu-1)`, the first few of them by name."""
    names = [f"{mark.ref} on {cluster}" for cluster, found in marks.items() for mark in found]
    more = [f"and {len(names) - SHOWN} more"] if len(names) > SHOWN else []
    return f"{len(names)} object{'' if len(names) == 1 else 's'} ({', '.join([*names[:SHOWN], *more])})"
