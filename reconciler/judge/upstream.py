"""Promotion order as a fact: whether the environment before this one served the same artifact, and for how long.

Pure; whether that is required is a policy's question. Rules: the same artifact is the same model digest in the same
image (args, sizes and placement belong to an environment); it has its soak when it was stable and healthy there for
that long without a break, or when it was stable for that long and a version that was new there took its place: a
version that an earlier one replaced was rolled back from, and vouches for nothing. What is retired serves nobody: its
time ended then, and begins anew when it is active again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from reconciler.model.environment import Environment
from reconciler.model.release import Effective
from reconciler.model.state import Promotion, ReleaseStatus, Unpack, VersionRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """The environment before this one, as one release of this environment sees it.

    `stable` is what is stable there now, None when nothing is. `served` says that it served the very artifact that is
    asked for. `since` is when that became stable and healthy (None: it is not healthy), `until` when another version
    took its place (None: it is what is stable now).
    """

    environment: str
    soak: timedelta
    stable: Effective | None = None
    served: bool = False
    since: datetime | None = None
    until: datetime | None = None

    @property
    def opens(self) -> datetime | None:
        """When the soak ends; None when nothing runs towards it."""
        return self.since + self.soak if self.since and self.until is None else None

    def soaked(self, now: datetime) -> bool:
        """True when the artifact was healthy there for the whole soak."""
        return self.since is not None and (self.until or now) - self.since >= self.soak


def upstream_of(
    environment: Environment, status: ReleaseStatus | None, release: Effective, unpack: Unpack
) -> Upstream | None:
    """What `status`, of the release of this name in `environment.spec.after`, says; None where nothing comes before."""
    before, soak = environment.spec.after, environment.spec.soak
    if before is None:
        return None
    if status is None or status.stable is None:
        return Upstream(environment=before, soak=soak)
    stable = _spec(status, status.stable, unpack)
    if stable is not None and _same(stable, release):
        since = _healthy_since(status)
        return Upstream(environment=before, soak=soak, stable=stable, served=True, since=since)
    since, until = _earlier(status, release, unpack)
    return Upstream(environment=before, soak=soak, stable=stable, served=since is not None, since=since, until=until)


def _healthy_since(status: ReleaseStatus) -> datetime | None:
    """Since when what is stable has been promoted and healthy without a break; None when it is not."""
    ready = next((row for row in status.conditions if row.type == "Ready" and row.status == "True"), None)
    if ready is None or status.stable is None or not status.history:
        return None
    promoted = None
    for row in status.history:
        if row.version != status.stable.version or row.retired:
            break
        promoted = row.at  # changed in place it is promoted again; the version has served from the first time on
    return max(ready.since, promoted) if promoted else None


def _earlier(
    status: ReleaseStatus, release: Effective, unpack: Unpack
) -> tuple[datetime, datetime] | tuple[None, None]:
    """From when to when an artifact was stable that a newer one has replaced since; the longest of its times."""
    spans = []
    for index, row in enumerate(status.history[1:], start=1):
        successor = status.history[index - 1]
        spec = _spec(status, row, unpack)
        if spec is None or not _same(spec, release) or _known_before(successor, status.history[index:]):
            continue
        spans.append((row.at, row.retired or successor.at))
    return max(spans, key=lambda span: span[1] - span[0]) if spans else (None, None)


def _known_before(promotion: Promotion, older: Sequence[Promotion]) -> bool:
    return any(row.version == promotion.version for row in older)


def _spec(status: ReleaseStatus, ref: VersionRef | Promotion, unpack: Unpack) -> Effective | None:
    packed = status.effective.get(ref.version)
    return unpack(packed) if packed else None


def _same(one: Effective, other: Effective) -> bool:
    return (one.spec.model.digest, one.image) == (other.spec.model.digest, other.image)
