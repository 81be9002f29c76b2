"""The promotion chain between releases: what the environment before one says, and who comes after one.

Reads states and snapshots; what they mean is decided in `judge/upstream`. Rules: a release of the same name in the
environment that `after` names is upstream of it; what is written about it wakes those that come after it, and the end
of a soak is looked at when it comes.
"""

from datetime import datetime, timedelta

from reconciler.judge.upstream import Upstream, upstream_of
from reconciler.loop.snapshot import Snapshot
from reconciler.loop.standing import Standing
from reconciler.loop.world import World
from reconciler.model.environment import Environment
from reconciler.model.ids import EnvironmentName, ReleaseKey


def seen_upstream(key: ReleaseKey, standing: Standing, world: World) -> Upstream | None:
    """What the environment before this one says of what is asked for; None where nothing comes before."""
    environment = standing.environment
    if environment is None or environment.spec.after is None or standing.resolved is None:
        return None
    state = world.release_state(_in(key, environment.spec.after))
    return upstream_of(environment, state.status if state else None, standing.resolved.effective, world.unpack)


def downstream(key: ReleaseKey, snapshot: Snapshot) -> list[ReleaseKey]:
    """The releases that come directly after this one."""
    environments = (row.loaded.as_(Environment) for row in snapshot.documents("Environment").values())
    after = (_in(key, row.name) for row in environments if row.spec.after == key.environment)
    return sorted(other for other in after if other in snapshot.releases)


def until_soaked(upstream: Upstream | None, now: datetime) -> timedelta | None:
    """How long until the soak ends; None when it has ended, or nothing runs towards it."""
    if upstream is None or upstream.opens is None or upstream.opens <= now:
        return None
    return upstream.opens - now


def _in(key: ReleaseKey, environment: str) -> ReleaseKey:
    return ReleaseKey(repository=key.repository, environment=EnvironmentName(environment), name=key.name)
