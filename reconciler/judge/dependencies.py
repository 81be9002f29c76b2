"""Dependencies: what a change waits for in another release, and what that one waits for itself.

Pure. Rules: a release is ready when exactly the trunk's text of it is stable, Promoted and healthy everywhere; what its
state says of an earlier text counts for nothing; one that is held or moves says so itself, and its words are passed on.
"""

from dataclasses import dataclass

from reconciler.model.plan import Gate
from reconciler.model.state import Phase, ReleaseStatus

KIND = "Dependency"


@dataclass(frozen=True, slots=True, kw_only=True)
class Needed:
    """One release that another depends on.

    `manifest` is the sha256 of the trunk's text, empty when its file is gone; `status` is None when it has no state,
    `trouble` says why that cannot be read; `place` is where it is asked for.
    """

    name: str
    manifest: str
    status: ReleaseStatus | None
    place: str
    trouble: str = ""


def dependency_gate(needed: Needed) -> Gate:
    """Whether this dependency lets a change start."""
    why = _missing(needed)
    if why:
        message = f"it waits for {needed.name} ({needed.place}), which {why}"
        return Gate(kind=KIND, open=False, reason="DependencyNotReady", message=message)
    message = f"{needed.name} is promoted and healthy ({needed.place})"
    return Gate(kind=KIND, open=True, reason="DependencyReady", message=message)


def _missing(needed: Needed) -> str:
    """What is missing, as a clause; empty when nothing is."""
    status = needed.status
    if needed.trouble:
        return f"cannot be looked at: {needed.trouble}"
    if not needed.manifest:
        return "is gone from the trunk"
    if status is None or status.manifest != needed.manifest:
        return "was merged and not looked at yet"
    stable, gates = status.stable, status.gates
    if status.phase is not Phase.PROMOTED or stable is None or stable.manifest != needed.manifest:
        held = f"is held: {gates[0].message}" if gates and status.candidate is None else ""
        return held or f"is {status.phase}"  # its words of progress would be news of two releases
    ready = next((row for row in status.conditions if row.type == "Ready"), None)
    if ready is None or ready.status != "True":
        return "is not healthy" + (f": {ready.message}" if ready and ready.message else "")
    return ""
