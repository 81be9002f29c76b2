"""A small world for the rollout machine: clusters that carry directives out, and the loop's bookkeeping around them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from reconciler.model.ids import ClusterName
from reconciler.model.state import (
    ASLEEP,
    Apply,
    Directive,
    HookOutcome,
    HookState,
    Phase,
    Role,
    VersionDirective,
    VersionHealth,
    VersionRef,
)
from reconciler.rollout.machine import advance
from reconciler.rollout.situation import Advance, ClusterSeen, Progress, Runnable, Situation, Wanted

NOW = datetime(2026, 11, 2, 9, 0, 0, 123456, tzinfo=UTC)
BEFORE = datetime(2026, 11, 1, 9, 0, tzinfo=UTC)
EU, US, AP = ClusterName("eu-1"), ClusterName("us-1"), ClusterName("ap-1")
ROLES = {"s": Role.STABLE, "c": Role.CANDIDATE, "p": Role.PREVIOUS}


def digest(text: str) -> str:
    return "sha256:" + (text.encode().hex() + "0" * 64)[:64]


def runnable(
    name: str, low: int = 4, high: int = 10, *, effective: str = "", model_version: str = "",
    before: tuple[str, ...] = (), after: tuple[str, ...] = (),
) -> Runnable:  # fmt: skip
    ref = VersionRef(
        version=digest(name),
        model_version=model_version or name,
        manifest=digest(f"m{name}{effective}"),
        closure=digest(f"c{name}{effective}"),
    )
    spec = digest(f"e{name}{effective}")
    return Runnable(ref=ref, effective=spec, low=low, high=high, before=before, after=after)


def retired(name: str) -> Runnable:
    """The version with the spec that says that nothing is to serve."""
    return replace(runnable(name, 0, 0, effective="r"), retired=True)


def told(
    name: str, role: str, low: int, high: int | None = None, *, effective: str = "", hooks: str = ""
) -> VersionDirective:
    """`hooks` are names with a space between them."""
    return VersionDirective(
        version=digest(name),
        role=ROLES[role],
        low=low,
        high=low if high is None else high,
        effective=digest(f"e{name}{effective}"),
        hooks=tuple(hooks.split()),
    )


def outcome(state: str, message: str = "") -> HookOutcome:
    """`Running`, `Complete` or `Failed`."""
    reason = "BackoffLimitExceeded" if state == "Failed" else ""
    return HookOutcome(state=HookState(state), since=BEFORE, reason=reason, message=message)


def directive(*versions: VersionDirective, sequence: int = 1, retire: bool = False) -> Directive:
    apply = Apply.RETIRE if retire else Apply.RUN
    return Directive(sequence=sequence, revision="1" * 40, closure=digest("closure"), versions=versions, apply=apply)


def health(replicas: int, ready: int, **more) -> VersionHealth:
    return VersionHealth(replicas=replicas, ready=ready, wanted=replicas, **{"healthy": True, **more})


def seen(
    sequence: int = 1, *, reachable: bool = True, hooks: Mapping[str, Mapping[str, str]] | None = None,
    **versions: VersionHealth,
) -> ClusterSeen:  # fmt: skip
    """`hooks` by version and name: how far they are."""
    named = {digest(name): value for name, value in versions.items()}
    ended = {
        digest(name): {hook: outcome(state) for hook, state in states.items()} for name, states in (hooks or {}).items()
    }
    return ClusterSeen(reachable=reachable, sequence=sequence, versions=named, hooks=ended)


def situation(
    wanted: Runnable,
    clusters: Mapping[str, tuple[Directive | None, ClusterSeen | None]],
    *,
    gates_open: bool = True,
    known_good: bool = False,
    strategy: str = "rolling",
    depth: int = 2,
    **progress,
) -> Situation:
    return Situation(
        strategy=strategy,
        wanted=Wanted(runnable=wanted, known_good=known_good, gates_open=gates_open),
        progress=Progress(**{"since": BEFORE, **progress}),
        clusters=tuple(ClusterName(name) for name in clusters),
        directives={ClusterName(name): told for name, (told, _) in clusters.items() if told is not None},
        seen={ClusterName(name): report for name, (_, report) in clusters.items() if report is not None},
        depth=depth,
    )


def shown(versions: Iterable[VersionDirective]) -> list[tuple[str, str, int, int]]:
    """A directive's versions as (name, role, low, high)."""
    return [
        (
            bytes.fromhex(entry.version.removeprefix("sha256:")).rstrip(b"\0").decode(),
            entry.role[0],
            entry.low,
            entry.high,
        )
        for entry in versions
    ]


def sizes(answer: Advance, cluster: str = EU) -> list[tuple[str, str, int, int]]:
    return shown(answer.versions[ClusterName(cluster)])


def one(wanted: Runnable, plan: Directive | None, report: ClusterSeen | None, **more) -> Advance:
    """A pass over one cluster."""
    return advance(situation(wanted, {EU: (plan, report)}, **more), NOW)


def resequenced(plan: Directive, sequence: int) -> Directive:
    return plan.model_copy(update={"sequence": sequence})


V1, V2, V3 = runnable("1"), runnable("2"), runnable("3")
OLD, OLDER, OLDEST = runnable("o"), runnable("p"), runnable("q")
MID = {"phase": Phase.STEPPING, "stable": V1, "candidate": V2, "full": {EU: 4}}
REST = {"phase": Phase.PROMOTED, "stable": V1}
STARTED = directive(told("1", "s", 4), told("2", "c", 1))
HALF = directive(told("1", "s", 2), told("2", "c", 3))
STABLE = directive(told("1", "s", 4, 10))
FOUR = health(4, 4)


@dataclass
class SimCluster:
    """Carries out the directive it last saw; pods become ready only when the test says so."""

    reachable: bool = True
    directive: Directive | None = None
    pods: dict[str, list[bool]] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    hooks: dict[str, dict[str, HookOutcome]] = field(default_factory=dict)
    broken_hooks: set[str] = field(default_factory=set)

    def act(self, now_told: Directive | None) -> None:
        """One target pass: sizes as told; what is not told has no pods; pods that are not ready go first."""
        if not self.reachable or now_told is None:
            return
        self.directive = now_told
        self.pods = {entry.version: self._sized(entry) for entry in now_told.versions}
        self.hooks = {entry.version: self._hooks(entry) for entry in now_told.versions}

    def _hooks(self, entry: VersionDirective) -> dict[str, HookOutcome]:
        """What ended stays known while the version is named; what a candidate is told and did not end runs."""
        known = {name: each for name, each in self.hooks.get(entry.version, {}).items() if each.ended}
        due = entry.hooks if entry.role is Role.CANDIDATE else ()
        return {name: outcome("Running") for name in due} | known

    def end_hook(self, choice: int) -> None:
        """One hook that runs ends: well, unless it is broken."""
        running = [
            (version, name)
            for version, found in sorted(self.hooks.items())
            for name, each in sorted(found.items())
            if not each.ended
        ]
        if running:
            version, name = running[choice % len(running)]
            self.hooks[version][name] = outcome("Failed" if name in self.broken_hooks else "Complete")

    def _sized(self, entry: VersionDirective) -> list[bool]:
        have = sorted(self.pods.get(entry.version, []), reverse=True)
        size = min(entry.high, max(entry.low, len(have)))
        return (have + [False] * size)[:size]

    def start(self, choice: int) -> None:
        """One more pod becomes ready: which version's is chosen by a number."""
        waiting = [v for v, pods in sorted(self.pods.items()) if False in pods and v not in self.broken]
        if waiting:
            pods = self.pods[waiting[choice % len(waiting)]]
            pods[pods.index(False)] = True

    def crash(self, choice: int) -> None:
        """One ready pod is not ready any more."""
        ready = [version for version, pods in sorted(self.pods.items()) if True in pods]
        if ready:
            pods = self.pods[ready[choice % len(ready)]]
            pods[pods.index(True)] = False

    def scale(self, size: int) -> None:
        """An autoscaler chooses a size within the range it has."""
        for entry in self.directive.versions if self.directive and self.reachable else ():
            if entry.low < entry.high:
                wanted = min(entry.high, max(entry.low, size))
                self.pods[entry.version] = (sorted(self.pods[entry.version], reverse=True) + [False] * wanted)[:wanted]

    @property
    def ready(self) -> int:
        return sum(sum(pods) for pods in self.pods.values())

    def report(self) -> ClusterSeen:
        return ClusterSeen(
            reachable=self.reachable,
            sequence=self.directive.sequence if self.directive else 0,
            versions={version: self._health(version) for version in self.pods},
            hooks={version: dict(found) for version, found in self.hooks.items()},
        )

    def _health(self, version: str) -> VersionHealth:
        pods = self.pods[version]
        entry = self.directive.version(version)
        failed = version in self.broken and bool(pods)
        return VersionHealth(
            replicas=len(pods),
            ready=sum(pods),
            wanted=entry.low,
            healthy=sum(pods) >= entry.low,
            failed=failed,
            reason="ProgressDeadlineExceeded" if failed else "",
        )


class World:
    """The loop's part: it turns an Advance into directives, keeps a history, and may lose an answer."""

    def __init__(self, wanted: Runnable, *, clusters: Iterable[str], strategy: str = "rolling", depth: int = 2) -> None:
        self.wanted = wanted
        self.known_good = False
        self.gates_open = True
        self.strategy = strategy
        self.depth = depth
        self.progress = Progress()
        self.history: list[Runnable] = []
        self.directives: dict[ClusterName, Directive] = {}
        self.clusters = {ClusterName(name): SimCluster() for name in clusters}
        self.writes = 0

    def ask(self, wanted: Runnable, *, gates_open: bool = True) -> None:
        """What the trunk asks for; a text that retires asks for no pods of what is stable, as the loop reads it."""
        stable = self.progress.stable
        if wanted.retired and stable is not None and stable.version != wanted.version:
            wanted = replace(stable, low=0, high=0, retired=True)
        self.wanted = wanted
        self.known_good = not wanted.retired and any(wanted.version == old.version for old in self.history)
        self.gates_open = gates_open

    def join(self, name: str) -> None:
        """A cluster that was not wanted is now."""
        self.clusters.setdefault(ClusterName(name), SimCluster())

    def situation(self) -> Situation:
        return Situation(
            strategy=self.strategy,
            wanted=Wanted(runnable=self.wanted, known_good=self.known_good, gates_open=self.gates_open),
            progress=self.progress,
            clusters=tuple(self.clusters),
            directives=dict(self.directives),
            seen={name: cluster.report() for name, cluster in self.clusters.items()},
            depth=self.depth,
        )

    def steer(self, *, lost: bool = False) -> Advance:
        answer = advance(self.situation(), NOW)
        if not lost:
            self._write(answer)
        return answer

    def _write(self, answer: Advance) -> None:
        for name, versions in answer.versions.items():
            old = self.directives.get(name)
            now_told = directive(*versions, sequence=old.sequence + 1 if old else 1, retire=answer.phase in ASLEEP)
            if old is None or (old.versions, old.apply) != (versions, now_told.apply):
                self.directives[name] = now_told
                self.writes += 1
        if answer.promoted and answer.stable is not None:
            self.history.insert(0, answer.stable)
        self.progress = replace(
            self.progress,
            phase=answer.phase,
            since=answer.since,
            stable=answer.stable,
            candidate=answer.candidate,
            full=answer.full,
            failed=answer.failed,
            previous=tuple(
                old for old in self.history if answer.stable is None or old.version != answer.stable.version
            ),
        )

    def act(self, name: str) -> None:
        self.clusters[ClusterName(name)].act(self.directives.get(ClusterName(name)))

    def round(self) -> Advance:
        """A fair round: steer, then every reachable cluster acts and starts all the pods it can."""
        answer = self.steer()
        for name, cluster in self.clusters.items():
            self.act(name)
            for _ in range(sum(map(len, cluster.pods.values())) if cluster.reachable else 0):
                cluster.start(0)
            for _ in range(sum(map(len, cluster.hooks.values())) if cluster.reachable else 0):
                cluster.end_hook(0)
        return answer

    def settle(self, rounds: int = 60) -> int:
        """Fair rounds until Promoted, or Retired where that is asked; the number it took."""
        end = Phase.RETIRED if self.wanted.retired else Phase.PROMOTED
        for count in range(1, rounds + 1):
            if self.round().phase is end:
                return count
        raise AssertionError(f"not {end} after {rounds} rounds: {self.steer().message}")
