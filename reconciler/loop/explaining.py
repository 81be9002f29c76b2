"""The decision about one release, with everything that policies are asked: what `policy eval` explains.

It reads what a pass reads and asks what a pass asks, and writes nothing. From files alone (`from_files`) less is known:
nothing of signatures, of the commit and of the environment before this one.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from reconciler.digest import sha256_of
from reconciler.documents.resolve import Resolved, resolve, runtimes_of
from reconciler.documents.schema import Loaded
from reconciler.errors import NotFound
from reconciler.judge.exceptions import InForce, Waived, waive
from reconciler.judge.question import Asked, LoadedPolicy, ask, own_policy
from reconciler.judge.upstream import Upstream
from reconciler.judge.variables import Facts
from reconciler.loop import progress
from reconciler.loop.release import asks, gather, verify
from reconciler.loop.snapshot import Snapshot
from reconciler.loop.standing import operation
from reconciler.loop.upstream import seen_upstream
from reconciler.loop.waiting import waived
from reconciler.loop.world import World
from reconciler.model.cluster import Cluster
from reconciler.model.environment import Environment
from reconciler.model.hold import Waiver
from reconciler.model.ids import Closure, EnvironmentName, ReleaseKey, ReleaseName, RepositoryName, Revision
from reconciler.model.plan import Gate
from reconciler.model.policy import Operation, PolicyVerdict
from reconciler.model.release import Effective
from reconciler.render.runtimes import BUILTIN
from reconciler.render.target import RENDERER, render

UNKNOWN = (
    "judged from files alone: signatures (of waivers too), the commit and the environment before this one are not known"
)
_NOWHERE = RepositoryName("local")


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What is decided about, and the questions. `gates` are the closed ones that are no policy's; `notes` sentences.

    `waive` turns the answers' verdicts into those that count.
    """

    release: str
    path: str
    operation: Operation
    asked_for: str
    running: str
    asked: Asked
    waive: Callable[[Iterable[PolicyVerdict]], Waived]
    gates: tuple[Gate, ...] = ()
    notes: tuple[str, ...] = ()


def from_world(world: World, snapshot: Snapshot, path: str) -> Decision | None:
    """The decision about the release whose file is `path` in this snapshot; None when that is no release's file."""
    key = next((key for key, file in snapshot.releases.items() if file.path == path), None)
    facts = gather(key, world) if key else None
    if key is None or facts is None:
        return None
    standing = verify(facts)
    upstream = seen_upstream(key, standing, world)
    return Decision(
        release=f"{key.environment}/{key.name}",
        path=path,
        operation=operation(
            facts.running,
            standing.resolved.effective if standing.resolved else None,
            rollback=progress.returning(facts.status, standing) is not None,
        ),
        asked_for=standing.resolved.effective.spec.model.version if standing.resolved else "",
        running=facts.running.spec.model.version if facts.running else "",
        asked=asks(facts, standing, upstream, world),
        waive=lambda verdicts: waived(standing, snapshot, verdicts, facts.now),
        gates=tuple(gate for gate in standing.gates if not gate.open),
        notes=standing.notes,
    )


def from_files(
    documents: Iterable[Loaded],
    path: str,
    contents: bytes,
    bundle: Sequence[LoadedPolicy],
    *,
    running: tuple[Loaded, bytes] | None,
    now: datetime,
) -> Decision:
    """The decision about the release at `path` among these documents, were `running` what runs.

    Raises Invalid when it, or what runs, names something that is not there, NotFound when `path` is no release.
    """
    known = list(documents)
    release = next((one for one in known if one.path == path and one.kind == "ModelRelease"), None)
    if release is None:
        raise NotFound(f"{path} is no ModelRelease")
    asked_for = _resolved(release, contents, known)
    runs = _resolved(*running, known).effective if running else None
    facts = _facts(asked_for, runs, known, now)
    spec = asked_for.effective.spec
    return Decision(
        release=f"{spec.environment}/{release.name}",
        path=path,
        operation=facts.operation,
        asked_for=spec.model.version,
        running=runs.spec.model.version if runs else "",
        asked=ask(facts, bundle, [own_policy(one) for one in known if one.kind == "Policy"]),
        waive=partial(_waived, release, asked_for.effective, known, now),
        notes=(UNKNOWN,),
    )


def _facts(asked_for: Resolved, runs: Effective | None, known: Sequence[Loaded], now: datetime) -> Facts:
    """What is known of the decision from the documents alone."""
    environments = {one.name: one.as_(Environment) for one in known if one.kind == "Environment"}
    environment = environments[asked_for.effective.spec.environment]
    clusters = {one.name: one.as_(Cluster) for one in known if one.kind == "Cluster"}
    return Facts(
        operation=operation(runs, asked_for.effective, rollback=False),
        release=asked_for.effective,
        running=runs,
        environment=environment,
        clusters=[clusters[name] for name in asked_for.clusters],
        objects=_objects(asked_for),
        upstream=_nothing_before(environment),
        now=now,
    )


def _waived(
    release: Loaded, effective: Effective, known: Iterable[Loaded], now: datetime, verdicts: Iterable[PolicyVerdict]
) -> Waived:
    """The verdicts after the waivers among the documents, as if each were signed."""
    waivers = {one.name: (one.as_(Waiver), InForce(path=one.path)) for one in known if one.kind == "Waiver"}
    key = _key(release.name, effective.spec.environment)
    return waive(key, effective, verdicts, waivers, released_by=frozenset(), now=now)


def _key(name: str, environment: str) -> ReleaseKey:
    return ReleaseKey(repository=_NOWHERE, environment=EnvironmentName(environment), name=ReleaseName(name))


def _resolved(release: Loaded, contents: bytes, known: Sequence[Loaded]) -> Resolved:
    return resolve(
        release,
        {one.name: one for one in known if one.kind == "Environment"},
        runtimes_of(BUILTIN.values(), [one for one in known if one.kind == "ServingRuntime"]),
        {one.name: one.as_(Cluster) for one in known if one.kind == "Cluster"},
        manifest_sha256=sha256_of(contents),
        repository=_NOWHERE,
        renderer=RENDERER,
    )


def _objects(resolved: Resolved) -> dict[str, int]:
    effective: Effective = resolved.effective
    key = _key(effective.name, effective.spec.environment)
    directive = progress.promoted(effective, revision=Revision("0" * 40), closure=Closure("sha256:" + "0" * 64))
    rendering = render(directive, {effective.version: effective}, key=key)
    return progress.object_counts(rendering, len(resolved.clusters))


def _nothing_before(environment: Environment) -> Upstream | None:
    before = environment.spec.after
    return Upstream(environment=before, soak=environment.spec.soak) if before else None
