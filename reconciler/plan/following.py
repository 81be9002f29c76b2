"""What became of a release after a merge: one line of the table that stands on top of the comment then.

Pure: a release's state, its targets' states, what the pull request asked for and the time. Nothing is steered here.
Rules: what a later commit asks for is not this pull request's any more, and the line says so; what was promoted once
ended well, whatever came after; a closed gate is no end, a failed hook and a version that was given up are.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from reconciler.model.ids import ReleaseKey
from reconciler.model.plan import Condition, Gate
from reconciler.model.state import ASLEEP, ROLLING, Phase, ReleaseStatus, TargetState
from reconciler.model.wire import format_duration, format_time

HELD = "Held"
MERGED = "Merged"
SUPERSEDED = "Superseded"
FAILED = "Failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a merged pull request asked for of one release.

    `manifest` is the sha256 of the text (`sha256:…`); empty for a removal. `before` and `after` are model versions.
    """

    key: ReleaseKey
    manifest: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterProgress:
    """How far one cluster is, in a word and a sentence."""

    name: str
    state: str
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseProgress:
    """How far a release is. `ended`: this pull request has nothing more to say of it; `record` is the ledger's last."""

    key: ReleaseKey
    before: str
    after: str
    phase: str
    sentence: str
    clusters: tuple[ClusterProgress, ...] = ()
    ended: bool = False
    failed: bool = False
    record: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _End:
    """What a release came to."""

    phase: str
    sentence: str
    ended: bool = False
    failed: bool = False


def follow(
    asked: Asked, status: ReleaseStatus | None, *, trunk: str | None, targets: Mapping[str, TargetState | None],
    now: datetime, record: int | None = None,
) -> ReleaseProgress:  # fmt: skip
    """The line of one release.

    `status` is None when it has no state (it is gone, or was not looked at yet); `trunk` is the manifest that the trunk
    has for it now, None when its file is gone; `targets` are its clusters' states, None where one does not answer.
    """
    found = _end(asked, status, trunk, now)
    clusters = tuple(_cluster(name, status, targets.get(name)) for name in sorted(targets)) if status else ()
    if any(row.state == FAILED for row in clusters) and not found.ended:
        found = replace(found, failed=True)
    return ReleaseProgress(
        key=asked.key, before=asked.before, after=asked.after, phase=found.phase, sentence=found.sentence,
        clusters=clusters, ended=found.ended, failed=found.failed, record=record,
    )  # fmt: skip


def summary(progress: Iterable[ReleaseProgress]) -> str:
    """Changes when an edit of the comment is worth it: a phase or an outcome, not words."""
    rows = sorted(progress, key=lambda row: row.key)
    return "\n".join(f"{row.key} {row.phase} ended={row.ended} failed={row.failed}" for row in rows)


def _end(asked: Asked, status: ReleaseStatus | None, trunk: str | None, now: datetime) -> _End:
    if not asked.manifest:
        return _removal(asked, status, trunk)
    promoted = next((row for row in status.history if row.manifest == asked.manifest), None) if status else None
    if (trunk or "") != asked.manifest:
        if promoted is not None:
            told = f"it was promoted at {format_time(promoted.at)}; the trunk asks for something else since"
            return _End(phase=Phase.PROMOTED, sentence=told, ended=True)
        return _End(phase=SUPERSEDED, sentence="a later commit on the trunk asks for something else", ended=True)
    if status is None or status.manifest != asked.manifest:
        return _End(phase=MERGED, sentence="it was merged and not looked at yet")
    return _asked_for(asked, status, now)


def _removal(asked: Asked, status: ReleaseStatus | None, trunk: str | None) -> _End:
    if trunk is not None:
        return _End(phase=SUPERSEDED, sentence="a later commit on the trunk has it again", ended=True)
    if status is None or status.phase is Phase.REMOVED:
        return _End(phase=Phase.REMOVED, sentence=f"{asked.before or 'it'} is removed", ended=True)
    held = _held(status)
    return held or _End(phase=status.phase, sentence=status.message or "what runs is being deleted")


def _asked_for(asked: Asked, status: ReleaseStatus, now: datetime) -> _End:
    """What became of a text that is still the trunk's."""
    if status.failed is not None and status.phase not in ROLLING:
        gate = next((gate.message for gate in status.gates if gate.kind == "Hook"), "")
        told = gate or f"hook {status.failed.hook} failed on {status.failed.cluster}: {status.failed.message}"
        return _End(phase=FAILED, sentence=told, ended=True, failed=True)
    held = None if status.phase in ROLLING else _held(status)
    if held:
        return held
    stable = status.stable
    if status.phase is Phase.PROMOTED and stable is not None and stable.manifest == asked.manifest:
        return _End(phase=status.phase, sentence=f"{stable.model_version} serves, and is healthy", ended=True)
    if status.phase is Phase.RETIRED:
        return _End(phase=status.phase, sentence=status.message or "nothing of it serves", ended=True)
    failed = status.failed is not None
    return _End(phase=status.phase, sentence=f"{_told(status)}{_since(status, now)}", failed=failed)


def _held(status: ReleaseStatus) -> _End | None:
    gates = [gate for gate in status.gates if gate.holds]
    return _End(phase=HELD, sentence="; and ".join(map(_sentence, gates))) if gates else None


def _sentence(gate: Gate) -> str:
    return gate.message.rstrip(".") or gate.reason


def _told(status: ReleaseStatus) -> str:
    return status.message.rstrip(".") or ("it is on its way" if status.phase not in ASLEEP else "its pods are ending")


def _since(status: ReleaseStatus, now: datetime) -> str:
    """For how long, in whole minutes: seconds would be news in every pass."""
    if status.since is None or now - status.since < timedelta(minutes=1):
        return ""
    return f"; for {format_duration(timedelta(minutes=(now - status.since) // timedelta(minutes=1)))}"


def _cluster(name: str, status: ReleaseStatus, state: TargetState | None) -> ClusterProgress:
    """How far one cluster is with what it was told."""
    told = status.directives.get(name)
    if state is None:
        return ClusterProgress(name=name, state="Waiting", sentence="it has not reported yet")
    if told is not None and state.status.sequence < told.sequence:
        return ClusterProgress(name=name, state="Waiting", sentence="it has not taken over what it was told")
    ref = status.candidate or status.stable
    health = state.status.versions.get(ref.version) if ref else None
    if ref is None or health is None:
        return _settled(name, state)
    ready = f"{ref.model_version}: {health.ready} of {health.wanted} ready"
    if health.failed:
        return ClusterProgress(name=name, state=FAILED, sentence=_because(ready, health.message))
    if not health.healthy:
        return ClusterProgress(name=name, state="Progressing", sentence=_because(ready, health.message))
    return ClusterProgress(name=name, state="Healthy", sentence=ready)


def _because(ready: str, message: str) -> str:
    return f"{ready}: {message.rstrip('.')}" if message else ready


def _settled(name: str, state: TargetState) -> ClusterProgress:
    """A cluster that has nothing of the version that counts."""
    ready: Condition | None = next((row for row in state.status.conditions if row.type == "Ready"), None)
    if ready is not None and ready.status != "True":
        return ClusterProgress(name=name, state="Progressing", sentence=ready.message or ready.reason)
    serving = state.status.serving
    return ClusterProgress(name=name, state="Settled", sentence=f"{serving} serves" if serving else "nothing serves")
