"""One target in memory: a release of the sample repository, a cluster that applies changes, and the pass around them.

The pass is the one of `loop/target`, without requests and threads; what it decides comes from `reconciler.plan` alone.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from reconciler.digest import sha256_of
from reconciler.documents.resolve import resolve, runtimes_of
from reconciler.documents.schema import Loaded, parse
from reconciler.model.cluster import Cluster as ClusterDocument
from reconciler.model.facts import LiveObject
from reconciler.model.ids import TargetKey, Version
from reconciler.model.objects import ObjectRef, RenderedObject, Rendering
from reconciler.model.plan import Action, Change, ChangeSet, Outcome, Result
from reconciler.model.release import Effective
from reconciler.model.state import Directive, Role, TargetState, VersionDirective, canonical, pack, release_key
from reconciler.model.state import ReleaseRef as Ref
from reconciler.plan.compare import compare
from reconciler.plan.conclude import announce, conclude
from reconciler.plan.decide import Decision, decide
from reconciler.plan.order import stages
from reconciler.plan.seen import SeenTarget
from reconciler.render import RENDERER, render

SAMPLE = Path(__file__).parents[2] / "sample-repo"
REPOSITORY = "github.com/acme/models"
NOW = datetime(2026, 12, 1, 9, 0, 0, 123456, tzinfo=UTC)
HOME = "home-uid"
KEY = TargetKey(
    release=release_key(Ref(repository=REPOSITORY, environment="prod", name="fraud-detector")), cluster="eu-1"
)
OWNER = KEY.release.state_name


def sample(path: str, **changes: str) -> Loaded:
    """A document of the sample repository with texts replaced: `_1=("old", "new")`."""
    text = (SAMPLE / path).read_text()
    for old, new in changes.values():
        assert old in text
        text = text.replace(old, new)
    return parse(path, text.encode())


def effective(model_version: str, **changes: Any) -> Effective:
    """The sample's fraud-detector in prod as another model version, resolved as the loop resolves it."""
    release = sample(
        "releases/prod/fraud-detector.yaml", model=("version: 1.3.0", f"version: {model_version}"), **changes
    )
    environment = sample("environments/prod.yaml")
    cluster = sample("clusters/eu-1.yaml").as_(ClusterDocument)
    return resolve(
        release,
        {"prod": environment},
        runtimes_of((), [sample("runtimes/onnx-http.yaml")]),
        {"eu-1": cluster},
        manifest_sha256=sha256_of(f"{model_version} {sorted(changes.items())}".encode()),
        repository=REPOSITORY,
        renderer=RENDERER,
    ).effective


OLD, NEW = effective("1.3.0"), effective("1.4.0")
OPEN = effective("1.3.0", allow=("[{namespace: checkout}]", "[{namespace: checkout}, {namespace: risk}]"))
ACCOUNT = effective("1.5.0", account=("access: {", "access: {serviceAccount: fraud, "))
IMAGE = f"registry.example.com/hook@sha256:{'a' * 64}"
NAMES = {"before": "migrate", "after": "smoke"}
JOBS = {when: f"[{{job: {{name: {name}, image: {IMAGE}}}}}]" for when, name in NAMES.items()}
HOOKS = "hooks: {" + ", ".join(f"{when}: {jobs}" for when, jobs in JOBS.items()) + "}"
HOOKED = effective("1.6.0", hooks=("rollout: {strategy: rolling}", HOOKS))
SPECS = {"old": OLD, "new": NEW, "open": OPEN, "account": ACCOUNT, "hooked": HOOKED}


def told(*entries: tuple[Effective, Role, int, int], sequence: int = 1, self_heal: bool = True) -> Directive:
    return Directive(
        sequence=sequence,
        revision="1" * 40,
        closure=sha256_of(b"closure"),
        self_heal=self_heal,
        versions=tuple(
            VersionDirective(
                version=spec.version, role=role, low=low, high=high, effective=sha256_of(canonical(spec.to_data()))
            )
            for spec, role, low, high in entries
        ),
    )


STABLE = told((OLD, Role.STABLE, 2, 6))


class Crash(Exception):
    """The process ends between two effects."""


@dataclass
class Cluster:
    """What a server would have: objects by ref with the digest of the fields that we own."""

    live: dict[ObjectRef, LiveObject] = field(default_factory=dict)
    writes: list[tuple[Action, str]] = field(default_factory=list)
    failing: set[str] = field(default_factory=set)
    made: int = 0

    def carry_out(self, change: Change, objects: Mapping[ObjectRef, RenderedObject]) -> Result:
        if change.ref.kind in self.failing:
            return Result(change=change, outcome=Outcome.FAILED, reason="ApplyFailed", message="no")
        if change.action is Action.ORPHAN:
            return Result(change=change, outcome=Outcome.DONE)
        self.writes.append((change.action, str(change.ref)))
        if change.action is Action.DELETE:
            self.live.pop(change.ref, None)
            return Result(change=change, outcome=Outcome.DONE)
        if change.action is Action.SCALE:
            self.scale(change.ref, int(change.after))
            return Result(change=change, outcome=Outcome.DONE)
        live = self.apply(objects[change.ref])
        return Result(change=change, outcome=Outcome.DONE, live=live.digest, uid=live.uid)

    def apply(self, rendered: RenderedObject, *, owner: str = OWNER) -> LiveObject:
        before = self.live.get(rendered.ref)
        self.made += before is None
        live = LiveObject(
            ref=rendered.ref,
            uid=before.uid if before else f"uid-{self.made}",
            resource_version="1",
            generation=1,
            digest=sha256_of(b"live" + rendered.payload),
            owner=owner,
            others=before.others if before else (),
            deleting=False,
            facts=before.facts if before else {"replicas": 1, "status": {}},
        )
        self.live[rendered.ref] = live
        return live

    def scale(self, ref: ObjectRef, replicas: int) -> None:
        live = self.live[ref]  # a scale of what does not exist is an error, as it is on a server
        self.live[ref] = replace(live, facts={"replicas": replicas, "status": ready(replicas, 0)})

    def drift(self, ref: ObjectRef) -> None:
        self.live[ref] = replace(self.live[ref], digest=sha256_of(b"somebody else"), others=("kubectl-edit",))

    def end_job(self, hook: str, kind: str = "Complete", reason: str = "", message: str = "") -> None:
        """A hook's Job ends with this condition."""
        (ref,) = (ref for ref in self.live if ref.kind == "Job" and ref.name.endswith(f"-{hook}"))
        row = {"type": kind, "status": "True", "reason": reason, "message": message}
        self.live[ref] = replace(self.live[ref], facts={"status": {"conditions": [row]}})

    def start_pods(self) -> None:
        for ref, live in self.live.items():
            if ref.kind == "Deployment":
                self.live[ref] = replace(live, facts={**live.facts, "status": ready(live.facts["replicas"])})


def ready(replicas: int, available: int | None = None) -> dict[str, Any]:
    up = replicas if available is None else available
    return {"observedGeneration": 1, "replicas": replicas, "availableReplicas": up}


@dataclass
class Target:
    """The pass over one target. `turn` is one pass; `crash_after` ends it after that many effects."""

    directive: Directive = STABLE
    cluster: Cluster = field(default_factory=Cluster)
    state: TargetState | None = None
    now: datetime = NOW

    def seen(self) -> SeenTarget:
        by_version = {spec.version: spec for spec in SPECS.values()}
        by_digest = {sha256_of(canonical(spec.to_data())): spec for spec in SPECS.values()}
        named = {
            entry.version: by_digest.get(entry.effective, by_version[entry.version])
            for entry in self.directive.versions
        }
        seen = SeenTarget(
            key=KEY,
            home=HOME,
            taken_over=frozenset(),
            directive=self.directive,
            effective={Version(version): spec for version, spec in named.items()},
            packed={Version(version): pack(spec) for version, spec in named.items()},
            state=self.state,
            live={},
            pods={},
            now=self.now,
        )
        refs = {rendered.ref for rendered in self.wanted(seen).objects} | set(seen.inventory)
        return replace(seen, live={ref: live for ref, live in self.cluster.live.items() if ref in refs})

    def wanted(self, seen: SeenTarget) -> Rendering:
        return render(seen.directive, seen.effective, key=KEY.release)

    def decide(self) -> Decision:
        seen = self.seen()
        return decide(seen, compare(self.wanted(seen), seen))

    def turn(self, *, crash_after: int | None = None) -> Decision:
        seen = self.seen()
        wanted = self.wanted(seen)
        decision = decide(seen, compare(wanted, seen))
        self.state = announce(seen, decision)
        objects = {rendered.ref: rendered for rendered in wanted.objects}
        results: list[Result] = []
        failed = False
        for stage in stages(decision.plan.changes):
            for change in stage:
                if crash_after is not None and len(results) >= crash_after:
                    raise Crash
                skipped = Result(change=change, outcome=Outcome.SKIPPED)
                results.append(skipped if failed else self.cluster.carry_out(change, objects))
            failed = failed or any(row.outcome is Outcome.FAILED for row in results)
        if crash_after is not None:
            raise Crash
        refs = {rendered.ref for rendered in wanted.objects} | set(seen.inventory)
        after = replace(seen, live={ref: live for ref, live in self.cluster.live.items() if ref in refs})
        self.state = conclude(after, decision, ChangeSet(results=tuple(results)), wanted)
        return decision

    def settle(self, passes: int = 6) -> int:
        """Passes until one has nothing to do; fails when that does not happen."""
        for count in range(passes):
            self.cluster.start_pods()
            decision = self.turn()
            if decision.plan.is_empty and not decision.marked:
                return count
            self.now += timedelta(minutes=11)  # repairs this far apart are no fight
        raise AssertionError(f"not settled: {self.decide().plan.changes}")

    def sizes(self) -> dict[str, int]:
        """Replicas of every Deployment, by its version's ten digits."""
        return {
            ref.name[-10:]: live.facts["replicas"]
            for ref, live in self.cluster.live.items()
            if ref.kind == "Deployment"
        }

    def find(self, kind: str, name: str = "") -> ObjectRef:
        found = [ref for ref in self.cluster.live if ref.kind == kind and name in ref.name]
        assert len(found) == 1, found
        return found[0]


def with_hooks(directive: Directive, *hooks: str) -> Directive:
    """The directive with hooks of HOOKED."""
    versions = (
        entry.model_copy(update={"hooks": hooks}) if entry.version == HOOKED.version else entry
        for entry in directive.versions
    )
    return directive.model_copy(update={"versions": tuple(versions)})


def told_again(directive: Directive, **update: Any) -> Directive:
    return directive.model_copy(update={"sequence": directive.sequence + 1, **update})


def actions(changes: Collection[Change]) -> list[tuple[str, str, str]]:
    """(action, kind, why) of everything that is not unchanged."""
    return [
        (change.action.value, change.ref.kind, change.why)
        for change in changes
        if change.action is not Action.UNCHANGED
    ]
