"""What a change waits for: Holds, windows, freezes, its schedule; and which no of a policy is waived.

Pure. Rules: nothing of it holds what does not move forward: a release that runs what the trunk asks for, an abort, the
return of a known-good version, a release that is to serve no more; a rollout under way goes on where the environment
says `overrun: finish`, but not when a Hold stops it. `look_at` is the next moment at which one of these gates opens or
closes, so that a pass happens then.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from reconciler.judge.exceptions import InForce, Waived, hold_gates, waive
from reconciler.judge.windows import next_change, schedule_gate, window_gates
from reconciler.loop.governing import Governed
from reconciler.loop.progress import wanted
from reconciler.loop.snapshot import Snapshot
from reconciler.loop.standing import Standing
from reconciler.model.hold import Hold, Waiver
from reconciler.model.plan import Gate
from reconciler.model.policy import PolicyVerdict
from reconciler.model.state import ReleaseStatus
from reconciler.trust.known_good import Known


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Gates, open ones included, and when to look at them again."""

    gates: tuple[Gate, ...] = ()
    look_at: datetime | None = None


def waiting(status: ReleaseStatus, standing: Standing, snapshot: Snapshot, now: datetime) -> Waiting:
    """What holds the change that the trunk asks for, apart from trust and policies."""
    if standing.resolved is None or not moves_forward(status, standing):
        return Waiting()
    parts = (_on_hold(standing, snapshot, now), _scheduled(standing, now), _in_windows(status, standing, snapshot, now))
    moments = [part.look_at for part in parts if part.look_at and part.look_at > now]
    return Waiting(
        gates=tuple(gate for part in parts for gate in part.gates),
        look_at=min(moments, default=None),
    )


def moves_forward(status: ReleaseStatus, standing: Standing) -> bool:
    """False for what runs already, for a return to stable, for a known-good text, and for one that retires."""
    if standing.retires:
        return False
    asked, _ = wanted(status, standing, gates_open=False)
    if asked is None or asked.known_good:
        return False
    stable, ref = status.stable, asked.runnable.ref
    if stable is None or stable.version != ref.version:
        return True
    in_place = stable.manifest != ref.manifest
    return in_place and not (isinstance(standing.known, Known) and standing.vouched)


def waived(standing: Standing, snapshot: Snapshot, verdicts: Iterable[PolicyVerdict], now: datetime) -> Waived:
    """The verdicts after the waivers that are in force."""
    file, resolved = standing.file, standing.resolved
    if file is None or resolved is None:
        return Waived(verdicts=tuple(verdicts), ends_at=None, notes=())
    people = standing.verification.people if standing.verification else frozenset[str]()
    return waive(file.key, resolved.effective, verdicts, waivers(snapshot), released_by=people, now=now)


def waivers(snapshot: Snapshot) -> dict[str, tuple[Waiver, InForce]]:
    """The Waivers that are in force, by name."""
    return {name: (row.loaded.as_(Waiver), _source(row)) for name, row in snapshot.documents("Waiver").items()}


def _source(row: Governed) -> InForce:
    return InForce(path=row.path, note=row.note, signers=frozenset(row.signers))


def _on_hold(standing: Standing, snapshot: Snapshot, now: datetime) -> Waiting:
    file = standing.file
    if file is None or file.document is None:
        return Waiting()
    holds = [(row.loaded.as_(Hold), _source(row)) for _, row in sorted(snapshot.documents("Hold").items())]
    gates = hold_gates(file.key, file.document.metadata.labels, holds, now)
    return Waiting(gates=gates, look_at=min((gate.opens_at for gate in gates if gate.opens_at), default=None))


def _scheduled(standing: Standing, now: datetime) -> Waiting:
    if standing.resolved is None:
        return Waiting()
    completed = standing.resolved.completed
    gate = schedule_gate(completed.spec.schedule, now, place=completed.place(("spec", "schedule", "notBefore")))
    return Waiting(gates=(gate,), look_at=gate.opens_at) if gate else Waiting()


def _in_windows(status: ReleaseStatus, standing: Standing, snapshot: Snapshot, now: datetime) -> Waiting:
    environment = standing.environment
    windows = environment.spec.windows if environment else None
    if environment is None or windows is None:
        return Waiting()
    if windows.overrun == "finish" and under_way(status, standing):
        return Waiting()
    governed = snapshot.documents("Environment")[environment.name]
    place = "{}:{}:{}".format(governed.path, *governed.loaded.positions.value(("spec", "windows")))
    gates = window_gates(environment.name, windows, now, place=place)
    return Waiting(gates=gates, look_at=next_change(windows, now))


def under_way(status: ReleaseStatus, standing: Standing) -> bool:
    """True while what the trunk asks for is the candidate of a rollout."""
    effective = standing.resolved.effective if standing.resolved else None
    return bool(status.candidate and effective and status.candidate.version == effective.version)
